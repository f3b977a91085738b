"""torch.overrides.TorchFunctionMode: a mode sees every public call made while it is entered."""

import pytest

import rushlight as torch
import rushlight.nn.functional as F
from rushlight.overrides import BaseTorchFunctionMode, TorchFunctionMode, resolve_name


class Log(TorchFunctionMode):
    def __init__(self):
        self.seen = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.seen.append((resolve_name(func), len(args), sorted(kwargs or {})))
        return func(*args, **(kwargs or {}))


class Replace(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        return (torch.sub if func is torch.add else func)(*args, **(kwargs or {}))


class Twice(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        return result * 2 if func is torch.add else result


def test_a_composite_is_seen_once_and_by_its_public_name():
    x = torch.ones(2)
    with Log() as log:
        x + 1
        F.hinge_embedding_loss(x, x)
        F.softmax(x, dim=0)
        x.add_(1)
        torch.einsum("i,i", x, x)
    assert log.seen == [
        ("torch.add", 2, []),
        ("torch.nn.functional.hinge_embedding_loss", 2, []),
        ("torch.nn.functional.softmax", 1, ["dim"]),
        ("torch.Tensor.add_", 2, []),
        ("torch.einsum", 3, []),
    ]


def test_calls_can_be_replaced_and_modes_nest():
    x = torch.ones(2)
    with Replace():
        assert torch.equal(x + 3, x - 3)
        with Twice():
            assert torch.equal(torch.add(x, 3), (x - 3) * 2)
    with Twice(), Replace():
        assert torch.equal(torch.add(x, 3), x - 3)
    with BaseTorchFunctionMode():
        assert torch.equal(x + 3, torch.full((2,), 4.0))


def test_gradients_pass_through_a_mode():
    x = torch.ones(3, requires_grad=True)
    with Log():
        (x * x).sum().backward()
    assert torch.equal(x.grad, torch.full((3,), 2.0))


def test_an_error_leaves_the_mode():
    class Refuse(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            raise ValueError("refused")

    x = torch.ones(2)
    with pytest.raises(ValueError, match="refused"), Refuse():
        torch.add(x, 1)
    assert torch.equal(x + 1, torch.full((2,), 2.0))
    with pytest.raises(NotImplementedError), TorchFunctionMode():
        torch.add(x, 1)


def test_a_subclass_is_asked_about_its_indexing():
    asked = []

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            asked.append(func)
            return super().__torch_function__(func, types, args, kwargs or {})

    class Further(Watched):
        def __getitem__(self, index):
            return super().__getitem__(index)

    x = torch.arange(6.0).reshape(2, 3).as_subclass(Watched)
    for index in (0, (slice(None), None), ..., torch.tensor([1, 0]), (1, 2), None):
        asked.clear()
        part = x[index]
        assert asked == [torch.Tensor.__getitem__] and type(part) is Watched
        assert torch.equal(part.as_subclass(torch.Tensor), x.as_subclass(torch.Tensor)[index])
    asked.clear()
    x[0, 1] = 7.0
    assert asked == [torch.Tensor.__setitem__] and x.tolist()[0] == [0.0, 7.0, 2.0]
    asked.clear()
    with torch._C.DisableTorchFunctionSubclass():
        assert x[0, 1].tolist() == 7.0 and not asked
    y = x.as_subclass(Further)
    asked.clear()
    assert type(y[0]) is Further and asked == [torch.Tensor.__getitem__]
    with pytest.raises(IndexError):
        x[5]
    weight = torch.nn.Parameter(torch.ones(2))
    assert type(weight[0]) is torch.Tensor
