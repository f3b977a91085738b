"""A module whose forward is made from a graph."""

from __future__ import annotations

import copy
import linecache
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .. import nn
from ._codegen import PythonCode, _PyTreeCodeGen
from ._module_code import (
    _assign_attr,
    _CodeOnlyModule,
    _copy_attr,
    _forward_from_src,
    _get_attr,
    _has_attr,
)
from ._module_code import _del_attr as _del_attr
from ._module_code import _EvalCacheLoader as _EvalCacheLoader
from ._module_code import _exec_with_source as _exec_with_source
from ._module_code import _loader as _loader
from ._module_code import _method_from_src as _method_from_src
from .graph import Graph

__all__ = ["reduce_graph_module", "reduce_package_graph_module", "GraphModule"]


class _WrappedCall:
    """Calls a module; an error in generated code says where in that code it is."""

    def __init__(self, cls: type, cls_call: Callable[..., Any] | None) -> None:
        self.cls, self.cls_call = cls, cls_call

    @staticmethod
    def _generate_error_message(frame_summary: traceback.FrameSummary) -> str:
        number = frame_summary.lineno or 0
        lines = linecache.getlines(frame_summary.filename)
        before = "".join(lines[max(number - 4, 0) : number])
        after = "".join(lines[number : number + 2])
        head = (
            f"Call using an FX-traced Module, line {number} of the traced Module's generated "
            "forward function:"
        )
        return "\n".join([head, before, "~~~ <--- HERE", after])

    def __call__(self, obj: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            if self.cls_call is not None:
                return self.cls_call(obj, *args, **kwargs)
            return super(self.cls, obj).__call__(*args, **kwargs)
        except Exception as error:
            found = traceback.TracebackException(type(error), error, error.__traceback__).stack
            if "eval_with_key" in (found[-1].filename if found else ""):
                sys.stderr.write(self._generate_error_message(found[-1]) + "\n")
                raise error.with_traceback(None) from None
            raise


class GraphModule(nn.Module):
    """A module whose forward does what `graph` says.

    `root` is a module to take what the graph names from, or a dictionary of paths and objects.
    Assigning `graph`, or `recompile()` after changes to it, makes the code anew.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> GraphModule:
        # Every instance has a class of its own: forward is looked up there.
        for base in cls.__mro__:
            if base.__qualname__.endswith("GraphModuleImpl"):
                continue
            cls = base
            break

        class GraphModuleImpl(cls):  # type: ignore[misc, valid-type]
            pass

        return super().__new__(GraphModuleImpl)

    def __init__(
        self, root: nn.Module | dict[str, Any], graph: Graph, class_name: str = "GraphModule"
    ) -> None:
        super().__init__()
        type(self).__name__ = class_name
        if isinstance(root, nn.Module):
            if hasattr(root, "training"):
                self.training = root.training
            self._take_from(root, graph)
        elif isinstance(root, dict):
            self._take_from_dict(root, graph)
        else:
            raise RuntimeError("Unsupported type " + str(root) + " passed for root!")
        self.graph = graph
        self._tracer_cls = None
        cls = graph._tracer_cls
        if cls is not None and "<locals>" not in cls.__qualname__:
            self._tracer_cls = cls
        self._tracer_extras = dict(graph._tracer_extras) if graph._tracer_extras else {}
        self.shape_env = None
        self.meta: dict[str, Any] = {}
        if isinstance(root, nn.Module) and isinstance(getattr(root, "meta", None), dict):
            self.meta.update(root.meta)
        for kind in ("replace", "create_node", "erase_node", "deepcopy"):
            setattr(self, f"_{kind}_hooks", [])

    def _take_from(self, root, graph):
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                _copy_attr(root, self, node.target)

    def _take_from_dict(self, root, graph):
        wanted = []
        for node in graph.nodes:
            if node.op in ("get_attr", "call_module"):
                if node.target not in root:
                    raise RuntimeError(
                        f"Node {node} referenced target {node.target} but that target was not "
                        "provided in ``root``!"
                    )
                wanted.append(node.target)
        for target in sorted(wanted, key=lambda t: t.count(".")):
            _assign_attr(root[target], self, target)

    # -- the graph and its code -----------------------------------------------------------
    @property
    def graph(self) -> Graph:
        """The graph; assigning one makes a copy of it if it belongs to another module."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The source of forward."""
        if not hasattr(self, "_code"):
            raise RuntimeError("Code has not been generated! Please report a bug to PyTorch")
        return self._code

    def recompile(self) -> PythonCode:
        """Make the code from the graph as it is now."""
        codegen = self._graph._codegen
        if isinstance(codegen, _PyTreeCodeGen):
            self._in_spec = codegen.pytree_info.in_spec
            self._out_spec = codegen.pytree_info.out_spec
        made = self._graph.python_code(root_module="self")
        self._code, self._lineno_map = made.src, made._lineno_map
        self._prologue_start = made._prologue_start
        cls = type(self)
        fields = self._graph._co_fields if hasattr(self._graph, "_co_fields") else {}
        cls.forward = _forward_from_src(self._code, made.globals, fields)
        own_call = vars(cls).get("__call__")
        if "_wrapped_call" not in vars(cls):
            cls._wrapped_call = _WrappedCall(cls, own_call)

        def call_wrapped(self, *args: Any, **kwargs: Any) -> Any:
            return self._wrapped_call(self, *args, **kwargs)

        cls.__call__ = call_wrapped
        return made

    def _recompile_submodules(self) -> list[tuple[str, PythonCode]]:
        return [
            (name, mod.recompile())
            for name, mod in self.named_modules()
            if isinstance(mod, GraphModule)
        ]

    # -- parts ----------------------------------------------------------------------------
    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Put a module at a path; False where something that is no module is in the way."""
        *path, name = target.split(".")
        holder: nn.Module = self
        for step in path:
            inner = getattr(holder, step, None)
            if inner is None:
                inner = nn.Module()
                setattr(holder, step, inner)
            if not isinstance(inner, nn.Module):
                return False
            holder = inner
        holder.add_module(name, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Take away the module at a path; False where there is none."""
        *path, name = target.split(".")
        holder: Any = self
        for step in path:
            holder = getattr(holder, step, None)
            if not isinstance(holder, nn.Module):
                return False
        if not isinstance(getattr(holder, name, None), nn.Module):
            return False
        delattr(holder, name)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Take away the modules that the graph neither calls nor reads from."""
        used: set[str] = set()
        for node in self.graph.nodes:
            if node.op not in ("call_module", "get_attr"):
                continue
            parts = node.target.split(".")
            used.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
            found = _get_attr(self, node.target) if _has_attr(self, node.target) else None
            if node.op == "call_module" and isinstance(found, nn.Module):
                for name, _ in found.named_modules():
                    used.add(f"{node.target}.{name}")
        for name in [n for n, _ in self.named_modules() if n and n not in used]:
            self.delete_submodule(name)

    # -- copies and files -----------------------------------------------------------------
    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        from ._saving import import_block, saved_state

        state, globals_ = saved_state(self)
        return reduce_graph_module, (state, import_block(globals_))

    def __deepcopy__(self, memo: dict) -> GraphModule:
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        body = _CodeOnlyModule(copy.deepcopy({**self.__dict__, "_graph": None}, memo))
        graph = copy.deepcopy(self.graph, memo)
        self._deepcopy_init()(copied, body, graph)
        for name in ("_state_dict_hooks", "_load_state_dict_pre_hooks", "_forward_hooks",
                     "_forward_hooks_with_kwargs", "_forward_pre_hooks", "_unhooked",
                     "_forward_pre_hooks_with_kwargs", "_backward_hooks"):  # fmt: skip
            if name in body.__dict__:
                copied.__dict__[name] = body.__dict__[name]
            else:
                copied.__dict__.pop(name, None)
        copied.meta = body.__dict__.get("meta", {})
        for name in self.meta.get("_user_preserved_attributes", ()):
            setattr(copied, name, copy.deepcopy(getattr(self, name), memo))
        for hook in self._deepcopy_hooks:
            hook(copied)
        return copied

    def _deepcopy_init(self) -> Callable[..., None]:
        return GraphModule.__init__

    def __copy__(self) -> GraphModule:
        made = GraphModule(self, self.graph)
        made.meta = getattr(self, "meta", {})
        return made

    def to_folder(self, folder: str | os.PathLike[str], module_name: str = "FxModule") -> None:
        """Write a Python package that builds the module again, without a graph."""
        from ._saving import to_folder

        to_folder(self, folder, module_name)

    # -- looking at it --------------------------------------------------------------------
    def print_readable(
        self,
        print_output: bool = True,
        include_stride: bool = False,
        include_device: bool = False,
        colored: bool = False,
        *,
        fast_sympy_print: bool = False,
        expanded_def: bool = False,
        additional_meta: list[str] | None = None,
    ) -> str:
        """Print, and return, the code with where it came from and what shapes are known."""
        from ._saving import readable

        text = readable(self, self._get_name(), include_stride, include_device, expanded_def)
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        hint = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__repr__(), self._code, hint])

    def _replicate_for_data_parallel(self) -> GraphModule:
        made = self.__copy__()
        made._is_replica = True
        return made

    # -- hooks ----------------------------------------------------------------------------
    @contextmanager
    def _set_replace_hook(self, f: Callable[..., object]) -> Iterator[None]:
        self._register_replace_node_hook(f)
        try:
            yield
        finally:
            self._unregister_replace_node_hook(f)

    def _add_hook(self, kind: str, f: Callable[..., object]) -> None:
        if not callable(f):
            raise AssertionError(f"{kind} hook must be a callable.")
        getattr(self, f"_{kind}_hooks").append(f)


def _hook_methods(kind, name):
    def register(self, f):
        self._add_hook(kind, f)

    def unregister(self, f):
        getattr(self, f"_{kind}_hooks").remove(f)

    setattr(GraphModule, f"_register_{name}_hook", register)
    setattr(GraphModule, f"_unregister_{name}_hook", unregister)


for _kind, _name in (
    ("create_node", "create_node"),
    ("erase_node", "erase_node"),
    ("replace", "replace_node"),
    ("deepcopy", "deepcopy"),
):
    _hook_methods(_kind, _name)


def reduce_graph_module(body: dict[str, Any], import_block: str) -> nn.Module:
    """What pickle calls to build a saved GraphModule."""
    code = body.get("_code") or body["code"]
    forward = _forward_from_src(import_block + code, {})
    return _deserialize_graph_module(forward, body)


def reduce_package_graph_module(
    importer: Any, body: dict[str, Any], generated_module_name: str
) -> nn.Module:
    """What a package calls to build a saved GraphModule."""
    return _deserialize_graph_module(importer.import_module(generated_module_name).forward, body)


def _deserialize_graph_module(
    forward: Callable[..., Any], body: dict[str, Any], graph_module_cls: type | None = None
) -> nn.Module:
    from ._saving import rebuilt

    return rebuilt(forward, _CodeOnlyModule(dict(body)), graph_module_cls or GraphModule)
