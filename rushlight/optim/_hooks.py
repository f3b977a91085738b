"""Hooks around the step and the state dict of optimizers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from itertools import chain

from .. import _C
from ..utils.hooks import RemovableHandle

_global_optimizer_pre_hooks: dict[int, Callable] = OrderedDict()
_global_optimizer_post_hooks: dict[int, Callable] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` before every step of every optimizer."""
    return _register(_global_optimizer_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(optimizer, args, kwargs)` after every step of every optimizer."""
    return _register(_global_optimizer_post_hooks, hook)


def _register(registry, hook, prepend=False):
    handle = RemovableHandle(registry)
    registry[handle.id] = hook
    if prepend:
        registry.move_to_end(handle.id, last=False)
    return handle


class Hooks:
    """The hooks of one optimizer, and how its step runs between them."""

    _running_hooks = False
    _marked = False

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """Wrap a `step` so that the hooks run around it."""

        @wraps(func)
        def hooked(self, *args, **kwargs):
            if _C.profiler_enabled() and not self._marked:
                return self._run_marked(hooked, (self, *args), kwargs)
            if (
                self._optimizer_step_pre_hooks
                or self._optimizer_step_post_hooks
                or _global_optimizer_pre_hooks
                or _global_optimizer_post_hooks
            ) and not self._running_hooks:
                return self._run_hooked(func, (self, *args), kwargs)
            return func(self, *args, **kwargs)

        hooked.hooked = True
        return hooked

    def _patch_step_function(self) -> None:
        self._zero_grad_profile_name = f"Optimizer.zero_grad#{type(self).__name__}.zero_grad"
        cls = type(self)
        if not getattr(cls.step, "hooked", False):
            cls.step = self.profile_hook_step(cls.step)

    def _cuda_graph_capture_health_check(self) -> None:
        """What a `step` written elsewhere asks first: nothing is being captured here."""

    def _optimizer_step_code(self) -> None:
        """Where a profiler puts a mark in PyTorch."""

    @staticmethod
    def _group_tensors_by_device_and_dtype(tensorlistlist, with_indices=False):
        from ..utils._foreach_utils import _group_tensors_by_device_and_dtype

        return _group_tensors_by_device_and_dtype(tensorlistlist, with_indices)

    def _make_hooks(self):
        self._optimizer_step_pre_hooks = OrderedDict()
        self._optimizer_step_post_hooks = OrderedDict()
        self._optimizer_state_dict_pre_hooks = OrderedDict()
        self._optimizer_state_dict_post_hooks = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks = OrderedDict()
        self._optimizer_load_state_dict_post_hooks = OrderedDict()

    def _run_marked(self, step, args, kwargs):
        name = type(self).__name__
        self._marked = True  # `step` may lead to another one, by super()
        record = _C.profiler_enter(f"Optimizer.step#{name}.step")
        try:
            return step(*args, **kwargs)
        finally:
            self._marked = False
            _C.profiler_exit(record)

    def _run_hooked(self, step, args, kwargs):
        # `step` may lead to another hooked step, by super(): the hooks run around the outer.
        pre = chain(_global_optimizer_pre_hooks.values(), self._optimizer_step_pre_hooks.values())
        for hook in list(pre):
            result = hook(self, args, kwargs)
            if isinstance(result, tuple) and len(result) == 2:
                args, kwargs = result
            elif result is not None:
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), "
                    f"but got {result}."
                )
        self._running_hooks = True
        try:
            out = step(*args, **kwargs)
        finally:
            del self._running_hooks
        post = chain(
            self._optimizer_step_post_hooks.values(), _global_optimizer_post_hooks.values()
        )
        for hook in list(post):
            hook(self, args, kwargs)
        return out

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return new ones."""
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` before `state_dict` gathers anything."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)`, which may return a dictionary to use instead."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)`, which may return a dictionary to load instead."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(optimizer)` after a state was loaded."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)
