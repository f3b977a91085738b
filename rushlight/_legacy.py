"""The typed classes of old programs: torch.FloatTensor, torch.LongStorage and so on."""

from __future__ import annotations

from . import _C
from .tensor import TYPE_NAMES, Tensor
from .tensor.making import from_data


class _TypedMeta(type):
    """`isinstance(t, torch.FloatTensor)` asks for the dtype; calling makes such a tensor."""

    def __instancecheck__(cls, instance):
        if not isinstance(instance, Tensor) or instance.dtype is not cls.dtype:
            return False
        return not instance.is_sparse

    def __subclasscheck__(cls, other):
        return other is cls

    def __call__(cls, *args):
        from . import empty

        if len(args) == 1 and not isinstance(args[0], int):
            data = args[0]
            if isinstance(data, _C.Size):
                return empty(tuple(data), dtype=cls.dtype)
            if isinstance(data, Tensor):
                return Tensor(data.to(cls.dtype))
            return from_data(data, cls.dtype, None)
        return empty(tuple(args) or (0,), dtype=cls.dtype)


class _SparseMeta(_TypedMeta):
    """The same of torch.sparse.FloatTensor: `(indices, values, size)`, or a size."""

    def __instancecheck__(cls, instance):
        return isinstance(instance, Tensor) and instance.is_sparse and instance.dtype is cls.dtype

    def __call__(cls, *args):
        from . import sparse_coo_tensor

        if args and isinstance(args[0], Tensor):
            return sparse_coo_tensor(*args)
        size = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args or (0,)
        return sparse_coo_tensor(size=tuple(size), dtype=cls.dtype)


def sparse_class(name: str):
    """The class called `name` in torch.sparse, or None when there is none."""
    for dtype, text in TYPE_NAMES.items():
        if text == name:
            return _SparseMeta(name, (), {"dtype": dtype, "__module__": "torch.sparse"})
    return None


def typed_class(name: str):
    """The class called `name` (FloatTensor, LongStorage, ...), or None when there is none."""
    for dtype, text in TYPE_NAMES.items():
        if text == name:
            return _TypedMeta(name, (), {"dtype": dtype, "__module__": "torch"})
    if name.endswith("Storage"):
        from . import _storage

        return getattr(_storage, name, None)
    return None
