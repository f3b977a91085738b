"""`Variable`, the name that tensors with gradients had before PyTorch 0.4."""

from __future__ import annotations

from .. import _C, Tensor


class _Engine:
    """What runs backward, as programs that schedule their own callbacks know it."""

    @staticmethod
    def queue_callback(callback) -> None:
        """Call `callback()` when the backward run in progress is over."""
        _C.queue_callback(callback)

    @staticmethod
    def is_checkpoint_valid() -> bool:
        """False within `autograd.grad` and `backward(inputs=...)`."""
        return _C.is_checkpoint_valid()

    @staticmethod
    def run_backward(
        tensors,
        grad_tensors,
        retain_graph,
        create_graph,
        inputs=(),
        allow_unreachable=True,
        accumulate_grad=False,
    ):
        """One run: into `.grad` of the leaves, or the gradients of `inputs` as a tuple."""
        return _C.backward(
            tensors,
            grad_tensors,
            retain_graph,
            create_graph,
            inputs or None,
            accumulate_grad or not inputs,
        )


class _VariableMeta(type):
    def __instancecheck__(cls, instance) -> bool:
        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """`Variable(data, requires_grad=False)` gives the tensor itself."""

    _execution_engine = _Engine()

    def __new__(cls, data=None, requires_grad: bool = False, volatile=None):
        if volatile is not None:
            import warnings

            warnings.warn(
                "volatile was removed and now has no effect. Use `with torch.no_grad():` instead.",
                stacklevel=2,
            )
        if data is None:
            from .. import empty

            data = empty(0)
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
