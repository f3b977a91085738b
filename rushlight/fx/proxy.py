"""Values that note what is done to them: tracing makes the nodes of a graph out of that."""

from __future__ import annotations

import dis
import operator
import sys
from collections.abc import Iterator
from typing import Any

import rushlight as torch

from . import _names
from ._codegen import magic_methods, reflectable_magic_methods
from ._scope import Scope as Scope
from ._scope import ScopeContextManager as ScopeContextManager
from ._tracer_base import _COPY_META_FIELDS as _COPY_META_FIELDS
from ._tracer_base import GraphAppendingTracer, TracerBase, assert_fn
from ._tracer_base import TraceError as TraceError
from .node import Node, Target, map_aggregate
from .node import base_types as base_types

__all__ = [
    "TracerBase",
    "GraphAppendingTracer",
    "TraceError",
    "Proxy",
    "MetaProxy",
    "Attribute",
    "ParameterProxy",
    "Scope",
    "ScopeContextManager",
]


class Proxy:
    """Stands for the value of a node: an operation on it adds a node to the graph."""

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        if k in ("__deepcopy__", "__getstate__", "__setstate__", "__reduce_ex__"):
            raise AttributeError(k)
        return Attribute(self, k)

    def __getstate__(self) -> Any:
        return self.__dict__

    def __setstate__(self, state: Any) -> None:
        self.__dict__ = state

    def __deepcopy__(self, memo: dict) -> Proxy:
        import copy

        copied = object.__new__(type(self))
        copied.__dict__ = {
            k: v if isinstance(v, Node) or k == "tracer" else copy.deepcopy(v, memo)
            for k, v in self.__dict__.items()
        }
        return copied

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Proxy]:
        count = _unpacked_by(sys._getframe(1))
        if count is not None:
            return (self[i] for i in range(count))
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        if self.tracer.trace_asserts and _is_asserted(sys._getframe(1)):
            self.tracer.create_proxy("call_function", assert_fn, (self,), {})
            return True
        return self.tracer.to_bool(self)

    def keys(self) -> Any:
        """The keys: what is asked where the value is passed as `**value`."""
        return self.tracer.keys(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want "
            "this call to be recorded, please call torch.fx.wrap('len') at "
            "module scope"
        )

    @classmethod
    def __torch_function__(cls, orig_method, types, args=None, kwargs=None):
        args, kwargs = args or (), kwargs or {}
        tracers: dict[Any, None] = {}

        def find(a):
            if isinstance(a, Proxy):
                tracers[a.tracer] = None

        map_aggregate(args, find)
        map_aggregate(kwargs, find)
        if len(tracers) > 1:
            raise RuntimeError(
                f"Found multiple different tracers {list(tracers)} while trying to trace "
                f"operations {orig_method}"
            )
        (tracer,) = tracers
        if _names.is_method(orig_method):
            name = orig_method.__name__
            name = "pow" if name == "__pow__" else name
            return tracer.create_proxy("call_method", name, args, kwargs)
        args, kwargs = _names.as_traced(orig_method, tuple(args), dict(kwargs))
        name = tracer.graph._target_to_str(orig_method)
        return tracer.create_proxy("call_function", orig_method, args, kwargs, name=name)


class Attribute(Proxy):
    """An attribute of a value; it becomes a node only where it is not called."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node that reads the attribute; made when it is asked for."""
        if self._node is None:
            proxy = self.tracer.create_proxy("call_function", getattr, (self.root, self.attr), {})
            self._node = proxy.node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Stands for a parameter, whose shape is known."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        if not isinstance(param, torch.nn.Parameter):
            raise AssertionError(f"Expected torch.nn.Parameter, got {type(param)}")
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> torch.Size:
        """The shape of the parameter."""
        return self.param.shape

    def size(self, *args: Any) -> Any:
        """The sizes of the parameter, or one of them."""
        return self.param.size(*args)

    def dim(self) -> int:
        """The number of its dims."""
        return self.param.dim()

    @property
    def ndim(self) -> int:
        """The number of its dims."""
        return self.param.ndim

    def numel(self) -> int:
        """The number of its elements."""
        return self.param.numel()

    def nelement(self) -> int:
        """The number of its elements."""
        return self.param.nelement()


class MetaProxy(Proxy):
    """Carries a tensor without elements, from which shapes are taken, along with the node."""

    def __init__(self, node: Node, tracer: TracerBase | None = None, fake_mode: Any = None) -> None:
        super().__init__(node, tracer)
        self.fake_mode = fake_mode

    def __repr__(self) -> str:
        return f"MetaProxy({self.node.name})"

    @classmethod
    def __torch_function__(cls, orig_method, types, args=None, kwargs=None):
        args, kwargs = args or (), kwargs or {}
        proxies: list = []
        map_aggregate((args, kwargs), lambda a: proxies.append(a) if isinstance(a, cls) else None)
        if not proxies:
            raise AssertionError("Expected at least one MetaProxy in args")
        result = super().__torch_function__(orig_method, types, args, kwargs)
        made = cls(result.node, result.tracer, proxies[0].fake_mode)

        def example(a):
            return a.node.meta["val"] if isinstance(a, Proxy) else a

        values = map_aggregate(args, example), map_aggregate(kwargs, example)
        made.node.meta["val"] = orig_method(*values[0], **dict(values[1]))
        return made


def _unpacked_by(frame) -> int | None:
    """Into how many names the frame is unpacking a value just now; None where it is not."""
    code = frame.f_code
    for instruction in dis.get_instructions(code):
        if instruction.offset == frame.f_lasti:
            return instruction.argval if instruction.opname == "UNPACK_SEQUENCE" else None
    return None


def _is_asserted(frame) -> bool:
    """Whether the frame asks for the truth of a value in order to assert it."""
    found = list(dis.get_instructions(frame.f_code))
    at = next(i for i, x in enumerate(found) if x.offset == frame.f_lasti)
    while at < len(found) and found[at].opname in ("CACHE", "TO_BOOL", "COPY", "EXTENDED_ARG"):
        at += 1
    jumps = "POP_JUMP_IF_TRUE", "POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_IF_NOT_NONE"
    if at >= len(found) or found[at].opname not in jumps:
        return False
    following = found[at + 1].opname
    if following == "LOAD_ASSERTION_ERROR":
        return True
    if following in ("NOT_TAKEN", "CACHE"):
        following = found[at + 2].opname
    return following in ("LOAD_ASSERTION_ERROR", "LOAD_COMMON_CONSTANT")


def _magic(name: str):
    target = getattr(operator, "truediv" if name == "div" else name)

    def apply(*args: Any, **kwargs: Any) -> Proxy:
        return args[0].tracer.create_proxy("call_function", target, args, kwargs)

    apply.__name__ = f"__{name.strip('_')}__"
    return apply


# Methods by which a tensor on the left is asked first in PyTorch: it becomes a call of them.
_ASKED_FIRST = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "matmul": "matmul",
    "floordiv": "__floordiv__", "mod": "remainder", "and_": "__and__", "or_": "__or__",
    "xor": "__xor__", "lshift": "__lshift__", "rshift": "__rshift__",
}  # fmt: skip


def _reflected(name: str):
    target: Target = getattr(operator, "truediv" if name == "div" else name)

    def apply(self: Proxy, rhs: Any) -> Proxy:
        if isinstance(rhs, torch.Tensor) and name in _ASKED_FIRST:
            return self.tracer.create_proxy("call_method", _ASKED_FIRST[name], (rhs, self), {})
        return self.tracer.create_proxy("call_function", target, (rhs, self), {})

    apply.__name__ = f"__r{name.strip('_')}__"
    return apply


for _name in magic_methods:
    setattr(Proxy, f"__{_name.strip('_')}__", _magic(_name))
for _name in reflectable_magic_methods:
    if _name != "getitem":
        setattr(Proxy, f"__r{_name.strip('_')}__", _reflected(_name))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]
