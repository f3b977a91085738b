"""Broadcasting, numbers and out= of element-wise operators, beside operands written out in full."""

from __future__ import annotations

import pytest

import rushlight as torch

ARITHMETIC = (torch.add, torch.sub, torch.mul, torch.div)
ORDERS = (torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge)
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8)
PAIRS = (
    ((5, 1), (5, 70)),  # one element a row
    ((5, 70), (5, 1)),
    ((70,), (5, 70)),  # one row for all
    ((5, 9), (9,)),
    ((5, 1), (70,)),  # an outer product
    ((3, 1, 1), (3, 8, 9)),
    ((2, 3, 1, 9), (3, 4, 1)),
    ((1, 4, 1), (3, 1, 5)),
    ((), (3, 70)),
    ((1, 1), (1,)),
)


def values(shape, dtype):
    return (torch.rand(shape) * 7 + 1).to(dtype)


def in_full(x, shape):
    return x.expand(shape).clone(memory_format=torch.contiguous_format)


def check(function, a, b, **more):
    shape = torch.broadcast_shapes(a.shape, b.shape)
    expected = function(in_full(a, shape), in_full(b, shape), **more)
    got = function(a, b, **more)
    assert got.dtype == expected.dtype and got.shape == shape
    assert torch.equal(got, expected)
    out = torch.empty(shape, dtype=expected.dtype)
    assert function(a, b, out=out, **more) is out and torch.equal(out, expected)


@pytest.mark.parametrize("function", ARITHMETIC + ORDERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_held_operands_give_the_same_bits(function, dtype):
    torch.manual_seed(0)
    for left, right in PAIRS:
        a, b = values(left, dtype), values(right, dtype)
        check(function, a, b)
        wide = values((*right[:-1], right[-1] + 3), dtype)
        check(function, a, wide[..., 1 : right[-1] + 1])  # with gaps


@pytest.mark.parametrize("function", ARITHMETIC + ORDERS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("count", [1, 5, 64, 1025, 70_000])
def test_numbers_are_held(function, dtype, count):
    x = values((count,), dtype)
    full = torch.full_like(x, 3)
    assert torch.equal(function(x, 3), function(x, full))
    if function is torch.sub:  # a number on the left
        assert torch.equal(3 - x, full - x)


@pytest.mark.parametrize("function", [torch.add, torch.sub], ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_a_held_operand_is_scaled_with_the_same_rounding(function, dtype):
    for left, right in PAIRS:
        check(function, values(left, dtype), values(right, dtype), alpha=0.3)


def test_threads_may_begin_within_a_row():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        for shape in ((3, 70_001), (401, 501), (7, 301, 101)):
            a = torch.rand(shape)
            for other in (shape[-1:], (shape[-2], 1)):
                check(torch.sub, a, torch.rand(other))
            sliced = torch.rand(*shape[:-1], shape[-1] + 3)[..., :-3]
            assert torch.equal(sliced.relu(), sliced.contiguous().relu())
    finally:
        torch.set_num_threads(before)


def test_both_operands_held():
    a, b = torch.rand(3, 1).expand(3, 100), torch.rand(3, 1).expand(3, 100)
    assert torch.equal(a + b, a.contiguous() + b.contiguous())


@pytest.mark.parametrize("dtype", [torch.float32, torch.int64], ids=str)
def test_out_is_written_where_it_lies(dtype):
    a, b = values((4, 70), dtype), values((4, 70), dtype)
    for out in (
        torch.zeros(4, 70, dtype=dtype),
        torch.zeros(70, 4, dtype=dtype).t(),
        torch.zeros(4, 90, dtype=dtype)[:, 7:77],
    ):
        at, layout, version = out.data_ptr(), out.stride(), out._version
        assert torch.add(a, b, out=out) is out
        assert (out.data_ptr(), out.stride()) == (at, layout) and out._version > version
        assert torch.equal(out, a + b)
    assert torch.add(a, b, out=a) is a  # an operand itself


def test_out_over_parts_of_its_operands():
    x = torch.arange(12.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.add(x[:8], 1, out=x[4:])
    assert torch.equal(x, torch.arange(12.0))
    torch.mul(x[:6], 2, out=x[6:])  # side by side
    assert x.tolist() == [0, 1, 2, 3, 4, 5, 0, 2, 4, 6, 8, 10]
    x[6:].sub_(x[:6])
    assert x.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    square = torch.arange(9.0).reshape(3, 3)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.add(square, square.t(), out=square)


def test_out_of_another_dtype_or_shape():
    half = torch.tensor([1.0, 3.0], dtype=torch.bfloat16)
    out = torch.empty(2)
    torch.div(half, 3, out=out)  # rounded to bfloat16 before it is widened
    assert torch.equal(out, (half / 3).float())
    with pytest.warns(UserWarning, match="was resized"):
        torch.add(torch.ones(3), 1, out=out)
    assert out.tolist() == [2, 2, 2]
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.add(out, 1, out=torch.empty(3, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.add(out, 1, out=torch.empty(1).expand(3))
