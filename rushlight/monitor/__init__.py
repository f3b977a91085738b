"""torch.monitor: events of a program, and statistics that it hands out at intervals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..utils.tensorboard import SummaryWriter

STAT_EVENT = "torch.monitor.Stat"


class Aggregation(IntEnum):
    """What a Stat computes of the values in a window."""

    VALUE = 0
    MEAN = 2
    COUNT = 3
    SUM = 4
    MAX = 5
    MIN = 6


VALUE, MEAN, COUNT = Aggregation.VALUE, Aggregation.MEAN, Aggregation.COUNT
SUM, MAX, MIN = Aggregation.SUM, Aggregation.MAX, Aggregation.MIN
data_value_t = str | float | int | bool

_NAMES = {VALUE: "value", MEAN: "mean", COUNT: "count", SUM: "sum", MAX: "max", MIN: "min"}


class Event:
    """Something that happened: a name, a time, and values by name."""

    def __init__(self, name: str, timestamp: datetime, data: dict[str, data_value_t]):
        self.name = name
        self.timestamp = timestamp
        self.data = data


class EventHandlerHandle:
    """What `register_event_handler` returns."""

    def __init__(self, callback: Callable[[Event], None]):
        self._callback = callback


_handlers: list[EventHandlerHandle] = []


def register_event_handler(callback: Callable[[Event], None]) -> EventHandlerHandle:
    """Call `callback(event)` for every event that is logged."""
    handle = EventHandlerHandle(callback)
    _handlers.append(handle)
    return handle


def unregister_event_handler(handler: EventHandlerHandle) -> None:
    """Call it no longer."""
    if handler in _handlers:
        _handlers.remove(handler)


def log_event(event: Event) -> None:
    """Hand an event to every handler."""
    for handler in list(_handlers):
        handler._callback(event)


class Stat:
    """Collects values, and logs what they add up to when a window of time or of samples is over.

    `aggregations` say what is computed; the event is called torch.monitor.Stat and its values
    `<name>.<aggregation>`. Used by several threads at once.
    """

    def __init__(
        self,
        name: str,
        aggregations: list[Aggregation],
        window_size: timedelta,
        max_samples: int = 2**63 - 1,
    ):
        self._name = name
        self._aggregations = tuple(dict.fromkeys(aggregations))
        self._window = window_size.total_seconds()
        self._max_samples = max_samples
        self._lock = threading.RLock()
        self._values: list[float] = []
        self._closed: dict[Aggregation, float] = self._combine([])
        self._slot = self._present()

    def _present(self) -> int:
        import time

        return int(time.time() / self._window) if self._window > 0 else 0

    def _combine(self, values: list[float]) -> dict[Aggregation, float]:
        count = len(values)
        found = {
            VALUE: values[-1] if values else 0.0,
            MEAN: sum(values) / count if count else 0.0,
            COUNT: float(count),
            SUM: float(sum(values)),
            MAX: max(values, default=0.0),
            MIN: min(values, default=0.0),
        }
        return {kind: found[kind] for kind in self._aggregations}

    def _roll(self, force: bool = False) -> None:
        slot = self._present()
        if not force and slot == self._slot and len(self._values) < self._max_samples:
            return
        if self._values:
            self._closed = self._combine(self._values)
            self._values = []
            data = {f"{self._name}.{_NAMES[k]}": v for k, v in self._closed.items()}
            log_event(Event(STAT_EVENT, datetime.now(), data))
        self._slot = slot

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def count(self) -> int:
        """How many values the window has by now."""
        with self._lock:
            self._roll()
            return len(self._values)

    def add(self, v: float) -> None:
        """Add a value; the one that fills the window logs it."""
        with self._lock:
            self._roll()
            self._values.append(float(v))
            if len(self._values) >= self._max_samples:
                self._roll()

    def get(self) -> dict[Aggregation, float]:
        """What the last window that is over added up to."""
        with self._lock:
            self._roll()
            return dict(self._closed)

    def __del__(self):
        if getattr(self, "_values", None):
            self._roll(force=True)


class _WaitCounterGuard:
    def __init__(self, counter: _WaitCounter):
        self._counter = counter

    def __enter__(self):
        import time

        self._start = time.perf_counter()
        return self

    def __exit__(self, *args) -> None:
        import time

        self._counter.seconds += time.perf_counter() - self._start
        self._counter.waits += 1


class _WaitCounter:
    """How often and how long something was waited for, in `with counter.guard():`."""

    def __init__(self, key: str):
        self.key = key
        self.seconds = 0.0
        self.waits = 0

    def guard(self) -> _WaitCounterGuard:
        """Wait inside this."""
        return _WaitCounterGuard(self)


class TensorboardEventHandler:
    """Writes statistics as scalars: `register_event_handler(TensorboardEventHandler(writer))`."""

    def __init__(self, writer: SummaryWriter):
        self._writer: Any = writer

    def __call__(self, event: Event) -> None:
        if event.name == STAT_EVENT:
            for name, value in event.data.items():
                self._writer.add_scalar(name, value, walltime=event.timestamp.timestamp())
