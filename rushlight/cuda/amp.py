"""The old spelling of mixed precision on GPUs: `torch.amp` with the device filled in."""

from __future__ import annotations

import rushlight as torch

from ..amp._spelled_by_device import DeviceAutocast, DeviceGradScaler, warn_deprecated


def amp_definitely_not_available() -> bool:
    """Whether mixed precision on GPUs is out of the question."""
    return not torch.cuda.is_available()


class autocast(DeviceAutocast):
    """`torch.amp.autocast("cuda", ...)`."""

    device_type = "cuda"
    default_dtype = torch.float16


class GradScaler(DeviceGradScaler):
    """`torch.amp.GradScaler("cuda", ...)`."""

    device_type = "cuda"


def custom_fwd(fwd=None, *, cast_inputs=None):
    """`torch.amp.custom_fwd` for CUDA."""
    warn_deprecated("cuda.amp.custom_fwd(args...)", "custom_fwd(args..., device_type='cuda')")
    return torch.amp.custom_fwd(fwd, device_type="cuda", cast_inputs=cast_inputs)


def custom_bwd(bwd):
    """`torch.amp.custom_bwd` for CUDA."""
    warn_deprecated("cuda.amp.custom_bwd(args...)", "custom_bwd(args..., device_type='cuda')")
    return torch.amp.custom_bwd(bwd, device_type="cuda")
