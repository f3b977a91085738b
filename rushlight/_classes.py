"""`torch.classes`: classes that C++ extensions register with PyTorch; here none are."""

from __future__ import annotations

loaded_libraries: set[str] = set()


class _ClassNamespace:
    """The classes of one name space."""

    def __init__(self, name: str):
        self.name = name

    def __getattr__(self, attribute: str):
        raise RuntimeError(
            f"Tried to instantiate class '{self.name}.{attribute}', but it does not exist! Ensure "
            "that it is registered via torch::class_"
        )


class _Classes:
    """Name spaces by attribute, and where libraries are loaded."""

    loaded_libraries = loaded_libraries

    def __getattr__(self, name: str) -> _ClassNamespace:
        if name.startswith("__"):
            raise AttributeError(name)
        made = self.__dict__[name] = _ClassNamespace(name)
        return made

    def load_library(self, path: str) -> None:
        """Load a shared library for what it registers; OSError when it cannot be."""
        from .ops import load_library

        load_library(path)
        loaded_libraries.add(path)


classes = _Classes()
