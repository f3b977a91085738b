"""Subscripts: of tensors (select, slice, unsqueeze, index), lists, strings, dicts and tuples."""

from __future__ import annotations

import ast

from .. import _types as T
from .calling import fail
from .values import Arg, Parts, Simple, Sugared


def subscript(b, node: ast.Subscript, hint) -> Sugared:
    """`value[index]`, read."""
    from .modules import ModuleValue

    at = b.source.range(node)
    owner = b.expression(node.value)
    index = _spelt_out(node.slice)
    if not isinstance(owner, Simple) or isinstance(owner, ModuleValue):
        return _sugared_item(b, at, owner, index, hint)
    value = owner.value(b, at)
    t = value.type()
    if isinstance(t, T.TensorType):
        return Simple(_tensor_item(b, at, value, index))
    if isinstance(index, ast.Slice):
        if isinstance(t, T.TupleType):
            return Simple(_tuple_slice(b, at, value, index))
        return Simple(_sliced(b, at, value, index))
    if isinstance(t, T.ClassType):
        item = b.expression(index)
        return owner.attr(b, at, "__getitem__").call(b, at, [Arg(item, at)], [])
    return owner.item(b, at, index_value(b, index), hint)


def _spelt_out(index: ast.expr) -> ast.expr:
    """The index `slice(a, b, c)`, as code that was made from a graph says it, as `a:b:c`."""
    if not (isinstance(index, ast.Call) and isinstance(index.func, ast.Name)):
        return index
    if index.func.id != "slice" or index.keywords or not 1 <= len(index.args) <= 3:
        return index
    bounds = [ast.Constant(None), *index.args] if len(index.args) == 1 else index.args
    wholes = (0, 2**63 - 1, 1)  # what PyTorch's graphs have for None
    lower, upper, step = (
        ast.copy_location(ast.Constant(whole), index)
        if isinstance(bound, ast.Constant) and bound.value is None
        else bound
        for bound, whole in zip((*bounds, ast.Constant(None))[:3], wholes, strict=True)
    )
    return ast.copy_location(ast.Slice(lower, upper, step), index)


def _sugared_item(b, at, owner: Sugared, index: ast.expr, hint) -> Sugared:
    if isinstance(index, ast.Slice):
        parts = owner.elements(b, at)
        bounds = [
            None if e is None else _number(b, e) for e in (index.lower, index.upper, index.step)
        ]
        return Parts(parts[slice(*bounds)])
    return owner.item(b, at, index_value(b, index), hint)


def _number(b, node: ast.expr) -> int:
    at = b.source.range(node)
    found = folded(b.expression(node).value(b, at))
    if not isinstance(found, int):
        fail(
            at,
            "Expected integer literal for index: the slice of a tuple or module list must be known",
        )
    return found


def folded(value):
    """A constant, also the negative of one, as Python has it; else None."""
    node = value.node()
    if node.kind() == "aten::neg":
        inner = node.input().toIValue()
        return -inner if isinstance(inner, int) else None
    return value.toIValue()


def index_value(b, node: ast.expr):
    """An index as a value of the graph."""
    return b.expression(node).value(b, b.source.range(node))


def _sliced(b, at, value, node: ast.Slice):
    t = value.type()
    if not isinstance(t, T.ListType | T.StringType):
        fail(at, f"'{t}' object is not sliceable")
    start = index_value(b, node.lower) if node.lower else b.none(at)
    stop = index_value(b, node.upper) if node.upper else b.none(at)
    step = index_value(b, node.step) if node.step else b.constant(1, at)
    return b.builtin("aten::slice", at, [value, start, stop, step])


# -- tuples ----------------------------------------------------------------------------------


def tuple_item(b, at, value, index):
    """An element of a tuple: the index must be known, or all elements of one type."""
    elements = value.type().elements()
    number = folded(index)
    if not isinstance(number, int):
        first = elements[0] if elements else None
        if first is None or any(e != first for e in elements):
            fail(
                at,
                f"Cannot index into a {value.type()} with a non-integer literal because we cannot "
                "resolve the output type",
            )
        return b.emit1("prim::TupleIndex", [value, index], first, at)
    if not -len(elements) <= number < len(elements):
        fail(at, f"Tuple index out of range: got {number} for a tuple of {len(elements)} elements")
    wanted = elements[number]
    return b.emit1("prim::TupleIndex", [value, index], wanted, at)


def _tuple_slice(b, at, value, node: ast.Slice):
    bounds = [None if e is None else _number(b, e) for e in (node.lower, node.upper, node.step)]
    elements = value.type().elements()
    parts = []
    for i in range(*slice(*bounds).indices(len(elements))):
        parts.append(b.emit1("prim::TupleIndex", [value, b.constant(i, at)], elements[i], at))
    return b.tuple(parts, at)


# -- tensors ---------------------------------------------------------------------------------


def _tensor_item(b, at, value, node: ast.expr):
    view, tensors = tensor_view(b, at, value, node)
    if not tensors:
        return view
    return b.builtin("aten::index", at, [view, index_list(b, at, tensors)])


def tensor_view(b, at, value, node: ast.expr):
    """What slices, numbers, None and ... pick as a view, and the index tensors by dimension."""
    parts = _index_parts(b, node)
    tensors: dict[int, object] = {}
    dots = next((i for i, (kind, _) in enumerate(parts) if kind == "dots"), len(parts))
    dim = 0
    for kind, part in parts[:dots]:
        value = _apply(b, at, value, kind, part, dim, tensors)
        dim += kind != "int"
    after = parts[dots + 1 :]
    for i, (kind, part) in enumerate(after):
        if kind == "dots":
            fail(at, "An index can only have a single ellipsis ('...')")
        # Counted from the right; None takes no dimension of what is there.
        dim = -sum(k != "none" for k, _ in after[i:]) - (kind == "none")
        value = _apply(b, at, value, kind, part, dim, tensors)
    return value, tensors


def index_list(b, at, tensors: dict):
    """The list of index tensors that aten::index takes; None where a dimension has none."""
    if any(d < 0 for d in tensors):
        fail(at, "Ellipses followed by tensor indexing is currently not supported")
    none = T.OptionalType(T.TensorType.get())
    found = [tensors.get(d) for d in range(max(tensors) + 1)]
    return b.list([b.none(at) if f is None else f for f in found], none, at)


def _apply(b, at, value, kind, part, dim: int, tensors: dict):
    if kind == "tensor":
        tensors[dim] = part
        return value
    where = b.constant(dim, at)
    if kind == "int":
        return b.builtin("aten::select", at, [value, where, part])
    if kind == "none":
        return b.builtin("aten::unsqueeze", at, [value, where])
    start, stop, step = (b.none(at) if p is None else p for p in part)
    step = b.constant(1, at) if part[2] is None else step
    return b.builtin("aten::slice", at, [value, where, start, stop, step])


def _index_parts(b, node: ast.expr) -> list[tuple[str, object]]:
    elements = node.elts if isinstance(node, ast.Tuple) else [node]
    parts: list[tuple[str, object]] = []
    for element in elements:
        parts += _index_part(b, _spelt_out(element))
    return parts


def _index_part(b, node: ast.expr) -> list[tuple[str, object]]:
    at = b.source.range(node)
    if isinstance(node, ast.Slice):
        bounds = [
            None if e is None else index_value(b, e) for e in (node.lower, node.upper, node.step)
        ]
        bounds = [None if v is not None and isinstance(v.type(), T.NoneType) else v for v in bounds]
        return [("slice", tuple(bounds))]
    if isinstance(node, ast.Constant) and node.value is Ellipsis:
        return [("dots", None)]
    given = b.expression(node)
    if isinstance(given, Parts):
        return [p for part in given.parts for p in _classified(b, part.value(b, at), at)]
    return _classified(b, given.value(b, at), at)


def _classified(b, value, at) -> list[tuple[str, object]]:
    t = value.type()
    if isinstance(t, T.NoneType):
        return [("none", None)]
    if isinstance(t, T.IntType):
        return [("int", value)]
    if isinstance(t, T.TupleType):
        inner = b.emit("prim::TupleUnpack", [value], t.elements(), at)
        return [p for v in inner for p in _classified(b, v, at)]
    if isinstance(t, T.ListType):
        return [("tensor", _list_tensor(b, at, value))]
    if isinstance(t, T.OptionalType) and isinstance(t.getElementType(), T.TensorType):
        return [("tensor", value)]
    if isinstance(t, T.TensorType):
        return [("tensor", value)]
    if isinstance(t, T.BoolType | T.FloatType):
        return [("tensor", b.builtin("aten::tensor", at, [value]))]
    fail(
        at,
        f"Unsupported operation: indexing tensor with unsupported index type '{t}'. "
        "Only ints, slices, lists and tensors are supported",
    )
    raise AssertionError


def _list_tensor(b, at, value):
    """The index that a list of numbers is."""
    element = value.type().getElementType()
    dtype = {"IntType": 4, "BoolType": 11, "FloatType": 6}.get(element.kind())
    options = {} if dtype is None else {"dtype": b.constant(dtype, at)}
    return b.builtin("aten::tensor", at, [value], options)


# -- writing ---------------------------------------------------------------------------------


def set_item(b, target: ast.Subscript, value, at) -> None:
    """`container[index] = value`."""
    owner = b.expression(target.value)
    container = owner.value(b, at)
    if not isinstance(container.type(), T.TensorType):
        if isinstance(target.slice, ast.Slice):
            _set_slice(b, at, container, target.slice, value)
            return
        put(b, at, container, index_value(b, target.slice), value)
        return
    view, tensors = tensor_view(b, at, container, target.slice)
    if not tensors:
        b.builtin("aten::copy_", at, [view, _as_tensor(b, view, value, at), b.constant(False, at)])
        return
    given = _as_tensor(b, view, value, at)
    indices = index_list(b, at, tensors)
    b.builtin("aten::index_put_", at, [view, indices, given, b.constant(False, at)])


def _as_tensor(b, like, value, at):
    if isinstance(value.type(), T.TensorType):
        return value
    dtype = b.emit1("prim::dtype", [like], T.IntType.get(), None)
    device = b.emit1("prim::device", [like], T.DeviceObjType.get(), None)
    options = {"dtype": dtype, "device": device, "requires_grad": b.constant(False, None)}
    return b.builtin("aten::tensor", None, [value], options)


def put(b, at, container, index, value) -> None:
    """`container[index] = value` of a list, a dict or an object."""
    if isinstance(container.type(), T.ClassType):
        method = Simple(container).attr(b, at, "__setitem__")
        method.call(b, at, [Arg(Simple(index), at), Arg(Simple(value), at)], [])
        return
    b.builtin("aten::_set_item", at, [container, index, value])


def _set_slice(b, at, container, node: ast.Slice, value) -> None:
    fail(
        at,
        f"Sliced expression not yet supported for assignment to {container.type()}: "
        "assign the elements one by one",
    )
