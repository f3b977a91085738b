"""Files that take their place only when they are complete."""

from __future__ import annotations

import os
from contextlib import contextmanager
from itertools import count

from . import _config as config

_attempts = count()


@contextmanager
def atomic_file(path):
    """A binary file that takes the place of `path` only when the block ends without an error.

    Until then it has no name, where the system knows such files, so that a killed process leaves
    no part of a file behind. With `torch.utils.serialization.config.save.sync` it reaches the disk
    first, so that even a power failure leaves the old file or the whole new one.
    """
    path = os.path.realpath(os.fsdecode(path))
    parent, name = os.path.split(path)
    if not os.path.isdir(parent):
        raise RuntimeError(f"Parent directory {parent} does not exist.")
    if os.path.exists(path) and not os.path.isfile(path):
        with open(path, "wb") as file:  # a pipe or device cannot be replaced
            yield file
        return
    unique = f".{name[:200]}.{os.getpid()}-{next(_attempts)}.tmp"
    temporary = os.path.join(parent, unique)
    try:
        descriptor, named = _open_new(parent, temporary)
        with open(descriptor, "wb", buffering=0) as file:
            if os.path.exists(path):
                os.fchmod(descriptor, os.stat(path).st_mode & 0o7777)
            yield file
            if config.save.sync:
                os.fsync(descriptor)
            if not named:
                # With a folder's descriptor, which an absolute path does not need, it is linkat.
                os.link(f"/proc/self/fd/{descriptor}", temporary, src_dir_fd=descriptor)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _open_new(parent: str, temporary: str) -> tuple[int, bool]:
    """A descriptor of a new file, and whether it has the name `temporary` already."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        try:
            return os.open(parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o666), False
        except OSError:
            pass  # the file system knows no files without a name, or the next call says why not
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
    return os.open(temporary, flags | getattr(os, "O_BINARY", 0), 0o666), True


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
