"""`make_tensor`: random inputs for tests."""

from __future__ import annotations

import rushlight as torch

from .. import Tensor

# The range of the values when none is given, and the widest range of each dtype.
_DEFAULT_INTEGERS = (-9, 10)
_DEFAULT_UNSIGNED = (0, 10)
_DEFAULT_FLOATS = (-9, 9)


def _bounds(dtype, low, high) -> tuple[float, float]:
    if dtype == torch.bool:
        default, least, most = (0, 2), 0, 2
    elif dtype.is_floating_point or dtype.is_complex:
        limits = torch.finfo(dtype)
        default, least, most = _DEFAULT_FLOATS, limits.min, limits.max
    else:
        limits = torch.iinfo(dtype)
        default = _DEFAULT_INTEGERS if limits.min < 0 else _DEFAULT_UNSIGNED
        least, most = limits.min, limits.max + 1
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    for name, value in (("low", low), ("high", high)):
        if value != value:
            raise ValueError(f"`low` and `high` cannot be NaN, but got {name}={value}")
    if low >= high and not (low == high and (dtype.is_floating_point or dtype.is_complex)):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < least or low > most:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), but {dtype} "
            "only "
            f"supports [{least}, {most})"
        )
    low, high = max(low, least), min(high, most)
    if not (dtype.is_floating_point or dtype.is_complex):
        # The upper end is excluded, so a fraction at either end rounds up.
        low, high = -int(-low // 1), -int(-high // 1)
    return low, high


def _values(shape, dtype, device, low, high) -> Tensor:
    if dtype.is_complex:
        part = torch.float64 if dtype == torch.complex128 else torch.float32
        real, imag = (_values(shape, part, device, low, high) for _ in range(2))
        return torch.complex(real, imag).to(dtype)
    if dtype.is_floating_point:
        # Blending the ends, since their distance may exceed the dtype.
        weight = torch.rand(shape, dtype=torch.float64, device=device)
        return (weight * high + (1 - weight) * low).clamp(low, high).to(dtype)
    if high - low > 2**63 - 1 or high > 2**63 - 1:
        bits = torch.randint(-(2**63), 2**63 - 1, shape, dtype=torch.int64, device=device)
        return bits.to(dtype)
    return torch.randint(low, high, shape, dtype=torch.int64, device=device).to(dtype)


def make_tensor(
    *shape,
    dtype,
    device,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format=None,
) -> Tensor:
    """A tensor of uniform random numbers in [low, high), by default from -9 to 9.

    `noncontiguous` leaves gaps in memory; `exclude_zero` replaces zeros by the smallest positive
    number (1 for integers and bool).
    """
    if len(shape) == 1 and not isinstance(shape[0], int):
        shape = shape[0]
    shape = tuple(shape)
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous} and memory_format={memory_format}"
        )
    if requires_grad and not (dtype.is_floating_point or dtype.is_complex):
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"dtype={dtype}"
        )
    low, high = _bounds(dtype, low, high)
    count = 1
    for size in shape:
        count *= size
    if noncontiguous and count > 1:
        result = _values((*shape, 2), dtype, device, low, high)[..., 0]
    else:
        result = _values(shape, dtype, device, low, high)
    if memory_format is not None:
        result = result.contiguous(memory_format=memory_format)
    if exclude_zero:
        floating = dtype.is_floating_point or dtype.is_complex
        result[result == 0] = torch.finfo(dtype).tiny if floating else 1
    return result.requires_grad_() if requires_grad else result
