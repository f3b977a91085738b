"""Looking at the recorded graph, and hooks on what it saves."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence

from .. import _C, Tensor

Node = _C.Node


class GradientEdge(namedtuple("GradientEdge", "node output_nr ownership_token", defaults=(None,))):
    """A place in the graph that gradients flow through: a node and which of its outputs."""

    __slots__ = ()


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """The edge that the gradient of `tensor` arrives at."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    node, output_nr = _C.gradient_edge(tensor)
    return GradientEdge(node, output_nr, node)


class _Handle:
    """Removes several hooks at once."""

    def __init__(self, handles):
        self._handles = tuple(handles)

    def remove(self) -> None:
        """Remove the hooks; a second call does nothing."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"
) -> _Handle:
    """Call `fn` once per backward run: with all gradients ("all"), or with the first to come
    ("any").

    In mode "all" `fn` gets a list with None for tensors that get no gradient in the run and is
    called when the last of the others arrives.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watch = _FirstGradient(fn) if mode == "any" else _AllGradients(tensors, fn)
    return _Handle([t.register_hook(watch.hook(i)) for i, t in enumerate(tensors)])


class _FirstGradient:
    def __init__(self, fn):
        self._fn = fn
        self._run = None

    def hook(self, index: int):
        def on_gradient(gradient):
            run = _C.backward_run()
            if run != self._run:
                self._run = run
                self._fn(gradient)

        return on_gradient


class _AllGradients:
    """Gathers the gradients of one run; the graph below the roots tells how many will come."""

    def __init__(self, tensors, fn):
        self._nodes = [get_gradient_edge(t).node for t in tensors]
        self._fn = fn
        self._run = None
        self._pending = 0
        self._buffer: list = []

    def hook(self, index: int):
        def on_gradient(gradient):
            run = _C.backward_run()
            if run != self._run:
                self._run = run
                self._buffer = [None] * len(self._nodes)
                self._pending = sum(map(_C.will_execute, self._nodes))
            self._buffer[index] = gradient
            self._pending -= 1
            if self._pending == 0:
                self._fn(self._buffer)

        return on_gradient


class saved_tensors_hooks:
    """Within the block, tensors that the graph saves pass through `pack_hook`, and back on use.

    `pack_hook(tensor)` may return anything; `unpack_hook` gets it and must return an equal tensor.
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook

    def __enter__(self) -> None:
        if _refusals:
            raise RuntimeError(_refusals[-1])
        self._previous = _C.set_saved_hooks((self.pack_hook, self.unpack_hook))

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _C.set_saved_hooks(self._previous)


class save_on_cpu(saved_tensors_hooks):
    """Keep what the graph saves in main memory while it is not needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        def pack(tensor):
            moved = tensor.detach().cpu()
            return tensor.device, moved.pin_memory() if pin_memory else moved

        def unpack(packed):
            device, tensor = packed
            return tensor.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


class disable_saved_tensors_hooks:
    """Within the block, entering `saved_tensors_hooks` raises RuntimeError with this message."""

    def __init__(self, error_message: str):
        self.error_message = error_message

    def __enter__(self) -> None:
        _refusals.append(self.error_message)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _refusals.pop()


_refusals: list[str] = []


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Say that tensors were changed in a way that the graph cannot see."""
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _C.bump_version(one)


__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]
