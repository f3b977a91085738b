"""Tracing: run a function on values that note what is done to them."""

from __future__ import annotations

import functools as functools  # tracers of other libraries reach it through here
import inspect
import math
from collections import OrderedDict
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

import rushlight as torch

from .. import nn
from . import _patching
from ._compatibility import compatibility as compatibility
from ._names import in_pytorch
from ._patching import _maybe_revert_all_patches as _maybe_revert_all_patches
from ._patching import _new_patcher as _new_patcher
from ._patching import _Patcher as _Patcher
from ._scope import Scope, ScopeContextManager
from ._specialized import PH as PH
from ._specialized import PHBase as PHBase
from ._specialized import PHWithMeta as PHWithMeta
from ._specialized import _assert_is_none as _assert_is_none
from ._specialized import by_leaves, placeholders_of
from ._wrapping import _autowrap_check, _find_proxy, _patch_wrapped_functions
from ._wrapping import _create_wrapped_func as _create_wrapped_func
from ._wrapping import _create_wrapped_method as _create_wrapped_method
from ._wrapping import _wrapped_fns_to_patch as _wrapped_fns_to_patch
from ._wrapping import _wrapped_methods_to_patch as _wrapped_methods_to_patch
from ._wrapping import wrap as wrap
from .graph import Graph
from .graph_module import GraphModule
from .node import Argument
from .proxy import ParameterProxy, TracerBase

HAS_VARSTUFF = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS
_orig_module_call = nn.Module.__call__
_orig_module_getattr = nn.Module.__getattr__
ScriptObject = torch.ScriptObject
_proxyable_classes: dict[type, None] = {}
_tracing: list[None] = []


def is_fx_tracing() -> bool:
    """Whether a trace is being made."""
    return bool(_tracing)


def is_fx_symbolic_tracing() -> bool:
    """Whether a trace is being made, and not by a compiler."""
    return bool(_tracing) and not torch.compiler.is_compiling()


class ProxyableClassMeta(type):
    """Makes a class whose construction from traced values is a step of the graph."""

    def __init__(cls, name: str, bases: tuple[type, ...], attrs: dict[str, Any]) -> None:
        _proxyable_classes.setdefault(cls)
        super().__init__(name, bases, attrs)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = cls.__new__(cls)  # type: ignore[call-overload]
        if not is_fx_tracing():
            cls.__init__(made, *args, **kwargs)
            return made
        found = _find_proxy(args, kwargs)
        if found is not None:
            return found.tracer.create_proxy("call_function", cls, args, kwargs)
        cls.__init__(made, *args, **kwargs)
        return made


class Tracer(TracerBase):
    """Makes a graph of a module or a function by running it on proxies.

    Modules of torch.nn but Sequential stay calls; override `is_leaf_module` for another choice.
    `autowrap_modules` are modules whose functions become calls where a proxy is given to them,
    `autowrap_functions` single such functions. With `param_shapes_constant` the shapes of
    parameters are numbers rather than steps of the graph.
    """

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        super().__init__()
        self._autowrap_function_ids = {
            id(value)
            for module in autowrap_modules
            for name, value in vars(module).items()
            if not name.startswith("_") and callable(value)
        }
        self._autowrap_function_ids.update(map(id, autowrap_functions))
        self._autowrap_search = list(autowrap_modules)
        self.param_shapes_constant = param_shapes_constant
        self.submodule_paths: dict[nn.Module, str] | None = None
        self.root_module_name = ""
        self.scope = Scope("", None)
        self.module_stack: OrderedDict[str, Any] = OrderedDict()
        self.num_calls: dict[str, int] = {}
        self.node_name_to_scope: dict[str, tuple[str, type]] = {}
        self._fresh: dict[str, int] = {}

    # -- values ---------------------------------------------------------------------------
    def get_fresh_qualname(self, prefix: str) -> str:
        """A name of an attribute that the root does not have."""
        number = self._fresh.get(prefix, 0)
        while hasattr(self.root, f"{prefix}{number}"):
            number += 1
        self._fresh[prefix] = number + 1
        return f"{prefix}{number}"

    def create_arg(self, a: Any) -> Argument:
        """A value as an argument: what belongs to the root, and constants, are read from it."""
        if isinstance(a, nn.Parameter):
            for name, parameter in self.root.named_parameters():
                if a is parameter:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, torch.Tensor):
            for name, buffer in self.root.named_buffers():
                if a is buffer:
                    return self.create_node("get_attr", name, (), {})
            return self._constant(a, "_tensor_constant")
        if isinstance(a, nn.Module):
            for name, module in self.root.named_modules():
                if a is module:
                    return self.create_node("get_attr", name, (), {})
        if isinstance(a, tuple) and hasattr(a, "_fields"):
            items = tuple(self.create_arg(x) for x in a)
            return self.create_node("call_function", type(a), items, {})
        if type(a) in _proxyable_classes:
            return self._constant(a, f"_{type(a).__name__}_constant_")
        return super().create_arg(a)

    def _constant(self, value, prefix):
        name = self.tensor_attrs.get(value)
        if name is None:
            name = self.get_fresh_qualname(prefix)
            self.tensor_attrs[value] = name
            setattr(self.root, name, value)
        return self.create_node("get_attr", name, (), {})

    # -- modules --------------------------------------------------------------------------
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether calls of a module stay calls, instead of being traced through."""
        home = in_pytorch(type(m).__module__)
        return home.startswith(("torch.nn", "torch.ao.nn")) and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: nn.Module) -> str:
        """The path from the root to a module; NameError where it is not in it."""
        if self.submodule_paths is not None:
            path = self.submodule_paths.get(mod)
            if path is None:
                raise NameError("module is not installed as a submodule")
            return path
        for name, module in self.root.named_modules():
            if module is mod:
                return name
        raise NameError("module is not installed as a submodule")

    def call_module(
        self,
        m: nn.Module,
        forward: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """What the call of a module does: `forward` for those traced through, else a node."""
        path = self.path_of_module(m)
        with ScopeContextManager(self.scope, Scope(path, type(m))) as scope:
            calls = self.num_calls.get(path, 0)
            self.num_calls[path] = calls + 1
            key = f"{scope.module_path}@{calls}" if calls else scope.module_path
            self.module_stack[key] = (path, scope.module_type)
            try:
                if self.is_leaf_module(m, path):
                    return self.create_proxy("call_module", path, args, kwargs)
                return forward(*args, **kwargs)
            finally:
                self.module_stack.popitem()

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What reading an attribute of a module gives: proxies for parameters."""
        if isinstance(attr_val, nn.Parameter):
            found = self._named(attr_val, self.root.named_parameters(), parameter_proxy_cache)
            return attr_val if found is None else found
        if self.proxy_buffer_attributes and isinstance(attr_val, torch.Tensor):
            found = self._named(attr_val, self.root.named_buffers(), parameter_proxy_cache)
            return attr_val if found is None else found
        return attr_val

    def _named(self, value, named, cache):
        name = next((n for n, v in named if v is value), None)
        if name is None:
            return None
        if name not in cache:
            extra = {}
            if self.param_shapes_constant and isinstance(value, nn.Parameter):
                extra["proxy_factory_fn"] = lambda node: ParameterProxy(self, node, name, value)
            cache[name] = self.create_proxy("get_attr", name, (), {}, **extra)
        return cache[name]

    # -- arguments ------------------------------------------------------------------------
    def create_args_for_root(
        self,
        root_fn: Callable[..., Any],
        is_module: bool,
        concrete_args: dict[str, Any] | tuple[Any, ...] | None = None,
    ) -> tuple[Any, list[Any]]:
        """The function to run, and a placeholder for each of its arguments."""
        analysed = inspect.unwrap(root_fn)
        code: CodeType = analysed.__code__
        names = list(code.co_varnames)
        total = code.co_argcount + code.co_kwonlyargcount
        skip = 1 if is_module else 0
        if is_module and total == 0:
            raise RuntimeError("``self`` argument cannot be part of *args expansion!")
        args: list[Any] = [self.root] if is_module else []
        signature = inspect.signature(analysed)
        if isinstance(concrete_args, tuple):
            if len(names[skip:total]) != len(concrete_args):
                raise RuntimeError(
                    f"Tracing expected {len(names[skip:total])} arguments but got "
                    f"{len(concrete_args)} concrete arguments"
                )
            concrete_args = dict(zip(names[skip:total], concrete_args, strict=True))
        for name in names[skip:total]:
            args.append(self._proxy_placeholder(name, concrete_args, signature, analysed))
        varied = bool(code.co_kwonlyargcount or code.co_flags & HAS_VARSTUFF)
        if varied:
            at = total
            for flag, stars in ((inspect.CO_VARARGS, "*"), (inspect.CO_VARKEYWORDS, "**")):
                if code.co_flags & flag:
                    starred = stars + names[at]
                    at += 1
                    args.append(self._proxy_placeholder(starred, None, signature, analysed))
            root_fn = _patch_function(analysed, len(args))
        names = ["self", *names[1:total]] if is_module else names[:total]
        return by_leaves(self.graph, root_fn, args, names, concrete_args)

    def _proxy_placeholder(
        self,
        name: str,
        concrete_args: dict[str, Any] | None,
        sig: inspect.Signature,
        fn_for_analysis: Callable[..., Any],
    ) -> Any:
        if concrete_args is not None and name in concrete_args:
            return placeholders_of(self, name, concrete_args[name], sig)
        default: tuple = ()
        if not name.startswith("*"):
            value = sig.parameters[name].default
            default = () if value is inspect.Parameter.empty else (value,)
        kind = _annotations(fn_for_analysis).get(name)
        return self.create_proxy("placeholder", name, default, {}, type_expr=kind)

    # -- the trace ------------------------------------------------------------------------
    def trace(
        self,
        root: nn.Module | Callable[..., Any],
        concrete_args: dict[str, Any] | None = None,
    ) -> Graph:
        """The graph of a module or function; `concrete_args` are arguments with fixed values."""
        _tracing.append(None)
        try:
            return self._trace(root, concrete_args)
        finally:
            _tracing.pop()
            self.submodule_paths = None

    def _trace(self, root, concrete_args):
        if isinstance(root, nn.Module):
            if not hasattr(type(root), self.traced_func_name):
                kind = type(root).__name__
                raise AssertionError(
                    f"traced_func_name={self.traced_func_name} doesn't exist in {kind}"
                )
            fn = getattr(type(root), self.traced_func_name)
            self.root, self.root_module_name = root, root._get_name()
            self.submodule_paths = {mod: name for name, mod in root.named_modules()}
        else:
            self.root, fn = nn.Module(), root
        extras = self.__dict__.get("_tracer_extras")
        self.graph = Graph(tracer_cls=getattr(self, "__class__", None), tracer_extras=extras)
        if isinstance(fn, FunctionType):
            self.graph._co_fields = {
                "co_name": fn.__code__.co_name,
                "co_filename": fn.__code__.co_filename,
                "co_firstlineno": fn.__code__.co_firstlineno,
            }
        self.tensor_attrs = _tensor_attributes(self.root)
        if not isinstance(fn, FunctionType):
            raise AssertionError(f"Expected FunctionType, got {type(fn)}")
        globals_ = fn.__globals__
        returned = _annotations(fn).get("return")
        fn, args = self.create_args_for_root(fn, isinstance(root, nn.Module), concrete_args)
        with _patching._new_patcher() as patcher:
            self._patch_modules(patcher)
            _patch_wrapped_functions(patcher)
            _autowrap_check(patcher, globals_, self._autowrap_function_ids)
            for module in self._autowrap_search:
                _autowrap_check(patcher, vars(module), self._autowrap_function_ids)
            result = fn(*args)
            self.create_node("output", "output", (self.create_arg(result),), {}, type_expr=returned)
        return self.graph

    def _patch_modules(self, patcher):
        """Let the calls and parameters of modules go through this tracer."""
        plain_call, plain_getattr = _orig_module_call, _orig_module_getattr
        proxies: dict[str, Any] = {}

        def read(module, name):
            return self.getattr(name, plain_getattr(module, name), proxies)

        def call(module, *args, **kwargs):
            def forward(*args, **kwargs):
                return plain_call(module, *args, **kwargs)

            own = getattr(getattr(module, "forward", module), "__globals__", {})
            _autowrap_check(patcher, own, self._autowrap_function_ids)
            return self.call_module(module, forward, args, kwargs)

        patcher.patch_method(nn.Module, "__getattr__", read, deduplicate=False)
        patcher.patch_method(nn.Module, "__call__", call, deduplicate=False)

    def __deepcopy__(self, memo: dict) -> Tracer:
        import copy

        copied = Tracer.__new__(type(self))
        for name, value in self.__dict__.items():
            shared = name == "_autowrap_search"
            copied.__dict__[name] = list(value) if shared else copy.deepcopy(value, memo)
        return copied


def _annotations(function):
    """The annotations of a function; ours are kept as text, and read here."""
    found = dict(getattr(function, "__annotations__", {}))
    if in_pytorch(getattr(function, "__module__", None) or "") == function.__module__:
        return found
    names = {"Tensor": torch.Tensor, "torch": torch}
    for name, kind in found.items():
        if isinstance(kind, str):
            try:
                found[name] = eval(kind, {**names, **function.__globals__})
            except Exception:  # it names what is imported for the checker only
                found[name] = None
    return found


def _tensor_attributes(root):
    """The plain tensors among the attributes of modules, and where they are."""
    found: dict[Any, str] = {}
    for path, module in root.named_modules():
        for name, value in module.__dict__.items():
            if isinstance(value, torch.Tensor):
                found[value] = f"{path}.{name}" if path else name
    return found


def _patch_function(fn: FunctionType, nargs: int) -> FunctionType:
    """The function with *args and **kwargs as common arguments."""
    code = fn.__code__
    code = code.replace(
        co_argcount=nargs,
        co_posonlyargcount=0,
        co_kwonlyargcount=0,
        co_flags=code.co_flags & ~HAS_VARSTUFF,
    )
    return FunctionType(code, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__)


def symbolic_trace(
    root: nn.Module | Callable[..., Any], concrete_args: dict[str, Any] | None = None
) -> GraphModule:
    """A GraphModule that does what the module or function does, made by tracing it.

    `concrete_args` are arguments with fixed values: control flow may depend on them.
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
