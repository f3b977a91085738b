"""The processor."""

from __future__ import annotations

from .. import _C


def get_cpu_capability() -> str:
    """The instruction set that kernels were chosen for: "DEFAULT", "AVX2" or "AVX512"."""
    return ("DEFAULT", "AVX2", "AVX512")[_C.cpu_level()]
