"""NumPy on first use: importing rushlight must not pay for it."""

from __future__ import annotations

import sys


class LazyModule:
    """Stands for a module and imports it when an attribute is asked for."""

    def __init__(self, name: str) -> None:
        self.__dict__["_name"] = name

    def __getattr__(self, attribute: str):
        __import__(self._name)
        value = getattr(sys.modules[self._name], attribute)
        self.__dict__[attribute] = value
        return value


np = LazyModule("numpy")
