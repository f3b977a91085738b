"""The rarer dtypes by name, and what codes of 8-bit floats mean by the formats' definitions."""

from __future__ import annotations

import math

import numpy as np

import rushlight as torch

UNSIGNED = ("uint16", "uint32", "uint64")
# bits of significand, bias, largest finite code, code of overflow, NaN
FLOAT8 = {
    "float8_e4m3fn": (3, 7, 0x7E, 0x7E, 0x7F),
    "float8_e5m2": (2, 15, 0x7B, 0x7C, 0x7F),
    "float8_e4m3fnuz": (3, 8, 0x7F, 0x80, 0x80),
    "float8_e5m2fnuz": (2, 16, 0x7F, 0x80, 0x80),
}
SMALL = [f"{kind}{n}" for kind in ("int", "uint") for n in range(1, 8)]
OPAQUE = ["float4_e2m1fn_x2", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16", *SMALL]
NUMBERS = [*UNSIGNED, "complex32", *FLOAT8, "float8_e8m0fnu"]
COMMON = (
    "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64 complex128"
).split()


def dtype(name):
    return getattr(torch, name)


def codes(name):
    """Every code of an 8-bit type, as a tensor of that type."""
    return torch.arange(256).to(torch.uint8).view(dtype(name))


def decoded(name, code):
    """The number that a code of an 8-bit float stands for."""
    if name == "float8_e8m0fnu":
        return math.nan if code == 255 else 2.0 ** (code - 127)
    bits, bias, most, _, _ = FLOAT8[name]
    sign, magnitude = -1.0 if code & 0x80 else 1.0, code & 0x7F
    if name.endswith("fnuz"):
        if code == 0x80:
            return math.nan
    elif magnitude > most:
        return sign * math.inf if (name, magnitude) == ("float8_e5m2", 0x7C) else math.nan
    exponent, fraction = magnitude >> bits, (magnitude & ((1 << bits) - 1)) / (1 << bits)
    if exponent == 0:
        return sign * fraction * 2.0 ** (1 - bias)
    return sign * (1 + fraction) * 2.0 ** (exponent - bias)


def encoded(name, values):
    """Codes of float64 values: the nearest, the even one of two; by search among all numbers."""
    values = np.asarray(values, np.float64)
    _, _, most, over, nan = FLOAT8[name]
    grid = np.array([decoded(name, c) for c in range(most + 1)])
    step = grid[-1] - grid[-2]
    grid = np.append(grid, grid[-1] + step)  # where the next number would be
    size = np.abs(np.where(np.isfinite(values), values, 0))
    above = np.searchsorted(grid, size).clip(1, most + 1)
    low, high = grid[above - 1], grid[above]
    even_up = above % 2 == 0
    up = (size - low > high - size) | ((size - low == high - size) & even_up)
    out = np.where(up, above, above - 1)
    out = np.where((out > most) | np.isinf(values), over, out)
    out = np.where(np.isnan(values), nan, out)
    if name.endswith("fnuz"):
        return np.where((out == 0) | (out == 0x80), out, out | np.signbit(values) << 7)
    return out | np.signbit(values) << 7


def awkward_floats(name):
    """Numbers of a float8 type, the middles between them, and those just beside the middles."""
    numbers = np.array([decoded(name, c) for c in range(256)])
    numbers = np.unique(numbers[np.isfinite(numbers)])
    middles = (numbers[1:] + numbers[:-1]) / 2
    around = np.concatenate(
        [np.nextafter(np.float32(middles), np.float32(s)) for s in (-1e38, 1e38)]
    )
    beyond = np.array([1.02, 1.04, 1.06, 1.0625, 1.07, 1.125, 1.13, 1.5, 2, 1e9]) * numbers.max()
    rest = np.concatenate([beyond, -beyond, [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-30, -1e-30]])
    return np.concatenate([numbers, middles, around, rest]).astype(np.float32)
