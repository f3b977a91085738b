"""A profiler's events as the table that PyTorch prints."""

from __future__ import annotations

from collections.abc import Callable
from math import log10
from typing import Any, NamedTuple

_DEVICES = ("cuda", "xpu", "mtia", "hpu", "privateuse1")
_UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
_FLOPS = ["FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs"]
_GAP = "  "


def _sort_name(sort_by: str) -> str:
    for device in _DEVICES:
        sort_by = sort_by.replace(device, "device")
    return sort_by


def _shortened(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(width - 3, 0)] + "..."


def _width(texts: list[str], limit: int | None, least: int = 0) -> int:
    width = max([least, *map(len, texts)]) + 4
    return width if limit is None else min(width, limit)


class _Column(NamedTuple):
    """A column: what stands in it for an event, and for a caller of it, below."""

    title: str
    width: int
    cell: Callable[[Any], str]
    caller: Callable[[str], str] = lambda entry: ""


def _text(columns: list[_Column], rows: list[list[str]], header: str | None, footer: str) -> str:
    def line(texts) -> str:
        pairs = zip(texts, columns, strict=True)
        return "".join(f"{text:>{column.width}}{_GAP}" for text, column in pairs) + "\n"

    rule = line("-" * column.width for column in columns)
    length = sum(column.width + len(_GAP) for column in columns) - len(_GAP)
    parts = ["=" * length + "\n" + header + "\n"] if header is not None else []
    parts += [rule, line(column.title for column in columns), rule]
    return "".join([*parts, *map(line, rows), rule, footer])


def _flops_scale(events) -> tuple[str, float] | None:
    counts = [event.flops for event in events if event.flops and event.flops > 0]
    if not counts:
        return None
    power = min(int(max(log10(min(counts)), 0) / 3), len(_FLOPS) - 1)
    return "Total " + _FLOPS[power], 1000.0**-power


def _columns(events, total, time, profile_memory, with_flops, name_width, shapes_width, src_width):
    """The columns that these events fill."""
    from ..autograd.profiler_util import _format_memory, _format_time_share

    def plain(title: str, cell: Callable[[Any], str]) -> _Column:
        return _Column(title, 12, cell)

    def share(event) -> str:
        return "0.00%" if event.is_async else _format_time_share(event.cpu_time_total, total)

    names = _width([event.key for event in events], name_width)
    columns = [
        _Column("Name", names, lambda e: _shortened(e.key, names)),
        plain("Self CPU %", lambda e: _format_time_share(e.self_cpu_time_total, total)),
        plain("Self CPU", lambda e: time(e.self_cpu_time_total)),
        plain("CPU total %", share),
        plain("CPU total", lambda e: time(e.cpu_time_total)),
        plain("CPU time avg", lambda e: time(e.cpu_time)),
    ]
    if profile_memory:
        columns.append(plain("CPU Mem", lambda e: _format_memory(e.cpu_memory_usage)))
        columns.append(plain("Self CPU Mem", lambda e: _format_memory(e.self_cpu_memory_usage)))
    columns.append(plain("# of Calls", lambda e: str(e.count)))
    if any(event.input_shapes for event in events):
        shapes = _width([str(event.input_shapes) for event in events], shapes_width)
        columns.append(_Column("Input Shapes", shapes, lambda e: str(e.input_shapes)[:shapes]))
    sources = [entry for event in events for entry in event.stack]
    if sources:
        width = _width(sources, src_width)
        columns.append(
            _Column(
                "Source Location",
                width,
                lambda e: _source(e.stack[0] if e.stack else "", width),
                lambda entry: _source(entry, width),
            )
        )
    flops = _flops_scale(events) if with_flops else None
    if flops:
        title, scale = flops
        columns.append(plain(title, lambda e: f"{e.flops * scale:8.3f}" if e.flops else "--"))
    return columns


def build_table(
    events,
    sort_by: str | None,
    row_limit: int,
    max_src_column_width: int,
    max_name_column_width: int,
    max_shapes_column_width: int,
    header: str | None,
    top_level_events_only: bool,
    time_unit: str | None,
    profile_memory: bool,
    with_flops: bool,
) -> str:
    """The table of `EventList.table`."""
    from ..autograd.profiler_util import _format_time

    if not events:
        return ""
    if time_unit is not None and time_unit not in _UNITS:
        raise ValueError(f"table: time_unit: got {time_unit!r}, expected one of {list(_UNITS)}")

    def time(value):
        if time_unit is None:
            return _format_time(value)
        return f"{value / _UNITS[time_unit]:.3f}{time_unit}"

    shown = list(events)
    if sort_by is not None:
        name = _sort_name(sort_by)
        shown.sort(key=lambda event: getattr(event, name), reverse=True)
    total = sum(event.self_cpu_time_total for event in shown)
    columns = _columns(
        shown, total, time, profile_memory, with_flops,
        max_name_column_width, max_shapes_column_width, max_src_column_width,
    )  # fmt: skip
    if top_level_events_only:
        shown = [event for event in shown if event.cpu_parent is None]
    rows: list[list[str]] = []
    for event in shown if row_limit < 0 else shown[:row_limit]:
        rows.append([column.cell(event) for column in columns])
        rows += [[column.caller(entry) for column in columns] for entry in event.stack[1:]]
    return _text(columns, rows, header, f"Self CPU time total: {time(total)}\n")


def _source(entry: str, width: int) -> str:
    """The end of a source line says most."""
    return entry if len(entry) <= width else "..." + entry[3 - width :]
