"""What the distributions share: broadcasting, probabilities and logits, lazy attributes."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt

import rushlight as torch
from rushlight import Tensor

__all__ = [
    "broadcast_all", "logits_to_probs", "clamp_probs", "probs_to_logits", "lazy_property",
    "tril_matrix_to_vec", "vec_to_tril_matrix",
]  # fmt: skip

euler_constant = 0.57721566490153286060


def broadcast_all(*values: torch.Tensor | float) -> tuple[torch.Tensor, ...]:
    """Tensors of one shape; numbers take the dtype of the first tensor, or the default one.

    Tensors that have one shape already come back as they are.
    """
    tensors = [v for v in values if isinstance(v, Tensor)]
    if len(tensors) < len(values):
        for v in values:
            if not isinstance(v, (int, float)) and not _tensor_like(v):
                raise ValueError(
                    "Input arguments must all be instances of Number, "
                    "torch.Tensor or objects implementing __torch_function__."
                )
        options = {"dtype": torch.get_default_dtype()}
        if tensors:
            options = {"dtype": tensors[0].dtype, "device": tensors[0].device}
        values = tuple(v if _tensor_like(v) else torch.tensor(v, **options) for v in values)
    elif all(t.shape == tensors[0].shape for t in tensors[1:]):
        return values
    return torch.broadcast_tensors(*values)


def _tensor_like(value):
    return isinstance(value, Tensor) or hasattr(value, "__torch_function__")


def _standard_normal(shape, dtype, device):
    return torch.normal(
        torch.zeros(shape, dtype=dtype, device=device),
        torch.ones(shape, dtype=dtype, device=device),
    )


def _sum_rightmost(value, dim):
    """The sum over the last `dim` dims."""
    return value if dim == 0 else value.reshape(value.shape[:-dim] + (-1,)).sum(-1)


def logits_to_probs(logits: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """Sigmoid of log odds, or softmax of log probabilities over the last dim."""
    return torch.sigmoid(logits) if is_binary else torch.softmax(logits, -1)


def clamp_probs(probs: torch.Tensor) -> torch.Tensor:
    """`probs` kept away from 0 and 1 by the dtype's epsilon."""
    eps = torch.finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: torch.Tensor, is_binary: bool = False) -> torch.Tensor:
    """Log odds of probabilities, or their logarithms."""
    safe = clamp_probs(probs)
    logs = torch.log(safe)
    return logs - torch.log1p(-safe) if is_binary else logs


def _one_of(probs, logits):
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class lazy_property:
    """An attribute that is computed at its first use, with gradients, and then kept."""

    def __init__(self, wrapped: Callable) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__
        self.__name__ = wrapped.__name__

    def __get__(self, instance, owner=None):
        if instance is None:
            return _lazy_property_and_property(self.wrapped)
        with torch.enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.__name__, value)
        return value


class _lazy_property_and_property(lazy_property, property):
    """What a class shows of a lazy attribute: documentation tools know properties."""

    def __init__(self, wrapped):
        property.__init__(self, wrapped)


def tril_matrix_to_vec(mat: torch.Tensor, diag: int = 0) -> torch.Tensor:
    """Elements of square matrices up to diagonal `diag`, row by row: (..., n, n) to (..., m)."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = torch.tril_indices(n, n, diag, device=mat.device)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: torch.Tensor, diag: int = 0) -> torch.Tensor:
    """The matrices of which `tril_matrix_to_vec` gives `vec`, zero elsewhere."""
    # m elements: n + diag rows of a triangle, less its corner beyond the last column.
    corner = max(diag, 0) * (diag + 1)
    n = (isqrt(1 + 8 * (vec.shape[-1] + corner)) - 1 - 2 * diag) // 2
    mat = torch.zeros(vec.shape[:-1] + (n, n), dtype=vec.dtype, device=vec.device)
    rows, columns = torch.tril_indices(n, n, diag, device=vec.device)
    mat[..., rows, columns] = vec
    return mat
