"""Names of layers among the events, while a profiler with `with_modules` runs."""

from __future__ import annotations

from .. import _C


class LayerNames:
    """Puts each call of a module into a region `nn.Module: <class>_<number>`."""

    def __init__(self):
        from ..nn.modules.module import (
            register_module_forward_hook,
            register_module_forward_pre_hook,
        )

        self.names: dict = {}
        self.counts: dict[str, int] = {}
        self.open: list = []
        self.handles = [
            register_module_forward_pre_hook(self.before),
            register_module_forward_hook(self.after, always_call=True),
        ]

    def before(self, module, inputs) -> None:
        """A call begins."""
        kind = type(module).__name__
        if module not in self.names:
            number = self.counts.get(kind, 0)
            self.counts[kind] = number + 1
            self.names[module] = f"nn.Module: {kind}_{number}"
        self.open.append(_C.profiler_enter(self.names[module]))

    def after(self, module, inputs, output) -> None:
        """A call has ended."""
        if self.open:
            _C.profiler_exit(self.open.pop())

    def remove(self) -> None:
        """Name layers no longer."""
        for handle in self.handles:
            handle.remove()
