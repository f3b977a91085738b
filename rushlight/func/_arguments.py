"""What the derivative transforms ask of arguments and results, and say when they get another."""

from __future__ import annotations

from typing import Any

from .. import _C
from ..autograd._dual import stand_in
from ..utils._pytree import TreeSpec, tree_flatten, tree_map

Tensor = _C.Tensor


def checked_argnums(argnums: Any, count: int) -> tuple[int, ...]:
    """The positions of the differentiated arguments, from 0; RuntimeError when out of range."""
    if isinstance(argnums, int):
        argnums = (argnums,)
    elif not isinstance(argnums, tuple) or not all(isinstance(a, int) for a in argnums):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {_shown(argnums)}")
    if not argnums:
        raise RuntimeError("argnums must be non-empty")
    if len(set(argnums)) != len(argnums):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    for a in argnums:
        if not -count <= a < count:
            raise RuntimeError(f"Got argnum={a}, but only {count} positional inputs")
    found = tuple([a % count for a in argnums])
    if len(set(found)) != len(found):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return found


def _shown(argnums):
    return argnums if isinstance(argnums, tuple) else type(argnums)


def chosen(args: tuple, argnums: Any) -> Any:
    """The differentiated arguments: one, or a tuple of them, as `argnums` is given."""
    places = checked_argnums(argnums, len(args))
    return args[places[0]] if isinstance(argnums, int) else tuple([args[i] for i in places])


def replaced(args: tuple, argnums: Any, values: Any) -> tuple:
    """The arguments with new ones in the differentiated places."""
    places = checked_argnums(argnums, len(args))
    values = (values,) if isinstance(argnums, int) else values
    args = list(args)
    for i, value in zip(places, values, strict=True):
        args[i] = value
    return tuple(args)


def differentiable(tree: Any) -> tuple[list[Tensor], TreeSpec]:
    """Fresh inputs of the tape for the leaves of a tree of tensors."""
    leaves, spec = tree_flatten(tree)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    return [stand_in(x) for x in leaves], spec


def only_tensors(tree: Any, who: str) -> tuple[list[Tensor], TreeSpec]:
    """The leaves of a function's results, and their structure."""
    leaves, spec = tree_flatten(tree)
    for x in leaves:
        if not isinstance(x, Tensor):
            raise RuntimeError(
                f"{who}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(x)}"
            )
    return leaves, spec


def split_aux(result: Any, who: str) -> tuple[Any, Any]:
    """(output, aux) of a function with has_aux=True."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"{who}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result


def checked_aux(aux: Any) -> Any:
    """The auxiliary results; RuntimeError for anything but tensors."""
    for x in tree_flatten(aux)[0]:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(x)}")
    return aux


class Tape:
    """What a reverse transform records, and whether anything outside of it depends on that."""

    def __init__(self, inputs: list[Tensor], outputs: list[Tensor], recording: bool):
        self.inputs = inputs
        self.outputs = [o for o in outputs if o.requires_grad and _C.on_tape(o)]
        self.recording = recording
        self.live = recording and _C.graph_is_live(tuple(self.outputs), tuple(inputs))
        _C.retire(inputs)

    def result(self, x: Any) -> Any:
        """A value of the transformed function as those outside get it."""
        if not isinstance(x, Tensor):
            return x
        if not self.recording:
            return _C.cut(x)
        return x if self.live or not _C.on_tape(x) else _C.cut_here(x)

    def results(self, tree: Any) -> Any:
        """The same for a tree of values."""
        return tree_map(self.result, tree)

    def gradients(self, cotangents: list[Tensor] | None, retain: bool) -> list[Tensor]:
        """One for each input; zeros where the outputs do not depend on it."""
        from .. import zeros_like
        from ..autograd import grad

        create = _C.is_grad_enabled() and (self.live or _C.is_live(cotangents))
        found = [None] * len(self.inputs)
        if self.outputs:
            found = grad(
                self.outputs,
                self.inputs,
                cotangents,
                retain_graph=retain or create,
                create_graph=create,
                allow_unused=True,
            )
        pairs = zip(found, self.inputs, strict=True)
        return [zeros_like(x) if g is None else g for g, x in pairs]


class outside_inference:
    """A `with` block in which inference mode is off."""

    def __enter__(self):
        self._inference = _C.set_inference_mode(False)

    def __exit__(self, *exc):
        _C.set_inference_mode(self._inference)


class recording:
    """Records in a `with` block, whatever the modes outside; `.outside` is whether those did."""

    def __enter__(self) -> recording:
        self.outside = _C.set_grad_enabled(True)
        self._inference = _C.set_inference_mode(False)
        return self

    def __exit__(self, *exc):
        _C.set_grad_enabled(self.outside)
        _C.set_inference_mode(self._inference)
