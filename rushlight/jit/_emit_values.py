"""Literals and names of TorchScript source: what stands for a constant, and what may be a name."""

from __future__ import annotations

import keyword
import math

# What a variable may not be called in the text: words of the language and what it refers to.
RESERVED = frozenset(keyword.kwlist) | frozenset(
    "CONSTANTS Tensor List Dict Tuple Optional Union Future Any NoneType int float bool str device "
    "complex number torch ops self fork annotate uninitialized unchecked_cast isinstance getattr "
    "hasattr inf nan infj nanj print range len aten attribute prim onnx rpc_async rpc_sync "
    "rpc_remote awaitable".split()
)
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b", "\f": "\\f"}
_ESCAPES |= {"\v": "\\v", "\\": "\\\\", '"': '\\"', "'": "\\'"}


def quoted(text: str) -> str:
    """A string literal: ASCII, other bytes in octal."""
    out = []
    for byte in text.encode("utf-8"):
        char = chr(byte)
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def number(value: float) -> str:
    """A float with all its digits, and a point or an exponent."""
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if math.isnan(value):
        return "nan"
    text = f"{value:.17g}"
    return text if "." in text or "e" in text else text + "."


def complex_number(value: complex) -> str:
    """A complex number: 3.+4.j."""
    imaginary = number(value.imag)
    return number(value.real) + ("" if imaginary[0] == "-" else "+") + imaginary + "j"


def identifier(name: str) -> bool:
    """Whether an attribute of this name can be written after a point."""
    return name.isidentifier() and not keyword.iskeyword(name)


class Names:
    """Variables of one function: none twice. Functions of a file share the count of `_0`, ..."""

    def __init__(self, count: list[int] | None = None):
        self._used: set[str] = set()
        self._next: dict[str, int] = {}
        self._count = [0] if count is None else count

    def take(self, name: str) -> str:
        """`name`, or with the first number behind it that makes it new."""
        candidate = name
        while candidate in self._used or candidate in RESERVED:
            number = self._next.get(name, 0)
            self._next[name] = number + 1
            candidate = f"{name}{number}"
        self._used.add(candidate)
        return candidate

    def temporary(self) -> str:
        """A new `_0`, `_1`, ..."""
        while True:
            candidate = f"_{self._count[0]}"
            self._count[0] += 1
            if candidate not in self._used:
                self._used.add(candidate)
                return candidate

    def of(self, value) -> str:
        """A name for a value of the graph, near the one that it has there."""
        name = value.debugName()
        if name.isdigit():
            return self.temporary()
        base, _, suffix = name.rpartition(".")
        if base and suffix.isdigit():
            name = base
        name = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
        return self.take("_" + name if name[0].isdigit() else name)
