"""Sharing memory with other array libraries through DLPack capsules.

The structures follow dlpack.h: DLManagedTensor (0.x), which every library can read, and
DLManagedTensorVersioned (1.0), asked for by `max_version`, which can say that memory is writable.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

import rushlight as torch

from .. import _C, Tensor

__all__ = ["DLDeviceType", "from_dlpack", "to_dlpack"]


class DLDeviceType(IntEnum):
    """Kinds of devices in DLPack."""

    kDLCPU = 1
    kDLCUDA = 2
    kDLCUDAHost = 3
    kDLOpenCL = 4
    kDLVulkan = 7
    kDLMetal = 8
    kDLVPI = 9
    kDLROCM = 10
    kDLROCMHost = 11
    kDLExtDev = 12
    kDLCUDAManaged = 13
    kDLOneAPI = 14
    kDLWebGPU = 15
    kDLHexagon = 16
    kDLMAIA = 17


class _DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _DLManagedTensor(ctypes.Structure):
    _fields_ = [("tensor", _DLTensor), ("context", ctypes.c_void_p), ("deleter", _Deleter)]


class _DLManagedTensorVersioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", _Deleter),
        ("flags", ctypes.c_uint64),
        ("tensor", _DLTensor),
    ]


# Type codes of DLPack.
_CODES = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 5: "complex", 6: "bool"}
_CODE_OF_KIND = {kind: code for code, kind in _CODES.items()}
# Small floats have a code each; float4 comes as two lanes of 4 bits.
_SMALL_FLOATS = {
    "float8_e4m3fn": (10, 8, 1),
    "float8_e4m3fnuz": (11, 8, 1),
    "float8_e5m2": (12, 8, 1),
    "float8_e5m2fnuz": (13, 8, 1),
    "float8_e8m0fnu": (14, 8, 1),
    "float4_e2m1fn_x2": (17, 4, 2),
}
_SMALL_FLOAT_OF_TYPE = {facts: name for name, facts in _SMALL_FLOATS.items()}

_api = ctypes.pythonapi
_new_capsule = _api.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
_get_pointer = _api.PyCapsule_GetPointer
_get_pointer.restype = ctypes.c_void_p
_get_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_set_name = _api.PyCapsule_SetName
_set_name.restype = ctypes.c_int
_set_name.argtypes = [ctypes.py_object, ctypes.c_char_p]
_is_valid = _api.PyCapsule_IsValid
_is_valid.restype = ctypes.c_int
_is_valid.argtypes = [ctypes.py_object, ctypes.c_char_p]
# The same functions for a capsule that is being destroyed, which must not be referred to again.
_dying_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api)
)
_dying_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)

# Structure of a capsule by its name, and the name it takes once consumed.
_STRUCTURES = {b"dltensor": _DLManagedTensor, b"dltensor_versioned": _DLManagedTensorVersioned}
_USED = {name: b"used_" + name for name in _STRUCTURES}
# What exported structures point at, by their address, until their consumer is done.
_exported: dict[int, tuple] = {}


@_Deleter
def _delete(address):
    _exported.pop(address, None)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _capsule_dies(capsule):
    # An unconsumed capsule still owns its structure.
    for name in _STRUCTURES:
        if _dying_is_valid(capsule, name):
            _exported.pop(_dying_pointer(capsule, name), None)


def _type_code(dtype) -> tuple[int, int, int]:
    name = str(dtype).partition(".")[2]
    if name.startswith("bits"):
        raise BufferError("Bit types are not supported by dlpack")
    if name in _SMALL_FLOATS:
        return _SMALL_FLOATS[name]
    return _CODE_OF_KIND[name.rstrip("0123456789")], dtype.itemsize * 8, 1


def to_dlpack(tensor: Tensor):
    """A capsule that shares the memory of `tensor` and can be consumed once."""
    return _export(tensor, b"dltensor")


def _export(tensor, capsule_name):
    if tensor.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    if tensor.device.type != "cpu":
        raise BufferError(f"Cannot pack tensors on {tensor.device}: only those on the CPU")
    ndim = tensor.dim()
    sizes = (ctypes.c_int64 * max(ndim, 1))(*tensor.shape)
    strides = (ctypes.c_int64 * max(ndim, 1))(*tensor.stride())
    managed = _STRUCTURES[capsule_name]()
    if capsule_name == b"dltensor_versioned":
        managed.major = 1
    inner = managed.tensor
    inner.data = tensor.data_ptr() or None
    inner.device_type = DLDeviceType.kDLCPU
    inner.device_id = 0
    inner.ndim = ndim
    inner.code, inner.bits, inner.lanes = _type_code(tensor.dtype)
    inner.shape = sizes
    inner.strides = strides
    inner.byte_offset = 0
    managed.deleter = _delete
    address = ctypes.addressof(managed)
    _exported[address] = (managed, sizes, strides, tensor)
    return _new_capsule(address, capsule_name, ctypes.cast(_capsule_dies, ctypes.c_void_p))


class _Imported:
    """Owns a consumed structure and tells its producer when the memory is no longer used."""

    def __init__(self, managed):
        self._managed = managed

    def __del__(self):
        if self._managed.deleter:
            self._managed.deleter(ctypes.addressof(self._managed))


def _dtype_of(code: int, bits: int, lanes: int):
    if (code, bits, lanes) in _SMALL_FLOAT_OF_TYPE:
        return getattr(torch, _SMALL_FLOAT_OF_TYPE[code, bits, lanes])
    kind = _CODES.get(code)
    name = "bool" if kind == "bool" and bits == 8 else f"{kind}{bits}"
    found = getattr(torch, name, None)
    whole = isinstance(found, torch.dtype) and found.itemsize * 8 == bits
    if lanes != 1 or kind is None or not whole:
        raise BufferError(f"from_dlpack: unsupported type: code {code}, {bits} bits, {lanes} lanes")
    return found


def _from_capsule(capsule) -> Tensor:
    name = next((n for n in _STRUCTURES if _is_valid(capsule, n)), None)
    if name is None:
        raise RuntimeError(
            "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed "
            "only "
            "once, so you might have already constructed a tensor from it once."
        )
    managed = _STRUCTURES[name].from_address(_get_pointer(capsule, name))
    inner = managed.tensor
    if inner.device_type not in (DLDeviceType.kDLCPU, DLDeviceType.kDLCUDAHost):
        raise BufferError(
            f"from_dlpack: unsupported device type {inner.device_type}, expected main memory"
        )
    dtype = _dtype_of(inner.code, inner.bits, inner.lanes)
    shape = tuple(inner.shape[: inner.ndim]) if inner.ndim else ()
    strides = None
    if inner.ndim and inner.strides:
        strides = tuple(inner.strides[: inner.ndim])
        if min(strides) < 0:
            raise BufferError(
                "from_dlpack: negative strides are not supported (copy the array first)"
            )
    count = 0 if 0 in shape else 1
    for size, stride in zip(shape, strides or (), strict=False):
        count += (size - 1) * stride if count else 0
    if strides is None:
        for size in shape:
            count *= size
    data = (inner.data or 0) + inner.byte_offset
    _set_name(capsule, _USED[name])
    owner = _Imported(managed)
    return _C.from_pointer(data, count * dtype.itemsize, owner, dtype, shape, strides)


def from_dlpack(ext_tensor, *, device=None, copy: bool | None = None) -> Tensor:
    """A tensor over the memory of another library's array, or of a DLPack capsule.

    `copy=True` copies; `copy=False` refuses what would need a copy, as a move to another `device`
    does.
    """
    target = None if device is None else torch.device(device)
    if hasattr(ext_tensor, "__dlpack__"):
        try:
            capsule = ext_tensor.__dlpack__(max_version=(1, 0))
        except TypeError:  # a producer from before version 1.0
            capsule = ext_tensor.__dlpack__()
    else:
        capsule = ext_tensor
    tensor = _from_capsule(capsule)
    if target is not None and target != tensor.device:
        if copy is False:
            raise ValueError(f"cannot move from {tensor.device} to {target} without copying")
        return tensor.to(target)
    return tensor.clone() if copy else tensor


def tensor_dlpack(tensor, *, stream=-1, max_version=None, dl_device=None, copy=None):
    """`Tensor.__dlpack__`: a capsule for the consumer that asks."""
    if dl_device is not None and tuple(dl_device) != tensor_dlpack_device(tensor):
        raise BufferError(f"__dlpack__: cannot export to device {dl_device}")
    versioned = max_version is not None and max_version[0] >= 1
    return _export(
        tensor.clone() if copy else tensor, b"dltensor_versioned" if versioned else b"dltensor"
    )


def tensor_dlpack_device(tensor) -> tuple[DLDeviceType, int]:
    """`Tensor.__dlpack_device__`: kind and index of the device."""
    kinds = {"cpu": DLDeviceType.kDLCPU, "cuda": DLDeviceType.kDLCUDA}
    if tensor.device.type not in kinds:
        raise ValueError(f"Unknown device type {tensor.device.type} for Dlpack")
    return kinds[tensor.device.type], tensor.device.index or 0
