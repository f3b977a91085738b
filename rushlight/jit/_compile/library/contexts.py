"""Context managers that programs may enter."""

from __future__ import annotations

from typing import Any

from ..operators import aten


class no_grad:
    def __init__(self) -> None:
        self.prev = False

    def __enter__(self) -> None:
        self.prev = aten.is_grad_enabled()
        aten.set_grad_enabled(False)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        aten.set_grad_enabled(self.prev)


class enable_grad:
    def __init__(self) -> None:
        self.prev = False

    def __enter__(self) -> None:
        self.prev = aten.is_grad_enabled()
        aten.set_grad_enabled(True)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        aten.set_grad_enabled(self.prev)


class inference_mode:
    def __init__(self, mode: bool = True) -> None:
        self.prev = False
        self.mode = mode

    def __enter__(self) -> None:
        self.prev = aten.is_grad_enabled()
        if self.mode:
            aten.set_grad_enabled(False)

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        aten.set_grad_enabled(self.prev)


class record_function:
    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        self.name = self.name

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        self.name = self.name
