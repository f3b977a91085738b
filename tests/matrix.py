"""The cases of the operator matrix: every sample of every declaration, in several guises."""

from __future__ import annotations

import functools
import itertools
import math
import warnings

import numpy as np

import rushlight as torch
from rushlight.op import operators, to_array

FLOATS = {"float64": 1e-9, "float32": 2e-5, "bfloat16": 4e-2, "float16": 4e-3}
INTEGERS = ("int64", "int32", "uint8", "bool")
COMPLEX = {"complex128": 1e-9, "complex64": 2e-5}


class Maker:
    """`make` of a declaration's samples: tensors of the wanted dtype and layout, seeded.

    With `shapes` the tensors have these, in turn and over again, whatever the sample asks for.
    """

    def __init__(self, seed, dtype="float64", layout="contiguous", grad=False, shapes=None):
        self.random = np.random.default_rng(seed)
        self.dtype, self.layout, self.grad = dtype, layout, grad
        self.shapes = itertools.cycle(shapes) if shapes else None

    def __call__(self, *shape, dtype=None, low=-1, high=1, grad=True):
        shape = next(self.shapes) if self.shapes else shape
        wanted = dtype or self.dtype
        wanted = getattr(torch, wanted) if isinstance(wanted, str) else wanted
        if dtype is None and high == 1 and not (wanted.is_floating_point or wanted.is_complex):
            high = 4  # the declaration's range is for real numbers
        values = self.values(shape, wanted, low, high)
        t = torch.from_numpy(np.ascontiguousarray(values).reshape(shape)).to(wanted)
        t = self.arranged(t)
        differentiable = wanted.is_floating_point or wanted.is_complex
        if self.grad and grad and differentiable:
            t.requires_grad_()
        return t

    def values(self, shape, wanted, low, high):
        if wanted.is_complex:
            return self.random.uniform(low, high, shape) + 1j * self.random.uniform(
                low, high, shape
            )
        if wanted.is_floating_point:
            return self.random.uniform(low, high, shape)
        if wanted is torch.bool:
            return self.random.integers(0, 2, shape).astype(bool)
        low = max(math.floor(low), 0) if wanted is torch.uint8 else math.floor(low)
        return self.random.integers(low, max(math.ceil(high), low + 1), shape)

    def arranged(self, t):
        if self.layout == "transposed" and t.ndim >= 2:
            return t.transpose(0, -1).contiguous().transpose(0, -1)
        if self.layout == "sliced" and t.ndim >= 1:
            wide = torch.zeros((*t.shape[:-1], t.shape[-1] * 2), dtype=t.dtype)
            wide[..., ::2] = t
            return wide[..., ::2]
        return t


def split_sample(sample):
    """(args, kwargs): a dict at the end of a sample holds keyword arguments."""
    sample = sample if isinstance(sample, tuple) else (sample,)
    if sample and isinstance(sample[-1], dict):
        return sample[:-1], sample[-1]
    return sample, {}


@functools.cache
def sample_counts():
    """{operator name: number of samples}."""
    counts = {}
    for name, op in operators.items():
        samples = op.declaration.__dict__.get("samples")
        counts[name] = sum(1 for _ in samples(Maker(0))) if samples else 0
    return counts


def cases():
    """(operator name, sample index) of every declared sample."""
    return [(name, i) for name, n in sorted(sample_counts().items()) for i in range(n)]


def sample_of(name, index, **kind):
    """The operator and one sample's (args, kwargs)."""
    op = operators[name]
    make = Maker(sum(map(ord, name)) * 31 + index, **kind)
    for i, sample in enumerate(op.declaration.samples(make)):
        if i == index:
            return op, *split_sample(sample)
    raise IndexError(name, index)


def leaves(tree):
    """The tensors in a tree of tuples, lists and dicts."""
    if isinstance(tree, torch.Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (tuple, list)):
        return [t for item in tree for t in leaves(item)]
    return []


def reference(op, args, kwargs):
    """The declaration's NumPy forward on the same arguments: arrays."""
    code = op.declaration.forward.__code__
    arrays = [to_array(a) for a in args]
    named = {k: to_array(v) for k, v in kwargs.items()}
    assert code.co_argcount >= len(arrays)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's word on means of nothing
        got = op.declaration.forward(*arrays, **named)
    return [np.asarray(a) for a in got] if isinstance(got, (tuple, list)) else [np.asarray(got)]


def is_random(op):
    """Whether the forward draws random numbers, so that two runs differ."""
    return bool(getattr(op.declaration, "random", False))


def close(got, want, tolerance):
    """Shapes are the same, numbers near enough."""
    want = np.asarray(want)
    assert got.shape == want.shape, (got.shape, want.shape)
    if got.dtype.kind in "fc":
        np.testing.assert_allclose(
            got.astype(want.dtype if want.dtype.kind in "fc" else got.dtype), want,
            rtol=tolerance, atol=tolerance,
        )  # fmt: skip
    else:
        np.testing.assert_array_equal(got, want)


def run(op, args, kwargs):
    """The operator's results as arrays."""
    got = op(*args, **kwargs)
    return [to_array(t) for t in (got if isinstance(got, tuple) else (got,))]
