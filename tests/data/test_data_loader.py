"""The loader in one process: draws, batches, lengths and refusals."""

from __future__ import annotations

import pickle

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)


class Stream(IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def numbers(loader):
    return [batch.tolist() for batch in loader]


# Orders and the draw that follows, as PyTorch 2.13 gives them.
def test_shuffling_draws_four_words_of_the_global_generator():
    torch.manual_seed(0)
    loader = DataLoader(range(10), shuffle=True, batch_size=3)
    assert numbers(loader) == [[6, 7, 1], [4, 2, 0], [9, 8, 3], [5]]
    assert numbers(loader) == [[2, 4, 7], [0, 8, 9], [5, 3, 6], [1]]
    assert torch.rand(1).item() == pytest.approx(0.4556, abs=1e-4)


def test_order_of_the_golden_value():
    torch.manual_seed(0)
    assert numbers(DataLoader(range(8), shuffle=True)) == [[i] for i in (2, 0, 5, 3, 1, 4, 7, 6)]


def test_a_given_generator_moves_on_by_two_permutations():
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(range(10), shuffle=True, batch_size=3, generator=generator)
    assert numbers(loader) == [[3, 7, 5], [2, 0, 8], [1, 6, 9], [4]]
    assert numbers(loader) == [[1, 3, 2], [7, 5, 9], [0, 6, 4], [8]]
    assert torch.rand(1, generator=generator).item() == pytest.approx(0.5263, abs=1e-4)


def test_the_base_seed_is_drawn_even_where_nothing_is_random():
    torch.manual_seed(0)
    list(DataLoader(range(10)))
    assert torch.rand(1).item() == pytest.approx(0.0885, abs=1e-4)


@pytest.mark.parametrize(
    ("sampler", "first", "after"),
    [
        (lambda: RandomSampler(range(70), True, 40), [56, 43, 57, 50, 57, 41, 37, 29], None),
        (lambda: SubsetRandomSampler([1, 2, 3]), [3, 2, 1], 0.3074),
        (lambda: WeightedRandomSampler([0.1] * 7, 3), [4, 3, 6], 0.4556),
    ],
)
def test_samplers_inside_the_loader(sampler, first, after):
    torch.manual_seed(0)
    values = [batch.item() for batch in DataLoader(range(70), sampler=sampler())]
    assert values[: len(first)] == first
    if after is not None:
        assert torch.rand(1).item() == pytest.approx(after, abs=1e-4)


def test_orders_agree_with_torch_over_seeds():
    oracle = pytest.importorskip("torch")
    for seed in range(5):
        orders = []
        for lib in (torch, oracle):
            lib.manual_seed(seed)
            loader = lib.utils.data.DataLoader(range(37), batch_size=5, shuffle=True)
            orders.append([numbers(loader), numbers(loader), lib.rand(2).tolist()])
        assert orders[0] == orders[1]


def test_batches_and_lengths():
    assert numbers(DataLoader(range(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert numbers(DataLoader(range(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(range(3), batch_size=None)) == [0, 1, 2]
    assert numbers(DataLoader(range(9), batch_sampler=[[0, 8], [4]])) == [[0, 8], [4]]
    assert numbers(DataLoader(range(9), sampler=[7, 1])) == [[7], [1]]
    lengths = [len(DataLoader(range(5), **o)) for o in (
        {}, {"batch_size": 2}, {"batch_size": 2, "drop_last": True}, {"sampler": [1, 2]},
        {"batch_size": None},
    )]  # fmt: skip
    assert lengths == [5, 3, 2, 2, 5]
    assert list(DataLoader([])) == []


def test_streams_are_batched():
    assert numbers(DataLoader(Stream(5), batch_size=2)) == [[0, 1], [2, 3], [4]]
    assert numbers(DataLoader(Stream(5), batch_size=2, drop_last=True)) == [[0, 1], [2, 3]]
    assert list(DataLoader(Stream(3), batch_size=None)) == [0, 1, 2]
    with pytest.raises(TypeError, match=r"has no len\(\)"):
        len(DataLoader(Stream(5)))


def test_a_set_may_hand_out_many_items_at_once():
    class Many:
        def __len__(self):
            return 6

        def __getitems__(self, indices):
            return [i * 10 for i in indices]

    assert numbers(DataLoader(Many(), batch_size=4)) == [[0, 10, 20, 30], [40, 50]]


def test_own_collation():
    assert list(DataLoader(range(4), batch_size=2, collate_fn=sum)) == [1, 5]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"num_workers": -1}, ValueError, "num_workers option should be non-negative"),
        ({"timeout": -1}, ValueError, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, ValueError, "prefetch_factor option could only be specified"),
        ({"num_workers": 1, "prefetch_factor": -1}, ValueError, "should be non-negative"),
        ({"persistent_workers": True}, ValueError, "persistent_workers option needs"),
        ({"sampler": [1], "shuffle": True}, ValueError, "mutually exclusive with shuffle"),
        (
            {"batch_sampler": [[0]], "batch_size": 2},
            ValueError,
            "mutually exclusive with batch_size",
        ),
        ({"batch_size": None, "drop_last": True}, ValueError, "disables auto-batching"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"multiprocessing_context": "fork"}, ValueError, "can only be used with multi-process"),
        ({"num_workers": 1, "multiprocessing_context": "x"}, ValueError, "valid start method"),
        ({"num_workers": 1, "multiprocessing_context": 3}, TypeError, "valid context object"),
    ],
    ids=str,
)
def test_bad_options_are_refused(options, error, words):
    with pytest.raises(error, match=words):
        DataLoader(range(3), **options)


def test_streams_refuse_an_order():
    for options in ({"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}):
        with pytest.raises(ValueError, match=f"expected unspecified {next(iter(options))} option"):
            DataLoader(Stream(3), **options)


def test_fixed_attributes_stay():
    loader = DataLoader(range(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after"):
        loader.batch_size = 3
    loader.collate_fn = sum
    assert list(loader) == [0, 1, 2]


def test_warnings_of_the_loader():
    with pytest.warns(UserWarning, match="will create 1000 worker processes"):
        DataLoader(range(3), num_workers=1000)
    if not torch.cuda.is_available():
        with pytest.warns(UserWarning, match="no accelerator is found"):
            next(iter(DataLoader(TensorDataset(torch.ones(2)), pin_memory=True)))


def test_iterators_know_their_length_and_cannot_be_pickled():
    iterator = iter(DataLoader(range(5), batch_size=2))
    assert len(iterator) == 3 and iter(iterator) is iterator
    with pytest.raises(NotImplementedError, match="cannot be pickled"):
        pickle.dumps(iterator)


def test_exceptions_of_the_set_pass_through():
    class Broken(list):
        def __getitem__(self, index):
            raise KeyError("k")

    with pytest.raises(KeyError, match="k"):
        next(iter(DataLoader(Broken([1]))))


def test_batch_sampler_takes_any_iterable():
    assert numbers(DataLoader(range(9), batch_sampler=BatchSampler([8, 1, 2], 2, False))) == [
        [8, 1],
        [2],
    ]


def test_pinning_goes_through_nested_batches():
    from rushlight.utils.data._utils.pin_memory import pin_memory

    class Pinned:
        def pin_memory(self):
            return "pinned"

    batch = {"a": [Pinned(), 1], "b": (Pinned(), "text"), "c": b"raw"}
    expected = {"a": ["pinned", 1], "b": ("pinned", "text"), "c": b"raw"}
    assert pin_memory(batch) == expected == pin_memory(batch, device="cuda")
    with pytest.raises(RuntimeError, match="none is available"):
        pin_memory([torch.ones(2)])
