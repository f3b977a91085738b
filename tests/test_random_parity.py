"""Random numbers, and dropout, beside PyTorch: the same values, the same state afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from random_streams import FLOATS, assert_same, needs_torch, torch
from random_table import FILLS

import rushlight

F = rushlight.nn.functional
SIZES = [1, 2, 15, 16, 17, 100, 623, 624, 625, 4097, 100003]


@pytest.fixture(autouse=True)
def seeded():
    rushlight.manual_seed(0)


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
