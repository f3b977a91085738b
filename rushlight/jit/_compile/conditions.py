"""Conditions: what they say about variables, and whether they are known while compiling.

`x is not None` and `isinstance(x, T)` narrow the type of a variable where they hold;
`is None` on what is never None, `isinstance` on a known type, `hasattr` and `is_scripting()`
decide a branch at once, and the other branch is not compiled.
"""

from __future__ import annotations

import ast

from .. import _types as T
from .._type_rules import unify_type_list
from .branches import merge
from .calling import fail
from .values import Sugared


class Condition:
    """A value, the types of variables where it holds and where not, and its truth if known."""

    __slots__ = ("holds", "known", "not_holds", "value")

    def __init__(self, value, known=None, holds=None, not_holds=None) -> None:
        self.value = value
        self.known: bool | None = known
        self.holds: dict[str, T.Type] = holds or {}
        self.not_holds: dict[str, T.Type] = not_holds or {}


def condition(b, node: ast.expr) -> Condition:
    """Compile an expression that decides something."""
    at = b.source.range(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return _not(b, at, condition(b, node.operand))
    if isinstance(node, ast.BoolOp):
        return _chain(b, at, isinstance(node.op, ast.Or), node.values)
    if isinstance(node, ast.Compare):
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Is | ast.IsNot):
            return _is(b, at, node)
        if len(node.ops) > 1:
            return _chain(b, at, False, _pairs(node))
    if isinstance(node, ast.Call):
        found = _known_call(b, at, node)
        if found is not None:
            return found
    value = truth(b, at, b.expression(node).value(b, at))
    known = value.toIValue()
    if value.node().kind() == "aten::is_scripting":
        known = True
    return Condition(value, bool(known) if known is not None else None)


def truth(b, at, value):
    """A value as a bool."""
    if isinstance(value.type(), T.BoolType):
        return value
    if isinstance(value.type(), T.ListType | T.DictType | T.StringType):
        count = b.builtin("aten::len", at, [value])
        return b.builtin("aten::gt", at, [count, b.constant(0, at)])
    if not isinstance(value.type(), T.TensorType | T.IntType | T.FloatType | T.NumberType):
        fail(at, f"Could not cast value of type {value.type()} to bool")
    return b.builtin("aten::Bool", at, [value])


def narrow(b, types: dict[str, T.Type], at) -> None:
    """Variables have these types from here on."""
    for name, t in types.items():
        known = b.frame.find(name)
        if isinstance(known, T.Type):
            cast = b.emit1("prim::unchecked_cast", [b.load(name, known, at)], t, at)
            cast.setDebugName(name)
            b.store(name, cast)


def _not(b, at, inner: Condition) -> Condition:
    value = b.builtin("aten::__not__", at, [inner.value])
    known = None if inner.known is None else not inner.known
    return Condition(value, known, inner.not_holds, inner.holds)


def _pairs(node: ast.Compare) -> list[ast.expr]:
    """a < b < c as a < b, b < c."""
    operands = [node.left, *node.comparators]
    pairs: list[ast.expr] = []
    for i, op in enumerate(node.ops):
        pair = ast.Compare(operands[i], [op], [operands[i + 1]])
        ast.copy_location(pair, operands[i])
        pair.end_lineno = operands[i + 1].end_lineno
        pair.end_col_offset = operands[i + 1].end_col_offset
        pairs.append(pair)
    return pairs


def _chain(b, at, is_or: bool, operands: list[ast.expr]) -> Condition:
    """`and` and `or`, from the left."""
    found = condition(b, operands[0])
    for operand in operands[1:]:
        found = _either(b, at, is_or, found, operand)
    return found


def _either(b, at, is_or: bool, left: Condition, right_node: ast.expr) -> Condition:
    if left.known is not None and left.known == is_or:
        return left
    where = left.not_holds if is_or else left.holds
    if left.known is not None:
        b_frame_types = _narrowed(b, where, at)
        right = condition(b, right_node)
        _restore(b, b_frame_types, at)
    else:
        right = _short_circuit(b, at, is_or, left, right_node, where)
    known = right.known if left.known is not None else None
    if left.known is None and right.known is not None and right.known == is_or:
        known = is_or
    if is_or:
        return Condition(
            right.value, known, _common(left.holds, right.holds),
            {**left.not_holds, **right.not_holds},
        )  # fmt: skip
    return Condition(
        right.value, known, {**left.holds, **right.holds},
        _common(left.not_holds, right.not_holds),
    )  # fmt: skip


def _short_circuit(b, at, is_or: bool, left: Condition, right_node, where) -> Condition:
    node = b.node("prim::If", [left.value], at)
    settled, other = node.addBlock(), node.addBlock()
    if not is_or:
        settled, other = other, settled
    b.enter(settled)
    settled.registerOutput(b.constant(is_or, at))
    frames = [(settled, b.leave(), False)]
    b.enter(other)
    narrow(b, where, at)
    right = condition(b, right_node)
    other.registerOutput(right.value)
    frames.append((other, b.leave(), False))
    output = node.addOutput()
    output.setType(T.BoolType.get())
    merge(b, at, node, frames)
    return Condition(output, right.known, right.holds, right.not_holds)


def _narrowed(b, types, at) -> dict[str, T.Type]:
    before = {n: t for n in types if isinstance(t := b.frame.find(n), T.Type)}
    narrow(b, types, at)
    return before


def _restore(b, types: dict[str, T.Type], at) -> None:
    for name, t in types.items():
        b.frame.names[name] = t


def _common(one: dict, other: dict) -> dict[str, T.Type]:
    """What holds if one of two sets of facts does."""
    both = {}
    for name in one.keys() & other.keys():
        try:
            both[name] = unify_type_list([one[name], other[name]])
        except RuntimeError:
            continue
    return both


# -- is None ---------------------------------------------------------------------------------


def _is(b, at, node: ast.Compare) -> Condition:
    left = b.expression(node.left).value(b, at)
    right = b.expression(node.comparators[0]).value(b, at)
    negated = isinstance(node.ops[0], ast.IsNot)
    for subject, other, tree in (
        (left, right, node.left),
        (right, left, node.comparators[0]),
    ):
        if isinstance(other.type(), T.NoneType):
            return _is_none(b, at, subject, left, right, tree, negated)
    kind = "aten::__isnot__" if negated else "aten::__is__"
    return Condition(b.builtin(kind, at, [left, right]))


def may_be_none(t: T.Type) -> bool | None:
    """True: always None. False: never. None: perhaps."""
    if isinstance(t, T.NoneType):
        return True
    if isinstance(t, T.UnionType | T.AnyType) and T.NoneType.get().isSubtypeOf(t):
        return None
    return False


def _is_none(b, at, subject, left, right, tree, negated: bool) -> Condition:
    answer = may_be_none(subject.type())
    if answer is not None:
        said = answer != negated
        return Condition(b.constant(said, at), said)
    value = b.builtin("aten::__isnot__" if negated else "aten::__is__", at, [left, right])
    present, absent = {}, {}
    if isinstance(tree, ast.Name) and isinstance(subject.type(), T.UnionType):
        present[tree.id] = without_none(subject.type())
        absent[tree.id] = T.NoneType.get()
    if isinstance(subject.type(), T.OptionalType):
        absent = {}
    return Condition(value, None, *((present, absent) if negated else (absent, present)))


def without_none(t: T.Type) -> T.Type:
    """What is left of an Optional or a Union without None."""
    if isinstance(t, T.OptionalType):
        return t.getElementType()
    if not isinstance(t, T.UnionType):
        return t
    return union([m for m in t.containedTypes_full() if not isinstance(m, T.NoneType)])


def union(members: list[T.Type]) -> T.Type:
    """The Union of types, which may be one."""
    return members[0] if len(members) == 1 else T.UnionType(members)


# -- isinstance, hasattr ---------------------------------------------------------------------


def _known_call(b, at, node: ast.Call) -> Condition | None:
    from .special import Special

    function = node.func
    if not isinstance(function, ast.Name | ast.Attribute):
        return None
    found = b.peek(function)
    if not isinstance(found, Special):
        return None
    if found.name == "isinstance":
        return _isinstance(b, at, node)
    if found.name == "hasattr":
        return _hasattr(b, at, node)
    if found.name in ("is_scripting", "is_tracing"):
        said = found.name == "is_scripting"
        return Condition(b.constant(said, at), said)
    return None


def _hasattr(b, at, node: ast.Call) -> Condition:
    if len(node.args) != 2 or not isinstance(node.args[1], ast.Constant):
        fail(at, "hasattr: expected an object and a name that is written out")
    subject = b.expression(node.args[0])
    said = subject.has_attr(b, at, node.args[1].value)
    return Condition(b.constant(said, at), said)


def _isinstance(b, at, node: ast.Call) -> Condition:
    if len(node.args) != 2 or node.keywords:
        fail(at, f"isinstance expected exactly 2 arguments: got {len(node.args)}")
    subject: Sugared = b.expression(node.args[0])
    targets = class_list(b, node.args[1])
    from .modules import ModuleValue, module_classes

    classes = module_classes(b, targets)
    if isinstance(subject, ModuleValue):
        said = issubclass(subject.concrete.cls, tuple(classes))
        return Condition(b.constant(said, at), said)
    targets = [t for t in targets if t not in classes.values()]
    if not targets:
        return Condition(b.constant(False, at), False)
    value = subject.value(b, at)
    types = [t for target in targets for t in _type_of_target(b, target, at)]
    return _narrowing(b, at, value, types, node.args[0])


def class_list(b, node: ast.expr) -> list:
    """The second argument of isinstance: annotations, one or a tuple of them."""
    if isinstance(node, ast.Tuple):
        return [t for e in node.elts for t in class_list(b, e)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return class_list(b, node.left) + class_list(b, node.right)
    return [node]


def _type_of_target(b, node: ast.expr, at) -> list[T.Type]:
    bare = {"list": T.AnyListType, "tuple": T.AnyTupleType}
    if isinstance(node, ast.Name) and node.id in bare:
        return [bare[node.id].get()]
    found = b.resolver.type_of(b, node)
    return found.containedTypes_full() if isinstance(found, T.UnionType) else [found]


def _narrowing(b, at, value, types: list[T.Type], tree: ast.expr) -> Condition:
    actual = value.type()
    mine = actual.containedTypes_full() if isinstance(actual, T.UnionType) else [actual]
    fits = [m for m in mine if any(m.isSubtypeOf(t) for t in types)]
    if isinstance(actual, T.AnyType | T.NumberType | T.InterfaceType) or (
        isinstance(actual, T.ListType | T.TupleType) and _inside_any(actual)
    ):
        if not fits:
            return _checked(b, at, value, types, tree, union(types), actual)
    if len(fits) == len(mine):
        same = {tree.id: actual} if isinstance(tree, ast.Name) else {}
        return Condition(b.constant(True, at), True, same)
    if not fits and not any(t.isSubtypeOf(m) for t in types for m in mine):
        return Condition(b.constant(False, at), False)
    others = [m for m in mine if m not in fits]
    holds = union(fits) if fits else union(types)
    return _checked(b, at, value, types, tree, holds, union(others) if others else None)


def _inside_any(t: T.Type) -> bool:
    return any(isinstance(i, T.AnyType) for i in t.containedTypes())


def _checked(b, at, value, types, tree, holds, not_holds) -> Condition:
    node = b.node("prim::isinstance", [value], None, 1)
    node.tys_("types", types)
    output = node.output()
    output.setType(T.BoolType.get())
    if not isinstance(tree, ast.Name):
        return Condition(output)
    other = {} if not_holds is None else {tree.id: not_holds}
    return Condition(output, None, {tree.id: holds}, other)
