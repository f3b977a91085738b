"""The matrix over shapes: no elements, no dims, and operands broadcast at random."""

from __future__ import annotations

import numpy as np
import pytest
from matrix import cases, close, is_random, reference, run, sample_of
from seeds import seed

from rushlight.op import operators

EMPTY = ((0,), (0, 3), (3, 0), (2, 0, 3), ())
RUNS = 12  # shapes for each operator


def parameters(name):
    code = operators[name].declaration.forward.__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def chosen(wanted):
    return [
        (name, i) for name, i in cases()
        if operators[name].has_kernel and not is_random(operators[name]) and wanted(name)
    ]  # fmt: skip


POINTWISE = chosen(lambda name: operators[name].pointwise)
REDUCTIONS = chosen(lambda name: {"dim", "keepdim"} <= set(parameters(name)))
SEVERAL = chosen(lambda name: operators[name].pointwise > 1)


def agree(op, args, kwargs, tolerance=1e-9):
    got, want = run(op, args, kwargs), reference(op, args, kwargs)
    for g, w in zip(got, want, strict=True):
        close(g, w, tolerance)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("name,index", POINTWISE)
def test_pointwise_operators_of_nothing_and_of_one_number(name, index, shape):
    agree(*sample_of(name, index, shapes=[shape]))


@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("name,index", REDUCTIONS)
def test_reductions_of_nothing_and_of_one_number(name, index, shape):
    op, args, kwargs = sample_of(name, index, shapes=[shape])
    line = args if shape else (args[0].reshape(1), *args[1:])  # a number reduces as a vector of one
    try:
        want = reference(op, line, kwargs)
    except (ValueError, IndexError):  # an extreme of nothing; a dim that is not there
        with pytest.raises((RuntimeError, IndexError)):
            run(op, args, kwargs)
        return
    for g, w in zip(run(op, args, kwargs), want, strict=True):
        close(g, w if shape else w.reshape(()), 1e-9)


def broadcast_shapes(random, count):
    """Shapes of up to four dims that broadcast together: now and then a one or a missing dim."""
    whole = [int(n) for n in random.choice([0, 1, 2, 3, 5, 17, 70], random.integers(0, 5))]
    made = []
    for _ in range(count):
        kept = whole[random.integers(0, len(whole) + 1) :] if random.random() < 0.5 else whole
        made.append(tuple(1 if random.random() < 0.3 else n for n in kept))
    return made


@pytest.mark.parametrize("name,index", SEVERAL)
def test_broadcast_operands_agree_with_numpy(name, index):
    random = np.random.default_rng([seed(), index, *map(ord, name)])
    for _ in range(RUNS):
        shapes = broadcast_shapes(random, 3)
        layout = str(random.choice(["contiguous", "transposed", "sliced"]))
        dtype = str(random.choice(["float64", "float32"]))
        op, args, kwargs = sample_of(name, index, dtype=dtype, layout=layout, shapes=shapes)
        print(f"seed {seed()}: {name} of {shapes}, {layout} {dtype}")
        agree(op, args, kwargs, 1e-9 if dtype == "float64" else 2e-5)
