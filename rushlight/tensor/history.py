"""Hooks, and what the engine asks of Python."""

from __future__ import annotations

from .. import _C
from ..op import operators
from .common import method

_to_copy = operators["to_copy"]


class RemovableHandle:
    """Removes a hook: by `remove()`, or at the end of a `with` block."""

    __module__ = "rushlight.utils.hooks"  # where PyTorch has it
    next_id = 0

    def __init__(self, hooks, *, extra_dict=None):
        import weakref

        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        try:
            self.hooks_ref = weakref.ref(hooks)
        except TypeError:  # a plain dict cannot be weakly referenced
            self.hooks_ref = lambda: hooks
        extras = (
            extra_dict
            if isinstance(extra_dict, list)
            else [extra_dict]
            if extra_dict is not None
            else []
        )
        self.extras = extras

    def remove(self):
        """Take the hook away; a second call does nothing."""
        hooks = self.hooks_ref()
        if hooks is not None:
            hooks.pop(self.id, None)
        for extra in self.extras:
            extra.pop(self.id, None)

    def __getstate__(self):
        # The dictionaries themselves, so that a deep copy removes from the copied ones.
        return self.hooks_ref(), self.id, self.extras

    def __setstate__(self, state):
        hooks, self.id, self.extras = state
        self.hooks_ref = lambda: hooks
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


@method
def register_hook(self, hook):
    """Call `hook(grad)` when this tensor's gradient is known; a returned tensor replaces it."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = self.grad_fn
    if node is None:
        hooks = self._hook_dict()
    else:
        hooks = node._sub_dict("tensor_hooks").setdefault(self.output_nr, {})
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


@method
def register_post_accumulate_grad_hook(self, hook):
    """Call `hook(tensor)` after this leaf's gradient was accumulated."""
    if not self.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if self.grad_fn is not None:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    hooks = self._post_hook_dict()
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _retain_grad(tensor):
    import weakref

    keeper = weakref.ref(tensor)

    def keep(g):
        kept = keeper()
        if kept is not None:
            kept.grad = g.clone() if kept._grad_quiet() is None else kept._grad_quiet() + g

    tensor.grad_fn._sub_dict("retains")[tensor.output_nr] = keep


@method
def _grad_quiet(self):
    """`.grad` without the warning about non-leaf tensors."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return self.grad


_C.set_helper("retain_grad", _retain_grad)


def _node_hook(kind):
    def register(self, hook):
        hooks = self._sub_dict(kind)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    return register


_C.Node.register_hook = _node_hook("hooks")
_C.Node.register_prehook = _node_hook("prehooks")
_C.Node._register_hook_dict = lambda self, hooks: self._sub_dict("tensor_hooks").setdefault(
    0, hooks
)
_C.Node.__module__ = "torch.autograd.graph"


def _cast_gradient(g, dtype):
    if g.is_complex() and not dtype.is_complex:
        g = g.real
    return g if g.dtype is dtype else _to_copy(g, dtype)


_C.set_helper("sum_to_size", lambda g, size: g.sum_to_size(size))
_C.set_helper("cast_gradient", _cast_gradient)


def _copy_slices_backward(g, geometry):
    """(gradient of the base before the write, gradient of what was written)."""
    sizes, strides, offset, view_sizes, view_strides, view_offset = geometry
    at = view_offset - offset
    if g is None:
        return None, None
    if any(s == 0 for s in strides) or g.stride() == strides:
        kept = g.clone()
        steps = kept.stride()
    else:
        kept = g.new_empty_strided(sizes, strides).copy_(g)
        steps = strides
    if steps != strides:
        kept = g.new_empty_strided(sizes, strides).copy_(g)
    written = kept.as_strided(view_sizes, view_strides, at).clone()
    kept.as_strided(view_sizes, view_strides, at).zero_()
    return kept, written


def _as_strided_gradient(g, geometry):
    from ..ops.regions import _as_strided_backward

    sizes, strides, offset, view_sizes, view_strides, view_offset = geometry
    if g is None:
        return None
    return _as_strided_backward(g, sizes, strides, offset, view_sizes, view_strides, view_offset)


_C.set_helper("copy_slices_backward", _copy_slices_backward)
_C.set_helper("as_strided_backward", _as_strided_gradient)
_C.set_helper(
    "has_nan",
    lambda g: bool(g.isnan().any()) if g.dtype.is_floating_point or g.dtype.is_complex else False,
)


def _forward_trace():
    import traceback

    return "".join(traceback.format_stack()[:-1])


def _report_anomaly(node):
    import warnings

    name, notes = node.name(), node.metadata
    if "traceback_" not in notes:
        text = (
            f"Error detected in {name}. No forward pass information available. Enable detect "
            "anomaly during forward pass for more information."
        )
    else:
        text = (
            f"Error detected in {name}. Traceback of forward call that caused the error:\n"
            f"{notes['traceback_']}"
        )
    warnings.warn(text, UserWarning, stacklevel=2)
    while "traceback_" in notes and "parent_" in notes:
        node = notes["parent_"]
        name, notes = node.name(), node.metadata
        origin = (
            f"Traceback of forward call that induced the previous calculation:\n"
            f"{notes['traceback_']}"
            if "traceback_" in notes
            else "No forward pass information available."
        )
        text = f"\n\nPrevious calculation was induced by {name}. {origin}"
        warnings.warn(text, UserWarning, stacklevel=2)


_C.set_helper("forward_trace", _forward_trace)
_C.set_helper("report_anomaly", _report_anomaly)
