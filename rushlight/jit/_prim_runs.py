"""What runs the operators of the language itself."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from . import _prim_ops
from ._constants import as_number


def _flag(name: str) -> Callable:
    return lambda tensor: bool(getattr(tensor, name))


def raise_exception(message: Any, cls: str | None = None) -> None:
    """Raise what a program raises: PyTorch's JIT error with the class's name."""
    import rushlight as torch

    raise torch.jit.Error(message if cls is None else f"{cls}: {message}")


def _print(*values: Any) -> None:
    print(*values)


def _unwrap(value: Any) -> Any:
    if value is None:
        raise RuntimeError("Unwrapping null optional")
    return value


def _to_tensor(value: Any):
    import rushlight as torch

    return torch.tensor(value, dtype=_WIDE.get(type(value)) and getattr(torch, _WIDE[type(value)]))


_WIDE = {float: "float64", int: "int64", bool: "bool", complex: "complex128"}


def _device(kind: str, index: int | None = None):
    from .._device import device

    return device(kind) if index is None else device(kind, index)


def _warn(message: str, stacklevel: int = 2) -> None:
    warnings.warn(message, stacklevel=stacklevel + 1)


def _seeded(*args: Any):
    import rushlight as torch

    if len(args) == 2:
        return args[0].manual_seed(args[1])
    torch.manual_seed(args[0])
    return None


def _broadcast(a: list, b: list) -> list:
    import rushlight as torch

    return list(torch.broadcast_shapes(a, b))


def _if_not_equal(a: list, b: list) -> list | None:
    return None if a == b else a


def _root(name: str) -> Callable:
    def call(*args):
        import rushlight as torch

        return as_number(getattr(torch, name)(*args))

    return call


def _generator(device=None, seed=None):
    import rushlight as torch

    made = torch.Generator(device or "cpu")
    return made if seed is None else made.manual_seed(seed)


def _string_index(text: str, index: int) -> str:
    return text[index]


def _joined(*args):
    import rushlight as torch

    return torch.cat(args[:-1], args[-1])


def _stacked(*args):
    import rushlight as torch

    return torch.stack(args[:-1], args[-1])


def _tolist(tensor, *_):
    return tensor.tolist()


RUNS: dict[str, Callable] = {f"prim::{name}": _flag(name) for name in _prim_ops.TENSOR_FLAGS}
RUNS |= {
    "prim::grad": lambda tensor: tensor.grad,
    "prim::data": lambda tensor: tensor.data,
    "prim::dtype": lambda tensor: as_number(tensor.dtype),
    "prim::layout": lambda tensor: as_number(tensor.layout),
    "prim::device": lambda tensor: tensor.device,
    "prim::itemsize": lambda tensor: tensor.itemsize,
    "prim::nbytes": lambda tensor: tensor.nbytes,
    "prim::name": lambda tensor: None,
    "prim::index": lambda device: device.index,
    "prim::type": lambda device: device.type,
    "prim::id": id,
    "prim::Print": _print,
    "prim::RaiseException": raise_exception,
    "prim::NumToTensor": _to_tensor,
    "prim::Uninitialized": lambda: None,
    "prim::unchecked_cast": lambda value: value,
    "prim::unchecked_unwrap_optional": lambda value: value,
    "prim::TupleIndex": lambda items, i: items[i],
    "prim::TupleUnpack": tuple,
    "prim::IfThenElse": lambda condition, x, y: x if condition else y,
    "prim::EnumName": lambda member: member.name,
    "prim::EnumValue": lambda member: member.value,
    "prim::StringIndex": _string_index,
    "prim::ModuleContainerIndex": lambda container, key: container[key],
    "prim::tolist": _tolist,
    "prim::VarConcat": _joined,
    "prim::VarStack": _stacked,
    "prim::TimePoint": time.monotonic_ns,
    "prim::awaitable_nowait": lambda value: value,
    "prim::awaitable_wait": lambda value: value,
    "aten::_unwrap_optional": _unwrap,
    "aten::wait": lambda future: future.wait(),
    "aten::warn": _warn,
    "aten::device": _device,
    "aten::manual_seed": _seeded,
    "aten::is_scripting": lambda: True,
    "aten::is_grad_enabled": _root("is_grad_enabled"),
    "aten::set_grad_enabled": _root("set_grad_enabled"),
    "aten::_get_tracing_state": lambda: False,
    "aten::has_torch_function": lambda *args: False,
    "aten::promote_types": lambda a, b: as_number(_dtypes("promote_types", a, b)),
    "aten::can_cast": lambda a, b: _dtypes("can_cast", a, b),
    "aten::get_autocast_dtype": _root("get_autocast_dtype"),
    "aten::is_autocast_enabled": _root("is_autocast_enabled"),
    "aten::is_autocast_cpu_enabled": _root("is_autocast_cpu_enabled"),
    "aten::broadcast_shapes": _broadcast,
    "aten::_infer_size": _broadcast,
    "aten::_size_if_not_equal": _if_not_equal,
    "aten::save": _root("save"),
    "aten::backward": lambda tensor, *args: tensor.backward(*args),
    "aten::Generator": _generator,
    "aten::initial_seed": lambda generator: generator.initial_seed(),
    "aten::seed": lambda generator: generator.seed(),
    "aten::requires_grad_": lambda tensor, on=True: tensor.requires_grad_(on),
    "aten::cpu": lambda tensor: tensor.cpu(),
    "aten::cuda": lambda tensor: tensor.cuda(),
    "aten::retain_grad": lambda tensor: tensor.retain_grad(),
}


def _dtypes(name: str, a: int, b: int) -> Any:
    import rushlight as torch

    from ._constants import DTYPE_OF

    return getattr(torch, name)(DTYPE_OF[a], DTYPE_OF[b])
