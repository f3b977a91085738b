"""Which functions are being compiled because which others call them: errors tell the way."""

from __future__ import annotations

_stack: list[list] = []


class compiling:
    """While a function is compiled: `with compiling(name):`."""

    def __init__(self, name: str, at=None) -> None:
        self.entry = [name, at]

    def __enter__(self) -> None:
        _stack.append(self.entry)

    def __exit__(self, *error) -> None:
        _stack.pop()


def calls_from(at) -> None:
    """The function that is being compiled is at this place, where it calls another."""
    if _stack:
        _stack[-1][1] = at


def report() -> str:
    """The functions whose compilation led here, the innermost first."""
    said = ""
    for (name, _), (caller, at) in zip(_stack[::-1], _stack[-2::-1], strict=False):
        said += f"\n'{name}' is being compiled since it was called from '{caller}'"
        if at is not None:
            said += f"\n{at.highlight()}"
    return said + "\n" if said else said


class ScriptError(RuntimeError):
    """What the compiler raises about a place in the source."""


def fail(at, message: str):
    """Raise RuntimeError about the source at `at`."""
    shown = f":\n{at.highlight()}\n" if at is not None else ""
    error = RuntimeError(f"\n{message}{shown}{report()}")
    raise error from None
