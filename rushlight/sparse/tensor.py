"""The sparse tensor: an internal subclass of Tensor that holds a pattern and its values.

The core knows only its shape and dtype (csrc/core/sparse.cpp). Operators reach the rules of
dispatch.py through `__torch_function__`; whatever would touch elements is redefined here.
"""

from __future__ import annotations

from .. import _C
from ..tensor.common import LAYOUTS, contiguous_format, preserve_format
from .pattern import CompressedPattern, CooPattern
from .record import record

Tensor = _C.Tensor
COO = LAYOUTS["sparse_coo"]
COMPRESSED = tuple(LAYOUTS["sparse_" + n] for n in ("csr", "csc", "bsr", "bsc"))
LAYOUT_NAMES = {
    "strided": "Strided",
    "sparse_coo": "Sparse",
    "sparse_csr": "SparseCsr",
    "sparse_csc": "SparseCsc",
    "sparse_bsr": "SparseBsr",
    "sparse_bsc": "SparseBsc",
}


def layout_name(tensor) -> str:
    """How PyTorch's messages call the layout of a tensor: Strided, Sparse, SparseCsr, ..."""
    return LAYOUT_NAMES[tensor.layout.name]


class SparseTensor(Tensor):
    """A tensor of which only some values are stored, in one of the five sparse layouts."""

    __slots__ = ("_pattern", "_held", "_sorted")
    _sees_operators_only = True  # functions written from operators run as they are

    def __new__(cls, *args, **kwargs):
        # `type(x)(...)` makes what torch.Tensor(...) makes; sparse tensors come from build().
        return Tensor(*args, **kwargs)

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        from .dispatch import call

        return call(func, args, kwargs or {})

    # -- facts --------------------------------------------------------------------------------
    @property
    def layout(self):
        return self._pattern.layout

    @property
    def is_sparse(self):
        return self._pattern.layout is COO

    @property
    def is_sparse_csr(self):
        return self._pattern.layout is COMPRESSED[0]

    @property
    def nbytes(self):
        raise RuntimeError(
            "nbytes is not defined for sparse tensors.  If you want the size of the constituent "
            "tensors, add the nbytes of the indices and values.  If you want the size of the  "
            "equivalent dense tensor, multiply numel() by element_size()"
        )

    def stride(self, dim=None):
        """Zeros of a COO tensor; the compressed layouts have none."""
        self._coo_only("strides")
        return (0,) * self.ndim if dim is None else 0

    def is_contiguous(self, memory_format=contiguous_format):
        """False for a COO tensor; the compressed layouts raise."""
        self._coo_only("is_contiguous")
        return False

    def _coo_only(self, what):
        if not self.is_sparse:
            name = self.layout.name[-3:].upper()
            raise RuntimeError(f"Sparse {name} tensors do not have {what}")

    # -- elements that are not there ------------------------------------------------------------
    def data_ptr(self):
        """A sparse tensor has no memory of its own: RuntimeError."""
        raise RuntimeError("Cannot access data pointer of Tensor that doesn't have storage")

    def _no_storage(self, *args, **kwargs):
        kind = "SparseTensorImpl" if self.is_sparse else "SparseCsrTensorImpl"
        raise NotImplementedError(f"Cannot access storage of {kind}")

    storage = untyped_storage = _typed_storage = _no_storage
    share_memory_ = is_shared = set_ = _no_storage

    def tolist(self):
        """A sparse tensor has no lists of elements: convert with to_dense() first."""
        if self.ndim == 0:
            return self.item()
        return self.data_ptr()

    def numpy(self, *, force=False):
        """A sparse tensor is no ndarray: convert with to_dense() first."""
        raise TypeError(
            f"can't convert {layout_name(self)} layout tensor to numpy. "
            "Use Tensor.to_dense() first."
        )

    def item(self):
        """The Python number of a one-element tensor."""
        if self.numel() != 1:
            raise RuntimeError(
                f"a Tensor with {self.numel()} elements cannot be converted to Scalar"
            )
        return self.detach().to_dense().item()

    def __bool__(self):
        if self.numel() != 1:
            what = "more than one value" if self.numel() else "no values"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous")
        return bool(self.item())

    def __float__(self):
        return float(self._single())

    def __int__(self):
        return int(self._single())

    def __complex__(self):
        return complex(self._single())

    def __index__(self):
        return self.detach().to_dense().__index__()

    def _single(self):
        if self.numel() != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return self.item()

    def __setitem__(self, index, value):
        raise TypeError("Cannot assign to a sparse tensor")

    # -- the same elements, otherwise -----------------------------------------------------------
    def detach(self):
        """The same values, cut from the graph."""
        return build(self._pattern, self._held.detach(), self._sorted)

    def _raw_detach(self):
        return self.detach()

    @property
    def data(self):
        """The same values without history."""
        return self.detach()

    @data.setter
    def data(self, value):
        if not isinstance(value, SparseTensor) or value.layout is not self.layout:
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have "
                "incompatible tensor type."
            )
        replace(self, value._pattern, value._held.detach(), value._sorted, value.dtype)

    def clone(self, *, memory_format=preserve_format):
        """A copy with history."""
        from ..op import operators
        from .dispatch import call

        if memory_format not in (preserve_format, contiguous_format):
            raise RuntimeError(f"unsupported memory format option {memory_format}")
        return call(operators["clone"], (self,), {})

    def contiguous(self, memory_format=contiguous_format):
        """A sparse tensor has no memory order: RuntimeError."""
        raise RuntimeError("unsupported memory format option Contiguous")

    def requires_grad_(self, requires_grad=True):
        """Say whether gradients are wanted for this tensor."""
        self.requires_grad = requires_grad
        return self

    def type(self, dtype=None, non_blocking=False, **kwargs):
        """The name of the tensor's type ("torch.sparse.FloatTensor"), or a cast."""
        if dtype is None and not self.is_sparse:
            raise RuntimeError(f"Unimplemented backend {layout_name(self)}CPU")
        got = Tensor.type(self, dtype, non_blocking, **kwargs)
        return got.replace("torch.", "torch.sparse.") if dtype is None else got

    def new_zeros(self, *size, dtype=None, device=None, requires_grad=False, **kwargs):
        """A sparse tensor of this layout that stores nothing."""
        from ..ops.creation import zeros

        size = kwargs.pop("size", size)
        dtype, layout = dtype or self.dtype, kwargs.get("layout") or self.layout
        return zeros(*size, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)

    new_empty = new_zeros

    # -- Python's protocols -----------------------------------------------------------------------
    def __repr__(self, *, tensor_contents=None):
        from .text import sparse_repr

        return sparse_repr(self)

    def __reduce_ex__(self, protocol):
        from .pickling import reduce

        return reduce(self)

    def __deepcopy__(self, memo):
        from .pickling import deep_copy

        return deep_copy(self, memo)

    def __array__(self, dtype=None, copy=None):
        return self.numpy()

    def __format__(self, spec):
        return object.__format__(self, spec)


SparseTensor.__name__ = SparseTensor.__qualname__ = "Tensor"
SparseTensor.__module__ = "torch"


def build(pattern, values, ordered=False) -> SparseTensor:
    """A sparse tensor without history over a pattern and its values."""
    made = _C.make_sparse(SparseTensor, pattern.shape, values.dtype)
    made._pattern, made._held, made._sorted = pattern, values, bool(ordered)
    return made


def replace(tensor, pattern, values, ordered, dtype=None) -> None:
    """Give an existing tensor other contents, in its dtype: every in-place write is this."""
    values = values.to(dtype or tensor.dtype)
    _C.touch_sparse(tensor, pattern.shape, values.dtype)
    tensor._pattern, tensor._held, tensor._sorted = pattern, values, bool(ordered)


def construct(pattern, values, ordered=False, name="SparseCooTensorWithDimsAndTensorsBackward0"):
    """A sparse tensor whose gradient reaches `values`, through a node called `name`."""
    made = build(pattern, values.detach(), ordered)
    record(name, (values,), (made,), lambda g: gather(g, pattern))
    return made


def values_of(tensor, name="ValuesBackward0"):
    """The values of a sparse tensor with their history. Its places must be distinct."""
    if not _C.any_requires_grad((tensor,)):
        return tensor._held
    seen = tensor._held.detach()
    pattern, ordered = tensor._pattern, tensor._sorted
    record(name, (tensor,), (seen,), lambda g: construct(pattern, g, ordered))
    return seen


def gather(g, pattern):
    """A gradient, dense or sparse, at the places of a pattern: laid out as its values."""
    if not isinstance(g, SparseTensor):
        return pattern.gather(g)
    if g._pattern is pattern:
        return values_of(g)
    if pattern.same(g._pattern) and (g._sorted or g.layout is not COO):
        return values_of(g)
    return pattern.gather(g.to_dense())


def coo(indices, values, shape, ordered=False, name=None):
    """A COO tensor with gradient to `values`; indices are not checked here."""
    pattern = CooPattern(COO, indices, shape, indices.shape[0])
    if name is None:
        return construct(pattern, values, ordered)
    return construct(pattern, values, ordered, name)


def compressed(layout, starts, plain, values, shape, name="SparseCompressedTensorBackward0"):
    """A compressed tensor with gradient to `values`; indices are not checked here."""
    n = starts.ndim - 1
    block = None
    if layout.name in ("sparse_bsr", "sparse_bsc"):
        block = tuple(values.shape[n + 1 : n + 3]) if values.ndim >= n + 3 else None
    dense_dim = max(len(shape) - n - 2, 0)
    pattern = CompressedPattern(layout, starts, plain, shape, block, dense_dim)
    return construct(pattern, values, True, name)
