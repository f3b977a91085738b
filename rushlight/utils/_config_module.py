"""Modules of settings that can be changed for a while: `config.patch(name=value)`."""

from __future__ import annotations

from contextlib import ContextDecorator
from types import ModuleType
from typing import Any


class ConfigPatch(ContextDecorator):
    """Within a block or a decorated function some settings have other values."""

    def __init__(self, module: ModuleType, changes: dict[str, Any]):
        self._module = module
        self._changes = changes
        self._before: list[dict[str, Any]] = []

    def __enter__(self):
        before = {name: _get(self._module, name) for name in self._changes}
        for name, value in self._changes.items():
            _set(self._module, name, value)
        self._before.append(before)

    def __exit__(self, *exc) -> None:
        for name, value in self._before.pop().items():
            _set(self._module, name, value)


def _owner(module, name: str):
    *path, leaf = name.split(".")  # "triton.cudagraphs"
    for part in path:
        module = getattr(module, part)
    return module, leaf


def _get(module, name):
    owner, leaf = _owner(module, name)
    return getattr(owner, leaf)


def _set(module, name, value) -> None:
    owner, leaf = _owner(module, name)
    setattr(owner, leaf, value)


class ConfigModule(ModuleType):
    """A module whose public names are settings."""

    def patch(self, arg1: str | dict | None = None, arg2: Any = None, **kwargs) -> ConfigPatch:
        """Other values for a block: patch("name", value), patch({...}) or patch(name=value)."""
        if isinstance(arg1, str):
            return ConfigPatch(self, {arg1: arg2})
        return ConfigPatch(self, {**(arg1 or {}), **kwargs})

    def shallow_copy_dict(self) -> dict[str, Any]:
        """The settings by name."""
        return {n: v for n, v in vars(self).items() if not n.startswith("_") and n != "annotations"}

    get_config_copy = to_dict = shallow_copy_dict

    def load_config(self, maybe_pickled_config: dict[str, Any]) -> None:
        """Set what a dictionary says."""
        for name, value in maybe_pickled_config.items():
            _set(self, name, value)


def install_config_module(module: ModuleType) -> None:
    """Make a module one of settings."""
    module.__class__ = ConfigModule
