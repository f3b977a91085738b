"""The CPU as a device module: what scripts written for any device ask of it.

Every call has finished when it returns, so streams and events have nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .._lazy import np

__all__ = [
    "is_available",
    "is_initialized",
    "synchronize",
    "current_device",
    "current_stream",
    "stream",
    "set_device",
    "device_count",
    "Stream",
    "StreamContext",
    "Event",
    "get_capabilities",
]


class Stream:
    """A queue of work; the CPU has one."""

    def __init__(self, priority: int = -1) -> None:
        self._priority = priority

    def record_event(self, event=None) -> None:
        """Mark a point in the queue: it is reached already."""

    def wait_event(self, event) -> None:
        """Wait for a marked point: it is reached already."""

    def wait_stream(self, stream) -> None:
        """Wait for another stream: its work is done already."""


class Event:
    """A marked point in a queue."""

    def query(self) -> bool:
        """Whether the point is reached: always."""
        return True

    def record(self, stream=None) -> None:
        """Mark the point in a stream."""

    def synchronize(self) -> None:
        """Wait for the point."""

    def wait(self, stream=None) -> None:
        """Let a stream wait for the point."""


_current = Stream()


class StreamContext:
    """Makes a stream the current one for the length of a `with` block."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream
        self._before = _current

    def __enter__(self) -> None:
        global _current
        if self.stream is not None:
            self._before, _current = _current, self.stream

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        global _current
        if self.stream is not None:
            _current = self._before


def stream(stream: Stream | None) -> StreamContext:
    """A context in which `stream` is the current one; None changes nothing."""
    return StreamContext(stream)


def current_stream(device=None) -> Stream:
    """The stream that work goes to."""
    return _current


def is_available() -> bool:
    """Whether there is a CPU: always."""
    return True


def is_initialized() -> bool:
    """Whether the CPU is ready: always."""
    return True


def synchronize(device=None) -> None:
    """Wait until all work is done: it is."""


def device_count() -> int:
    """How many CPU devices there are: one, with all its cores."""
    return 1


def current_device() -> str:
    """The name of the current device."""
    return "cpu"


def set_device(device) -> None:
    """Choose the device: there is one."""


def get_capabilities() -> Mapping:
    """{instruction set: whether this machine has it}, with the architecture and core counts."""
    import os
    import platform

    found: dict = {}
    for name, has in np._core._multiarray_umath.__cpu_features__.items():
        name = name.lower()
        if name.startswith("avx512"):
            name = f"avx512_{name[6:].lstrip('_')}"
        elif name.startswith("sse4"):
            name = f"sse4_{name[4:]}"
        found[name] = bool(has)
    cores = os.cpu_count() or 1
    return MappingProxyType(
        found | {"architecture": platform.machine(), "num_logical_cores": cores}
    )


def __getattr__(name: str):
    if name == "amp":
        import importlib

        return importlib.import_module(".amp", __name__)
    raise AttributeError(f"module 'torch.cpu' has no attribute '{name}'")
