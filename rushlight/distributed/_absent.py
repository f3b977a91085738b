"""Types of the distributed package for programs that ask whether something is one of them."""

from __future__ import annotations

from typing import Any

WHY = "this build has no distributed package (torch.distributed.is_available() is False)"


def absent(name: str, module: str) -> type:
    """A type without instances: making one says why."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"{name}: {WHY}")

    return type(name, (), {"__init__": __init__, "__module__": module, "__doc__": f"{name}: {WHY}"})


def refused(name: str) -> Any:
    """A function that says why it cannot work."""

    def function(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(f"{name}: {WHY}")

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{name}: {WHY}"
    return function
