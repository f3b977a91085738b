"""Files that take their place only when they are complete."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count

_attempts = count()


@contextmanager
def atomic_file(path):
    """A binary file that takes the place of `path` only when the block ends without an error.

    It is written beside `path` and synced first, so that at any moment, even after a power failure,
    `path` is either the old file or the whole new one.
    """
    path = os.path.realpath(os.fspath(path))
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {os.fsdecode(parent)} does not exist.")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a pipe or device cannot be replaced
            yield file
        return
    unique = f".{os.fsdecode(name)[:200]}.{os.getpid()}-{next(_attempts)}.tmp"
    temporary = os.path.join(os.fsdecode(parent), unique)
    try:
        with open(temporary, "xb", buffering=0) as file:
            if os.path.exists(path):
                os.chmod(temporary, os.stat(path).st_mode & 0o7777)
            yield file
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


class WholeWrites:
    """Repeats short writes of a raw file and gathers small ones."""

    def __init__(self, file):
        self._file = file
        self._pending = bytearray()

    def write(self, data) -> None:
        view = memoryview(data)
        if view.nbytes < 1 << 16:
            self._pending += view
            if len(self._pending) < 1 << 18:
                return
            view = None
        self.flush()
        if view is not None:
            self._write_all(view)

    def flush(self) -> None:
        if self._pending:
            self._write_all(memoryview(self._pending))
            self._pending = bytearray()

    def _write_all(self, view) -> None:
        while view.nbytes:
            view = view[self._file.write(view) :]
