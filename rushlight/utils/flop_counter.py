"""torch.utils.flop_counter: floating-point operations of a program, by module and operator."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import Any

from .. import _C, Tensor
from .._aten import OpOverloadPacket, aten, overload_of
from ._pytree import tree_leaves, tree_map

__all__ = ["FlopCounterMode", "register_flop_formula"]

suffixes = ["", "K", "M", "B", "T"]


def get_shape(i: Any) -> Any:
    """A tensor's shape; anything else as it is."""
    return i.shape if isinstance(i, Tensor) else i


flop_registry: dict[Any, Any] = {}


def shape_wrapper(f: Callable) -> Callable:
    """The formula with tensors' shapes for the tensors."""

    @functools.wraps(f)
    def formula(*args, out_val=None, **kwargs):
        args, kwargs, out_shape = tree_map(get_shape, (args, kwargs, out_val))
        return f(*args, out_shape=out_shape, **kwargs)

    return formula


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable:
    """Decorate a formula `f(*shapes, out_shape)` for one or several of torch.ops.aten.

    With `get_raw` it gets the tensors, and the result as `out_val`.
    """

    def register(formula: Callable) -> Callable:
        made = formula if get_raw else shape_wrapper(formula)
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            if not isinstance(target, OpOverloadPacket) and not hasattr(target, "_opname"):
                raise ValueError(
                    f"register_flop_formula(targets): expected each target to be OpOverloadPacket "
                    f"(i.e. torch.ops.mylib.foo), got {target} which is of type {type(target)}"
                )
            if target in flop_registry:
                raise RuntimeError(f"duplicate registrations for {target}")
            flop_registry[target] = made
        return formula

    return register


@register_flop_formula(aten.mm)
def mm_flop(a_shape, b_shape, *args, out_shape=None, **kwargs) -> int:
    """2 m n k."""
    return 2 * a_shape[0] * a_shape[1] * b_shape[1]


@register_flop_formula(aten.addmm)
def addmm_flop(self_shape, a_shape, b_shape, out_shape=None, **kwargs) -> int:
    """That of the product."""
    return mm_flop(a_shape, b_shape)


@register_flop_formula(aten.bmm)
def bmm_flop(a_shape, b_shape, out_shape=None, **kwargs) -> int:
    """2 b m n k."""
    return a_shape[0] * mm_flop(a_shape[1:], b_shape[1:])


@register_flop_formula(aten.baddbmm)
def baddbmm_flop(self_shape, a_shape, b_shape, out_shape=None, **kwargs) -> int:
    """That of the product."""
    return bmm_flop(a_shape, b_shape)


def conv_flop_count(x_shape, w_shape, out_shape, transposed: bool = False) -> int:
    """2 for each weight at each position of the output (of the input, when transposed)."""
    places = (x_shape if transposed else out_shape)[2:]
    return 2 * prod(places) * prod(w_shape) * x_shape[0]


@register_flop_formula([aten.convolution, aten._convolution])
def conv_flop(
    x_shape,
    w_shape,
    _bias,
    _stride,
    _padding,
    _dilation,
    transposed,
    *args,
    out_shape=None,
    **kwargs,
) -> int:
    """That of one convolution."""
    return conv_flop_count(x_shape, w_shape, out_shape, transposed=transposed)


@register_flop_formula(aten.convolution_backward)
def conv_backward_flop(
    grad_out_shape, x_shape, w_shape, _bias, _stride, _padding, _dilation, transposed,
    _output_padding, _groups, output_mask, out_shape, **kwargs,
) -> int:  # fmt: skip
    """The gradients of the input and of the weight take as much as the convolution, each."""
    one = conv_flop_count(x_shape, w_shape, grad_out_shape, transposed)
    return one * (bool(output_mask[0]) + bool(output_mask[1]))


def sdpa_flop_count(query_shape, key_shape, value_shape) -> int:
    """Two products of all queries: with the keys, and of what comes out with the values."""
    *batch, q, d = query_shape
    k, v = key_shape[-2], value_shape[-1]
    return prod(batch) * 2 * q * k * (d + v)


@register_flop_formula(aten._scaled_dot_product_flash_attention)
def sdpa_flop(query_shape, key_shape, value_shape, *args, out_shape=None, **kwargs) -> int:
    """That of one attention."""
    return sdpa_flop_count(query_shape, key_shape, value_shape)


def sdpa_backward_flop_count(grad_out_shape, query_shape, key_shape, value_shape) -> int:
    """Five products: the scores again, and the gradients of all that went in."""
    *batch, q, d = query_shape
    k, v = key_shape[-2], value_shape[-1]
    return prod(batch) * 2 * q * k * (3 * d + 2 * v)


@register_flop_formula(aten._scaled_dot_product_flash_attention_backward)
def sdpa_backward_flop(
    grad_out_shape, query_shape, key_shape, value_shape, *args, out_shape=None, **kwargs
) -> int:
    """That of an attention's gradient."""
    return sdpa_backward_flop_count(grad_out_shape, query_shape, key_shape, value_shape)


# -- our operators that PyTorch runs as others: (operator, its arguments) ------------------


def _rows(x):
    return (prod(x.shape[:-1]), x.shape[-1])


def _linear(op, args, out):
    x, weight = args[0], args[1]
    turned = (weight.shape[1], weight.shape[0])
    if len(args) > 2 and args[2] is not None:
        return [(aten.addmm, (args[2].shape, _rows(x), turned))]
    return [(aten.mm, (_rows(x), turned))]


def _linear_backward(op, args, out):
    g, x, weight, need_input, need_weight = args[:5]
    rows, (m, k), n = _rows(g), _rows(x), weight.shape[0]
    found = [(aten.mm, (rows, weight.shape))] if need_input else []
    return found + ([(aten.mm, ((n, m), (m, k)))] if need_weight else [])


def _matmul(op, args, out):
    a, b = args[0], args[1]
    if a.dim() < 2 or b.dim() < 2:
        return []
    if b.dim() == 2:
        return [(aten.mm, (_rows(a), b.shape))]
    batch = prod(out.shape[:-2])
    return [(aten.bmm, ((batch, *a.shape[-2:]), (batch, *b.shape[-2:])))]


def _batched(x, weight):
    return x.shape if x.dim() == weight.dim() else (1, *x.shape)


def _conv(op, args, out):
    x, weight = args[:2]
    transposed = args[6] if op.__name__ == "convolution" else "transpose" in op.__name__
    settings = (weight.shape, None, 1, 0, 1, transposed)
    return [(aten.convolution, (_batched(x, weight), *settings, _batched(out, weight)))]


def _conv_backward(op, args, out):
    by_name = dict(zip(_parameters(op), args, strict=False))
    g, x, weight = (by_name[n] for n in ("grad", "input", "weight"))
    settings = (None, 1, 0, 1, by_name["transposed"], 0, 1)
    mask = [by_name["need_input"], by_name["need_weight"], False]
    shapes = (_batched(g, weight), _batched(x, weight), weight.shape)
    return [(aten.convolution_backward, (*shapes, *settings, mask))]


def _parameters(op):
    code = op.declaration.__dict__["forward"].__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _attention(op, args, out):
    return [(aten._scaled_dot_product_flash_attention, tuple(t.shape for t in args[:3]))]


def _attention_backward(op, args, out):
    by_name = dict(zip(_parameters(op), args, strict=False))
    names = [n for n in by_name if isinstance(by_name[n], Tensor)][:4]
    shapes = tuple(by_name[n].shape for n in names)
    return [(aten._scaled_dot_product_flash_attention_backward, shapes)]


_TRANSLATIONS = (
    dict.fromkeys(("linear_addmm", "linear_mm", "linear_view", "linear_unsafe_view", "linear_row"),
                  _linear)
    | dict.fromkeys(("matmul", "mm", "bmm", "matmul_batched", "matmul_folded", "matmul_row"),
                    _matmul)
    | dict.fromkeys(("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
                     "conv_transpose3d", "convolution"), _conv)
    | {"linear_backward": _linear_backward, "convolution_backward": _conv_backward,
       "sdpa_flash": _attention, "sdpa_flash_backward": _attention_backward}
)  # fmt: skip


def convert_num_with_suffix(number: float, suffix: str) -> str:
    """A number in units of K, M, B or T."""
    return f"{number / 1000 ** suffixes.index(suffix):.3f}{suffix}"


def get_suffix_str(number: float) -> str:
    """The unit that suits a number."""
    return suffixes[max(0, min(len(suffixes) - 1, (len(str(number)) - 2) // 3))]


def convert_to_percent_str(num: float, denom: float) -> str:
    """num / denom as a percentage; 0% of nothing."""
    return f"{num / denom:.2%}" if denom else "0%"


def _simple_table(header: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(h) + 2, *(len(row[i]) for row in rows)) for i, h in enumerate(header)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(line[1:], widths[1:]))])
        for line in lines
    )


class FlopCounterMode:
    """Counts the operations of products and convolutions inside a `with` block.

    Forward and backward, by module down to `depth` in the table that is printed at the end
    (unless `display` is off) and by operator of PyTorch. `custom_mapping` holds formulas for
    operators of torch.ops.aten: `f(*shapes, out_shape)`, or with the attribute `_get_raw` set
    `f(*args, out_val)`.
    """

    def __init__(
        self,
        mods: Any = None,
        depth: int = 2,
        display: bool = True,
        custom_mapping: dict[Any, Any] | None = None,
    ):
        if mods is not None:
            import warnings

            warnings.warn(
                "mods argument is not needed anymore, you can stop passing it", stacklevel=2
            )
        self.depth = depth
        self.display = display
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        given = (custom_mapping or {}).items()
        custom = {k: v if getattr(v, "_get_raw", False) else shape_wrapper(v) for k, v in given}
        self.flop_registry = {**flop_registry, **custom}
        self._stack: list[str] = []
        self._names: dict[Any, str] = {}
        self._makers: dict[int, tuple[str, ...]] = {}  # of nodes: the modules they came from
        self._handles: list = []

    def get_total_flops(self) -> int:
        """All operations."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """By module ("Global" for all), and there by operator."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The table, with modules down to `depth`."""
        depth = self.depth if depth is None else depth
        total = self.get_total_flops()
        suffix = get_suffix_str(total)

        def rows(name):
            counts = self.flop_counts[name]
            lines = [(name, sum(counts.values()))]
            lines += [(f"- {operator}", count) for operator, count in counts.items()]
            return [
                [label, convert_num_with_suffix(n, suffix), convert_to_percent_str(n, total)]
                for label, n in lines
            ]

        found: list[list[str]] = []
        whole = False  # one module did all of it
        for name in sorted(self.flop_counts):
            if name == "Global" or name.count(".") + 1 > depth:
                continue
            found += rows(name)
            whole |= sum(self.flop_counts[name].values()) >= total
        if not whole or not found:
            found = rows("Global") + found
        return _simple_table(["Module", "FLOP", "% Total"], found)

    def __enter__(self):
        from ..nn.modules.module import (
            register_module_forward_hook,
            register_module_forward_pre_hook,
        )

        self.flop_counts.clear()
        self._makers.clear()
        self._handles = [
            register_module_forward_pre_hook(self._begin_module),
            register_module_forward_hook(self._end_module, always_call=True),
        ]
        _C.push_interpreter(self)
        return self

    def __exit__(self, *args) -> bool:
        _C.pop_interpreter()
        for handle in self._handles:
            handle.remove()
        self._stack.clear()
        if self.display:
            print(self.get_table(self.depth))
        return False

    def _begin_module(self, module, inputs) -> None:
        if module not in self._names:
            root = type(module).__name__
            for name, child in module.named_modules():
                self._names.setdefault(child, f"{root}.{name}" if name else root)
        self._stack.append(self._names[module])

    def _end_module(self, module, inputs, output) -> None:
        if self._stack:
            self._stack.pop()

    def process(self, op, args, kwargs):
        """One call of an operator: run it and count it."""
        out = op(*args, **kwargs)
        node = _C._current_autograd_node()
        if node is None:
            where: tuple = tuple(self._stack)
            for leaf in tree_leaves(out) if where else ():
                made = leaf.grad_fn if isinstance(leaf, Tensor) else None
                if made is not None:
                    self._makers[made._sequence_nr()] = where
        else:
            where = self._makers.get(node._sequence_nr(), ())
        self._count(op, out, args, kwargs, {"Global", *where})
        return out

    def _count(self, op, out, args, kwargs, where: set) -> None:
        packet = overload_of(op).overloadpacket
        if packet in self.flop_registry and op.__name__ not in _TRANSLATIONS:
            calls = [(packet, self.flop_registry[packet](*args, **kwargs, out_val=out))]
        elif op.__name__ in _TRANSLATIONS:
            values = (*args, *kwargs.values())
            first = out[0] if isinstance(out, (tuple, list)) and out else out
            calls = [
                (target, self.flop_registry[target](*shapes[:-1], out_val=shapes[-1])
                 if target == aten.convolution
                 else self.flop_registry[target](*shapes, out_val=None))
                for target, shapes in _TRANSLATIONS[op.__name__](op, values, first)
            ]  # fmt: skip
        else:
            return
        for target, count in calls:
            for name in where:
                self.flop_counts[name][target] += count
