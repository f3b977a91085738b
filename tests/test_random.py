"""Random numbers equal PyTorch's bit for bit, and leave the generator in the same state."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
from random_streams import state

import rushlight

F = rushlight.nn.functional


# -- golden values (random.md, section 10) ------------------------------------------------


@pytest.fixture(autouse=True)
def seeded():
    rushlight.manual_seed(0)


def exactly(tensor, *values):
    assert tensor.tolist() == list(values)


def test_rand_gives_the_known_numbers():
    exactly(rushlight.rand(3), 0.49625658988952637, 0.7682217955589294, 0.08847743272781372)


def test_rand_float64_gives_the_known_numbers():
    exactly(rushlight.rand(3, dtype=rushlight.float64),
            0.9700530018065531, 0.707819864399788, 0.45938294312745087)  # fmt: skip


def test_randn_gives_the_known_numbers_below_and_above_sixteen():
    exactly(rushlight.randn(3), 1.5409960746765137, -0.293428897857666, -2.1787893772125244)
    rushlight.manual_seed(0)
    exactly(rushlight.randn(16)[:3],
            -1.1258398294448853, -1.152360200881958, -0.2505785822868347)  # fmt: skip
    rushlight.manual_seed(0)
    x = rushlight.randn(17)
    assert [x[i].item() for i in (0, 1, 16)] == [
        -1.1258398294448853, -1.6959311962127686, 0.9318265914916992]  # fmt: skip


def test_randint_and_randperm_give_the_known_numbers():
    exactly(rushlight.randint(0, 10, (8,)), 4, 9, 3, 0, 3, 9, 7, 3)
    rushlight.manual_seed(0)
    exactly(rushlight.randperm(10), 4, 1, 7, 5, 3, 9, 0, 8, 6, 2)


def test_bernoulli_exponential_and_poisson_give_the_known_numbers():
    exactly(rushlight.empty(10).bernoulli_(), 0, 0, 1, 0, 0, 0, 1, 1, 0, 1)
    rushlight.manual_seed(0)
    exactly(rushlight.empty(3).exponential_(),
            3.508326292037964, 1.2303847074508667, 0.615044116973877)  # fmt: skip
    rushlight.manual_seed(0)
    exactly(rushlight.poisson(rushlight.full((5,), 4.0)), 7, 3, 5, 4, 6)
    exactly(rushlight.poisson(rushlight.full((5,), 40.0)), 46, 34, 40, 41, 46)


# -- the generator ------------------------------------------------


def test_state_after_seeding_has_the_documented_layout():
    b = state(rushlight)
    assert len(b) == 5056
    assert np.frombuffer(b, "<u8", 1)[0] == 0
    assert np.frombuffer(b, "<i4", 2, 8).tolist() == [1, 1]
    assert np.frombuffer(b, "<u8", 2, 24).tolist() == [0, 1]


def test_state_round_trip_repeats_the_numbers():
    rushlight.randn(3)  # leaves a cached normal
    saved = rushlight.get_rng_state()
    first = rushlight.randn(5).tolist() + rushlight.rand(700).tolist()
    rushlight.set_rng_state(saved)
    assert rushlight.randn(5).tolist() + rushlight.rand(700).tolist() == first


def test_generators_are_independent_of_the_default_one():
    g = rushlight.Generator().manual_seed(5)
    before = state(rushlight)
    a = rushlight.rand(4, generator=g)
    assert state(rushlight) == before
    g.manual_seed(5)
    assert a.tolist() == rushlight.rand(4, generator=g).tolist()


@pytest.mark.parametrize("clone", [lambda g: pickle.loads(pickle.dumps(g)), copy.deepcopy,
                                   lambda g: g.clone_state()])  # fmt: skip
def test_a_copied_generator_continues_the_same_way(clone):
    g = rushlight.Generator().manual_seed(-1)
    rushlight.randn(3, generator=g)
    other = clone(g)
    assert other is not g
    assert other.initial_seed() == 2**64 - 1
    assert rushlight.randn(4, generator=g).tolist() == rushlight.randn(4, generator=other).tolist()


def test_fork_rng_puts_the_state_back():
    before = state(rushlight)
    with rushlight.random.fork_rng():
        rushlight.rand(10)
    assert state(rushlight) == before
    with rushlight.random.fork_rng(enabled=False):
        rushlight.rand(10)
    assert state(rushlight) != before


def test_seed_differs_from_call_to_call_and_is_remembered():
    first, second = rushlight.seed(), rushlight.seed()
    assert first != second
    assert rushlight.initial_seed() == second


@pytest.mark.parametrize(("bad", "error"), [
    (lambda: rushlight.manual_seed(2**64), ValueError),
    (lambda: rushlight.manual_seed(-(2**63) - 1), ValueError),
    (lambda: rushlight.Generator().manual_seed(1.5), RuntimeError),
    (lambda: rushlight.Generator().get_offset(), RuntimeError),
    (lambda: rushlight.Generator().set_offset(1), RuntimeError),
    (lambda: rushlight.Generator("nowhere"), RuntimeError),
    (lambda: rushlight.set_rng_state(rushlight.zeros(3, dtype=rushlight.uint8)), RuntimeError),
    (lambda: rushlight.set_rng_state(rushlight.zeros(5056)), TypeError),
    (lambda: rushlight.set_rng_state(rushlight.zeros(5056, dtype=rushlight.uint8)), RuntimeError),
    (lambda: rushlight.rand(3, generator=3), TypeError),
    (lambda: rushlight.rand(3, generator=rushlight.zeros(2)), TypeError),
    (lambda: rushlight.rand(), TypeError),
    (lambda: rushlight.rand(2.0), TypeError),
    (lambda: rushlight.rand(-1), RuntimeError),
    (lambda: rushlight.rand(2, dtype=rushlight.int64), NotImplementedError),
    (lambda: rushlight.randn(2, dtype=rushlight.bool), NotImplementedError),
    (lambda: rushlight.randint(5, 5, (2,)), RuntimeError),
    (lambda: rushlight.randint(5, 2), TypeError),
    (lambda: rushlight.randint(0, 300, (2,), dtype=rushlight.uint8), RuntimeError),
    (lambda: rushlight.randint(-1, 3, (2,), dtype=rushlight.uint8), RuntimeError),
    (lambda: rushlight.randperm(-1), RuntimeError),
    (lambda: rushlight.randperm(2.5), TypeError),
    (lambda: rushlight.randperm(300, dtype=rushlight.uint8), RuntimeError),
    (lambda: rushlight.randperm(5000, dtype=rushlight.float16), RuntimeError),
    (lambda: rushlight.randperm(5, dtype=rushlight.bool), NotImplementedError),
    (lambda: rushlight.zeros(3).uniform_(1, 0), RuntimeError),
    (lambda: rushlight.zeros(3).uniform_(0, float("inf")), RuntimeError),
    (lambda: rushlight.zeros(3).uniform_(-3e38, 3e38), RuntimeError),
    (lambda: rushlight.zeros(3).normal_(0, -1), RuntimeError),
    (lambda: rushlight.zeros(3).exponential_(0), RuntimeError),
    (lambda: rushlight.zeros(3).cauchy_(0, 0), RuntimeError),
    (lambda: rushlight.zeros(3).geometric_(1), RuntimeError),
    (lambda: rushlight.zeros(3).log_normal_(0, 0), RuntimeError),
    (lambda: rushlight.zeros(3).bernoulli_(1.5), RuntimeError),
    (lambda: rushlight.zeros(3).bernoulli_(float("nan")), RuntimeError),
    (lambda: rushlight.zeros(3).bernoulli_(rushlight.full((3,), 2.0)), RuntimeError),
    (lambda: rushlight.zeros(3).bernoulli_(rushlight.ones(3).long()), NotImplementedError),
    (lambda: rushlight.zeros(3).random_(1.5), TypeError),
    (lambda: rushlight.zeros(3).random_(0), RuntimeError),
    (lambda: rushlight.zeros(3).expand(2, 3).uniform_(), RuntimeError),
    (lambda: rushlight.zeros(3).requires_grad_().uniform_(), RuntimeError),
    (lambda: rushlight.poisson(rushlight.tensor([-1.0])), RuntimeError),
    (lambda: rushlight.poisson(rushlight.tensor([1])), NotImplementedError),
    (lambda: rushlight.multinomial(rushlight.ones(3), 4), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.ones(3), 0), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.zeros(3), 2), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.tensor([1.0, -2, 3]), 2), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.tensor([1.0, float("nan")]), 2, True), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.ones(2, 2, 2), 1), RuntimeError),
    (lambda: rushlight.multinomial(rushlight.ones(3).long(), 1), RuntimeError),
    (lambda: rushlight.normal(0, 1), TypeError),
    (lambda: rushlight.normal(0.0, -rushlight.ones(2)), RuntimeError),
    (lambda: F.dropout(rushlight.ones(3), 1.5), ValueError),
    (lambda: rushlight.dropout(rushlight.ones(3), 1.5, True), RuntimeError),
    (lambda: F.dropout(rushlight.ones(3).long()), RuntimeError),
    (lambda: F.dropout1d(rushlight.ones(3)), RuntimeError),
    (lambda: rushlight.feature_dropout(rushlight.ones(3), 0.5, True), RuntimeError),
])  # fmt: skip
def test_bad_arguments_raise_and_draw_nothing(bad, error):
    before = state(rushlight)
    with pytest.raises(error):
        bad()
    assert state(rushlight) == before


def test_threads_that_draw_from_one_generator_share_its_stream():
    g = rushlight.Generator().manual_seed(1)
    pieces = []

    def draw():
        for _ in range(5):
            pieces.append(rushlight.rand(50000, generator=g))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    g.manual_seed(1)
    expected = sorted(rushlight.rand(50000, generator=g).sum().item() for _ in range(20))
    assert sorted(p.sum().item() for p in pieces) == expected


def test_the_numpy_forwards_agree_with_the_kernels():
    from rushlight.op import operators

    names = ["uniform", "exponential", "cauchy", "geometric", "random", "bernoulli",
             "bernoulli_tensor", "bernoulli_sample", "multinomial"]  # fmt: skip

    def make(*shape, dtype=None, low=-1, high=1, grad=True):
        return rushlight.empty(shape).uniform_(low, high, generator=rushlight.Generator())

    for name in names:
        operator = operators[name]
        for sample in operator.declaration.samples(make):
            rushlight.manual_seed(3)
            got = operator(*sample).numpy()
            rushlight.manual_seed(3)
            arrays = [a.numpy() if isinstance(a, rushlight.Tensor) else a for a in sample]
            np.testing.assert_allclose(got, operator.declaration.forward(*arrays), 2e-6, 1e-6, name)
