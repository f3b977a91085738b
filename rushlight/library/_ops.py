"""Operators that users define: their kernels, their gradients, and `torch.ops` to find them by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as torch

from .. import Tensor
from ..autograd import Function
from ..jit._function_schema import FunctionSchema
from ..utils._pytree import tree_flatten, tree_unflatten
from ._schema import bind

registry: dict[str, Operator] = {}  # "ns::name": the operator


class Operator:
    """One operator: `torch.ops.<ns>.<name>`, and its only overload, `default`."""

    def __init__(self, schema: FunctionSchema):
        self._schema = schema
        self._namespace, _, self._opname = schema.name.partition("::")
        self._qualified_op_name = schema.name
        self.__name__ = self._opname
        self.kernels: dict[str, Callable] = {}  # by device type; "" for every device
        self.whole: Callable | None = None  # a composite: it brings its own gradient
        self.fake: Callable | None = None
        self.setup_context: Callable | None = None
        self.backward: Callable | None = None
        self.vmap: Callable | None = None
        self.autocast: dict[str, Any] = {}
        self._function: type | None = None

    @property
    def default(self) -> Operator:
        """The overload without a name of its own."""
        return self

    def name(self) -> str:
        """The name with its namespace."""
        return self._schema.name

    def overloads(self) -> list[str]:
        """The names of the overloads."""
        return ["default"]

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
        """Call the kernel of the device on values that are bound already."""
        device = _device_of(values)
        kernel = self.kernels.get(device) or self.kernels.get("")
        if kernel is None:
            raise NotImplementedError(
                f"Could not run '{self.name()}' with arguments from the '{device.upper()}' "
                f"backend: it has kernels for {sorted(self.kernels) or 'no device'}"
            )
        parameters = self._schema.arguments
        count = sum(not p.kwarg_only for p in parameters)
        named = {p.name: v for p, v in zip(parameters[count:], values[count:], strict=True)}
        result = kernel(*values[:count], **named)
        self._check_aliases(values, result)
        return result

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

    def __getattr__(self, attribute: str) -> Operator:
        found = registry.get(f"{self.name}::{attribute}")
        if found is None:
            raise AttributeError(
                f"'_OpNamespace' '{self.name}' object has no attribute '{attribute}'"
            )
        return found

    def __dir__(self):
        return [key.partition("::")[2] for key in registry if key.startswith(self.name + "::")]

    def __repr__(self) -> str:
        return f"<module 'torch.ops.{self.name}' from 'torch.ops'>"
