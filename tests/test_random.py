"""Random numbers equal PyTorch's bit for bit, and leave the generator in the same state."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest

import rushlight

try:
    import torch
except ImportError:
    torch = None

F = rushlight.nn.functional
needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")
FLOATS = ["float16", "bfloat16", "float32", "float64"]
SIZES = [1, 2, 15, 16, 17, 100, 623, 624, 625, 4097, 100003]


def bits(x, library):
    """The elements' bytes, row-major."""
    if isinstance(x, (tuple, list)):
        return b"".join(bits(i, library) for i in x)
    x = x.detach().contiguous()
    return (
        x.view(library.int16).numpy().tobytes()
        if x.dtype == library.bfloat16
        else x.numpy().tobytes()
    )


def state(library):
    return library.get_rng_state().numpy().tobytes()


def assert_same(call, seed=0):
    """`call(library)` gives the same values and the same generator state in both libraries."""
    got = []
    for library in (rushlight, torch):
        library.manual_seed(seed)
        values = bits(call(library), library)
        got.append((values, state(library)))
    assert got[0][0] == got[1][0], "values differ"
    assert got[0][1] == got[1][1], "generator states differ"


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


# -- against torch ------------------------------------------------

FILLS = {
    "uniform": lambda x: x.uniform_(),
    "uniform bounds": lambda x: x.uniform_(-0.3, 0.7),
    "normal": lambda x: x.normal_(),
    "normal scaled": lambda x: x.normal_(0.1, 0.02),
    "exponential": lambda x: x.exponential_(1.7),
    "cauchy": lambda x: x.cauchy_(0.5, 2.0),
    "geometric": lambda x: x.geometric_(0.3),
    "log_normal": lambda x: x.log_normal_(0.1, 0.5),
    "random": lambda x: x.random_(),
    "random to": lambda x: x.random_(100),
    "random from to": lambda x: x.random_(-7, 90),
    "bernoulli": lambda x: x.bernoulli_(0.3),
}


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("fill", FILLS)
def test_fills_equal_torch(fill, dtype):
    for n in SIZES:
        assert_same(lambda t, n=n: FILLS[fill](t.empty(n, dtype=getattr(t, dtype))), seed=n)


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("fill", FILLS)
def test_fills_of_strided_tensors_follow_memory_as_in_torch(fill, dtype):
    layouts = [
        lambda x: x.t(),
        lambda x: x[:, ::2],
        lambda x: x[1:, 3],
        lambda x: x.reshape(3, 3, 2, 7).permute(2, 0, 3, 1),
        lambda x: x.reshape(3, 1, 3, 14).transpose(0, 1)[:, :, 1:],
    ]
    for layout in layouts:

        def call(t, layout=layout):
            x = t.zeros(9, 14, dtype=getattr(t, dtype))
            FILLS[fill](layout(x))
            return x

        assert_same(call)


@needs_torch
@pytest.mark.parametrize(("dtype", "low", "high"), [
    ("int64", 0, 10), ("int64", -(2**40), 2**40), ("int64", 0, 2**28), ("int64", 0, 2**28 - 1),
    ("int64", -(2**63), 2**63 - 1), ("int32", -5, 2**31 - 1), ("int16", -300, 300),
    ("int8", -128, 128), ("uint8", 0, 256), ("bool", 0, 2), ("float32", 0, 2**24),
    ("float64", 0, 2**53), ("float16", -2000, 2000), ("bfloat16", 0, 256),
])  # fmt: skip
def test_randint_equals_torch(dtype, low, high):
    for n in (1, 7, 5000):
        assert_same(lambda t, n=n: t.randint(low, high, (n,), dtype=getattr(t, dtype)))


@needs_torch
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dtype", FLOATS)
def test_randint_moves_bounds_that_the_type_cannot_hold(dtype):
    for low, high in ((-5, 60000), (0, 2**14 + 3), (-(2**13) - 1, 3)):
        assert_same(
            lambda t, low=low, high=high: t.randint(low, high, (500,), dtype=getattr(t, dtype))
        )


@needs_torch
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_integer_fills_equal_torch(dtype):
    for call in (
        lambda x: x.random_(),
        lambda x: x.random_(1, None),
        lambda x: x.bernoulli_(0.4),
        lambda x: (
            x.geometric_(0.01) if x.dtype not in (rushlight.bool, getattr(torch, "bool", 0)) else x
        ),
    ):
        assert_same(lambda t, call=call: call(t.zeros(300, dtype=getattr(t, dtype))))


@needs_torch
def test_the_widest_random_equals_torch():
    assert_same(lambda t: t.empty(300, dtype=t.int64).random_(-(2**63), None))


@needs_torch
@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "int32", "int64", "float16", "float32", "float64"]
)
def test_randperm_equals_torch(dtype):
    for n in (0, 1, 2, 200, 256):
        assert_same(lambda t, n=n: t.randperm(n, dtype=getattr(t, dtype)))
    if dtype == "int64":
        assert_same(lambda t: t.randperm(100003))


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
def test_bernoulli_with_probabilities_equals_torch(dtype):
    def probabilities(t, *shape):
        return t.arange(int(np.prod(shape))).reshape(shape).to(getattr(t, dtype)) / 140

    assert_same(lambda t: t.bernoulli(probabilities(t, 9, 14)))
    assert_same(lambda t: t.bernoulli(probabilities(t, 9, 14).t()))
    assert_same(lambda t: t.bernoulli(probabilities(t, 9, 14), 0.2))
    assert_same(lambda t: t.empty(14, 9).t().bernoulli_(probabilities(t, 9, 14)))
    assert_same(lambda t: t.empty(9, 14, dtype=t.int32).bernoulli_(probabilities(t, 14)))
    assert_same(lambda t: t.bernoulli(probabilities(t, 9, 14), out=t.empty(14, 9).t()))


@needs_torch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_multinomial_equals_torch(dtype):
    def weights(t):
        return t.arange(1, 64).reshape(7, 9).to(getattr(t, dtype))

    assert_same(lambda t: t.multinomial(weights(t), 4))
    assert_same(lambda t: t.multinomial(weights(t).t(), 4))
    assert_same(lambda t: t.multinomial(weights(t), 1, True))
    assert_same(lambda t: t.multinomial(weights(t), 50, True))
    assert_same(lambda t: t.multinomial(weights(t)[0], 9))
    assert_same(lambda t: t.multinomial(weights(t)[0], 3, replacement=True))


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
def test_poisson_equals_torch(dtype):
    assert_same(lambda t: t.poisson(t.arange(400).to(getattr(t, dtype)) / 8))
    assert_same(lambda t: t.poisson(t.arange(400).reshape(20, 20).to(getattr(t, dtype)).t()))


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_with_tensors_equals_torch(dtype):
    def grid(t):
        return (t.arange(60).reshape(3, 20) / 7).to(getattr(t, dtype))

    assert_same(lambda t: t.normal(grid(t), 2.0))
    assert_same(lambda t: t.normal(1.5, grid(t)))
    assert_same(lambda t: t.normal(grid(t), grid(t)[:1]))
    assert_same(lambda t: t.normal(grid(t).t(), grid(t).t()))
    assert_same(lambda t: t.normal(0.5, 2.0, (3, 5), dtype=getattr(t, dtype)))
    assert_same(lambda t: t.normal(grid(t), 1.0, out=t.empty(20, 3, dtype=getattr(t, dtype)).t()))


@needs_torch
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex_numbers_equal_torch(dtype):
    for n in (3, 7, 8, 100):
        assert_same(lambda t, n=n: t.rand(n, dtype=getattr(t, dtype)))
        assert_same(lambda t, n=n: t.randn(n, dtype=getattr(t, dtype)))


@needs_torch
def test_like_forms_keep_the_memory_order():
    for call in (
        lambda t: t.rand_like(t.ones(9, 14).t()),
        lambda t: t.randn_like(t.ones(9, 14).t()),
        lambda t: t.randint_like(t.ones(9, 14).t(), 50),
        lambda t: t.randint_like(t.ones(9, 14), 3, 50, dtype=t.int64),
        lambda t: t.rand_like(t.ones(9, 14), dtype=t.float64),
        lambda t: t.rand(9, 14, out=t.empty(14, 9).t()),
        lambda t: t.randperm(10, out=t.empty(20, dtype=t.int64)[::2]),
    ):
        assert_same(call)


@needs_torch
@pytest.mark.parametrize("seed", [0, 1, 42, 123456789, 2**32 + 5, -3])
def test_mixed_calls_in_a_row_equal_torch(seed):
    def call(t):
        d = t.nn.functional.dropout
        return [
            t.randn(3), t.rand(5), t.randn(1000), t.randn(1), t.randint(0, 9, (7,)), t.randperm(11),
            t.empty(5, dtype=t.float64).normal_(), t.empty(3).exponential_(), d(t.ones(50), 0.3),
            t.bernoulli(t.full((9,), 0.5)), t.empty(9).log_normal_(), t.multinomial(t.ones(8), 3),
            t.poisson(t.full((6,), 12.5)), t.randn(17, dtype=t.bfloat16),
            t.rand(2, dtype=t.float64),
            t.randint(0, 2**40, (3,)), t.randn(2, 3).t().contiguous(), t.empty(6).cauchy_(),
        ]  # fmt: skip

    assert_same(call, seed)


# -- dropout ------------------------------------------------

DROPOUTS = {
    "dropout": lambda t, x: t.nn.functional.dropout(x, 0.3),
    "dropout 0.9": lambda t, x: t.nn.functional.dropout(x, 0.9),
    "dropout p=0": lambda t, x: t.nn.functional.dropout(x, 0.0),
    "dropout p=1": lambda t, x: t.nn.functional.dropout(x, 1.0),
    "dropout eval": lambda t, x: t.nn.functional.dropout(x, 0.3, False),
    "dropout in place": lambda t, x: t.nn.functional.dropout(x.clone(), 0.3, True, True),
    "torch.dropout": lambda t, x: t.dropout(x, 0.3, True),
    "native": lambda t, x: t.native_dropout(x, 0.9, True),
    "native p=1": lambda t, x: t.native_dropout(x, 1.0, True),
    "native eval": lambda t, x: t.native_dropout(x, 0.3, False),
    "dropout1d": lambda t, x: t.nn.functional.dropout1d(x, 0.3),
    "dropout1d in place": lambda t, x: t.nn.functional.dropout1d(x.clone(), 0.3, True, True),
    "dropout3d": lambda t, x: t.nn.functional.dropout3d(x.reshape(3, 3, 2, 7), 0.3),
    "feature": lambda t, x: t.feature_dropout(x.reshape(3, 3, 2, 7), 0.3, True),
    "alpha": lambda t, x: t.nn.functional.alpha_dropout(x, 0.3, True),
    "alpha in place": lambda t, x: t.nn.functional.alpha_dropout(x.clone(), 0.3, True, True),
    "feature alpha": lambda t, x: t.feature_alpha_dropout(x.reshape(3, 3, 2, 7), 0.3, True),
}  # fmt: skip


@needs_torch
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", DROPOUTS)
def test_dropout_and_its_gradient_equal_torch(name, dtype):
    for order in (lambda x: x, lambda x: x.t(), lambda x: x[:, ::2].repeat(1, 2)):

        def call(t, order=order):
            x = (t.arange(126).reshape(9, 14) / 10 - 6).to(getattr(t, dtype))
            x = order(x).detach().requires_grad_()
            y = DROPOUTS[name](t, x)
            first = y[0] if isinstance(y, tuple) else y
            first.backward(t.ones_like(first) * 3)
            return [*y, x.grad] if isinstance(y, tuple) else [y, x.grad]

        assert_same(call)


@needs_torch
def test_dropout_nodes_are_named_as_in_torch():
    for call in (
        lambda t, x: t.nn.functional.dropout(x),
        lambda t, x: t.nn.functional.dropout(x.clone(), 0.5, True, True),
        lambda t, x: t.nn.functional.alpha_dropout(x, 0.5, True),
        lambda t, x: t.native_dropout(x, 0.5, True)[0],
        lambda t, x: x.clone().uniform_(),
        lambda t, x: x.clone().bernoulli_(0.5),
        lambda t, x: t.bernoulli(x * 0),
        lambda t, x: t.poisson(x * 0),
    ):
        names = [call(t, t.ones(3, requires_grad=True)).grad_fn.name() for t in (rushlight, torch)]
        assert names[0] == names[1]


def test_dropout_without_effect_returns_its_input():
    x = rushlight.ones(3)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 0.5, training=False) is x


def test_dropout_has_a_second_derivative():
    x = rushlight.randn(4, 5, requires_grad=True)
    y = F.dropout(x**3, 0.4)
    (g,) = rushlight.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = rushlight.autograd.grad(g.sum(), x)
    kept = (y != 0) / 0.6
    assert rushlight.allclose(gg, 6 * x * kept)


@pytest.mark.parametrize("input", [(3, 2), (2, 3, 4), (1, 2, 3, 2, 2)])
def test_dropout2d_warns_about_inputs_that_are_no_images(input):
    with pytest.warns(UserWarning, match="dropout2d: Received a"):
        F.dropout2d(rushlight.ones(input))
