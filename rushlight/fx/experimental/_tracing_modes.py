"""The mode that writes a graph of PyTorch's operators while a program runs."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import rushlight as torch

from ...utils._python_dispatch import (
    TorchDispatchMode,
    _disable_current_modes,
    _get_current_dispatch_mode_stack,
)
from ...utils._pytree import tree_map
from .._symbolic_trace import Tracer
from ..node import Node
from ..passes.shape_prop import _extract_tensor_metadata
from ..proxy import Proxy

Tensor = torch.Tensor
_READS = ("_local_scalar_dense", "item")


class PythonKeyTracer(Tracer):
    """A tracer of operators: it looks into every module, and knows the proxy of every tensor."""

    def __init__(self) -> None:
        super().__init__(autowrap_modules=())
        self.tracked: dict[int, tuple[Tensor, Proxy]] = {}
        # Transforms make further objects of a tensor, which show the same memory in the same way.
        self.places: dict[Any, tuple[Tensor, Proxy]] = {}

    def call_module(
        self, m: torch.nn.Module, forward: Callable[..., Any], args: tuple, kwargs: dict
    ) -> Any:
        """The call, looked into."""
        return forward(*args, **kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Proxy]) -> Any:
        """The attribute as it is."""
        return attr_val

    def create_arg(self, a: Any) -> Any:
        """A value as an argument; tensors that come from outside are kept by the root."""
        if isinstance(a, Tensor):
            proxy = self.proxy_of(a)
            if proxy is not None:
                return proxy.node
            kind = "_param_constant" if isinstance(a, torch.nn.Parameter) else "_tensor_constant"
            known = next((n for n, v in self.constants.items() if v is a), None)
            if known is None:
                known = self.get_fresh_qualname(kind)
                self.constants[known] = a
                setattr(self.root, known, a)
            made = self.create_node("get_attr", known, (), {})
            _describe(made, a)
            self.tracked[id(a)] = (a, Proxy(made, self))
            return made
        return super().create_arg(a)

    @property
    def constants(self) -> dict[str, Tensor]:
        """Tensors from outside by the names under which the root keeps them."""
        return self.__dict__.setdefault("_constants", {})

    def track(self, tensor: Tensor, proxy: Proxy) -> None:
        """Note which proxy stands for a tensor."""
        self.tracked[id(tensor)] = (tensor, proxy)
        self.places[_place(tensor)] = (tensor, proxy)
        _describe(proxy.node, tensor)

    def proxy_of(self, tensor: Tensor) -> Proxy | None:
        """The proxy that stands for a tensor."""
        found = self.tracked.get(id(tensor)) or self.places.get(_place(tensor))
        return found[1] if found is not None else None

    def unwrap_proxy(self, e: Any) -> Any:
        """The proxy of a tensor; other values as they are."""
        found = self.proxy_of(e) if isinstance(e, Tensor) else None
        return e if found is None else found


def _place(tensor: Tensor) -> Any:
    if tensor.layout is not torch.strided or type(tensor) not in (Tensor, torch.nn.Parameter):
        return id(tensor)
    shown = tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.dtype
    return (tensor.untyped_storage()._cdata, *shown)


def _describe(node: Node, value: Any) -> None:
    """Note what a node's value is like."""

    def like(v):
        return (
            _fake_mode().from_tensor(v.detach()) if isinstance(v, Tensor) and not _is_fake(v) else v
        )

    with _disable_current_modes(), torch.no_grad():
        node.meta["val"] = tree_map(like, value)
        if isinstance(value, Tensor) and not value.is_sparse:
            node.meta["tensor_meta"] = _extract_tensor_metadata(value)


@cache
def _fake_mode():
    from ..._subclasses.fake_tensor import FakeTensorMode

    return FakeTensorMode()


def _is_fake(tensor):
    return type(tensor).__name__ == "FakeTensor"


class ProxyTorchDispatchMode(TorchDispatchMode):
    """While entered, every operator that runs becomes a node of the tracer's graph.

    `decomposition_table` has functions to run, and to trace, in place of operators.
    """

    def __init__(
        self,
        tracer: PythonKeyTracer,
        tracing_mode: str = "real",
        pre_dispatch: bool = False,
        _allow_fake_constant: bool = False,
        _error_on_data_dependent_ops: bool = True,
        decomposition_table: Mapping[Any, Callable[..., Any]] | None = None,
    ) -> None:
        super().__init__()
        self.tracer, self.tracing_mode, self.pre_dispatch = tracer, tracing_mode, pre_dispatch
        self.decomposition_table = decomposition_table or {}
        self._error_on_data_dependent_ops = _error_on_data_dependent_ops
        self.enable_tracing = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if not self.enable_tracing:
            return func(*args, **kwargs)
        instead = self.decomposition_table.get(func)
        if instead is not None:
            with self:
                out = instead(*args, **kwargs)
            if out is not NotImplemented:
                return out
        self._refuse_to_read(func, args)
        out = func(*args, **kwargs)
        node_args = self.tracer.create_arg(args), self.tracer.create_arg(kwargs)
        name = func.overloadpacket.__name__ if hasattr(func, "overloadpacket") else None
        node = self.tracer.create_node("call_function", func, *node_args, name=name)
        self._track(out, Proxy(node, self.tracer))
        return out

    def _refuse_to_read(self, func, args):
        """A value that depends on an input must not decide what the program does."""
        name = getattr(func, "_name", "")
        read = name in _READS and self.tracer.proxy_of(args[0]) is not None
        if read and self._error_on_data_dependent_ops:
            raise RuntimeError(
                "It appears that you're trying to get value out of a tracing tensor with "
                f"{func} - erroring out! It's likely that this is caused by data-dependent "
                "control flow or similar.  It may be possible to trace this with dynamic shapes; "
                "try setting tracing_mode='symbolic' in your make_fx call."
            )

    def _track(self, out, proxy):
        if isinstance(out, Tensor):
            self.tracer.track(out, proxy)
        elif isinstance(out, (list, tuple)):
            _describe(proxy.node, out)
            for i, part in enumerate(out):
                if isinstance(part, (Tensor, list, tuple)):
                    got = self.tracer.create_proxy(
                        "call_function", operator.getitem, (proxy, i), {}
                    )
                    self._track(part, got)


def get_proxy_mode() -> ProxyTorchDispatchMode | None:
    """The innermost mode that is tracing."""
    found = [m for m in _get_current_dispatch_mode_stack() if isinstance(m, ProxyTorchDispatchMode)]
    return found[-1] if found else None


get_innermost_proxy_mode = get_proxy_mode


@contextmanager
def disable_proxy_modes_tracing() -> Iterator[ProxyTorchDispatchMode | None]:
    """Within the block nothing is traced."""
    mode = get_proxy_mode()
    if mode is None:
        yield None
        return
    before, mode.enable_tracing = mode.enable_tracing, False
    try:
        yield mode
    finally:
        mode.enable_tracing = before


@contextmanager
def decompose(table: Mapping[Any, Callable[..., Any]] | None) -> Iterator[Mapping]:
    """Within the block operators in the table are traced as the functions there."""
    mode = get_proxy_mode()
    table = dict(table or {})
    if mode is None:
        yield table
        return
    before, mode.decomposition_table = mode.decomposition_table, table
    try:
        yield table
    finally:
        mode.decomposition_table = before
