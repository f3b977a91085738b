"""Tensors that a module owns: parameters, buffers, and their not yet sized forms."""

from __future__ import annotations

from collections import OrderedDict

import rushlight as torch
from rushlight import _C, Tensor

from .._utils import _rebuild_parameter, _rebuild_parameter_with_state
from ..tensor.subclass import disabled_torch_function

__all__ = [
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "UninitializedTensorMixin",
    "is_lazy",
]


class _ParameterMeta(type(Tensor)):
    """Lets tensors of other classes count as parameters when they carry `_is_param`."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Parameter
            and isinstance(instance, Tensor)
            and getattr(instance, "_is_param", False)
        )


class Parameter(Tensor, metaclass=_ParameterMeta):
    """A tensor that joins `parameters()` when assigned to a module.

    Data of a Tensor subclass keeps its class and is only marked as a parameter.
    """

    # Results of operators on a parameter, also on one of a user's subclass, are plain tensors.
    __torch_function__ = staticmethod(disabled_torch_function)

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True):
        if data is None:
            data = torch.empty(0)
        if type(data) is Tensor or isinstance(data, cls) and type(data) is cls:
            return Tensor._make_subclass(cls, data, requires_grad)
        if not isinstance(data, Tensor):
            raise TypeError(
                f"Parameter: data must be a Tensor: got {type(data).__name__}, expected Tensor or "
                "None (wrap the values in torch.tensor first)"
            )
        if type.__instancecheck__(Parameter, data):
            return Tensor._make_subclass(cls, data, requires_grad)
        marked = data.detach().requires_grad_(requires_grad)
        if type(marked) is not type(data):
            raise RuntimeError(
                f"Creating a Parameter from an instance of type {type(data).__name__} requires "
                "that detach() returns an instance of the same type, but return type "
                f"{type(marked).__name__} was found instead."
            )
        marked._is_param = True
        return marked

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        result = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = result
        return result

    def __repr__(self, *, tensor_contents=None) -> str:
        return "Parameter containing:\n" + super().__repr__()

    def __reduce_ex__(self, proto):
        state = _instance_state(self)
        if not state:
            return _rebuild_parameter, (self.data, self.requires_grad, OrderedDict())
        return _rebuild_parameter_with_state, (
            self.data,
            self.requires_grad,
            OrderedDict(),
            state,
        )


# The core treats a plain parameter's results as tensors.
_C.set_parameter_type(Parameter)


def _instance_state(tensor):
    """Attributes a user has put on a tensor."""
    return dict(getattr(tensor, "__dict__", None) or {})


class _BufferMeta(type(Tensor)):
    """Buffers are plain tensors marked by an attribute, so membership is by that mark."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Buffer
            and isinstance(instance, Tensor)
            and getattr(instance, "_is_buffer", False)
        )


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that joins `buffers()` when assigned to a module."""

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True):
        if data is None:
            data = torch.empty(0)
        marked = data.detach().requires_grad_(data.requires_grad)
        marked.persistent = persistent
        marked._is_buffer = True
        return marked


class UninitializedTensorMixin:
    """A tensor whose shape is learnt from the first input; only few operations work before."""

    _allowed = frozenset(
        (
            "__class__", "__deepcopy__", "__delattr__", "__dict__", "__hash__", "__init__",
            "__new__", "__reduce_ex__", "__repr__", "__setattr__", "__setstate__",
            "_backward_hooks", "_is_param", "cls_to_become", "cpu", "cuda", "data", "detach",
            "device", "double", "dtype", "float", "grad", "grad_fn", "half", "bfloat16",
            "is_complex", "is_cuda", "is_floating_point", "is_leaf", "is_shared", "layout",
            "materialize", "persistent", "requires_grad", "requires_grad_", "share_memory_", "size",
            "to", "type", "zero_", "_is_buffer", "pin_memory",
        )
    )  # fmt: skip

    def materialize(self, shape, device=None, dtype=None) -> None:
        """Give the tensor its shape and storage; it becomes an ordinary one in place."""
        data = Tensor.data.__get__(self)
        device = data.device if device is None else device
        dtype = data.dtype if dtype is None else dtype
        Tensor.data.__set__(self, torch.empty(shape, device=device, dtype=dtype))
        self.__class__ = self.cls_to_become

    # Operators that conversion and copying go through.
    _operators = frozenset(
        ("alias", "clone", "detach", "empty_like", "_to_copy", "to_copy", "to", "zero_")
    )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in UninitializedTensorMixin._operators:
            return disabled_torch_function(func, types, args, kwargs)
        raise ValueError(_refusal(name, cls.__name__))

    def __getattribute__(self, name):
        if name in UninitializedTensorMixin._allowed or name.startswith("__"):
            return super().__getattribute__(name)
        if name == "shape":
            raise RuntimeError(
                "Can't access the shape of an uninitialized parameter or buffer. This error "
                "usually happens in `load_state_dict` when trying to load an uninitialized "
                "parameter into an initialized one. Call `forward` to initialize the parameters "
                "before accessing their attributes."
            )
        if callable(getattr(Tensor, name, None)):  # what only describes the tensor may be read
            raise ValueError(_refusal(name, type(self).__name__))
        return super().__getattribute__(name)

    def share_memory_(self):
        raise RuntimeError(
            "Can't share memory on an uninitialized parameter or buffer. Call `forward` to "
            "initialize the parameters before calling `module.share_memory()`."
        )

    def __repr__(self, *, tensor_contents=None) -> str:
        return f"<{type(self).__name__}>"


def _refusal(operation, kind):
    return (
        f"Attempted to use an uninitialized parameter in {operation}. This error happens when you "
        f"are using a `LazyModule` or explicitly manipulating `torch.nn.parameter.{kind}` "
        "objects. When using LazyModules Call `forward` with a dummy batch to initialize the "
        "parameters before calling torch functions"
    )


def is_lazy(param) -> bool:
    """Whether a tensor still waits for its shape."""
    return isinstance(param, UninitializedTensorMixin)


class UninitializedParameter(UninitializedTensorMixin, Parameter):
    """A parameter that gets its shape from `materialize`."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad: bool = True, device=None, dtype=None):
        data = torch.empty(0, device=device, dtype=dtype)
        return Tensor._make_subclass(cls, data, requires_grad)

    @property
    def data(self) -> Tensor:
        """The elements, none so far, as an ordinary tensor."""
        return Tensor._make_subclass(Tensor, Tensor._raw_detach(self))

    @data.setter
    def data(self, value: Tensor) -> None:
        Tensor.data.__set__(self, value)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        data = self.data
        result = type(self)(self.requires_grad, data.device, data.dtype)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, proto):
        data = self.data
        return type(self), (self.requires_grad, str(data.device), data.dtype)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):
    """A buffer that gets its shape from `materialize`."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad: bool = False, device=None, dtype=None, persistent: bool = True):
        data = torch.empty(0, device=device, dtype=dtype)
        result = Tensor._make_subclass(cls, data, requires_grad)
        result.persistent = persistent
        result._is_buffer = True
        return result

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs)
        if type(result) is Tensor:  # moved or cast, it still waits for its shape
            result = Tensor._make_subclass(cls, result)
        return result

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        data = self.data
        result = type(self)(self.requires_grad, data.device, data.dtype, self.persistent)
        memo[id(self)] = result
        return result

    def __reduce_ex__(self, proto):
        data = self.data
        kind = (self.requires_grad, str(data.device), data.dtype, self.persistent)
        return type(self), kind
