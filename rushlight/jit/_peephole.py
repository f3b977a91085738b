"""Simplifying what is known without running it."""

from __future__ import annotations

from . import _types as T
from ._ir import Graph, Node, Value


def peephole(graph: Graph) -> None:
    """Simplify what is known without running: sizes of shaped tensors, `is None`, double steps."""
    for node in list(graph.all_nodes()):
        if node.owningBlock() is None:
            continue
        found = _simpler(node)
        if found is not None:
            node.output().replaceAllUsesWith(found)
            if not node.hasUses():
                node.destroy()


def _simpler(node: Node) -> Value | None:
    kind, graph = node.kind(), node.graph
    if kind in ("aten::__is__", "aten::__isnot__"):
        known = _is_none(node.inputsAt(0)), _is_none(node.inputsAt(1))
        if True in known and None not in known:
            with graph.insert_point_guard(node):
                return graph.insertConstant((known[0] == known[1]) == (kind == "aten::__is__"))
        return None
    if kind == "prim::unchecked_unwrap_optional" or kind == "aten::_unwrap_optional":
        value = node.inputsAt(0)
        return value if _is_none(value) is False else None
    if kind in ("aten::Float", "aten::Int", "aten::FloatImplicit", "aten::IntImplicit"):
        made = node.inputsAt(0).node()
        if made.kind() == "prim::NumToTensor" and made.inputsAt(0).type() == node.output().type():
            return made.inputsAt(0)
    if kind == "aten::size" and node.inputsSize() == 1:
        t = node.inputsAt(0).type()
        sizes = t.sizes() if isinstance(t, T.TensorType) else None
        if sizes is not None:
            with graph.insert_point_guard(node):
                return graph.insertConstant(sizes, T.ListType.ofInts())
    if kind == "aten::dim":
        t = node.inputsAt(0).type()
        rank = t.dim() if isinstance(t, T.TensorType) else None
        if rank is not None:
            with graph.insert_point_guard(node):
                return graph.insertConstant(rank)
    return None


def _is_none(value: Value) -> bool | None:
    t = value.type()
    if isinstance(t, T.NoneType):
        return True
    return None if isinstance(t, T.UnionType | T.AnyType | T.VarType) else False
