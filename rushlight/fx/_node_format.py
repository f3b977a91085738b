"""Targets, types and arguments of nodes as graphs print them."""

from __future__ import annotations

import types
from typing import Any

import rushlight as torch

from . import _names

dtype_abbrs = {
    torch.uint8: "u8", torch.int8: "i8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64",
    torch.float16: "f16", torch.float32: "f32", torch.float64: "f64", torch.complex32: "c32",
    torch.complex64: "c64", torch.complex128: "c128", torch.bool: "b8", torch.bfloat16: "bf16",
    torch.float8_e5m2: "f8e5m2", torch.float8_e4m3fn: "f8e4m3fn", torch.uint16: "u16",
    torch.uint32: "u32", torch.uint64: "u64",
}  # fmt: skip


def _type_repr(obj: object) -> str:
    """A type as annotations write it."""
    if isinstance(obj, type) and not isinstance(obj, types.GenericAlias):
        if obj.__module__ == "builtins":
            return obj.__qualname__
        return f"{_names.in_pytorch(obj.__module__)}.{obj.__qualname__}"
    if obj is ...:
        return "..."
    if isinstance(obj, types.FunctionType):
        return obj.__name__
    return repr(obj).replace("rushlight.", "torch.")


def _format_arg(arg: object, max_list_len: float = float("inf")) -> str:
    """An argument as graphs print it: %name for nodes, strings without quotes."""
    custom = getattr(arg, "_custom_fx_repr_fn", None)
    if custom is not None:
        return custom()
    if isinstance(arg, (list, tuple)):
        brackets = "[]" if isinstance(arg, list) else "()"
        items = [_format_arg(a, max_list_len) for i, a in enumerate(arg) if i < max_list_len]
        if len(arg) > max_list_len:
            items.append(f"...[total_len={len(arg)}]")
        comma = "," if isinstance(arg, tuple) and len(items) == 1 else ""
        return f"{brackets[0]}{', '.join(items)}{comma}{brackets[1]}"
    if isinstance(arg, dict):
        return "{" + ", ".join(f"{k}: {_format_arg(v, max_list_len)}" for k, v in arg.items()) + "}"
    return f"%{arg.name}" if hasattr(arg, "_input_nodes") else str(arg)


def pretty_target(target: object) -> str:
    """What a node calls or reads, as graphs print it."""
    if isinstance(target, str):
        return target
    module = getattr(target, "__module__", None)
    if module is not None:
        name = getattr(target, "__name__", None)
        if name is None:
            return _names.in_pytorch(str(target))
        if module == "builtins":
            return f"builtins.{name}"
        if module == "_operator":
            return f"operator.{name}"
    if hasattr(target, "_overload") or hasattr(target, "overloads"):
        return f"torch.ops.{target}"
    return _names.qualified_name(target)


def tensor_detail(node):
    """dtype[shape] of the value that a tracer noted."""
    value = node.meta.get("val", node.meta.get("tensor_meta"))
    if value is None or not hasattr(value, "dtype"):
        return ""
    return f'"{_abbreviated(value.dtype)}[{", ".join(map(str, value.shape))}]" '


def _abbreviated(dtype: Any) -> str:
    return dtype_abbrs.get(dtype, str(dtype))
