"""What torch.jit keeps of a process: whether it is on, and what Python programs have compiled."""

from __future__ import annotations

import os
from typing import Any


class EnabledProxy:
    """Whether script and trace compile: as was said last, else as PYTORCH_JIT says."""

    def __init__(self) -> None:
        self._said: bool | None = None

    @property
    def enabled(self) -> bool:
        """Whether script and trace compile."""
        if self._said is not None:
            return self._said
        return self.parse_env("PYTORCH_JIT", True, "> Using PyTorch JIT", "> PyTorch JIT DISABLED")

    @enabled.setter
    def enabled(self, on: bool | None) -> None:
        self._said = on

    def parse_env(self, name: str, default: bool, true_message: str, false_message: str) -> bool:
        """The value of a variable of the environment: 1, 0, 1v or 0v, where v says it aloud."""
        said = os.environ.get(name)
        if said is None:
            return default
        if said not in ("0", "1", "0v", "1v"):
            raise ValueError(f"Unknown setting of {name}. Try using 0 or 1.")
        if said.endswith("v"):
            print(true_message if said[0] == "1" else false_message)
        return said[0] == "1"

    def __bool__(self) -> bool:
        return self.enabled


_enabled = EnabledProxy()


def enable() -> None:
    """Let script and trace compile."""
    _enabled.enabled = True


def disable() -> None:
    """Let script and trace give back what they are given."""
    _enabled.enabled = False


def _unit() -> Any:
    """What Python programs have compiled, as a compilation unit."""
    from ._compile.unit import python_unit
    from ._scripting import CompilationUnit

    made = CompilationUnit()
    made._unit = python_unit()
    return made


def __getattr__(name: str) -> Any:
    if name != "_python_cu":
        raise AttributeError(f"module 'torch.jit._state' has no attribute '{name}'")
    globals()[name] = made = _unit()
    return made
