"""The Fourier transform extension of the standard."""

from __future__ import annotations

import rushlight as torch

_own = torch.fft
_LINE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_AXES = ("fftn", "ifftn", "rfftn", "irfftn")
__all__ = [*_LINE, *_AXES, "fftfreq", "rfftfreq", "fftshift", "ifftshift"]


def _line(name):
    compute = getattr(_own, name)

    def function(x, /, *, n=None, axis=-1, norm="backward"):
        return compute(x, n, axis, norm)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.fft.{name} along an axis."
    return function


def _axes(name):
    compute = getattr(_own, name)

    def function(x, /, *, s=None, axes=None, norm="backward"):
        return compute(x, s, axes, norm)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"torch.fft.{name} over axes (all for None)."
    return function


globals().update({name: _line(name) for name in _LINE})
globals().update({name: _axes(name) for name in _AXES})


def fftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of a transform of n samples at distance `d`."""
    return _own.fftfreq(n, d, dtype=dtype, device=device)


def rfftfreq(n, /, *, d=1.0, dtype=None, device=None):
    """The frequencies of a real transform of n samples at distance `d`."""
    return _own.rfftfreq(n, d, dtype=dtype, device=device)


def fftshift(x, /, *, axes=None):
    """Frequency zero moved to the middle."""
    return _own.fftshift(x, axes)


def ifftshift(x, /, *, axes=None):
    """Frequency zero moved to the front."""
    return _own.ifftshift(x, axes)
