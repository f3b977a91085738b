"""The BLAS and LAPACK library at hand: where it is, how its names are spelt, its threads.

NumPy's wheel bundles OpenBLAS, which holds all of LAPACK; other builds of NumPy link one that the
system has. It is opened on first use.
"""

from __future__ import annotations

from contextlib import contextmanager

_LARGE = 512  # rows or columns from which its threads pay
# (prefix, suffix, bits of an integer) of the names that a build may give its functions.
_SPELLINGS = (("scipy_", "_64_", 64), ("scipy_", "_", 32), ("", "_64_", 64), ("", "_", 32))
_THREADS = (
    ("scipy_openblas", "64_"),
    ("scipy_openblas", ""),
    ("openblas", "64_"),
    ("openblas", ""),
)
_opened: list = []
_controls: list = []


def _candidates():
    """Paths of libraries that may hold LAPACK, the likeliest first."""
    import ctypes.util
    import glob
    import os
    import sys

    import numpy

    package = os.path.dirname(numpy.__file__)
    folders = [os.path.join(os.path.dirname(package), "numpy.libs"), package + "/.dylibs"]
    try:
        import scipy_openblas64
    except ImportError:
        pass
    else:
        folders.append(scipy_openblas64.get_lib_dir())
    for folder in folders:
        yield from sorted(glob.glob(os.path.join(folder, "*openblas*")))
    for name in ("openblas", "mkl_rt", "lapack"):
        yield from sorted(glob.glob(os.path.join(sys.prefix, "lib", f"lib{name}.*")))
    for name in ("openblas", "lapack", "Accelerate"):
        found = ctypes.util.find_library(name)
        if found:
            yield found


def _open():
    import ctypes

    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
        except OSError:
            continue
        for prefix, suffix, bits in _SPELLINGS:
            if all(hasattr(library, prefix + n + suffix) for n in ("dgetrf", "zunmqr", "dgelsd")):
                return library, prefix, suffix, bits
    return ()


def lapack_library():
    """(library, prefix, suffix, bits of an integer); RuntimeError when there is none."""
    if not _opened:
        _opened.append(_open())
    if not _opened[0]:
        raise RuntimeError(
            "linear algebra: no LAPACK library was found beside NumPy or on this system: "
            "install NumPy from its wheel (pip install --force-reinstall numpy), or "
            "scipy-openblas64 (pip install scipy-openblas64)"
        )
    return _opened[0]


def thread_controls():
    """(get, set) of the library's number of threads; () if it is not OpenBLAS."""
    if not _controls:
        _controls.append(_find_controls())
    return _controls[0]


def _find_controls():
    try:
        library = lapack_library()[0]
    except RuntimeError:
        return ()
    for prefix, suffix in _THREADS:
        getter = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
        setter = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
        if getter and setter:
            return getter, setter
    return ()


@contextmanager
def threads_for(arrays):
    """Run the block on one LAPACK thread when the matrices among `arrays` are small.

    OpenBLAS wakes its own pool for them, which then competes with ours for the same cores.
    """
    controls = thread_controls()
    sizes = [s for a in arrays for s in getattr(a, "shape", ())[-2:]]
    if not controls or max(sizes, default=0) >= _LARGE:
        yield
        return
    getter, setter = controls
    before = getter()
    if before == 1:
        yield
        return
    setter(1)
    try:
        yield
    finally:
        setter(before)
