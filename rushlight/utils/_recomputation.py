"""What a checkpoint keeps instead of tensors, and how they are computed again."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import rushlight as torch

from .. import _C, Tensor
from ..autograd.grad_mode import enable_grad
from ..autograd.graph import saved_tensors_hooks
from ._selective_checkpoint import (
    OperatorLog,
)

if TYPE_CHECKING:
    from .checkpoint import GraphExecGroup


class _Entered(threading.local):
    group: GraphExecGroup | None = None


_entered = _Entered()


class CheckpointError(RuntimeError):
    """The second computation did not match the first."""

    __module__ = "rushlight.utils.checkpoint"


class _StopRecomputation(Exception):
    """Everything that backward needs has been computed again."""


class _Surroundings:
    """The random state and mixed precision that the second computation must find again."""

    def __init__(self, preserve_rng_state: bool):
        self.rng_state = torch.get_rng_state() if preserve_rng_state else None
        self.autocast = []
        if hasattr(torch, "is_autocast_enabled"):
            for device in ("cpu", "cuda"):
                enabled = torch.is_autocast_enabled(device)
                dtype = torch.get_autocast_dtype(device)
                self.autocast.append((device, enabled, dtype))

    @contextmanager
    def restored(self):
        """Run the block as the first computation ran, and put the present back afterwards."""
        present = torch.get_rng_state() if self.rng_state is not None else None
        contexts = [
            torch.amp.autocast(device, enabled=enabled, dtype=dtype)
            for device, enabled, dtype in self.autocast
            if enabled or torch.is_autocast_enabled(device)
        ]
        if present is not None:
            torch.set_rng_state(self.rng_state)
        try:
            for context in contexts:
                context.__enter__()
            try:
                yield
            finally:
                for context in reversed(contexts):
                    context.__exit__(None, None, None)
        finally:
            if present is not None:
                torch.set_rng_state(present)


class _Holder:
    """Stands in the graph for a tensor that was not kept."""

    __slots__ = ("__weakref__",)


class _Frame:
    """One checkpointed call: what its forward saved, and how to compute it again.

    Each backward run computes everything once more; what it found lives until it is used.
    """

    def __init__(self, call, surroundings, context, early_stop, check, log):
        self.run, args, self.kwargs = call
        # Inputs go through the graph's own saving, which notices later changes.
        self.args = [_C.SavedTensor(a) if isinstance(a, Tensor) else a for a in args]
        self.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        self.log = log
        self.surroundings = surroundings
        self.context = context
        self.early_stop = early_stop
        self.check = check
        self.holders: list = []
        self.facts: list[dict] = []
        self.recomputed: dict[int, WeakKeyDictionary] = {}

    def pack(self, tensor: Tensor) -> _Holder:
        """Forward keeps a holder and the tensor's shape."""
        holder = _Holder()
        self.holders.append(ref(holder))
        self.facts.append(_facts(tensor))
        return holder

    def unpack(self, holder: _Holder) -> Tensor:
        """Backward computes everything again when it first asks."""
        group = _entered.group
        if group is not None:
            if self not in group._results:
                results: WeakKeyDictionary = WeakKeyDictionary()
                self.recompute(results)
                group._results[self] = results
            return self._once(group._results[self], holder)
        run = _C.backward_run()
        if holder not in self.recomputed.get(run, ()):
            self.recomputed[run] = WeakKeyDictionary()
            self.recompute(self.recomputed[run])
        found = self.recomputed[run].pop(holder)
        if not self.recomputed[run]:
            del self.recomputed[run]
        return found

    @staticmethod
    def _once(results: WeakKeyDictionary, holder: _Holder) -> Tensor:
        if holder not in results:
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already "
                "unpacked once. Performing two backward calls that overlap (i.e. require the same "
                "saved activation in order to compute gradients) is not allowed while under the "
                "torch.utils.checkpoint.GraphExecGroup context."
            )
        return results.pop(holder)

    def _arguments(self) -> list:
        args = list(self.args)
        for place in self.places:
            args[place] = args[place].unpack(None)
        return args

    def recompute(self, results: WeakKeyDictionary) -> None:
        """Run the function again and keep what its forward had saved."""
        expected = len(self.facts)
        found: list[dict] = []

        def keep(tensor):
            if len(found) == expected:
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation "
                    f"than during the original forward pass, which saved {expected}."
                )
            holder = self.holders[len(found)]()
            found.append(_facts(tensor))
            if holder is not None:
                results[holder] = tensor.detach()
            if self.early_stop and len(found) == expected:
                raise _StopRecomputation
            return tensor

        args = self._arguments()
        log = nullcontext() if self.log is None else OperatorLog()
        hooks = saved_tensors_hooks(keep, lambda tensor: tensor)
        try:
            with self.surroundings.restored(), enable_grad(), self.context, hooks, log:
                self.run(*args, **self.kwargs)
        except _StopRecomputation:
            pass
        try:
            self._compare(found)
        except CheckpointError as error:
            if self.log is None:
                raise
            runs = (("forward", self.log.names), ("recomputation", log.names))
            lists = [f"Operators of the {name}: {', '.join(names)}" for name, names in runs]
            raise CheckpointError(
                "An error happened while unpacking tensors; dumping logs of latest computation "
                "because you passed `debug=True` to `torch.utils.checkpoint.checkpoint()`.\n"
                + "\n".join([*lists, str(error)])
            ) from None

    def _compare(self, found: list[dict]) -> None:
        expected = len(self.facts)
        if len(found) != expected:
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original "
                f"forward and recomputation.\nNumber of tensors saved during forward: {expected}\n"
                f"Number of tensors saved during recomputation: {len(found)}."
            )
        if self.check:
            _compare_facts(self.facts, found)


def _facts(tensor: Tensor) -> dict:
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


def _compare_facts(saved: list[dict], recomputed: list[dict]) -> None:
    lines = [
        f"tensor at position {i}:\nsaved metadata: {a}\nrecomputed metadata: {b}"
        for i, (a, b) in enumerate(zip(saved, recomputed, strict=True))
        if a != b
    ]
    if lines:
        raise CheckpointError(
            "torch.utils.checkpoint: Recomputed values for the following tensors have different "
            "metadata "
            "than during the forward pass.\n" + "\n".join(lines)
        )
