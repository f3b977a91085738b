"""Indexing as the tracer records it: select, slice, unsqueeze, index, and what writes to them."""

from __future__ import annotations

from .. import _C
from . import _trace_rules as rules
from ._traced_values import TracedInt

_END = 9223372036854775807


def _node(tracer, kind: str, values, run, overload: str | None = None):
    """A node with these arguments, and the result of `run` as what it gives."""
    schema = (
        rules.choose("aten::" + kind, values, {})
        if overload is None
        else rules.schema_named("aten::" + kind, overload)
    )
    node = tracer.node("aten::" + kind, rules.assigned(schema, values, {}), schema)
    result = run()
    tracer.result(node, schema, result)
    return result


def _plain(index):
    """An index with plain numbers in it."""
    if isinstance(index, TracedInt):
        return int(index)
    if isinstance(index, slice):
        return slice(_plain(index.start), _plain(index.stop), _plain(index.step))
    return index


def _views(tracer, tensor, index):
    """(a view, the tensors that index its dims): all that is no tensor is done."""
    parts = list(index) if isinstance(index, tuple) else [index]
    rank = tensor.ndim
    parts = [_as_tensor(p) if isinstance(p, list) else p for p in parts]
    used = sum(_dims_of(p) for p in parts)
    dim, tensors = 0, []
    whole = not any(p is Ellipsis for p in parts)
    for part in parts:
        tensor, dim = _apply(tracer, tensor, part, dim, rank - used, tensors)
    if not whole and not parts:
        return tensor, tensors
    return tensor, tensors


def _dims_of(part) -> int:
    if part is None or part is Ellipsis or isinstance(part, bool):
        return 0
    if isinstance(part, _C.Tensor) and part.dtype._name in ("bool", "uint8"):
        return part.ndim
    return 1


def _as_tensor(item):
    from .. import tensor

    return tensor(item)


def _apply(tracer, tensor, part, dim: int, skipped: int, tensors: list):
    """One part of an index; (the view, the dim that the next part is for)."""
    held = tensor
    if part is Ellipsis:
        return tensor, dim + skipped
    if part is None:
        return _node(tracer, "unsqueeze", [held, dim], lambda: held.unsqueeze(dim)), dim + 1
    if isinstance(part, slice):
        plain = _plain(part)
        if plain.step is not None and plain.step <= 0:
            raise ValueError("step must be greater than zero")
        start = 0 if part.start is None else part.start
        stop = _END if part.stop is None else part.stop
        step = 1 if part.step is None else part.step
        ahead = (slice(None),) * dim
        values = [held, dim, start, stop, step]
        return _node(tracer, "slice", values, lambda: held[(*ahead, plain)], "Tensor"), dim + 1
    if isinstance(part, int) and not isinstance(part, bool):
        ahead = (slice(None),) * dim
        made = _node(
            tracer, "select", [held, dim, part], lambda: held[(*ahead, _plain(part))], "int"
        )
        return made, dim
    if isinstance(part, _C.Tensor):
        count = _dims_of(part)
        tensors.extend([None] * (dim - len(tensors)))
        tensors.append(part)
        return tensor, dim + count
    raise IndexError(
        f"only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
        f"valid indices (got {type(part).__name__})"
    )


def getitem(tracer, tensor, index):
    """`tensor[index]`, recorded."""
    tracer.locate()
    tensor, tensors = _views(tracer, tensor, index)
    if not tensors:
        return (
            tensor
            if index is not Ellipsis
            else _node(tracer, "alias", [tensor], lambda: tensor.view_as(tensor))
        )
    places = tuple(slice(None) if t is None else t for t in tensors)
    return _node(tracer, "index", [tensor, tensors], lambda: tensor[places], "Tensor")


def setitem(tracer, tensor, index, value) -> None:
    """`tensor[index] = value`, recorded."""
    tracer.locate()
    target, tensors = _views(tracer, tensor, index)
    if tensors:
        places = tuple(slice(None) if t is None else t for t in tensors)
        value = _value(tracer, value, target)

        def write():
            target[places] = value
            return target

        _node(tracer, "index_put_", [target, tensors, value, False], write)
    elif isinstance(value, _C.Tensor):
        _node(tracer, "copy_", [target, value, False], lambda: target.copy_(value))
    else:
        value = _value(tracer, value, target)
        _node(tracer, "fill_", [target, value], lambda: target.fill_(value), "Tensor")


def _value(tracer, value, target):
    if isinstance(value, _C.Tensor) or isinstance(value, TracedInt):
        return value
    from .. import tensor

    return tensor(value, dtype=target.dtype)
