"""Dtypes by kind, promotion without weak arrays, limits of dtypes."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .. import _C
from .._device import check_device

__all__ = ["astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type"]

_SIGNED = (torch.int8, torch.int16, torch.int32, torch.int64)
_UNSIGNED = (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
_REAL, _COMPLEX = (torch.float32, torch.float64), (torch.complex64, torch.complex128)
KINDS = {
    "bool": (torch.bool,),
    "signed integer": _SIGNED,
    "unsigned integer": _UNSIGNED,
    "integral": _SIGNED + _UNSIGNED,
    "real floating": _REAL,
    "complex floating": _COMPLEX,
    "numeric": _SIGNED + _UNSIGNED + _REAL + _COMPLEX,
}
_RANKS = {bool: 0, int: 1, float: 2, complex: 3}


def astype(x, dtype, /, *, copy=True, device=None):
    """The array in another dtype; a copy unless `copy=False` and nothing changes."""
    check_device(device)
    return x.to(dtype, copy=copy)


def isdtype(dtype, kind):
    """Whether the dtype is, or is of, `kind`: a dtype, the name of a kind, or a tuple of them."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"isdtype: unknown kind {kind!r}, expected one of {sorted(KINDS)}")
        return dtype in KINDS[kind]
    if not isinstance(kind, torch.dtype):
        raise TypeError(f"isdtype: kind must be a dtype, a str or a tuple, got {kind!r}")
    return dtype is kind


def _rank(dtype):
    if dtype is torch.bool:
        return 0
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 1


def promoted(a, b):
    """The dtype two dtypes promote to; TypeError where the standard has none."""
    if {a, b} & {torch.uint64} and {a, b} & set(_SIGNED):
        raise TypeError(f"result_type: {a} and {b} have no common integer dtype")
    wide = {torch.uint16: torch.int32, torch.uint32: torch.int64}
    for one, other in ((a, b), (b, a)):
        if one in wide and other in _SIGNED:
            return wide[one] if wide[one].itemsize > other.itemsize else other
        if one in _UNSIGNED and other in _UNSIGNED:
            return one if one.itemsize >= other.itemsize else other
        if one in _UNSIGNED and _rank(other) != 1:  # kinds mix: the higher one decides
            return other if _rank(other) > 1 else one
    return _C.promote_types(a, b)


def result_type(*arrays_and_dtypes):
    """The dtype that arrays, dtypes and Python numbers promote to; numbers only lift the kind."""
    if not arrays_and_dtypes:
        raise ValueError("result_type: at least one array or dtype is needed")
    found, numbers = None, []
    for given in arrays_and_dtypes:
        if isinstance(given, (bool, int, float, complex)):
            numbers.append(type(given))
            continue
        dtype = given.dtype if isinstance(given, Tensor) else given
        found = dtype if found is None else promoted(found, dtype)
    if found is None:
        raise ValueError("result_type: at least one array or dtype is needed")
    for kind in numbers:
        if _RANKS[kind] > _rank(found):
            made = {int: torch.int64, float: torch.get_default_dtype(), complex: torch.complex64}
            wide = found is torch.float64 and kind is complex
            found = torch.complex128 if wide else made[kind]
    return found


def can_cast(from_, to, /):
    """Whether an array or dtype converts to `to` by promotion alone."""
    dtype = from_.dtype if isinstance(from_, Tensor) else from_
    try:
        return promoted(dtype, to) is to
    except TypeError:
        return False


class _Limits:
    def __init__(self, source, names, dtype):
        self.dtype = dtype
        self._names = names
        for name in names:
            setattr(self, name, getattr(source, name))

    def __repr__(self):
        return "(" + ", ".join(f"{n}={getattr(self, n)}" for n in (*self._names, "dtype")) + ")"


def finfo(type, /):
    """bits, eps, max, min and smallest_normal of a floating point dtype or array."""
    dtype = type.dtype if isinstance(type, Tensor) else type
    names = ("bits", "eps", "max", "min", "smallest_normal")
    return _Limits(torch.finfo(dtype), names, dtype.to_real() if dtype.is_complex else dtype)


def iinfo(type, /):
    """bits, max and min of an integer dtype or array."""
    dtype = type.dtype if isinstance(type, Tensor) else type
    return _Limits(torch.iinfo(dtype), ("bits", "max", "min"), dtype)


def pair(name, x1, x2):
    """Two operands in their common dtype; one may be a Python number."""
    if not isinstance(x1, Tensor) and not isinstance(x2, Tensor):
        raise TypeError(f"{name}: at least one operand must be an array")
    dtype = result_type(x1, x2)
    x1 = x1.to(dtype) if isinstance(x1, Tensor) else torch.tensor(x1, dtype=dtype)
    x2 = x2.to(dtype) if isinstance(x2, Tensor) else torch.tensor(x2, dtype=dtype)
    return x1, x2


def common(arrays):
    """Arrays in their common dtype."""
    arrays = list(arrays)
    dtype = result_type(*arrays)
    return [a.to(dtype) for a in arrays]
