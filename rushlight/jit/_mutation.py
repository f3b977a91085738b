"""Making new values where tensors and lists are changed in place."""

from __future__ import annotations

from collections.abc import Callable

from ._alias import AliasDb
from ._function_schema import FunctionSchema
from ._ir import Block, Graph, Node, Value
from ._registry import schemas_of


def remove_mutation(graph: Graph) -> bool:
    """Operators that make new values instead of those that write, where nobody else can see it.

    A list that is made and appended to is made whole. As PyTorch does, the type that a tensor has
    is taken to be the one that the new operator gives. Whether anything was changed.
    """
    return any([_Remover(graph, _append).run(), _Remover(graph, _write).run()])


class _Remover:
    """What holds which memory, and which values are replaced already."""

    def __init__(self, graph: Graph, rewrite: Callable[[Node], Value | None]):
        self.graph = graph
        self.rewrite = rewrite
        self.aliases = AliasDb(graph)
        self.gone: set[Value] = set()
        self.holders: dict[int, list[Value]] = {}
        for value in self.aliases.values():
            for place in self.aliases.reach(value):
                self.holders.setdefault(place, []).append(value)

    def run(self) -> bool:
        return self._block(self.graph.block())

    def _block(self, block: Block) -> bool:
        changed = False
        for node in list(block.nodes()):
            for inner in node.blocks():
                changed |= self._block(inner)
            if node.inputsSize() and self._is_own(node.inputsAt(0), node):
                made = self.rewrite(node)
                if made is not None:
                    self._replace(node, made)
                    changed = True
        return changed

    def _is_own(self, value: Value, node: Node) -> bool:
        """Whether a value is new memory made in the block of a node, that only it has so far."""
        of = self.aliases.places(value)
        if value.node().owningBlock() is not node.owningBlock() or not of:
            return False
        if value.node().kind() in ("prim::Param", "prim::Constant") or self.aliases.is_outside(of):
            return False
        others = {h for place in of for h in self.holders[place]} - self.gone - {value}
        return not any(_is_known_at(h, node) for h in others)

    def _replace(self, node: Node, made: Value) -> None:
        old = node.inputsAt(0)
        for use in list(old.uses()):
            if use.user is not node and use.user.isAfter(node):
                use.user.replaceInput(use.offset, made)
        if node.outputsSize():
            node.output().replaceAllUsesWith(made)
        self.gone |= {old, *node.outputs()}
        self.aliases.take_place(made, old)
        for place in self.aliases.places(made):
            self.holders[place].append(made)
        node.destroy()
        if old.node().kind() == "prim::ListConstruct" and not old.hasUses():
            old.node().destroy()


def _is_known_at(value: Value, node: Node) -> bool:
    maker = value.node()
    if maker.kind() != "prim::Param":
        return maker is not node and maker.isBefore(node)
    outer = maker.owningBlock().owningNode()  # the inputs of a block
    return outer is None or outer is node or outer.isBefore(node) or _is_in(node, outer)


def _is_in(node: Node, outer: Node) -> bool:
    at = node.owningBlock().owningNode()
    while at is not None and at is not outer:
        at = at.owningBlock().owningNode()
    return at is outer


def _append(node: Node) -> Value | None:
    """The list with one more element."""
    made = node.inputsAt(0)
    if node.kind() != "aten::append" or made.node().kind() != "prim::ListConstruct":
        return None
    graph = node.graph
    whole = graph.create("prim::ListConstruct", [*made.node().inputs(), node.inputsAt(1)])
    whole.insertBefore(node).copyMetadata(made.node())
    whole.output().setType(made.type()).copyMetadata(made)
    return whole.output()


def _write(node: Node) -> Value | None:
    """What the operator that does not write gives."""
    from ._schema import schema_of

    kind = node.kind()
    if not kind.startswith("aten::") or not kind.endswith("_") or kind.endswith("__"):
        return None
    graph = node.graph
    if kind in ("aten::zero_", "aten::fill_"):
        return _filled(node)
    schema = schema_of(node)
    name = None if schema is None else _without_writing(schema)
    if name is None:
        return None
    made = graph.create(name, list(node.inputs())).insertBefore(node).copyMetadata(node)
    made.output().setType(node.output().type())
    return made.output()


def _filled(node: Node) -> Value | None:
    graph, value = node.graph, node.inputsAt(0)
    if node.kind() == "aten::fill_" and node.inputsAt(1).type().kind() == "TensorType":
        return None
    with graph.insert_point_guard(node):
        number = node.inputsAt(1) if node.inputsSize() > 1 else graph.insertConstant(0)
        nothing = graph.insertConstant(None)
        made = graph.create("aten::full_like", [value, number, *[nothing] * 5])
        graph.insertNode(made).copyMetadata(node)
    made.output().setType(node.output().type())
    return made.output()


def _without_writing(schema: FunctionSchema) -> str | None:
    """The operator with the same arguments that writes to none and gives new memory."""
    name = schema.name[:-1]
    wanted = [(a.name, a.type.str()) for a in schema.arguments]
    for other in schemas_of(name):
        if (
            other.overload_name == schema.overload_name
            and [(a.name, a.type.str()) for a in other.arguments] == wanted
            and not any(a.alias_info for a in (*other.arguments, *other.returns))
            and len(other.returns) == 1
        ):
            return name
    return None
