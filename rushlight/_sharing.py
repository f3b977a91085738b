"""Memory that several processes map: by a descriptor that is sent, or by a name in /dev/shm.

Under the strategy `file_descriptor` a block has no name and every process that may send it on
keeps a descriptor open. Under `file_system` none is kept: a block is a file, each process that
has it owns one name of the file, and each message carries a name more, which its receiver takes
over. The system frees the file with its last name, so nothing needs to be counted. Names that a
killed process leaves are removed by the resource tracker of multiprocessing.
"""

from __future__ import annotations

import os
from contextlib import suppress
from weakref import WeakSet

from . import _C

STRATEGIES = frozenset({"file_descriptor", "file_system"})
strategy = "file_descriptor"

_owned: WeakSet = WeakSet()
_cleans_up = False


class Name:
    """One name of a file in shared memory, removed with this object."""

    def __init__(self, name: str) -> None:
        self.name, self.process = name, os.getpid()
        _owned.add(self)
        _clean_up_at_the_end()

    def open(self) -> int:
        """A descriptor of the file."""
        import _posixshmem

        return _posixshmem.shm_open(self.name, os.O_RDWR, mode=0o600)

    def another(self) -> str:
        """A new name of the same file, for a message."""
        name = _new_name()
        os.link(_path(self.name), _path(name))
        _track(name)
        return name

    def remove(self) -> None:
        """Give the name up; only the process that owns it does."""
        if self.process != os.getpid():
            return
        self.process = 0
        with suppress(FileNotFoundError):
            os.unlink(_path(self.name))
        _forget(self.name)

    __del__ = remove


def _path(name):
    return f"/dev/shm{name}"


def _new_name():
    return f"/torch_{os.getpid()}_{os.urandom(6).hex()}"


def _track(name):
    from multiprocessing.resource_tracker import register

    register(name, "shared_memory")


def _forget(name):
    from multiprocessing.resource_tracker import unregister

    unregister(name, "shared_memory")


def _clean_up_at_the_end():
    global _cleans_up
    if _cleans_up:
        return
    _cleans_up = True
    from multiprocessing.util import Finalize, register_after_fork

    register_after_fork(Name, _after_fork)
    Finalize(None, _remove_all, exitpriority=0)


def _remove_all():
    for name in list(_owned):
        name.remove()


def _after_fork(_):
    # The child maps the files too: it gets names of its own, which it may send on.
    from multiprocessing.util import Finalize

    for name in list(_owned):
        with suppress(OSError):
            name.name, name.process = name.another(), os.getpid()
    # A child of multiprocessing starts with an empty list of what to do at its end.
    Finalize(None, _remove_all, exitpriority=0)


def share(tensor) -> None:
    """Move the storage of a tensor to shared memory, in the way of the strategy."""
    there = _C.shared_descriptor(tensor) or _C.shared_lease(tensor)
    if strategy == "file_descriptor" or there is not None:
        _C.share_storage(tensor)
        return
    import _posixshmem

    name = _new_name()
    descriptor = _posixshmem.shm_open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, mode=0o600)
    try:
        _track(name)
        lease = Name(name)
        # Reserved now: a full file system answers here, not with a signal at some later write.
        if size := _C.storage_nbytes(tensor):
            os.posix_fallocate(descriptor, 0, size)
        _C.share_storage(tensor, descriptor, lease)
    finally:
        os.close(descriptor)


def attach(name: str):
    """The bytes of a block whose name came in a message, which is ours now."""
    lease = Name(name)
    descriptor = lease.open()
    try:
        return _C.attach_shared(descriptor, lease)
    finally:
        os.close(descriptor)
