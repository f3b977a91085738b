"""What extensions written in C++ call back for: gradients of their own, operators by name."""

from __future__ import annotations

from collections.abc import Callable

from .. import _C, Tensor, zeros
from ..library import Library


class CppNode(_C.Node):
    """A node of the graph whose backward is a function in C++."""

    def apply(self, *grads):
        """One gradient for each of the function's tensors."""
        if self.materialize:
            grads = tuple(
                zeros(shape, dtype=dtype) if g is None else g
                for g, (shape, dtype) in zip(grads, self.made, strict=True)
            )
        saved = [None if s is None else s.unpack(self) for s in self.saved]
        return tuple(self.backward(list(grads), saved))

    def release(self):
        """Forget what was kept, after a backward that does not keep the graph."""
        for kept in self.saved:
            if kept is not None:
                kept.release()


def connect(
    backward: Callable,
    inputs: list[Tensor | None],
    outputs: list[Tensor | None],
    marked: list[Tensor],
    saved: list[Tensor | None],
    materialize: bool,
) -> list[Tensor | None]:
    """Make `backward(gradients, saved)` the gradient of outputs computed from inputs; the outputs.

    `marked` are the outputs without one; `materialize`: gradients that did not arrive are zeros.
    """
    node = CppNode()
    node.backward, node.materialize = backward, materialize
    if _C.any_requires_grad(tuple(inputs)):
        given = {id(t) for t in inputs if t is not None}
        fixed = {id(t) for t in marked}
        # What comes back as it went in has another history than what went in.
        results = [t.view_as(t) if t is not None and id(t) in given else t for t in outputs]
        node.made = [(t.shape, t.dtype) if t is not None else ((), None) for t in results]
        ends = [None if t is not None and id(t) in fixed else t for t in results]
        _C.connect(node, tuple(inputs), tuple(ends))
        mine = {id(t) for t in results}
        node.saved = [None if t is None else _C.SavedTensor(t, id(t) in mine) for t in saved]
        return results
    return outputs


_libraries: dict[str, Library] = {}


def library(space: str, kind: str, key: str) -> Library:
    """The library that a block of registrations adds to."""
    if kind == "DEF" and space in _libraries:
        kind = "FRAGMENT"
    made = Library(space, kind, key)
    if kind == "DEF":
        _libraries[space] = made
    return made


def failed(message: str) -> None:
    """A registration failed while a library was loaded, where nothing can be raised."""
    import warnings

    warnings.warn(f"TORCH_LIBRARY: {message}", stacklevel=3)
