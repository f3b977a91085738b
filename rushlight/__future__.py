"""Choices that a program makes ahead of time: how modules take the tensors they are given."""

from __future__ import annotations

_choices = {"overwrite": False, "swap": False}


def set_overwrite_module_params_on_conversion(value: bool) -> None:
    """Whether conversions (`module.double()`) put new parameters in place of the old ones.

    Without it parameters stay the same objects and get new elements.
    """
    _choices["overwrite"] = value


def get_overwrite_module_params_on_conversion() -> bool:
    """What `set_overwrite_module_params_on_conversion` was told last: False at first."""
    return _choices["overwrite"]


def set_swap_module_params_on_conversion(value: bool) -> None:
    """Whether conversions and `load_state_dict` swap each tensor with its successor.

    `utils.swap_tensors` keeps every parameter the same object, whatever its class becomes;
    `load_state_dict` asks `Tensor.module_load` for the successor.
    """
    _choices["swap"] = value


def get_swap_module_params_on_conversion() -> bool:
    """What `set_swap_module_params_on_conversion` was told last: False at first."""
    return _choices["swap"]
