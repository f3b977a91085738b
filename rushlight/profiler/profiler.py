"""The profiler of a training loop: a schedule says which steps are recorded."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterable
from enum import Enum, IntEnum
from typing import Any

from ..autograd import profiler as prof
from ..autograd.profiler import KinetoStepTracker, record_function
from ._execution_trace import ExecutionTraceObserver

__all__ = [
    "ExecutionTraceObserver",
    "ProfilerAction",
    "profile",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]

PROFILER_STEP_NAME = "ProfilerStep"


class ProfilerActivity(IntEnum):
    """What a profiler can watch."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5

    def __str__(self) -> str:
        return f"ProfilerActivity.{self.name}"


class RecordScope(IntEnum):
    """What an event is."""

    FUNCTION = 0
    BACKWARD_FUNCTION = 1
    TORCHSCRIPT_FUNCTION = 2
    KERNEL_FUNCTION_DTYPE = 3
    CUSTOM_CLASS = 4
    BUILD_FEATURE = 5
    LITE_INTERPRETER = 6
    USER_SCOPE = 7
    STATIC_RUNTIME_OP = 8
    STATIC_RUNTIME_MODEL = 9


class ProfilerAction(Enum):
    """What to do in a step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3
    DEVICE_STOPPED = 4


class _ExperimentalConfig:
    """Options of PyTorch's collector that have no counterpart here; kept, and read by nobody."""

    def __init__(self, *args: Any, **options: Any):
        self.__dict__.update(options)


def kineto_available() -> bool:
    """Whether there is a recorder: always."""
    return True


def supported_activities() -> set[ProfilerActivity]:
    """What can be watched on this machine."""
    return {ProfilerActivity.CPU}


def schedule(
    *,
    wait: int,
    warmup: int,
    active: int,
    repeat: int = 0,
    skip_first: int = 0,
    skip_first_wait: int = 0,
) -> Callable[[int], ProfilerAction]:
    """Cycles of `wait` steps off, `warmup` steps thrown away, `active` steps kept.

    `repeat` cycles (0: for ever) after `skip_first` steps; with `skip_first_wait` not 0 the first
    cycle does not wait.
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), "
            f"warmup={warmup} (need >= 0), active={active} (need > 0), "
            f"repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )
    if warmup == 0:
        warnings.warn(
            "Profiler won't be using warmup, this can skew profiler results", stacklevel=2
        )
    length = wait + warmup + active

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        if step < skip_first:
            return ProfilerAction.NONE
        step -= skip_first
        if skip_first_wait:
            step += wait
        if 0 < repeat <= step // length:
            return ProfilerAction.NONE
        place = step % length
        if place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        return ProfilerAction.RECORD if place < length - 1 else ProfilerAction.RECORD_AND_SAVE

    return action


def _default_schedule_fn(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str,
    worker_name: str | None = None,
    use_gzip: bool = False,
    use_python_export: bool = False,
) -> Callable:
    """An `on_trace_ready` that writes each trace into a folder, as TensorBoard looks for them."""

    def handler(profiler: _KinetoProfile) -> None:
        try:
            os.makedirs(dir_name, exist_ok=True)
        except OSError as error:
            raise RuntimeError("Can't create directory: " + dir_name) from error
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        name = f"{worker}.{time.time_ns()}.pt.trace.json" + (".gz" if use_gzip else "")
        profiler.export_chrome_trace(os.path.join(dir_name, name))

    return handler


class _KinetoProfile:
    """Recording from `start()` to `stop()`, without steps."""

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: _ExperimentalConfig | None = None,
        execution_trace_observer: ExecutionTraceObserver | None = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ):
        chosen: set = set()
        for activity in supported_activities() if activities is None else activities:
            chosen |= set(activity) if isinstance(activity, dict) else {activity}
        if not chosen:
            raise AssertionError("No valid profiler activities found")
        if ProfilerActivity.CUDA in chosen:
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=3)
        self.activities = chosen
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.experimental_config = experimental_config
        self.execution_trace_observer = execution_trace_observer
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.post_processing_timeout_s = post_processing_timeout_s
        self.profiler: prof.profile | None = None
        self.preset_metadata: dict[str, str] = {}
        self._metadata: dict[str, Any] = {}
        self._layers: Any = None

    def start(self) -> None:
        """Begin to record."""
        self.prepare_trace()
        self.start_trace()

    def stop(self) -> None:
        """End the recording."""
        self.stop_trace()

    def prepare_trace(self) -> None:
        """Get ready, without recording yet."""
        if self.profiler is None or not self.acc_events:
            self.profiler = prof.profile(
                record_shapes=self.record_shapes,
                with_flops=self.with_flops,
                profile_memory=self.profile_memory,
                with_stack=self.with_stack,
                with_modules=self.with_modules,
                acc_events=self.acc_events,
                custom_trace_id_callback=self.custom_trace_id_callback,
            )
        self.profiler._prepare_trace()

    def start_trace(self) -> None:
        """Begin to record after `prepare_trace`."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before starting trace")
        if self.with_modules:
            from ._layers import LayerNames

            self._layers = LayerNames()
        self.profiler._start_trace()

    def stop_trace(self) -> None:
        """End the recording."""
        if self.profiler is None:
            raise AssertionError("Profiler must be initialized before stopping trace")
        self.profiler.__exit__(None, None, None)
        observer = self.execution_trace_observer
        if observer is not None and observer.is_registered:
            observer.write(self.profiler._records[0], self.profiler.profiling_start_time_ns)
        if self._layers is not None:
            self._layers.remove()
            self._layers = None

    def _ready(self, purpose: str) -> prof.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {purpose}")
        return self.profiler

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Write the run as a file that chrome://tracing opens; compressed if it ends in .gz."""
        metadata = {key: _value(text) for key, text in self.preset_metadata.items()}
        self._ready("exporting chrome trace")._write_trace(path, {**metadata, **self._metadata})

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Write the stacks with what was spent in each, for flame graphs."""
        self._ready("exporting stacks").export_stacks(path, metric)

    def toggle_collection_dynamic(
        self, enable: bool, activities: Iterable[ProfilerActivity]
    ) -> None:
        """Stop recording for a while, or go on."""
        if self.profiler is not None:
            self.profiler.toggle_collection_dynamic(enable, activities)

    def key_averages(
        self,
        group_by_input_shape: bool = False,
        group_by_stack_n: int = 0,
        group_by_overload_name: bool = False,
    ):
        """The events of one name added up."""
        return self._ready("getting key averages").key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def events(self):
        """The events, in the order in which they began."""
        return self._ready("accessing events").function_events

    def add_metadata(self, key: str, value: str) -> None:
        """Add a text to the trace file."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Add a value, written as JSON, to the trace file."""
        self._metadata[key] = _value(value)

    def preset_metadata_json(self, key: str, value: str) -> None:
        """The same before the recording begins."""
        self.preset_metadata[key] = value

    def export_memory_timeline(self, path: str, device: str | None = None) -> None:
        """Write [times, bytes in use] as JSON (`path` may end in .gz), or points (raw.json.gz)."""
        from ._memory import export_timeline

        profiler = self._ready("exporting memory timeline")
        export_timeline(profiler._records[1], profiler.profiling_start_time_ns, path)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text


_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


class profile(_KinetoProfile):
    """Record operators, nodes of the backward pass and named regions of this thread.

    `schedule(step)` says what to do in each step, and `step()` ends one; `on_trace_ready(self)`
    is called when a cycle has ended. `profile_memory` counts the memory of tensors, `with_stack`
    keeps where calls were made, `with_flops` estimates operations, `with_modules` names layers.
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[..., Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: _ExperimentalConfig | None = None,
        execution_trace_observer: ExecutionTraceObserver | None = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ):
        if use_cuda is not None:
            warnings.warn(
                "`use_cuda` is deprecated, use `activities` argument instead",
                FutureWarning,
                stacklevel=2,
            )
        super().__init__(
            activities=activities,
            record_shapes=record_shapes,
            profile_memory=profile_memory,
            with_stack=with_stack,
            with_flops=with_flops,
            with_modules=with_modules,
            experimental_config=experimental_config,
            execution_trace_observer=execution_trace_observer,
            acc_events=acc_events,
            custom_trace_id_callback=custom_trace_id_callback,
            post_processing_timeout_s=post_processing_timeout_s,
        )
        self.record_steps = schedule is not None
        self.schedule = schedule or _default_schedule_fn
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.step_rec_fn: record_function | None = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exc_type, exc_val, exc_tb) -> None:
        self.stop()
        KinetoStepTracker.erase_step_count(PROFILER_STEP_NAME)

    def start(self) -> None:
        """Begin the first step."""
        self._move(ProfilerAction.NONE, self.current_action)
        self._begin_step()

    def stop(self) -> None:
        """End the last step, and with it the recording."""
        self._end_step()
        self._move(self.current_action, None)

    def step(self) -> None:
        """End a step and begin the next."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        self._move(before, self.current_action)
        KinetoStepTracker.increment_step(PROFILER_STEP_NAME)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps and self.current_action in _RECORDING:
            self.step_rec_fn = record_function(f"{PROFILER_STEP_NAME}#{self.step_num}")
            self.step_rec_fn.__enter__()

    def _end_step(self) -> None:
        if self.step_rec_fn is not None:
            self.step_rec_fn.__exit__(None, None, None)
            self.step_rec_fn = None

    def _move(self, before: ProfilerAction, after: ProfilerAction | None) -> None:
        """Go from what was done to what is to be done; None: the end."""
        ending = before == ProfilerAction.RECORD_AND_SAVE or after is None
        if before in _RECORDING and (ending or after not in _RECORDING):
            if not ending:
                warnings.warn("Incorrect schedule: RECORD followed by " + after.name, stacklevel=3)
            self.stop_trace()
            self._trace_ready()
            before = ProfilerAction.NONE
        elif before == ProfilerAction.WARMUP and after not in (*_RECORDING, ProfilerAction.WARMUP):
            if after is not None:
                warnings.warn("Incorrect schedule: WARMUP followed by " + after.name, stacklevel=3)
        if after in _RECORDING and before not in _RECORDING:
            if before != ProfilerAction.WARMUP:
                self.prepare_trace()
            self.start_trace()
        elif after == ProfilerAction.WARMUP and before != ProfilerAction.WARMUP:
            self.prepare_trace()

    def _trace_ready(self) -> None:
        if self.on_trace_ready:
            self.on_trace_ready(self)

    def set_custom_trace_id_callback(self, callback: Callable[[], str]) -> None:
        """Name runs by `callback()`."""
        self.custom_trace_id_callback = callback

    def get_trace_id(self) -> str | None:
        """The name of the run."""
        return self.profiler.trace_id if self.profiler is not None else None
