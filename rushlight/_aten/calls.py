"""How a call of one of our operators looks under PyTorch's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import _C
from ..op import operators
from ..ops.loss import REDUCTIONS
from . import OpOverload, aten, schemas
from .schemas import REQUIRED, default_of, kind_of

if TYPE_CHECKING:
    from ..jit._function_schema import Argument, FunctionSchema

Tensor = _C.Tensor


class Call(NamedTuple):
    """A call under PyTorch's name; `finish` makes our result of PyTorch's."""

    func: OpOverload
    args: tuple
    kwargs: dict
    finish: Callable | None = None


def _first(result):
    return result[0]


# Ours: PyTorch's name, where only the name differs, and where several of ours are one there.
_NAMES = {
    "max_all": "max", "min_all": "min", "median_all": "median",
    "clamp_number": "clamp", "clamp_tensor": "clamp.Tensor",
    "lerp_number": "lerp.Scalar", "lerp_tensor": "lerp.Tensor",
    "pow_scalar": "pow.Tensor_Scalar", "pow_base": "pow.Scalar", "pow_tensor": "pow.Tensor_Tensor",
    "scatter_src": "scatter.src", "scatter_value": "scatter.value",
    "adaptive_avg_pool2d": "_adaptive_avg_pool2d", "adaptive_avg_pool3d": "_adaptive_avg_pool3d",
    "constant_pad": "constant_pad_nd", "to_copy": "_to_copy", "fused_dropout": "native_dropout",
    "var": "var.correction", "std": "std.correction",
    "var_mean": "var_mean.correction", "std_mean": "std_mean.correction",
    "bernoulli_tensor": "bernoulli_.Tensor", "normal": "normal_", "uniform": "uniform_",
    "exponential": "exponential_", "scatter_reduce": "scatter_reduce.two",
}  # fmt: skip
# What an operator is called when there are no arguments to tell its overloads apart.
_USUAL = dict.fromkeys(
    "add sub mul div eq ne lt gt le ge remainder fmod slice index split".split(), "Tensor"
) | {"pow": "Tensor_Scalar", "select": "int", "transpose": "int", "where": "self", "unbind": "int"}
_ALIKE = {
    "linear_mm": "mm", "linear_addmm": "addmm", "matmul_batched": "bmm",
    "sdpa_flash": "_scaled_dot_product_flash_attention_for_cpu",
    "conv1d": "convolution", "conv2d": "convolution", "conv3d": "convolution",
    "layer_norm": "native_layer_norm", "group_norm": "native_group_norm",
    "batch_norm": "native_batch_norm", "softmax": "_softmax", "log_softmax": "_log_softmax",
    "cross_entropy": "nll_loss_forward", "nll_loss": "nll_loss_forward",
}  # fmt: skip


def name_of(op: _C.Op) -> OpOverload:
    """What an operator is called, as far as that can be told without its arguments."""
    own = op.__name__
    name, _, overload = (_NAMES.get(own) or _ALIKE.get(own) or own).partition(".")
    return getattr(getattr(aten, name), overload or _USUAL.get(name, "default"))


def translate(op: _C.Op, args: tuple, kwargs: dict) -> Call:
    """A call of an operator whose arguments are bound, under PyTorch's name."""
    base = op.__qualname__.rpartition(".")[2]
    writes = op.__name__.endswith("_") and base.endswith("_")
    own = base[:-1] if writes else base
    given, defaults = _parameters(operators[own], args, kwargs)
    out = kwargs.get("out")
    special = _SPECIAL.get(own)
    if special is not None and out is None:
        call = special(given)
        if call is not None:
            return call
    if own == "clamp_number":
        given |= _bounds(**given)
    wanted = {n: v for n, v in given.items() if not _same(v, defaults.get(n, REQUIRED))}
    name, _, overload = _NAMES.get(own, own).partition(".")
    if writes and not name.endswith("_"):
        name += "_"
    packet = getattr(aten, name)
    candidates = [overload] if overload else schemas.overloads(name)
    for exact in (True, False):
        for candidate in candidates:
            described = schemas.schema(name, candidate)
            fitted = described and _fit(described, list(given), wanted, exact)
            if fitted:
                positional, keywords = fitted
                if out is not None:
                    return Call(packet.out, positional, {**keywords, "out": out})
                return Call(getattr(packet, candidate), positional, keywords)
    return Call(_of_ours(op), args, kwargs)


def _parameters(operator, args, kwargs):
    """The arguments by name, and the defaults; the declaration says both."""
    names, defaults = _declared(operator)
    given = dict(zip(names, args, strict=False))
    if kwargs:
        given |= {n: v for n, v in kwargs.items() if n != "out"}
    return given, defaults


@cache
def _declared(operator) -> tuple[tuple[str, ...], dict]:
    forward = operator.declaration.__dict__["forward"]
    code = forward.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    defaults = forward.__defaults__ or ()
    known = dict(zip(names[code.co_argcount - len(defaults) : code.co_argcount], defaults))
    return names, known | (forward.__kwdefaults__ or {})


def _bounds(input, min, max) -> dict:
    """The bounds of a clamp: one that is left out is infinite here."""
    if min == -math.inf != max:
        min = None
    elif max == math.inf:
        max = None
    return {"min": min, "max": max}


def _same(value, default) -> bool:
    return value is default or (type(value) is type(default) and not isinstance(value, Tensor)
                                and value == default)  # fmt: skip


def _fit(described: FunctionSchema, names: list[str], wanted: dict, exact: bool):
    """The arguments in the order of a description; None where they do not fit."""
    sources = _sources(described.arguments, names)
    if not set(wanted) <= set(sources.values()):
        return None
    positional: list = []
    keywords: dict = {}
    for argument in described.arguments:
        value = wanted.get(sources.get(argument.name), default_of(argument))
        if value is REQUIRED and kind_of(argument).endswith("?"):
            value = None
        fitted = fit_kind(argument, value, exact)
        if fitted is REQUIRED:
            return None
        if argument.kwarg_only:
            if isinstance(fitted, Tensor) or fitted != default_of(argument):
                keywords[argument.name] = fitted
        else:
            positional.append(fitted)
    return without_defaults(described, positional), keywords


def without_defaults(described: FunctionSchema, positional: list) -> tuple:
    """What has to be said of the arguments by position: trailing defaults go without saying."""
    positional = list(positional)
    while positional:
        default = default_of(described.arguments[len(positional) - 1])
        if default is REQUIRED or not _same(positional[-1], default):
            break
        positional.pop()
    return tuple(positional)


def _sources(arguments: tuple[Argument, ...], names: list[str]) -> dict[str, str]:
    """Which of our parameters an argument is: of its name, or else at its place."""
    found = {a.name: a.name for a in arguments if a.name in names}
    if names and names[0] not in found.values():
        found[arguments[0].name] = names[0]
    for argument, name in zip(arguments, names, strict=False):
        if argument.name not in found and name not in found.values():
            found[argument.name] = name
    return found


def fit_kind(argument: Argument, value: Any, exact: bool) -> Any:
    """A value as an argument's kind wants it; REQUIRED when it is of another."""
    kind = kind_of(argument)
    if kind.endswith("?"):
        if value is None:
            return None
        kind = kind[:-1]
    if value is REQUIRED or value is None:
        return REQUIRED
    if kind.endswith("]"):
        item, _, count = kind[:-1].partition("[")
        if isinstance(value, (tuple, list)):
            return list(value)
        return [value] * int(count or 1) if isinstance(value, int) else REQUIRED
    if kind == "Tensor":
        number = not exact and isinstance(value, (bool, int, float, complex))
        return value if number or isinstance(value, Tensor) else REQUIRED
    if kind == "ScalarType":
        return value if isinstance(value, _C.dtype) else REQUIRED
    if kind == "int" and isinstance(value, str):
        return REDUCTIONS.index(value) if value in REDUCTIONS else REQUIRED
    if kind in ("int", "Scalar", "float", "bool") and not isinstance(
        value, (bool, int, float, complex)
    ):
        return REQUIRED
    return value


# -- operators that only we have ------------------------------------------------------------------


def _of_ours(op) -> OpOverload:
    made = getattr(aten, op.__name__).default
    if made._operator is None:
        made._operator = op
    return made


def schema_of_ours(overload: OpOverload) -> FunctionSchema:
    """A description of what PyTorch has no operator for, or none that is described here."""
    operator = overload._operator or operators.get(overload._name.rstrip("_"))
    if operator is None:
        raise AttributeError(f"{overload}: its schema is not known here")
    forward = operator.declaration.__dict__["forward"]
    code = forward.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    _, defaults = _parameters(operator, (), {})
    from ..jit._function_schema import AliasInfo, Argument, FunctionSchema
    from ..jit._types import AnyType, TensorType

    shared = AliasInfo("a!") if overload._name.endswith("_") else None
    arguments = []
    for i, name in enumerate(names):
        said = {"default_value": defaults[name]} if name in defaults else {}
        keyword = i >= code.co_argcount
        alias = None if i else shared
        arguments.append(
            Argument(name, AnyType.get(), kwarg_only=keyword, alias_info=alias, **said)
        )
    returns = [Argument("", TensorType.get(), alias_info=shared)]
    return FunctionSchema(overload.name(), "", arguments, returns)


# -- operators whose arguments differ -------------------------------------------------------------


def _rounding(mode):
    def call(given):
        keywords = {"rounding_mode": mode}
        return Call(aten.div.Tensor_mode, (given["input"], given["other"]), keywords)

    return call


def _sub(given):
    if isinstance(given["input"], Tensor):
        return None
    alpha = given.get("alpha", 1)
    args = (given["other"], given["input"])
    return Call(aten.rsub.Scalar, args if alpha == 1 else (*args, alpha), {})


def _swapped(name):
    def call(given):  # numbers come second, as tensors do that came first
        if isinstance(given["input"], Tensor) or "alpha" in given and given["alpha"] != 1:
            return None
        return Call(getattr(aten, name).Tensor, (given["other"], given["input"]), {})

    return call


def _softmax(name):
    def call(given):
        if given.get("dtype") is not None:
            return None
        return Call(getattr(aten, name).default, (given["input"], given["dim"], False), {})

    return call


def _layer_norm(given):
    shape = given["normalized_shape"]
    shape = [shape] if isinstance(shape, int) else list(shape)
    args = (given["input"], shape, given["weight"], given["bias"], given["eps"])
    return Call(aten.native_layer_norm.default, args, {}, _first)


def _group_norm(given):
    x, groups = given["input"], given["num_groups"]
    n, c = x.shape[:2]
    spread = x.numel() // (n * c) if n * c else 0
    args = (x, given["weight"], given["bias"], n, c, spread, groups, given["eps"])
    return Call(aten.native_group_norm.default, args, {}, _first)


def _batch_norm(given):
    names = "input weight bias running_mean running_var training momentum eps".split()
    return Call(aten.native_batch_norm.default, tuple(given[n] for n in names), {})


def _convolution(given):
    if isinstance(given["padding"], str):
        return None
    weight = given["weight"]
    dims = weight.dim() - 2
    if given["input"].dim() != weight.dim():
        return None

    def each(value):
        return [value] * dims if isinstance(value, int) else list(value) * (dims // len(value))

    transposed = "output_padding" in given
    args = (
        given["input"], weight, given["bias"], each(given["stride"]), each(given["padding"]),
        each(given["dilation"]), given.get("transposed", transposed),
        each(given.get("output_padding", 0)), given["groups"],
    )  # fmt: skip
    return Call(aten.convolution.default, args, {})


def _attention(given):
    args = [given["query"], given["key"], given["value"], 0.0, given["is_causal"]]
    usual = given["query"].shape[-1] ** -0.5
    keywords = {} if given["scale"] == usual else {"scale": given["scale"]}
    if given["attn_mask"] is not None:
        keywords["attn_mask"] = given["attn_mask"]
    found = aten._scaled_dot_product_flash_attention_for_cpu.default
    return Call(found, without_defaults(found._schema, args), keywords)


def _embedding(given):
    padding = given["padding_idx"]
    args = [given["weight"], given["input"], -1 if padding is None else padding]
    found = aten.embedding.default
    args.append(bool(given["scale_grad_by_freq"]))
    return Call(found, without_defaults(found._schema, args), {})


def _nll_loss(name):
    def call(given):
        args = (
            given["input"], given["target"], given["weight"],
            REDUCTIONS.index(given["reduction"]), given["ignore_index"],
        )  # fmt: skip
        return Call(getattr(aten, name).default, args, {})

    return call


def _max_pool(name, finish):
    def call(given):
        described = name._schema
        stride = given["stride"]
        values = (given["input"], given["kernel_size"], [] if stride is None else stride,
                  given["padding"], given["dilation"], given["ceil_mode"])  # fmt: skip
        pairs = zip(described.arguments, values, strict=True)
        return Call(name, _meant(described, pairs), {}, finish)

    return call


def _avg_pool(name):
    def call(given):
        described = name._schema
        given = {**given, "stride": [] if given["stride"] is None else given["stride"]}
        pairs = [(a, given.get("input" if a.name == "self" else a.name))
                 for a in described.arguments]  # fmt: skip
        return Call(name, _meant(described, pairs), {})

    return call


def _meant(described, pairs) -> tuple:
    """Values as their kinds want them, without trailing defaults, however those are written."""
    values = []
    for argument, value in pairs:
        fitted = fit_kind(argument, value, True)
        default = default_of(argument)
        spread = fit_kind(argument, default, True) if default is not REQUIRED else REQUIRED
        values.append(default if _same(fitted, spread) else fitted)
    return without_defaults(described, values)


def _to_device(given):
    keywords = {k: given[k] for k in ("dtype", "device") if given[k] is not None}
    return Call(aten._to_copy.default, (given["input"],), keywords)


def _clone(given):
    if not given.get("packed"):
        return None
    from ..tensor.common import contiguous_format

    return Call(aten.clone.default, (given["input"],), {"memory_format": contiguous_format})


_SPECIAL: dict[str, Callable] = {
    "add": _swapped("add"), "mul": _swapped("mul"), "sub": _sub,
    "div_floor": _rounding("floor"), "div_trunc": _rounding("trunc"),
    "softmax": _softmax("_softmax"), "log_softmax": _softmax("_log_softmax"),
    "layer_norm": _layer_norm, "group_norm": _group_norm, "batch_norm": _batch_norm,
    "conv1d": _convolution, "conv2d": _convolution, "conv3d": _convolution,
    "conv_transpose1d": _convolution, "conv_transpose2d": _convolution,
    "conv_transpose3d": _convolution, "convolution": _convolution,
    "sdpa_flash": _attention, "embedding": _embedding, "clone": _clone,
    "to_device": _to_device,
    "nll_loss": _nll_loss("nll_loss_forward"), "nll_loss_2d": _nll_loss("nll_loss2d_forward"),
    "max_pool2d": _max_pool(aten.max_pool2d_with_indices.default, _first),
    "max_pool3d": _max_pool(aten.max_pool3d_with_indices.default, _first),
    "max_pool2d_with_indices": _max_pool(aten.max_pool2d_with_indices.default, None),
    "max_pool3d_with_indices": _max_pool(aten.max_pool3d_with_indices.default, None),
    "avg_pool2d": _avg_pool(aten.avg_pool2d.default),
    "avg_pool3d": _avg_pool(aten.avg_pool3d.default),
    "fused_dropout": lambda given: Call(
        aten.native_dropout.default, (given["input"], given["p"], True), {}
    ),
    "gelu_tanh": lambda given: Call(
        aten.gelu.default, (given["input"],), {"approximate": "tanh"}
    ),
}  # fmt: skip
