"""What looks like a call but is a form of the language: annotate, isinstance, range, list, fork."""

from __future__ import annotations

import ast
from collections.abc import Callable

from .. import _types as T
from .calling import fail
from .match import convert_to
from .values import Parts, Range, Simple, Sugared, Together


class Special(Sugared):
    """A form that reads its arguments as they are written."""

    said = "special form"

    def __init__(self, name: str) -> None:
        self.name = name

    def apply(self, b, node: ast.Call, at, hint) -> Sugared:
        """Compile the call."""
        return _FORMS[self.name](b, node, at, hint)


def _args(b, node: ast.Call, at, said: str, least: int, most: int) -> list[ast.expr]:
    if not least <= len(node.args) <= most:
        wanted = str(least) if least == most else f"{least} to {most}"
        fail(at, f"{said} expected {wanted} arguments but found {len(node.args)}")
    return node.args


# -- types -----------------------------------------------------------------------------------


def _annotate(b, node, at, hint) -> Sugared:
    kind, value = _args(b, node, at, "annotate", 2, 2)
    t = b.resolver.type_of(b, kind)
    given = b.expression(value, t).value_as(b, b.source.range(value), t)
    made = convert_to(b, given, t, at, True)
    if made is None:
        fail(at, f"expected an expression of type {t} but found {given.type()}")
    found = made()
    if isinstance(found.type(), T.NoneType):
        return Simple(b.graph.insertConstant(None).setType(t))
    if found.type() != t and isinstance(t, T.UnionType | T.AnyType):
        found = b.emit1("prim::unchecked_cast", [found], t, at)
    return Simple(found)


def _unchecked_cast(b, node, at, hint) -> Sugared:
    kind, value = _args(b, node, at, "unchecked_cast", 2, 2)
    given = b.expression(value).value(b, at)
    return Simple(b.emit1("prim::unchecked_cast", [given], b.resolver.type_of(b, kind), at))


def _uninitialized(b, node, at, hint) -> Sugared:
    (kind,) = _args(b, node, at, "uninitialized", 1, 1)
    return Simple(b.uninitialized(b.resolver.type_of(b, kind)))


def _truth(b, node, at, hint) -> Sugared:
    from .conditions import condition

    return Simple(condition(b, node).value)


def _getattr(b, node, at, hint) -> Sugared:
    args = _args(b, node, at, "getattr", 2, 3)
    if not isinstance(args[1], ast.Constant) or not isinstance(args[1].value, str):
        fail(at, "getattr's second argument must be a string literal")
    owner, name = b.expression(args[0]), args[1].value
    if len(args) == 3 and not owner.has_attr(b, at, name):
        return b.expression(args[2])
    return owner.attr(b, at, name)


# -- iterables -------------------------------------------------------------------------------


def _range(b, node, at, hint) -> Sugared:
    from .calls import arguments

    args, kwargs = arguments(b, node)
    if kwargs or not 1 <= len(args) <= 3:
        fail(at, f"range expected 1 to 3 arguments: got {len(args)}")
    bounds = []
    for arg in args:
        value = arg.given.value(b, arg.at)
        made = convert_to(b, value, T.IntType.get(), arg.at, True)
        if made is None:
            fail(arg.at, f"Argument of range must be an int: got {value.type()}")
        bounds.append(made())
    return Range(bounds)


def _zip(b, node, at, hint) -> Sugared:
    from .calls import arguments

    args, kwargs = arguments(b, node)
    if kwargs or not args:
        fail(at, "zip expected at least 1 arguments, got 0")
    return _together(b, at, [a.given.iterated(b, a.at) for a in args])


def _enumerate(b, node, at, hint) -> Sugared:
    from .calls import arguments

    args, kwargs = arguments(b, node)
    start = args[1] if len(args) > 1 else next((k for k in kwargs if k.name == "start"), None)
    if not args or len(args) > 2 or len(kwargs) > 1:
        fail(at, f"enumerate expected 1 or 2 arguments: got {len(args) + len(kwargs)}")
    over = args[0].given.iterated(b, args[0].at)
    limit = b.constant(2**63 - 1, at)
    bounds = [limit] if start is None else [start.given.value(b, at), limit]
    return _together(b, at, [Range(bounds), over])


def _together(b, at, parts: list[Sugared]) -> Sugared:
    unroll = any(p.unrolls() for p in parts)
    if unroll and any(
        p.static_length() is None and not isinstance(p, Range)
        for p in Together(parts, True).leaves()
    ):
        fail(
            at,
            "Can not iterate over a module list or tuple with a value that does not "
            "have a static length",
        )
    return Together(parts, unroll)


def _list(b, node, at, hint) -> Sugared:
    from .loops import list_of

    args = _args(b, node, at, "list", 0, 1)
    if not args:
        inner = hint.getElementType() if isinstance(hint, T.ListType) else T.TensorType.get()
        return Simple(b.list([], inner, at))
    given = b.expression(args[0])
    if isinstance(given, Simple) and isinstance(given.type, T.ListType):
        return Simple(b.builtin("aten::list", at, [given.ir]))
    if isinstance(given, Simple) and isinstance(given.type, T.StringType):
        return Simple(b.builtin("aten::list", at, [given.ir]))
    return Simple(list_of(b, at, given, hint))


def _tuple(b, node, at, hint) -> Sugared:
    args = _args(b, node, at, "tuple", 0, 1)
    if not args:
        return Parts([])
    return Parts(b.expression(args[0]).iterated(b, at).elements(b, at))


def _dict(b, node, at, hint) -> Sugared:
    from .expressions import expression

    if not node.args:
        keys = [ast.copy_location(ast.Constant(k.arg), k.value) for k in node.keywords]
        literal = ast.Dict(keys, [k.value for k in node.keywords])  # type: ignore[arg-type]
        return expression(b, ast.copy_location(literal, node), hint)
    (source,) = _args(b, node, at, "dict", 1, 1)
    if isinstance(source, ast.DictComp):
        return expression(b, source, hint)
    given = b.expression(source).value(b, at)
    if isinstance(given.type(), T.ListType):
        pair = given.type().getElementType()
        if not isinstance(pair, T.TupleType) or len(pair.elements()) != 2:
            fail(at, f"dict: expected a list of pairs, got {given.type()}")
        made = b.emit1("aten::dict", [given], T.DictType(*pair.elements()), at)
    else:
        made = b.builtin("aten::dict", at, [given])
    return Simple(made)


# -- the rest --------------------------------------------------------------------------------


def _print(b, node, at, hint) -> Sugared:
    from .calls import arguments

    args, kwargs = arguments(b, node)
    if kwargs:
        fail(at, "print doesn't accept any keyword arguments")
    b.node("prim::Print", [a.given.value(b, a.at) for a in args], at)
    return Simple(b.none(at))


def _fork(b, node, at, hint) -> Sugared:
    from .closures import fork

    return fork(b, node, at)


def _minmax(name: str) -> Callable:
    def apply(b, node, at, hint) -> Sugared:
        from .calls import arguments, plain_values
        from .values import Simple as Plain

        values, named = plain_values(b, *arguments(b, node))
        if len(values) > 2:  # more than two are compared as a list
            values = [b.list(values, values[0].type(), at)]
        return Plain(b.builtin(f"prim::{name}", at, values, named))

    return apply


def _len(b, node, at, hint) -> Sugared:
    (arg,) = _args(b, node, at, "len", 1, 1)
    return Simple(b.expression(arg).length(b, at))


def _str(b, node, at, hint) -> Sugared:
    (arg,) = _args(b, node, at, "str", 1, 1)
    given = b.expression(arg).value(b, at)
    if isinstance(given.type(), T.ClassType):
        return Simple(given).attr(b, at, "__str__").call(b, at, [], [])
    return Simple(b.builtin("aten::str", at, [given]))


_FORMS: dict[str, Callable] = {
    "annotate": _annotate, "unchecked_cast": _unchecked_cast, "uninitialized": _uninitialized,
    "isinstance": _truth, "hasattr": _truth, "is_scripting": _truth, "is_tracing": _truth,
    "getattr": _getattr, "range": _range, "zip": _zip, "enumerate": _enumerate, "list": _list,
    "tuple": _tuple, "dict": _dict, "print": _print, "fork": _fork, "min": _minmax("min"),
    "max": _minmax("max"), "len": _len, "str": _str,
}  # fmt: skip
