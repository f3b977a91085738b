"""What `print_readable` adds to the code: where nodes came from, and the shapes of their values."""

from __future__ import annotations

from typing import Any, NamedTuple

import rushlight as torch

from .node import _abbreviated

_NONE = "# No stacktrace found for following nodes"


class _ParsedStackTrace(NamedTuple):
    """The innermost line of a stack trace."""

    file: str
    lineno: str
    name: str
    code: str

    def get_summary_str(self) -> str:
        """File, line, function and code on one line."""
        return f"File: {self.file}:{self.lineno} in {self.name}, code: {self.code}"


def _parse_stack_trace(stack_trace: str | None, filter_fn: Any = None) -> _ParsedStackTrace | None:
    """The last frame of a stack trace (that `filter_fn` agrees to) and its code."""
    if stack_trace is None:
        return None
    lines = [line.strip() for line in stack_trace.split("\n") if line.strip()]
    for i in range(len(lines) - 2, -1, -1):
        head = lines[i].split(", ")
        if len(head) != 3 or not lines[i].startswith('File "'):
            continue
        file, lineno, name = head[0][6:-1], head[1][5:], head[2][3:]
        if filter_fn is None or filter_fn(file, name, lines[i + 1]):
            return _ParsedStackTrace(file, lineno, name, lines[i + 1])
    return None


class Notes:
    """Comments and annotations for the code of one graph."""

    def __init__(self, include_stride: bool, include_device: bool) -> None:
        self.stride, self.device = include_stride, include_device
        self.last: str | None = None

    def before(self, node: Any) -> list[str]:
        """The comment above a node, where it came from elsewhere than the one before."""
        if node.op not in ("get_attr", "call_function", "call_method", "call_module"):
            return []
        parsed = _parse_stack_trace(node.stack_trace)
        text = f"# {parsed.get_summary_str()}" if parsed is not None else _NONE
        if text == self.last:
            return []
        self.last = text
        return [f"\n{text}\n"]

    def annotation(self, node: Any) -> str:
        """The dtype and shape of a node's value, as an annotation."""
        value = node.meta.get("val", node.meta.get("tensor_meta", node.meta.get("example_value")))
        text = self._of(value)
        return f': "{text}"' if text else ""

    def _of(self, value):
        if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            return f"Sym({value})"
        if not hasattr(value, "dtype") or not hasattr(value, "shape"):
            return ""
        text = f"{_abbreviated(value.dtype)}[{', '.join(map(str, value.shape))}]"
        if self.stride and isinstance(value, torch.Tensor):
            text += f"[{', '.join(map(str, value.stride()))}]"
        if self.device and isinstance(value, torch.Tensor):
            text += str(value.device)
        return text
