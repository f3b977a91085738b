"""The old spelling of mixed precision on the CPU: `torch.amp` with the device filled in."""

from __future__ import annotations

import rushlight as torch

from ..amp._spelled_by_device import DeviceAutocast, DeviceGradScaler


class autocast(DeviceAutocast):
    """`torch.amp.autocast("cpu", ...)`."""

    device_type = "cpu"
    default_dtype = torch.bfloat16


class GradScaler(DeviceGradScaler):
    """`torch.amp.GradScaler("cpu", ...)`."""

    device_type = "cpu"
