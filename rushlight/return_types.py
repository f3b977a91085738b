"""The named tuples that operators with several results return."""

from __future__ import annotations

from .op import return_types as _made


def __getattr__(name: str):
    try:
        return vars(_made)[name]
    except KeyError:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'") from None


def __dir__():
    return [name for name in vars(_made) if not name.startswith("__")]
