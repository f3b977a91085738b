"""`Variable`, the name that tensors with gradients had before PyTorch 0.4."""

from __future__ import annotations

from .. import Tensor


class _VariableMeta(type):
    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(data, requires_grad=False)` gives the tensor itself."""

    def __new__(cls, data=None, requires_grad: bool = False, volatile=None):
        if data is None:
            from .. import empty

            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
