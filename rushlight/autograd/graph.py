"""Looking at the recorded graph, and hooks on what it saves."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Sequence

from .. import _C, Tensor
from .grad_mode import context_decorator

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "region_activation_memory_budget",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]

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
    return GradientEdge(node, output_nr)


class _MultiHandle:
    """Removes several hooks at once."""

    def __init__(self, handles):
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Remove the hooks; a second call does nothing."""
        for handle in self.handles:
            handle.remove()

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"
) -> _MultiHandle:
    """Call `fn` once per backward run: with all gradients ("all"), or with the first to come
    ("any").

    In mode "all" `fn` gets a list with None for tensors that get no gradient in the run and is
    called when the last of the others arrives.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    watch = _FirstGradient(fn) if mode == "any" else _AllGradients(tensors, fn)
    return _MultiHandle([t.register_hook(watch.hook(i)) for i, t in enumerate(tensors)])


class _FirstGradient:
    """Remembers the runs that have begun, so that threads do not take turns in calling."""

    def __init__(self, fn):
        self._fn = fn
        self._last = -1
        self._seen: set = set()

    def hook(self, index: int):
        def on_gradient(gradient):
            run = _C.backward_run()
            if run == self._last or run in self._seen:
                return
            self._seen = {r for r in self._seen if r > run - 1000}
            self._seen.add(run)
            self._last = run
            self._fn(gradient)

        return on_gradient


class _AllGradients:
    """Gathers the gradients of each run; the graph below the roots tells how many will come."""

    def __init__(self, tensors, fn):
        self._nodes = [get_gradient_edge(t).node for t in tensors]
        self._fn = fn
        self._runs: dict = {}

    def hook(self, index: int):
        def on_gradient(gradient):
            run = _C.backward_run()
            found = self._runs.get(run)
            if found is None:
                found = [[None] * len(self._nodes), sum(map(_C.will_execute, self._nodes))]
                self._runs[run] = found
            found[0][index] = gradient
            found[1] -= 1
            if found[1] <= 0:
                del self._runs[run]
                self._fn(found[0])

        return on_gradient


class saved_tensors_hooks:
    """Within the block, tensors that the graph saves pass through `pack_hook`, and back on use.

    `pack_hook(tensor)` may return anything; `unpack_hook` gets it and must return an equal tensor.
    """

    def __init__(self, pack_hook: Callable, unpack_hook: Callable):
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook
        self._previous: list = []

    def __enter__(self) -> None:
        if _refusals:
            raise RuntimeError(_refusals[-1])
        self._previous.append(_C.set_saved_hooks((self.pack_hook, self.unpack_hook)))

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _C.set_saved_hooks(self._previous.pop())


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
        previous = _C.set_saved_hooks(None)
        _C.set_saved_hooks(previous)
        if previous is not None:
            raise RuntimeError(self.error_message)
        _refusals.append(self.error_message)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _refusals.pop()

    def __call__(self, func):
        return context_decorator(lambda: type(self)(self.error_message), func)


_refusals: list[str] = []


def allow_mutation_on_saved_tensors():
    """Within the block, tensors saved for backward may be written to; backward runs in it too.

    The block's value has `clear()`, which forgets what was saved.
    """
    from ._mutation import AllowMutation

    return AllowMutation()


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Say that tensors were changed in a way that the graph cannot see."""
    if not isinstance(tensor, (Tensor, Iterable)):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        _C.bump_version(one)


def region_activation_memory_budget(budget: float):
    """The share of activations that compiled code may keep; of use under `torch.compile` alone."""
    raise RuntimeError(
        "region_activation_memory_budget is only supported under torch.compile: got an eager call"
    )


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Whether gradients from another stream than their leaf's warn; there are none here."""
    _stream_settings["warn_on_mismatch"] = bool(enabled)


def set_override_stale_capture_stream(enabled: bool) -> None:
    """What backward does about streams outside a capture; there are none here."""
    _stream_settings["override_stale"] = bool(enabled)


_stream_settings = {"warn_on_mismatch": True, "override_stale": False}
