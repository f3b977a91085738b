"""One step of a graph: what is called or read, and with what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from . import _names
from ._compatibility import compatibility as compatibility
from ._node_format import _abbreviated as _abbreviated
from ._node_format import _format_arg, _type_repr, pretty_target, tensor_detail
from ._node_format import dtype_abbrs as dtype_abbrs
from .immutable_collections import immutable_dict, immutable_list

__all__ = ["Node", "map_arg", "map_aggregate", "has_side_effect"]

Argument = Any
Target = Callable[..., Any] | str
_legal_ops = dict.fromkeys(
    ["placeholder", "call_method", "call_module", "call_function", "get_attr", "output", "root"]
)
base_types = (
    str,
    int,
    float,
    bool,
    complex,
    torch.dtype,
    torch.Tensor,
    torch.device,
    torch.memory_format,
    torch.layout,
)
_RANDOM = """
    bernoulli multinomial normal poisson rand rand_like randint randint_like randn randn_like
    randperm
""".split()
_side_effectful_functions: set[Any] = {torch._assert}


def _register_effects() -> None:
    import operator

    _side_effectful_functions.update({operator.setitem, torch._assert_async})
    _side_effectful_functions.update(getattr(torch, name) for name in _RANDOM)


def has_side_effect(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Keep calls of a function though nobody uses what they give; usable as a decorator."""
    _side_effectful_functions.add(fn)
    return fn


def map_arg(a: Argument, fn: Callable[[Node], Argument]) -> Argument:
    """`a` with every node in it, however deep in containers, replaced by `fn` of it."""
    if not callable(fn):
        raise AssertionError("torch.fx.map_arg(a, fn): fn must be a callable")
    return map_aggregate(a, lambda x: fn(x) if isinstance(x, Node) else x)


def map_aggregate(a: Argument, fn: Callable[[Argument], Argument]) -> Argument:
    """`a` with every leaf replaced; lists and dictionaries come back unchangeable."""
    if isinstance(a, tuple):
        made = [map_aggregate(x, fn) for x in a]
        return type(a)(*made) if hasattr(a, "_fields") else tuple(made)
    if isinstance(a, list):
        return immutable_list([map_aggregate(x, fn) for x in a])
    if isinstance(a, dict):
        return immutable_dict((k, map_aggregate(v, fn)) for k, v in a.items())
    if isinstance(a, slice):
        return slice(*(map_aggregate(x, fn) for x in (a.start, a.stop, a.step)))
    return fn(a)


def _get_qualified_name(func: Callable[..., Any]) -> str:
    return _names.qualified_name(func)


def _find_module_of_method(orig_method: Callable[..., Any]) -> str:
    return _names.module_of(orig_method)


class Node:
    """One step of a graph.

    `op` is placeholder, get_attr, call_function, call_method, call_module or output; `target` what
    is called or read; `args` and `kwargs` what it is given, with nodes for values of other steps;
    `users` the nodes that use this one. `meta` is free for notes.
    """

    __slots__ = (
        "_args", "_erased", "_input_nodes", "_kwargs", "_next", "_order", "_prev", "_repr_fn",
        "graph", "meta", "name", "op", "target", "type", "users", "__dict__", "__weakref__",
    )  # fmt: skip

    def __init__(
        self,
        graph: Any,
        name: str,
        op: str,
        target: Target,
        args: tuple[Argument, ...],
        kwargs: dict[str, Argument],
        return_type: Any = None,
    ) -> None:
        if op == "call_function":
            if not callable(target):
                raise ValueError(
                    f"Node [graph = {graph}, name = '{name}'] target {target} has type "
                    f"{torch.typename(target)} but a Callable is expected"
                )
        elif op not in _legal_ops:
            raise AssertionError(f"op '{op}' is not in _legal_ops")
        elif not isinstance(target, str):
            raise ValueError(
                f"Node [graph = {graph}, name = '{name}'] target {target} has type "
                f"{torch.typename(target)} but a str is expected"
            )
        self.graph, self.name, self.op, self.target, self.type = (
            graph,
            name,
            op,
            target,
            return_type,
        )
        self.users: dict[Node, None] = {}
        self.meta: dict[str, Any] = {}
        self._input_nodes: dict[Node, None] = {}
        self._prev = self._next = self
        self._erased, self._order, self._repr_fn = False, 0, None
        self._update(args, kwargs)

    # -- arguments ------------------------------------------------------------------------
    def _update(self, args, kwargs):
        for used in self._input_nodes:
            used.users.pop(self, None)
        self._input_nodes = {}

        def note(node):
            self._input_nodes[node] = None
            node.users[self] = None
            return node

        self._args, self._kwargs = map_arg(args, note), map_arg(kwargs, note)

    @property
    def args(self) -> tuple[Argument, ...]:
        """The positional arguments; assign a new tuple to change them."""
        return self._args

    @args.setter
    def args(self, value: tuple[Argument, ...]) -> None:
        self._update(value, self._kwargs)

    @property
    def kwargs(self) -> dict[str, Argument]:
        """The keyword arguments; assign a new dictionary to change them."""
        return self._kwargs

    @kwargs.setter
    def kwargs(self, value: dict[str, Argument]) -> None:
        self._update(self._args, value)

    @property
    def all_input_nodes(self) -> list[Node]:
        """The nodes among the arguments, each once, in order."""
        return list(self._input_nodes)

    def update_arg(self, idx: int, arg: Argument) -> None:
        """Replace the positional argument `idx`."""
        args = list(self.args)
        args[idx] = arg
        self.args = tuple(args)

    def insert_arg(self, idx: int, arg: Argument) -> None:
        """Put an argument before the positional argument `idx`."""
        if not 0 <= idx <= len(self.args):
            raise AssertionError("insert_args index must be between 0 and len(self.args)")
        self.args = (*self.args[:idx], arg, *self.args[idx:])

    def update_kwarg(self, key: str, arg: Argument) -> None:
        """Set the keyword argument `key`."""
        self.kwargs = {**self.kwargs, key: arg}

    # -- place in the graph ---------------------------------------------------------------
    @property
    def next(self) -> Node:
        """The step after this one."""
        return self._next

    @property
    def prev(self) -> Node:
        """The step before this one."""
        return self._prev

    @property
    def _sort_key(self) -> tuple[int, ...]:
        self.graph._number()
        return (self._order,)

    def __lt__(self, other: Node) -> bool:
        return self._sort_key < other._sort_key

    def __gt__(self, other: Node) -> bool:
        return other < self

    def __le__(self, other: Node) -> bool:
        return self is other or self < other

    def __ge__(self, other: Node) -> bool:
        return other <= self

    def prepend(self, x: Node) -> None:
        """Move `x`, a node of the same graph, before this one."""
        if self.graph is not x.graph:
            raise AssertionError("Attempting to move a Node into a different Graph")
        if self is x:
            return
        x._remove_from_list()
        before = self._prev
        before._next, x._prev = x, before
        x._next, self._prev = self, x
        self.graph._numbered = False

    def append(self, x: Node) -> None:
        """Move `x`, a node of the same graph, behind this one."""
        self._next.prepend(x)

    def _remove_from_list(self):
        self._prev._next, self._next._prev = self._next, self._prev

    # -- changing uses --------------------------------------------------------------------
    def replace_all_uses_with(
        self,
        replace_with: Node,
        delete_user_cb: Callable[[Node], bool] | None = None,
        *,
        propagate_meta: bool = False,
    ) -> list[Node]:
        """Let all users, or those that `delete_user_cb` agrees to, use `replace_with` instead."""
        if propagate_meta:
            if replace_with.meta:
                raise AssertionError(
                    "Called node.replace_all_uses_with(replace_with, propagate_meta=True), "
                    "but replace_with already has .meta keys"
                )
            replace_with.meta.update(self.meta)
        chosen = [n for n in self.users if delete_user_cb is None or delete_user_cb(n)]
        for user in chosen:
            self._tell_of_replacement(user, replace_with)
            user._swap(self, replace_with)
        return chosen

    def replace_input_with(self, old_input: Node, new_input: Node) -> None:
        """Use `new_input` wherever `old_input` is among the arguments."""
        old_input._tell_of_replacement(self, new_input)
        self._swap(old_input, new_input)

    def _swap(self, old, new):
        def swapped(node):
            return new if node is old else node

        self._update(map_arg(self._args, swapped), map_arg(self._kwargs, swapped))

    def _tell_of_replacement(self, user, new):
        owner = self.graph.owning_module
        for hook in getattr(owner, "_replace_hooks", None) or ():
            hook(old=self, new=new.name, user=user)

    def _rename(self, candidate: str) -> None:
        if candidate != self.name:
            self.name = self.graph._graph_namespace.create_name(candidate, None)
            self.graph._graph_namespace._rename_object(self, self.name)

    # -- questions ------------------------------------------------------------------------
    @property
    def stack_trace(self) -> str | None:
        """The lines of the program that made the node, where they were recorded."""
        return self.meta.get("stack_trace")

    @stack_trace.setter
    def stack_trace(self, trace: str | None) -> None:
        self.meta["stack_trace"] = trace

    def is_impure(self, impure_random: bool = True) -> bool:
        """Whether the step does more than give a value: it must stay though nobody uses that.

        With `impure_random`, drawing random numbers counts.
        """
        if self.op in ("placeholder", "output"):
            return True
        if self.op == "call_function":
            if self.target in _side_effectful_functions:
                return True
            return _mutates(self.target) or (impure_random and _draws(self.target))
        if self.op == "call_module":
            module = _child(self.graph.owning_module, self.target)
            if module is None:
                raise AssertionError("Did not find expected submodule target " + self.target)
            return getattr(module, "_is_impure", False)
        return False

    def normalized_arguments(
        self,
        root: Any,
        arg_types: tuple[Any] | None = None,
        kwarg_types: dict[str, Any] | None = None,
        normalize_to_only_use_kwargs: bool = False,
    ) -> Any:
        """The arguments by the signature of what is called; None where that is not known."""
        from .operator_schemas import normalize_function, normalize_module

        if self.op == "call_function":
            return normalize_function(
                self.target,
                self.args,
                self.kwargs,
                arg_types,
                kwarg_types,
                normalize_to_only_use_kwargs,
            )
        if self.op == "call_module":
            return normalize_module(
                root, self.target, self.args, self.kwargs, normalize_to_only_use_kwargs
            )
        return None

    # -- printing -------------------------------------------------------------------------
    def __repr__(self) -> str:
        return self._repr_fn(self) if self._repr_fn else self.name

    _pretty_print_target = staticmethod(pretty_target)

    def format_node(
        self,
        placeholder_names: list[str] | None = None,
        maybe_return_typename: list[str] | None = None,
        *,
        include_tensor_metadata: bool = False,
    ) -> str | None:
        """The node as graphs print it."""
        kind = f"{_type_repr(self.type)} " if self.type else ""
        if self.op == "placeholder" and placeholder_names:
            placeholder_names.append(
                f"{self.target}: {_type_repr(self.type)}" if kind else self.target
            )
            return None
        if self.op == "output":
            if self.type and maybe_return_typename:
                maybe_return_typename[0] = f" -> {_type_repr(self.type)}"
            return f"return {self.args[0]}"
        detail = tensor_detail(self) if include_tensor_metadata else ""
        head = f"%{self.name} : {detail}{kind}[num_users={len(self.users)}] = {self.op}"
        head += f"[target={self._pretty_print_target(self.target)}]"
        if self.op == "placeholder":
            return f"{head}(default={self.args[0]})" if self.args else head
        if self.op == "get_attr":
            return head
        return f"{head}(args = {_format_arg(self.args)}, kwargs = {_format_arg(self.kwargs)})"

    def __deepcopy__(self, memo: dict) -> Node:
        memo.setdefault(id(self), None)
        raise TypeError("a Node cannot be copied alone: copy its graph, or use Graph.node_copy")


def _mutates(target):
    """Whether an operator of torch.ops writes into an argument."""
    name = getattr(target, "_name", None)
    return isinstance(name, str) and hasattr(target, "_overloadname") and name.endswith("_")


def _draws(target):
    """Whether an operator of torch.ops draws random numbers."""
    name = getattr(target, "_name", None)
    return name in _RANDOM and hasattr(target, "_overloadname")


def _child(module, target):
    if module is None:
        raise AssertionError("self.graph.owning_module not set for purity check")
    for name in target.split("."):
        module = getattr(module, name, None)
    return module


_register_effects()
