"""Pipes: what they give, in which order, and with a loader's workers."""

import importlib
import pickle

import pytest

import rushlight as torch

data = torch.utils.data
iterating, mapping = data.datapipes.iter, data.datapipes.map
pytestmark = pytest.mark.filterwarnings("ignore")


def odd(x):
    return x % 2


def plus(x):
    return x + 1


def add(x, y):
    return x + y


def wide(x):
    return odd(x) == 0


def lists(pipes):
    return [list(pipe) for pipe in pipes]


def batches(loader):
    return [batch.tolist() for batch in loader]


# Expression and what PyTorch 2.13 gives for it after manual_seed(0); S is a stream, Q a sequence.
GOLDEN = [
    ("list(S(10).shuffle())", [3, 5, 0, 1, 9, 6, 2, 7, 4, 8]),
    ("list(S(10).shuffle().set_seed(3))", [3, 9, 2, 4, 7, 6, 0, 8, 1, 5]),
    ("list(S(10).shuffle(buffer_size=3).set_seed(3))", None),
    ("list(S(5).shuffle().set_shuffle(False))", [0, 1, 2, 3, 4]),
    ("list(Q(10).shuffle())", [8, 9, 1, 6, 2, 5, 7, 0, 4, 3]),
    ("list(S(4).map(plus))", [1, 2, 3, 4]),
    ("list(S([(1, 2), (3, 4)]).map(plus, input_col=0))", [(2, 2), (4, 4)]),
    ("list(S([(1, 2)]).map(add, input_col=[0, 1], output_col=-1))", [(1, 2, 3)]),
    ("list(S([[1, 2]]).map(add, input_col=[0, 1]))", [[3]]),
    ("list(S([{'a': 1}]).map(plus, input_col='a', output_col='b'))", [{"a": 1, "b": 2}]),
    ("list(S(6).filter(wide))", [0, 2, 4]),
    ("list(S(5).batch(2))", [[0, 1], [2, 3], [4]]),
    ("list(S(5).batch(2, drop_last=True))", [[0, 1], [2, 3]]),
    ("list(S([[0, [1]], [2]]).unbatch())", [0, [1], 2]),
    ("list(S([[0, [1]], [2]]).unbatch(-1))", [0, 1, 2]),
    ("lists(S(4).fork(2))", [[0, 1, 2, 3], [0, 1, 2, 3]]),
    ("lists(S(6).demux(2, odd))", [[0, 2, 4], [1, 3, 5]]),
    ("list(S(2).mux(S([5, 6, 7])))", [0, 5, 1, 6]),
    ("list(S(2).zip(S([5, 6, 7])))", [(0, 5), (1, 6)]),
    ("list(S(2).concat(S([5])))", [0, 1, 5]),
    ("list(S(7).groupby(odd, group_size=2))", [[0, 2], [1, 3], [4, 6], [5]]),
    ("list(S(7).groupby(odd, keep_key=True))", [(0, [0, 2, 4, 6]), (1, [1, 3, 5])]),
    ("list(S(7).groupby(odd, buffer_size=4))", None),
    ("list(S(4).batch(2).collate().map(sum).map(int))", [1, 5]),
    ("list(iterating.Sampler(Q(3)))", [0, 1, 2]),
    ("len(S(5).batch(2)), len(S(4).map(plus)), len(S(4).sharding_filter())", (3, 4, 4)),
    ("list(Q(4).map(plus)), list(Q(2).concat(Q(1))), list(Q(2).zip(Q(3)))", None),
    ("list(Q(5).batch(2)), Q(5).batch(2)[1], len(Q(5).batch(2))", None),
    ("repr(S(1).map(plus)), repr(Q(1))", None),
    (
        "batches(data.DataLoader(S(10).shuffle().sharding_filter(), batch_size=3, num_workers=2))",
        [[9, 5, 4], [0, 7, 1], [3, 6], [8, 2]],
    ),
    (
        "batches(data.DataLoader(S(10).shuffle(), batch_size=3, shuffle=True))",
        [[9, 0, 5], [7, 4, 1], [3, 8, 6], [2]],
    ),
    (
        "batches(data.DataLoader(S(6).shuffle(), batch_size=3, shuffle=False))",
        [[0, 1, 2], [3, 4, 5]],
    ),
    ("epochs(data.DataLoader(S(6).shuffle().sharding_filter(), num_workers=2, **kept))", None),
    ("batches(data.DataLoader(Q(5), batch_size=3, shuffle=True))", None),
]


def evaluate(module, expression):
    importlib.import_module(f"{module.__name__}.utils.data.datapipes")
    data = module.utils.data
    iterating, mapping = data.datapipes.iter, data.datapipes.map
    names = {
        "S": lambda x: iterating.IterableWrapper(range(x) if isinstance(x, int) else x),
        "Q": lambda n: mapping.SequenceWrapper(range(n)),
        "epochs": lambda loader: [batches(loader), batches(loader)],
        "kept": {"persistent_workers": True},
        "data": data,
        "iterating": iterating,
    }
    functions = (odd, plus, add, wide, lists, batches)
    module.manual_seed(0)
    return eval(expression, names | {function.__name__: function for function in functions})


@pytest.mark.parametrize(("expression", "expected"), GOLDEN)
def test_pipes_give_what_pytorchs_give(expression, expected):
    found = evaluate(torch, expression)
    assert expected is None or found == expected


@pytest.mark.parametrize("expression", [line[0] for line in GOLDEN])
def test_pipes_give_what_pytorch_gives_beside_them(expression):
    theirs = pytest.importorskip("torch")
    assert evaluate(torch, expression) == evaluate(theirs, expression)


def stream(n):
    return iterating.IterableWrapper(range(n))


def test_one_iterator_at_a_time():
    pipe = stream(3)
    first = iter(pipe)
    assert next(first) == 0
    second = iter(pipe)
    with pytest.raises(RuntimeError, match="invalidated"):
        next(first)
    assert list(second) == [0, 1, 2] and list(pipe) == [0, 1, 2]
    a, b = pipe.fork(2)
    assert list(a) == [0, 1, 2] and list(b) == [0, 1, 2]
    running = iter(a)
    next(running)
    assert list(a) == [0, 1, 2] and list(b) == [0, 1, 2]
    with pytest.raises(RuntimeError, match="invalidated"):
        next(running)


def test_a_pipe_that_runs_ahead_is_stopped():
    a, _ = stream(10).fork(2, buffer_size=3)
    with pytest.raises(BufferError, match="overflow"):
        list(a)
    with pytest.raises(ValueError, match="classification"):
        list(stream(3).demux(1, odd)[0])


def test_own_pipes_become_methods():
    @data.functional_datapipe("test_doubled")
    class Doubled(data.IterDataPipe):
        def __init__(self, source, factor=2):
            self.source, self.factor = source, factor

        def __iter__(self):
            for item in self.source:
                yield item * self.factor

    assert list(stream(3).test_doubled()) == [0, 2, 4]
    assert list(stream(3).test_doubled(factor=5).map(plus)) == [1, 6, 11]
    with pytest.raises(Exception, match="already taken"):
        data.functional_datapipe("test_doubled")(Doubled)
    with pytest.raises(AttributeError, match="no attribute 'test_missing'"):
        stream(1).test_missing  # noqa: B018
    with pytest.raises(TypeError, match="can only decorate"):
        data.functional_datapipe("x")(int)
    with pytest.raises(TypeError, match="valid length"):
        len(stream(3).filter(wide).map(plus))


def test_pipes_are_pickled():
    pipe = stream(6).map(plus).shuffle().batch(2)
    pipe.datapipe.set_seed(1)
    copy = pickle.loads(pickle.dumps(pipe))
    assert list(copy) == list(pipe)
    forks = pickle.loads(pickle.dumps(stream(2).fork(2)))
    assert lists(forks) == [[0, 1], [0, 1]]


def test_files(tmp_path):
    for name in ("b.txt", "a.txt", "c.bin"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "d.txt").write_bytes(b"d")
    found = list(iterating.FileLister(str(tmp_path), "*.txt"))
    assert [path[-5:] for path in found] == ["a.txt", "b.txt"]
    assert len(list(iterating.FileLister(str(tmp_path), recursive=True))) == 4
    read = list(iterating.FileOpener(found, mode="b").read_from_stream())
    assert [content for _, content in read] == [b"a.txt", b"b.txt"]
    chunks = list(iterating.FileOpener(found[:1], mode="b").read_from_stream(chunk=2))
    assert [content for _, content in chunks] == [b"a.", b"tx", b"t"]


def test_decorators():
    @data.non_deterministic
    class Drawn(data.IterDataPipe):
        def __iter__(self):
            yield 1

    assert list(Drawn()) == [1]
    with data.guaranteed_datapipes_determinism(), pytest.raises(TypeError, match="determin"):
        Drawn()

    class Numbers(data.IterDataPipe):
        @data.argument_validation
        def __init__(self, count: int):
            self.count = count

        def __iter__(self):
            yield from range(self.count)

    assert list(Numbers(2)) == [0, 1]
    with pytest.raises(TypeError, match="Expected argument 'count'"):
        Numbers("a")
    assert data.DataChunk([1, 2]).as_str() == "[1, 2]"


def test_graph_of_pipes():
    source = stream(3)
    pipe = source.map(plus).zip(source.batch(2))
    graph = data.graph.traverse_dps(pipe)
    found = data.graph_settings.get_all_graph_pipes(graph)
    assert {repr(p) for p in found} == {
        "ZipperIterDataPipe", "MapperIterDataPipe", "BatcherIterDataPipe",
        "IterableWrapperIterDataPipe",
    }  # fmt: skip
    assert len(found) == 4
