"""Events as a Chrome trace: JSON that chrome://tracing, Perfetto and TensorBoard open."""

from __future__ import annotations

import gzip
import json
import os
import platform
import sys
import time
import uuid
from typing import Any

from ..autograd.profiler_util import MEMORY_EVENT_NAME


def _type_name(value: Any) -> str:
    if isinstance(value, list):
        return "TensorList"
    if isinstance(value, (bool, int, float)):
        return "Scalar"
    if isinstance(value, tuple):
        return "ScalarList"
    name = getattr(value, "_name", None)  # an element type
    return {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}.get(
        name, name or ""
    )


def _arguments(event, number: int) -> dict:
    found: dict[str, Any] = {"External id": event.id, "Ev Idx": number}
    if event.sequence_nr >= 0:
        found |= {"Sequence number": event.sequence_nr, "Fwd thread id": event.fwd_thread}
    types = getattr(event, "input_dtypes", None)
    if types:
        found["Input Dims"] = event.input_shapes
        found["Input type"] = [_type_name(t) for t in types]
        found["Concrete Inputs"] = [
            str(list(t) if isinstance(t, tuple) else t)
            if isinstance(t, (bool, int, float, str, tuple))
            else ""
            for t in types
        ]
    if event.stack:
        found["Call stack"] = ";".join(event.stack)
    return found


def _flow(event, phase: str, number: int, process: int) -> dict:
    """One end of the arrow from a call to the node of the backward pass that it made."""
    made = {
        "ph": phase, "id": number, "pid": process, "tid": process, "ts": event.time_range.start,
        "cat": "fwdbwd", "name": "fwdbwd",
    }  # fmt: skip
    return made | {"bp": "e"} if phase == "f" else made


def trace_events(events) -> list[dict]:
    """The entries of `traceEvents`; times are microseconds since the run began."""
    process = os.getpid()
    shared = {"pid": process, "tid": process}
    found: list[dict] = [
        {"ph": "M", "name": "process_name", "ts": 0, "pid": process, "tid": 0,
         "args": {"name": os.path.basename(sys.executable)}},
        {"ph": "M", "name": "process_labels", "ts": 0, "pid": process, "tid": 0,
         "args": {"labels": "CPU"}},
        {"ph": "M", "name": "thread_name", "ts": 0, **shared,
         "args": {"name": f"thread {process} (python)"}},
    ]  # fmt: skip
    makers: dict = {}  # sequence number: the innermost call
    for number, event in enumerate(events):
        where = {"name": event.name, **shared, "ts": event.time_range.start}
        if event.name == MEMORY_EVENT_NAME:
            continue
        span = event.time_range.elapsed_us()
        kind = event.activity_type or "cpu_op"
        arguments = _arguments(event, number)
        found.append({"ph": "X", "cat": kind, **where, "dur": span, "args": arguments})
        if event.sequence_nr >= 0 and event.scope == 0 and not event.fwd_thread:
            makers[event.sequence_nr] = event
        elif event.scope == 1 and event.sequence_nr in makers:
            call = makers.pop(event.sequence_nr)
            found.append(_flow(call, "s", event.id, process))
            found.append(_flow(event, "f", event.id, process))
    return found


def memory_entries(memories, started: int) -> list[dict]:
    """What the allocator did, as instants."""
    process = os.getpid()
    return [
        {
            "ph": "i", "cat": "cpu_instant_event", "s": "t", "name": MEMORY_EVENT_NAME,
            "pid": process, "tid": process, "ts": (moment - started) / 1000,
            "args": {"Total Allocated": total, "Total Reserved": 0, "Bytes": nbytes,
                     "Addr": address, "Device Id": -1, "Device Type": 0},
        }
        for moment, address, nbytes, total, _ in memories
    ]  # fmt: skip


def _dump(document: dict, path) -> None:
    opened: Any = gzip.open if str(path).endswith(".gz") else open
    with opened(path, "wt") as file:
        json.dump(document, file)


def write_events(events, path) -> None:
    """Write a list of events by itself, as `EventList.export_chrome_trace` does."""
    _dump({"schemaVersion": 1, "traceEvents": trace_events(events)}, path)


def write_trace(events, memories, started: int, config, metadata: dict, path) -> None:
    """Write a whole run; `path` may end in .gz."""
    end = max((event.time_range.end for event in events), default=0)
    process = os.getpid()
    span = {
        "ph": "X", "cat": "Trace", "ts": 0, "dur": end, "pid": "Spans",
        "tid": "PyTorch Profiler", "name": "PyTorch Profiler (0)", "args": {"Op count": 0},
    }  # fmt: skip
    document = {
        "schemaVersion": 1,
        "deviceProperties": [],
        "trace_id": uuid.uuid4().hex.upper(),
        "with_stack": int(config.with_stack),
        "with_flops": int(config.with_flops),
        "profile_memory": int(config.profile_memory),
        "record_shapes": int(config.record_shapes),
        "host_name": platform.node(),
        "displayTimeUnit": "ms",
        "baseTimeNanoseconds": started or time.time_ns(),
        **metadata,
        "traceEvents": [
            *trace_events(events),
            *memory_entries(memories, started),
            span,
            {"ph": "i", "s": "g", "name": "Record Window End", "pid": "", "tid": "", "ts": end},
        ],
        "traceName": str(path),
    }
    document["traceEvents"][0]["args"]["name"] = f"python ({process})"
    _dump(document, path)
