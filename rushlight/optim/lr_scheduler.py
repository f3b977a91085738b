"""Schedules of learning rates: one class a rule, stepped once an epoch or once a batch."""

from __future__ import annotations

from ._combined_schedules import ChainedScheduler, ReduceLROnPlateau, SequentialLR
from ._cyclic_schedules import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from ._scheduler import (
    EPOCH_DEPRECATION_WARNING as EPOCH_DEPRECATION_WARNING,
)
from ._scheduler import (
    LRScheduler,
)
from ._scheduler import _enable_get_lr_call as _enable_get_lr_call
from ._scheduler import _warn_get_lr_called_within_step as _warn_get_lr_called_within_step
from ._schedules import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]


for _name in __all__:  # where PyTorch has them, and what they print as
    globals()[_name].__module__ = __name__


class _LRScheduler(LRScheduler):
    """The base class under the name that it had before PyTorch 2.0."""
