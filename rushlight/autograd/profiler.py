"""Measuring what a program spends its time on: one run, from `with` to its end.

`rushlight.profiler.profile` does the same over the steps of a training loop.
"""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import ContextDecorator

from .. import _C
from .profiler_util import (  # noqa: F401 (PyTorch has these names here too)
    MEMORY_EVENT_NAME,
    OUT_OF_MEMORY_EVENT_NAME,
    DeviceType,
    EventList,
    FunctionEvent,
    FunctionEventAvg,
    Interval,
    Kernel,
    MemRecordsAcc,
    StringTable,
)

__all__ = [
    "EnforceUnique",
    "EventList",
    "FunctionEvent",
    "KinetoStepTracker",
    "MemRecordsAcc",
    "emit_itt",
    "emit_nvtx",
    "load_nvprof",
    "parse_nvprof_trace",
    "profile",
    "record_function",
]

_is_profiler_enabled = False


def _set_is_profiler_enabled(enable: bool) -> None:
    global _is_profiler_enabled
    _is_profiler_enabled = enable


class record_function(ContextDecorator):
    """Name a region: it stands in the profiler's results with what runs inside it.

    A context manager, and a decorator of functions. Without a profiler it costs next to nothing.
    """

    def __init__(self, name: str, args: str | None = None):
        self.name = name
        self.args = args
        self.run_callbacks_on_exit = True
        self.record = None

    def __enter__(self):
        self.record = _C.profiler_enter(self.name)
        return self

    def __exit__(self, exc_type, exc_value, traceback) -> None:
        record, self.record = self.record, None
        if self.run_callbacks_on_exit and record is not None:
            _C.profiler_exit(record)

    def _call_end_callbacks_on_future(self, fut):
        """End the region when `fut` is done, instead of at the end of the block."""
        if not self.run_callbacks_on_exit:
            raise RuntimeError("_call_end_callbacks_on_future can only be called once.")
        self.run_callbacks_on_exit = False
        record = self.record

        def finished(future):
            if record is not None:
                _C.profiler_exit(record)
            return future.value()

        return fut.then(finished)


class profile:
    """Record every operator and node that runs in this thread inside the `with` block.

    `record_shapes` keeps the shapes of arguments, `with_stack` where calls were made,
    `profile_memory` counts the memory of tensors, `with_flops` estimates operations of products
    and convolutions. What is off costs nothing.
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = False,
        use_cpu: bool = True,
        experimental_config=None,
        acc_events: bool = False,
        custom_trace_id_callback=None,
        post_processing_timeout_s: float | None = None,
        activity_filters=None,
    ):
        self.enabled = enabled
        if not enabled:
            return
        self.use_cuda = use_cuda
        self.use_device = use_device
        self.record_shapes = record_shapes or with_flops
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.use_cpu = use_cpu
        self.acc_events = acc_events
        self.experimental_config = experimental_config
        self.custom_trace_id_callback = custom_trace_id_callback
        self.entered = False
        self.profiling_start_time_ns = 0
        self.profiling_end_time_ns = 0
        self.trace_id = ""
        self._records: tuple = ([], [])
        self._events: EventList | None = None

    def __enter__(self):
        if not self.enabled:
            return None
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._prepare_trace()
        self._start_trace()
        return self

    def _prepare_trace(self) -> None:
        self.entered = True
        self.trace_id = self.create_trace_id()

    def _start_trace(self) -> None:
        self.entered = True
        self.profiling_start_time_ns = _C.profiler_start(
            bool(self.record_shapes), bool(self.with_stack), bool(self.profile_memory)
        )
        _set_is_profiler_enabled(True)

    def __exit__(self, exc_type, exc_val, exc_tb):
        if not self.enabled:
            return None
        events, memories = _C.profiler_stop()
        _set_is_profiler_enabled(False)
        self.profiling_end_time_ns = time.time_ns()
        if self.acc_events and self._records[0]:
            offset = len(self._records[0])
            old = self._records
            events = old[0] + [(*e[:4], e[4] + offset if e[4] >= 0 else -1, *e[5:]) for e in events]
            memories = old[1] + [(*m[:4], m[4] + offset if m[4] >= 0 else -1) for m in memories]
        self._records = events, memories
        self._events = None
        return False

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if not self._ended else repr(self._found)

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if not self._ended else str(self._found)

    @property
    def _ended(self) -> bool:
        return self.enabled and self.profiling_end_time_ns > 0

    @property
    def _found(self) -> EventList:
        if not self._ended:
            raise AssertionError("Profiler didn't finish running")
        if self._events is None:
            from ..profiler._events import build_events

            self._events = build_events(*self._records, self.profiling_start_time_ns, self)
        return self._events

    @property
    def function_events(self) -> EventList:
        """The events, in the order in which they began."""
        return self._found

    def config(self, create_trace_id: bool = False):
        """What is recorded."""
        names = "record_shapes profile_memory with_stack with_flops with_modules"
        return {name: getattr(self, name) for name in names.split()}

    def default_trace_id(self) -> str:
        """A new name for a run."""
        import uuid

        return uuid.uuid4().hex.upper()

    def create_trace_id(self) -> str:
        """The name of the run that begins."""
        make = self.custom_trace_id_callback or self.default_trace_id
        return make()

    def toggle_collection_dynamic(self, enabled: bool, activities=None) -> None:
        """Stop recording for a while, or go on."""
        _C.profiler_pause(not enabled)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """`EventList.table` of all events."""
        return self._found.table(
            sort_by, row_limit, max_src_column_width, max_name_column_width,
            max_shapes_column_width, header, top_level_events_only, time_unit,
        )  # fmt: skip

    def export_chrome_trace(self, path) -> None:
        """Write the run as a file that chrome://tracing and Perfetto open."""
        self._write_trace(path, {})

    def _write_trace(self, path, metadata: dict) -> None:
        from ..profiler._trace import write_trace

        write_trace(
            self._found, self._records[1], self.profiling_start_time_ns, self, metadata, path
        )

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """`EventList.export_stacks` of all events; they must have been recorded with stacks."""
        events = self._found
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        events.export_stacks(path, metric)

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events of one name added up."""
        return self._found.key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def total_average(self) -> FunctionEventAvg:
        """All events added up."""
        return self._found.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each moment counted once."""
        return self._found.self_cpu_time_total


class _Marks:
    """Marks on the time line of another tool, which no build of ours has."""

    missing: Exception

    def __init__(self, enabled: bool = True, record_shapes: bool = False):
        self.enabled = enabled
        self.entered = False
        self.record_shapes = record_shapes

    def __enter__(self):
        if self.enabled:
            raise self.missing

    def __exit__(self, exc_type, exc_val, exc_tb):
        return None


class emit_nvtx(_Marks):
    """Mark operators on the time line of NVIDIA's tools; needs a build with CUDA."""

    missing = AssertionError(
        "Torch not compiled with CUDA enabled: emit_nvtx has no time line to write to"
    )


class emit_itt(_Marks):
    """Mark operators on the time line of Intel's tools; needs a build with ITT."""

    missing = RuntimeError("emit_itt: ITT functions are not in this build: use profile()")


class EnforceUnique:
    """Raises RuntimeError when a key is seen twice."""

    def __init__(self) -> None:
        self.seen: set = set()

    def see(self, *key) -> None:
        """Note a key."""
        if key in self.seen:
            raise RuntimeError("duplicate key: " + str(key))
        self.seen.add(key)


def load_nvprof(path) -> EventList:
    """Read the database that nvprof wrote under `emit_nvtx`."""
    return EventList(parse_nvprof_trace(path), use_device="cuda", profile_memory=False)


def parse_nvprof_trace(path) -> list[FunctionEvent]:
    """The marks and kernels of an nvprof database (SQLite), as events."""
    import sqlite3

    connection = sqlite3.connect(path)
    connection.row_factory = sqlite3.Row
    strings = StringTable()
    for row in connection.execute("SELECT _id_ as id, value FROM StringTable"):
        strings[row["id"]] = row["value"]
    query = """
    SELECT start.id AS marker_id, start.name, start.timestamp AS start_time,
           end.timestamp AS end_time
    FROM CUPTI_ACTIVITY_KIND_MARKER AS start
    INNER JOIN CUPTI_ACTIVITY_KIND_MARKER AS end ON start.id = end.id
    WHERE start.name != 0 AND end.name = 0
    """
    unique = EnforceUnique()
    events: dict[int, FunctionEvent] = {}
    for row in connection.execute(query):
        unique.see(row["marker_id"])
        events[row["marker_id"]] = FunctionEvent(
            row["marker_id"], strings[row["name"]], 0, row["start_time"], row["end_time"], stack=[]
        )
    query = """
    SELECT start.id AS marker_id, runtime._id_ AS runtime_id, runtime.cbid,
           kernel.start AS kernel_start, kernel.end AS kernel_end, kernel.name AS kernel_name
    FROM CUPTI_ACTIVITY_KIND_MARKER AS start
    INNER JOIN CUPTI_ACTIVITY_KIND_MARKER AS end ON start.id = end.id
    INNER JOIN CUPTI_ACTIVITY_KIND_RUNTIME AS runtime
        ON start.timestamp < runtime.start AND runtime.end < end.timestamp
    INNER JOIN CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL AS kernel
        ON kernel.correlationId = runtime.correlationId
    """
    unique = EnforceUnique()
    for row in connection.execute(query):
        unique.see(row["marker_id"], row["runtime_id"])
        duration = row["kernel_end"] - row["kernel_start"]
        events[row["marker_id"]].append_kernel(row["kernel_name"], 0, duration)
    connection.close()
    return sorted(events.values(), key=lambda event: event.time_range.start)


class KinetoStepTracker:
    """Counts steps where several (profiler, optimizer) count: the furthest one wins."""

    _current_step = 0
    _step_dict: dict = defaultdict(int)

    @classmethod
    def init_step_count(cls, requester: str) -> None:
        """Begin to count for somebody, from the present step."""
        cls._step_dict[requester] = cls._current_step

    @classmethod
    def erase_step_count(cls, requester: str) -> bool:
        """Forget somebody's count; whether there was one."""
        return cls._step_dict.pop(requester, None) is not None

    @classmethod
    def increment_step(cls, requester: str) -> int:
        """One more step of somebody's; the present step of all."""
        cls._step_dict[requester] = cls._step_dict.get(requester, cls._current_step) + 1
        cls._current_step = max(cls._current_step, *cls._step_dict.values())
        return cls._current_step

    @classmethod
    def current_step(cls) -> int:
        """The present step."""
        return cls._current_step
