"""The chi-squared distribution."""

from __future__ import annotations

import rushlight as torch

from . import constraints
from .gamma import Gamma

__all__ = ["Chi2"]


class Chi2(Gamma):
    """The sum of the squares of `df` standard normal variates."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: torch.Tensor | float, validate_args: bool | None = None) -> None:
        super().__init__(0.5 * df, 0.5, validate_args=validate_args)

    @property
    def df(self) -> torch.Tensor:
        """Degrees of freedom."""
        return self.concentration * 2
