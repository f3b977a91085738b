"""Whichever accelerator there is, by one set of names: CUDA, or none."""

from __future__ import annotations

import rushlight as torch

__all__ = [
    "current_accelerator",
    "current_device_idx",
    "current_device_index",
    "get_device_capability",
    "current_stream",
    "device_count",
    "device_index",
    "empty_cache",
    "empty_host_cache",
    "get_memory_info",
    "is_available",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "reset_accumulated_memory_stats",
    "reset_peak_memory_stats",
    "set_device_idx",
    "set_device_index",
    "set_stream",
    "synchronize",
]


def is_available() -> bool:
    """Whether there is an accelerator."""
    return torch.cuda.is_available()


def device_count() -> int:
    """How many accelerators there are."""
    return torch.cuda.device_count() if is_available() else 0


def current_accelerator(check_available: bool = False):
    """The device type of the accelerator, without an index; None when there is none."""
    return torch.device("cuda") if is_available() else None


def _module():
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    return torch.cuda


def _index(device) -> int:
    """The number of a device given as one, as its name, or as None for the current one."""
    module = _module()
    if device is None:
        return module.current_device()
    if isinstance(device, int):
        return device
    device = torch.device(device)
    if device.type != "cuda":
        raise ValueError(
            f"{device.type} doesn't match the current accelerator {current_accelerator()}."
        )
    return module.current_device() if device.index is None else device.index


def current_device_index() -> int:
    """The number of the current accelerator."""
    return _module().current_device()


def set_device_index(device, /) -> None:
    """Make an accelerator the current one."""
    _module().set_device(_index(device))


current_device_idx, set_device_idx = current_device_index, set_device_index


class device_index:
    """Makes an accelerator the current one in a `with` block; None changes nothing."""

    def __init__(self, device: int | None, /) -> None:
        self.idx = device
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx is not None:
            self.prev_idx = current_device_index()
            set_device_index(self.idx)

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        if self.idx is not None:
            set_device_index(self.prev_idx)


def get_device_capability(device=None, /) -> dict:
    """What an accelerator supports: its dtypes."""
    _module()
    return {"supported_dtypes": set(torch._C.dtypes)}


def current_stream(device=None, /):
    """The stream that work on a device goes to."""
    return _module().current_stream(_index(device))


def set_stream(stream) -> None:
    """Make a stream the current one."""
    _module().set_stream(stream)


def synchronize(device=None, /) -> None:
    """Wait until all work on a device is done."""
    _module().synchronize(_index(device))


def empty_cache() -> None:
    """Give unused memory of the accelerator back."""
    _module().empty_cache()


def empty_host_cache() -> None:
    """Give unused pinned memory back."""
    _module()
    torch._C.empty_cache()


def memory_stats(device_index=None, /):
    """Counters of the accelerator's allocator."""
    return _module().memory_stats(_index(device_index))


def memory_allocated(device_index=None, /) -> int:
    """Bytes that tensors hold on a device."""
    return _module().memory_allocated(_index(device_index))


def max_memory_allocated(device_index=None, /) -> int:
    """The most bytes that tensors have held on a device."""
    return _module().max_memory_allocated(_index(device_index))


def memory_reserved(device_index=None, /) -> int:
    """Bytes that the allocator holds on a device."""
    return _module().memory_reserved(_index(device_index))


def max_memory_reserved(device_index=None, /) -> int:
    """The most bytes that the allocator has held on a device."""
    return _module().max_memory_reserved(_index(device_index))


def reset_accumulated_memory_stats(device_index=None, /) -> None:
    """Set the counters that only grow back to zero."""
    _module().reset_accumulated_memory_stats(_index(device_index))


def reset_peak_memory_stats(device_index=None, /) -> None:
    """Set the peaks back to what is held now."""
    _module().reset_peak_memory_stats(_index(device_index))


def get_memory_info(device_index=None, /) -> tuple[int, int]:
    """Bytes free and bytes in all on a device."""
    return _module().mem_get_info(_index(device_index))
