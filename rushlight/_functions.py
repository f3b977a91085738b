"""Functions of the root namespace that are no operators: queries, modes, small composites."""

from __future__ import annotations

import os

from . import _C
from ._number_limits import finfo, iinfo  # noqa: F401 (public here)
from .op import front
from .tensor import Tensor

__all__ = """
    is_tensor is_storage is_floating_point is_complex is_nonzero is_same_size is_signed
    is_inference is_conj is_neg numel result_type broadcast_shapes broadcast_tensors
    set_default_dtype set_default_tensor_type clone detach detach_ finfo iinfo get_device
    set_num_interop_threads get_num_interop_threads typename
    are_deterministic_algorithms_enabled use_deterministic_algorithms
    get_float32_matmul_precision set_float32_matmul_precision
    is_deterministic_algorithms_warn_only_enabled is_distributed
    set_flush_denormal resolve_conj resolve_neg is_warn_always_enabled
    set_warn_always compiled_with_cxx11_abi from_dlpack to_dlpack
    get_deterministic_debug_mode set_deterministic_debug_mode is_anomaly_enabled
    is_anomaly_check_nan_enabled set_anomaly_enabled init_num_threads has_lapack has_mkl
    has_openmp has_spectral is_vulkan_available from_file thread_safe_generator
""".split()


def is_tensor(obj) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj) -> bool:
    """Whether `obj` is a storage object."""
    from ._storage import TypedStorage, UntypedStorage

    return isinstance(obj, (UntypedStorage, TypedStorage))


def is_floating_point(input) -> bool:
    """Whether the dtype is real floating point."""
    return input.is_floating_point()


def is_complex(input) -> bool:
    """Whether the dtype is complex."""
    return input.is_complex()


def is_nonzero(input) -> bool:
    """Whether the single element is not zero."""
    return input.is_nonzero()


def is_same_size(input, other) -> bool:
    """Whether the shapes are equal."""
    return input.shape == other.shape


def is_signed(input) -> bool:
    """Whether the dtype has negative numbers."""
    return input.is_signed()


def is_inference(input) -> bool:
    """Whether the tensor was made under inference_mode."""
    return input.is_inference()


def is_conj(input) -> bool:
    """Whether conjugation is pending: never here."""
    return input.is_conj()


def is_neg(input) -> bool:
    """Whether negation is pending: never here."""
    return input.is_neg()


def is_distributed(input) -> bool:
    """Whether the tensor is spread over processes: never here."""
    return False


def resolve_conj(input):
    """The tensor with conjugation carried out: itself."""
    return input


def resolve_neg(input):
    """The tensor with negation carried out: itself."""
    return input


def numel(input) -> int:
    """Number of elements."""
    return input.numel()


def get_device(input) -> int:
    """The device's index; -1 for the CPU."""
    return input.get_device()


def result_type(tensor, other):
    """The dtype that an arithmetic operator would give for two operands."""
    return _C.result_type(tensor, other)


def broadcast_shapes(*shapes):
    """The shape that tensors of the given shapes broadcast to; RuntimeError if they do not."""
    out: list[int] = []
    for place, shape in enumerate(shapes):
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        if any(s < 0 for s in shape):
            raise RuntimeError(
                f"Trying to create tensor with negative dimension ({min(shape)}): ({min(shape)})"
            )
        out = [1] * (len(shape) - len(out)) + out
        for i in range(-1, -len(shape) - 1, -1):
            if shape[i] == 1 or shape[i] == out[i]:
                continue
            if out[i] != 1:
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: Attempting to "
                    f"broadcast a dimension of length {shape[i]} at {i}! Mismatching argument at "
                    f"index {place} had {shape}; but expected shape should be broadcastable to "
                    f"{out}"
                )
            out[i] = shape[i]
    return _C.Size(out)


def broadcast_tensors(*tensors):
    """The tensors expanded to their common shape, as views."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = broadcast_shapes(*(t.shape for t in tensors))
    return tuple(t.expand(shape) for t in tensors)


def set_default_dtype(d) -> None:
    """The dtype of new tensors made from Python floats (float32 at start)."""
    _C.set_default_dtype(d)


def set_default_tensor_type(t) -> None:
    """The default dtype by the name or class of a tensor type ("torch.DoubleTensor")."""
    from ._warn import warn_once
    from .tensor import TYPE_NAMES

    warn_once(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use "
        "torch.set_default_dtype() and torch.set_default_device() as alternatives."
    )
    name = t if isinstance(t, str) else t.__name__
    for dtype, text in TYPE_NAMES.items():
        if text == name.rpartition(".")[2]:
            _C.set_default_dtype(dtype)
            return
    raise TypeError(f"invalid type object: {t!r}")


def clone(input, *, memory_format=None):
    """A copy with history."""
    return input.clone() if memory_format is None else input.clone(memory_format=memory_format)


def detach(input):
    """The same elements, cut from the graph."""
    return input.detach()


def detach_(input):
    """Cut the tensor from its history."""
    return input.detach_()


def typename(obj) -> str:
    """The name of an object's type, with its module."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = getattr(obj, "__module__", None) or kind.__module__
    name = getattr(obj, "__qualname__", None) or kind.__qualname__
    return name if module in ("", "builtins") else f"{module}.{name}"


_settings = {
    "interop": None,
    "deterministic": False,
    "warn_only": False,
    "precision": "highest",
    "warn": False,
}


def set_num_interop_threads(n) -> None:
    """Say once how many operators may run at a time; here they run one after another."""
    if not isinstance(n, int) or isinstance(n, bool):
        raise RuntimeError(f"set_num_interop_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    if _settings["interop"] is not None:
        raise RuntimeError(
            "Error: cannot set number of interop threads after parallel work has started or "
            "set_num_interop_threads called"
        )
    _settings["interop"] = n


def get_num_interop_threads() -> int:
    """What set_num_interop_threads said, or the number of processors."""
    return _settings["interop"] or os.cpu_count() or 1


def use_deterministic_algorithms(mode, *, warn_only=False) -> None:
    """Kept for compatibility: every CPU kernel here is deterministic for a given thread count."""
    _settings["deterministic"], _settings["warn_only"] = bool(mode), bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms said."""
    return _settings["deterministic"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms said about warnings."""
    return _settings["warn_only"]


_DEBUG_MODES = ("default", "warn", "error")


def set_deterministic_debug_mode(debug_mode) -> None:
    """0 or "default", 1 or "warn", 2 or "error": what a kernel that is not deterministic does."""
    if not isinstance(debug_mode, (int, str)):
        raise TypeError(f"debug_mode must be str or int, but got {type(debug_mode)}")
    if isinstance(debug_mode, str):
        if debug_mode not in _DEBUG_MODES:
            raise RuntimeError(
                "invalid value of debug_mode, expected one of `default`, `warn`, `error`, "
                f"but got {debug_mode}"
            )
        debug_mode = _DEBUG_MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}"
        )
    use_deterministic_algorithms(debug_mode > 0, warn_only=debug_mode == 1)


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: what set_deterministic_debug_mode said."""
    return (1 if _settings["warn_only"] else 2) if _settings["deterministic"] else 0


def set_anomaly_enabled(enabled, check_nan=True) -> None:
    """Switch anomaly detection of the backward pass."""
    _C.set_anomaly(enabled, check_nan)


def is_anomaly_enabled() -> bool:
    """Whether the backward pass reports the forward call of what failed."""
    return _C.is_anomaly()


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection looks for nan."""
    return _C.is_anomaly_check_nan()


def init_num_threads() -> None:
    """Kept for compatibility: threads are ready when they are first needed."""


has_lapack = has_openmp = has_spectral = True
has_mkl = False


def is_vulkan_available() -> bool:
    """Whether there is a Vulkan device: never."""
    return False


def thread_safe_generator():
    """The generator of a data worker's thread: None outside of one."""
    return None


def set_float32_matmul_precision(precision) -> None:
    """ "highest", "high" or "medium": how much float32 matmuls may round inside.

    "medium" rounds large operands to bfloat16; "high" adds what that loses in two more products,
    where the processor is quick at them.
    """
    from .backends import _precision

    inside = {"highest": "ieee", "high": "tf32", "medium": "bf16"}
    if precision not in inside:
        raise RuntimeError(f"{precision} is not one of 'highest', 'high', or 'medium'")
    _precision.put("matmul", inside[precision])
    _settings["precision"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision said."""
    return _settings["precision"]


def set_warn_always(b) -> None:
    """Whether one-time warnings come every time."""
    _settings["warn"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What set_warn_always said."""
    return _settings["warn"]


def set_flush_denormal(mode) -> bool:
    """Flushing denormal numbers is not offered: False."""
    return False


def compiled_with_cxx11_abi() -> bool:
    """Whether the extension uses the C++11 ABI: it does."""
    return True


def from_dlpack(ext_tensor, *, device=None, copy=None):
    """A tensor over the memory of another library's array (DLPack)."""
    from .utils.dlpack import from_dlpack as convert

    out = convert(ext_tensor)
    return out.clone() if copy else out


def to_dlpack(tensor):
    """A DLPack capsule over the tensor's memory; to be used once."""
    from .utils.dlpack import to_dlpack as convert

    return convert(tensor)


def from_file(
    filename,
    shared=None,
    size=0,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A tensor of `size` elements over a file mapped into memory.

    With `shared` writes reach the file, which is made or lengthened as needed; without, they stay
    here.
    """
    from ._device import check_device
    from ._mapped_file import map_file

    check_device(device)
    dtype = _C.get_default_dtype() if dtype is None else dtype
    made = map_file(str(filename), bool(shared), size * dtype.itemsize).view(dtype)
    return made.requires_grad_() if requires_grad else made


# Those that a subclass of Tensor, or a value that is traced, answers itself.
for _name in """
    broadcast_tensors clone detach detach_ get_device is_complex is_conj is_distributed
    is_floating_point is_inference is_neg is_nonzero is_same_size is_signed numel resolve_conj
    resolve_neg result_type
""".split():
    globals()[_name] = front(globals()[_name], f"torch.{_name}")
