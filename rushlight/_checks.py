"""torch._check and its kin: conditions that library code states, with the error to raise."""

from __future__ import annotations

from collections.abc import Callable

from .op import front

__all__ = [
    "_assert",
    "_assert_async",
    "_check",
    "_check_index",
    "_check_is_size",
    "_check_not_implemented",
    "_check_tensor_all",
    "_check_type",
    "_check_value",
]


def _check_with(error_type: type, cond, message: Callable[[], str] | None) -> None:
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        raise error_type(
            "Expected cond to be True, but got False. (Could this error message be improved? If "
            "so, please report an enhancement request to PyTorch.)"
        )
    if not callable(message):
        raise TypeError("message must be a callable")
    raise error_type(str(message()))


def _check(cond, message=None) -> None:
    """Raise RuntimeError, with the text that `message()` returns, unless `cond`."""
    _check_with(RuntimeError, cond, message)


def _check_index(cond, message=None) -> None:
    """Raise IndexError unless `cond`."""
    _check_with(IndexError, cond, message)


def _check_value(cond, message=None) -> None:
    """Raise ValueError unless `cond`."""
    _check_with(ValueError, cond, message)


def _check_type(cond, message=None) -> None:
    """Raise TypeError unless `cond`."""
    _check_with(TypeError, cond, message)


def _check_not_implemented(cond, message=None) -> None:
    """Raise NotImplementedError unless `cond`."""
    _check_with(NotImplementedError, cond, message)


def _check_tensor_all(cond, message=None) -> None:
    """Raise RuntimeError unless every element of a bool tensor is true."""
    _check_tensor_all_with(RuntimeError, cond, message)


def _check_tensor_all_with(error_type: type, cond, message=None) -> None:
    import rushlight as torch

    if not isinstance(cond, torch.Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if cond.dtype is not torch.bool:
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _check_with(error_type, bool(cond.all()), message)


def _check_is_size(i, message=None, *, max=None) -> None:
    """Raise RuntimeError unless `i` is a possible size."""
    _check(i >= 0, message)
    if max is not None:
        _check(i <= max, message)


def _assert(condition, message: str) -> None:
    """A Python assert, or one of a 0-d tensor."""
    assert condition, message


def _assert_async(input, assert_msg: str | None = None) -> None:
    """Raise RuntimeError unless the one element of a tensor is nonzero."""
    if input.numel() != 1:
        some = "no values" if input.numel() == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {some} is ambiguous")
    if not input.item():
        raise RuntimeError(assert_msg or "Expected Tensor with single nonzero value, but got zero")


_assert = front(_assert, "torch._assert")  # a traced condition is checked when the graph runs
