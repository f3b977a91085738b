"""What the families of linear algebra share: checks and samples."""

from __future__ import annotations

from .._lazy import np


def square(make, n=3):
    """A well conditioned matrix: random plus a dominant diagonal."""
    a = make(n, n, grad=False)
    for i in range(n):
        a[i, i] += n
    return a.requires_grad_() if make.grad else a


def mT(x):  # noqa: N802 (as the tensor attribute)
    return np.conj(np.swapaxes(x, -1, -2))


def off_diagonal(values):
    """1 / (values_j - values_i) off the diagonal, 1 on it."""
    e = values.unsqueeze(-2) - values.unsqueeze(-1)
    e.diagonal(0, -2, -1).fill_(1)
    return e


def check_matrix(name, *tensors):
    for t in tensors:
        if t.ndim < 2:
            raise RuntimeError(
                f"{name}: The input tensor A must have at least 2 dimensions, got {t.ndim}"
            )


def check_square(name, a):
    check_matrix(name, a)
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {a.shape[-2]} by "
            f"{a.shape[-1]} matrices"
        )


def check_float(name, a):
    from .. import bfloat16, float16

    if not (a.is_floating_point() or a.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {a.dtype}"
        )
    if a.dtype in (float16, bfloat16):
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {a.dtype}")


def identity(a):
    from .. import eye

    return eye(a.shape[-1], dtype=a.dtype)
