"""Data sets, samplers and collation: values, draws and refusals."""

from __future__ import annotations

import collections
import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight.utils import data

Pair = collections.namedtuple("Pair", "x y")
X, Y = torch.arange(20).reshape(10, 2), torch.arange(10.0)


class Stream(data.IterableDataset):
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return iter(range(self.n))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# -- data sets --------------------------------------------------------------------------------
def test_tensor_dataset_gives_rows_and_refuses_other_lengths():
    rows = data.TensorDataset(X, Y)
    x, y = rows[2]
    assert len(rows) == 10 and x.tolist() == [4, 5] and y.item() == 2
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        data.TensorDataset(X, torch.ones(3))


def test_concatenation_counts_through_its_parts():
    both = data.TensorDataset(Y) + data.TensorDataset(Y[:4])
    assert len(both) == 14 and both.cumulative_sizes == [10, 14]
    assert both[12][0].item() == 2 and both[-14][0].item() == 0
    with pytest.raises(ValueError, match="absolute value of index"):
        both[-15]
    with pytest.raises(AssertionError, match="should not be an empty iterable"):
        data.ConcatDataset([])
    with pytest.raises(AssertionError, match="does not support IterableDataset"):
        data.ConcatDataset([Stream(3)])


def test_streams_chain():
    assert list(Stream(3) + Stream(2)) == [0, 1, 2, 0, 1]
    with pytest.raises(AssertionError, match="only supports IterableDataset"):
        list(data.ChainDataset([[1]]))


def test_stacked_sets_give_tuples_or_dicts():
    assert data.StackDataset([1, 2], "ab")[1] == (2, "b")
    assert data.StackDataset(n=[1, 2], c="ab").__getitems__([1, 0]) == [
        {"n": 2, "c": "b"},
        {"n": 1, "c": "a"},
    ]
    for arguments, words in (([], "At least one"), ([[1], [1, 2]], "Size mismatch")):
        with pytest.raises(ValueError, match=words):
            data.StackDataset(*arguments)


def test_subset_maps_indices():
    part = data.Subset(data.TensorDataset(Y), [7, 3])
    assert len(part) == 2 and part[1][0].item() == 3
    assert [row[0].item() for row in part.__getitems__([1, 0])] == [3, 7]


def test_the_base_class_says_what_is_missing():
    with pytest.raises(NotImplementedError, match="should implement __getitem__"):
        data.Dataset()[0]


def test_random_split_deals_out_torchs_permutation():
    parts = data.random_split(range(10), [3, 7], seeded())
    assert [part.indices for part in parts] == [[4, 1, 7], [5, 3, 9, 0, 8, 6, 2]]
    fractions = data.random_split(range(10), [0.31, 0.69], seeded())
    assert [part.indices for part in fractions] == [[4, 1, 7, 5], [3, 9, 0, 8, 6, 2]]


@pytest.mark.parametrize(
    ("lengths", "words"),
    [([3, 4], "Sum of input lengths"), ([0.5, 0.6], "Sum of"), ([-0.5, 1.5], "between 0 and 1")],
)
def test_random_split_refuses(lengths, words):
    with pytest.raises(ValueError, match=words):
        data.random_split(range(10), lengths)


def test_random_split_warns_of_an_empty_part():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        assert len(data.random_split(range(1), [0.5, 0.5])[1]) == 0


# -- samplers: numbers that PyTorch 2.13 gives for these seeds ------------------------------------
def test_samplers_draw_torchs_numbers():
    assert list(data.SequentialSampler(range(3))) == [0, 1, 2]
    assert list(data.RandomSampler(range(5), generator=seeded())) == [4, 0, 1, 3, 2]
    twice = data.RandomSampler(range(5), num_samples=12, generator=seeded())
    assert list(twice) == [4, 0, 1, 3, 2, 3, 4, 0, 1, 2, 2, 4] and len(twice) == 12
    drawn = data.RandomSampler(range(50), replacement=True, num_samples=40, generator=seeded())
    assert list(drawn)[:8] == [44, 39, 33, 10, 13, 29, 27, 3]
    assert list(drawn) != list(drawn) and len(list(drawn)) == 40
    assert list(data.SubsetRandomSampler([5, 6, 7], seeded())) == [7, 5, 6]
    weights = [0.1, 0.2, 0.3]
    assert list(data.WeightedRandomSampler(weights, 5, generator=seeded())) == [2, 2, 1, 2, 2]
    assert list(data.WeightedRandomSampler(weights, 3, False, seeded())) == [2, 1, 0]


def test_batches_of_indices():
    assert list(data.BatchSampler(range(7), 3, False)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(data.BatchSampler(range(7), 3, True)) == [[0, 1, 2], [3, 4, 5]]
    assert [len(data.BatchSampler(range(7), 3, drop)) for drop in (False, True)] == [3, 2]


def test_distributed_samplers_share_one_order():
    def indices(rank, **options):
        return list(data.DistributedSampler(range(10), 3, rank, **options))

    assert indices(1) == [1, 3, 8, 4]
    assert indices(2, shuffle=False) == [2, 5, 8, 1]
    assert indices(2, shuffle=False, drop_last=True) == [2, 5, 8]
    assert indices(0, seed=5) == [1, 6, 0, 7]
    everything = sorted(i for rank in range(3) for i in indices(rank))
    assert set(everything) == set(range(10)) and len(everything) == 12
    sampler = data.DistributedSampler(range(10), 3, 1)
    sampler.set_epoch(3)
    assert list(sampler) == [0, 8, 9, 6] and len(sampler) == 4
    with pytest.raises(ValueError, match=r"Invalid rank 5, .* interval \[0, 2\]"):
        data.DistributedSampler(range(10), 3, 5)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: data.RandomSampler(range(5), 3), TypeError, "replacement should be a boolean"),
        (lambda: data.RandomSampler([]), ValueError, "num_samples should be a positive integer"),
        (lambda: data.RandomSampler([1], num_samples=1.5), ValueError, "num_samples=1.5"),
        (lambda: data.WeightedRandomSampler([1], True), ValueError, "num_samples=True"),
        (lambda: data.WeightedRandomSampler([[1.0]], 1), ValueError, r"have shape \(1, 1\)"),
        (lambda: data.BatchSampler([1], 0, False), ValueError, "batch_size=0"),
        (lambda: data.BatchSampler([1], 1, 3), ValueError, "drop_last=3"),
    ],
)
def test_samplers_refuse(make, error, words):
    with pytest.raises(error, match=words):
        make()


# -- collation --------------------------------------------------------------------------------
def same(a, b):
    """Equal in structure, type, dtype and value."""
    if isinstance(b, torch.Tensor):
        return isinstance(a, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if type(a) is not type(b):
        return False
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in b)
    if isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


int64, float64 = torch.tensor, lambda values: torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ([1, 2], int64([1, 2])),
        ([1.0, 2.0], float64([1.0, 2.0])),
        ([True, False], int64([True, False])),
        (["a", "b"], ["a", "b"]),
        ([b"a"], [b"a"]),
        ([{"a": 1, "b": [1, 2]}, {"a": 2, "b": [3, 4]}],
         {"a": int64([1, 2]), "b": [int64([1, 3]), int64([2, 4])]}),
        ([(1, 2.0), (3, 4.0)], [int64([1, 3]), float64([2.0, 4.0])]),
        ([Pair(1, 2), Pair(3, 4)], Pair(int64([1, 3]), int64([2, 4]))),
        ([X[0], X[1]], X[:2]),
        ([np.ones(2), np.zeros(2)], float64([[1.0, 1.0], [0.0, 0.0]])),
        ([np.arange(6).reshape(2, 3).T] * 2, int64([[[0, 3], [1, 4], [2, 5]]] * 2)),
        ([np.zeros((0, 2)), np.zeros((0, 2))], float64([]).reshape(2, 0, 2)),
        ([2**63 - 1, -(2**63)], int64([2**63 - 1, -(2**63)])),
        ([1, 2.5, True], float64([1.0, 2.5, 1.0]).float()),
        ([np.float32(1), np.float32(2)], int64([1.0, 2.0])),
        ([np.int64(1), np.int64(2)], int64([1, 2])),
        ([collections.OrderedDict(a=1)] * 2, collections.OrderedDict(a=int64([1, 1]))),
        ([(), ()], []),
    ],
    ids=repr,
)  # fmt: skip
def test_default_collate(batch, expected):
    assert same(data.default_collate(batch), expected)


def test_collation_keeps_the_factory_of_a_defaultdict():
    result = data.default_collate([collections.defaultdict(int, a=1)] * 2)
    assert result.default_factory is int and result["a"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("batch", "error", "words"),
    [
        ([[1, 2], [3]], RuntimeError, "each element in list of batch should be of equal size"),
        ([np.arange(3)[::-1]] * 2, ValueError, "negative"),
        ([1, 2**63], ValueError, "Overflow when unpacking long long"),
        ([2**70, 1], ValueError, "Overflow when unpacking long long"),
        ([None], TypeError, "found <class 'NoneType'>"),
        ([{1}], TypeError, "found <class 'set'>"),
        ([np.array("a")], TypeError, "found <U1"),
        ([np.array([None])], TypeError, "found object"),
        ([X[0], X], RuntimeError, "stack expects each tensor to be equal size"),
        ([], IndexError, "list index out of range"),
    ],
    ids=repr,
)
def test_default_collate_refuses(batch, error, words):
    with pytest.raises(error, match=words):
        data.default_collate(batch)


def test_types_of_ones_own_join_the_collation():
    from rushlight.utils.data._utils.collate import collate, default_collate_fn_map

    class Box:
        def __init__(self, value):
            self.value = value

    def collate_boxes(batch, *, collate_fn_map=None):
        return [box.value for box in batch]

    default_collate_fn_map[Box] = collate_boxes
    try:
        assert data.default_collate([{"a": Box(1)}, {"a": Box(2)}]) == {"a": [1, 2]}
    finally:
        del default_collate_fn_map[Box]
    sums = {int: lambda batch, *, collate_fn_map=None: sum(batch)}
    assert collate([[1, 2], [3, 4]], collate_fn_map=sums) == [4, 6]
    with pytest.raises(TypeError, match="found <class 'float'>"):
        collate([1.5], collate_fn_map=sums)


def test_nested_strings_come_as_a_tuple():
    assert same(data.default_collate([("a", 1), ("b", 2)]), [("a", "b"), int64([1, 2])])


def test_default_convert_makes_tensors_of_arrays_only():
    given = [np.ones(2), 1, "a", {"x": np.int64(3)}, (np.zeros(1),), Pair(np.ones(1), 2), None]
    assert same(
        data.default_convert(given),
        [
            float64([1.0, 1.0]),
            1,
            "a",
            {"x": int64(3)},
            [float64([0.0])],
            Pair(float64([1.0]), 2),
            None,
        ],
    )


# -- the quick way for tensors ------------------------------------------------------------------
class Rows(data.Dataset):
    """A TensorDataset that the loader takes item by item."""

    def __init__(self, *tensors):
        self.inner = data.TensorDataset(*tensors)

    def __len__(self):
        return len(self.inner)

    def __getitem__(self, index):
        return self.inner[index]


@pytest.mark.parametrize("tensors", [(X,), (X, Y), (Y, X.t().contiguous().t(), Y > 3)])
@pytest.mark.parametrize("nested", [0, 1, 2])
def test_whole_rows_and_single_items_give_equal_batches(tensors, nested):
    quick, slow = data.TensorDataset(*tensors), Rows(*tensors)
    for _ in range(nested):
        indices = list(range(len(quick) - 1, 0, -2)) + [-1]
        quick, slow = data.Subset(quick, indices), data.Subset(slow, indices)
    options = {"batch_size": 3, "shuffle": True, "generator": None}
    batches = []
    for rows in (quick, slow):
        torch.manual_seed(5)
        batches.append(list(data.DataLoader(rows, **options)))
    assert same(*batches)


def test_rows_share_no_memory_with_the_data():
    values = torch.zeros(4, 2)
    batch = next(iter(data.DataLoader(data.TensorDataset(values), batch_size=4)))[0]
    batch.add_(1)
    assert (values == 0).all()


def test_indices_outside_raise_as_for_single_items():
    loader = data.DataLoader(data.TensorDataset(Y), batch_sampler=[[0, 99]])
    with pytest.raises(IndexError, match="index 99 is out of bounds for dimension 0 with size 10"):
        list(loader)


def test_gradients_flow_through_batches():
    x = torch.ones(4, requires_grad=True)
    batch = next(iter(data.DataLoader(data.TensorDataset(x), batch_size=2)))[0]
    batch.sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0]


def test_a_stream_that_is_longer_than_it_said():
    class Liar(Stream):
        def __len__(self):
            return 3

    loader = data.DataLoader(Liar(5))
    assert len(loader) == 3
    with pytest.warns(UserWarning, match="reported to be 3"):
        assert len(list(loader)) == 5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(data.DataLoader(Liar(5), batch_size=2))) == 3
