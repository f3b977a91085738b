"""The opt_einsum package, which is not used: einsum contracts left to right."""

from __future__ import annotations

from ._settings import settings_module


def is_available() -> bool:
    """Whether the package is used."""
    return False


settings_module(__name__, enabled=False, strategy=(None, (str, type(None))))
