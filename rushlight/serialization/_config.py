"""What `torch.save` and `torch.load` do where their arguments leave it open.

`load`: `mmap` (whether files are mapped), `endianness` (byte order of files that do not say theirs;
None is the machine's), `mmap_flags` (`mmap.MAP_PRIVATE` or `MAP_SHARED`; None is private) and
`calculate_storage_offsets`. `save`: `compute_crc32`, `storage_alignment` in bytes,
`use_pinned_memory_for_d2h`, and `sync`: whether a file is on the disk before it takes its place,
which only a power failure can tell and which takes the disk's time.
"""

from __future__ import annotations

from contextlib import contextmanager

__all__ = ["load", "patch", "save"]


class _Section:
    """Named values; setting one that does not exist is an error."""

    __slots__ = ("__dict__",)

    def __init__(self, **values):
        self.__dict__.update(values)

    def __setattr__(self, name: str, value):
        if name not in self.__dict__:
            raise AttributeError(f"torch.utils.serialization.config: there is no setting {name!r}")
        self.__dict__[name] = value


load = _Section(mmap=False, endianness=None, mmap_flags=None, calculate_storage_offsets=False)
save = _Section(
    compute_crc32=True, use_pinned_memory_for_d2h=False, storage_alignment=64, sync=False
)


@contextmanager
def patch(name: str | dict | None = None, value=None, **changes):
    """Change settings within a `with` block: `patch("load.mmap", True)`, or a dict of such."""
    if isinstance(name, dict):
        changes = {**name, **changes}
    elif name is not None:
        changes = {name: value, **changes}
    sections = {"load": load, "save": save}
    saved = []
    try:
        for path, new in changes.items():
            section, _, setting = path.partition(".")
            target = sections[section]
            saved.append((target, setting, getattr(target, setting)))
            setattr(target, setting, new)
        yield
    finally:
        for target, setting, old in reversed(saved):
            setattr(target, setting, old)
