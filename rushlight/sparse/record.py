"""Recording what sparse tensors do: graph nodes whose gradient is a Python function."""

from __future__ import annotations

from .. import _C

_types: dict[str, type] = {}


class _SparseNode(_C.Node):
    """A node that runs `gradient(g)`, which returns one gradient per input, or just one."""

    gradient = None
    inputs = 1

    def apply(self, *grads):
        if self.gradient is None:
            from ..autograd._function_node import _FREED

            raise RuntimeError(_FREED)
        if grads[0] is None:
            return (None,) * self.inputs
        got = self.gradient(*grads)
        return got if isinstance(got, tuple) else (got,)

    def name(self) -> str:
        """Name of the node."""
        return type(self).__name__

    def release(self) -> None:
        """Drop what the gradient keeps; called when the graph is freed."""
        self.gradient = None


def node(name: str, gradient, inputs: int):
    """A node called `name` with a number of inputs, not connected yet."""
    kind = _types.get(name)
    if kind is None:
        kind = _types[name] = type(name, (_SparseNode,), {})
    made = kind()
    made.gradient, made.inputs = gradient, inputs
    return made


def record(name: str, inputs: tuple, outputs: tuple, gradient) -> None:
    """Make a node the history of `outputs` when some input requires grad.

    `gradient(g)` returns a tuple with one item per input; a single input's may come bare.
    """
    for tensor in inputs:
        if getattr(tensor, "_dual", None) is not None:
            raise NotImplementedError(
                f"Trying to use forward AD with {name.removesuffix('Backward0')} that does not "
                "support it because it has not been implemented yet."
            )
    if _C.any_requires_grad(inputs):
        _C.connect(node(name, gradient, len(inputs)), inputs, outputs)


def record_in_place(name: str, target, inputs: tuple, gradient) -> None:
    """The same for a write into `target`, which then has the node as its history."""
    if _C.any_requires_grad(inputs):
        made = node(name, gradient, len(inputs))
        _C.connect(made, inputs, ())
        _C.connect_inplace(made, target, 0)
