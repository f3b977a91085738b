"""Operators that users define: their kernels, their gradients, and `torch.ops` to find them by."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import rushlight as torch

from .. import Tensor
from .._aten.calls import without_defaults
from .._aten.handlers import call_handlers, handled
from ..autograd import Function
from ..jit._function_schema import FunctionSchema
from ..utils._pytree import tree_flatten, tree_unflatten
from ._schema import bind

faking: ContextVar[Operator | None] = ContextVar("faking", default=None)
registry: dict[str, Operator] = {}  # "ns::name": the operator


class Packet:
    """`torch.ops.<ns>.<name>`: an operator by its name alone, with its only overload."""

    def __init__(self, operator: Operator):
        self.default = operator
        self.__name__ = operator._opname
        self._qualified_op_name = operator.name()

    def __call__(self, *args, **kwargs):
        return self.default(*args, **kwargs)

    def overloads(self) -> list[str]:
        """The names of the overloads."""
        return ["default"]

    def __str__(self) -> str:
        return self._qualified_op_name.replace("::", ".")

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self}')>"

    def __reduce__(self):
        return getattr, (self.default, "overloadpacket")

    def __deepcopy__(self, memo):
        return self


class Operator:
    """The overload `torch.ops.<ns>.<name>.default` of an operator."""

    def __init__(self, schema: FunctionSchema):
        self._schema = schema
        self._namespace, _, self._opname = schema.name.partition("::")
        self._qualified_op_name = schema.name
        self.__name__ = f"{self._opname}.default"
        self.overloadpacket = self._overloadpacket = Packet(self)
        self.__module__ = f"torch._ops.{self._namespace}"
        self.__qualname__ = self.__name__
        self.kernels: dict[str, Callable] = {}  # by device type; "" for every device
        self.whole: Callable | None = None  # a composite: it brings its own gradient
        self.fake: Callable | None = None
        self.setup_context: Callable | None = None
        self.backward: Callable | None = None
        self.vmap: Callable | None = None
        self.autocast: dict[str, Any] = {}
        self.needs_fake = ""  # of `custom_op`: the function, which runs on real elements only
        self.disabled: set[str] = set()  # device types whose own kernels are not to run
        self._function: type | None = None

    def name(self) -> str:
        """The name with its namespace."""
        return self._schema.name

    def __reduce__(self):
        return _registered, (self.name(),)

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self._namespace}.{self._opname}', overload='default')>"

    def __str__(self) -> str:
        return f"{self._namespace}.{self._opname}.default"

    def __call__(self, *args, **kwargs):
        values = bind(self._schema, args, kwargs)
        values = self._cast(values)
        if self.whole is not None:
            return self.whole(*args, **kwargs)
        if self._schema.is_mutable:
            return self._run_mutating(values)
        if self._function is None:
            self._function = _function_of(self)
        leaves, spec = tree_flatten(values)
        return self._function.apply(spec, *leaves)  # type: ignore[attr-defined]

    def call_in_order(self, *values):
        """The call from a graph, where keywords have their places too."""
        names = [a.name for a in self._schema.arguments if a.kwarg_only]
        count = len(self._schema.arguments) - len(names)
        return self(*values[:count], **dict(zip(names, values[count:], strict=False)))

    def _cast(self, values: list) -> list:
        device = _device_of(values)
        dtype = self.autocast.get(device)
        if dtype is None or not torch.is_autocast_enabled(device):
            return values
        from ..amp.autocast_mode import _cast_inputs

        return _cast_inputs(values, dtype)

    def run(self, values: list):
        """Below the tape: ask who handles calls there, or run the kernel of the device."""
        count = sum(not p.kwarg_only for p in self._schema.arguments)
        names = [p.name for p in self._schema.arguments[count:]]
        named = dict(zip(names, values[count:], strict=True))
        if handled(tuple(values[:count]), named, recorded=False):
            given = without_defaults(self._schema, values[:count])
            return call_handlers(self, tuple(given), named)
        result = self._kernel(_device_of(values))(*values[:count], **named)
        self._check_aliases(values, result)
        return result

    def _kernel(self, device: str) -> Callable:
        if device not in self.disabled and device in self.kernels:
            return self.kernels[device]
        if device == "meta":
            if self.fake is not None:
                return self._run_fake
            if self.needs_fake and self._schema.is_mutable and not self._schema.returns:
                return lambda *args, **kwargs: None
            if self.needs_fake:
                raise RuntimeError(
                    f"There was no fake impl registered for <CustomOpDef({self.name()})>. This is "
                    "necessary for torch.compile/export/fx tracing to work. Please use "
                    f"`{self.needs_fake}.register_fake` to add an fake impl."
                )
        if "" in self.kernels:
            return self.kernels[""]
        raise NotImplementedError(
            f"Could not run '{self.name()}' with arguments from the '{device.upper()}' "
            f"backend: it has kernels for {sorted(self.kernels) or 'no device'}"
        )

    def _run_fake(self, *args, **kwargs):
        assert self.fake is not None
        outer = faking.set(self)
        try:
            return self.fake(*args, **kwargs)
        finally:
            faking.reset(outer)

    def _run_mutating(self, values: list):
        with torch.no_grad():
            result = self.run(values)
        for parameter, value in zip(self._schema.arguments, values, strict=True):
            if parameter.is_write:
                for tensor in _tensors(value):
                    torch.autograd.graph.increment_version(tensor)
        return result

    def _check_aliases(self, values, result) -> None:
        # By the storage, not by its address: those of meta tensors are all 0.
        seen = {t.untyped_storage()._cdata for t in _tensors(values) if t.numel()}
        for tensor in _tensors(result):
            if tensor.numel() and tensor.untyped_storage()._cdata in seen:
                raise RuntimeError(
                    f"{self._opname}: The output of this custom operator (1) must not also be an "
                    "input to this custom operator and (2) may not alias any inputs to this custom "
                    "operator or other returns. The most common way to trigger this error is if we "
                    "have y = custom_op(x) and y and x are the same Tensor. Please instead return "
                    "a clone of the offending output tensor(s) (e.g. return x.clone()) or refactor "
                    "the custom operator to not return y."
                )
            if tensor.numel():
                seen.add(tensor.untyped_storage()._cdata)


def _registered(name: str) -> Operator:
    return registry[name]


def _tensors(value) -> list[Tensor]:
    return [leaf for leaf in tree_flatten(value)[0] if isinstance(leaf, Tensor)]


def _device_of(values) -> str:
    for tensor in _tensors(values):
        return tensor.device.type
    return "cpu"


def _function_of(operator: Operator) -> type:
    """The autograd.Function that runs an operator: lists come apart, one gradient for each."""

    def forward(spec, *leaves):
        return operator.run(tree_unflatten(leaves, spec))

    def setup_context(ctx, inputs, output):
        spec, leaves = inputs[0], inputs[1:]
        ctx._spec = spec
        if operator.setup_context is None:
            return
        values = tree_unflatten(leaves, spec)
        parameters = operator._schema.arguments
        count = sum(not p.kwarg_only for p in parameters)
        if count < len(parameters):
            names = [p.name for p in parameters[count:]]
            keyword_only = dict(zip(names, values[count:], strict=True))
            operator.setup_context(ctx, tuple(values[:count]), keyword_only, output)
        else:
            operator.setup_context(ctx, tuple(values), output)

    def backward(ctx, *grads):
        if operator.backward is None:
            raise RuntimeError(
                f"Trying to backward through {operator} but no autograd formula was registered. "
                "Please use register_autograd to add one."
            )
        return None, *_spread(operator.backward(ctx, *grads), ctx._spec)

    def vmap(info, in_dims, spec, *leaves):
        values, dims = tree_unflatten(leaves, spec), tree_unflatten(in_dims[1:], spec)
        if operator.vmap is not None:
            return operator.vmap(info, tuple(dims), *values)
        return _lane_by_lane(operator, info.batch_size, leaves, in_dims[1:], spec)

    members = {f.__name__: staticmethod(f) for f in (forward, setup_context, backward, vmap)}
    name = f"GeneratedBackwardFor_{operator._namespace}_{operator._opname}_default"
    return type(name, (Function,), members)


def _spread(gradients, spec) -> list:
    """A gradient for every leaf of the arguments; a list's may be None for all of them."""
    given = list(gradients) if isinstance(gradients, (tuple, list)) else [gradients]
    spread: list = []
    children = spec.children()
    given += [None] * (len(children) - len(given))
    for gradient, child in zip(given, children, strict=True):
        if isinstance(gradient, (tuple, list)):
            spread += gradient
        else:
            spread += [gradient] * child.num_leaves
    return spread


def _lane_by_lane(operator, size: int, leaves, dims, spec):
    lanes = []
    for i in range(size):
        one = [v if d is None else v.select(d, i) for v, d in zip(leaves, dims, strict=True)]
        lanes.append(tree_flatten(operator(*tree_unflatten(one, spec))))
    joined = [torch.stack(parts) for parts in zip(*(lane[0] for lane in lanes), strict=True)]
    return (
        tree_unflatten(joined, lanes[0][1]),
        tree_unflatten([0] * len(joined), lanes[0][1]),
    )


# -- torch.ops -------------------------------------------------------------------------------


class Namespace:
    """`torch.ops.<name>`: the operators that were defined in it."""

    def __init__(self, name: str):
        self.name = self.__name__ = name

    def __getattr__(self, attribute: str) -> Packet:
        found = registry.get(f"{self.name}::{attribute}")
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self.name}' object has no attribute '{attribute}'"
            )
        return found.overloadpacket

    def __dir__(self):
        return [key.partition("::")[2] for key in registry if key.startswith(self.name + "::")]

    def __repr__(self) -> str:
        return f"<module 'torch.ops.{self.name}' from 'torch.ops'>"
