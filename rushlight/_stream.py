"""torch.Stream and torch.Event of the CPU: its work is done when a call returns."""

from __future__ import annotations

from ._device import device as device_class

_DEVICE_TYPES = ("cpu", "cuda")


def _require_cpu(given):
    if isinstance(given, int):
        raise RuntimeError("Cannot access accelerator device when none is available.")
    found = device_class("cpu" if given is None else given)
    if found.type != "cpu":
        raise RuntimeError(f"PyTorch is not linked with support for {found.type} devices")
    return found


class Stream:
    """A queue of work on a device; on the CPU every call has finished when it returns."""

    def __init__(
        self, device=None, priority=0, *, stream_id=0, device_index=-1, device_type=0
    ) -> None:
        if device_type != 0:
            raise RuntimeError("PyTorch is not linked with support for accelerator devices")
        self.device = _require_cpu(device)
        self.device_type, self.device_index = 0, device_index
        self.stream_id = stream_id

    def query(self) -> bool:
        """Whether all work is done: always."""
        return True

    def synchronize(self) -> None:
        """Wait until all work is done: it is."""

    def wait_stream(self, other) -> None:
        """Wait for another stream."""
        raise RuntimeError("cpu backend doesn't support events.")

    def record_event(self, event=None):
        """Mark a point in the queue."""
        raise RuntimeError("cpu backend doesn't support events.")

    def wait_event(self, event) -> None:
        """Wait for a marked point: nothing on the CPU is ever waited for."""

    def is_capturing(self) -> bool:
        """Whether work is being captured into a graph: never."""
        return False

    @property
    def native_handle(self):
        """The device library's own object: the CPU has none."""
        raise RuntimeError("Backend doesn't support getting stream native handle.")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def __eq__(self, other):
        return isinstance(other, Stream) and self._key() == other._key()

    def __hash__(self):
        return hash(self._key())

    def _key(self):
        return self.device_type, self.device_index, self.stream_id

    def __repr__(self):
        return (
            f"torch.Stream device_type={_DEVICE_TYPES[self.device_type]}, "
            f"device_index={self.device_index}, stream_id={self.stream_id}"
        )


class Event:
    """A point in a stream's work."""

    def __init__(
        self, device=None, *, enable_timing=False, blocking=False, interprocess=False
    ) -> None:
        self.device = _require_cpu(device)
        self.event_id = 0
        self._timing = enable_timing

    def record(self, stream=None) -> None:
        """Mark the present point of a stream."""
        raise RuntimeError("cpu backend doesn't support events.")

    def query(self) -> bool:
        """Whether the work before the point is done: always."""
        return True

    def synchronize(self) -> None:
        """Wait for the point: nothing is ever pending."""

    def wait(self, stream=None) -> None:
        """Make a stream wait for the point: nothing is ever pending."""

    def elapsed_time(self, end_event) -> float:
        """Milliseconds between two recorded events."""
        if not (self._timing and end_event._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        raise RuntimeError("Both events must be recorded before calculating elapsed time.")

    def ipc_handle(self):
        """A handle for another process."""
        raise NotImplementedError("torch.Event ipc is not supported: rushlight runs on the CPU")

    @classmethod
    def from_ipc_handle(cls, device, ipc_handle):
        """The event of another process."""
        raise NotImplementedError("torch.Event ipc is not supported: rushlight runs on the CPU")

    def __repr__(self):
        return (
            f"torch.Event device_type=cpu, device_index=-1, event_flag={int(self._timing)}, "
            f"event_id={self.event_id}"
        )


for _class in (Stream, Event):
    _class.__module__ = "torch"
