"""Warnings that are given once, as PyTorch gives them."""

from __future__ import annotations

_given: set[str] = set()


def warn_once(message: str, category: type[Warning] = UserWarning, stacklevel: int = 3) -> None:
    """Warn the first time that `message` comes, or always after `torch.set_warn_always(True)`."""
    from ._functions import is_warn_always_enabled

    if message in _given and not is_warn_always_enabled():
        return
    import warnings

    warnings.warn(message, category, stacklevel=stacklevel)
    _given.add(message)


def warn(message: str, category: type[Warning] = UserWarning, stacklevel: int = 3) -> None:
    """Warn; Python's filters decide how often."""
    import warnings

    warnings.warn(message, category, stacklevel=stacklevel)
