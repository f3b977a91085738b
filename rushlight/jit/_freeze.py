"""Freezing: a copy of a compiled module whose attributes are constants of its graphs.

What a graph writes to (attributes that are set, tensors and lists that are changed in place) and
what is asked for by name stays an attribute; everything else goes into the graphs and is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C
from . import _types as T
from ._alias import AliasDb, is_mutable
from ._function import ScriptFunction, ScriptMethod
from ._function_schema import Argument, FunctionSchema
from ._ir import Graph, Node, Value
from ._module_tree import ModuleTree, Path
from ._passes import constant_propagation, cse, dce, inline, peephole
from ._script import RecursiveScriptModule, ScriptModule
from ._script_objects import is_module


def freeze_module(
    module: ScriptModule, preserved: Sequence[str] = (), keep_parameters: bool = False
) -> RecursiveScriptModule:
    """A frozen copy; `preserved` names attributes and methods that stay."""
    tree = ModuleTree(module)
    kept, methods = _asked_for(tree, preserved)
    graphs = {
        path: _inlined(tree.owner(path).methods[path[-1]].graph)
        for path in [("forward",), *methods]
        if path[-1] in tree.owner(path).methods
    }
    asked = set(kept)
    for part, modules in _all_parts(graphs, tree):
        kept |= _written(part, modules, tree) | _escaping(modules)
    if keep_parameters:
        tensors = [*module.named_parameters(), *module.named_buffers()]
        kept |= {tuple(name.split(".")) for name, _ in tensors}
    constants: dict[Path, Any] = {}
    for part, modules in _all_parts(graphs, tree):
        _put_constants(part, modules, tree, kept, constants)
    for graph in graphs.values():
        _drop_unused_inputs(graph)
        _simplify(graph)
    return _rebuilt(tree, graphs, asked, kept)


def _asked_for(tree: ModuleTree, preserved: Sequence[str]) -> tuple[set[Path], list[Path]]:
    """What names of attributes and methods mean, those of modules within the module too."""
    attributes: set[Path] = set()
    methods: list[Path] = []
    for name in preserved:
        *names, last = name.split(".")
        to = tree.find(names)
        of = tree.module(to)._jit_type if to is not None else None
        if to is None or of is None:
            raise RuntimeError(f"Unknown name: {name}")
        path = (*to, last)
        if last in of.methods:
            methods.append(path)
        elif last in of.attributes and is_module(of.attributes[last]):
            attributes.add(tree.first(path))
            methods += tree.methods_within(tree.first(path))
        elif last in of.attributes:
            attributes.add(path)
        elif last not in of.constants:
            raise RuntimeError(f"Unknown name: {name}")
    return attributes, methods


def _inlined(original: Graph) -> Graph:
    graph = original.copy()
    inline(graph)
    for node in graph.findAllNodes("prim::fork"):
        node.g_("Subgraph", _inlined(node.g("Subgraph")))
    return graph


# -- which attribute a value is -----------------------------------------------------------------


def _parts(graph: Graph, tree: ModuleTree, start: dict[Value, Path]) -> list:
    """A graph and those that it forks, each with the modules among its values.

    A module is known by its way from `self`.
    """
    found = dict(start)
    forked = []
    for node in graph.all_nodes():
        if node.kind() == "prim::GetAttr" and node.inputsAt(0) in found:
            if is_module(node.output().type()):
                path = (*found[node.inputsAt(0)], node.s("name"))
                found[node.output()] = tree.first(path)
        elif node.kind() == "prim::fork":
            inner = node.g("Subgraph")
            pairs = zip(inner.inputs(), node.inputs(), strict=True)
            forked += _parts(inner, tree, {i: found[v] for i, v in pairs if v in found})
    return [(graph, found), *forked]


def _all_parts(graphs: dict[Path, Graph], tree: ModuleTree) -> list:
    """The same of the graphs of several methods, each of which is known by its way from `self`."""
    return [
        part
        for path, graph in graphs.items()
        for part in _parts(graph, tree, {next(graph.inputs()): path[:-1]})
    ]


def _attributes(graph: Graph, modules: dict[Value, Path]) -> list[tuple[Node, Path]]:
    """Where a graph reads attributes that are no modules."""
    return [
        (node, (*modules[node.inputsAt(0)], node.s("name")))
        for node in graph.all_nodes()
        if node.kind() == "prim::GetAttr"
        and node.inputsAt(0) in modules
        and not is_module(node.output().type())
    ]


def _set(graph: Graph, modules: dict[Value, Path]) -> set[Path]:
    """The attributes that a graph sets."""
    return {
        (*modules[n.inputsAt(0)], n.s("name"))
        for n in graph.all_nodes()
        if n.kind() == "prim::SetAttr" and n.inputsAt(0) in modules
    }


def _written(graph: Graph, modules: dict[Value, Path], tree: ModuleTree) -> set[Path]:
    """The attributes that a graph sets or changes in place, and those that share their memory."""
    found = _set(graph, modules)
    aliases = AliasDb(graph, isFrozen=True)
    read = _attributes(graph, modules)
    changed = {p for n, p in read if aliases.has_writers(n.output())}
    found |= {p for n, p in read if p in changed and is_mutable(n.output().type())}
    shared = set().union(*(_storages(tree.held(p)) for p in found))
    return found | {p for _, p in read if not shared.isdisjoint(_storages(tree.held(p)))}


_READERS = ("prim::GetAttr", "prim::SetAttr", "prim::fork")


def _escaping(modules: dict[Value, Path]) -> set[Path]:
    """The modules that are more than read: what is done with them cannot be seen."""
    found = set()
    for value, path in modules.items():
        users = {use.user.kind() for use in value.uses()}
        if not path and "prim::Return" in users:
            raise RuntimeError("attempted to freeze a module that return itself")
        if not users.issubset(_READERS):
            found.add(path)
    return found


def _is_kept(path: Path, kept: set[Path]) -> bool:
    return any(path[:n] in kept for n in range(len(path) + 1))


def _storages(value: Any) -> set[int]:
    """The memory of a tensor, and of those in lists, tuples and dicts."""
    if isinstance(value, _C.Tensor):
        return {value._storage_id()}
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return set().union(*map(_storages, value)) if isinstance(value, list | tuple) else set()


# -- constants ----------------------------------------------------------------------------------


def _put_constants(
    graph: Graph,
    modules: dict[Value, Path],
    tree: ModuleTree,
    kept: set[Path],
    constants: dict,
) -> None:
    named: dict[Path, Value] = {}
    graph.setInsertPoint(graph.param_node().next())
    for node, path in _attributes(graph, modules):
        if _is_kept(path, kept):
            continue
        known = named.get(path)
        if known is None:
            known = _constant(graph, tree, path, node.output().type(), constants)
            if known is None:
                continue
            named[path] = known
        node.output().replaceAllUsesWith(known)
    graph.setInsertPoint(graph.block())
    dce(graph)


def _constant(graph: Graph, tree, path: Path, t: T.Type, constants: dict) -> Value | None:
    """An attribute as a constant at the insert point; None for what cannot be one."""
    if path not in constants:
        value = tree.held(path)
        constants[path] = value.detach() if isinstance(value, _C.Tensor) else value
    value = constants[path]
    with graph.insert_point_guard(graph.param_node().next()):
        try:
            made = graph.insertConstant(
                value, t if isinstance(value, list | dict | tuple) else None
            )
        except (TypeError, RuntimeError):  # an object: it stays an attribute
            return None
    return made.setDebugName(".".join(("self", *path)))


def _drop_unused_inputs(graph: Graph) -> None:
    """Forked graphs need no modules of which everything is constant."""
    for node in graph.findAllNodes("prim::fork"):
        inner = node.g("Subgraph")
        _drop_unused_inputs(inner)
        for i, value in reversed(list(enumerate(inner.inputs()))):
            if not value.hasUses():
                inner.eraseInput(i)
                node.removeInput(i)
    dce(graph)


def _simplify(graph: Graph) -> None:
    from ._compile.cleanup import pool_constants

    peephole(graph)
    constant_propagation(graph)
    remove_dropout(graph)
    cse(graph)
    pool_constants(graph)
    merge_equal_tensors(graph)
    dce(graph)


def remove_dropout(graph: Graph) -> None:
    """Take out dropout that does nothing because it is not training."""
    for node in list(graph.all_nodes()):
        if node.kind() not in ("aten::dropout", "aten::feature_dropout", "aten::dropout_"):
            continue
        training = node.inputsAt(2)
        if training.node().kind() == "prim::Constant" and not training.toIValue():
            node.output().replaceAllUsesWith(node.inputsAt(0))
            node.destroy()


def merge_equal_tensors(graph: Graph) -> None:
    """Keep one of several constants that are tensors with the same elements."""
    import rushlight as torch

    kept: dict[str, list[Node]] = {}
    for node in graph.findAllNodes("prim::Constant"):
        value = node.output().toIValue()
        if not isinstance(value, _C.Tensor) or value.layout is not torch.strided:
            continue
        alike = kept.setdefault(node.output().type().str(), [])
        for first in alike:
            if torch.equal(first.t("value"), value):
                node.output().replaceAllUsesWith(first.output())
                node.destroy()
                break
        else:
            alike.append(node)


# -- the module ---------------------------------------------------------------------------------


def _rebuilt(tree: ModuleTree, graphs: dict[Path, Graph], asked: set[Path], kept: set[Path]):
    """A module of a class of its own, with the attributes that are still read or asked for."""
    read = set(asked)
    known: dict[Value, Path] = {}
    for part, modules in _all_parts(graphs, tree):
        known |= modules
        read |= {p for p in modules.values() if p in kept}
        read |= {path for _, path in _attributes(part, modules)}
        read |= _set(part, modules)
    # the modules of the methods stay, though nothing of theirs is read
    read |= {(*path[:-1], "") for path in graphs}
    made: dict[Path, RecursiveScriptModule] = {}
    root = _part(tree, (), read, made)
    for value, path in known.items():
        if path in made:
            value.setType(made[path]._jit_type)
    for path, graph in graphs.items():
        schema = tree.owner(path).methods[path[-1]].schema
        _add_method(made[path[:-1]]._jit_type, schema, graph)
    for module in made.values():
        for name, function in module._jit_type.methods.items():
            module.__dict__[name] = ScriptMethod(module, function)
    return root


def _add_method(of: T.ClassType, schema: FunctionSchema, graph: Graph) -> None:
    name = schema.name
    arguments = [Argument("self", of), *schema.arguments[1:]]
    of.methods[name] = ScriptFunction(
        f"{of.qualified_name()}.{name}", graph, FunctionSchema(name, "", arguments, schema.returns)
    )


def _part(tree: ModuleTree, path: Path, read: set[Path], made: dict) -> RecursiveScriptModule:
    """A module, or one within it, with a class that has what is still read."""
    from ._compile.unit import python_unit

    if path in made:
        return made[path]
    old = tree.module(path)._jit_type
    unit = python_unit()
    name = unit.free_name(old.qualified_name())
    of = T.ClassType(name, True, unit)
    unit.types[name] = of
    of.python_class = old.python_class
    of.constants = dict(old.constants)
    state: dict[str, Any] = {}
    for attribute, t in old.attributes.items():
        here = (*path, attribute)
        if is_module(t):
            here = tree.first(here)
            if any(p[: len(here)] == here or here[: len(p)] == p for p in read):
                state[attribute] = _part(tree, here, read, made)
                of.addAttribute(attribute, state[attribute]._jit_type)
        elif here in read or any(here[:n] in read for n in range(len(here))):
            state[attribute] = tree.held(here)
            of.addAttribute(attribute, t, attribute in old.parameters, attribute in old.buffers)
    made[path] = RecursiveScriptModule._construct(of, state)
    made[path].__dict__["training"] = False
    return made[path]
