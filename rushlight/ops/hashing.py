"""torch.hash_tensor: exclusive or over the 64-bit patterns of elements."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public


@op("", name="hash_tensor")
class _xor_sum:
    """Exclusive or of elements widened to 64 bits (float64 or int64), over `dims`."""

    def forward(input, dims, keepdim):
        wide = np.float64 if input.dtype.kind == "f" else np.uint64
        signed = input.astype(np.int64) if input.dtype.kind == "i" else input
        bits = np.ascontiguousarray(signed.astype(wide)).view(np.uint64).reshape(input.shape)
        return np.bitwise_xor.reduce(bits, axis=tuple(dims), keepdims=keepdim)

    def meta(input, dims, keepdim):
        return input.sum(dims, keepdim).to(_C.uint64) if dims else input.to(_C.uint64)

    def samples(make):
        yield make(3, 4), (1,), False
        yield make(2, 3, 4), (0, 2), True


@public("torch.hash_tensor Tensor.hash_tensor")
def hash_tensor(input, dim=(), *, keepdim=False, mode=0, out=None):
    """A uint64 hash of the elements along `dim` (default: all); only mode 0, xor, exists."""
    if mode != 0:
        raise RuntimeError(f"Unknown hash_tensor mode: {mode}")
    if input.is_complex():
        raise NotImplementedError(f"\"xor_sum_cpu\" not implemented for '{input.dtype}'")
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    if not dims and input.numel() == 0:
        raise RuntimeError(
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. "
            "Specify the reduction dim with the 'dim' argument."
        )
    n = max(input.dim(), 1)
    for d in dims:
        if not -n <= d < n:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})"
            )
    named = tuple(d % n for d in dims) if input.dim() else ()
    named = named or tuple(range(input.dim()))
    if out is not None:
        return _xor_sum(input.detach(), named, keepdim, out=out)
    return _xor_sum(input.detach(), named, keepdim)
