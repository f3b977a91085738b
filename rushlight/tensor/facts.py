"""What a tensor says about itself, and its transposes."""

from __future__ import annotations

from .. import _C
from .._warn import warn_once
from .common import (
    Tensor,
    attribute,
    channels_last,
    channels_last_3d,
    contiguous_format,
    method,
    strided,
)


@method
def is_contiguous(self, memory_format=contiguous_format):
    """Whether the elements lie in memory in the given order without gaps."""
    if memory_format is contiguous_format:
        return self._is_row_major()
    if memory_format is channels_last:
        return self.ndim == 4 and self._is_channels_last()
    if memory_format is channels_last_3d:
        return self.ndim == 5 and self._is_channels_last()
    raise RuntimeError(f"unsupported memory format option {memory_format}")


for _name, _value in {
    "layout": strided,
    "is_cpu": property(lambda self: not self.is_meta),
    "is_cuda": False,
    "is_sparse": False,
    "is_quantized": False,
    "is_mps": False,
    "is_xpu": False,
    "is_mkldnn": False,
    "is_nested": False,
    "is_sparse_csr": False,
    "is_ipu": False,
    "is_maia": False,
    "is_mtia": False,
    "is_vulkan": False,
    "is_xla": False,
    "_cdata": property(id),  # tells tensors apart
    "names": property(lambda self: (None,) * self.ndim),
    "name": None,
    "volatile": False,
}.items():
    setattr(Tensor, _name, _value)  # fmt: skip


@method
def share_memory_(self):
    """Move the memory to where other processes can map it; a no-op when it is there."""
    if self.is_meta:
        raise RuntimeError("_share_fd_: only available on CPU")
    from .. import _sharing

    _sharing.share(self)
    return self


@method
def is_shared(self):
    """Whether the memory is shared between processes."""
    return _C.is_shared(self)


@method
def get_device(self):
    """The device's index; -1 for the CPU."""
    return -1


def _constant(name, value, doc):
    function = lambda self: value  # noqa: E731
    function.__name__, function.__doc__ = name, doc
    method(function)


_constant("is_shared_", None, None)
del Tensor.is_shared_
for _name in ("is_conj", "is_neg", "is_pinned", "_is_zerotensor", "is_distributed", "has_names"):
    _constant(_name, False, "False: this never applies to a CPU tensor of rushlight.")


@method
def is_signed(self):
    """Whether the dtype has negative numbers."""
    return self.dtype.is_signed


@method
def is_nonzero(self):
    """Whether the single element is not zero."""
    if self.numel() != 1:
        what = "more than one value" if self.numel() else "no values"
        raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
    return bool(self)


@method
def is_same_size(self, other):
    """Whether the shapes are equal."""
    return self.shape == other.shape


@method
def is_set_to(self, tensor):
    """Whether both show the same storage in the same way."""
    return (
        self._storage_id() == tensor._storage_id()
        and self.shape == tensor.shape
        and self.stride() == tensor.stride()
        and self.storage_offset() == tensor.storage_offset()
    )


@method
def dim_order(self):
    """Dims from the outermost in memory to the innermost."""
    strides = self.stride()
    return tuple(sorted(range(self.ndim), key=lambda d: -strides[d]))


@attribute
def itemsize(self):
    """Bytes of one element."""
    return self.element_size()


@attribute
def nbytes(self):
    """Bytes of all elements."""
    return self.numel() * self.element_size()


@attribute
def T(self):  # noqa: N802
    """All dims reversed."""
    if self.ndim == 2:
        return self.transpose(0, 1)
    if self.ndim == 0:
        warn_once("Tensor.T is deprecated on 0-D tensors. This function is the identity there.")
    else:
        warn_once(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is "
            "deprecated and it will throw an error in a future release. Consider `x.mT` to "
            "transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, -1))` "
            "to reverse the dimensions of a tensor."
        )
    return self.permute(tuple(range(self.ndim - 1, -1, -1)))


@attribute
def mT(self):  # noqa: N802
    """The last two dims exchanged."""
    if self.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. "
            f"Got {self.ndim}-D tensor."
        )
    return self.transpose(-2, -1)


@attribute
def H(self):  # noqa: N802
    """The conjugate transpose of a matrix."""
    if self.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor."
        )
    return _C.conj(self.transpose(0, 1) if self.ndim else self)


@attribute
def mH(self):  # noqa: N802
    """The conjugate transpose of the last two dims."""
    if self.ndim < 2:
        raise RuntimeError(
            "tensor.mH is only supported on matrices or batches of matrices. "
            f"Got {self.ndim}-D tensor."
        )
    return _C.conj(self.transpose(-2, -1))
