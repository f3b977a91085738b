"""Calling a module: forward, and the hooks before, after and behind it."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import rushlight as torch
from rushlight import _C, Tensor

from ...utils.hooks import RemovableHandle
from . import _hooks
from ._hooks import BackwardHook, backward_hooks, backward_pre, forward_hooks, forward_pre

_EMPTY = OrderedDict()


class Calls:
    """The part of Module that calls and that registers hooks."""

    def __call__(self, *args, **kwargs):
        # The quick slot comes before this. A class has lost it if a program put its own __call__
        # on Module and took it away again.
        _C.quicken_module(type(self))
        if "_unhooked" in self.__dict__ and not (
            forward_hooks or forward_pre or backward_hooks or backward_pre
        ):
            return self.forward(*args, **kwargs)
        return self._call_impl(*args, **kwargs)

    def _wrapped_call_impl(self, *args, **kwargs):
        return self._call_impl(*args, **kwargs)

    def compile(self, *args, **kwargs) -> None:
        """Take the arguments of `torch.compile` for the calls of this module, in place."""
        self._compiled_call_impl = torch.compile(self._call_impl, *args, **kwargs)

    def _call_impl(self, *args, **kwargs):
        """Forward with whatever hooks there are."""
        if "_parameters" not in self.__dict__:  # Module.__init__() was not called
            raise AttributeError(
                f"'{type(self).__name__}' object has no attribute '_backward_hooks'"
            )
        always = self._registry("_forward_hooks_always_called") or _hooks.forward_always_called
        if not always:
            return self._call_with_hooks(args, kwargs, set())
        called = set()
        try:
            return self._call_with_hooks(args, kwargs, called)
        except Exception:
            self._run_always_called(args, kwargs, called)
            raise

    def _call_with_hooks(self, args, kwargs, called):
        args, kwargs = self._run_forward_pre_hooks(args, kwargs)
        gate = None
        full, legacy = self._get_backward_hooks()
        pre = self._get_backward_pre_hooks()
        if full or pre:
            gate = BackwardHook(self, full, pre)
            args = gate.setup_input_hook(args)
        result = self.forward(*args, **kwargs)
        result = self._run_forward_hooks(args, kwargs, result, called)
        if gate is not None:
            result = gate.setup_output_hook(result)
        if legacy:
            self._attach_legacy_hooks(legacy, args, result)
        return result

    def _registry(self, name):
        """A registry of hooks, empty if it was never made."""
        return self.__dict__.get(name, _EMPTY)

    def _run_forward_pre_hooks(self, args, kwargs):
        own = self._registry("_forward_pre_hooks")
        takes_kwargs = self._registry("_forward_pre_hooks_with_kwargs")
        for key, hook in (*forward_pre.items(), *own.items()):
            if key in takes_kwargs:
                out = hook(self, args, kwargs)
                if out is not None:
                    if not (isinstance(out, tuple) and len(out) == 2):
                        raise RuntimeError(
                            "forward pre-hook must return None or a tuple of (new_args, "
                            f"new_kwargs), but got {out}."
                        )
                    args, kwargs = out
            else:
                out = hook(self, args)
                if out is not None:
                    args = out if isinstance(out, tuple) else (out,)
        return args, kwargs

    def _run_forward_hooks(self, args, kwargs, result, called):
        own = (self._registry("_forward_hooks"), self._registry("_forward_hooks_with_kwargs"))
        for registry, takes_kwargs in ((forward_hooks, _hooks.forward_with_kwargs), own):
            for key, hook in list(registry.items()):
                called.add(key)
                if key in takes_kwargs:
                    out = hook(self, args, kwargs, result)
                else:
                    out = hook(self, args, result)
                if out is not None:
                    result = out
        return result

    def _run_always_called(self, args, kwargs, called):
        """After an error: the hooks that asked to run in any case and have not yet."""
        groups = (
            (forward_hooks, _hooks.forward_always_called, _hooks.forward_with_kwargs, "global "),
            (
                self._registry("_forward_hooks"),
                self._registry("_forward_hooks_always_called"),
                self._registry("_forward_hooks_with_kwargs"),
                "",
            ),
        )
        for registry, always, takes_kwargs, kind in groups:
            for key, hook in list(registry.items()):
                if key not in always or key in called:
                    continue
                try:
                    if key in takes_kwargs:
                        hook(self, args, kwargs, None)
                    else:
                        hook(self, args, None)
                except Exception as error:
                    warnings.warn(
                        f"{kind}module forward hook with ``always_call=True`` raised an "
                        f"exception that was silenced as another error was raised in forward: "
                        f"{error}",
                        stacklevel=2,
                    )

    def _get_backward_hooks(self):
        """(full hooks, hooks of the old kind) that the backward of this call runs."""
        full, legacy = [], []
        (full if _hooks.full_backward else legacy).extend(backward_hooks.values())
        own = full if self._is_full_backward_hook else legacy
        own.extend(self._registry("_backward_hooks").values())
        return full, legacy

    def _get_backward_pre_hooks(self):
        return [*backward_pre.values(), *self._registry("_backward_pre_hooks").values()]

    def _attach_legacy_hooks(self, hooks, args, result):
        """Old backward hooks watch the operation that made the first output tensor."""
        var = result
        while not isinstance(var, Tensor):
            if isinstance(var, dict):
                var = next(v for v in var.values() if isinstance(v, Tensor))
            else:
                var = var[0]
        if var.grad_fn is not None:
            for hook in hooks:
                var.grad_fn.register_hook(_bound(hook, self))
            self._maybe_warn_non_full_backward_hook(args, result, var.grad_fn)

    def _maybe_warn_non_full_backward_hook(self, inputs, result, grad_fn) -> None:
        single = isinstance(result, Tensor)
        if not (single or _all_tensors(result)):
            why = "on a Module that does not return a single Tensor or a tuple of Tensors"
            lost = "some of the grad_output"
        elif not all(isinstance(t, Tensor) for t in inputs):
            why = "on a Module that does not take as input a single Tensor or a tuple of Tensors"
            lost = "some of the grad_input"
        elif not single and len({t.grad_fn for t in result}) > 1:
            why = "when outputs are generated by different autograd Nodes"
            lost = "some grad_output"
        else:
            before = {t.grad_fn for t in inputs if t.grad_fn is not None}
            after = {fn for fn, _ in grad_fn.next_functions if fn is not None}
            if not after - before:
                return
            why = "when the forward contains multiple autograd Nodes"
            lost = "some grad_input"
        hooks = "non-full backward hooks" if " Module " in why else "a non-full backward hook"
        warnings.warn(
            f"Using {hooks} {why} is deprecated and will be removed in future versions. This hook "
            f"will be missing {lost}. Please use register_full_backward_hook to get the "
            "documented behavior.",
            FutureWarning,
            stacklevel=2,
        )

    def _add_hook(self, registry, hook, prepend=False, extra=()):
        handle = RemovableHandle(registry, extra_dict=list(extra))
        registry[handle.id] = hook
        if prepend:
            registry.move_to_end(handle.id, last=False)
        return handle

    def register_forward_pre_hook(
        self, hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments."""
        handle = self._add_hook(
            self._forward_pre_hooks, hook, prepend, (self._forward_pre_hooks_with_kwargs,)
        )
        if with_kwargs:
            self._forward_pre_hooks_with_kwargs[handle.id] = True
        return handle

    def register_forward_hook(
        self,
        hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns replaces the output."""
        extra = (self._forward_hooks_with_kwargs, self._forward_hooks_always_called)
        handle = self._add_hook(self._forward_hooks, hook, prepend, extra)
        for wanted, registry in zip((with_kwargs, always_call), extra, strict=True):
            if wanted:
                registry[handle.id] = True
        return handle

    def _claim_full_backward(self, wanted, used, tried):
        if self._is_full_backward_hook is (not wanted):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them."
            )
        self._is_full_backward_hook = wanted

    def register_backward_hook(self, hook) -> RemovableHandle:
        """Watch the gradient of the last operation; `register_full_backward_hook` is better."""
        self._claim_full_backward(False, "full", "regular")
        return self._add_hook(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` whenever gradients of inputs are known."""
        self._claim_full_backward(True, "regular", "full")
        return self._add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the gradients of the module are computed."""
        return self._add_hook(self._backward_pre_hooks, hook, prepend)


def _all_tensors(value):
    return isinstance(value, tuple) and all(isinstance(item, Tensor) for item in value)


def _bound(hook, module):
    """A hook of the old kind as a hook of a graph node."""

    def call(grad_input, grad_output):
        return hook(module, grad_input, grad_output)

    return call
