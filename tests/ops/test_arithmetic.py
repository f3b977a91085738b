"""Arithmetic beyond the matrix: edges of types, errors, strides, conversions, against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parity import EVERY, both_raise, oracle, pair, same

import rushlight as torch

NAN, INF = math.nan, math.inf
INTEGERS = ("uint8", "int8", "int16", "int32", "int64")
EDGES = [0.0, -0.0, 1.0, -1.0, 2.5, -3.5, 7.0, INF, -INF, NAN, 1e-40, 3e38]


def outer(values, dtype):
    """Every pair of the values, as two tensors in each framework."""
    a, b = np.meshgrid(np.array(values), np.array(values))
    (x, u), (y, v) = pair(a.ravel(), dtype), pair(b.ravel(), dtype)
    return (x, y), (u, v)


def identical(theirs, ours):
    """Equal to the bit, signs of zeros included."""
    same(theirs, ours)
    if theirs.dtype.is_floating_point:
        np.testing.assert_array_equal(oracle.signbit(theirs).numpy(), torch.signbit(ours).numpy())


@pytest.mark.parametrize("dtype", ("float32", "float64", "bfloat16", "float16"))
@pytest.mark.parametrize("name", (
    "add", "sub", "mul", "div", "floor_divide", "remainder", "fmod", "maximum", "minimum", "fmax",
    "fmin", "eq", "lt", "ge", "copysign", "heaviside",
))  # fmt: skip
def test_edges_of_pairs(name, dtype):
    edges = EDGES
    if name in ("fmod", "remainder"):  # PyTorch's vector loop gives NaN for denormal divisors
        edges = [x for x in EDGES if x == 0 or not abs(x) < 1e-30]
    if name == "copysign":  # the sign of a NaN is nobody's promise
        edges = [x for x in EDGES if x == x]
    theirs, ours = outer(edges, dtype)
    a, b = getattr(oracle, name)(*theirs), getattr(torch, name)(*ours)
    numbers = ~oracle.isnan(a) if a.dtype.is_floating_point else oracle.ones_like(a, dtype=bool)
    same(oracle.isnan(a), torch.isnan(b))
    keep = torch.from_numpy(numbers.numpy())
    if name in ("fmax", "fmin"):  # which of two zeros wins is open
        same(a[numbers], b[keep])
    else:
        identical(a[numbers], b[keep])


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", (
    "add", "sub", "mul", "floor_divide", "remainder", "fmod", "gcd", "lcm", "bitwise_and",
    "bitwise_xor", "maximum",
))  # fmt: skip
def test_integers_wrap(name, dtype):
    info = oracle.iinfo(getattr(oracle, dtype))
    values = [info.max, info.max - 1, 1, 2, 3, 7] + ([-1, -3, info.min + 1] if info.min else [])
    a, b = np.meshgrid(np.array(values, dtype), np.array(values, dtype))
    (x, u), (y, v) = pair(a.ravel()), pair(b.ravel())
    same(getattr(oracle, name)(x, y), getattr(torch, name)(u, v))


def test_least_integer_divided_by_minus_one_is_no_crash():
    x = torch.tensor([-(2**63)])
    assert (x // -1).item() == -(2**63)
    assert (x % -1).item() == 0
    assert torch.div(x, -1, rounding_mode="trunc").item() == -(2**63)


@pytest.mark.parametrize("f", (
    lambda m: m.tensor([1, 2]) // 0, lambda m: m.tensor([1, 2]) % 0,
    lambda m: m.fmod(m.tensor([1]), 0), lambda m: m.tensor([1]) // m.tensor([0]),
    lambda m: m.div(m.tensor([1]), m.tensor([0]), rounding_mode="trunc"),
    lambda m: m.arange(100_000) // m.zeros(100_000, dtype=m.int64),
))  # fmt: skip
def test_integer_division_by_zero(f):
    both_raise(RuntimeError, f)
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        f(torch)


@pytest.mark.parametrize("f", (
    lambda m: m.tensor([2]) ** -1, lambda m: m.tensor([True]) - m.tensor([True]),
    lambda m: -m.tensor([True]), lambda m: m.add(m.tensor([1]), m.tensor([1]), alpha=1.5),
    lambda m: m.div(m.tensor([1]), 2, rounding_mode="up"), lambda m: m.clamp(m.ones(2)),
    lambda m: m.lerp(m.ones(1), m.ones(1).double(), 0.5), lambda m: m.tensor([1]).mul_(1.5),
    lambda m: m.tensor([1]).div_(2), lambda m: m.addcdiv(*[m.tensor([1])] * 3),
    lambda m: m.ones(3) + m.ones(2), lambda m: m.ones(3).add_(m.ones(2, 3)),
    lambda m: m.ones(1).expand(3).add_(1), lambda m: m.positive(m.tensor([True])),
    lambda m: m.heaviside(m.ones(1), m.ones(1).double()),
))  # fmt: skip
def test_runtime_errors(f):
    both_raise(RuntimeError, f)


@pytest.mark.parametrize("f", (
    lambda m: m.tensor([1.5]) & m.tensor([1.5]), lambda m: m.gcd(m.ones(1), m.ones(1)),
    lambda m: m.tensor([1j]) < m.tensor([1j]), lambda m: m.frac(m.tensor([1])),
    lambda m: m.floor(m.tensor([True])),
))  # fmt: skip
def test_types_that_have_no_loop(f):
    both_raise(NotImplementedError, f)


@pytest.mark.parametrize("f", (
    lambda m: m.mul(m.ones(1), "a"), lambda m: m.maximum(m.ones(1), 1), lambda m: m.ones(1) + "a",
    lambda m: m.ones(1) < None, lambda m: m.exp(1.0),
))  # fmt: skip
def test_operands_of_other_kinds(f):
    both_raise(TypeError, f)


@pytest.mark.parametrize("exponent", (0, 1, 2, 3, 4, 0.5, -1, -2, 2.5, -0.5, 0.0, True, 1j))
@pytest.mark.parametrize("dtype", ("float32", "float64", "int32", "bool", "complex128"))
def test_power_of_a_number(dtype, exponent):
    x, u = pair([0, 1, 2, 3], dtype)
    try:
        expected = x**exponent
    except (RuntimeError, NotImplementedError) as error:
        with pytest.raises(type(error)):
            u**exponent
        return
    same(expected, u**exponent, rtol=2e-6)


def test_integer_powers_are_exact():
    x = torch.tensor([3, -3, 7, 2])
    assert (x ** torch.tensor([39, 39, 22, 62])).tolist() == [3**39, (-3) ** 39, 7**22, 2**62]
    assert (x**39).tolist()[:2] == [3**39, (-3) ** 39]
    small = torch.tensor([1, -1, 2, -1]).pow(torch.tensor([-1, -1, -1, -2]))
    assert small.tolist() == [1, -1, 0, 1]


@pytest.mark.parametrize("low,high", (
    (0, 1), (None, 2), (-1.0, None), (2, 1), (NAN, 1.0), (0.5, 1.5), (-(2**62) - 1, 2**62 + 1),
))  # fmt: skip
@pytest.mark.parametrize("dtype", ("float32", "int64", "uint8"))
def test_clamp(dtype, low, high):
    if dtype == "uint8" and low is not None and not -9 < low:
        pytest.skip("PyTorch refuses a bound that its type cannot hold")
    x, u = pair([0, 1, 2, 3, 200], dtype)
    same(x.clamp(low, high), u.clamp(low, high))


def test_clamp_keeps_nan_and_takes_tensors():
    x, u = pair([NAN, -2.0, 0.5, 3.0])
    for a, b in ((x.clamp(0, 1), u.clamp(0, 1)), (x.clamp_min(0), u.clamp_min(0))):
        same(a, b)
    low, high = pair([0.0, 0.0, 1.0, 5.0]), pair([1.0, 1.0, 0.0, 6.0])
    same(x.clamp(low[0], high[0]), u.clamp(low[1], high[1]))


def test_beside_a_number_a_constant_without_dimensions_bounds_as_one():
    x, u = pair([-1.0, 2.0, 3.0])
    for m, v in ((oracle, x), (torch, u)):
        assert m.clamp(v, 0, m.tensor(2.5)).tolist() == [0.0, 2.0, 2.5]
        assert m.clamp(v.long(), m.tensor(0.5), 2).tolist() == [0.5, 2.0, 2.0]
        assert v.clone().clip_(m.tensor(0), 2).tolist() == [0.0, 2.0, 2.0]
        for bound in (m.tensor([1.0]), m.tensor(1.0, requires_grad=True)):
            with pytest.raises(TypeError, match="invalid combination of arguments"):
                m.clamp(v, 0, bound)


NODES = [
    ("x + 1", "AddBackward0"), ("1 - x", "RsubBackward1"), ("x - y", "SubBackward0"),
    ("x ** 2", "PowBackward0"), ("x ** y", "PowBackward1"), ("2 ** x", "PowBackward2"),
    ("x / y", "DivBackward0"), ("2 / x", "MulBackward0"), ("x % 2", "RemainderBackward0"),
    ("x % y", "RemainderBackward1"), ("m.fmod(x, 2)", "FmodBackward0"), ("-x", "NegBackward0"),
    ("m.div(x, y, rounding_mode='floor')", "DivBackward2"), ("x.clamp(0, 1)", "ClampBackward1"),
    ("x.clamp(y, y)", "ClampBackward0"), ("m.lerp(x, y, 0.5)", "LerpBackward0"),
    ("m.lerp(x, y, y)", "LerpBackward1"), ("x.square()", "PowBackward0"),
    ("m.addcmul(x, x, y)", "AddcmulBackward0"), ("m.maximum(x, y)", "MaximumBackward0"),
    ("x.round(decimals=1)", "RoundBackward1"), ("m.copysign(x, 1)", "CopysignBackward1"),
]  # fmt: skip


@pytest.mark.parametrize("expression,name", NODES)
def test_names_of_nodes(expression, name):
    x, y = (torch.rand(3, requires_grad=True) for _ in range(2))
    assert type(eval(expression, {"m": torch, "x": x, "y": y}).grad_fn).__name__ == name


# -- strides, sizes, threads -------------------------------------------------------------------


@pytest.mark.parametrize("shape", ((64, 300), (3, 70, 129), (2, 3, 40, 33)))
@pytest.mark.parametrize("dtype", (torch.float32, torch.float64, torch.int16, torch.bfloat16))
def test_transposed_operands(shape, dtype):
    a = (torch.randn(shape) * 99).to(dtype)
    b = (torch.randn((*shape[:-2], shape[-1], shape[-2])) * 99).to(dtype).transpose(-1, -2)
    plain = b.contiguous()
    assert b.stride() != plain.stride() and torch.equal(b, plain)
    assert torch.equal(a + b, a + plain)
    assert torch.equal(b - a, plain - a)
    assert torch.equal(a.clone().mul_(b), a * plain)
    assert torch.equal(a[..., ::2] + b[..., ::2], (a + plain)[..., ::2])


def test_many_threads_give_the_same():
    x, y = torch.randn(300_001), torch.randn(300_001)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = x * y + x
        torch.set_num_threads(4)
        four = x * y + x
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, four)


def test_operands_that_overlap_what_is_written_raise():
    for f in (
        lambda m: (lambda x: x[1:].add_(x[:-1]))(m.arange(12.0)),
        lambda m: (lambda x: x.mul_(x.t()))(m.ones(4, 4)),
        lambda m: (lambda x: x.div_(x[0]))(m.ones(4, 4)),
        lambda m: (lambda x: m.exp(x[:-1], out=x[1:]))(m.ones(4)),
        lambda m: (lambda x: x[1:].copy_(x[:-1]))(m.ones(4)),
        lambda m: m.ones(3).expand(2, 3).add_(1),
    ):
        both_raise(RuntimeError, f)
    for m in (oracle, torch):  # the operand itself may be written, and a broadcast view filled
        x = m.arange(4.0)
        assert m.add(x, x, out=x).tolist() == [0, 2, 4, 6]
        assert m.ones(3).expand(2, 3).fill_(2).tolist() == [[2.0] * 3] * 2


# -- conversions, copies and fills ---------------------------------------------------------------

VALUES = [0.0, -0.0, 1.0, -1.5, 2.5, 100.7, 127.0, 65504.0, 1e-7, 3.3895e38]


@pytest.mark.parametrize("source", EVERY)
@pytest.mark.parametrize("target", EVERY)
def test_conversions(source, target):
    values = [0.0, 1.0, 2.5, 100.7, 3.0] if source == "uint8" else [0.0, 1.0, -1.5, 2.5, 100.7]
    x, u = pair(np.resize(values, 77))
    x, u = x.to(getattr(oracle, source)), u.to(getattr(torch, source))
    if source.startswith("complex") and not target.startswith("complex"):
        x, u = x.real, u.real
    x, u = x.to(getattr(oracle, target)), u.to(getattr(torch, target))
    same(x, u)
    same(
        x[::3].to(oracle.float64 if not x.is_complex() else x.dtype),
        u[::3].to(torch.float64 if not u.is_complex() else u.dtype),
    )


@pytest.mark.parametrize("dtype", ("float16", "bfloat16"))
def test_halves_round_to_even(dtype):
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 2**32, 100_003, dtype=np.uint64).astype(np.uint32)
    floats = bits.view(np.float32)
    x, u = pair(floats[~np.isnan(floats)], dtype)
    same(x, u)
    same(x.float(), u.float())


def test_out_of_range_integers_follow_the_machine():
    x, u = pair(np.array([300.0, -1.5, 3e9, 1e20, NAN] * 20, np.float32))
    same(x.to(oracle.uint8), u.to(torch.uint8))
    same(x.to(oracle.int32), u.to(torch.int32))
    same(x.to(oracle.int64), u.to(torch.int64))


@pytest.mark.parametrize("size", (1, 2, 4, 8, 16))
@pytest.mark.parametrize("shape,order", (
    ((37, 45), (1, 0)), ((3, 33, 70), (0, 2, 1)), ((5, 6, 40, 33), (0, 2, 3, 1)),
    ((9, 2, 300), (2, 0, 1)), ((700, 700), (1, 0)),
))  # fmt: skip
def test_transposed_copies(size, shape, order):
    dtype = {1: np.uint8, 2: np.int16, 4: np.float32, 8: np.int64, 16: np.complex128}[size]
    array = np.random.default_rng(0).integers(0, 250, shape).astype(dtype)
    got = torch.from_numpy(array).permute(order).contiguous()
    assert got.is_contiguous()
    np.testing.assert_array_equal(got.numpy(), array.transpose(order))
    target = torch.zeros(array.transpose(order).shape, dtype=got.dtype)
    target[..., 1:] = torch.from_numpy(array).permute(order)[..., 1:]
    np.testing.assert_array_equal(target.numpy()[..., 1:], array.transpose(order)[..., 1:])


def test_fills():
    x = torch.zeros(40, 50)
    x[::2, 1::3].fill_(7)
    expected = np.zeros((40, 50), np.float32)
    expected[::2, 1::3] = 7
    np.testing.assert_array_equal(x.numpy(), expected)
    assert torch.empty(1_000_003).fill_(2.5).sum().item() == 2.5 * 1_000_003
    assert torch.empty(5, dtype=torch.complex64).fill_(1 - 2j).tolist() == [1 - 2j] * 5
    with pytest.raises(RuntimeError):
        torch.zeros(3).copy_(torch.zeros(2, 3))
