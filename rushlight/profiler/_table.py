"""A profiler's events as the table that PyTorch prints."""

from __future__ import annotations

from math import log10

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


class _Table:
    """Columns (title, width, whether it is shortened) and rows of texts."""

    def __init__(self):
        self.columns: list[tuple[str, int]] = []
        self.rows: list[list[str]] = []

    def column(self, title: str, width: int = 12) -> None:
        self.columns.append((title, width))

    def line(self, texts) -> str:
        return "".join(f"{t:>{w}}{_GAP}" for t, (_, w) in zip(texts, self.columns)) + "\n"

    @property
    def rule(self) -> str:
        return self.line("-" * width for _, width in self.columns)

    @property
    def length(self) -> int:
        return sum(width + len(_GAP) for _, width in self.columns) - len(_GAP)

    def text(self, header: str | None, footer: str) -> str:
        parts = ["=" * self.length + "\n" + header + "\n"] if header is not None else []
        parts += [self.rule, self.line(title for title, _ in self.columns), self.rule]
        parts += [self.line(row) for row in self.rows]
        return "".join([*parts, self.rule, footer])


def _flops_scale(events) -> tuple[str, float] | None:
    counts = [event.flops for event in events if event.flops and event.flops > 0]
    if not counts:
        return None
    power = min(int(max(log10(min(counts)), 0) / 3), len(_FLOPS) - 1)
    return "Total " + _FLOPS[power], 1000.0**-power


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
    from ..autograd.profiler_util import _format_memory, _format_time, _format_time_share

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
    stacks = any(event.stack for event in shown)
    shapes = any(event.input_shapes for event in shown)
    flops = _flops_scale(shown) if with_flops else None
    table = _Table()
    names = _width([event.key for event in shown], max_name_column_width)
    table.column("Name", names)
    for title in ("Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg"):
        table.column(title)
    if profile_memory:
        table.column("CPU Mem")
        table.column("Self CPU Mem")
    table.column("# of Calls")
    if shapes:
        shape_texts = [str(event.input_shapes) for event in shown]
        shape_width = _width(shape_texts, max_shapes_column_width)
        table.column("Input Shapes", shape_width)
    if stacks:
        sources = [entry for event in shown for entry in event.stack]
        source_width = _width(sources, max_src_column_width)
        table.column("Source Location", source_width)
    if flops:
        table.column(flops[0])
    total = sum(event.self_cpu_time_total for event in shown)
    for event in shown:
        if top_level_events_only and event.cpu_parent is not None:
            continue
        if 0 <= row_limit <= sum(bool(row[0].strip()) for row in table.rows):
            break
        row = [
            _shortened(event.key, names),
            _format_time_share(event.self_cpu_time_total, total),
            time(event.self_cpu_time_total),
            _format_time_share(event.cpu_time_total, total) if not event.is_async else "0.00%",
            time(event.cpu_time_total),
            time(event.cpu_time),
        ]
        if profile_memory:
            row += map(_format_memory, (event.cpu_memory_usage, event.self_cpu_memory_usage))
        row.append(str(event.count))
        if shapes:
            row.append(str(event.input_shapes)[:shape_width])
        if stacks:
            row.append(_source(event.stack[0] if event.stack else "", source_width))
        if flops:
            row.append(f"{event.flops * flops[1]:8.3f}" if event.flops else "--")
        table.rows.append(row)
        for entry in event.stack[1:] if stacks else ():  # the callers, below
            row = [""] * len(table.columns)
            row[-2 if flops else -1] = _source(entry, source_width)
            table.rows.append(row)
    return table.text(header, f"Self CPU time total: {time(total)}\n")


def _source(entry: str, width: int) -> str:
    """The end of a source line says most."""
    return entry if len(entry) <= width else "..." + entry[3 - width :]
