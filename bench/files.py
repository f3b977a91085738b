"""Checkpoints: a state of 400 MB, and one of many small tensors."""

from __future__ import annotations

import os
import tempfile

# In memory, where there is such a place: the pace of a disk would decide.
_MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
_FOLDER = tempfile.TemporaryDirectory(prefix="rushlight-bench-", dir=_MEMORY)


def _state(t, count, shape):
    return {f"layer{i}.weight": t.ones(shape) for i in range(count)}


def _path(t, name):
    return os.path.join(_FOLDER.name, f"{t.__name__}-{name}.pt")


def saving(count, shape):
    """Make `save` over the file that was there before."""

    def make(t):
        state, path = _state(t, count, shape), _path(t, f"{count}")
        return lambda: t.save(state, path)

    return make


def loading(count, shape, **options):
    """Make `load` of a file that is in the system's cache."""

    def make(t):
        path = _path(t, f"read{count}")
        t.save(_state(t, count, shape), path)
        return lambda: t.load(path, **options)

    return make


LINES = [
    ("save, 40 tensors, 410 MB", saving(40, (1600, 1600))),
    ("load, 40 tensors, 410 MB", loading(40, (1600, 1600))),
    ("load mapped, 40 tensors, 410 MB", loading(40, (1600, 1600), mmap=True)),
    ("save, 2,000 tensors of 4", saving(2000, (4,))),
    ("load, 2,000 tensors of 4", loading(2000, (4,))),
]
