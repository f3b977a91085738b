"""A device as a mode: where functions that make tensors put them."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ..overrides import TorchFunctionMode

CURRENT_DEVICE: Any = None


class DeviceContext(TorchFunctionMode):
    """Within the block new tensors are made on a device, unless a call names another."""

    def __init__(self, device: Any):
        self.device = torch.device(device)

    def __enter__(self):
        self.device.__enter__()
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        self.device.__exit__(exc_type, exc_value, traceback)


def device_decorator(device: Any, func: Any):
    """The function, run within a DeviceContext."""
    from ..autograd.grad_mode import context_decorator

    return context_decorator(lambda: DeviceContext(device), func)


def set_device(device: Any):
    """Decorate a function that makes its tensors on a device."""
    return lambda func: device_decorator(torch.device(device), func)
