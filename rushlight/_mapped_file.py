"""Files mapped into memory."""

from __future__ import annotations

from . import _C


def map_file(filename: str, shared: bool, nbytes: int):
    """The first bytes of a file as a uint8 tensor; `shared` writes go to the file."""
    import mmap
    import os

    if nbytes < 0:
        raise RuntimeError(f"unable to mmap {nbytes} bytes from file <{filename}>")
    mode = "read-write" if shared else "read-only"
    try:
        flags = os.O_RDWR | os.O_CREAT if shared else os.O_RDONLY
        descriptor = os.open(filename, flags | getattr(os, "O_BINARY", 0), 0o600)
    except OSError as error:
        raise RuntimeError(
            f"unable to open file <{filename}> in {mode} mode: {error.strerror} ({error.errno})"
        ) from None
    try:
        size = os.fstat(descriptor).st_size
        if size < nbytes:
            if not shared:
                raise RuntimeError(
                    f"file <{filename}> size <{size}> is smaller than the required mapping size "
                    f"<{nbytes}>"
                )
            os.ftruncate(descriptor, nbytes)
        if nbytes == 0:
            return _C.from_data([], _C.uint8)
        access = mmap.ACCESS_WRITE if shared else mmap.ACCESS_COPY
        mapped = mmap.mmap(descriptor, nbytes, access=access)
    finally:
        os.close(descriptor)
    return _C.from_buffer(mapped, _C.uint8, (nbytes,), (1,), 0)
