"""Operations defined in Python with a gradient of their own.

The context that `forward` and `backward` see is the graph node itself, as in PyTorch, so
`y.grad_fn.saved_tensors` and attributes set on `ctx` can be looked at from outside.
"""

from __future__ import annotations

from functools import wraps

from .. import _C, Tensor
from ._function_node import (
    BackwardCFunction,
    FunctionCtx,
    bound_arguments,
    finish,
    node_class,
)

__all__ = [
    "BackwardCFunction",
    "Function",
    "FunctionCtx",
    "InplaceFunction",
    "once_differentiable",
]


def __getattr__(name: str):
    if name == "NestedIOFunction":
        from .nested_io import NestedIOFunction

        return NestedIOFunction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Function(FunctionCtx):
    """Base of operations with a gradient of their own: define static `forward` and `backward`.

    `forward(ctx, *args)` computes; `backward(ctx, *grads)` gets one gradient per output and returns
    one per input, None where there is none. Call it with `MyFunction.apply(*args)`. Alternatively
    `forward(*args)` leaves the context to `setup_context(ctx, inputs, output)`.
    """

    generate_vmap_rule = False

    def __init__(self, *args, **kwargs):
        import warnings

        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, "
            "so you should invoke them on the class itself. Instantiating an autograd function "
            "will "
            "raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Example: @staticmethod def "
            "forward(ctx, x): ..., called by .apply(x))"
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Compute the outputs; defined by subclasses."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx, inputs: tuple, output):
        """Keep what `backward` needs, when `forward` takes no context."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """Gradients of the inputs, from those of the outputs; defined by subclasses."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function "
            "to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx, *grad_outputs):
        """Another name for `backward`."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function "
            "to use it with backward mode AD."
        )

    @staticmethod
    def jvp(ctx, *grad_inputs):
        """Derivative of the outputs along given directions of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward "
            "mode AD."
        )

    @staticmethod
    def vmap(info, in_dims, *args):
        """The outputs for all lanes of a vmap at once, and where their lanes are."""
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or "
            "set generate_vmap_rule=True."
        )

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward` without recording, and record this call as one operation."""
        level = _C.innermost_level(args)
        if level is not None or _C.transforms():
            return _apply_transformed(cls, level, args, kwargs)
        return run_function(cls, args, kwargs)[0]


def _apply_transformed(cls, level, args: tuple, kwargs: dict):
    if _C.transforms() and cls.setup_context is Function.setup_context:
        raise RuntimeError(
            "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
            "jacrev, ...), it must override the setup_context staticmethod: forward(*args) "
            "computes, setup_context(ctx, inputs, output) saves"
        )
    if level is None:
        return run_function(cls, args, kwargs)[0]
    from ..func._custom import apply_at_level

    return apply_at_level(cls, level, args, kwargs)


def run_function(cls, args: tuple, kwargs: dict, *, kept=False, given=NotImplemented):
    """(what the caller of `apply` receives, the node).

    kept: what is saved will be saved again, by `keep_again`. given: the results of a run of
    `forward` elsewhere.
    """
    has_setup = cls.setup_context is not Function.setup_context
    if has_setup or kwargs:
        args = bound_arguments(cls, args, kwargs, has_setup)
    node = node_class(cls)()
    node.needs_input_grad = tuple(
        [isinstance(arg, Tensor) and arg.requires_grad and _C.on_tape(arg) for arg in args]
    )
    recording = _C.is_grad_enabled() and True in node.needs_input_grad
    previous = _C.set_grad_enabled(False)
    try:
        if not has_setup:
            value = cls.forward(node, *args)
        else:
            value = cls.forward(*args) if given is NotImplemented else given
            cls.setup_context(node, args, value)
        if kept:
            node.saved_twice = node.to_save
        return finish(node, args, value, recording), node
    finally:
        _C.set_grad_enabled(previous)


BackwardCFunction._base = Function


class InplaceFunction(Function):
    """A Function that remembers whether it works in place; kept for old programs."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace


class Error(_C.Node):
    """The history of gradients that must not be differentiated again."""

    def name(self) -> str:
        return "torch::autograd::Error"

    def apply(self, *grads):
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(fn):
    """Mark a `backward` that is not differentiable itself: second derivatives raise."""

    @wraps(fn)
    def wrapper(ctx, *args):
        previous = _C.set_grad_enabled(False)
        try:
            outputs = fn(ctx, *args)
        finally:
            _C.set_grad_enabled(previous)
        if not previous:
            return outputs
        sources = tuple([a for a in args if isinstance(a, Tensor) and a.requires_grad])
        if not sources:
            return outputs
        many = isinstance(outputs, tuple)
        copies = [
            None if out is None else out.detach() for out in (outputs if many else (outputs,))
        ]
        node = Error()
        _C.connect(node, sources, tuple(copies))
        return tuple(copies) if many else copies[0]

    return wrapper
