"""Tensors as Python objects: text, numbers, iteration, NumPy arrays."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import from_array
from .common import Tensor, method


@method
def numpy(self, *, force=False):
    """An ndarray over the same memory; `force=True` detaches and copies where needed."""
    array = _C.as_ndarray(self)
    if array is not None:
        return array
    if self.requires_grad:
        if not force and _C.is_grad_enabled():
            raise RuntimeError(
                "Can't call numpy() on Tensor that requires grad. "
                "Use tensor.detach().numpy() instead."
            )
        self = self.detach()
    from ..op import has_numpy_dtype, numpy_dtype

    if self.is_meta:
        raise TypeError(
            "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor "
            "to host memory first."
        )
    if not has_numpy_dtype(self.dtype):
        raise TypeError(f"Got unsupported ScalarType {self.dtype._scalar_name}")
    if self.numel() == 0:
        return np.empty(tuple(self.shape), numpy_dtype(self.dtype))
    return np.asarray(_C.buffer(self))


@method
def __array__(self, dtype=None, copy=None):
    array = self.numpy()
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@method
def __array_wrap__(self, array, context=None, return_scalar=False):
    return from_array(array)


Tensor.__array_priority__ = 1000


@method
def __repr__(self, *, tensor_contents=None):
    from .._tensor_str import tensor_repr

    stack = _C.interpreters() if _C.handled_mode() is not None else None
    if stack is None:
        return tensor_repr(self, tensor_contents=tensor_contents)
    _C.set_interpreters([])
    try:
        return tensor_repr(self, tensor_contents=tensor_contents)
    finally:
        _C.set_interpreters(stack)


@method
def __format__(self, spec):
    if self.ndim == 0 and not self.is_meta and type(self) is Tensor:
        return self.item().__format__(spec)
    return object.__format__(self, spec)


@method
def __iter__(self):
    if self.ndim == 0:
        raise TypeError("iteration over a 0-d tensor")
    return iter(self.unbind(0))


@method
def __contains__(self, element):
    if isinstance(element, (Tensor, int, float, complex, bool)):
        return bool((element == self).any().item())
    raise RuntimeError(
        f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}."
    )


@method
def __complex__(self):
    return complex(self.item())


@method
def __dir__(self):
    return sorted({*dir(type(self)), *self.__dict__})


@method
def __reversed__(self):
    return self if self.ndim == 0 else self.flip(0)


@method
def __array_namespace__(self, *, api_version=None):
    """The functions of the Python array API standard, for arrays of this type."""
    if api_version not in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        raise ValueError(
            f"__array_namespace__: version {api_version!r} of the array API is not offered: "
            "expected '2024.12' or an earlier one"
        )
    from .. import array_api

    return array_api


@method
def to_device(self, device, /, *, stream=None):
    """The tensor on a device, as the array API standard spells it."""
    return self.to(device)
