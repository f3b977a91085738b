"""Derivatives: running the recorded graph backward, and functions built on that."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _C, Tensor
from .grad_mode import (
    _force_original_view_tracking,
    _unsafe_preserve_version_counter,
    enable_grad,
    enforce_grad_layout_policy,
    inference_mode,
    is_multithreading_enabled,
    no_grad,
    set_grad_enabled,
    set_multithreading_enabled,
)

TYPE_CHECKING = False  # as in typing, which would have to be imported
if TYPE_CHECKING:
    from . import forward_ad, functional, graph, variable
    from .anomaly_mode import detect_anomaly, set_detect_anomaly
    from .function import Function, once_differentiable
    from .gradcheck import gradcheck, gradgradcheck
    from .graph import GradientEdge as _Edge
    from .nested_io import NestedIOFunction
    from .variable import Variable
else:
    _Edge = tuple  # what it is; the class itself loads with `graph`

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
    "is_multithreading_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
    "variable",
]

_MODULES = ("forward_ad", "functional", "graph", "profiler", "variable")
# Names that come from a module which loads on first use. A function that shares its name with its
# module wins the attribute.
_FROM = {
    "Function": "function",
    "NestedIOFunction": "nested_io",
    "Variable": "variable",
    "detect_anomaly": "anomaly_mode",
    "gradcheck": "gradcheck",
    "gradgradcheck": "gradcheck",
    "once_differentiable": "function",
    "set_detect_anomaly": "anomaly_mode",
}


def __getattr__(name: str):
    from importlib import import_module

    if name in _FROM:
        module = import_module("." + _FROM[name], __name__)
        for other, home in _FROM.items():
            if home == _FROM[name]:
                globals()[other] = getattr(module, other)
        return globals()[name]
    if name == "SavedTensor":
        return _C.SavedTensor
    if name in _MODULES:
        try:
            return import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})


def _as_tuple(value) -> tuple:
    from . import graph

    if isinstance(value, (Tensor, graph.GradientEdge)):
        return (value,)
    return tuple(value)


def _shape_and_dtype(output):
    """Of a tensor, or of the place in the graph that an edge is."""
    from . import graph

    if isinstance(output, graph.GradientEdge):
        return output.node._input_metadata[output.output_nr]
    return output.shape, output.dtype


def _checked_gradient(position: int, output, gradient, batched: bool):
    """The gradient that enters at `output`: ones for a scalar when none is given."""
    if gradient is None:
        if isinstance(output, Tensor) and output.requires_grad:
            if output.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if not output.is_floating_point():
                raise RuntimeError(
                    "grad can be implicitly created only for real scalar outputs but got "
                    f"{output.dtype}"
                )
            if _C.any_dispatching(output):  # its class says what ones are
                from .. import ones_like

                return ones_like(output)
        return None
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    shape, dtype = _shape_and_dtype(output)
    found = gradient.shape[1:] if batched else gradient.shape
    if found != shape:
        mismatch = (
            f"grad_output[{position}] has a shape of {found} and output[{position}] has a shape "
            f"of {shape}."
        )
        if batched:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output "
                "as the batch dimension. The sizes of the remaining dimensions are expected to "
                f"match the shape of corresponding output, but a mismatch was detected: {mismatch} "
                "If you only want some tensors in `grad_output` to be considered batched, "
                "consider using vmap."
            )
        raise RuntimeError(f"Mismatch in shape: {mismatch}")
    if gradient.dtype.is_complex != dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[{position}] has a dtype of {gradient.dtype} and "
            f"output[{position}] has a dtype of {dtype}."
        )
    return gradient


def _checked_gradients(outputs: tuple, gradients, batched: bool = False) -> tuple:
    if gradients is None:
        gradients = (None,) * len(outputs)
    elif isinstance(gradients, Tensor):
        gradients = (gradients,)
    else:
        gradients = tuple(gradients)
    checked = tuple(
        [
            _checked_gradient(i, output, gradient, batched)
            for i, (output, gradient) in enumerate(zip(outputs, gradients, strict=False))
        ]
    )
    if len(gradients) != len(outputs):
        for gradient in gradients[len(outputs) :]:
            if gradient is not None and not isinstance(gradient, Tensor):
                raise TypeError(
                    f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
                )
        raise RuntimeError(f"got {len(outputs)} tensors and {len(gradients)} gradients")
    return checked


_warned = False


def _warn_of_cycle() -> None:
    """Say once that `.grad` and the graph now hold each other."""
    global _warned
    if not _warned:
        import warnings

        _warned = True
        warnings.warn(
            "Using backward() with create_graph=True will create a reference cycle between the "
            "parameter and its gradient which can cause a memory leak. We recommend using "
            "autograd.grad when creating the graph to avoid this. If you have to use this "
            "function, make sure to reset the .grad fields of your parameters to None after use "
            "to break the cycle and avoid the leak.",
            stacklevel=3,
        )


def _leaves_to_fill(inputs) -> tuple:
    """The `inputs` of backward as a tuple; their gradients are kept, of leaves or not."""
    if isinstance(inputs, dict):
        inputs = tuple(inputs.values())
    inputs = _as_tuple(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    for value in inputs:
        if isinstance(value, Tensor):
            value.retain_grad()
    return inputs


def backward(
    tensors: Tensor | _Edge | Sequence[Tensor] | Sequence[_Edge],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Tensor | Sequence[Tensor | None] | None = None,
    inputs: Tensor | _Edge | Sequence[Tensor] | Sequence[_Edge] | dict[str, Tensor] | None = None,
) -> None:
    """Add the gradients of `tensors` to `.grad` of the leaves, or of `inputs` alone when given.

    `retain_graph` defaults to `create_graph`, which records the gradients' own computation.
    """
    retain_graph = create_graph if retain_graph is None else retain_graph
    if create_graph:
        _warn_of_cycle()
    if type(tensors) is Tensor and grad_tensors is grad_variables is inputs is None:
        _C.backward((tensors,), None, retain_graph, create_graph, None, True)
        return
    if _C.transforms():
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms."
        )
    if grad_variables is not None:
        import warnings

        warnings.warn(
            "`grad_variables` is deprecated. Use `grad_tensors` instead.",
            FutureWarning,
            stacklevel=2,
        )
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to "
                "`backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    tensors = _as_tuple(tensors)
    if inputs is not None:
        inputs = _leaves_to_fill(inputs)
    gradients = _checked_gradients(tensors, grad_tensors)
    _C.backward(tensors, gradients, retain_graph, create_graph, inputs, True)


def _tensor_backward(
    self, gradient=None, retain_graph=None, create_graph=False, inputs=None
) -> None:
    """Accumulate into the leaves' `.grad` the gradient of this tensor (times `gradient`)."""
    if gradient is inputs is None and not create_graph and type(self) is Tensor:
        _C.backward((self,), None, retain_graph, False, None, True)
        return
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


_tensor_backward.__name__ = "backward"
Tensor.backward = _tensor_backward


def grad(
    outputs: Tensor | _Edge | Sequence[Tensor] | Sequence[_Edge],
    inputs: Tensor | _Edge | Sequence[Tensor] | Sequence[_Edge] | dict[str, Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...] | dict[str, Tensor]:
    """The gradients of the sum of `outputs` with respect to each of `inputs`; `.grad` stays as it
    is.

    An input outside the graph raises RuntimeError, gives None with `allow_unused` and zeros with
    `materialize_grads`. With `is_grads_batched` each of `grad_outputs` has a leading batch
    dimension. A dictionary of inputs gives a dictionary of gradients.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To "
            "accumulate gradient for other parts of the graph, please use "
            "torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    names = tuple(inputs) if isinstance(inputs, dict) else None
    outputs = _as_tuple(outputs)
    inputs = _as_tuple(inputs.values() if names is not None else inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    retain_graph = create_graph if retain_graph is None else retain_graph
    gradients = _checked_gradients(outputs, grad_outputs, is_grads_batched)
    run = _batched if is_grads_batched else _C.backward
    results = run(outputs, gradients, retain_graph, create_graph, inputs, False)
    if not allow_unused and None in [r if r is None else 0 for r in results]:
        position = [r is None for r in results].index(True)
        raise RuntimeError(
            f"The differentiated Tensor at index {position} appears to not have been used in the "
            "graph. Set allow_unused=True if this is the desired behavior."
        )
    if materialize_grads:
        results = _materialized(results, inputs, create_graph)
    return tuple(results) if names is None else dict(zip(names, results, strict=True))


def _materialized(results, inputs, create_graph) -> list:
    if any(r is None and not isinstance(t, Tensor) for r, t in zip(results, inputs, strict=True)):
        raise RuntimeError(
            "materialize_grads cannot be used when the given input is a GradientEdge"
        )
    from .. import zeros_like

    return [
        zeros_like(t, requires_grad=create_graph) if result is None else result
        for result, t in zip(results, inputs, strict=True)
    ]


def _batched(outputs, gradients, retain_graph, create_graph, inputs, accumulate):
    """One backward run for all items of the leading dimension of the gradients."""
    if all(g is None for g in gradients):
        return _C.backward(outputs, gradients, retain_graph, create_graph, inputs, accumulate)
    from ..func._vmap import map_leaves

    def run(*lanes):
        return _C.backward(outputs, lanes, retain_graph, create_graph, inputs, accumulate)

    return map_leaves(run, gradients)
