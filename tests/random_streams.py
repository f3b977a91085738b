"""The same call under rushlight and under PyTorch: its values, and what it drew."""

from __future__ import annotations

import pytest

import rushlight

try:
    import torch
except ImportError:
    torch = None

needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
FLOATS = ["float16", "bfloat16", "float32", "float64"]


def bits(x, library):
    """The elements' bytes, row-major."""
    if isinstance(x, (tuple, list)):
        return b"".join(bits(i, library) for i in x)
    x = x.detach().contiguous()
    return (
        x.view(library.int16).numpy().tobytes()
        if x.dtype == library.bfloat16
        else x.numpy().tobytes()
    )


def state(library):
    return library.get_rng_state().numpy().tobytes()


def assert_same(call, seed=0):
    """`call(library)` gives the same values and the same generator state in both libraries."""
    got = []
    for library in (rushlight, torch):
        library.manual_seed(seed)
        values = bits(call(library), library)
        got.append((values, state(library)))
    assert got[0][0] == got[1][0], "values differ"
    assert got[0][1] == got[1][1], "generator states differ"
