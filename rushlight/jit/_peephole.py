"""Simplifying what is known without running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import _types as T
from ._dce import dce
from ._ir import Graph, Node, Value

if TYPE_CHECKING:
    from ._alias import AliasDb

_CONVOLUTION_RANKS = {"aten::conv1d": 3, "aten::conv2d": 4, "aten::conv3d": 5}


def peephole(graph: Graph) -> None:
    """Simplify what types and the nodes before say: sizes, `is None`, lists that are only read."""
    from ._alias import AliasDb

    aliases = AliasDb(graph)
    changed = False
    for node in list(graph.all_nodes()):
        rule = _RULES.get(node.kind())
        if rule is None or node.owningBlock() is None or node.outputsSize() != 1:
            continue
        with graph.insert_point_guard(node):
            found = rule(node, aliases)
        if found is not None and found is not node.output():
            node.output().replaceAllUsesWith(found)
            changed = True
    if changed:
        dce(graph)


def _constant(node: Node, value) -> Value:
    t = T.ListType.ofInts() if isinstance(value, list) else None
    return node.graph.insertConstant(value, t)


def _identity(node: Node, aliases: AliasDb) -> Value | None:
    """`x is None`, where the types tell."""
    known = _is_none(node.inputsAt(0)), _is_none(node.inputsAt(1))
    if True not in known or None in known:
        return None
    return _constant(node, (known[0] == known[1]) == (node.kind() == "aten::__is__"))


def _is_none(value: Value) -> bool | None:
    t = value.type()
    if isinstance(t, T.NoneType):
        return True
    return None if isinstance(t, T.UnionType | T.AnyType | T.VarType) else False


def _unwrapped(node: Node, aliases: AliasDb) -> Value | None:
    value = node.inputsAt(0)
    return value if _is_none(value) is False else None


def _cast(node: Node, aliases: AliasDb) -> Value | None:
    value = node.inputsAt(0)
    return value if value.type().isSubtypeOf(node.output().type()) else None


def _from_tensor(node: Node, aliases: AliasDb) -> Value | None:
    """A number that was made a tensor for nothing."""
    made = node.inputsAt(0).node()
    if made.kind() != "prim::NumToTensor":
        return None
    number = made.inputsAt(0)
    return number if number.type() == node.output().type() else None


def _size(node: Node, aliases: AliasDb) -> Value | None:
    t = node.inputsAt(0).type()
    sizes = t.sizes() if isinstance(t, T.TensorType) and node.inputsSize() == 1 else None
    return None if sizes is None else _constant(node, sizes)


def _rank(node: Node, aliases: AliasDb) -> Value | None:
    value = node.inputsAt(0)
    rank = value.type().dim() if isinstance(value.type(), T.TensorType) else None
    if rank is None and not aliases.has_writers(value):  # resize_ is a write
        rank = _CONVOLUTION_RANKS.get(value.node().kind())  # of batches
    return None if rank is None else _constant(node, rank)


def _length(node: Node, aliases: AliasDb) -> Value | None:
    parts = _parts(node.inputsAt(0), aliases)
    return None if parts is None else _constant(node, len(parts))


def _item(node: Node, aliases: AliasDb) -> Value | None:
    parts, index = _parts(node.inputsAt(0), aliases), node.inputsAt(1).toIValue()
    if parts is None or not isinstance(index, int) or not -len(parts) <= index < len(parts):
        return None
    return parts[index]


def _parts(value: Value, aliases: AliasDb) -> list[Value] | None:
    """What a list was made of, if it has never been changed."""
    made = value.node()
    if made.kind() != "prim::ListConstruct" or aliases.has_writers(value):
        return None
    return list(made.inputs())


def _transposed(node: Node, aliases: AliasDb) -> Value | None:
    made = node.inputsAt(0).node()
    return made.inputsAt(0) if made.kind() == "aten::t" else None


def _converted(node: Node, aliases: AliasDb) -> Value | None:
    """`x.type_as(y)` of what has the type already."""
    mine, other = (v.type() for v in node.inputs())
    if not isinstance(mine, T.TensorType) or not isinstance(other, T.TensorType):
        return None
    known = mine.dtype() is not None and mine.device() is not None
    same = mine.dtype() == other.dtype() and str(mine.device()) == str(other.device())
    return node.inputsAt(0) if known and same else None


def _chosen(node: Node, aliases: AliasDb) -> Value | None:
    """`True if condition else False` is the condition."""
    given = [b.returnNode().inputsAt(0) for b in node.blocks()]
    constant = all(v.node().kind() == "prim::Constant" for v in given)
    if constant and given[0].toIValue() is True and given[1].toIValue() is False:
        return node.inputsAt(0)
    return None


_RULES: dict[str, Callable[[Node, AliasDb], Value | None]] = {
    "aten::__is__": _identity,
    "aten::__isnot__": _identity,
    "prim::unchecked_unwrap_optional": _unwrapped,
    "aten::_unwrap_optional": _unwrapped,
    "prim::unchecked_cast": _cast,
    "aten::Float": _from_tensor,
    "aten::Int": _from_tensor,
    "aten::FloatImplicit": _from_tensor,
    "aten::IntImplicit": _from_tensor,
    "aten::size": _size,
    "aten::dim": _rank,
    "aten::len": _length,
    "aten::__getitem__": _item,
    "aten::t": _transposed,
    "aten::type_as": _converted,
    "prim::If": _chosen,
}
