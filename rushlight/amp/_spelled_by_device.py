"""The old `torch.cpu.amp.*` and `torch.cuda.amp.*`: `torch.amp` with the device filled in."""

from __future__ import annotations

import warnings

from .autocast_mode import autocast
from .grad_scaler import GradScaler


def warn_deprecated(old: str, new: str) -> None:
    """FutureWarning at the caller of the caller."""
    warnings.warn(
        f"`torch.{old}` is deprecated. Please use `torch.amp.{new}` instead.",
        FutureWarning,
        stacklevel=3,
    )


class DeviceAutocast(autocast):
    """`torch.amp.autocast` of a subclass's `device_type`."""

    device_type: str
    default_dtype: object

    def __init__(self, enabled: bool = True, dtype=None, cache_enabled: bool = True):
        device = type(self).device_type
        warn_deprecated(f"{device}.amp.autocast(args...)", f"autocast('{device}', args...)")
        dtype = self.default_dtype if dtype is None else dtype
        super().__init__(device, enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class DeviceGradScaler(GradScaler):
    """`torch.amp.GradScaler` of a subclass's `device_type`."""

    device_type: str

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        device = type(self).device_type
        warn_deprecated(f"{device}.amp.GradScaler(args...)", f"GradScaler('{device}', args...)")
        super().__init__(
            device,
            init_scale=init_scale,
            growth_factor=growth_factor,
            backoff_factor=backoff_factor,
            growth_interval=growth_interval,
            enabled=enabled,
        )
