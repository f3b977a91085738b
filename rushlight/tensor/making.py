"""Tensors from numbers, sequences, arrays and buffers."""

from __future__ import annotations

from .. import _C
from .._device import check_device, meta, placed
from .._lazy import np
from .._warn import warn_once
from .common import Tensor


def make_tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor that copies `data`: numbers, nested sequences, an ndarray or a tensor.

    The dtype is inferred (bool, int64, default float, default complex) unless given.
    """
    if device is not None and _C.handled_mode() is not None:  # the mode knows what devices are
        return make_tensor(data, dtype=dtype).to(device).requires_grad_(requires_grad)
    check_device(device)
    if isinstance(data, Tensor):
        import warnings

        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), "
            "rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        out = placed(data.detach(), device).clone()
        out = out if dtype is None else out.to(dtype)
    elif (shared := _C.over_ndarray(data)) is not None:
        out = placed(shared, device).clone()
        out = out if dtype is None else out.to(dtype)
    elif hasattr(data, "__array_interface__") and not isinstance(data, (int, float, complex)):
        out = placed(from_numpy(np.asarray(data)), device).clone()
        out = out if dtype is None else out.to(dtype)
    else:
        if type(data) is list and data and type(data[0]).__name__ == "ndarray":
            warn_once(
                "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please "
                "consider converting the list to a single numpy.ndarray with numpy.array() before "
                "converting to a tensor."
            )
        out = from_data(data, dtype, device)
    out = _shown_to_modes(out)
    if requires_grad:
        out.requires_grad_(True)
    return out


make_tensor.__name__ = make_tensor.__qualname__ = "tensor"  # which torch.tensor calls itself


def _shown_to_modes(made):
    """What was made of data, as a mode below the tape has it."""
    if _C.handled_mode() is None:
        return made
    from .._aten import aten

    return aten.lift_fresh.default(made)


def from_data(data, dtype, device):
    """A tensor of numbers and sequences, on `device` or where new tensors go; over a storage."""
    if (over := getattr(type(data), "_read_as", None)) is not None:
        return placed(over(data, dtype), device)
    if device is None:
        return _C.from_data(data, dtype)
    before = _C.set_making(check_device(device) is meta, True)
    try:
        return _C.from_data(data, dtype)
    finally:
        _C.set_making(*before)


def as_tensor(data, dtype=None, device=None):
    """`data` as a tensor, sharing memory with a tensor or ndarray when nothing must change."""
    check_device(device)
    if isinstance(data, Tensor):
        return placed(data if dtype is None else data.to(dtype), device)
    out = _C.over_ndarray(data)
    if out is None and hasattr(data, "__array_interface__"):
        if not isinstance(data, (int, float, complex)):
            out = from_numpy(np.asarray(data))
    if out is not None:
        out = placed(out, device)
        return out if dtype is None else out.to(dtype)
    return _shown_to_modes(from_data(data, dtype, device))


def asarray(obj, *, dtype=None, device=None, copy=None, requires_grad=None):
    """`obj` as a tensor; `copy` True always copies, False never does (ValueError if it must).

    Shares the memory of tensors, ndarrays, DLPack capsules and buffers where it can; the bytes of
    a buffer are read as `dtype`, or as the default dtype.
    """
    source = obj if isinstance(obj, Tensor) else _shared(obj, dtype)
    if source is None and copy is False:
        if hasattr(obj, "__array_interface__") and hasattr(obj, "dtype"):
            raise RuntimeError(
                "can't alias NumPy scalars. Either remove copy=False or transform it in a ndarray. "
            )
        raise ValueError("can't alias arbitrary sequence into a tensor.")
    out = as_tensor(obj if source is None else source, dtype, device)
    if copy is False and out is not source:
        raise ValueError(_no_alias(source, out))
    if copy and out is source:
        out = out.clone()
    if requires_grad:
        return out.requires_grad_(True)
    if requires_grad is None and source is obj and source.requires_grad:
        warn_once(
            "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad instead of "
            "False. Pass requires_grad=False explicitly to get the old behavior and silence this "
            "warning."
        )
        return out
    return out.detach() if out.requires_grad else out


def _shared(obj, dtype):
    """A tensor over the memory of `obj`; None where it has none to share."""
    if (out := _C.over_ndarray(obj)) is not None:
        return out
    if hasattr(obj, "__array_interface__"):
        return from_numpy(obj) if isinstance(obj, np.ndarray) else None
    if hasattr(obj, "__dlpack__"):
        from ..utils.dlpack import from_dlpack

        return from_dlpack(obj)
    try:
        view = memoryview(obj)
    except TypeError:
        return None
    return frombuffer(view, dtype=_C.get_default_dtype() if dtype is None else dtype)


def _no_alias(source, out):
    if source.device != out.device:
        return f"can't alias tensor from device '{source.device}' to '{out.device}'."
    names = source.dtype._scalar_name, out.dtype._scalar_name
    return "can't alias tensor with dtype '{}' into dtype '{}'.".format(*names)


def from_numpy(ndarray):
    """A tensor over an ndarray's memory: writes are seen by both. Its dtype is kept."""
    out = _C.over_ndarray(ndarray)
    return _from_odd_array(ndarray) if out is None else out


def _from_odd_array(ndarray):
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    name = ndarray.dtype.name
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion "
            "between byte orders is currently not supported."
        )
    if not hasattr(_C, name):
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{ndarray.dtype.type.__name__}. The only "
            "supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
            "int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) "
        )
    if any(s % ndarray.itemsize for s in ndarray.strides):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array to reallocate the memory."
        )
    if not ndarray.flags.writeable:
        import warnings

        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable "
            "tensors. This means writing to this tensor will result in undefined behavior. You may "
            "want to copy the array to protect its data or make it writable before converting it "
            "to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    dtype = getattr(_C, name)
    if ndarray.size == 0:
        return from_data([], dtype, "cpu").reshape(ndarray.shape)
    strides = tuple(s // ndarray.itemsize for s in ndarray.strides)
    return _C.from_buffer(ndarray, dtype, ndarray.shape, strides, 0)


def frombuffer(buffer, *, dtype, count=-1, offset=0, requires_grad=False):
    """A 1-d tensor over an object with the buffer protocol: `count` elements from byte `offset`."""
    view = memoryview(buffer).cast("B") if not isinstance(buffer, memoryview) else buffer
    length, size = view.nbytes, dtype.itemsize
    if length == 0 or count == 0:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if view.readonly:
        warn_once(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. "
            "This means you can write to the underlying (supposedly non-writable) buffer using the "
            "tensor. You may want to copy the buffer to protect its data or make it writable "
            "before converting it to a tensor. This type of warning will be suppressed for the "
            "rest of this program."
        )
    if offset < 0 or offset >= length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % size:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
                f"multiple of element size ({size})"
            )
        count = (length - offset) // size
    if offset + count * size > length or count == 0:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    out = _C.from_buffer(view, dtype, (count,), None, offset)
    return out.requires_grad_(True) if requires_grad else out


def _legacy_tensor(*args, device=None):
    """`torch.Tensor(2, 3)`, `torch.Tensor([1, 2])`: the old constructor, default dtype."""
    from .. import empty

    device = check_device(device)  # whatever the default is
    if len(args) == 1 and not isinstance(args[0], int):
        if isinstance(args[0], Tensor):
            return args[0].detach()
        if isinstance(args[0], _C.Size):
            return empty(args[0], device=device)
        return from_data(args[0], _C.get_default_dtype(), device)
    return empty(tuple(args), device=device)


_C.set_helper("legacy_tensor", _legacy_tensor)
