"""Which modules are running, forward or backward, while a program runs."""

from __future__ import annotations

import weakref
from typing import Any

from .. import _C, Tensor
from ..nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from ._pytree import tree_leaves

__all__ = ["ModuleTracker"]


class ModuleTracker:
    """Inside its `with` block `parents` holds the names of the modules that are running.

    A name is the root's class and the attributes that lead to the module: "Sequential.0"; "Global"
    is always there. In backward a module runs from the gradients of its outputs to those of its
    inputs, and `is_bw` is true.
    """

    parents: set[str]

    def __init__(self) -> None:
        self.parents = {"Global"}
        self._names: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._handles: list = []

    @property
    def is_bw(self) -> bool:
        """Whether a backward is running."""
        return _C._current_autograd_node() is not None

    def _name(self, module: Any) -> str:
        if module not in self._names:
            root = type(module).__name__
            for name, child in module.named_modules():
                self._names.setdefault(child, f"{root}.{name}" if name else root)
        return self._names[module]

    def _on_gradients(self, values: Any, action) -> None:
        """Call `action(name)` when the first gradient of these tensors has arrived."""
        from ..autograd.graph import register_multi_grad_hook

        tensors = [t for t in tree_leaves(values) if isinstance(t, Tensor) and t.requires_grad]
        if tensors:
            handle = register_multi_grad_hook(tensors, lambda *g: action(), mode="any")
            self._handles.append(handle)

    def _before(self, module, inputs) -> None:
        name = self._name(module)
        self.parents.add(name)
        self._on_gradients(inputs, lambda: self.parents.discard(name))

    def _after(self, module, inputs, output) -> None:
        name = self._name(module)
        self.parents.discard(name)
        self._on_gradients(output, lambda: self._begin_backward(name))

    def _begin_backward(self, name: str) -> None:
        self.parents.add(name)
        _C.queue_callback(lambda: self.parents.discard(name))  # where no input needs a gradient

    def __enter__(self):
        self._handles = [
            register_module_forward_pre_hook(self._before),
            register_module_forward_hook(self._after, always_call=True),
        ]
        return self

    def __exit__(self, *args) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self.parents = {"Global"}
