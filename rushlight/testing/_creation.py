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
    if low != low or high != high:
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={low} and high={high}")
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
    """Uniform numbers, drawn as PyTorch draws them: the same seed gives the same tensor."""
    if not (dtype.is_floating_point or dtype.is_complex):
        return torch.randint(low, high, shape, dtype=dtype, device=device)
    result = torch.empty(shape, dtype=dtype, device=device)
    real = torch.view_as_real(result) if dtype.is_complex else result
    if high - low > torch.finfo(real.dtype).max:
        real.uniform_(low / 2, high / 2).mul_(2)  # the whole range does not fit
    else:
        real.uniform_(low, high)
    return result


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
    if noncontiguous and shape and torch.Size(shape).numel() > 1:
        wide = (*shape[:-1], 2 * shape[-1])
        result = _values(wide, dtype, device, low, high)[..., 1::2]
    else:
        result = _values(shape, dtype, device, low, high)
    if memory_format is not None:
        result = result.contiguous(memory_format=memory_format)
    if exclude_zero:
        floating = dtype.is_floating_point or dtype.is_complex
        result[result == 0] = torch.finfo(dtype).tiny if floating else 1
    return result.requires_grad_() if requires_grad else result
