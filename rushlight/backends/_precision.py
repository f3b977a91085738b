"""What float32 products may be rounded to inside: `fp32_precision` of the backends.

A setting of "none" is that of the level above: generic, then oneDNN's, then an operation's own.
Matrix products follow it, and on processors with tiles (AMX) convolutions, where it is "bf16";
elsewhere convolutions stay in float32, as recurrent layers do everywhere.
"""

from __future__ import annotations

from .. import _C

_PRECISIONS = ("none", "ieee", "tf32", "bf16")
_PASSES = {"bf16": 1, "tf32": 3}  # bfloat16 products for one of float32
_values = dict.fromkeys(("generic", "mkldnn", "matmul", "conv", "rnn"), "none")
_above = {"mkldnn": "generic", "matmul": "mkldnn", "conv": "mkldnn", "rnn": "mkldnn"}


def get(level: str) -> str:
    """The precision in force at a level."""
    value = _values[level]
    return get(_above[level]) if value == "none" and level in _above else value


def put(level: str, value: str) -> None:
    """Set a level; RuntimeError for a precision that is none."""
    if not isinstance(value, str):
        raise TypeError(f"fp32_precision: expected a str, got {type(value).__name__}")
    if value not in _PRECISIONS:
        raise RuntimeError(f"Unknown precision: {value}, expected one of {_PRECISIONS}")
    _values[level] = value
    for below, above in _above.items():
        if above == level:
            put(below, value)
    _C.set_bf16_passes(_PASSES.get(get("matmul"), 0))
    _C.set_conv_bf16(get("conv") == "bf16")


class Operation:
    """The setting of one kind of operation."""

    def __init__(self, level: str):
        self._level = level

    @property
    def fp32_precision(self) -> str:
        """ "none", "ieee", "tf32" or "bf16": what float32 may be rounded to inside."""
        return get(self._level)

    @fp32_precision.setter
    def fp32_precision(self, value: str) -> None:
        put(self._level, value)
