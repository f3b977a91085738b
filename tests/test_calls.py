"""How functions may be called: other spellings, old orders, and classes that answer themselves."""

from __future__ import annotations

import copy
import inspect
import pickle

import numpy as np
import pytest

import rushlight as torch
from rushlight import Tensor
from rushlight.nn import functional as F


def grid():
    return torch.arange(12.0).reshape(3, 4)


@pytest.mark.parametrize(
    "call, usual",
    [
        (lambda: torch.sum(grid(), axis=1, keepdims=True), lambda: grid().sum(1, True)),
        (lambda: torch.sort(grid(), axis=0).values, lambda: grid().sort(0).values),
        (lambda: torch.topk(grid(), 2, axis=0).indices, lambda: grid().topk(2, 0).indices),
        (lambda: torch.linalg.norm(grid(), axis=1), lambda: torch.linalg.norm(grid(), dim=1)),
        (lambda: torch.linalg.norm(input=grid()), lambda: torch.linalg.norm(grid())),
        (lambda: torch.quantile(grid(), 0.5, axis=0), lambda: grid().quantile(0.5, 0)),
        (lambda: torch.add(x1=grid(), x2=grid()), lambda: grid() + grid()),
        (lambda: torch.sum(a=grid()), lambda: grid().sum()),
        (lambda: torch.det(input=torch.eye(2)), lambda: torch.tensor(1.0)),
        (lambda: grid().swapaxes(axis0=0, axis1=1), lambda: grid().t()),
        (lambda: torch.tensor_split(grid(), sections=2)[1], lambda: grid()[2:]),
        (lambda: torch.hsplit(grid(), indices=(1,))[0], lambda: grid()[:, :1]),
        (lambda: grid().view(dtype=torch.int32), lambda: grid().view(torch.int32)),
        (lambda: grid().tile(dims=(2,)), lambda: grid().repeat(1, 2)),
        (lambda: grid().uniform_(**{"from": 3, "to": 3.0}), lambda: torch.full((3, 4), 3.0)),
    ],
)
def test_arguments_go_by_other_names_too(call, usual):
    assert torch.equal(call(), usual())


def test_an_unknown_name_is_refused():
    for call in (lambda: torch.sort(grid(), way=1), lambda: torch.mul(grid(), 2, way=1)):
        with pytest.raises(TypeError, match="way"):
            call()


@pytest.mark.parametrize(
    "call, usual",
    [
        (lambda x: x.clone().add_(2, x), lambda x: x + 2 * x),
        (lambda x: torch.sub(x, 3, x), lambda x: x - 3 * x),
        (lambda x: x.clone().addcmul_(0.5, x, x), lambda x: x + 0.5 * x * x),
        (lambda x: torch.addcdiv(x, 0.5, x, x), lambda x: x + 0.5),
        (lambda x: torch.addmm(2, x, 3, x, x), lambda x: 2 * x + 3 * (x @ x)),
        (lambda x: torch.addmm(2, x, x, x), lambda x: 2 * x + x @ x),
        (lambda x: x.addmm(2, 3, x, x), lambda x: 2 * x + 3 * (x @ x)),
        (lambda x: x[0].clone().addmv_(2, x, x[1]), lambda x: 2 * x[0] + x @ x[1]),
    ],
)
def test_the_number_may_come_first_as_in_old_programs(call, usual):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.warns(UserWarning, match="deprecated"):
        assert torch.equal(call(x), usual(x))


def test_too_many_arguments_are_still_refused():
    with pytest.raises(TypeError, match="positional"):
        torch.mul(grid(), 1, 2)
    with pytest.raises(TypeError, match="positional"):
        torch.add(grid(), 1, 2, 3)


class Noting(Tensor):
    """Notes what was called and lets it happen."""

    seen: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.seen.append(func)
        return super().__torch_function__(func, types, args, kwargs)


def test_a_subclass_sees_the_function_that_was_called_and_not_its_parts():
    x = grid().as_subclass(Noting)
    for function, args in ((torch.sort, (x,)), (torch.std_mean, (x,)), (torch.mul, (x, 2))):
        Noting.seen.clear()
        result = function(*args)
        assert Noting.seen == [function]
        first = result[0] if isinstance(result, tuple) else result
        assert type(first) is Noting


class Answer:
    """No tensor, but it answers for the functions that it knows."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func in (torch.add, torch.sort, torch.stack):
            return func.__name__, types
        return NotImplemented


def test_any_class_may_answer():
    assert torch.add(torch.ones(2), Answer()) == ("add", (Answer,))
    assert torch.sort(Answer(), dim=0) == ("sort", (Answer,))
    assert torch.stack([torch.ones(2), Answer()]) == ("stack", (Answer,))
    with pytest.raises(TypeError, match="no implementation found for 'torch.mul'.*Answer"):
        torch.mul(torch.ones(2), Answer())


def test_functions_are_pickled_by_name_and_copied_as_themselves():
    for function in (torch.sort, torch.linalg.norm, Tensor.sort, torch.mul, F.pad):
        assert pickle.loads(pickle.dumps(function)) is function
        assert copy.deepcopy(function) is function


def test_functions_show_their_names_and_parameters():
    assert torch.sort.__name__ == "sort" and torch.sort.__doc__
    assert list(inspect.signature(torch.sort).parameters)[:2] == ["input", "dim"]
    assert repr(torch.sort) == "<built-in method sort of rushlight>"


def test_arithmetic_of_numbers_alone():
    for made, value, dtype in (
        (torch.add(7, 2, alpha=3), 13, torch.int64),
        (torch.sub(7.5, 2), 5.5, torch.float32),
        (torch.mul(7, 2.5), 17.5, torch.float32),
        (torch.mul(True, 2), 2, torch.int64),
        (torch.div(7, 2), 3.5, torch.float32),
        (torch.div(-7, 2, rounding_mode="trunc"), -3, torch.int64),
        (torch.div(-7, 2, rounding_mode="floor"), -4, torch.int64),
        (torch.true_divide(True, 2), 0.5, torch.float32),
        (torch.floor_divide(7, 2.5), 2.0, torch.float32),
        (torch.add(1 + 1j, 2), 3 + 1j, torch.complex64),
    ):
        assert made.item() == value and made.dtype is dtype and made.shape == ()
    for other in (torch.remainder, torch.pow, torch.maximum, torch.eq, torch.atan2):
        with pytest.raises(TypeError):
            other(7, 2)


def test_topk_of_equal_values_names_what_pytorch_names():
    alike = torch.full((2, 8), 0.5)
    for largest in (True, False):
        assert alike.topk(6, largest=largest).indices.tolist() == [[4, 7, 6, 5, 2, 1]] * 2
    assert torch.zeros(8).topk(8, sorted=False).indices.tolist() == [4, 7, 6, 5, 2, 1, 0, 3]
    mixed = torch.tensor([3, 1, 2, 5, 4, 9, 0, 7])
    assert mixed.topk(3, sorted=False).values.tolist() == [7, 9, 5]
    assert mixed.topk(3).values.tolist() == [9, 7, 5]


def test_the_old_name_of_the_contiguous_format():
    assert torch.legacy_contiguous_format is torch.contiguous_format


@pytest.mark.parametrize(
    "number", [np.int64, np.int32, torch.tensor], ids=["int64", "int32", "0-d"]
)
@pytest.mark.parametrize(
    "call",
    [
        lambda n: torch.zeros(16).view(n, -1),
        lambda n: torch.zeros(16).reshape(n, 2, -1),
        lambda n: torch.zeros(2).expand(n, 2),
        lambda n: torch.zeros(2).repeat(n, n),
        lambda n: grid().tile(n),
        lambda n: torch.zeros(9).resize_(n),
        lambda n: F.avg_pool1d(torch.zeros(1, 1, 16), n),
        lambda n: F.max_pool1d(torch.zeros(1, 1, 16), n, n),
        lambda n: F.adaptive_avg_pool1d(torch.zeros(1, 1, 16), n),
        lambda n: F.adaptive_max_pool2d(torch.zeros(1, 1, 8, 8), n),
        lambda n: grid().repeat_interleave(n),
        lambda n: torch.zeros(1, 2, 3, 4, 5).movedim(n, 0),
        lambda n: torch.hann_window(n, False),
        lambda n: torch.kaiser_window(n),
        lambda n: torch.fft.rfft(grid(), n),
        lambda n: torch.zeros(1, 16, 4).permute(0, 2, 1).unflatten(1, (n, -1)),
    ],
)
def test_whole_numbers_of_any_kind_are_sizes_and_dims(call, number):
    usual, got = call(4), call(number(4))
    assert got.shape == usual.shape and got.dtype is usual.dtype


def test_truth_values_are_no_window_lengths():
    with pytest.raises(TypeError, match="'window_length' must be int, not bool"):
        torch.hann_window(True)
    with pytest.raises(TypeError, match="'repeats' must be int, not float64"):
        grid().repeat_interleave(np.float64(2))


def test_powers_with_numbers_of_numpy_are_tensors():
    x = torch.tensor([1.0, 2.0, 3.0])
    for two in (np.int64(2), np.float32(2), np.float64(2)):
        for got, wanted in ((x**two, [1.0, 4.0, 9.0]), (two**x, [2.0, 4.0, 8.0])):
            assert type(got) is Tensor and got.dtype is torch.float32
            assert got.tolist() == wanted
    assert x.lerp(x + 2, np.float32(0.5)).tolist() == [2.0, 3.0, 4.0]
    assert torch.gradient(x, spacing=np.float32(2))[0].tolist() == [0.5, 0.5, 0.5]


def test_keywords_need_not_be_the_strings_of_the_source():
    given = {"".join(("dev", "ice")): "meta", "".join(("dty", "pe")): torch.float64}
    for make in (torch.empty, torch.zeros, torch.arange, torch.rand):
        made = make(3, **given)
        assert made.is_meta and made.dtype is torch.float64
