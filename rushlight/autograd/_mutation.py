"""Saved tensors that may be changed in place afterwards: the graph then keeps a copy."""

from __future__ import annotations

from weakref import WeakKeyDictionary, ref

from .. import _C, Tensor
from .graph import saved_tensors_hooks

_OUTSIDE = (
    "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the "
    "graph was originally recorded."
)


class _Kept:
    """Stands in the graph for one saved tensor."""

    __slots__ = ("__weakref__", "storage", "tensor", "version")

    def __init__(self, tensor: Tensor):
        self.tensor = tensor
        self.version = tensor._version
        self.storage = tensor._storage_id()


class _AllowMutationOnSavedContext:
    """What a block has saved, and the copies of what has been changed since."""

    def __init__(self):
        self.live: WeakKeyDictionary = WeakKeyDictionary()
        self.cloned: WeakKeyDictionary = WeakKeyDictionary()
        self.by_storage: dict[int, list] = {}

    def clear(self) -> None:
        """Forget everything that was saved."""
        self.live.clear()
        self.cloned.clear()
        self.by_storage.clear()

    def pack(self, tensor: Tensor) -> _Kept:
        """Note a tensor and where its elements are."""
        kept = _Kept(tensor)
        self.live[kept] = True
        self.by_storage.setdefault(kept.storage, []).append(ref(kept))
        return kept

    def unpack(self, kept: _Kept) -> Tensor:
        """The tensor as it was saved."""
        if kept in self.cloned:
            return self.cloned[kept]
        if kept not in self.live:
            raise AssertionError(_OUTSIDE)
        return kept.tensor

    def before_writing(self, tensor: Tensor) -> None:
        """Copy what is saved of the elements that are about to change."""
        from .grad_mode import no_grad

        for held in self.by_storage.pop(tensor._storage_id(), ()):
            kept = held()
            if kept is None or kept in self.cloned or kept not in self.live:
                continue
            with no_grad():
                self.cloned[kept] = kept.tensor.clone()
            kept.tensor = None


class _Watch:
    """Sees every operator of the block, for those that write into a tensor."""

    def __init__(self, context: _AllowMutationOnSavedContext):
        self._context = context

    def process(self, op, args, kwargs):
        """Run an operator, copies of what it overwrites having been made."""
        if op.inplace:
            target = args[0] if args else next(iter(kwargs.values()))
            self._watch_write(target)
        out = kwargs.get("out")
        for target in out if isinstance(out, (tuple, list)) else (out,):
            self._watch_write(target)
        return op(*args, **kwargs)

    def _watch_write(self, target) -> None:
        if isinstance(target, Tensor):
            self._context.before_writing(target)


class AllowMutation:
    """The block of `graph.allow_mutation_on_saved_tensors`."""

    def __enter__(self) -> _AllowMutationOnSavedContext:
        if _open:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        self._context = _AllowMutationOnSavedContext()
        self._hooks = saved_tensors_hooks(self._context.pack, self._context.unpack)
        self._hooks.__enter__()
        _C.push_interpreter(_Watch(self._context))
        _open.append(self)
        return self._context

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _open.pop()
        _C.pop_interpreter()
        self._hooks.__exit__(exc_type, exc_value, traceback)
        self._context.clear()


_open: list = []
