"""Derivatives: running the recorded graph backward, and functions built on that."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from .. import _C, Tensor
from . import graph
from .anomaly import detect_anomaly, set_detect_anomaly
from .function import Function, once_differentiable
from .grad_mode import (
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

__all__ = [
    "Function",
    "NestedIOFunction",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "enforce_grad_layout_policy",
    "forward_ad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

_GRADCHECK = ("gradcheck", "gradgradcheck")


def __getattr__(name: str):
    if name in _GRADCHECK:
        # The function shares its name with its module and must win the attribute.
        module = import_module(".gradcheck", __name__)
        for function in _GRADCHECK:
            globals()[function] = getattr(module, function)
        return globals()[name]
    if name == "Variable":
        from .variable import Variable

        return Variable
    if name == "NestedIOFunction":
        from .nested_io import NestedIOFunction

        return NestedIOFunction
    if name == "anomaly_mode":
        return import_module(".anomaly", __name__)
    if name in ("functional", "forward_ad", "profiler", "variable"):
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _as_tuple(value) -> tuple:
    if isinstance(value, (Tensor, graph.GradientEdge)):
        return (value,)
    return tuple(value)


def _checked_gradient(position: int, output: Tensor, gradient):
    """The gradient that enters at `output`: ones for a scalar when none is given."""
    if gradient is None:
        if output.requires_grad and output.numel() != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if output.requires_grad and not output.is_floating_point():
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{output.dtype}"
            )
        return None
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    if gradient.shape != output.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[{position}] has a shape of {gradient.shape} and "
            f"output[{position}] has a shape of {output.shape}."
        )
    if gradient.dtype.is_complex != output.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{position}] has a dtype of {gradient.dtype} and "
            f"output[{position}] has a dtype of {output.dtype}."
        )
    return gradient


def _checked_gradients(outputs: tuple, gradients) -> tuple:
    if gradients is None:
        gradients = (None,) * len(outputs)
    elif isinstance(gradients, Tensor):
        gradients = (gradients,)
    else:
        gradients = tuple(gradients)
    if len(gradients) != len(outputs):
        raise RuntimeError(
            f"got {len(outputs)} tensors and {len(gradients)} gradients, expected as many"
        )
    return tuple(
        [
            _checked_gradient(i, output, gradient)
            for i, (output, gradient) in enumerate(zip(outputs, gradients, strict=True))
        ]
    )


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to `.grad` of the leaves, or of `inputs` alone when given.

    `retain_graph` defaults to `create_graph`, which records the gradients' own computation.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    if type(tensors) is Tensor and grad_tensors is grad_variables is inputs is None:
        _C.backward((tensors,), None, retain_graph, create_graph, None, True)
        return
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    tensors = _as_tuple(tensors)
    if inputs is not None:
        inputs = _as_tuple(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    gradients = _checked_gradients(tensors, grad_tensors)
    _C.backward(tensors, gradients, retain_graph, create_graph, inputs, True)


def _tensor_backward(
    self, gradient=None, retain_graph=None, create_graph=False, inputs=None
) -> None:
    """Accumulate into the leaves' `.grad` the gradient of this tensor (times `gradient`)."""
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_tensor_backward.__name__ = "backward"
Tensor.backward = _tensor_backward


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    is_grads_batched: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """The gradients of the sum of `outputs` with respect to each of `inputs`; `.grad` stays as it
    is.

    An input outside the graph raises RuntimeError, gives None with `allow_unused` and zeros with
    `materialize_grads`. With `is_grads_batched` each of `grad_outputs` has a leading batch
    dimension.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    for tensor in inputs:
        if isinstance(tensor, Tensor) and not tensor.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain_graph = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        results = _batched(outputs, inputs, grad_outputs, retain_graph, create_graph)
    else:
        gradients = _checked_gradients(outputs, grad_outputs)
        results = _C.backward(outputs, gradients, retain_graph, create_graph, inputs, False)
    if not allow_unused:
        for position, result in enumerate(results):
            if result is None:
                raise RuntimeError(
                    f"The differentiated Tensor at index {position} appears to not have been used "
                    "in "
                    "the graph. Set allow_unused=True if this is the desired behavior."
                )
    if materialize_grads:
        from .. import zeros_like

        return tuple(
            [
                zeros_like(t) if result is None else result
                for result, t in zip(results, inputs, strict=True)
            ]
        )
    return tuple(results)


def _batched(outputs, inputs, grad_outputs, retain_graph, create_graph):
    """One backward run for all items of the leading dimension of `grad_outputs`."""
    from ..func._vmap import map_leaves

    def run(*gradients):
        gradients = _checked_gradients(outputs, gradients)
        return _C.backward(outputs, gradients, retain_graph, create_graph, inputs, False)

    return map_leaves(run, _as_tuple(grad_outputs))
