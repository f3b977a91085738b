"""Calls whose operator takes other arguments than the function, or needs several nodes."""

from __future__ import annotations

from .. import _C
from . import _trace_rules as rules
from ._constants import as_number
from ._traced_values import PLAIN


def _record(tracer, kind: str, values, function, args, kwargs, overload: str | None = None):
    """One node with these arguments for a call."""
    kind = "aten::" + kind
    if overload is None:
        schema = rules.choose(kind, values, {})
    else:
        schema = rules.schema_named(kind, overload)
    if schema is None:
        return rules.entered(tracer, function, args, kwargs)
    return rules.record(tracer, schema, values, {}, function, args, kwargs)


def _several(item, count: int) -> list:
    return list(item) if isinstance(item, list | tuple) else [item] * count


def _convolution(dims: int, transposed: bool):
    def convolution(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        stride, dilation = _several(g["stride"], dims), _several(g["dilation"], dims)
        groups, padding = g["groups"], g["padding"]
        if isinstance(padding, str):
            values = [g["input"], g["weight"], g["bias"], stride, padding, dilation, groups]
            return _record(tracer, "_convolution_mode", values, function, args, kwargs, "")
        extra = _several(g["output_padding"], dims) if transposed else [0] * dims
        values = [g["input"], g["weight"], g["bias"], stride, _several(padding, dims), dilation,
                  transposed, extra, groups, False, False, True, True]  # fmt: skip
        return _record(tracer, "_convolution", values, function, args, kwargs, "")

    return convolution


def _arithmetic(name: str, reflected: str):
    def operate(tracer, function, args, kwargs):
        if args and rules._is_number(args[0]) and len(args) > 1:
            values = [args[1], args[0]]
            if reflected == "rsub":
                return _record(tracer, "rsub", values, function, args, kwargs, "Scalar")
            return _record(tracer, reflected, values, function, args, kwargs, "Tensor")
        named = {k: v for k, v in kwargs.items() if k in ("alpha", "rounding_mode") and v}
        values = [*args, *([kwargs["other"]] if "other" in kwargs else [])][:2]
        if len(args) > 2:
            named["alpha"] = args[2]
        overload = "Tensor_mode" if "rounding_mode" in named else "Tensor"
        suffix = "_" if getattr(function, "inplace", False) else ""
        schema = rules.schema_named(f"aten::{name}{suffix}", overload)
        return rules.record(tracer, schema, values, named, function, args, kwargs)

    return operate


def _factory(name: str):
    """Tensors made from sizes: device and pin_memory stand in the graph."""

    def make(tracer, function, args, kwargs):
        named = {k: v for k, v in kwargs.items() if k not in ("requires_grad", "out", "generator")}
        named["device"] = named.get("device") or _default_device()
        named["pin_memory"] = bool(named.get("pin_memory"))
        values = list(args)
        if (
            name not in ("arange", "linspace", "logspace", "eye", "full")
            and values
            and ("size" not in named and not isinstance(values[0], list | tuple))
        ):
            values = [values]
        values = [list(v) if isinstance(v, tuple) else v for v in values]
        schema = rules.choose("aten::" + name, values, named)
        if schema is None:
            return rules._constant(tracer, function, name, args, kwargs)
        return rules.record(tracer, schema, values, named, function, args, kwargs)

    return make


def _default_device():
    from .._device import device

    return device("cpu")


def _expand(tracer, function, args, kwargs):
    size = args[1:] if len(args) > 1 else tuple(kwargs["size"])
    size = size[0] if len(size) == 1 and isinstance(size[0], list | tuple) else size
    return _record(tracer, "expand", [args[0], list(size), False], function, args, kwargs)


def _sum_like(name: str):
    """`dim` is a list in the graph; without it, all elements."""

    def reduce(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        dim, dtype = g.get("dim"), g.get("dtype")
        if dim is None and not g.get("keepdim"):
            schema = rules.schema_named("aten::" + name, "")
            named = {"dtype": dtype}
            return rules.record(tracer, schema, [g["input"]], named, function, args, kwargs)
        else:
            values = [g["input"], _several(dim, 1), bool(g.get("keepdim")), dtype]
        return _record(tracer, name, values, function, args, kwargs)

    return reduce


def _norm(tracer, function, args, kwargs):
    """A norm of vectors, whatever it is called; that of a matrix is made of others."""
    g = rules.bind(function, args, kwargs)
    p, dim = g["p"], g["dim"]
    if isinstance(p, str) and p != "fro":
        return rules.entered(tracer, function, args, kwargs)
    schema = rules.schema_named("aten::linalg_vector_norm", "")
    dim = None if dim is None else _several(dim, 1)
    values = [g["input"], 2 if p in (None, "fro") else p, dim, g["keepdim"]]
    return rules.record(tracer, schema, values, {"dtype": g["dtype"]}, function, args, kwargs)


def _split(tracer, function, args, kwargs):
    g = rules.bind(function, args, kwargs)
    sizes = g["split_size"] if g["split_size_or_sections"] is None else g["split_size_or_sections"]
    kind = "split_with_sizes" if isinstance(sizes, list | tuple) else "split"
    return _record(tracer, kind, [g["tensor"], sizes, g["dim"]], function, args, kwargs)


def _einsum(tracer, function, args, kwargs):
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    if not isinstance(equation, str):
        return rules.entered(tracer, function, args, kwargs)
    return _record(tracer, "einsum", [equation, list(operands)], function, args, kwargs)


def _spread(name: str):
    """Of std and var: without the old `unbiased`, the form that has a correction."""

    def measure(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        named = {k: g.get(k) for k in ("dim", "correction", "keepdim")}
        old = "unbiased" in kwargs or any(isinstance(a, bool) for a in args[1:3])
        named["keepdim"] = bool(named["keepdim"])
        named["correction"] = kwargs.get("correction")
        if isinstance(named["dim"], int) and not old:
            named["dim"] = [named["dim"]]
        if old:
            values, named = list(args), dict(kwargs)
            schema = rules.choose("aten::" + name, values, named)
        else:
            values, schema = [g["input"]], rules.schema_named("aten::" + name, "correction")
        return rules.record(tracer, schema, values, named, function, args, kwargs)

    return measure


def _first_results(tracer, kind: str, values, function, args, kwargs, wanted):
    """An operator with more results than the function gives: `wanted` are the places of those."""
    tracer.locate()
    schema = rules.schema_named("aten::" + kind, "")
    node = tracer.node(schema.name, rules.assigned(schema, values, {}), schema)
    result = tracer.run(function, args, kwargs)
    outputs = list(node.outputs())
    for value, returned in zip(outputs, schema.returns, strict=True):
        value.setType(returned.type)
    for place, item in zip(wanted, result if isinstance(result, tuple) else (result,), strict=True):
        tracer.define(item, outputs[place])
    return result


def _unique(consecutive: bool):
    def unique(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        flags = [bool(g.get("return_inverse")), bool(g.get("return_counts"))]
        wanted = [0, *(place for place, flag in zip((1, 2), flags, strict=True) if flag)]
        dim, first = g.get("dim"), bool(g.get("sorted", True))
        if consecutive:
            kind, values = "unique_consecutive", [g["input"], *flags, dim]
        elif dim is None:
            kind, values = "_unique2", [g["input"], first, *flags]
        else:
            kind, values = "unique_dim", [g["input"], dim, first, *flags]
        return _first_results(tracer, kind, values, function, args, kwargs, wanted)

    return unique


def _stft(tracer, function, args, kwargs):
    g = rules.bind(function, args, kwargs)
    names = ("n_fft hop_length win_length window center pad_mode normalized onesided "
             "return_complex").split()  # fmt: skip
    values = [g["input"], *(g.get(n) for n in names)]
    return _record(tracer, "stft", values, function, args, kwargs, "center")


SPECIAL = {
    **{f"conv{n}d": _convolution(n, False) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _convolution(n, True) for n in (1, 2, 3)},
    **{name: _factory(name) for name in (
        "zeros ones empty rand randn full arange linspace logspace eye randperm".split())},
    "norm": _norm,
    "split": _split,
    "einsum": _einsum,
    "unique": _unique(False),
    "unique_consecutive": _unique(True),
    "stft": _stft,
    "std": _spread("std"),
    "var": _spread("var"),
    "add": _arithmetic("add", "add"),
    "mul": _arithmetic("mul", "mul"),
    "sub": _arithmetic("sub", "rsub"),
    "div": _arithmetic("div", "div"),
    "truediv": _arithmetic("div", "div"),
    "expand": _expand,
    "sum": _sum_like("sum"),
    "mean": _sum_like("mean"),
}  # fmt: skip


# -- methods of Tensor that the gate does not show -----------------------------------------------


def _convert(tracer, name, original, args, kwargs):
    """`to` and its short forms."""
    result = original(*args, **kwargs)
    tensor = args[0]
    dtype, device, flags, other = _conversion(name, args[1:], kwargs)
    tracer.locate()
    tail = [bool(flags.get("non_blocking")), bool(flags.get("copy")), flags.get("memory_format")]
    if other is not None:
        values, overload = [tensor, other, *tail], "other"
    elif device is not None and dtype is None and "memory_format" in flags and not args[1:]:
        values, overload = [tensor, tensor.dtype, *tail], "dtype"
    elif device is not None:
        wanted = dtype or tensor.dtype
        values, overload = [tensor, device, as_number(wanted), *tail], "device"
    elif dtype is not None:
        values, overload = [tensor, as_number(dtype), *tail], "dtype"
    else:
        options = [as_number(tensor.dtype), 0, tensor.device, None]
        values, overload = [tensor, *options, *tail], "dtype_layout"
    schema = rules.schema_named("aten::to", overload)
    given = {a.name: v for a, v in zip(schema.arguments, values, strict=True)}
    node = tracer.node("aten::to", given, schema)
    if result is tensor:  # another value of the graph needs a tensor of its own
        result = tensor.view_as(tensor) if tensor.is_leaf else tensor.view(tensor.shape)
    tracer.define(result, node.output())
    return result


_DTYPES = {"float": "float32", "double": "float64", "half": "float16", "long": "int64",
           "int": "int32", "short": "int16", "char": "int8", "byte": "uint8", "bool": "bool",
           "bfloat16": "bfloat16"}  # fmt: skip


def _conversion(name, args, kwargs):
    """(dtype, device, other words, tensor to be like) of a call of `to` or `float`, ..."""
    import rushlight as torch

    words = dict(kwargs)
    if name in _DTYPES:
        return getattr(torch, _DTYPES[name]), None, words, None
    if name == "cpu":
        return None, _default_device(), words, None
    dtype, device, other = words.pop("dtype", None), words.pop("device", None), None
    if name == "type_as":
        return args[0].dtype, args[0].device, words, None
    for item in args:
        if isinstance(item, _C.dtype):
            dtype = item
        elif isinstance(item, _C.Tensor):
            dtype, device = item.dtype, item.device
        elif isinstance(item, bool):
            words["copy" if "non_blocking" in words else "non_blocking"] = item
        elif item is not None:
            device = torch.device(item)
    return dtype, None if device is None else torch.device(device), words, other


def _plain(tracer, name, original, args, kwargs):
    """A method that is an operator of its own name."""
    result = original(*args, **kwargs)
    tracer.locate()
    schema = rules.schema_named("aten::" + name, "")
    node = tracer.node(schema.name, rules.assigned(schema, args, kwargs), schema)
    if result is args[0]:
        result = result.view_as(result)
    tracer.define(result, node.output())
    return result


METHODS = dict.fromkeys((*_DTYPES, "to", "cpu", "type_as"), _convert)
METHODS |= dict.fromkeys(PLAIN, _plain)
