"""Assignments: to names, tuples of names, attributes and elements; `x: T = value`, `x += value`."""

from __future__ import annotations

import ast

from .. import _types as T
from .calling import fail
from .match import convert_to
from .values import Simple, Sugared


def assign(b, node: ast.Assign) -> None:
    """`a = b = value`."""
    at = b.source.range(node)
    hint = _known_type(b, node.targets[0])
    given = b.expression(node.value, hint)
    for target in node.targets:
        assign_to(b, target, given, b.source.range(target), at)


def _known_type(b, target: ast.expr) -> T.Type | None:
    """The type that an annotation gave the target, which empty containers take."""
    if isinstance(target, ast.Name):
        frame = b.frame
        while frame is not None:
            if target.id in frame.annotated:
                return frame.annotated[target.id]
            frame = frame.parent
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        owner = b.frame.find(target.value.id)
        if isinstance(owner, T.ClassType):
            return owner.attributes.get(target.attr)
    return None


def assign_to(b, target: ast.expr, given: Sugared, at, whole=None) -> None:
    """Give one target its value."""
    if isinstance(target, ast.Name):
        if not isinstance(given, Simple):
            given = _materialised(b, given, at)
        b.set(target.id, given, at)
    elif isinstance(target, ast.Tuple | ast.List):
        _unpack(b, target, given, whole or at)
    elif isinstance(target, ast.Attribute):
        owner = b.expression(target.value)
        owner.set_attr(b, at, target.attr, given.value(b, at))
    elif isinstance(target, ast.Subscript):
        from .subscripts import set_item

        set_item(b, target, given.value(b, at), at)
    elif isinstance(target, ast.Starred):
        fail(at, "Starred unpacking is only allowed within a tuple of targets")
    else:
        fail(at, "unexpected expression on left-hand side of assignment")


def _materialised(b, given: Sugared, at) -> Sugared:
    """A tuple of plain values becomes one value; what only the compiler knows stays as it is."""
    from .values import Parts

    if isinstance(given, Parts) and all(type(p) is Simple for p in given.parts):
        return Simple(given.value(b, at))
    return given


def _unpack(b, target: ast.Tuple | ast.List, given: Sugared, at) -> None:
    targets = target.elts
    stars = [i for i, t in enumerate(targets) if isinstance(t, ast.Starred)]
    if len(stars) > 1:
        fail(at, "Only one starred expression is allowed on the lhs")
    parts = given.elements(b, at, len(targets) if not stars else None)
    wanted = len(targets)
    if not stars:
        if len(parts) > wanted:
            fail(
                at,
                f"Provided {wanted} variables, but found {len(parts)} values: too many "
                f"values to unpack: need {wanted} but found {len(parts)}",
            )
        if len(parts) < wanted:
            fail(at, f"need {wanted} values to unpack but found only {len(parts)}")
    elif len(parts) < wanted - 1:
        fail(at, f"need at least {wanted - 1} values to unpack but found only {len(parts)}")
    taken = iter(parts)
    for i, one in enumerate(targets):
        where = b.source.range(one)
        if isinstance(one, ast.Starred):
            count = len(parts) - (wanted - 1)
            rest = [next(taken).value(b, where) for _ in range(count)]
            assign_to(b, one.value, Simple(b.tuple(rest, where)), where)
            continue
        del i
        assign_to(b, one, next(taken), where)


def annotated(b, node: ast.AnnAssign) -> None:
    """`x: T = value`; without a value the type is only noted."""
    at = b.source.range(node.target)
    t = b.resolver.type_of(b, node.annotation)
    if t is None:  # Final without a type
        if node.value is not None:
            assign_to(b, node.target, b.expression(node.value), at)
        return
    if isinstance(node.target, ast.Attribute):
        if node.value is not None:
            value = _fitted(b, node.value, t, at)
            assign_to(b, node.target, Simple(value), at)
        return
    if not isinstance(node.target, ast.Name):
        fail(at, "unexpected expression on left-hand side of assignment")
    name = node.target.id
    if node.value is None:
        b.frame.annotated[name] = t
        return
    value = _fitted(b, node.value, t, at)
    b.frame.annotated.setdefault(name, t)
    if b.frame.annotated[name] != t:
        fail(
            at,
            f"Attempting to declare and annotate the type of variable '{name}' that is "
            f"already defined as type {b.frame.annotated[name]}",
        )
    b.set(name, Simple(value), at, t)


def _fitted(b, node: ast.expr, t: T.Type, at):
    value = b.expression(node, t).value_as(b, b.source.range(node), t)
    made = convert_to(b, value, t, at, False)
    return value if made is None else made()


# -- x += value ------------------------------------------------------------------------------

_IN_PLACE = {
    ast.Add: "aten::add_", ast.Sub: "aten::sub_", ast.Mult: "aten::mul_", ast.Div: "aten::div_",
    ast.Mod: "aten::fmod_", ast.BitOr: "aten::bitwise_or_", ast.BitAnd: "aten::bitwise_and_",
    ast.BitXor: "aten::bitwise_xor_", ast.LShift: "aten::__lshift__",
    ast.RShift: "aten::__rshift__", ast.Pow: "aten::pow_", ast.FloorDiv: "aten::floor_divide_",
}  # fmt: skip
_PLAIN = {
    ast.Add: "aten::add", ast.Sub: "aten::sub", ast.Mult: "aten::mul", ast.Div: "aten::div",
    ast.Mod: "aten::remainder", ast.FloorDiv: "aten::floordiv", ast.Pow: "aten::pow",
    ast.MatMult: "aten::matmul", ast.BitAnd: "aten::__and__", ast.BitOr: "aten::__or__",
    ast.BitXor: "aten::__xor__", ast.LShift: "aten::__lshift__", ast.RShift: "aten::__rshift__",
}  # fmt: skip
MAGIC = {
    ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Div: "__truediv__",
    ast.Mod: "__mod__", ast.FloorDiv: "__floordiv__", ast.Pow: "__pow__",
    ast.MatMult: "__matmul__", ast.BitAnd: "__and__", ast.BitOr: "__or__",
    ast.BitXor: "__xor__", ast.LShift: "__lshift__", ast.RShift: "__rshift__",
}  # fmt: skip


def augmented(b, node: ast.AugAssign) -> None:
    """`x += value`: in place on tensors and lists, a new value for the rest."""
    at = b.source.range(node)
    target = node.target
    if isinstance(target, ast.Subscript):
        _augment_item(b, node, target, at)
        return
    left = b.expression(target).value(b, at)
    right = b.expression(node.value, left.type()).value(b, b.source.range(node.value))
    result = updated(b, at, node.op, left, right)
    if isinstance(target, ast.Name):
        b.set(target.id, Simple(result), b.source.range(target))
    elif isinstance(target, ast.Attribute):
        b.expression(target.value).set_attr(b, at, target.attr, result)
    else:
        fail(
            at,
            "left-hand side of augmented assignment to value must be a name, an "
            "attribute or an element",
        )


def updated(b, at, op: ast.operator, left, right):
    """What `left op= right` leaves."""
    t = left.type()
    if isinstance(t, T.ClassType):
        magic = "__i" + MAGIC[type(op)][2:]
        if magic not in t.methods:
            magic = MAGIC[type(op)]
        from .values import Arg

        method = Simple(left).attr(b, at, magic)
        return method.call(b, at, [Arg(Simple(right), at)], []).value(b, at)
    grown = isinstance(t, T.ListType) and isinstance(op, ast.Add | ast.Mult)
    table = _IN_PLACE if isinstance(t, T.TensorType) or grown else _PLAIN
    if isinstance(op, ast.MatMult):
        table = _PLAIN
    return b.builtin(table[type(op)], at, [left, right])


def _augment_item(b, node: ast.AugAssign, target: ast.Subscript, at) -> None:
    from . import subscripts

    container = b.expression(target.value)
    t = container.value(b, at).type()
    if isinstance(t, T.TensorType):
        view, tensors = subscripts.tensor_view(b, at, container.value(b, at), target.slice)
        if not tensors:
            right = b.expression(node.value).value(b, at)
            updated(b, at, node.op, view, right)
            return
        indices = subscripts.index_list(b, at, tensors)
        right = b.expression(node.value).value(b, at)
        picked = b.builtin("aten::index", at, [view, indices])
        result = updated(b, at, node.op, picked, right)
        b.builtin("aten::index_put_", at, [view, indices, result, b.constant(False, at)])
        return
    index = subscripts.index_value(b, target.slice)
    old = container.item(b, at, index).value(b, at)
    right = b.expression(node.value).value(b, at)
    result = updated(b, at, node.op, old, right)
    subscripts.put(b, at, container.value(b, at), index, result)
