"""utils._pytree: containers as trees."""

from __future__ import annotations

import copy
import enum
import importlib
import pickle
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass

import pytest

import rushlight
from rushlight.utils import _pytree as tree

Point = namedtuple("Point", "x y")  # noqa: PYI024 (the plain kind is what is tested)


class Colour(enum.Enum):
    RED = 1


class Pair:
    """A container that is registered below."""

    def __init__(self, left, right):
        self.left, self.right = left, right


@dataclass
class Record:
    """A dataclass that is registered below."""

    a: int
    b: object = None
    c: int = 5


@dataclass(frozen=True)
class Constant:
    """A part of the structure."""

    value: int


tree.register_pytree_node(
    Pair,
    lambda pair: ([pair.left, pair.right], None),
    lambda values, _: Pair(*values),
    serialized_type_name="tests.Pair",
    flatten_with_keys_fn=lambda pair: (
        [(tree.GetAttrKey("left"), pair.left), (tree.GetAttrKey("right"), pair.right)],
        None,
    ),
)
tree.register_dataclass(Record, drop_field_names=["c"], serialized_type_name="tests.Record")
tree.register_constant(Constant)

TREES = [
    [1, (2, {"a": 3, "b": None})],
    OrderedDict(b=1, a=[2]),
    defaultdict(list, {"q": (1, 2)}),
    deque([1, 2], maxlen=5),
    Point(1, [2, 3]),
    {"z": {}, "y": ()},
    {1: 2, (3, 4): 5},
    rushlight.Size([2, 3]),
    7,
    None,
]
WRITTEN = [t for t in TREES if not isinstance(t, Point) and t != {1: 2, (3, 4): 5}]


@pytest.mark.parametrize("value", TREES, ids=str)
def test_what_is_taken_apart_is_put_together_again(value):
    leaves, spec = tree.tree_flatten(value)
    again = tree.tree_unflatten(leaves, spec)
    assert again == value and type(again) is type(value)
    assert getattr(again, "maxlen", 0) == getattr(value, "maxlen", 0)
    assert leaves == tree.tree_leaves(value) == list(tree.tree_iter(value))
    assert spec.num_leaves == len(leaves)
    assert [leaf for _, leaf in tree.tree_leaves_with_path(value)] == leaves
    for path, leaf in tree.tree_leaves_with_path(value):
        assert tree.key_get(value, path) == leaf
    assert tree.tree_structure(value) == spec and hash(tree.tree_structure(value)) == hash(spec)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec


@pytest.mark.parametrize("value", WRITTEN, ids=str)
def test_structures_are_written_and_read(value):
    spec = tree.tree_structure(value)
    assert tree.treespec_loads(tree.treespec_dumps(spec)) == spec


def test_structures_print_as_trees():
    spec = tree.tree_structure({"a": [1, (None, Point(1, 2))], "b": 4})
    assert repr(spec) == (
        "TreeSpec(dict, ['a', 'b'], [TreeSpec(list, None, [*,\n"
        "    TreeSpec(tuple, None, [*,\n"
        f"      TreeSpec(namedtuple, {Point}, [*,\n"
        "        *])])]),\n"
        "  *])"
    )
    assert tree.treespec_pprint(spec) == "{'a': [*, (*, Point(x=*, y=*))], 'b': *}"


def test_paths_read_like_python():
    value = {"a": [1, Point(2, Pair(3, 4))], 5: 6}
    paths = [tree.keystr(path) for path, _ in tree.tree_flatten_with_path(value)[0]]
    assert paths == ["['a'][0]", "['a'][1].x", "['a'][1].y.left", "['a'][1].y.right", "[5]"]
    assert tree.tree_map_with_path(lambda path, x, y: (len(path), x + y), [1, (2,)], [3, (4,)]) == [
        (1, 4),
        ((2, 6),),
    ]


def test_maps_take_several_trees_of_one_structure():
    assert tree.tree_map(lambda a, b: a * b, {"x": 2, "y": [3]}, {"y": [5], "x": 7}) == {
        "x": 14,
        "y": [15],
    }
    assert tree.tree_map(lambda a, b: (a, b), [1], [[2, 3]]) == [(1, [2, 3])]
    assert tree.tree_map_only(int, lambda x: x + 1, [1, "a", (2.0,)]) == [2, "a", (2.0,)]
    assert tree.tree_map_only(lambda x: x == "a", str.upper, [1, "a"]) == [1, "A"]
    seen = []
    value = [1, {"k": 2}]
    assert tree.tree_map_(seen.append, value) is value and seen == [1, 2]
    assert tree.tree_all_only(int, lambda x: x > 0, [1, "a"])
    assert not tree.tree_any_only(str, lambda x: x == "b", [1, "a"])
    assert tree.tree_all(bool, [1, [2]]) and tree.tree_any(bool, [0, [2]])
    assert tree.tree_leaves([1, [2, 3]], is_leaf=lambda x: x == [2, 3]) == [1, [2, 3]]
    assert tree.arg_tree_leaves(1, [2], key={"a": 3}) == [1, 2, 3]


def test_results_with_named_fields_are_containers():
    values, indices = rushlight.tensor([[1.0, 4.0], [3.0, 2.0]]).max(0)
    result = tree.tree_map(lambda x: x + 1, rushlight.tensor([[1.0, 4.0], [3.0, 2.0]]).max(0))
    assert type(result) is rushlight.return_types.max
    assert result.values.tolist() == (values + 1).tolist()
    assert result.indices.tolist() == (indices + 1).tolist()
    assert tree.is_structseq(result) and not tree.is_namedtuple(result)


def test_a_prefix_is_spread_over_a_structure():
    spec = tree.tree_structure([1, {"a": 2, "b": 5}])
    assert tree._broadcast_to_and_flatten(1, spec) == [1, 1, 1]
    assert tree._broadcast_to_and_flatten([1, 2], spec) == [1, 2, 2]
    assert tree._broadcast_to_and_flatten((1, 2), spec) is None
    assert tree._broadcast_to_and_flatten([1, {"a": 2, "c": 3}], spec) is None


def test_own_classes_dataclasses_and_constants():
    pair = tree.tree_map(lambda x: x * 2, Pair(1, [2]))
    assert (pair.left, pair.right) == (2, [4])
    spec = tree.tree_structure(Pair(1, 2))
    assert tree.treespec_loads(tree.treespec_dumps(spec)) == spec
    assert tree.tree_map(lambda x: x * 2, Record(1, [2], 9)) == Record(2, [4], 5)
    assert tree.tree_leaves(Record(1)) == [1]
    assert tree.tree_unflatten([3], tree.tree_structure(Record(1))) == Record(3)
    leaves, spec = tree.tree_flatten([Constant(3), 4])
    assert leaves == [4] and spec != tree.tree_structure([Constant(5), 4])
    assert tree.tree_unflatten([6], spec) == [Constant(3), 6]
    assert tree.is_constant_class(Constant) and not tree.is_constant_class(Pair)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: tree.tree_map(max, [1, 2], [3]), ValueError, "Node arity mismatch; expected 2"),
        (lambda: tree.tree_map(max, [1], (3,)), ValueError, "Node type mismatch; expected"),
        (lambda: tree.tree_map(max, {"a": 1}, {"b": 1}), ValueError, r"missing key\(s\): {'a'}"),
        (lambda: tree.tree_unflatten([1, 2], tree.tree_structure([1])), ValueError, "length 2"),
        (lambda: tree.tree_unflatten([1], [1]), TypeError, "Expected `treespec`"),
        (lambda: tree.tree_map_only(5, max, []), TypeError, "must be a type"),
        (lambda: tree.treespec_loads("[7, {}]"), ValueError, "Unknown protocol 7"),
        (lambda: tree.register_pytree_node(Pair, max, max), ValueError, "already registered"),
        (lambda: tree.register_dataclass(Record, field_names=["a"]), ValueError, "Missing fields"),
        (lambda: tree.register_dataclass(int), ValueError, "field_names must be specified"),
        (lambda: tree.register_constant(Pair), TypeError, "non-default `__eq__`"),
        (
            lambda: tree.treespec_dumps(tree.tree_structure(Point(1, 2))),
            NotImplementedError,
            "_register_namedtuple",
        ),
    ],
)
def test_misuse_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_named_tuples_may_be_given_a_name_for_text():
    cls = namedtuple("Named", "a")  # noqa: PYI024
    tree._register_namedtuple(cls, serialized_type_name="tests.Named")
    spec = tree.tree_structure([cls(1)])
    assert tree.treespec_loads(tree.treespec_dumps(spec)) == spec
    enums = tree.tree_structure({Colour.RED: 1})
    assert tree.treespec_loads(tree.treespec_dumps(enums)) == enums


def test_text_and_structure_agree_with_torch():
    theirs = pytest.importorskip("torch.utils._pytree")
    torch = importlib.import_module("torch")
    for value in TREES:
        other = torch.Size(value) if isinstance(value, rushlight.Size) else value
        ours, expected = tree.tree_flatten(value), theirs.tree_flatten(other)
        assert ours[0] == expected[0] and repr(ours[1]) == repr(expected[1])
        if value in WRITTEN:
            assert tree.treespec_dumps(ours[1]) == theirs.treespec_dumps(expected[1])
            assert tree.treespec_loads(theirs.treespec_dumps(expected[1])) == ours[1]
        paths = [[tree.keystr(path) for path, _ in tree.tree_leaves_with_path(value)]]
        paths.append([theirs.keystr(path) for path, _ in theirs.tree_leaves_with_path(other)])
        assert paths[0] == paths[1]
