"""Window functions of signal processing: tapering weights over `window_length` samples.

A periodic window is a symmetric one that is a sample longer, without its last sample.
"""

from __future__ import annotations

import math

from .. import _C
from .._device import check_device
from ..op import public
from ._integers import whole

Tensor = _C.Tensor


def _window(name, window_length, periodic, dtype, layout, device, requires_grad, weights):
    """weights(positions, last) over the samples; `last` is the position of the last one."""
    if layout is not None and str(layout) != "torch.strided":
        raise RuntimeError(f"{name} is not implemented for sparse types, got: {layout}")
    if device is not None:
        check_device(device)
    dtype = dtype or _C.get_default_dtype()
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    window_length = whole(name, "window_length", window_length)
    if window_length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={window_length}"
        )
    if window_length <= 1:
        made = _C.full((window_length,), 1.0, dtype, False)
    else:
        samples = window_length + bool(periodic)
        made = weights(_C.arange(0, samples, 1, dtype, False), samples - 1)[:window_length]
        made = made.clone() if periodic else made
    return made.requires_grad_() if requires_grad else made


def _cosine(alpha, beta):
    return lambda at, last: alpha - beta * (at * (2 * math.pi / last)).cos()


@public("torch.hann_window")
def hann_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A raised cosine that falls to zero at the ends."""
    return _window(
        "hann_window",
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
        _cosine(0.5, 0.5),
    )


@public("torch.hamming_window")
def hamming_window(
    window_length,
    periodic=True,
    alpha=0.54,
    beta=0.46,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """alpha - beta * cos: a raised cosine on a pedestal."""
    return _window(
        "hamming_window",
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
        _cosine(alpha, beta),
    )


@public("torch.blackman_window")
def blackman_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """Two cosines: 0.42 - 0.5 cos(x) + 0.08 cos(2 x)."""

    def weights(at, last):
        x = at * (2 * math.pi / last)
        return (2 * x).cos() * 0.08 - x.cos() * 0.5 + 0.42

    return _window(
        "blackman_window", window_length, periodic, dtype, layout, device, requires_grad, weights
    )


@public("torch.bartlett_window")
def bartlett_window(
    window_length,
    periodic=True,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A triangle that falls to zero at the ends."""
    return _window(
        "bartlett_window",
        window_length,
        periodic,
        dtype,
        layout,
        device,
        requires_grad,
        lambda at, last: 1 - (at * (2 / last) - 1).abs(),
    )


@public("torch.kaiser_window")
def kaiser_window(
    window_length,
    periodic=True,
    beta=12.0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
) -> Tensor:
    """A Bessel function of the position: `beta` trades width for leakage."""

    def weights(at, last):
        x = (at - last / 2) / (last / 2)
        inside = (1 - x * x).clamp(min=0).sqrt() * beta
        return inside.i0() / _C.full((), float(beta), at.dtype, False).i0()

    return _window(
        "kaiser_window", window_length, periodic, dtype, layout, device, requires_grad, weights
    )
