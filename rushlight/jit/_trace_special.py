"""Calls whose operator takes other arguments than the function, or needs several nodes."""

from __future__ import annotations

from .. import _C
from . import _trace_rules as rules
from ._constants import as_number
from ._traced_values import TracedInt


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
            return _record(tracer, f"conv{dims}d", values, function, args, kwargs, "padding")
        extra = _several(g["output_padding"], dims) if transposed else [0] * dims
        values = [g["input"], g["weight"], g["bias"], stride, _several(padding, dims), dilation,
                  transposed, extra, groups, False, False, True, True]  # fmt: skip
        return _record(tracer, "_convolution", values, function, args, kwargs, "")

    return convolution


def _max_pool(dims: int):
    def pool(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        stride = g.get("stride")
        values = [
            g["input"],
            _several(g["kernel_size"], dims),
            [] if stride is None else _several(stride, dims),
            _several(g["padding"], dims),
            _several(g["dilation"], dims),
            g["ceil_mode"],
        ]
        name = f"max_pool{dims}d" + ("_with_indices" if g["return_indices"] else "")
        return _record(tracer, name, values, function, args, kwargs)

    return pool


def _average_pool(dims: int):
    def pool(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        stride = g.get("stride")
        values = [
            g["input"],
            _several(g["kernel_size"], dims),
            [] if stride is None else _several(stride, dims),
            _several(g["padding"], dims),
            g["ceil_mode"],
            g["count_include_pad"],
        ]
        if dims > 1:
            values.append(g["divisor_override"])
        return _record(tracer, f"avg_pool{dims}d", values, function, args, kwargs)

    return pool


def _adaptive_pool(kind: str, dims: int):
    def pool(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        wanted = _several(g["output_size"], dims)
        if None in wanted:
            sizes = tracer.sizes(g["input"])[-dims:]
            wanted = [s if n is None else n for n, s in zip(wanted, sizes, strict=True)]
        if kind == "max" and not g.get("return_indices"):
            return _first_of_two(tracer, dims, g["input"], wanted, function, args, kwargs)
        name = f"adaptive_{kind}_pool{dims}d"
        return _record(tracer, name, [g["input"], wanted], function, args, kwargs)

    return pool


def _first_of_two(tracer, dims, input, wanted, function, args, kwargs):
    """Adaptive max pooling always gives the places too: the trace has them, the program not."""
    tracer.locate()
    schema = rules.schema_named(f"aten::adaptive_max_pool{dims}d", "")
    node = tracer.node(schema.name, rules.assigned(schema, [input, wanted], {}), schema)
    result = tracer.run(function, args, kwargs)
    value, places = node.outputs()
    tracer.define(result, value)
    places.setType(schema.returns[1].type)
    return result


def _softmax(name: str):
    def softmax(tracer, function, args, kwargs):
        g = rules.bind(function, args, kwargs)
        dim = g.get("dim")
        if dim is None:
            rank = g["input"].ndim
            dim = 0 if rank in (0, 1, 3) else 1
        values = [g["input"], dim, g.get("dtype")]
        return _record(tracer, name, values, function, args, kwargs, "int")

    return softmax


def _pad(tracer, function, args, kwargs):
    g = rules.bind(function, args, kwargs)
    values = [g["input"], list(g["pad"]), g["mode"], g["value"]]
    return _record(tracer, "pad", values, function, args, kwargs, "")


def _interpolate(tracer, function, args, kwargs):
    """`upsample_<mode><dims>d.vec`, with the size or the factors."""
    g = rules.bind(function, args, kwargs)
    input, mode, factors = g["input"], g["mode"], g["scale_factor"]
    dims = input.ndim - 2
    if g.get("antialias") or mode == "area":
        return rules.entered(tracer, function, args, kwargs)
    suffix = {"linear": "linear1d", "bilinear": "bilinear2d", "trilinear": "trilinear3d",
              "bicubic": "bicubic2d"}.get(mode)  # fmt: skip
    size = None if g["size"] is None else _several(g["size"], dims)
    factors = None if factors is None else [float(f) for f in _several(factors, dims)]
    if factors is not None and g.get("recompute_scale_factor"):
        sizes = tracer.sizes(input)[2:]
        size = [int(n * f) for n, f in zip(sizes, factors, strict=True)]
        factors = None
    if suffix is None:
        kind = f"upsample_{'nearest_exact' if mode == 'nearest-exact' else 'nearest'}{dims}d"
        kind = kind.replace("upsample_nearest_exact", "_upsample_nearest_exact")
        values = [input, size, factors]
    else:
        kind, values = f"upsample_{suffix}", [input, size, bool(g["align_corners"]), factors]
    return _record(tracer, kind, values, function, args, kwargs, "vec")


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


def _embedding_bag(tracer, function, args, kwargs):
    g = rules.bind(function, args, kwargs)
    input, offsets, weights = g["input"], g.get("offsets"), g.get("per_sample_weights")
    if g.get("max_norm") is not None or g.get("padding_idx") is not None:
        return rules.entered(tracer, function, args, kwargs)
    if input.is_floating_point():  # the older order of arguments
        g["weight"], input = input, g["weight"]
    if input.ndim == 2:
        from .. import arange

        _C.push_interpreter(tracer)
        try:
            with tracer.resumed():
                offsets = arange(0, input.numel(), input.size(1))
                input = input.reshape(-1)
                weights = None if weights is None else weights.reshape(-1)
        finally:
            _C.pop_interpreter()
    mode = ("sum", "mean", "max").index(g["mode"])
    values = [g["weight"], input, offsets, bool(g.get("scale_grad_by_freq")), mode,
              bool(g.get("sparse")), weights, bool(g.get("include_last_offset"))]  # fmt: skip
    return _first_results(tracer, "embedding_bag", values, function, args, kwargs, [0])


def _stft(tracer, function, args, kwargs):
    g = rules.bind(function, args, kwargs)
    names = ("n_fft hop_length win_length window center pad_mode normalized onesided "
             "return_complex").split()  # fmt: skip
    values = [g["input"], *(g.get(n) for n in names)]
    return _record(tracer, "stft", values, function, args, kwargs, "center")


def _enter(tracer, function, args, kwargs):
    return rules.entered(tracer, function, args, kwargs)


SPECIAL = {
    **{f"conv{n}d": _convolution(n, False) for n in (1, 2, 3)},
    **{f"F.conv{n}d": _convolution(n, False) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _convolution(n, True) for n in (1, 2, 3)},
    **{f"F.conv_transpose{n}d": _convolution(n, True) for n in (1, 2, 3)},
    **{f"F.max_pool{n}d": _max_pool(n) for n in (1, 2, 3)},
    **{f"F.avg_pool{n}d": _average_pool(n) for n in (1, 2, 3)},
    **{f"F.adaptive_avg_pool{n}d": _adaptive_pool("avg", n) for n in (1, 2, 3)},
    **{f"F.adaptive_max_pool{n}d": _adaptive_pool("max", n) for n in (1, 2, 3)},
    **{f"adaptive_avg_pool{n}d": _adaptive_pool("avg", n) for n in (1, 2, 3)},
    **{f"_adaptive_avg_pool{n}d": _adaptive_pool("avg", n) for n in (2, 3)},
    **{name: _factory(name) for name in (
        "zeros ones empty rand randn full arange linspace logspace eye randperm".split())},
    "F.softmax": _softmax("softmax"),
    "F.log_softmax": _softmax("log_softmax"),
    "softmax": _softmax("softmax"),
    "log_softmax": _softmax("log_softmax"),
    "F.pad": _pad,
    "F.interpolate": _interpolate,
    "F.upsample": _enter,
    "einsum": _einsum,
    "unique": _unique(False),
    "unique_consecutive": _unique(True),
    "F.embedding_bag": _embedding_bag,
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
    else:
        wanted = dtype or tensor.dtype
        values, overload = [tensor, as_number(wanted), *tail], "dtype"
    schema = rules.schema_named("aten::to", overload)
    node = tracer.node("aten::to", rules.assigned(schema, values, {}), schema)
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
    """A method that is an operator without further arguments."""
    result = original(*args, **kwargs)
    tracer.locate()
    schema = rules.schema_named("aten::" + name, "")
    node = tracer.node(schema.name, rules.assigned(schema, args[:1], kwargs), schema)
    if result is args[0]:
        result = result.view_as(result)
    tracer.define(result, node.output())
    return result


METHODS = dict.fromkeys((*_DTYPES, "to", "cpu", "type_as"), _convert)
METHODS |= {"detach": _plain, "contiguous": _plain}


# -- recurrent networks ----------------------------------------------------------------------------

_RECURRENT = {
    "LSTM": ("lstm", "input"),
    "GRU": ("gru", "input"),
    "RNN_TANH": ("rnn_tanh", "input"),
    "RNN_RELU": ("rnn_relu", "input"),
}


def recurrent(tracer, module, original, input, hx=None):
    """An RNN's forward is one operator."""
    with tracer.paused():
        plain = isinstance(input, _C.Tensor) and input.ndim == 3 and not module.proj_size
    if not plain:
        return original(module, input, hx)
    if hx is None:
        states = _zero_states(tracer, module, input)
    else:
        states = module._initial_states(input, hx, False, None)
    with tracer.paused():
        output, final = original(module, input, module._as_hidden(states))
        _record_recurrent(tracer, module, input, states, output, final)
    return output, final


def _zero_states(tracer, module, input) -> tuple:
    """The states that a run begins with, named as PyTorch's own source names them."""
    from .. import zeros

    max_batch_size = input.size(0 if module.batch_first else 1)
    max_batch_size.value.setDebugName("max_batch_size")
    layers = module.num_layers * (2 if module.bidirectional else 1)
    states = []
    for _ in range(2 if module.mode == "LSTM" else 1):
        made = zeros(layers, max_batch_size, module.hidden_size, dtype=input.dtype,
                     device=input.device)  # fmt: skip
        tracer.value_of(made).setDebugName("hx")
        states.append(made)
    return tuple(states)


def _record_recurrent(tracer, module, input, states, output, final) -> None:
    finals = final if isinstance(final, tuple) else (final,)
    tracer.locate()
    name, overload = _RECURRENT[module.mode]
    schema = rules.schema_named("aten::" + name, overload)
    weights = [w for layer in module._layers() for w in layer if w is not None]
    hidden = list(states) if name == "lstm" else states[0]
    values = [input, hidden, weights, module.bias, module.num_layers, float(module.dropout),
              module.training, module.bidirectional, module.batch_first]  # fmt: skip
    node = tracer.node(schema.name, rules.assigned(schema, values, {}), schema)
    for value, tensor in zip(node.outputs(), (output, *finals), strict=True):
        tracer.define(tensor, value)


def is_traced_int(item) -> bool:
    """Whether a number is a value of the graph."""
    return isinstance(item, TracedInt)
