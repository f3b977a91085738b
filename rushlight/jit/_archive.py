"""torch.jit.save and torch.jit.load: archives that PyTorch reads and writes too."""

from __future__ import annotations

import io
import os
from typing import Any

from ._function import ScriptFunction, ScriptMethod
from ._script import ScriptModule
from ._script_objects import ModuleObject


def save(m: Any, f: Any, _extra_files: dict | None = None) -> None:
    """Write a compiled module or function to a path or an open binary file.

    `_extra_files` maps names to texts that are stored beside it.
    """
    from ..serialization._files import atomic_file
    from ._archive_write import write

    module = _as_module(m)
    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        with atomic_file(path) as file:
            write(module, file, _prefix(path), _extra_files or {})
    else:
        buffer = io.BytesIO()
        write(module, buffer, "archive", _extra_files or {})
        f.write(buffer.getvalue())


def to_bytes(m: Any, _extra_files: dict | None = None) -> bytes:
    """The archive as bytes."""
    buffer = io.BytesIO()
    save(m, buffer, _extra_files)
    return buffer.getvalue()


def _as_module(m) -> ScriptModule:
    from ._archive_write import placeholder

    if isinstance(m, ModuleObject):
        m = m._module
    if isinstance(m, ScriptFunction | ScriptMethod):
        return placeholder(m)
    if not isinstance(m, ScriptModule) or not m._is_compiled():
        raise AttributeError(
            f"'{type(m).__name__}' object has no attribute 'save': torch.jit.save takes what "
            "torch.jit.script, torch.jit.trace or torch.jit.load gave"
        )
    return m


def _prefix(path: str) -> str:
    name = os.path.basename(path)
    stem = name.rpartition(".")[0] or name
    return stem or "archive"


def load(
    f: Any,
    map_location: Any = None,
    _extra_files: dict | None = None,
    _restore_shapes: bool = False,
) -> Any:
    """Read a compiled module from a path or an open binary file.

    Nothing in the file is executed but operators of this library. `_extra_files` maps names of
    stored texts to anything; the texts take its place.
    """
    from ._archive_read import read

    if isinstance(f, str | os.PathLike):
        path = os.fspath(f)
        if not os.path.exists(path):
            raise ValueError(f"The provided filename {path} does not exist")
        if os.path.isdir(path):
            raise ValueError(f"The provided filename {path} is a directory")
        with open(path, "rb") as file:
            return read(file, map_location, _extra_files)
    if not hasattr(f, "read"):
        raise TypeError(f"load: expected a path or a file with read(), got {type(f).__name__}")
    return read(io.BytesIO(f.read()), map_location, _extra_files)


def jit_module_from_flatbuffer(f: Any) -> Any:
    """Read a compiled module; the files are zip archives."""
    return load(f)


def save_jit_module_to_flatbuffer(m: Any, f: Any, _extra_files: dict | None = None) -> None:
    """Write a compiled module; the files are zip archives."""
    save(m, f, _extra_files)
