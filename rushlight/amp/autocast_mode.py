"""`autocast`: while it is entered, an interpreter at the gate casts what operators are given.

The casts are operators like any other, so gradients flow back through them. A weight's cast is
kept until the outermost block ends: it is made once however often the weight is used.
"""

from __future__ import annotations

import functools
import threading
import warnings

import rushlight as torch

from .. import _C, Tensor

_LOW = (torch.float16, torch.bfloat16)
_DEVICES = "cpu cuda xpu mps xla mtia hpu ipu maia privateuseone".split()
# What a device is told when it is not asked: PyTorch's defaults.
_DTYPES = dict.fromkeys(
    ("cuda", "xpu", "mps", "mtia", "ipu", "privateuseone", "hip"), torch.float16
)


class _State(threading.local):
    """What one thread has switched on: threads start with everything off."""

    def __init__(self):
        self.enabled: set[str] = set()
        self.dtypes: dict = {}
        self.cache_enabled = True
        self.nesting = 0
        self.casts: dict = {}  # (id of a weight, dtype): (the weight, its cast)
        self.pushed = False


_state = _State()


class _Caster:
    """The interpreter: it asks to see only the functions that have a policy."""

    @functools.cached_property
    def functions(self) -> dict:
        from ._policy import policies

        return policies()

    def process(self, function, args, kwargs):
        """Call `function` with its floating-point tensors cast as its policy says."""
        if "cpu" not in _state.enabled or kwargs.get("out") is not None:
            return function(*args, **kwargs)
        policy = self.functions[function]
        if policy == "lower":
            dtype = get_autocast_dtype("cpu")
        elif policy == "float32":
            dtype = torch.float32
        else:
            dtype = _widest((args, tuple(kwargs.values())))
        return function(*_cast(args, dtype), **{k: _cast(v, dtype) for k, v in kwargs.items()})


_caster = _Caster()


def _is_eligible(value) -> bool:
    """Doubles keep their precision, and whole numbers their values."""
    return (
        isinstance(value, Tensor)
        and value.is_floating_point()
        and value.dtype is not torch.float64
        and value.device.type == "cpu"
    )


def _cast(value, dtype):
    """`value` with its tensors in `dtype`, in nested sequences too."""
    if isinstance(value, Tensor):
        return _cast_tensor(value, dtype) if _is_eligible(value) else value
    if type(value) in (tuple, list):
        return type(value)([_cast(item, dtype) for item in value])
    return value


def _cast_tensor(tensor: Tensor, dtype) -> Tensor:
    if tensor.dtype is dtype:
        return tensor
    kept = (
        _state.cache_enabled
        and dtype in _LOW
        and tensor.dtype is torch.float32
        and tensor.requires_grad
        and tensor.is_leaf
        and not tensor._is_view()
    )
    if not kept:
        return tensor.to(dtype)
    key = id(tensor), dtype
    if key not in _state.casts:
        _state.casts[key] = tensor, tensor.to(dtype)
    return _state.casts[key][1]


def _widest(values):
    """The widest floating-point dtype among the tensors of nested sequences, if any."""
    found = None
    stack = [values]
    while stack:
        value = stack.pop()
        if type(value) in (tuple, list):
            stack.extend(value)
        elif _is_eligible(value):
            found = value.dtype if found is None else torch.promote_types(found, value.dtype)
    return found


# -- what is switched on ---------------------------------------------------------------------


def _device_type(device_type: str) -> str:
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    return torch.device(device_type).type


def is_autocast_available(device_type: str) -> bool:
    """Whether `autocast` has rules for a device type."""
    return _device_type(device_type) in _DEVICES


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether operators of a device type are cast now, in this thread."""
    return _device_type(device_type) in _state.enabled


def set_autocast_enabled(*args) -> None:
    """`set_autocast_enabled(device_type, enabled)`; one argument alone speaks of CUDA."""
    device_type, enabled = args if len(args) == 2 else ("cuda", *args)
    device_type = _device_type(device_type)
    (_state.enabled.add if enabled else _state.enabled.discard)(device_type)
    wanted = "cpu" in _state.enabled
    if wanted and not _state.pushed:
        _C.push_interpreter(_caster)
        _state.pushed = True


def get_autocast_dtype(device_type: str):
    """The low precision that `autocast` uses on a device type."""
    device_type = _device_type(device_type)
    return _state.dtypes.get(device_type) or _DTYPES.get(device_type, torch.bfloat16)


def set_autocast_dtype(device_type: str, dtype) -> None:
    """Choose the low precision that `autocast` uses on a device type."""
    _state.dtypes[_device_type(device_type)] = dtype


def is_autocast_cache_enabled() -> bool:
    """Whether the casts of weights are kept."""
    return _state.cache_enabled


def set_autocast_cache_enabled(enabled: bool) -> None:
    """Keep the casts of weights, or make them anew each time."""
    _state.cache_enabled = bool(enabled)


def clear_autocast_cache() -> None:
    """Forget the casts of weights."""
    _state.casts.clear()


def autocast_increment_nesting() -> int:
    """Enter a block: how many are entered now."""
    _state.nesting += 1
    return _state.nesting


def autocast_decrement_nesting() -> int:
    """Leave a block: how many are entered still."""
    _state.nesting -= 1
    return _state.nesting


def _of(device_type: str, old: str, new: str, function):
    """An older function that speaks of one device type, and says what to call instead."""

    def deprecated(*args):
        warnings.warn(
            f"torch.{old} is deprecated. Please use torch.{new} instead.",
            DeprecationWarning,
            stacklevel=2,
        )
        return function(device_type, *args)

    deprecated.__name__ = deprecated.__qualname__ = old.partition("(")[0]
    deprecated.__doc__ = f"The older name of `torch.{new}`."
    return deprecated


for _type, _called in (("cpu", "cpu"), ("cuda", "gpu"), ("ipu", "ipu"), ("xla", "xla")):
    for _verb, _function, _given in (
        ("is_autocast_{}enabled", is_autocast_enabled, ""),
        ("set_autocast_{}enabled", set_autocast_enabled, "enabled"),
        ("get_autocast_{}dtype", get_autocast_dtype, ""),
        ("set_autocast_{}dtype", set_autocast_dtype, "dtype"),
    ):
        if _type == "cuda" and _verb.endswith("enabled"):
            continue  # the functions without a device type speak of CUDA
        _old = _verb.format(_called + "_")
        _arguments = ", ".join(filter(None, (f"'{_type}'", _given)))
        globals()[_old] = _of(
            _type, f"{_old}({_given})", f"{_verb.format('')}({_arguments})", _function
        )


# -- the public context ----------------------------------------------------------------------


class autocast:
    """Run a block or a function in mixed precision; a decorator as well as a context.

    Products of matrices, convolutions and attention run in `dtype` (bfloat16 unless chosen; CUDA:
    float16), losses, factorisations and transforms in float32, everything else as it is given.
    """

    def __init__(
        self,
        device_type: str,
        dtype=None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ):
        self.device = _device_type(device_type)
        if not is_autocast_available(self.device):
            raise RuntimeError(
                f"User specified an unsupported autocast device_type '{self.device}'"
            )
        self.fast_dtype = get_autocast_dtype(self.device) if dtype is None else dtype
        self._cache_enabled = _state.cache_enabled if cache_enabled is None else cache_enabled
        self._enabled = bool(enabled) and self._is_possible()
        self._before: list = []  # a decorated function may call itself

    def _is_possible(self) -> bool:
        if self.device == "cuda" and not torch.cuda.is_available():
            warnings.warn(
                "CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=3
            )
            return False
        if self.device == "cpu" and self.fast_dtype not in _LOW:
            warnings.warn(
                "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=3,
            )
            return False
        return True

    def __enter__(self) -> autocast:
        device = self.device
        self._before.append(
            (
                device in _state.enabled,
                _state.dtypes.get(device),
                _state.cache_enabled,
                _state.pushed,
            )
        )
        autocast_increment_nesting()
        set_autocast_dtype(device, self.fast_dtype)
        set_autocast_enabled(device, self._enabled)
        set_autocast_cache_enabled(self._cache_enabled)
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> bool:
        enabled, dtype, cache_enabled, pushed = self._before.pop()
        if autocast_decrement_nesting() == 0:
            clear_autocast_cache()
        if _state.pushed and not pushed:
            _C.pop_interpreter()
            _state.pushed = False
        set_autocast_enabled(self.device, enabled)
        set_autocast_dtype(self.device, dtype)
        set_autocast_cache_enabled(cache_enabled)
        return False

    def __call__(self, function):
        @functools.wraps(function)
        def decorated(*args, **kwargs):
            with self:
                return function(*args, **kwargs)

        return decorated


# -- custom gradient functions ---------------------------------------------------------------


def custom_fwd(fwd=None, *, device_type: str, cast_inputs=None):
    """For `forward` of an autograd.Function: run it without autocast on inputs in `cast_inputs`.

    Without `cast_inputs` it runs under the autocast that is entered; `custom_bwd` restores that.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def decorated(ctx, *args, **kwargs):
        enabled = is_autocast_enabled(device_type)
        ctx._dtype = get_autocast_dtype(device_type)
        ctx._fwd_used_autocast = enabled and cast_inputs is None
        if cast_inputs is None or not enabled:
            return fwd(ctx, *args, **kwargs)
        with autocast(device_type=device_type, enabled=False):
            args = _cast_inputs(args, cast_inputs)
            return fwd(ctx, *args, **_cast_inputs(kwargs, cast_inputs))

    return decorated


def _cast_inputs(value, dtype):
    """`value` with its floating-point tensors in `dtype`, in mappings and sequences too."""
    if isinstance(value, dict):
        return {k: _cast_inputs(v, dtype) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(_cast_inputs(v, dtype) for v in value)
    return value.to(dtype) if _is_eligible(value) else value


def custom_bwd(bwd=None, *, device_type: str):
    """For `backward` of a Function whose `forward` has `custom_fwd`: under the same autocast."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def decorated(ctx, *args, **kwargs):
        with autocast(device_type=device_type, enabled=ctx._fwd_used_autocast, dtype=ctx._dtype):
            return bwd(ctx, *args, **kwargs)

    return decorated
