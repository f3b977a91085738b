"""A program as a list of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import rushlight as torch

from . import _names
from ._codegen import CodeGen as CodeGen
from ._codegen import PythonCode as PythonCode
from ._codegen import _BoxedCodeGen as _BoxedCodeGen
from ._codegen import _PyTreeCodeGen as _PyTreeCodeGen
from ._codegen import _PyTreeInfo as _PyTreeInfo
from ._codegen import inplace_methods as inplace_methods
from ._codegen import magic_methods as magic_methods
from ._codegen import reflectable_magic_methods as reflectable_magic_methods
from ._graph_checks import lint as _lint
from ._graph_checks import print_tabular as _print_tabular
from ._graph_sizes import GraphSizes
from ._namespace import _custom_builtins as _custom_builtins
from ._namespace import _CustomBuiltin as _CustomBuiltin
from ._namespace import _Namespace as _Namespace
from ._namespace import _register_custom_builtin as _register_custom_builtin
from ._namespace import is_magic as _is_magic
from ._namespace import snake_case as _snake_case
from ._readable import _parse_stack_trace as _parse_stack_trace
from ._readable import _ParsedStackTrace as _ParsedStackTrace
from .node import Argument, Node, Target, map_arg
from .node import _get_qualified_name as _get_qualified_name
from .node import _type_repr as _type_repr
from .node import dtype_abbrs as dtype_abbrs

__all__ = ["PythonCode", "CodeGen", "Graph"]

_NO_DEFAULT: Any = __import__("inspect").Signature.empty
_is_from_torch = _names.is_from_torch


class _InsertPoint:
    """Where new nodes go; as a context manager, until its end."""

    def __init__(self, graph: Graph, new_insert: Callable[[Node], None]) -> None:
        self.graph = graph
        self.orig_insert, graph._insert = graph._insert, new_insert

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: Any) -> None:
        self.graph._insert = self.orig_insert


class _node_list:
    """The nodes of a graph in order, or backwards by `reversed`."""

    def __init__(self, graph: Graph, direction: str = "_next") -> None:
        if direction not in ("_next", "_prev"):
            raise AssertionError(f"direction must be '_next' or '_prev', got {direction}")
        self.graph, self.direction = graph, direction

    def __len__(self) -> int:
        return self.graph._len

    def __iter__(self) -> Iterator[Node]:
        root, node = self.graph._root, getattr(self.graph._root, self.direction)
        while node is not root:
            if not node._erased:
                yield node
            node = getattr(node, self.direction)

    def __reversed__(self) -> _node_list:
        return _node_list(self.graph, "_next" if self.direction == "_prev" else "_prev")


class Graph(GraphSizes):
    """A program as a list of `Node`s: placeholders for its arguments, calls, one output."""

    def __init__(
        self,
        owning_module: Any = None,
        tracer_cls: type | None = None,
        tracer_extras: dict[str, Any] | None = None,
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._len = 0
        self._numbered = True
        self._graph_namespace = _Namespace()
        self._owning_module = owning_module
        self._tracer_cls = tracer_cls
        self._tracer_extras = tracer_extras
        self._codegen = CodeGen()
        self._co_fields: dict[str, Any] = {}

    @property
    def owning_module(self) -> Any:
        """The GraphModule that the graph belongs to, or None."""
        return self._owning_module

    @owning_module.setter
    def owning_module(self, mod: Any) -> None:
        self._owning_module = mod

    @property
    def nodes(self) -> _node_list:
        """All nodes in order; nodes may be added or erased while it is walked."""
        return _node_list(self)

    def _number(self):
        if not self._numbered:
            for i, node in enumerate(self.nodes):
                node._order = i
            self._root._order = self._len
            self._numbered = True

    def output_node(self) -> Node:
        """The node of the result."""
        node = next(iter(reversed(self.nodes)))
        if node.op != "output":
            raise AssertionError(f"Expected output node, got {node.op}")
        return node

    def find_nodes(self, *, op: str, target: Target | None = None, sort: bool = True) -> list[Node]:
        """The nodes of one kind and, of functions always, one target."""
        if op == "call_function" and target is None:
            raise AssertionError("target must not be None for call_function op")
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    # -- making nodes ---------------------------------------------------------------------
    def create_node(
        self,
        op: str,
        target: Target,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        name: str | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """Add a node of any kind at the insertion point."""
        args, kwargs = () if args is None else args, {} if kwargs is None else kwargs
        if not isinstance(args, tuple):
            raise AssertionError(f"args must be a tuple, got {type(args)}")
        if not isinstance(kwargs, dict):
            raise AssertionError(f"kwargs must be a dict, got {type(kwargs)}")
        candidate = name if name is not None else self._target_to_str(target)
        name = self._graph_namespace.create_name(candidate, None)
        node = Node(self, name, op, target, args, kwargs, type_expr)
        self._graph_namespace.associate_name_with_obj(name, node)
        for hook in getattr(self._owning_module, "_create_node_hooks", None) or ():
            hook(node)
        self._insert(node)
        self._numbered = False
        self._len += 1
        return node

    def _target_to_str(self, target):
        if callable(target):
            named = _names.short_name(target)
        elif isinstance(target, str):
            named = target.strip("_") if _is_magic(target) else target
        else:
            raise AssertionError(f"Expected target to be str, got {type(target)}")
        return _snake_case(named)

    def placeholder(
        self, name: str, type_expr: Any | None = None, default_value: Any = _NO_DEFAULT
    ) -> Node:
        """Add an argument of the program."""
        args = () if default_value is _NO_DEFAULT else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any | None = None) -> Node:
        """Add the reading of a parameter, a buffer or another attribute of the module."""
        owner = self.owning_module
        if owner is not None and not _names_an_attribute(owner, qualified_name):
            import warnings

            warnings.warn(
                "Attempted to insert a get_attr Node with no underlying reference in the owning "
                "GraphModule! Call GraphModule.add_submodule to add the necessary submodule, "
                "GraphModule.add_parameter to add the necessary Parameter, or "
                "nn.Module.register_buffer to add the necessary buffer",
                stacklevel=2,
            )
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self,
        module_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """Add a call of a module inside of the owning one."""
        owner = self.owning_module
        if owner is not None:
            owner.get_submodule(module_name)  # AttributeError where there is none
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self,
        method_name: str,
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any | None = None,
    ) -> Node:
        """Add a call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: tuple[Argument, ...] | None = None,
        kwargs: dict[str, Argument] | None = None,
        type_expr: Any | None = None,
        name: str | None = None,
    ) -> Node:
        """Add a call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Argument, type_expr: Any | None = None) -> Node:
        """Add the result; the last node of a program."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    # -- where new nodes go ---------------------------------------------------------------
    def inserting_before(self, n: Node | None = None) -> _InsertPoint:
        """Put new nodes before `n` (at the beginning, without one); a context manager."""
        if n is None:
            return self.inserting_after(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert before is not in graph.")
        return _InsertPoint(self, n.prepend)

    def inserting_after(self, n: Node | None = None) -> _InsertPoint:
        """Put new nodes behind `n` (at the end, without one); a context manager."""
        if n is None:
            return self.inserting_before(self._root)
        if n.graph is not self:
            raise AssertionError("Node to insert after is not in graph.")
        return _InsertPoint(self, n.append)

    # -- changing -------------------------------------------------------------------------
    def erase_node(self, to_erase: Node) -> None:
        """Take away a node that nobody uses."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} "
                f"users in the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            import warnings

            warnings.warn(f"erase_node({to_erase}) on an already erased node", stacklevel=2)
            return
        for hook in getattr(self._owning_module, "_erase_node_hooks", None) or ():
            hook(to_erase)
        to_erase._remove_from_list()
        to_erase._erased = True
        self._numbered = False
        self._len -= 1
        to_erase._update((), {})

    def node_copy(
        self, node: Node, arg_transform: Callable[[Node], Argument] = lambda x: x
    ) -> Node:
        """Add a copy of another graph's node; `arg_transform` gives the nodes for its own."""
        args = map_arg(node.args, arg_transform)
        kwargs = map_arg(node.kwargs, arg_transform)
        made = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        made.meta = dict(node.meta)
        return made

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Node], return_output_node: bool = False
    ) -> Argument | None:
        """Add copies of all of another graph's nodes; the value of its output.

        `val_map` says what stands for nodes of `g`, and is filled with the copies.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], val_map.__getitem__)
                return result if not return_output_node else (result, node)
            val_map[node] = self.node_copy(node, val_map.__getitem__)
        return None

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Graph:
        """A graph like this one, with notes, that belongs to no module."""
        memo = {} if memo is None else memo
        copied = Graph(tracer_cls=self._tracer_cls, tracer_extras=self._tracer_extras)
        pairs: dict[Node, Node] = {}
        found = copied.graph_copy(self, pairs, return_output_node=True)
        if found is not None:
            result, old = found
            made = copied.output(result, getattr(old, "type", None))
            made.meta = dict(old.meta)
        copied._codegen = _copied(self._codegen, memo)
        memo.update({id(old): new for old, new in pairs.items()})
        return copied

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Take away what nobody uses and has no effect; whether anything went."""
        before = self._len
        _lint(self)
        for node in reversed(self.nodes):
            impure = is_impure_node(node) if is_impure_node is not None else node.is_impure()
            if not impure and not node.users:
                self.erase_node(node)
        for node in self.nodes:  # of graphs inside of this one, too
            inner = getattr(self.owning_module, str(node.target), None)
            if node.op == "get_attr" and hasattr(inner, "graph"):
                inner.graph.eliminate_dead_code(is_impure_node)
        return self._len < before

    def _clear_nodes(self) -> None:
        for node in reversed(self.nodes):
            node.users = {}
            self.erase_node(node)

    # -- code -----------------------------------------------------------------------------
    def python_code(
        self,
        root_module: str,
        *,
        verbose: bool = False,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        expanded_def: bool = False,
        record_func: bool = False,
        additional_meta: list[str] | None = None,
    ) -> PythonCode:
        """The source of a function that does what the graph says, and the globals it wants.

        `root_module` is the name of the module in it; `verbose` adds where nodes came from.
        """
        namespace = _Namespace()
        kept = {node: node._repr_fn for node in self.nodes}
        for node in self.nodes:
            node._repr_fn = lambda n: namespace.create_name(n.name, n)
        try:
            return self._codegen._gen_python_code(
                self.nodes,
                root_module,
                namespace,
                verbose=verbose,
                include_stride=include_stride,
                include_device=include_device,
                expanded_def=expanded_def,
            )
        finally:
            for node, repr_fn in kept.items():
                node._repr_fn = repr_fn

    def set_codegen(self, codegen: CodeGen) -> None:
        """Let another generator write the code."""
        self._codegen = codegen

    def on_generate_code(self, make_transformer: Callable[[Any], Any]) -> Any:
        """Let a function rewrite the lines of code as they are made.

        `make_transformer` is given the one in force, or None, and returns the new one; as a context
        manager, the old one is back at the end.
        """
        from contextlib import contextmanager

        old = self._codegen._body_transformer
        self._codegen._body_transformer = make_transformer(old)

        @contextmanager
        def until_the_end():
            try:
                yield
            finally:
                self._codegen._body_transformer = old

        return until_the_end()

    def process_inputs(self, *args: Any) -> Any:
        """The arguments of the program as its placeholders take them."""
        return self._codegen.process_inputs(*args)

    def process_outputs(self, out: Any) -> Any:
        """The result in the form in which callers get it."""
        return self._codegen.process_outputs(out)

    # -- looking at it --------------------------------------------------------------------
    def __str__(self) -> str:
        return "graph():" + "".join(f"\n    {node.format_node()}" for node in self.nodes)

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        _print_tabular(self)

    def lint(self) -> None:
        """RuntimeError where the graph is not well formed: names, order, targets."""
        _lint(self)


def _copied(codegen, memo):
    import copy

    return copy.deepcopy(codegen, memo)


def _names_an_attribute(module: torch.nn.Module, path: str) -> bool:
    holder, _, name = path.rpartition(".")
    try:
        return hasattr(module.get_submodule(holder), name)
    except AttributeError:
        return False
