"""finfo and iinfo: what the dtypes can hold."""

from __future__ import annotations

from . import _C


class _Info:
    def __init__(self, name, values):
        self.__dict__.update(values)
        self._name, self._keys = name, tuple(values)

    def __eq__(self, other):
        return type(self) is type(other) and self.dtype == other.dtype

    def __hash__(self):
        return hash((self._name, self.dtype))


# What finfo says: eps, the largest and the smallest normal number, a decimal step. PyTorch's eps
# of float8_e5m2fnuz is 1/8, as if it had 3 bits.
_FLOATS = {
    "float8_e4m3fn": (2.0**-3, 448.0, 2.0**-6, 1.0),
    "float8_e5m2": (2.0**-2, 57344.0, 2.0**-14, 1.0),
    "float8_e4m3fnuz": (2.0**-3, 240.0, 2.0**-7, 1.0),
    "float8_e5m2fnuz": (2.0**-3, 57344.0, 2.0**-15, 1.0),
    "float8_e8m0fnu": (1.0, 2.0**127, 2.0**-127, 1.0),
    "float16": (2.0**-10, 65504.0, 2.0**-14, 1e-3),
    "bfloat16": (2.0**-7, (2.0 - 2.0**-7) * 2.0**127, 2.0**-126, 1e-2),
    "float32": (2.0**-23, (2.0 - 2.0**-23) * 2.0**127, 2.0**-126, 1e-6),
    "float64": (2.0**-52, (2.0 - 2.0**-52) * 2.0**1023, 2.0**-1022, 1e-15),
}


class finfo(_Info):  # noqa: N801
    """Limits of a floating point dtype: bits, eps, max, min, tiny, smallest_normal, resolution."""

    def __init__(self, type=None):  # noqa: A002
        from .tensor.conversion import PYTHON_DTYPES

        dtype = PYTHON_DTYPES.get(type, type) or _C.get_default_dtype()
        if not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "torch.finfo() requires a floating point input type. "
                f"Use torch.iinfo to handle '{dtype}'"
            )
        real = dtype.to_real()
        if real._name not in _FLOATS:
            raise TypeError(f"torch.finfo(): {dtype} has no numbers")
        eps, top, tiny, digits = _FLOATS[real._name]
        super().__init__(
            "finfo",
            {
                "bits": real.itemsize * 8, "eps": eps, "max": top,
                "min": -top if real.is_signed else tiny, "resolution": digits,
                "smallest_normal": tiny, "tiny": tiny, "dtype": real._name,
            },
        )  # fmt: skip

    def __repr__(self):
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo(_Info):  # noqa: N801
    """Limits of an integer dtype: bits, min, max."""

    def __init__(self, type):  # noqa: A002
        from .tensor.conversion import PYTHON_DTYPES

        type = PYTHON_DTYPES.get(type, type)  # noqa: A001
        if type is _C.bool:
            raise TypeError("torch.bool is not supported by torch.iinfo: it has no limits")
        if type.is_floating_point or type.is_complex or not type._is_number:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        bits = type.itemsize * 8
        low, high = (
            (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if type.is_signed else (0, 2**bits - 1)
        )
        super().__init__("iinfo", {"bits": bits, "min": low, "max": high, "dtype": type._name})

    def __repr__(self):
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"


for _class in (finfo, iinfo):
    _class.__module__ = "torch"
