"""Computing once what is computed twice."""

from __future__ import annotations

from ._effects import writes
from ._ir import Block, Graph, Node
from ._propagation import NOT_COMPUTED


def cse(graph: Graph) -> None:
    """Compute once what is computed twice of the same values, where nothing writes to them."""
    from ._alias import AliasDb

    _common(graph.block(), {}, AliasDb(graph))


def _common(block: Block, outer: dict, aliases) -> None:
    known = dict(outer)
    for node in list(block.nodes()):
        for inner in node.blocks():
            _common(inner, known, aliases)
        if not _repeatable(node, aliases):
            continue
        key = node_key(node)
        if key is None:
            continue
        first = known.setdefault(key, node)
        if first is not node:
            node.replaceAllUsesWith(first)
            node.destroy()


def _repeatable(node: Node, aliases) -> bool:
    from ._schema import draws

    if node.kind() in NOT_COMPUTED - {"prim::Constant", "prim::GetAttr"} or list(node.blocks()):
        return False
    if not node.outputsSize() or draws(node) or writes(node):
        return False
    values = (*node.inputs(), *node.outputs())
    return not any(aliases.has_writers(v) for v in values) and (
        node.kind() not in ("prim::ListConstruct", "prim::DictConstruct")
        or not any(aliases.has_writers(v) for v in node.outputs())
    )


def node_key(node: Node):
    """What two nodes that do the same share; None where that cannot be told."""
    attributes = []
    for name, (kind, value) in sorted(node.attributes.items()):
        if kind in ("t", "ts", "g", "gs") or not isinstance(value, bool | int | float | str | list):
            attributes.append((name, id(value)))
        else:
            attributes.append((name, repr(value)))
    types = tuple(str(v.type()) for v in node.outputs())
    return node.kind(), tuple(id(v) for v in node.inputs()), tuple(attributes), types
