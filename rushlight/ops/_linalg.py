"""What the families of linear algebra share: checks, results, samples."""

from __future__ import annotations

import warnings

from .. import _C
from .._errors import LinAlgError
from .._lazy import LazyModule, np
from ._lanes import all_lanes, some
from ._outputs import deliver  # noqa: F401 (for the families)

lapack = LazyModule("rushlight._lapack")


def square(make, n=3):
    """A well conditioned matrix: random plus a dominant diagonal."""
    a = make(n, n, grad=False)
    for i in range(n):
        a[i, i] = a[i, i] + n
    return a.requires_grad_() if make.grad else a


def positive(make, n=3):
    """A positive definite (Hermitian) matrix."""
    a = make(n, n, grad=False)
    a = a if a.dtype is _C.bool else a @ a.mH + n * identity(a)
    return a.requires_grad_() if make.grad else a


def mT(x):  # noqa: N802 (as the tensor attribute)
    return np.conj(np.swapaxes(x, -1, -2))


def columns(like, shape):
    """Memory for matrices of that shape column by column, as LAPACK leaves them."""
    *batch, m, n = shape
    return like.new_empty((*batch, n, m)).mT


def off_diagonal(values):
    """1 / (values_j - values_i) off the diagonal, 1 on it."""
    e = values.unsqueeze(-2) - values.unsqueeze(-1)
    e.diagonal(0, -2, -1).fill_(1)
    return e


def identity(a):
    """The identity matrix of the last dim, in the dtype of `a`."""
    from .. import eye

    return eye(a.shape[-1], dtype=a.dtype, device=a.device)


PRECISE = (_C.float32, _C.float64, _C.complex64, _C.complex128)  # what LAPACK has


# -- checks ---------------------------------------------------------------------------------------


def check_matrix(name, *tensors, letter="A"):
    for t in tensors:
        if t.ndim < 2:
            raise RuntimeError(
                f"{name}: The input tensor {letter} must have at least 2 dimensions, got {t.ndim}"
            )


def check_square(name, a, letter="A"):
    check_matrix(name, a, letter=letter)
    if a.shape[-1] != a.shape[-2]:
        raise RuntimeError(
            f"{name}: {letter} must be batches of square matrices, but they are {a.shape[-2]} by "
            f"{a.shape[-1]} matrices"
        )


def check_float(name, a, kernel=None):
    """Floating point or complex; half types raise as PyTorch's missing `kernel` does, if given."""
    if a.dtype in PRECISE:
        return
    if not (a.is_floating_point() or a.is_complex()):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {a.dtype}"
        )
    if kernel:
        check_kernel(kernel, a)
    raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {a.dtype}")


def check_kernel(name, a):
    """As check_float, for the functions that PyTorch calls not implemented."""
    if a.dtype not in PRECISE:
        raise NotImplementedError(f"\"{name}\" not implemented for '{a.dtype._scalar_name}'")


def check_same_dtype(name, a, b, letters="A and B"):
    if a.dtype != b.dtype:
        first, _, second = letters.split()
        raise RuntimeError(
            f"{name}: Expected {letters} to have the same dtype, but found {first} of type "
            f"{a.dtype} and {second} of type {b.dtype} instead"
        )


def check_system(name, a, b, left=True):
    """A X = B, or X A = B: B is a matrix of the right number of rows or columns."""
    check_matrix(name, b, letter="B")
    if a.shape[-2] != b.shape[-2 if left else -1]:
        equation = "AX = B" if left else "XA = B"
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {equation} "
            f"({a.shape[-2]}x{a.shape[-1]} and {b.shape[-2]}x{b.shape[-1]})"
        )
    if a.shape[:-2] != b.shape[:-2]:
        from .. import broadcast_shapes

        broadcast_shapes(a.shape[:-2], b.shape[:-2])  # raises where they do not fit


def check_info(name, info, meaning, error=LinAlgError):
    """Raise for the first matrix whose `info` is above zero; meaning(info) says what it means."""
    info = all_lanes(info)
    if not some(info):
        return
    flat = info.reshape(-1).tolist()
    index = next(i for i, value in enumerate(flat) if value)
    batch = f" (Batch element {index}):" if info.ndim else ""
    raise error(f"{name}:{batch} {meaning(flat[index])}")


def check_phase(name, what, turn):
    """Raise where a loss depends on the phase of complex vectors: `turn`, its slope, is not 0."""
    if some(turn.detach().abs() > 1e-2):
        raise RuntimeError(
            f"{name}: The {what} in the complex case are specified up to multiplication by "
            "e^{i phi}. The specified loss function depends on this phase term, making it "
            "ill-defined."
        )


def expand_batches(a, b):
    """Two batches of matrices with the same batch shape."""
    from .. import broadcast_shapes

    batch = tuple(broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    return a.expand(*batch, *a.shape[-2:]), b.expand(*batch, *b.shape[-2:])


_warned: set = set()


def warn_replaced(old, new):
    """Say, once, that torch.<old> goes away in favour of torch.linalg.<new>."""
    if old in _warned:
        return
    _warned.add(old)
    warnings.warn(
        f"torch.{old} is deprecated in favor of torch.linalg.{new} and will be removed in a future "
        "PyTorch release.",
        UserWarning,
        stacklevel=3,
    )
