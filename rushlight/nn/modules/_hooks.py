"""Hooks around a module call: their registries, removal handles and the backward gate."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import rushlight as torch
from rushlight import Tensor
from rushlight.autograd import Function

from ...utils.hooks import RemovableHandle

# Registries of hooks that apply to all modules. They are never rebound, so that a module call
# can test them as plain globals.
forward_pre = OrderedDict()
forward_hooks = OrderedDict()
forward_always_called = OrderedDict()
forward_with_kwargs = OrderedDict()
backward_pre = OrderedDict()
backward_hooks = OrderedDict()
buffer_registration = OrderedDict()
module_registration = OrderedDict()
parameter_registration = OrderedDict()
full_backward = None


def _add(registry, hook, extra=()):
    handle = RemovableHandle(registry, extra_dict=list(extra))
    registry[handle.id] = hook
    return handle


def register_module_buffer_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, buffer)` whenever any module registers a buffer."""
    return _add(buffer_registration, hook)


def register_module_module_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, submodule)` whenever any module registers a child."""
    return _add(module_registration, hook)


def register_module_parameter_registration_hook(hook) -> RemovableHandle:
    """Call `hook(module, name, param)` whenever any module registers a parameter."""
    return _add(parameter_registration, hook)


def register_module_forward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module."""
    return _add(forward_pre, hook)


def register_module_forward_hook(
    hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module."""
    handle = _add(forward_hooks, hook, (forward_with_kwargs, forward_always_called))
    if with_kwargs:
        forward_with_kwargs[handle.id] = True
    if always_call:
        forward_always_called[handle.id] = True
    return handle


def _claim_full(wanted):
    global full_backward
    if full_backward is (not wanted):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a global Module "
            "hook. Please use only one of them."
        )
    full_backward = wanted


def register_module_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` of the last operation of every module."""
    _claim_full(False)
    return _add(backward_hooks, hook)


def register_module_full_backward_pre_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _add(backward_pre, hook)


def register_module_full_backward_hook(hook) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after the backward of every module."""
    _claim_full(True)
    return _add(backward_hooks, hook)


class BackwardHookFunction(Function):
    """The identity, which hands the gradients that pass back to the `visit` of its node."""

    @staticmethod
    def forward(ctx, *tensors):
        ctx.set_materialize_grads(False)
        ctx.kinds = [(not t.requires_grad, t.shape, t.dtype, t.device) for t in tensors]
        passed = tuple(t.view_as(t) for t in tensors)
        ctx.mark_non_differentiable(
            *(p for p, t in zip(passed, tensors, strict=True) if not t.requires_grad)
        )
        return passed

    @staticmethod
    def backward(ctx, *grads):
        # PyTorch's hooks see zeros, not None, for an input that asked for no gradient.
        grads = [
            torch.zeros(shape, dtype=dtype, device=device) if idle else grad
            for grad, (idle, shape, dtype, device) in zip(grads, ctx.kinds, strict=True)
        ]
        return tuple(ctx.visit(grads))


class BackwardHook:
    """Runs the full backward hooks of one module call.

    The inputs and the outputs each pass through an identity of ours; the gradients of the outputs
    arrive first (pre-hooks run), those of the inputs last (hooks run).
    """

    def __init__(self, module, hooks, pre_hooks):
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs = None
        self.n_inputs, self.input_places = -1, None
        self.n_outputs, self.output_places = -1, None

    def setup_input_hook(self, args):
        args, places, _ = self._gate(args, self._visit_inputs)
        self.n_inputs, self.input_places = len(args), places
        return args

    def setup_output_hook(self, result):
        single = not isinstance(result, tuple)
        if single and not isinstance(result, Tensor):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=5,
            )
            return result
        items = (result,) if single else result
        gated, places, count = self._gate(items, self._visit_outputs)
        self.n_outputs, self.output_places = len(items), places
        if not count:
            return result
        if single:
            return gated[0]
        return type(result)(*gated) if hasattr(result, "_fields") else gated

    @staticmethod
    def _gate(items, visit):
        places = [i for i, item in enumerate(items) if isinstance(item, Tensor)]
        if not any(items[i].requires_grad for i in places):
            return items, None, 0
        passed = BackwardHookFunction.apply(*(items[i] for i in places))
        node = next(t.grad_fn for t in passed if t.requires_grad)
        node.visit = visit
        items = list(items)
        for i, tensor in zip(places, passed, strict=True):
            items[i] = tensor
        return tuple(items), places, len(places)

    @staticmethod
    def _spread(grads, places, count):
        """Gradients at the positions of their tensors, None elsewhere."""
        full = [None] * count
        for i, grad in zip(places, grads, strict=True):
            full[i] = grad
        return tuple(full)

    def _visit_outputs(self, grads):
        full = self._spread(grads, self.output_places, self.n_outputs)
        for hook in self.pre_hooks:
            out = hook(self.module, full)
            if out is not None:
                full = self._checked(out, len(full), "Backward pre hook", "grad_output")
        self.grad_outputs = full
        if self.input_places is None:
            if self.hooks:
                warnings.warn(
                    "Full backward hook is firing when gradients are computed with respect to "
                    "module outputs since no inputs require gradients.",
                    stacklevel=2,
                )
            none = (None,) * max(self.n_inputs, 0)
            for hook in self.hooks:
                out = hook(self.module, none, full)
                if out is not None and any(g is not None for g in _as_tuple(out)):
                    raise RuntimeError(
                        "Backward hook for Modules where no input requires gradient should "
                        "always return None or None for all gradients."
                    )
            self.grad_outputs = None
        return [full[i] for i in self.output_places]

    def _visit_inputs(self, grads):
        full = self._spread(grads, self.input_places, self.n_inputs)
        if self.grad_outputs is None:  # the gradient came by another way than the outputs
            return grads
        for hook in self.hooks:
            out = hook(self.module, full, self.grad_outputs)
            if out is not None:
                full = self._checked(out, len(full), "Backward hook", "grad_input")
        self.grad_outputs = None
        return [full[i] for i in self.input_places]

    @staticmethod
    def _checked(out, count, who, what):
        out = _as_tuple(out)
        if len(out) != count:
            raise RuntimeError(
                f"{who} returned an invalid number of {what}, got {len(out)}, but expected {count}"
            )
        return out


def _as_tuple(value):
    return value if isinstance(value, tuple) else (value,)
