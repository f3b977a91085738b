"""Discrete Fourier transforms: complex to complex, real to complex, complex to real.

`sum over j of x[j] exp(-2 pi i j k / n)` forward, with the other sign backward, times `scale`.
Transforms of real input keep the first n // 2 + 1 values of the last dim: the others mirror them.
"""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op


def transformed(x, dim, scale, forward):
    """NumPy's transform over `dim`, in the input's precision."""
    got = x
    if dim:
        got = np.fft.fftn(x, axes=dim) if forward else np.fft.ifftn(x, axes=dim, norm="forward")
    return got * np.array(scale, got.real.dtype)


def complex_of(x):
    """The NumPy array as a complex one of the same precision."""
    return x.astype(np.result_type(x, np.complex64)) if x.dtype.kind != "c" else x


def weighted(g, dim, n, factor):
    """Multiply the values that stand for two of `n`, all but the first and the middle one."""
    from .. import full

    weights = full((n // 2 + 1,), factor, dtype=g.real.dtype, device=g.device)
    weights[0] = 1
    if n % 2 == 0:
        weights[-1] = 1
    return g * weights.view(*[-1 if d == dim else 1 for d in range(g.ndim)])


@op("", node="FftC2C")
class fft_c2c:
    """A complex tensor's transform over the dims in `dim`."""

    def forward(input, dim, scale=1.0, forward=True):
        return transformed(complex_of(input), dim, scale, forward)

    def grad_input(g, dim, scale, forward):
        return fft_c2c(g, dim, scale, not forward)

    def samples(make):
        yield make(3, 5, dtype=_C.complex128, grad=False), [1]
        yield make(3, 4, 2, dtype=_C.complex128, grad=False), [0, 2], 0.5, False
        yield make(2, 67, dtype=_C.complex128, grad=False), [1], 2.0


@op("", node="FftR2C", exact_out=False)
class fft_r2c:
    """A real tensor's transform; `onesided` gives the last dim without its mirror."""

    def forward(input, dim, scale=1.0, forward=True, onesided=True):
        if not onesided:
            return transformed(complex_of(input), dim, scale, forward)
        half = np.fft.rfft(input, axis=dim[-1])
        return transformed(half if forward else half.conj(), dim[:-1], scale, forward)

    def grad_input(g, input_shape, dim, scale, forward, onesided):
        if not onesided:
            return fft_c2c(g, dim, scale, not forward).real
        n = input_shape[dim[-1]]
        return fft_c2r(weighted(g, dim[-1], n, 0.5), dim, scale, not forward, n)

    def samples(make):
        yield make(3, 5, dtype=_C.float64), [1]
        yield make(3, 4, dtype=_C.float64), [1], 1.0, False
        yield make(4, 6, dtype=_C.float64), [1, 0], 0.5, True, True
        yield make(3, 4, 2, dtype=_C.float64), [0, 1], 0.5, False, False


@op("", node="FftC2R", exact_out=False)
class fft_c2r:
    """The real transform of what is one half of a mirrored spectrum; `last` is its full size."""

    def forward(input, dim, scale=1.0, forward=False, last=1):
        full = transformed(complex_of(input), dim[:-1], scale, forward)
        got = np.fft.irfft(full.conj() if forward else full, last, dim[-1], norm="forward")
        return got

    def grad_input(g, dim, scale, forward, last):
        return weighted(fft_r2c(g, dim, scale, not forward), dim[-1], last, 2.0)

    def samples(make):
        yield make(3, 5, dtype=_C.complex128, grad=False), [1], 1.0, False, 8
        yield make(3, 5, dtype=_C.complex128, grad=False), [0, 1], 0.5, True, 9
        yield make(3, 5, dtype=_C.complex128, grad=False), [1, 0], 0.5, False, 5


@op("", kernel="overlap_add")
class overlap_add:
    """Frames (..., count, size), each `hop` later than the one before, added up."""

    def forward(frames, hop):
        *batch, count, size = frames.shape
        parts = -(-size // hop)
        padded = np.zeros((*batch, count, parts * hop), frames.dtype)
        padded[..., :size] = frames
        pieces = padded.reshape(*batch, count, parts, hop)
        total = np.zeros((*batch, count + parts - 1, hop), frames.dtype)
        for i in range(parts):
            total[..., i : i + count, :] += pieces[..., i, :]
        return total.reshape(*batch, -1)[..., : (count - 1) * hop + size]

    def meta(frames, hop):
        *batch, count, size = frames.shape
        whole = frames.new_empty((*batch, (count - 1 - -size // hop) * hop))
        return whole[..., : (count - 1) * hop + size]

    def grad_frames(g, frames_shape, hop):
        return g.unfold(-1, frames_shape[-1], hop)

    def samples(make):
        yield make(2, 3, 5), 2
        yield make(4, 3), 3
        yield make(2, 3), 5
