"""Window functions: weights over `M` samples that taper a signal.

`sym` False gives the periodic window, a symmetric one of M + 1 samples without its last. The
result has the default dtype unless given, which must be float32 or float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .. import _C
from .._device import make_on

Tensor = _C.Tensor

__all__ = [
    "bartlett",
    "blackman",
    "cosine",
    "exponential",
    "gaussian",
    "general_cosine",
    "general_hamming",
    "hamming",
    "hann",
    "kaiser",
    "nuttall",
]


def _window(name, M, sym, dtype, layout, device, requires_grad, weights) -> Tensor:
    """weights(positions 0..last, last); a window of one sample is a one."""
    if device is not None:
        rest = (name, M, sym, dtype, layout, None, requires_grad, weights)
        return make_on(_window, rest, {"device": device})
    dtype = dtype or _C.get_default_dtype()
    if not isinstance(M, int):
        raise TypeError(f"{name}: argument 'M' must be int, not {type(M).__name__}")
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and str(layout) != "torch.strided":
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    if dtype not in (_C.float32, _C.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    if M <= 1:
        made = _C.full((M,), 1.0, dtype, False)
    else:
        last = M if not sym else M - 1
        made = weights(_C.arange(0, M, 1, dtype, False), last)
    return made.requires_grad_() if requires_grad else made


def bartlett(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """A triangle that falls to zero at the ends."""
    return _window(
        "bartlett",
        M,
        sym,
        dtype,
        layout,
        device,
        requires_grad,
        lambda at, last: 1 - (at * (2 / last) - 1).abs(),
    )


def general_cosine(
    M: int,
    *,
    a: Iterable[float],
    sym: bool = True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """a[0] - a[1] cos(x) + a[2] cos(2 x) - ... over one turn of x."""
    return _cosines("general_cosine", M, a, sym, dtype, layout, device, requires_grad)


def _cosines(name, M, a, sym, dtype, layout, device, requires_grad) -> Tensor:
    if not isinstance(a, Iterable):
        raise TypeError("Coefficients must be a list/tuple")
    a = list(a)
    if not a:
        raise ValueError("Coefficients cannot be empty")

    def weights(at, last):
        x = at * (2 * math.pi / last)
        total = _C.full((M,), float(a[0]), at.dtype, False)
        for k, c in enumerate(a[1:], 1):
            total = total + (x * k).cos() * (c if k % 2 == 0 else -c)
        return total

    return _window(name, M, sym, dtype, layout, device, requires_grad, weights)


def general_hamming(
    M: int,
    *,
    alpha: float = 0.54,
    sym: bool = True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - (1 - alpha) cos(x): a raised cosine on a pedestal."""
    return general_cosine(
        M,
        a=[alpha, 1.0 - alpha],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def hamming(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """The general Hamming window with alpha 0.54."""
    return general_hamming(
        M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def hann(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """A raised cosine that falls to zero at the ends."""
    return general_hamming(
        M,
        alpha=0.5,
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def blackman(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """Cosines with weights 0.42, 0.5, 0.08."""
    terms = [0.42, 0.5, 0.08]
    return _cosines("blackman", M, terms, sym, dtype, layout, device, requires_grad)


def nuttall(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """Nuttall's minimum four-term window (A. Nuttall, 1981)."""
    return general_cosine(
        M,
        a=[0.3635819, 0.4891775, 0.1365995, 0.0106411],
        sym=sym,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
    )


def cosine(
    M: int, *, sym: bool = True, dtype=None, layout=None, device=None, requires_grad: bool = False
) -> Tensor:
    """Half a turn of a sine, taken at the middle of each sample."""
    return _window(
        "cosine",
        M,
        sym,
        dtype,
        layout,
        device,
        requires_grad,
        lambda at, last: ((at + 0.5) * (math.pi / (last + 1))).sin(),
    )


def exponential(
    M: int,
    *,
    center: float | None = None,
    tau: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-|n - center| / tau); `center` is the middle, and may only be given if not `sym`."""
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    return _window(
        "exponential",
        M,
        sym,
        dtype,
        layout,
        device,
        requires_grad,
        lambda at, last: ((at - (last / 2 if center is None else center)).abs() * (-1 / tau)).exp(),
    )


def gaussian(
    M: int,
    *,
    std: float = 1.0,
    sym: bool = True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """exp(-(n / std)**2 / 2) around the middle."""
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return _window(
        "gaussian",
        M,
        sym,
        dtype,
        layout,
        device,
        requires_grad,
        lambda at, last: (((at - last / 2) / std) ** 2 * -0.5).exp(),
    )


def kaiser(
    M: int,
    *,
    beta: float = 12.0,
    sym: bool = True,
    dtype=None,
    layout=None,
    device=None,
    requires_grad: bool = False,
) -> Tensor:
    """A Bessel function of the position: `beta` trades width for leakage."""
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")

    def weights(at, last):
        x = at * (2 / last) - 1
        inside = (1 - x * x).clamp(min=0).sqrt() * beta
        return inside.i0() / _C.full((), float(beta), at.dtype, False).i0()

    return _window("kaiser", M, sym, dtype, layout, device, requires_grad, weights)
