"""How tensors are rebuilt from files and pickles, and how they are taken apart and deep-copied.

The `_rebuild_*` functions carry PyTorch's names and arguments: they are part of its file format.
"""

from __future__ import annotations

import sys
from collections import OrderedDict

import rushlight as torch

from ._storage import LEGACY_NAMES, TypedStorage, dtype_name


def _rebuild_tensor(storage, storage_offset, size, stride):
    return storage._untyped_storage._tensor(storage.dtype, storage_offset, size, stride)


def _set_conj_and_neg(tensor, metadata):
    # Without lazy conjugation and negation the values are changed here, in memory of their own.
    if metadata and metadata.get("conj"):
        tensor = tensor.conj()
    if metadata and metadata.get("neg"):
        tensor = tensor.neg()
    return tensor


def _rebuild_tensor_v2(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, metadata=None
):
    tensor = _set_conj_and_neg(_rebuild_tensor(storage, storage_offset, size, stride), metadata)
    return _finish(tensor, requires_grad)


def _rebuild_tensor_v3(
    storage, storage_offset, size, stride, requires_grad, backward_hooks, dtype, metadata=None
):
    tensor = storage.untyped()._tensor(dtype, storage_offset, size, stride)
    return _finish(_set_conj_and_neg(tensor, metadata), requires_grad)


def _finish(tensor, requires_grad):
    if requires_grad:
        tensor.requires_grad_(True)
    return tensor


def _rebuild_sparse_tensor(layout, data):
    from .sparse.pickling import rebuild

    return rebuild(layout, data)


def _rebuild_parameter(data, requires_grad, backward_hooks):
    return torch.nn.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    return _set_state(torch.nn.Parameter(data, requires_grad), state)


def _rebuild_from_type_v2(func, new_type, args, state):
    result = func(*args)
    if type(result) is not new_type:
        result = result.as_subclass(new_type)
    setter = getattr(type(result), "__setstate__", None)
    if setter is not None and setter is not getattr(torch.Tensor, "__setstate__", None):
        result.__setstate__(state)
        return result
    return _set_state(result, state)


def _rebuild_meta_tensor_no_storage(dtype, size, stride, requires_grad):
    tensor = torch.empty_strided(size, stride, dtype=dtype, device="meta")
    return _finish(tensor, requires_grad)


def _set_state(obj, state):
    """Give `obj` the attributes that `_get_state` saved: a dict, or a dict and one of the slots."""
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    for values in (attributes, slots):
        for name, value in (values or {}).items():
            setattr(obj, name, value)
    return obj


def _get_state(obj):
    getter = getattr(obj, "__getstate__", None)
    if getter is not None and getter.__qualname__ != "object.__getstate__":
        return getter()
    slots = {}
    for kind in type(obj).__mro__:
        if kind is torch.Tensor:
            break
        names = kind.__dict__.get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if not name.startswith("__") and hasattr(obj, name):
                slots[name] = getattr(obj, name)
    attributes = getattr(obj, "__dict__", {})
    if "_dual" in attributes:  # a tangent belongs to its level
        attributes = {name: value for name, value in attributes.items() if name != "_dual"}
    return (attributes, slots) if slots else attributes


def has_state(tensor) -> bool:
    """Whether a plain tensor has attributes or hooks that its pickle must care about."""
    return bool(tensor.__dict__) or bool(tensor._backward_hooks)


def _warn_about_hooks(tensor):
    if getattr(tensor, "_backward_hooks", None):
        import warnings

        warnings.warn(
            "backward hooks are not saved with a tensor; register them again after loading",
            stacklevel=4,
        )


def _plain_reduce(tensor):
    _warn_about_hooks(tensor)
    if tensor.device.type == "meta":
        args = (tensor.dtype, tuple(tensor.shape), tensor.stride(), tensor.requires_grad)
        return _rebuild_meta_tensor_no_storage, args
    dtype = tensor.dtype
    storage = tensor.untyped_storage()
    place = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride(), tensor.requires_grad)
    if dtype_name(dtype) in LEGACY_NAMES:
        typed = TypedStorage(wrap_storage=storage, dtype=dtype)
        return _rebuild_tensor_v2, (typed, *place, OrderedDict())
    return _rebuild_tensor_v3, (storage, *place, OrderedDict(), dtype)


def tensor_reduce_ex(tensor, protocol):
    """`Tensor.__reduce_ex__`: memory, place in it, and Python attributes."""
    state = _get_state(tensor)
    if type(tensor) is torch.Tensor and not state:
        return _plain_reduce(tensor)
    func, args = _plain_reduce(tensor)
    return _rebuild_from_type_v2, (func, type(tensor), args, state)


def tensor_deepcopy(tensor, memo):
    """`Tensor.__deepcopy__`: new memory, shared among the copies of views of one storage."""
    if id(tensor) in memo:
        return memo[id(tensor)]
    if not tensor.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the moment: got a tensor with grad_fn; deep-copy its detach() instead. "
            "In a module, a weight computed from others (as by weight_norm) is such a tensor"
        )
    from copy import deepcopy

    storage = deepcopy(tensor.untyped_storage(), memo)
    place = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
    copy = storage._tensor(tensor.dtype, *place)
    if type(tensor) is not torch.Tensor:
        copy = copy.as_subclass(type(tensor))
    copy.requires_grad_(tensor.requires_grad)
    memo[id(tensor)] = copy
    if tensor.grad is not None:
        copy.grad = deepcopy(tensor.grad, memo)
    return _set_state(copy, deepcopy(_get_state(tensor), memo))


def _load_from_bytes(data: bytes):
    """Rebuild a storage from the bytes that PyTorch puts into a plain pickle."""
    from io import BytesIO

    return sys.modules["rushlight"].load(BytesIO(data), weights_only=False)


def _get_available_device_type() -> str | None:
    """The kind of accelerator that is there: none is."""
    return None


def _get_device_module(device_type: str):
    """The module of a kind of device: torch.cpu."""
    import rushlight as torch

    module = getattr(torch, device_type, None)
    if module is None:
        raise RuntimeError(
            f"Device '{device_type}' does not have a corresponding module registered as "
            f"'torch.{device_type}'."
        )
    return module


def _element_size(dtype) -> int:
    """The bytes of one element."""
    return dtype.itemsize


def _get_device_index(device, optional: bool = False, allow_cpu: bool = False):
    """The number of a device given as text, device or number; None where that is optional."""
    import rushlight as torch

    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type == "cpu":
            if not allow_cpu:
                raise ValueError(f"Expected a non cpu device, but got: {device}")
            return -1
        index = device.index
    else:
        index = device
    if index is None and not optional:
        raise ValueError(
            f"Expected a torch.device with a specified index or an integer, but got:{device}"
        )
    return index


def __getattr__(name: str):
    from . import _flat_tensors

    if name.endswith(("_tensors", "_tensors_as")) and hasattr(_flat_tensors, name):
        return getattr(_flat_tensors, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
