"""Execution traces: every operator call with what went in and what it lay in, as JSON."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from .. import _C


class ExecutionTraceObserver:
    """Writes the calls between `start()` and `stop()` to the file of `register_callback`."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._running = False
        self._began = 0

    @staticmethod
    def build_execution_trace_obs_from_env() -> ExecutionTraceObserver | None:
        """An observer where ENABLE_PYTORCH_EXECUTION_TRACE is 1, which writes a temporary file."""
        if os.environ.get("ENABLE_PYTORCH_EXECUTION_TRACE", "0") != "1":
            return None
        from tempfile import NamedTemporaryFile

        with NamedTemporaryFile("w", suffix=".et.json", delete=False) as file:
            return ExecutionTraceObserver().register_callback(file.name)

    def set_extra_resource_collection(self, val: bool) -> None:
        """Kept for programs that set it: there are no generated kernels to collect."""
        self.extra_resources_collection = bool(val)

    def register_callback(self, output_file_path: str) -> ExecutionTraceObserver:
        """Say which file to write; returns itself."""
        self._path = output_file_path
        return self

    def unregister_callback(self) -> None:
        """Stop, and forget the file."""
        self.stop()
        self._path = None

    def cleanup(self) -> None:
        """The same as `unregister_callback`."""
        self.unregister_callback()

    @property
    def is_registered(self) -> bool:
        """Whether there is a file to write."""
        return self._path is not None

    def is_running(self) -> bool:
        """Whether calls are recorded now."""
        return self._running

    def get_output_file_path(self) -> str | None:
        """The file that is written."""
        return self._path

    def start(self) -> None:
        """Begin to record this thread; RuntimeError while a profiler does."""
        if self._path is None or self._running:
            return
        self._began = _C.profiler_start(True, False, False)
        self._running = True

    def stop(self) -> None:
        """End the recording and write the file."""
        if self._running:
            self._running = False
            self.write(_C.profiler_stop()[0], self._began)

    def write(self, records: list, began: int) -> None:
        """Write recorded calls; `began` is the time of the start in nanoseconds."""
        from ._events import build_events

        class config:
            with_stack = profile_memory = with_flops = False

        nodes: list[dict[str, Any]] = [
            {"id": 1, "name": "[pytorch|profiler|execution_trace|process]", "ctrl_deps": 0,
             "inputs": {"values": [], "shapes": [], "types": []}, "attrs": []}
        ]  # fmt: skip
        events = build_events(records, [], began, config)
        for event in events:
            parent = event.cpu_parent
            nodes.append(
                {
                    "id": event.id + 1,
                    "name": event.name,
                    "ctrl_deps": parent.id + 1 if parent is not None else 1,
                    "inputs": {
                        "values": [],
                        "shapes": event.input_shapes,
                        "types": [str(t) for t in getattr(event, "input_dtypes", ())],
                    },
                    "attrs": [
                        {"name": "rf_id", "type": "uint64", "value": event.id},
                        {"name": "fw_parent", "type": "uint64", "value": 0},
                        {"name": "seq_id", "type": "int64", "value": event.sequence_nr},
                        {"name": "scope", "type": "uint64", "value": event.scope},
                        {"name": "tid", "type": "uint64", "value": event.thread},
                    ],
                }
            )
        document = {
            "schema": "1.1.1-chakra.0.0.4",
            "pid": os.getpid(),
            "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            "start_ts": began // 1000,
            "nodes": nodes,
            "finish_ts": time.time_ns() // 1000,
        }
        with open(self._path or os.devnull, "w") as file:
            json.dump(document, file)
