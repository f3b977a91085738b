"""Running one expression in PyTorch and in rushlight, and comparing what comes out."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

oracle = pytest.importorskip("torch")

REAL = ("float32", "float64", "int64", "int32", "uint8", "bool")
EVERY = (*REAL, "int8", "int16", "complex64", "complex128", "float16", "bfloat16")


def pair(array, dtype=None, grad=False):
    """The same values as a PyTorch and as a rushlight tensor."""
    array = np.asarray(array)
    theirs = oracle.from_numpy(array.copy())
    ours = torch.from_numpy(array.copy())
    if dtype is not None:
        theirs, ours = theirs.to(getattr(oracle, dtype)), ours.to(getattr(torch, dtype))
    if grad:
        theirs.requires_grad_(True)
        ours.requires_grad_(True)
    return theirs, ours


def numbers(*shape, seed=0, high=9):
    return np.random.default_rng(seed).integers(-high, high, shape).astype(np.float64)


def as_numpy(t):
    if str(t.dtype) == "torch.bfloat16":
        t = t.float()
    return t.detach().numpy()


def same(theirs, ours, **tolerance):
    """Shapes, dtypes and values agree (exactly unless a tolerance is given)."""
    if isinstance(theirs, (tuple, list)):
        assert len(theirs) == len(ours)
        for a, b in zip(theirs, ours, strict=True):
            same(a, b, **tolerance)
        return
    assert tuple(theirs.shape) == tuple(ours.shape)
    assert str(theirs.dtype) == str(ours.dtype)
    if tolerance:
        np.testing.assert_allclose(as_numpy(ours), as_numpy(theirs), **tolerance)
    else:
        np.testing.assert_array_equal(as_numpy(ours), as_numpy(theirs))


def check(f, *arrays, dtype=None, grad=False, **tolerance):
    """f(framework, *tensors) agrees; with `grad` its first and second derivatives too."""
    pairs = [pair(a, dtype, grad and np.asarray(a).dtype.kind in "fc") for a in arrays]
    theirs, ours = f(oracle, *[p[0] for p in pairs]), f(torch, *[p[1] for p in pairs])
    same(theirs, ours, **tolerance)
    if grad:
        leaves = [p for p in pairs if p[0].requires_grad]
        first = [
            _gradients(m, out, [p[i] for p in leaves])
            for i, (m, out) in enumerate(((oracle, theirs), (torch, ours)))
        ]
        same(first[0], first[1], rtol=1e-6, atol=1e-9)


def _gradients(m, out, leaves):
    """Gradients of the sum of cubes of `out`, and of the sum of squares of those gradients."""
    out = out if not isinstance(out, (tuple, list)) else out[0]
    first = m.autograd.grad((out * out * out).sum(), leaves, create_graph=True, allow_unused=True)
    kept = [g for g in first if g is not None]
    total = sum((g * g).sum() for g in kept)
    second = [None] * len(leaves)
    if total.requires_grad:
        second = m.autograd.grad(total, leaves, allow_unused=True)
    return [g.detach() for g in (*first, *second) if g is not None]


def both_raise(error, f):
    """Both frameworks raise `error`."""
    with pytest.raises(error):
        f(oracle)
    with pytest.raises(error):
        f(torch)
