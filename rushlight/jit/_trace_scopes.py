"""A traced module as methods: what ran within a submodule becomes that submodule's method.

While tracing, a call of a submodule is a node `prim::TracedModuleForward` whose block holds what
ran in it, and parameters are `prim::TracedAttr` nodes that name a path from the root. Here each
block becomes the graph of a method: values from outside are its arguments, values that are used
outside its results, and paths become `prim::GetAttr`s of self.
"""

from __future__ import annotations

from . import _types as T
from ._function import ScriptFunction
from ._ir import Graph

_ROOT = "__module"
_PURE = frozenset(
    "prim::Constant prim::ListConstruct prim::TupleConstruct prim::DictConstruct prim::NumToTensor "
    "prim::GetAttr prim::TracedAttr prim::ListUnpack prim::TupleUnpack aten::size aten::numel "
    "aten::Int aten::Float aten::Bool aten::ScalarImplicit".split()
)


def to_methods(graph: Graph, types: dict, self_value) -> None:
    """Make methods of the blocks in a traced graph.

    `types` maps paths of modules to their types; `self_value` is the graph's input for the root.
    """
    remove_unused(graph)
    for node in list(graph.nodes()):
        if node.kind() == "prim::TracedModuleForward":
            _to_method(node, types)
    _resolve(graph, _ROOT, self_value, types)
    remove_unused(graph)


def _to_method(node, types: dict) -> None:
    """Replace a call's block by a call of a method, inner ones first."""
    block = next(node.blocks())
    for inner in list(block.nodes()):
        if inner.kind() == "prim::TracedModuleForward":
            _to_method(inner, types)
    path = node.s("scope")
    of = types[path]
    graph, captured, returned = _extracted(node, block, of)
    self_value = next(graph.inputs())
    _resolve(graph, path, self_value, types)
    name, number = "forward", 0
    while name in of.methods:
        number += 1
        name = f"forward{number}"
    of.methods[name] = ScriptFunction(f"{of.qualified_name()}.{name}", graph)
    _call(node, path, of, name, captured, returned)


def _extracted(node, block, of):
    """(graph of a block, the outer values that it reads, its values that are read outside)."""
    graph = Graph()
    known = {}
    self_value = graph.addInput("self").setType(of)
    inside = set()
    for inner in block.all_nodes():
        inside.update(inner.outputs())
    captured = []
    for inner in block.all_nodes():
        for value in inner.inputs():
            if value in inside or value in captured:
                continue
            if value.node().kind() == "prim::TracedAttr" and _below(value.node(), node.s("scope")):
                continue
            captured.append(value)
    for value in captured:
        known[value] = graph.addInput().copyMetadata(value)
    for inner in block.nodes():
        for value in inner.inputs():
            if value not in known and value not in inside:
                known[value] = _attribute_copy(graph, value)
    returned = [v for n in block.nodes() for v in n.outputs() if _used_outside(v, block)]
    for inner in block.nodes():
        copied = graph.appendNode(graph.createClone(inner, known.__getitem__))
        for mine, theirs in zip(inner.outputs(), copied.outputs(), strict=True):
            known[mine] = theirs.copyMetadata(mine)
    _register(graph, [known[v] for v in returned])
    if not self_value.debugName().startswith("self"):
        self_value.setDebugName("self")
    return graph, captured, returned


def _below(node, path: str) -> bool:
    return node.s("scope").startswith(path + ".") or node.s("scope") == path


def _attribute_copy(graph: Graph, value):
    node = value.node()
    made = graph.prependNode(graph.createClone(node, lambda v: v))
    return made.output().copyMetadata(value)


def _register(graph: Graph, values: list) -> None:
    """Nothing, one value, or a tuple as the result."""
    if not values:
        node = graph.appendNode(graph.create("prim::Constant", [], 1))
        node.source = None
        graph.registerOutput(node.output().setType(T.NoneType.get()))
    elif len(values) == 1:
        graph.registerOutput(values[0])
    else:
        node = graph.appendNode(graph.create("prim::TupleConstruct", values, 1))
        node.source = None
        kinds = T.TupleType([v.type() for v in values])
        graph.registerOutput(node.output().setType(kinds))


def _used_outside(value, block) -> bool:
    for use in value.uses():
        at = use.user.owningBlock()
        while at is not None and at is not block:
            owner = at.owningNode()
            at = None if owner is None else owner.owningBlock()
        if at is None:
            return True
    return False


def _call(node, path: str, of, name: str, captured: list, returned: list) -> None:
    """Put a prim::CallMethod in the place of the block."""
    graph = node.graph
    module = graph.create("prim::TracedAttr", [], 1).s_("scope", path)
    module.insertBefore(node)
    module.source, module.scope = None, ""
    self_value = module.output().setType(of)
    call = graph.create("prim::CallMethod", [self_value, *captured], 1).s_("name", name)
    call.insertBefore(node)
    call.source, call.scope = None, ""
    output = call.output()
    if not returned:
        output.setType(T.NoneType.get())
    elif len(returned) == 1:
        output.setType(T.TensorType.get())
        _replace(returned[0], output)
    else:
        output.setType(T.TupleType([_plain(v.type()) for v in returned]))
        unpack = graph.create("prim::TupleUnpack", [output], len(returned)).insertAfter(call)
        unpack.source, unpack.scope = None, ""
        for old, new in zip(returned, unpack.outputs(), strict=True):
            new.setType(old.type())
            _replace(old, new)
    node.destroy()


def _plain(of):
    return T.TensorType.get() if isinstance(of, T.TensorType) else of


def _replace(old, new) -> None:
    """The outer uses of a value of the block read what the call gives."""
    old.replaceAllUsesWith(new)


def _resolve(graph: Graph, path: str, self_value, types: dict) -> None:
    """Turn the paths of attributes into GetAttrs of self, each once, at the start."""
    known = {path: self_value}
    for node in list(graph.all_nodes()):
        for value in list(node.inputs()):
            made = value.node()
            if made.kind() == "prim::TracedAttr" and made.s("scope") not in known:
                if _below(made, path):
                    _get(graph, made.s("scope"), known, types, value)
    for node in list(graph.all_nodes()):
        if node.kind() == "prim::TracedAttr" and node.s("scope") in known:
            if known[node.s("scope")] is not node.output():
                node.output().replaceAllUsesWith(known[node.s("scope")])
            node.destroy()


def _get(graph: Graph, path: str, known: dict, types: dict, like) -> None:
    """Read a path from self, one GetAttr a step, ahead of all others."""
    root = max((p for p in known if _starts(path, p)), key=len)
    while root in known and known[root].node().kind() == "prim::GetAttr":
        root = root.rpartition(".")[0]  # every path is read from self on
    source, made = known[root], None
    for name in path[len(root) + 1 :].split("."):
        root = f"{root}.{name}"
        node = graph.create("prim::GetAttr", [source], 1).s_("name", name)
        node.source, node.scope = None, ""
        if made is None:
            graph.prependNode(node)
        else:
            node.insertAfter(made)
        made, source = node, node.output()
        source.setType(types.get(root, T.TensorType.get()))
        last = root == path and not like.debugName().isdigit()
        source.setDebugName(like.debugName() if last else "_" + name if name[0].isdigit() else name)
    known[path] = source


def _starts(path: str, start: str) -> bool:
    return path.startswith(start + ".")


def remove_unused(graph: Graph) -> None:
    """Take out what nothing reads and what does nothing else."""
    _remove_from(graph.block())


def _remove_from(block) -> None:
    for node in reversed(list(block.nodes())):
        for inner in node.blocks():
            _remove_from(inner)
        if not node.hasUses() and _does_nothing_else(node):
            node.destroy()


def _does_nothing_else(node) -> bool:
    kind = node.kind()
    if kind in _PURE:
        return True
    space, _, leaf = kind.partition("::")
    return space == "aten" and not leaf.endswith("_") and leaf not in ("append", "warn")
