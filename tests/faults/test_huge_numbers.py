"""Sizes, steps and offsets near the ends of int64, and memory that others look at."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

MOST = 2**63 - 1


def test_split_sizes_that_wrap_around_are_refused():
    # They would add up to 5 modulo 2**64, and give views of memory that is not there.
    with pytest.raises(RuntimeError, match="split_sizes to sum exactly to 5"):
        torch.arange(5.0).split([2**62] * 4 + [5])


def test_many_more_chunks_than_elements():
    assert [c.tolist() for c in torch.arange(3).chunk(MOST)] == [[0], [1], [2]]
    assert [c.tolist() for c in torch.arange(3).chunk(2**62)] == [[0], [1], [2]]


@pytest.mark.parametrize("step", [2**62, MOST - 4, MOST])
@pytest.mark.parametrize("start", [0, 3, 5])
def test_steps_behind_the_end(start, step):
    assert torch.arange(5)[start::step].tolist() == list(range(5))[start::step]


@pytest.mark.parametrize("offset", [-(2**63), -MOST, -4, 4, MOST])
def test_diagonals_outside_are_empty(offset):
    x = torch.ones(3, 4)
    assert x.diagonal(offset).shape == (0,) and x.diagonal(offset).sum() == 0
    assert x.diagonal(3).tolist() == [1.0] and x.diagonal(-2).tolist() == [1.0]


def test_windows_with_a_huge_step():
    assert torch.arange(4).unfold(0, 2, MOST).tolist() == [[0, 1]]


def test_empty_views_of_huge_shapes():
    assert torch.zeros(0).view(0, 2**62, 2**62).shape == (0, 2**62, 2**62)


@pytest.mark.parametrize(
    "shape, index, offset",
    [
        ((6, 8), np.s_[6:], 48),
        ((0, 8), np.s_[4:], 0),
        ((0, 8), np.s_[1:, 2:], 2),
        ((4, 8), np.s_[2:2, 3:], 19),
        ((4,), np.s_[10:], 4),
        ((3, 0), np.s_[2:], 2),
    ],
)
def test_offsets_of_empty_slices(shape, index, offset):
    x = torch.zeros(shape)
    assert x[index].storage_offset() == offset and x[index].numel() == 0
    assert x[index].clone().shape == x[index].shape and x[index].sum() == 0


def test_a_list_that_gets_shorter_while_it_is_read():
    class Vanishing:
        dtype = "unknown"
        left = 2  # is asked what it is first

        def item(self):
            self.left -= 1
            if self.left < 0:
                values.clear()
            return 1.0

    for left in range(4):
        values = [Vanishing(), *[1.0] * 1000]
        values[0].left = left
        with pytest.raises((ValueError, TypeError)):
            torch.tensor(values)
            raise TypeError("the list was not touched")


def test_a_size_that_shortens_its_list():
    class Emptying:
        def __index__(self):
            sizes.clear()
            return 1

    sizes = [Emptying(), *[1] * 1000]
    assert torch.ones(1).reshape(sizes).shape == (1,)


def test_memory_that_numpy_looks_at_is_not_given_back():
    x = torch.ones(100_000)
    seen = x.numpy()
    for change in (lambda: x.resize_(1_000_000), lambda: x.untyped_storage().resize_(0)):
        with pytest.raises(RuntimeError, match="storage that is not resizable"):
            change()
    assert seen.sum() == 100_000
    del seen
    assert x.resize_(200_000).shape == (200_000,)
