"""Operators as objects: attributes of classes, methods of Tensor, annotations."""

from __future__ import annotations

import pickle
import typing

import pytest

import rushlight as torch
from rushlight import Tensor
from rushlight.nn import functional as F


class Layer(torch.nn.Module):
    convolve = torch.conv2d
    activate = torch.relu
    add = torch.add
    normalize = F.layer_norm
    gelu = F.gelu
    total = torch.max  # written in Python

    def forward(self, x, w):
        return self.activate(self.convolve(x, w))


class Plain:
    exp = torch.exp


def test_operators_of_a_class_are_no_methods():
    x, w = torch.randn(1, 2, 5, 5), torch.randn(3, 2, 3, 3)
    layer = Layer()
    assert torch.equal(layer(x, w), torch.conv2d(x, w).relu())
    assert torch.equal(layer.add(x, 1), x + 1)
    assert torch.equal(layer.normalize(x, (5,)), F.layer_norm(x, (5,)))
    assert torch.equal(layer.gelu(x), F.gelu(x))
    assert layer.total(x) == x.max()
    assert torch.equal(Plain().exp(x), x.exp()) and torch.equal(Plain.exp(x), x.exp())


def test_methods_bind_the_tensor():
    x = torch.tensor([-1.0, 2.0])
    bound = x.add
    assert bound.__self__ is x and bound(1).tolist() == [0.0, 3.0]
    assert Tensor.add(x, 1).tolist() == [0.0, 3.0]
    assert [m(x).tolist() for m in (Tensor.relu, Tensor.abs)] == [[0.0, 2.0], [1.0, 2.0]]


def test_a_function_given_to_tensors_is_a_method(monkeypatch):
    monkeypatch.setattr(Tensor, "positive_part", torch.relu, raising=False)
    monkeypatch.setattr(Tensor, "scaled", F.normalize, raising=False)
    x = torch.tensor([[-3.0, 4.0]])
    assert x.positive_part().tolist() == [[0.0, 4.0]]
    assert torch.equal(x.scaled(), F.normalize(x))


@pytest.mark.parametrize("name", ["add", "relu", "max", "split", "exp"])
def test_a_method_is_equal_to_its_function(name):
    method, function = getattr(Tensor, name), getattr(torch, name)
    assert method is not function and method == function and hash(method) == hash(function)
    assert {function: 1}[method] == 1 and method != torch.mul
    assert method.__doc__ == function.__doc__ and method.__name__ == function.__name__
    assert pickle.loads(pickle.dumps(method)) == function


def test_subclasses_see_which_of_the_two_was_called():
    seen = []

    class Watching(Tensor):
        @classmethod
        def __torch_function__(cls, function, types, args=(), kwargs=None):
            seen.append(function)
            return super().__torch_function__(function, types, args, kwargs or {})

    x = torch.ones(2).as_subclass(Watching)
    x.add(1)
    torch.add(x, 1)
    x + 1
    x.add_(1)
    x += 1
    wanted = [Tensor.add, torch.add, Tensor.add, Tensor.add_, Tensor.add_]
    assert [a is b for a, b in zip(seen, wanted, strict=True)] == [True] * 5
    assert x.tolist() == [3.0, 3.0]


@pytest.mark.parametrize("function", [torch.autograd.backward, torch.autograd.grad])
def test_annotations_of_backward_resolve(function):
    hints = typing.get_type_hints(function)
    assert hints["create_graph"] is bool and Tensor in typing.get_args(hints["inputs"])
