"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import rushlight as torch
from rushlight import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, joined in order."""
    parameters = list(parameters)
    _check_one_device(parameters)
    return torch.cat([param.view(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters' data be consecutive slices of the vector."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {torch.typename(vec)}")
    parameters = list(parameters)
    _check_one_device(parameters)
    start = 0
    slices = []
    for param in parameters:
        count = param.numel()
        slices.append(vec[start : start + count].view_as(param).data)
        start += count
    for param, data in zip(parameters, slices, strict=True):
        param.data = data


def _check_one_device(parameters):
    if len({param.device for param in parameters}) > 1:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported."
        )
