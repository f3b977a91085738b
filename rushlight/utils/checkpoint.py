"""Gradient checkpointing: less memory, by computing parts of the forward pass a second time.

Chen et al., "Training deep nets with sublinear memory cost", 2016.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from weakref import WeakKeyDictionary

import rushlight as torch

from .. import _C, Tensor
from ..autograd.function import Function
from ..autograd.grad_mode import enable_grad, no_grad
from ..autograd.graph import saved_tensors_hooks
from ._recomputation import CheckpointError, _entered, _Frame, _Surroundings
from ._selective_checkpoint import (
    SAC_IGNORED_OPS,
    CheckpointPolicy,
    OperatorLog,
    SelectiveCheckpointContext,
    create_selective_checkpoint_contexts,
)

__all__ = [
    "SAC_IGNORED_OPS",
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]


_early_stop: list[bool | None] = [None]  # None: as the call says


@contextmanager
def set_checkpoint_early_stop(enable: bool):
    """Whether recomputation stops, within the block, once all that is needed is there."""
    previous = _early_stop[0]
    _early_stop[0] = enable
    try:
        yield
    finally:
        _early_stop[0] = previous


_debug: list[bool | None] = [None]


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None):
    """Whether errors within the block list the operators of both runs; None leaves it open."""
    previous = _debug[0]
    _debug[0] = enabled
    try:
        yield
    finally:
        _debug[0] = previous


class GraphExecGroup:
    """Backward runs within the block compute a region again at most once between them.

    They must not need the same saved tensor: CheckpointError. Only for use_reentrant=False.
    """

    def __init__(self) -> None:
        # What each frame found again; freed with the block.
        self._results: dict[_Frame, WeakKeyDictionary] = {}

    def __enter__(self) -> GraphExecGroup:
        if _entered.group is not None:
            raise RuntimeError(
                f"GraphExecGroup contexts cannot be nested. Already inside group {_entered.group}"
            )
        _entered.group = self
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        _entered.group = None
        self._results.clear()


class DefaultDeviceType:
    """The kind of device whose random state is kept when no tensor tells."""

    _default_device_type = "cuda" if torch.cuda.is_available() else "cpu"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Choose the kind of device."""
        DefaultDeviceType._default_device_type = device

    @staticmethod
    def get_device_type() -> str:
        """The kind of device."""
        return DefaultDeviceType._default_device_type


def get_device_states(*args) -> tuple[list[int], list[Tensor]]:
    """The GPUs that the tensors among `args` are on, and the states of their generators."""
    devices = sorted({a.get_device() for a in args if isinstance(a, Tensor) and a.is_cuda})
    return devices, [torch.cuda.get_rng_state(device) for device in devices]


def set_device_states(devices, states, *, device_type: str | None = None) -> None:
    """Set the states of the generators of GPUs."""
    for device, state in zip(devices, states, strict=True):
        torch.cuda.set_rng_state(state, device)


def noop_context_fn():
    """Two contexts that do nothing: for the forward pass and for recomputation."""
    return nullcontext(), nullcontext()


def detach_variable(inputs: tuple) -> tuple[Tensor, ...]:
    """The inputs cut from the graph, asking for gradients where the originals did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        [x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs]
    )


def check_backward_validity(inputs) -> None:
    """Warn when no input asks for a gradient."""
    if not any(isinstance(x, Tensor) and x.requires_grad for x in inputs):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=3
        )


class CheckpointFunction(Function):
    """The reentrant form: forward without recording, and a backward run inside backward."""

    @staticmethod
    def forward(ctx, run_function, preserve_rng_state, *args):
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.surroundings = _Surroundings(preserve_rng_state)
        # Tensors go through the graph's own saving, which notices later changes.
        ctx.inputs = [None if isinstance(arg, Tensor) else arg for arg in args]
        ctx.tensor_places = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
        ctx.save_for_backward(*[args[i] for i in ctx.tensor_places])
        with no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx, *grads):
        if not _C.is_checkpoint_valid():
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        inputs = list(ctx.inputs)
        for place, tensor in zip(ctx.tensor_places, ctx.saved_tensors, strict=True):
            inputs[place] = tensor
        detached = detach_variable(tuple(inputs))
        with ctx.surroundings.restored(), enable_grad():
            outputs = ctx.run_function(*detached)
        outputs = (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)
        pairs = [
            (output, g)
            for output, g in zip(outputs, grads, strict=True)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        torch.autograd.backward([o for o, _ in pairs], [g for _, g in pairs])
        return (None, None, *[x.grad if isinstance(x, Tensor) else None for x in detached])


def checkpoint(
    function: Callable,
    *args,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs,
):
    """`function(*args, **kwargs)`, whose intermediate results are computed again during backward.

    `use_reentrant=False` is recommended: it supports keyword arguments, nested inputs and
    `autograd.grad`. `preserve_rng_state=False` saves the work of repeating random numbers exactly.
    `determinism_check="none"` skips comparing shapes of the two computations.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting "
            "in PyTorch 2.9, calling checkpoint without use_reentrant will raise an exception. "
            "use_reentrant=False is recommended, but if you need to preserve the current default "
            "behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
            "differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(
            f"determinism_check should be one of ['default', 'none'], but got {determinism_check}"
        )
    forward_context, recompute_context = context_fn()
    log = OperatorLog() if (debug if _debug[0] is None else _debug[0]) else None
    if not torch.is_grad_enabled():
        return function(*args, **kwargs)
    frame = _Frame(
        (function, args, kwargs),
        _Surroundings(preserve),
        recompute_context,
        early_stop if _early_stop[0] is None else _early_stop[0],
        determinism_check == "default",
        log,
    )
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context, log or nullcontext():
        return function(*args, **kwargs)


def checkpoint_sequential(functions, segments: int, input, use_reentrant=None, **kwargs):
    """Run functions (or a Sequential) one after the other, in `segments` checkpointed parts.

    The last part is not checkpointed: backward begins with it.
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. In version 2.9 we will raise an exception if use_reentrant is not "
            "passed. use_reentrant=False is recommended, but if you need to preserve the current "
            "default behavior, you can pass use_reentrant=True. Refer to docs for more details on "
            "the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if isinstance(functions, torch.nn.Sequential):
        functions = list(functions.children())
    functions = list(functions)

    def run(start: int, end: int):
        def part(value):
            for function in functions[start:end]:
                value = function(value)
            return value

        return part

    size = len(functions) // segments
    end = 0
    for start in range(0, size * (segments - 1), size):
        end = start + size
        input = checkpoint(
            run(start, end), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )
    return run(end, len(functions))(input)
