"""Threads of NumPy's LAPACK: small matrices are quicker, and steadier, on one.

OpenBLAS wakes its own pool for them, which then competes with ours for the same cores.
"""

from __future__ import annotations

from contextlib import contextmanager

_LARGE = 512  # rows or columns from which its threads pay
_controls: list = []


def _find_controls():
    """(get, set) of the number of threads, from the OpenBLAS in NumPy's wheel; () if none."""
    import ctypes
    import glob
    import os

    import numpy

    folder = os.path.join(os.path.dirname(os.path.dirname(numpy.__file__)), "numpy.libs")
    for path in glob.glob(os.path.join(folder, "*openblas*")):
        library = ctypes.CDLL(path)
        for prefix, suffix in (("scipy_openblas", "64_"), ("scipy_openblas", ""), ("openblas", "")):
            getter = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            setter = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if getter and setter:
                return getter, setter
    return ()


@contextmanager
def threads_for(arrays):
    """Run the block on one LAPACK thread when the matrices among `arrays` are small."""
    if not _controls:
        _controls.append(_find_controls())
    sizes = [s for a in arrays for s in getattr(a, "shape", ())[-2:]]
    if not _controls[0] or max(sizes, default=0) >= _LARGE:
        yield
        return
    getter, setter = _controls[0]
    before = getter()
    if before == 1:
        yield
        return
    setter(1)
    try:
        yield
    finally:
        setter(before)
