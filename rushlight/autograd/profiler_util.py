"""What a profiler's events are and how they add up: events, their averages, lists of them."""

from __future__ import annotations

from collections import defaultdict, namedtuple
from enum import IntEnum
from typing import Any

from ._event_times import (  # noqa: F401 (the helpers too are found here in PyTorch)
    FormattedTimesMixin,
    _format_memory,
    _format_time,
    _format_time_share,
)

__all__ = [
    "EventList",
    "FormattedTimesMixin",
    "FunctionEvent",
    "FunctionEventAvg",
    "Interval",
    "Kernel",
    "MemRecordsAcc",
    "StringTable",
]

MEMORY_EVENT_NAME = "[memory]"
OUT_OF_MEMORY_EVENT_NAME = "[OutOfMemory]"
Kernel = namedtuple("Kernel", ["name", "device", "duration"])


class DeviceType(IntEnum):
    """Kinds of devices, as events name them."""

    CPU = 0
    CUDA = 1
    MKLDNN = 2
    OPENGL = 3
    OPENCL = 4
    IDEEP = 5
    HIP = 6
    FPGA = 7
    MAIA = 8
    XLA = 9
    Vulkan = 10
    Metal = 11
    XPU = 12
    MPS = 13
    Meta = 14
    HPU = 15
    VE = 16
    Lazy = 17
    IPU = 18
    MTIA = 19
    PrivateUse1 = 20

    def __str__(self) -> str:
        return f"DeviceType.{self.name}"


class Interval:
    """From `start` to `end`, in microseconds."""

    def __init__(self, start: float, end: float):
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        """How long it is."""
        return self.end - self.start


class StringTable(defaultdict):
    """Readable names of what is looked up."""

    def __missing__(self, key: str) -> str:
        self[key] = key or "<unknown>"
        return self[key]


class MemRecordsAcc:
    """Memory records that are looked up by time; each has `start_ns()`."""

    def __init__(self, mem_records):
        self._records = sorted(mem_records, key=lambda record: record[0].start_ns())
        self._starts = [record[0].start_ns() for record in self._records]

    def in_interval(self, start_ns: int, end_ns: int):
        """The records from `start_ns` to `end_ns`."""
        from bisect import bisect_left, bisect_right

        first = bisect_left(self._starts, start_ns)
        yield from self._records[first : bisect_right(self._starts, end_ns)]


class FunctionEvent(FormattedTimesMixin):
    """One event: an operator's call, a node of the backward pass, a region that a user named."""

    def __init__(
        self,
        id: int,
        name: str,
        thread: int,
        start_us: float,
        end_us: float,
        overload_name: str | None = None,
        fwd_thread: int | None = None,
        input_shapes: Any = None,
        stack: list | None = None,
        scope: int = 0,
        use_device: str | None = None,
        cpu_memory_usage: int = 0,
        device_memory_usage: int = 0,
        is_async: bool = False,
        is_remote: bool = False,
        sequence_nr: int = -1,
        node_id: int = -1,
        device_type: DeviceType = DeviceType.CPU,
        device_index: int = 0,
        device_resource_id: int | None = None,
        is_legacy: bool = False,
        flops: int | None = None,
        trace_name: str | None = None,
        concrete_inputs: Any = None,
        kwinputs: Any = None,
        is_user_annotation: bool = False,
        is_python_function: bool = False,
        activity_type: str | None = None,
        metadata_json: str | None = None,
        **details: Any,
    ):
        self.id = id
        self.node_id = node_id
        self.name = name
        self.overload_name = overload_name
        self.trace_name = name if trace_name is None else trace_name
        self.time_range = Interval(start_us, end_us)
        self.thread = thread
        self.fwd_thread = fwd_thread
        self.kernels: list[Kernel] = []
        self.count = 1
        self.cpu_children: list[FunctionEvent] = []
        self.cpu_parent: FunctionEvent | None = None
        self.input_shapes = input_shapes
        self.concrete_inputs = concrete_inputs
        self.kwinputs = kwinputs
        self.stack = stack
        self.scope = scope
        self.use_device = use_device
        self.cpu_memory_usage = cpu_memory_usage
        self.device_memory_usage = device_memory_usage
        self.is_async = is_async
        self.is_remote = is_remote
        self.sequence_nr = sequence_nr
        self.device_type = device_type
        self.device_index = device_index
        self.device_resource_id = thread if device_resource_id is None else device_resource_id
        self.is_legacy = is_legacy
        self.flops = flops
        self.is_user_annotation = is_user_annotation
        self.is_python_function = is_python_function
        self.activity_type = activity_type
        self.self_cpu_percent = -1
        self.total_cpu_percent = -1
        self.total_device_percent = -1
        self.metadata_json = metadata_json or ""
        for key, value in details.items():
            setattr(self, key, value)

    def append_kernel(self, name: str, device: int, duration: int) -> None:
        """Add a kernel that this event started on an accelerator."""
        self.kernels.append(Kernel(name, device, duration))

    def append_cpu_child(self, child: FunctionEvent) -> None:
        """Add an event that lies inside this one."""
        self.cpu_children.append(child)

    def set_cpu_parent(self, parent: FunctionEvent) -> None:
        """Say which event this one lies directly in."""
        self.cpu_parent = parent

    @property
    def self_cpu_memory_usage(self) -> int:
        """Bytes that came, less those that went, outside the events inside this one."""
        inner = sum(child.cpu_memory_usage for child in self.cpu_children)
        return 0 if self.is_async else self.cpu_memory_usage - inner

    @property
    def self_device_memory_usage(self) -> int:
        """The same of an accelerator's memory."""
        inner = sum(child.device_memory_usage for child in self.cpu_children)
        return 0 if self.is_async else self.device_memory_usage - inner

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from its start to its end."""
        return self.time_range.elapsed_us() if self.device_type == DeviceType.CPU else 0

    @property
    def self_cpu_time_total(self) -> float:
        """The same without the events inside it."""
        inner = sum(child.cpu_time_total for child in self.cpu_children)
        return 0 if self.is_async else self.cpu_time_total - inner

    @property
    def device_time_total(self) -> float:
        """Microseconds of its kernels and those of the events inside it."""
        own = sum(kernel.duration for kernel in self.kernels)
        return own + sum(child.device_time_total for child in self.cpu_children)

    @property
    def self_device_time_total(self) -> float:
        """Microseconds of its own kernels."""
        return self.device_time_total - sum(c.device_time_total for c in self.cpu_children)

    cuda_time_total = device_time_total
    self_cuda_time_total = self_device_time_total
    self_cuda_memory_usage = self_device_memory_usage

    @property
    def key(self) -> str:
        """What events are averaged by."""
        return self.name

    def __repr__(self) -> str:
        device = self.use_device
        return (
            f"<FunctionEvent id={self.id} name={self.name} overload_name={self.overload_name} "
            f"device_type={self.device_type} node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} "
            f"{device}_time={self.device_time_str} name={self.name} thread={self.thread} "
            f"input_shapes={self.input_shapes} cpu_memory_usage={self.cpu_memory_usage} "
            f"{device}_memory_usage={self.device_memory_usage} is_async={self.is_async} "
            f"is_remote={self.is_remote} seq_nr={self.sequence_nr} is_legacy={self.is_legacy}>"
        )


_SUMMED = (
    "cpu_time_total", "device_time_total", "self_cpu_time_total", "self_device_time_total",
    "cpu_memory_usage", "device_memory_usage", "self_cpu_memory_usage",
    "self_device_memory_usage", "count",
)  # fmt: skip
_FIRST = (
    "node_id", "is_async", "is_remote", "cpu_parent", "cpu_children", "overload_name",
    "input_shapes", "stack", "scope", "device_type", "is_legacy", "use_device",
    "is_user_annotation",
)  # fmt: skip


class FunctionEventAvg(FormattedTimesMixin):
    """Events of one name, added up."""

    def __init__(self) -> None:
        self.key: str | None = None
        for name in _FIRST:
            setattr(self, name, None)
        for name in _SUMMED:
            setattr(self, name, 0)
        self.node_id = 0
        self.is_async = self.is_remote = self.is_legacy = False
        self.device_type = DeviceType.CPU
        self.flops = 0

    def add(self, other) -> FunctionEventAvg:
        """Add an event, or another average of the same name; returns itself."""
        if self.key is None:
            self.key = other.key
            for name in _FIRST:
                setattr(self, name, getattr(other, name, None))
        if other.key != self.key:
            raise AssertionError(f"expected an event of {self.key}, got one of {other.key}")
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.flops is not None:
            self.flops = (self.flops or 0) + other.flops
        return self

    def __iadd__(self, other) -> FunctionEventAvg:
        return self.add(other)

    def __repr__(self) -> str:
        device = self.use_device or "cuda"
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_{device}_time={self.self_device_time_total_str} "
            f"{device}_time={self.device_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} "
            f"{device}_memory_usage={self.device_memory_usage}>"
        )


class EventList(list):
    """Events, or averages of them, with what is asked of many at once."""

    def __init__(self, *args: Any, **kwargs: Any):
        self._use_device = kwargs.pop("use_device", None)
        self._profile_memory = kwargs.pop("profile_memory", False)
        self._with_flops = kwargs.pop("with_flops", False)
        super().__init__(*args, **kwargs)

    def _like(self, events) -> EventList:
        return EventList(
            events,
            use_device=self._use_device,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
        )

    def __str__(self) -> str:
        return self.table()

    def _build_tree(self) -> None:
        """Find, by their times, which events lie in which; events of one thread nest."""
        open_events: dict = {}
        for event in sorted(self, key=lambda e: (e.time_range.start, -e.time_range.end)):
            stack = open_events.setdefault((event.thread, event.node_id), [])
            while stack and not event.time_range.end <= stack[-1].time_range.end:
                stack.pop()
            if stack and event.cpu_parent is None:
                event.set_cpu_parent(stack[-1])
                stack[-1].append_cpu_child(event)
            stack.append(event)

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds of all events, each moment counted once."""
        return sum(event.self_cpu_time_total for event in self)

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
        """The events as a table.

        `sort_by` names an attribute such as "cpu_time_total", "self_cpu_time_total",
        "cpu_memory_usage" or "count": the largest come first. `time_unit` is "s", "ms" or "us";
        by default each time has the unit that suits it.
        """
        from ..profiler._table import build_table

        return build_table(
            self, sort_by, row_limit, max_src_column_width, max_name_column_width,
            max_shapes_column_width, header, top_level_events_only, time_unit,
            self._profile_memory, self._with_flops,
        )  # fmt: skip

    def export_chrome_trace(self, path) -> None:
        """Write the events as a file that chrome://tracing and Perfetto open."""
        from ..profiler._trace import write_events

        write_events(self, path)

    def supported_export_stacks_metrics(self) -> list[str]:
        """What `export_stacks` can weigh stacks by."""
        return ["self_cpu_time_total", "self_cuda_time_total", "self_xpu_time_total"]

    def export_stacks(self, path: str, metric: str) -> None:
        """Write "outer;inner;function microseconds" lines, as flame graph tools read them.

        ValueError when `metric` is not among `supported_export_stacks_metrics()`.
        """
        if metric not in self.supported_export_stacks_metrics():
            raise ValueError(
                "metric should be one of: " + str(self.supported_export_stacks_metrics())
            )
        clean = str.maketrans(" ;\t\n", "____")
        with open(path, "w") as file:
            for event in self:
                value = getattr(event, metric.replace("cuda", "device").replace("xpu", "device"))
                if event.stack and int(value) > 0:
                    frames = [entry.translate(clean) for entry in reversed(event.stack)]
                    file.write(";".join(frames) + f" {int(value)}\n")

    def key_averages(
        self,
        group_by_input_shapes: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ) -> EventList:
        """The events of one name added up, or of one name and shapes, or and source lines."""
        averages: dict[tuple, FunctionEventAvg] = defaultdict(FunctionEventAvg)
        for event in self:
            key = [event.key, event.node_id, event.device_type, event.is_legacy]
            key.append(event.is_user_annotation)
            if group_by_overload_name:
                key.append(event.overload_name)
            if group_by_input_shapes:
                key.append(str(event.input_shapes))
            if group_by_stack_n > 0:
                key += event.stack[:group_by_stack_n]
            averages[tuple(map(str, key))].add(event)
        for average in averages.values():
            average.stack = (average.stack or [])[:group_by_stack_n]
            if not group_by_input_shapes:
                average.input_shapes = ""
            if not group_by_overload_name:
                average.overload_name = ""
        return self._like(averages.values())

    def total_average(self) -> FunctionEventAvg:
        """Everything added up, under the name Total."""
        total = FunctionEventAvg()
        for event in self:
            total.key = None  # what is not added up is the last event's
            total += event
        total.key = "Total"
        return total
