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
from ._function import ScriptFunction
from ._function_schema import Argument, FunctionSchema
from ._ir import Graph, Node, Value
from ._passes import constant_propagation, cse, dce, inline, peephole
from ._script import RecursiveScriptModule, ScriptModule, is_module, value_of

Path = tuple[str, ...]


def freeze_module(
    module: ScriptModule, preserved: Sequence[str] = (), keep_parameters: bool = False
) -> RecursiveScriptModule:
    """A frozen copy; `preserved` names attributes and methods that stay."""
    of = module._jit_type
    for name in preserved:
        if name not in of.methods and name not in of.attributes and name not in of.constants:
            raise RuntimeError(f"Unknown name: {name}")
    names = ["forward", *(n for n in preserved if n in of.methods and n != "forward")]
    graphs = {name: _inlined(of.methods[name].graph) for name in names if name in of.methods}
    kept = {(n,) for n in preserved if n in of.attributes}
    for graph in graphs.values():
        for part, modules in _parts(graph):
            kept |= _written(part, modules, module) | _escaping(modules)
    if keep_parameters:
        tensors = [*module.named_parameters(), *module.named_buffers()]
        kept |= {tuple(name.split(".")) for name, _ in tensors}
    constants: dict[Path, Any] = {}
    for graph in graphs.values():
        for part, modules in _parts(graph):
            _put_constants(part, modules, module, kept, constants)
        _drop_unused_inputs(graph)
        _simplify(graph)
    return _rebuilt(module, graphs, preserved, kept)


def _inlined(original: Graph) -> Graph:
    graph = original.copy()
    inline(graph)
    for node in graph.findAllNodes("prim::fork"):
        node.g_("Subgraph", _inlined(node.g("Subgraph")))
    return graph


# -- which attribute a value is -----------------------------------------------------------------


def _parts(graph: Graph, start: dict[Value, Path] | None = None) -> list:
    """A graph and those that it forks, each with the modules among its values.

    A module is known by its way from `self`.
    """
    found = {next(graph.inputs()): ()} if start is None else dict(start)
    forked = []
    for node in graph.all_nodes():
        if node.kind() == "prim::GetAttr" and node.inputsAt(0) in found:
            if is_module(node.output().type()):
                found[node.output()] = (*found[node.inputsAt(0)], node.s("name"))
        elif node.kind() == "prim::fork":
            inner = node.g("Subgraph")
            pairs = zip(inner.inputs(), node.inputs(), strict=True)
            forked += _parts(inner, {i: found[v] for i, v in pairs if v in found})
    return [(graph, found), *forked]


def _held(module: ScriptModule, path: Path) -> Any:
    for name in path[:-1]:
        module = module._modules[name]  # type: ignore[assignment]
    of = module._jit_type
    last = path[-1]
    return value_of(module, last) if last in of.attributes else of.constants[last]


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


def _written(graph: Graph, modules: dict[Value, Path], module: ScriptModule) -> set[Path]:
    """The attributes that a graph sets or changes in place, and those that share their memory."""
    found = _set(graph, modules)
    aliases = AliasDb(graph, isFrozen=True)
    read = _attributes(graph, modules)
    changed = {p for n, p in read if aliases.has_writers(n.output())}
    found |= {p for n, p in read if p in changed and is_mutable(n.output().type())}
    shared = {_storage(_held(module, p)) for p in found} - {None}
    return found | {p for _, p in read if _storage(_held(module, p)) in shared}


_READERS = ("prim::GetAttr", "prim::SetAttr", "prim::fork")


def _escaping(modules: dict[Value, Path]) -> set[Path]:
    """The modules that are more than read: what is done with them cannot be seen."""
    return {
        path
        for value, path in modules.items()
        if any(use.user.kind() not in _READERS for use in value.uses())
    }


def _is_kept(path: Path, kept: set[Path]) -> bool:
    return any(path[:n] in kept for n in range(len(path) + 1))


def _storage(value: Any) -> int | None:
    return value._storage_id() if isinstance(value, _C.Tensor) else None


# -- constants ----------------------------------------------------------------------------------


def _put_constants(
    graph: Graph,
    modules: dict[Value, Path],
    module: ScriptModule,
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
            known = _constant(graph, module, path, node.output().type(), constants)
            if known is None:
                continue
            named[path] = known
        node.output().replaceAllUsesWith(known)
    graph.setInsertPoint(graph.block())
    dce(graph)


def _constant(graph: Graph, module, path: Path, t: T.Type, constants: dict) -> Value | None:
    """An attribute as a constant at the insert point; None for what cannot be one."""
    if path not in constants:
        value = _held(module, path)
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


def _rebuilt(
    module: ScriptModule, graphs: dict[str, Graph], preserved: Sequence[str], kept: set[Path]
):
    """A module of a class of its own, with the attributes that are still read or asked for."""
    read: set[Path] = {(n,) for n in preserved}
    known: dict[Value, Path] = {}
    for graph in graphs.values():
        for part, modules in _parts(graph):
            known |= modules
            read |= {p for p in modules.values() if p in kept}
            read |= {path for _, path in _attributes(part, modules)}
            read |= _set(part, modules)
    types: dict[Path, T.ClassType] = {}
    made = _part(module, (), read, types)
    for value, path in known.items():
        value.setType(types.get(path, value.type()))
    of = types[()]
    for name, graph in graphs.items():
        schema = module._jit_type.methods[name].schema
        arguments = [Argument("self", of), *schema.arguments[1:]]
        of.methods[name] = ScriptFunction(
            f"{of.qualified_name()}.{name}",
            graph,
            FunctionSchema(name, "", arguments, schema.returns),
        )
    from ._function import ScriptMethod

    for name, function in of.methods.items():
        made.__dict__[name] = ScriptMethod(made, function)
    return made


def _part(module: ScriptModule, path: Path, read: set[Path], types: dict) -> Any:
    """A module, or one within it, with a class that has what is still read."""
    from ._compile.unit import python_unit

    old = module._jit_type
    unit = python_unit()
    name = unit.free_name(old.qualified_name())
    of = types[path] = T.ClassType(name, True, unit)
    unit.types[name] = of
    of.python_class = old.python_class
    of.constants = dict(old.constants)
    state = {}
    for attribute, t in old.attributes.items():
        here = (*path, attribute)
        if is_module(t):
            if any(p[: len(here)] == here or here[: len(p)] == p for p in read):
                state[attribute] = _part(module._modules[attribute], here, read, types)  # type: ignore[arg-type]
                of.addAttribute(attribute, types[here])
        elif here in read or any(here[:n] in read for n in range(len(here))):
            state[attribute] = value_of(module, attribute)
            of.addAttribute(attribute, t, attribute in old.parameters, attribute in old.buffers)
    made = RecursiveScriptModule._construct(of, state)
    made.__dict__["training"] = False
    return made
