"""Expressions: literals, names, operators, conditionals, formatted strings."""

from __future__ import annotations

import ast

from .. import _types as T
from .._type_rules import unify_types
from . import calls, loops, subscripts
from .assignments import _PLAIN, MAGIC
from .branches import merge
from .calling import fail
from .conditions import condition, narrow
from .source import NotSupportedError, UnsupportedNodeError
from .values import Arg, Parts, Simple, Sugared


def expression(b, node: ast.expr, hint: T.Type | None = None) -> Sugared:
    """Compile an expression; `hint` is the type that the place expects, for empty containers."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise UnsupportedNodeError(b.source, node)
    return handler(b, node, hint)


def _constant(b, node: ast.Constant, hint) -> Sugared:
    value, at = node.value, b.source.range(node)
    if isinstance(value, bytes):
        raise NotSupportedError(at, "bytes literals aren't supported")
    if value is Ellipsis:
        raise NotSupportedError(at, "'...' is only supported within an index")
    if type(value) is int and not -(2**63) <= value < 2**63:
        fail(at, "Integral number is too large: expected at most 64 bits")
    return Simple(b.constant(value, at))


def _name(b, node: ast.Name, hint) -> Sugared:
    return b.get(node.id, b.source.range(node))


def _attribute(b, node: ast.Attribute, hint) -> Sugared:
    owner = expression(b, node.value)
    return owner.attr(b, b.source.range(node), node.attr)


def _call(b, node: ast.Call, hint) -> Sugared:
    return calls.call(b, node, hint)


def _subscript(b, node: ast.Subscript, hint) -> Sugared:
    return subscripts.subscript(b, node, hint)


# -- containers ------------------------------------------------------------------------------


def _tuple(b, node: ast.Tuple, hint) -> Sugared:
    hints: list = [None] * len(node.elts)
    hint = plain(hint, T.TupleType)
    if hint is not None and len(hint.elements()) == len(node.elts):
        hints = hint.elements()
    parts: list[Sugared] = []
    for element, wanted in zip(node.elts, hints, strict=True):
        if isinstance(element, ast.Starred):
            given = expression(b, element.value)
            parts += given.elements(b, b.source.range(element))
            continue
        parts.append(expression(b, element, wanted))
    for i, part in enumerate(parts):
        if isinstance(part, Parts):
            parts[i] = Simple(part.value(b, b.source.range(node)))
    return Parts(parts)


def plain(hint, kind: type):
    """The member of a hint that is of one kind: List[int] of Optional[List[int]]."""
    if isinstance(hint, T.UnionType):
        found = [m for m in hint.containedTypes_full() if isinstance(m, kind)]
        return found[0] if len(found) == 1 else None
    return hint if isinstance(hint, kind) else None


def _list(b, node: ast.List, hint) -> Sugared:
    at = b.source.range(node)
    wanted = plain(hint, T.ListType)
    inner = wanted.getElementType() if wanted is not None else None
    values = []
    for element in node.elts:
        if isinstance(element, ast.Starred):
            found = expression(b, element.value).elements(b, at)
            values += [f.value(b, at) for f in found]
            continue
        values.append(expression(b, element, inner).value(b, b.source.range(element)))
    return Simple(b.list(values, element_type(values, inner, at), None))


def element_type(values, inner: T.Type | None, at) -> T.Type:
    """The type of the elements of a list literal."""
    if inner is not None:
        for value in values:
            if not value.type().isSubtypeOf(inner):
                fail(
                    at,
                    f"List type annotation `List[{inner}]` did not match the types of the "
                    f"given list elements: got {value.type()}",
                )
        return inner
    if not values:
        return T.TensorType.get()
    found = values[0].type()
    for value in values[1:]:
        unified = unify_types(found, value.type(), True)
        assert unified is not None
        found = unified
    if isinstance(found, T.TensorType):
        return T.TensorType.get()
    return found


def _dict(b, node: ast.Dict, hint) -> Sugared:
    at = b.source.range(node)
    wanted = plain(hint, T.DictType)
    keys, values = [], []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            raise NotSupportedError(at, "Dict expansion (e.g. `{**dict}`) is not supported")
        keys.append(expression(b, key).value(b, at))
        inner = wanted.getValueType() if wanted is not None else None
        values.append(expression(b, value, inner).value(b, at))
    if wanted is not None:
        t = wanted
        _check_entries(t, keys, values, at)
    elif not keys:
        t = T.DictType(T.StringType.get(), T.TensorType.get())
    else:
        t = T.DictType(element_type(keys, None, at), element_type(values, None, at))
    inputs = [v for pair in zip(keys, values, strict=True) for v in pair]
    return Simple(b.emit1("prim::DictConstruct", inputs, t, at))


def _check_entries(t, keys, values, at) -> None:
    for said, parts, wanted in (
        ("keys", keys, t.getKeyType()),
        ("values", values, t.getValueType()),
    ):
        for part in parts:
            if not part.type().isSubtypeOf(wanted):
                fail(
                    at,
                    f"Dict type annotation `{t}` did not match the types of the given dict "
                    f"{said}: expected {wanted}, got {part.type()}",
                )


# -- operators -------------------------------------------------------------------------------

_COMPARED = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


def _binary(b, node: ast.BinOp, hint) -> Sugared:
    at = b.source.range(node)
    if type(node.op) not in _PLAIN:
        raise UnsupportedNodeError(b.source, node)
    left = expression(b, node.left).value(b, b.source.range(node.left))
    if isinstance(left.type(), T.StringType) and isinstance(node.op, ast.Mod):
        return Simple(_percent(b, node, left, at))
    right = expression(b, node.right).value(b, b.source.range(node.right))
    if isinstance(left.type(), T.ClassType):
        method = Simple(left).attr(b, at, MAGIC[type(node.op)])
        return method.call(b, at, [Arg(Simple(right), at)], [])
    return Simple(b.builtin(_PLAIN[type(node.op)], at, [left, right]))


def _percent(b, node: ast.BinOp, template, at):
    given = expression(b, node.right).value(b, at)
    return b.emit1("aten::percentFormat", [template, given], T.StringType.get(), at)


def _unary(b, node: ast.UnaryOp, hint) -> Sugared:
    at = b.source.range(node)
    if isinstance(node.op, ast.Not):
        return Simple(condition(b, node).value)
    value = expression(b, node.operand).value(b, b.source.range(node.operand))
    if isinstance(node.op, ast.UAdd):
        raise NotSupportedError(at, "unsupported unary operator: UAdd")
    kind = {"USub": ("__neg__", "aten::neg"), "Invert": ("__invert__", "aten::bitwise_not")}
    magic, name = kind[type(node.op).__name__]
    if isinstance(value.type(), T.ClassType):
        return Simple(value).attr(b, at, magic).call(b, at, [], [])
    return Simple(b.builtin(name, at, [value]))


def _logical(b, node, hint) -> Sugared:
    return Simple(condition(b, node).value)


def _compare(b, node: ast.Compare, hint) -> Sugared:
    if len(node.ops) > 1 or isinstance(node.ops[0], ast.Is | ast.IsNot):
        return Simple(condition(b, node).value)
    at, op = b.source.range(node), node.ops[0]
    left_given = expression(b, node.left)
    right_given = expression(b, node.comparators[0])
    if isinstance(op, ast.In | ast.NotIn):
        return _contains(b, at, left_given, right_given, isinstance(op, ast.NotIn))
    left, right = left_given.value(b, at), right_given.value(b, at)
    name = _COMPARED[type(op)]
    if isinstance(left.type(), T.ClassType):
        method = Simple(left).attr(b, at, f"__{name}__")
        return method.call(b, at, [Arg(Simple(right), at)], [])
    return Simple(b.builtin(f"aten::{name}", at, [left, right]))


def _contains(b, at, item: Sugared, container: Sugared, negated: bool) -> Sugared:
    from .modules import ModuleValue

    if isinstance(container, ModuleValue):
        found = container.contains(b, at, item)
    else:
        value = container.value(b, at)
        if isinstance(value.type(), T.ClassType):
            method = Simple(value).attr(b, at, "__contains__")
            found = method.call(b, at, [Arg(item, at)], []).value(b, at)
        else:
            found = b.builtin("aten::__contains__", at, [value, item.value(b, at)])
    return Simple(b.builtin("aten::__not__", at, [found]) if negated else found)


# -- a if c else b ---------------------------------------------------------------------------


def _conditional(b, node: ast.IfExp, hint) -> Sugared:
    at = b.source.range(node)
    found = condition(b, node.test)
    if found.known is not None:
        narrow_here = found.holds if found.known else found.not_holds
        before = dict(b.frame.names)
        narrow(b, narrow_here, at)
        given = expression(b, node.body if found.known else node.orelse, hint)
        b.frame.names.update({n: before[n] for n in narrow_here if n in before})
        return given
    branch = b.node("prim::If", [found.value], at)
    made, frames = [], []
    for types, tree in ((found.holds, node.body), (found.not_holds, node.orelse)):
        block = branch.addBlock()
        b.enter(block)
        narrow(b, types, at)
        value = expression(b, tree, hint).value(b, b.source.range(tree))
        block.registerOutput(value)
        frames.append((block, b.leave(), False))
        made.append(value.type())
    t = _common_type(made, hint, at)
    output = branch.addOutput()
    output.setType(t)
    merge(b, at, branch, frames)
    return Simple(output)


def _common_type(types: list[T.Type], hint, at) -> T.Type:
    unified = unify_types(types[0], types[1])
    if unified is None and hint is not None and all(t.isSubtypeOf(hint) for t in types):
        return hint
    if unified is None:
        fail(
            at,
            f"if-expression's true branch has type {types[0]} but false branch has type {types[1]}",
        )
    assert unified is not None
    return unified


# -- f"..." ----------------------------------------------------------------------------------


def _formatted(b, node: ast.JoinedStr, hint) -> Sugared:
    at = b.source.range(node)
    text, values = "", []
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += part.value
            continue
        if not isinstance(part, ast.FormattedValue):
            raise NotSupportedError(at, "unsupported value in JoinedStr")
        if part.conversion != -1:
            raise NotSupportedError(at, "Don't support conversion in JoinedStr")
        if part.format_spec is not None:
            raise NotSupportedError(at, "Don't support formatting in JoinedStr")
        text += "{}"
        values.append(expression(b, part.value).value(b, at))
    template = b.constant(text, at)
    return Simple(b.emit1("aten::format", [template, *values], T.StringType.get(), at))


def _list_comprehension(b, node, hint) -> Sugared:
    return loops.list_comprehension(b, node, hint)


def _dict_comprehension(b, node, hint) -> Sugared:
    return loops.dict_comprehension(b, node, hint)


_HANDLERS = {
    ast.Constant: _constant, ast.Name: _name, ast.Attribute: _attribute, ast.Call: _call,
    ast.Subscript: _subscript, ast.Tuple: _tuple, ast.List: _list, ast.Dict: _dict,
    ast.BinOp: _binary, ast.UnaryOp: _unary, ast.BoolOp: _logical, ast.Compare: _compare,
    ast.IfExp: _conditional, ast.JoinedStr: _formatted, ast.ListComp: _list_comprehension,
    ast.DictComp: _dict_comprehension, ast.GeneratorExp: _list_comprehension,
}  # fmt: skip
