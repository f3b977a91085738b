"""torch.fft: the transforms by name, their lengths, dims and norms; frequencies and shifts."""

from __future__ import annotations

import math

from .. import _C
from .._device import check_device
from ..op import public
from ._integers import whole
from ._outputs import deliver
from .comparison import scalar_name
from .fft import fft_c2c, fft_c2r, fft_r2c

Tensor = _C.Tensor

# The power of 1 / n that a forward transform is scaled with; a backward one takes the rest.
_POWERS = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}


def scale_of(norm, count, forward):
    """The factor of a transform of `count` points."""
    if norm is not None and not isinstance(norm, str):
        raise TypeError(f"fft: argument 'norm' must be str, not {type(norm).__name__}")
    if norm not in _POWERS:
        raise RuntimeError(
            f'Invalid normalization mode: "{norm}": expected "forward", "backward" or "ortho"'
        )
    power = _POWERS[norm] if forward else 1 - _POWERS[norm]
    return float(count) ** -power if count else 1.0


def promoted(input):
    """Integers as the default type; RuntimeError for types without transforms."""
    if not isinstance(input, Tensor):
        raise TypeError(f"fft: argument 'input' must be Tensor, not {type(input).__name__}")
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        return input.to(_C.get_default_dtype())
    if input.dtype not in (_C.float32, _C.float64, _C.complex64, _C.complex128):
        raise RuntimeError(
            f"Unsupported dtype {scalar_name(input)}: convert to float32 or float64 first"
        )
    return input


def resized(x, dims, sizes):
    """Cut, or pad with zeros, the ends of some dims."""
    for dim, n in zip(dims, sizes, strict=True):
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        have = x.shape[dim]
        if have > n:
            x = x.narrow(dim, 0, n)
        elif have < n:
            shape = list(x.shape)
            shape[dim] = n - have
            from .join import cat

            x = cat((x, x.new_zeros(shape)), dim)
    return x


def one_dim(name, x, dim):
    """The dim as a number from 0; IndexError when there is none."""
    dim = whole(name, "dim", dim)
    if x.ndim == 0:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    if not -x.ndim <= dim < x.ndim:
        raise IndexError(
            "Dimension out of range (expected to be in range of "
            f"[{-x.ndim}, {x.ndim - 1}], but got {dim})"
        )
    return dim % x.ndim


def many_dims(name, x, s, dim):
    """(dims, sizes) of an n-dimensional transform; a size of -1 keeps what there is."""
    if s is not None:
        s = [whole(name, "s", n) for n in (s if isinstance(s, (tuple, list)) else (s,))]
    if dim is None:
        if s is not None and len(s) > x.ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {x.ndim} dimensions."
            )
        dims = list(range(x.ndim if s is None else len(s)))
        dims = [d + x.ndim - len(dims) for d in dims]
    else:
        dims = [one_dim(name, x, d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
        if len(set(dims)) < len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is None:
        return dims, [x.shape[d] for d in dims]
    if len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    return dims, [x.shape[d] if n == -1 else n for n, d in zip(s, dims, strict=True)]


def check_out(name, out, kind):
    """RuntimeError unless `out` holds what a transform gives."""
    if out is None:
        return {}
    if kind == "complex" and not out.dtype.is_complex:
        raise RuntimeError(f"{name} expects a complex output tensor, but got {scalar_name(out)}")
    if kind == "real" and not out.dtype.is_floating_point:
        raise RuntimeError(
            f"{name} expects a floating point output tensor, but got {scalar_name(out)}"
        )
    return {"out": out}


def to_complex(name, input, dims, sizes, norm, forward, out):
    """The full transform of a real or complex tensor."""
    out = check_out(name, out, "complex")
    x = resized(input, dims, sizes)
    scale = scale_of(norm, math.prod(sizes), forward)
    if x.dtype.is_complex:
        return fft_c2c(x, dims, scale, forward, **out)
    if not dims:
        return fft_c2c(x.to(_complex_type(x.dtype)), dims, scale, forward, **out)
    return fft_r2c(x, dims, scale, forward, False, **out)


def _complex_type(dtype):
    return _C.complex128 if dtype is _C.float64 else _C.complex64


def from_real(name, input, dims, sizes, norm, forward, out):
    """The first half of a real tensor's transform."""
    out = check_out(name, out, "complex")
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    x = resized(input, dims, sizes)
    return fft_r2c(x, dims, scale_of(norm, math.prod(sizes), forward), forward, True, **out)


def to_real(name, input, dims, sizes, norm, forward, out):
    """A real tensor from the first half of a mirrored spectrum; sizes are the result's."""
    out = check_out(name, out, "real")
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    if sizes[-1] < 1:
        raise RuntimeError(f"Invalid number of data points ({sizes[-1]}) specified")
    if not input.dtype.is_complex:
        input = input.to(_complex_type(input.dtype))
    x = resized(input, dims, [*sizes[:-1], sizes[-1] // 2 + 1])
    scale = scale_of(norm, math.prod(sizes), forward)
    return fft_c2r(x, dims, scale, forward, sizes[-1], **out)


def check_real(name, input):
    if isinstance(input, Tensor) and input.dtype.is_complex:
        kind = "real-valued" if name.endswith("n") else "real"
        raise RuntimeError(
            f"{name} expects a {kind} input tensor, but got {scalar_name(input)}; "
            f"for complex input use {name.replace('rfft', 'fft').replace('ihfft', 'ifft')}"
        )


def _single(name, transform, input, n, dim, norm, forward, out):
    """A transform over one dim, of `n` points."""
    x = promoted(input)
    dim = one_dim(name, x, dim)
    if n is None:
        have = x.shape[dim]
        n = 2 * (have - 1) if transform is to_real else have
    return transform(name, x, [dim], [whole(name, "n", n)], norm, forward, out)


def _several(name, transform, input, s, dim, norm, forward, out):
    """A transform over several dims, of `s` points each."""
    x = promoted(input)
    dims, sizes = many_dims(name, x, s, dim)
    if transform is to_real and dims:
        given = s if s is None or isinstance(s, (tuple, list)) else (s,)
        if given is None or given[-1] == -1:
            sizes[-1] = 2 * (x.shape[dims[-1]] - 1)
    return transform(name, x, dims, sizes, norm, forward, out)


@public("fft.fft")
def fft(input, n=None, dim=-1, norm=None, *, out=None):
    """The transform over one dim, of `n` points: cut, or padded with zeros."""
    return _single("fft", to_complex, input, n, dim, norm, True, out)


@public("fft.ifft")
def ifft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `fft`."""
    return _single("ifft", to_complex, input, n, dim, norm, False, out)


@public("fft.rfft")
def rfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The first n // 2 + 1 values of a real tensor's transform."""
    check_real("rfft", input)
    return _single("rfft", from_real, input, n, dim, norm, True, out)


@public("fft.irfft")
def irfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `rfft`; `n` is the result's size, default 2 * (size - 1)."""
    return _single("irfft", to_real, input, n, dim, norm, False, out)


@public("fft.hfft")
def hfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The real transform of the first half of a signal whose other half mirrors it."""
    return _single("hfft", to_real, input, n, dim, norm, True, out)


@public("fft.ihfft")
def ihfft(input, n=None, dim=-1, norm=None, *, out=None):
    """The inverse of `hfft`."""
    check_real("ihfft", input)
    return _single("ihfft", from_real, input, n, dim, norm, False, out)


@public("fft.fftn")
def fftn(input, s=None, dim=None, norm=None, *, out=None):
    """The transform over several dims (default: all, or the last len(s))."""
    return _several("fftn", to_complex, input, s, dim, norm, True, out)


@public("fft.ifftn")
def ifftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `fftn`."""
    return _several("ifftn", to_complex, input, s, dim, norm, False, out)


@public("fft.rfftn")
def rfftn(input, s=None, dim=None, norm=None, *, out=None):
    """A real tensor's transform over several dims, the last of them without its mirrored part."""
    check_real("rfftn", input)
    return _several("rfftn", from_real, input, s, dim, norm, True, out)


@public("fft.irfftn")
def irfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `rfftn`; `s` are the result's sizes."""
    return _several("irfftn", to_real, input, s, dim, norm, False, out)


@public("fft.hfftn")
def hfftn(input, s=None, dim=None, norm=None, *, out=None):
    """`hfft` over the last of several dims, `fft` over the others."""
    return _several("hfftn", to_real, input, s, dim, norm, True, out)


@public("fft.ihfftn")
def ihfftn(input, s=None, dim=None, norm=None, *, out=None):
    """The inverse of `hfftn`."""
    check_real("ihfftn", input)
    return _several("ihfftn", from_real, input, s, dim, norm, False, out)


@public("fft.fft2")
def fft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`fftn` over two dims."""
    return fftn(input, s, dim, norm, out=out)


@public("fft.ifft2")
def ifft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`ifftn` over two dims."""
    return ifftn(input, s, dim, norm, out=out)


@public("fft.rfft2")
def rfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`rfftn` over two dims."""
    return rfftn(input, s, dim, norm, out=out)


@public("fft.irfft2")
def irfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`irfftn` over two dims."""
    return irfftn(input, s, dim, norm, out=out)


@public("fft.hfft2")
def hfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`hfftn` over two dims."""
    return hfftn(input, s, dim, norm, out=out)


@public("fft.ihfft2")
def ihfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None):
    """`ihfftn` over two dims."""
    return ihfftn(input, s, dim, norm, out=out)


def _frequencies(name, n, d, dtype, device, requires_grad, out, place):
    n = whole(name, "n", n)
    if device is not None:
        check_device(device)
    dtype = dtype or (_C.get_default_dtype() if out is None else out.dtype)
    if not (dtype.is_floating_point or dtype.is_complex):
        raise RuntimeError(f"{name} requires a floating point or complex dtype, got {dtype}")
    if n < 0:
        raise RuntimeError(f"{name}: number of points must not be negative: got {n}")
    span = n * float(d)
    made = place(n, dtype) * (1 / span if span else math.copysign(math.inf, span))
    if out is not None:
        made = deliver(made, out)
    return made.requires_grad_() if requires_grad else made


def _symmetric(n, dtype):
    at = _C.arange(0, n, 1, dtype, False)
    at[(n + 1) // 2 :] = _C.arange(-(n // 2), 0, 1, dtype, False)
    return at


def _positive(n, dtype):
    return _C.arange(0, n // 2 + 1, 1, dtype, False)


@public("fft.fftfreq")
def fftfreq(
    n,
    d=1.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The frequency of each of the `n` values of `fft`, for samples `d` apart."""
    return _frequencies("fftfreq", n, d, dtype, device, requires_grad, out, _symmetric)


@public("fft.rfftfreq")
def rfftfreq(
    n,
    d=1.0,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The frequency of each value of `rfft`, for `n` samples `d` apart."""
    return _frequencies("rfftfreq", n, d, dtype, device, requires_grad, out, _positive)


def _shifted(input, dim, amount):
    if dim is None:
        dims = list(range(input.ndim))
    else:
        dims = list(dim) if isinstance(dim, (tuple, list)) else [dim]
    dims = [one_dim("fftshift", input, d) for d in dims]
    return input.roll([amount(input.shape[d]) for d in dims], dims)


@public("fft.fftshift")
def fftshift(input, dim=None):
    """Move frequency zero from the start to the middle of the dims (default: all)."""
    return _shifted(input, dim, lambda n: n // 2)


@public("fft.ifftshift")
def ifftshift(input, dim=None):
    """The inverse of `fftshift`."""
    return _shifted(input, dim, lambda n: (n + 1) // 2)
