"""Cases of transforms over operator samples: lanes, the loop over them, and PyTorch's twin."""

from __future__ import annotations

import os

import numpy as np
from matrix import Maker, is_random, split_sample

import rushlight as torch
from rushlight.op import functional_table, namespace_tables, operators, to_array, torch_table

LANES = 3
SEED = int(os.environ.get("RUSHLIGHT_SAMPLE_SEED", "0")) or int.from_bytes(os.urandom(2), "big")


def sampled(cases, share):
    """About one case of `share`, chosen by SEED, which the names of the tests show."""
    chosen = np.random.default_rng(SEED).random(len(cases)) < 1 / share
    return [case for case, yes in zip(cases, chosen, strict=True) if yes]


def lanes_of(name, index, count=LANES, **kind):
    """The operator and `count` versions of one sample: (args, kwargs), with other numbers each."""
    op = operators[name]
    found = []
    for k in range(count):
        make = Maker(sum(map(ord, name)) * 31 + index + 1000 * k, **kind)
        samples = op.declaration.samples(make)
        found.append(split_sample(next(s for i, s in enumerate(samples) if i == index)))
    return op, found


def flatten(tree):
    """(tensors, a function that puts others in their place) of nested lists, tuples and dicts."""
    tensors = []

    def visit(x):
        if isinstance(x, torch.Tensor):
            tensors.append(x)
            k = len(tensors) - 1
            return lambda new: new[k]
        if type(x) in (list, tuple):
            parts = [visit(y) for y in x]
            return lambda new: type(x)([p(new) for p in parts])
        if isinstance(x, dict):
            named = {k: visit(y) for k, y in x.items()}
            return lambda new: {k: p(new) for k, p in named.items()}
        return lambda new: x

    return tensors, visit(tree)


def prepared(name, index, count=LANES, **kind):
    """(operator, columns of its tensors by lane, a function of tensors that builds a call)."""
    op, versions = lanes_of(name, index, count, **kind)
    flat = [flatten(v) for v in versions]
    return op, list(zip(*[f[0] for f in flat], strict=True)), flat[0][1]


def choices(n):
    """Which of n tensors are batched: each alone, and all together."""
    single = [tuple(i == k for i in range(n)) for k in range(n)]
    return [*single, (True,) * n] if n > 1 else single


def in_batch(columns, chosen, dim):
    """The arguments of vmap, stacked along dim where chosen, and its in_dims."""
    args, dims = [], []
    for column, yes in zip(columns, chosen, strict=True):
        where = dim if dim >= 0 else column[0].ndim
        args.append(torch.stack([t.detach() for t in column], where) if yes else column[0])
        dims.append(where if yes else None)
    return args, tuple(dims)


def one_lane(columns, chosen, k):
    """The tensors of lane k."""
    return [c[k] if yes else c[0] for c, yes in zip(columns, chosen, strict=True)]


def results(out):
    """The tensors of a result."""
    return list(out) if isinstance(out, (tuple, list)) else [out]


def same(got, want, tolerance=1e-9):
    """Shapes, dtypes and values agree."""
    assert got.dtype == want.dtype, (got.dtype, want.dtype)
    assert got.shape == want.shape, (tuple(got.shape), tuple(want.shape))
    a, b = to_array(got), to_array(want)
    if a.dtype.kind in "fc":
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    else:
        np.testing.assert_array_equal(a, b)


def twin(oracle, name):
    """PyTorch's function for an operator that is public under its own name, or None."""
    op = operators[name]
    if is_random(op):
        return None
    spaces = [(torch_table, oracle), (functional_table, oracle.nn.functional)]
    spaces += [(t, getattr(oracle, n, None)) for n, t in namespace_tables.items()]
    for table, space in spaces:
        for public, found in table.items():
            if found is op and hasattr(space, public):
                return getattr(space, public)
    return None


def to_oracle(oracle, tensor):
    """A tensor as PyTorch's."""
    return oracle.from_numpy(np.array(to_array(tensor)))
