"""From what the core recorded to the events that users see."""

from __future__ import annotations

import os
from typing import Any

from .. import _C
from ..autograd.profiler_util import MEMORY_EVENT_NAME, EventList, FunctionEvent
from ._flops import count_flops
from ._names import composite_names, node_name, operator_names

_CALL, _BACKWARD, _USER = range(3)
_SCOPES = {_CALL: 0, _BACKWARD: 1, _USER: 7}
_HIDDEN = os.path.dirname(os.path.dirname(__file__)) + os.sep


def _frames(stack) -> list[str]:
    """A call's Python stack in words, innermost first, without the profiler's own frames."""
    if stack is None:
        return []
    lines = []
    for code, line in zip(stack[::2], stack[1::2], strict=True):
        file = code.co_filename
        if file.startswith(_HIDDEN):
            if os.sep + "profiler" in file:
                continue
            file = "rushlight" + os.sep + file[len(_HIDDEN) :]
        lines.append(f"{file}({line}): {code.co_name}")
    return lines


def _names_of(kind: int, what: Any) -> list[str]:
    if kind == _USER:
        return [what]
    if kind == _BACKWARD:
        name = node_name(what)
        return ["autograd::engine::evaluate_function: " + name, name]
    if isinstance(what, _C.Op):
        name = what.__name__
        return operator_names(name.removesuffix("_") if what.inplace else name, what.inplace)
    return composite_names(what)


def _as_shown(what, inputs):
    """The inputs in PyTorch's order: addmm(bias, input, transposed weight) is our linear."""
    if inputs is None or what.__name__ not in ("linear_addmm", "linear_mm"):
        return inputs
    shapes, types = inputs
    transposed = [shapes[0], shapes[1][::-1]]
    if what.__name__ == "linear_mm":
        return transposed, types[:2]
    return [shapes[2], *transposed, [], []], [types[2], *types[:2], 1, 1]


class _Builder:
    """Makes the events of one run; the recorded ones are in the order in which they began."""

    def __init__(self, records, memories, started: int, with_stack: bool, with_flops: bool):
        self.records = records
        self.started = started
        self.with_flops = with_flops
        self.process = os.getpid()
        self.events: list[FunctionEvent] = []
        # Of each record: the event that what lies inside it belongs to.
        self.innermost: list[FunctionEvent | None] = []
        self.names: dict = {}
        for record in records:
            self.add(record)
        self.add_memory(memories)

    def microseconds(self, time: int) -> float:
        return (time - self.started) / 1000

    def add(self, record) -> None:
        kind, what, start, end, parent, sequence, inputs, stack = record
        names = self.names.get(what)
        if names is None:
            names = self.names[what] = _names_of(kind, what)
        outer = self.innermost[parent] if parent >= 0 else None
        if kind == _CALL:
            inputs = _as_shown(what, inputs)
            # A function that only hands on to the operator of its name is one call with it.
            if outer is not None and names and outer.name == names[0] and outer.scope == 0:
                names = names[1:]
        first = True
        for depth, name in enumerate(names):
            engine = kind == _BACKWARD and depth == 0
            event = FunctionEvent(
                0,
                name,
                1,
                self.microseconds(start),
                self.microseconds(end),
                overload_name="",
                fwd_thread=1 if kind == _BACKWARD else 0,
                input_shapes=inputs[0] if inputs and not engine else [],
                stack=_frames(stack),
                scope=0 if engine else _SCOPES[kind],
                sequence_nr=sequence if first or kind == _BACKWARD else -1,
                device_index=self.process,
                device_resource_id=self.process,
                flops=0,
                concrete_inputs=[],
                kwinputs={},
                is_user_annotation=kind == _USER,
                activity_type="user_annotation" if kind == _USER else "cpu_op",
                input_dtypes=inputs[1] if inputs and not engine else [],
            )
            if outer is not None:
                event.set_cpu_parent(outer)
                outer.append_cpu_child(event)
            self.events.append(event)
            outer, first = event, False
        if (
            self.with_flops
            and record[6]
            and outer is not None
            and kind == _CALL
            and isinstance(what, _C.Op)
        ):
            outer.flops = count_flops(what.__name__.removesuffix("_"), *record[6])
        self.innermost.append(outer)

    def add_memory(self, memories) -> None:
        """Add bytes to the events that they came in; what came outside any is its own event."""
        for time, _, nbytes, _, record in memories:
            event = self.innermost[record] if record >= 0 else None
            if event is None:
                now = self.microseconds(time)
                event = FunctionEvent(
                    0, MEMORY_EVENT_NAME, 1, now, now, overload_name="", fwd_thread=0,
                    input_shapes=[], stack=[], device_index=self.process, flops=0,
                    device_resource_id=self.process, activity_type="cpu_instant_event",
                )  # fmt: skip
                event.cpu_memory_usage = nbytes
                self.events.append(event)
                continue
            while event is not None:
                event.cpu_memory_usage += nbytes
                event = event.cpu_parent


def build_events(records, memories, started: int, config) -> EventList:
    """The events of one run, in the order of their starts; `config` is the profiler's."""
    built = _Builder(records, memories, started, config.with_stack, config.with_flops)
    events = sorted(built.events, key=lambda event: event.time_range.start)
    for number, event in enumerate(events, 1):
        event.id = number
    return EventList(events, profile_memory=config.profile_memory, with_flops=config.with_flops)
