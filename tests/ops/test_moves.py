"""Kernels that move elements go by rows, blocks and threads: sizes around these, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

SIZES = [1, 100, 4096, 4097, 30000]  # masks go by blocks of 4096


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def positions(top, *shape, seed=1):
    return np.random.default_rng(seed).integers(0, top, shape)


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 8, 16, 24, 33, 300, 5000])
@pytest.mark.parametrize("count", [1, 7, 600])
def test_rows_of_any_width_are_picked_and_put(width, count):
    x, at = numbers(20, 9, width), positions(9, count)
    given, index = torch.tensor(x), torch.tensor(at)
    assert (given.index_select(1, index).numpy() == x[:, at]).all()
    assert (given[:, index - 9].numpy() == x[:, at]).all()
    assert (given.bool()[:, index].numpy() == (x != 0)[:, at]).all()
    turned = given.transpose(0, 2)
    assert (turned.index_select(1, index).numpy() == x.transpose(2, 1, 0)[:, at]).all()
    put, wanted = given.clone(), x.copy()
    order = np.random.default_rng(2).permutation(9)[:count]
    put[:, torch.tensor(order)] = given[:, : len(order)]
    wanted[:, order] = x[:, : len(order)]
    assert (put.numpy() == wanted).all()
    put[:, index] = 3.0
    wanted[:, at] = 3.0
    assert (put.numpy() == wanted).all()


@pytest.mark.parametrize("width", [1, 15, 16, 64])
def test_sums_into_rows(width):
    x, at = numbers(3000, width), positions(50, 3000)
    wanted = np.zeros((50, width), np.float32)
    np.add.at(wanted, at, x)
    zeros, index = torch.zeros(50, width), torch.tensor(at)
    source = torch.tensor(x)
    assert np.allclose(zeros.index_add(0, index, source).numpy(), wanted, atol=1e-4)
    assert np.allclose(
        zeros.scatter_add(0, index[:, None].expand(3000, width), source).numpy(), wanted, atol=1e-4
    )
    assert np.allclose(zeros.index_put((index,), source, True).numpy(), wanted, atol=1e-4)
    top = np.zeros_like(wanted)
    np.maximum.at(top, at, x)
    assert (zeros.index_reduce(0, index, source, "amax").numpy() == top).all()


def test_gather_with_indices_that_were_expanded():
    x, at = numbers(30, 40), positions(30, 70)
    index = torch.tensor(at)[:, None].expand(70, 40)
    assert (torch.tensor(x).gather(0, index).numpy() == x[at]).all()
    with pytest.raises(RuntimeError, match="out of bounds for dimension 0 with size 30"):
        torch.tensor(x).gather(0, index + 1000)


@pytest.mark.parametrize("bad", [-1, 30])
@pytest.mark.parametrize("place", [0, 5000])
def test_an_index_outside_changes_nothing(bad, place):
    at = positions(30, 6000)
    at[place] = bad
    index, x = torch.tensor(at), torch.zeros(30)
    source = torch.ones(6000)
    for refused in (
        lambda: x.index_select(0, index),
        lambda: x.gather(0, index),
        lambda: x.scatter_(0, index, source),
        lambda: x.scatter_add_(0, index, source),
        lambda: x.index_add_(0, index, source),
    ):
        with pytest.raises((IndexError, RuntimeError), match="out of"):
            refused()
    assert not x.any()


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_masks(n, share):
    mask = np.random.default_rng(3).random(n) < share
    x, source = numbers(n), numbers(n, seed=4)
    given, chosen = torch.tensor(x), torch.tensor(mask)
    assert (given.masked_select(chosen).numpy() == x[mask]).all()
    assert (chosen.nonzero().numpy() == np.argwhere(mask)).all()
    wanted = x.copy()
    wanted[mask] = source[: mask.sum()]
    assert (given.masked_scatter(chosen, torch.tensor(source)).numpy() == wanted).all()
    apart = torch.stack([given, given], 1)[:, 0]
    apart.masked_scatter_(chosen, torch.tensor(source))
    assert (apart.numpy() == wanted).all()


@pytest.mark.parametrize("shape", [(3, 5000), (5000, 3), (7, 1, 1300), (20, 30, 40), (2, 2, 2, 2)])
def test_nonzero_of_many_dims(shape):
    x = positions(3, *shape)
    assert (torch.tensor(x).nonzero().numpy() == np.argwhere(x)).all()
    assert (torch.tensor(x.astype(np.float16)).nonzero().numpy() == np.argwhere(x)).all()


def test_where_with_a_mask_for_each_row():
    x, y, mask = numbers(50, 70), numbers(70, seed=5), numbers(50, 1) > 0
    made = torch.where(torch.tensor(mask), torch.tensor(x), torch.tensor(y))
    assert (made.numpy() == np.where(mask, x, y)).all()


@pytest.mark.parametrize("width", [1, 3, 4, 7, 8, 15, 16, 31, 32, 100, 700])
def test_rows_that_lie_apart_are_joined_and_rolled(width):
    x = numbers(60, 3, 2 * width)
    left, right = torch.tensor(x)[..., :width], torch.tensor(x)[..., width:]
    assert (torch.cat([right, left], 2).numpy() == np.roll(x, width, 2)).all()
    assert (torch.cat([left, right], 1).numpy()[:, 3:] == x[..., width:]).all()
    assert (torch.stack([left, right]).numpy()[1] == x[..., width:]).all()
    for dim in range(3):
        assert (torch.tensor(x).roll(-5, dim).numpy() == np.roll(x, -5, dim)).all()
    single = torch.tensor(x)[:1, :1, :1].as_strided((1, 1, 1), (7, 2, 9))
    assert single.roll(3, 1).item() == x[0, 0, 0]


def test_channels_last_stays_when_joined():
    x = numbers(2, 3, 5, 4)
    given = torch.tensor(x).to(memory_format=torch.channels_last)
    for dim in range(4):
        made = torch.cat([given, given], dim)
        assert made.is_contiguous(memory_format=torch.channels_last)
        assert (made.numpy() == np.concatenate([x, x], dim)).all()
    single = torch.zeros(2, 1, 1, 1)
    assert torch.cat([single, single.double()], 1).shape == (2, 2, 1, 1)


@pytest.mark.parametrize("n", [0, 5, 500, 40001])
@pytest.mark.parametrize("top", [1, 40, 3000])
def test_bincount(n, top):
    at, weights = positions(top, n), numbers(n).astype(np.float64)
    index = torch.tensor(at)
    assert (torch.bincount(index).numpy() == np.bincount(at)).all()
    made = torch.bincount(index, torch.tensor(weights), minlength=50)
    assert np.allclose(made.numpy(), np.bincount(at, weights, minlength=50))


def test_stack_of_repeated_rows():
    x, y = np.arange(6.0).reshape(3, 2).T, np.arange(3.0)
    wide = [torch.from_numpy(x), torch.tensor([[1.0], [2.0]], dtype=torch.float64).expand(2, 3)]
    for dim in range(3):
        assert np.array_equal(torch.stack(wide, dim), np.stack([t.numpy() for t in wide], dim))
    rows = [torch.from_numpy(y).expand(4, 3), torch.ones(4, 3, dtype=torch.float64)]
    assert np.array_equal(torch.cat(rows, 1), np.concatenate([t.numpy() for t in rows], 1))
