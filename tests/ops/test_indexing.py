"""Joining, indexing by tensors, masks, gather and scatter, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from parity import EVERY, both_raise, check, numbers, pair, same

import rushlight as torch

# PyTorch warns of operators in beta and of forms it will drop.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
X = numbers(4, 5, 3)
ROWS = np.array([3, 0, -1, 2, 2])
MASK = numbers(4, 5, seed=3) > 0


@pytest.mark.parametrize("dtype", EVERY)
def test_moves_keep_every_dtype(dtype):
    for f in (
        lambda m, x: m.cat([x, x[:1]], 0),
        lambda m, x: m.stack([x, x], -1),
        lambda m, x: x.repeat(2, 1, 2, 1),
        lambda m, x: x.flip(0, -1),
        lambda m, x: m.roll(x, (1, -2), (0, 1)),
        lambda m, x: m.roll(x, 4),
        lambda m, x: x.tril(),
        lambda m, x: x.triu(1),
        lambda m, x: x[x != 0],
        lambda m, x: x[..., m.tensor([0, 2])],
        lambda m, x: x.nonzero(),
    ):
        check(f, X, dtype=dtype)


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x: m.cat([x, x.transpose(0, 1).transpose(0, 1)], 1),
        lambda m, x: m.stack([x, 2 * x], 1),
        lambda m, x: x.repeat(2, 2, 1, 3),
        lambda m, x: x.tile(2, 1),
        lambda m, x: x.repeat_interleave(2, 1),
        lambda m, x: x.repeat_interleave(3),
        lambda m, x: x.repeat_interleave(m.tensor([2, 0, 1, 3]), 0),
        lambda m, x: x.flip(1),
        lambda m, x: m.roll(x, 2, 1),
        lambda m, x: m.rot90(x, 3, (0, 1)),
        lambda m, x: x.transpose(0, 2).tril(-1),
        lambda m, x: x.triu(),
        lambda m, x: m.diag_embed(x, 1, 0, 2),
        lambda m, x: x[0].diag(1),
        lambda m, x: x[0, 0].diag(),
        lambda m, x: m.block_diag(x[0], x[1, :2]),
        lambda m, x: m.column_stack([x[0], x[0, :, 0]]),
        lambda m, x: m.hstack([x, x]),
        lambda m, x: m.dstack([x[0], x[1]]),
        lambda m, x: m.vstack([x[0, 0], x[0, 1]]),
        lambda m, x: m.cartesian_prod(x[0, 0], x[0, 1]),
        lambda m, x: m.combinations(x[0, :, 0], 2),
    ],
)
def test_joining_values_and_gradients(f):
    check(f, X, grad=True)


def test_cat_promotes_and_skips_legacy_empties():
    check(lambda m, x: m.cat([x.int(), x.double(), m.empty(0)], 0), X)
    check(lambda m, x: m.cat([x.to(m.bfloat16), x.to(m.float16)]), X)
    check(lambda m, x: m.cat([m.empty(0), m.empty(0)]), X)
    both_raise(RuntimeError, lambda m: m.cat([m.zeros(2, 3), m.zeros(3, 2)], 1))
    both_raise(RuntimeError, lambda m: m.cat([m.tensor(1.0), m.zeros(3)]))
    both_raise(IndexError, lambda m: m.cat([m.zeros(2, 3)], 2))
    both_raise(RuntimeError, lambda m: m.stack([m.zeros(2), m.zeros(3)]))


@pytest.mark.parametrize(
    "key",
    [
        lambda m: (m.tensor(ROWS),),
        lambda m: (slice(None), m.tensor(ROWS)),
        lambda m: (m.tensor(ROWS)[:4].view(2, 2), slice(None), m.tensor([0, 2])),
        lambda m: (m.tensor([[0], [1]]), m.tensor([[2, 3, -1]])),
        lambda m: (slice(None), m.tensor([[0], [1]]), m.tensor([[2, 0, -1]])),
        lambda m: (1, slice(None), m.tensor([0, 2])),
        lambda m: (m.tensor(MASK),),
        lambda m: (m.tensor(MASK), 1),
        lambda m: (slice(None), m.tensor(MASK[0])),
        lambda m: (m.tensor(MASK[:, 0]), slice(1, 3)),
        lambda m: (None, m.tensor(ROWS), None, slice(None, None, 2)),
        lambda m: ([0, 2],),
        lambda m: (m.tensor([], dtype=m.int64),),
        lambda m: (m.tensor(2),),
        lambda m: (m.tensor(ROWS).int(), m.tensor([0, 1, 2, 3, 4])),
    ],
)
def test_advanced_index_reads_and_writes(key):
    check(lambda m, x: x[key(m)], X, grad=True)

    def write(m, x):
        y = x.clone()
        y[key(m)] = 7.0
        y[key(m)] = x[key(m)] * 2
        return y

    check(write, X, grad=key(torch)[0] is not None and not _repeats(key(torch)))
    check(lambda m, x: x.transpose(0, 1).contiguous().transpose(0, 1)[key(m)], X)


def _repeats(key):
    """Writing twice to one place has no defined gradient."""
    return any(
        isinstance(k, torch.Tensor) and k.dtype is not torch.bool and k.numel() == 5 for k in key
    )


def test_index_put_accumulates_repeated_places():
    def f(m, x, v):
        i = m.tensor([0, 1, 0, 0])
        return x.index_put((i, i), v, accumulate=True)

    check(f, X, numbers(4, 3, seed=5), grad=True)
    check(lambda m, x: x.clone().index_put_((m.tensor(ROWS),), m.ones((), dtype=x.dtype), True), X)


def test_out_of_range_writes_nothing():
    x = torch.zeros(3, 4)
    for bad in (3, -4):
        with pytest.raises(IndexError, match="out of bounds for dimension 0 with size 3"):
            x[torch.tensor([0, bad])] = 1.0
    with pytest.raises(IndexError):
        x.index_add_(0, torch.tensor([0, 3]), torch.ones(2, 4))
    with pytest.raises(RuntimeError):
        x.scatter_(0, torch.tensor([[0, 1, 3, 0]]), 1.0)
    with pytest.raises(IndexError):
        x.put_(torch.tensor([0, 12]), torch.ones(2))
    assert x.sum().item() == 0
    both_raise(RuntimeError, lambda m: m.zeros(3).gather(0, m.tensor([3])))
    both_raise(IndexError, lambda m: m.zeros(3)[m.tensor([1]), m.tensor([1])])
    both_raise(IndexError, lambda m: m.zeros(3, 4)[m.tensor([True, False])])
    both_raise(IndexError, lambda m: m.zeros(3, 4)[m.tensor([0, 1]), m.tensor([0, 1, 2])])


AT = np.array([2, 0, 2])


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x, s, i: x.index_select(1, i),
        lambda m, x, s, i: x.index_add(1, i, s),
        lambda m, x, s, i: x.index_add(1, i, s, alpha=3),
        lambda m, x, s, i: x.index_copy(1, i[:2], s[:, :2]),
        lambda m, x, s, i: x.index_fill(1, i, 2.5),
        lambda m, x, s, i: x.take(i * 3),
        lambda m, x, s, i: x.put(i[:2], s[0, 0, :2]),
        lambda m, x, s, i: x.put(i, s[0, 0], accumulate=True),
        *[
            lambda m, x, s, i, r=r, k=k: x.index_reduce(1, i, s, r, include_self=k)
            for r in ("prod", "mean", "amax", "amin")
            for k in (True, False)
        ],
    ],
)
def test_index_operators(f):
    check(f, X + 0.5, numbers(4, 3, 3, seed=7) + 0.25, AT, grad=True, rtol=1e-12)


GRID = np.random.default_rng(1).integers(0, 4, (2, 5, 2))


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x, s, i: x.gather(0, i),
        lambda m, x, s, i: x.scatter_add(0, i, s),
        lambda m, x, s, i: x.scatter(0, i, 1.5),
        lambda m, x, s, i: x.scatter(0, i[:1], s[:1]),
        lambda m, x, s, i: x.scatter_add(1, i[:, :4], s[:, :4]),
        lambda m, x, s, i: x.scatter_add(2, i.clamp(max=2), s),
        lambda m, x, s, i: m.take_along_dim(x, i[:, :, :1], 0),
        *[
            lambda m, x, s, i, r=r, k=k: x.scatter_reduce(0, i, s, r, include_self=k)
            for r in ("sum", "prod", "mean", "amax", "amin")
            for k in (True, False)
        ],
    ],
)
def test_gather_and_scatter(f):
    check(f, X + 0.5, numbers(2, 5, 2, seed=7) + 0.25, GRID, grad=True, rtol=1e-12)


def test_scatter_gradient_of_a_source_larger_than_its_index():
    x = torch.zeros(3, 4, requires_grad=True)
    src = torch.ones(5, 6, requires_grad=True)
    x.scatter_add(0, torch.tensor([[1, 0], [2, 2]]), src).sum().backward()
    assert src.grad.sum().item() == 4 and src.grad[:2, :2].sum().item() == 4


def test_scatter_in_place_forms():
    check(lambda m, x, i: x.scatter_(0, i, 2.0), X, GRID)
    check(lambda m, x, i: x.scatter_(0, i, 2.0, reduce="multiply"), X, GRID)
    check(lambda m, x, i: x.scatter_(0, i[:1], x + 1, reduce="add"), X, GRID)
    both_raise(RuntimeError, lambda m: m.zeros(3, 4).scatter(0, m.zeros(3, 5).long(), 1.0))
    both_raise(RuntimeError, lambda m: m.zeros(3).gather(0, m.zeros(2)))


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x, k: x.masked_fill(k, 3.0),
        lambda m, x, k: x.masked_fill(k[0], -1),
        lambda m, x, k: x.masked_select(k),
        lambda m, x, k: m.where(k, x, 2.0),
        lambda m, x, k: m.where(k, 0, x),
        lambda m, x, k: m.where(k[:, :1], x, x[0]),
        lambda m, x, k: x.masked_scatter(k, x * 2),
        lambda m, x, k: x.where(k, x.new_zeros(())),
        lambda m, x, k: x.t().masked_fill(k.t(), 1.0),
    ],
)
def test_masks(f):
    check(f, numbers(4, 5), MASK, grad=True)


@pytest.mark.parametrize("a", ["int64", "float32", "float64", "bool", "uint8", "bfloat16"])
@pytest.mark.parametrize("b", ["int32", "float32", "complex64", "bool", "bfloat16"])
def test_where_promotes(a, b):
    def f(m, x, k):
        u, v = x.to(getattr(m, a)), x.to(getattr(m, b))
        return [m.where(k, u, v), m.where(k, u, 1.5), m.where(k, u, v[0, 0]), m.where(k, 2, v)]

    check(f, np.abs(numbers(4, 5)), MASK)


def test_nonzero_forms():
    for x in (X, X[0, 0, 0], X[:0], np.zeros((2, 2))):
        check(lambda m, t: [m.nonzero(t), *m.nonzero(t, as_tuple=True), m.argwhere(t)], x)
    check(lambda m, t: m.where(t > 0), X)


def test_scatter_views():
    for f in (
        lambda m, x, s: m.select_scatter(x, s[0], 1, 2),
        lambda m, x, s: m.slice_scatter(x, s[:2], 0, 1, 4, 2),
        lambda m, x, s: m.diagonal_scatter(x, s[0, :4]),
    ):
        check(f, numbers(4, 4), numbers(4, 4, seed=2), grad=True)


def test_embedding_and_one_hot():
    ids = np.array([[1, 0, 3], [1, 1, 2]])
    F = lambda m: m.nn.functional
    check(lambda m, w, i: F(m).embedding(i, w), numbers(4, 6), ids, grad=True)
    check(lambda m, w, i: F(m).embedding(i, w, padding_idx=1), numbers(4, 6), ids, grad=True)
    check(lambda m, w, i: F(m).embedding(i, w, scale_grad_by_freq=True), numbers(4, 6), ids)
    check(lambda m, w, i: F(m).embedding(i, w, max_norm=1.0), numbers(4, 6), ids, rtol=1e-6)
    check(lambda m, i: F(m).one_hot(i, 5), ids)
    both_raise(IndexError, lambda m: F(m).embedding(m.tensor([4]), m.zeros(4, 2)))


def test_node_names_are_those_of_pytorch():
    theirs, ours = pair(X, grad=True)

    def names(m, x):
        i = m.tensor([0, 1])
        made = [
            m.cat([x]),
            m.stack([x]),
            x.repeat(1, 1, 1),
            x.flip(0),
            x[i],
            x.index_select(0, i),
            x.gather(0, i.view(1, 2, 1)),
            x.tril(),
            x.roll(1),
            x.sort()[0],
            x.topk(1)[0],
            x.masked_fill(x > 0, 0.0),
            m.where(x > 0, x, x),
            x.scatter_add(0, i.view(1, 2, 1), x),
            m.nn.functional.embedding(i, x[0]),
            m.nn.functional.max_pool2d(x, 2),
        ]
        return [t.grad_fn.name() for t in made]

    import torch as oracle

    assert names(torch, ours) == names(oracle, theirs)


def test_overlapping_source_is_read_before_it_is_written():
    theirs, ours = pair(np.arange(5.0))
    for x, m in ((theirs, None), (ours, torch)):
        index = (m or __import__("torch")).tensor([1, 2, 3, 4])
        x.index_copy_(0, index, x[:4].clone() if m is None else x[:4])
    same(theirs, ours)


def test_masks_without_dims_are_single_bools():
    x, y = torch.tensor(3.0), torch.arange(6.0).reshape(2, 3)
    for value in (True, False):
        mask = torch.tensor(value)
        count = int(value)
        assert x[mask].shape == (count,)
        assert y[mask].shape == (count, 2, 3)
        assert y[0, mask].shape == (count, 3)
        assert y[:, mask].shape == (2, count, 3)
        assert y[mask, mask].shape == (count, 2, 3)
    assert torch.equal(y[torch.tensor(True), torch.tensor([0, 1])], y)
    x[torch.tensor(True)] = 5.0
    y[torch.tensor(False)] = 7.0
    assert x.item() == 5 and y.sum() == 15
