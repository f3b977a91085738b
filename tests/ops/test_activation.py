"""Activations: their gradients twice, in-place forms, edges, and what they refuse."""

from __future__ import annotations

import math

import numpy as np
import pytest
from parity import check, oracle, pair, same

import rushlight as torch

NAN, INF = math.nan, math.inf

CALLS = {
    "relu": (), "relu6": (), "leaky_relu": (0.2,), "elu": (1.3,), "selu": (), "celu": (0.7,),
    "gelu": (), "silu": (), "mish": (), "hardswish": (), "hardsigmoid": (), "hardtanh": (-0.8, 0.9),
    "softplus": (2.0, 3.0), "softsign": (), "softshrink": (0.3,), "hardshrink": (0.3,),
    "tanhshrink": (), "logsigmoid": (), "threshold": (0.1, 2.0), "sigmoid": (), "tanh": (),
}  # fmt: skip


def call(m, name, x, *args, **kwargs):
    return getattr(m.nn.functional, name)(x, *args, **kwargs)


@pytest.mark.parametrize("name,args", CALLS.items())
def test_values_and_two_derivatives(name, args):
    x = np.random.default_rng(7).uniform(-4, 4, 40)
    if name == "hardsigmoid":  # PyTorch has no second derivative of it
        (a, b) = pair(x, grad=True)
        call(oracle, name, a).pow(3).sum().backward()
        call(torch, name, b).pow(3).sum().backward()
        same(a.grad, b.grad, rtol=1e-7)
        assert torch.autograd.gradgradcheck(torch.nn.functional.hardsigmoid, b)
        return
    check(lambda m, t: call(m, name, t, *args), x, grad=True, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name,args", CALLS.items())
@pytest.mark.parametrize("dtype", ("float32", "bfloat16", "float16"))
def test_edges(name, args, dtype):
    x, u = pair([0.0, -0.0, 3.0, -3.0, 6.0, 30.0, -30.0, 200.0, -200.0, NAN], dtype)
    tolerance = {"rtol": 2e-6, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-2, "atol": 1e-3}
    same(call(oracle, name, x, *args), call(torch, name, u, *args), **tolerance)


def test_gelu_by_tanh():
    x = np.random.default_rng(8).uniform(-4, 4, 40)
    check(lambda m, t: call(m, "gelu", t, approximate="tanh"), x, grad=True, rtol=1e-9)
    with pytest.raises(RuntimeError, match="approximate"):
        torch.nn.functional.gelu(torch.ones(1), approximate="erf")


def test_gelu_is_exact_to_rounding():
    x = torch.linspace(-8, 8, 100_001)
    exact = torch.nn.functional.gelu(x.double())
    assert (torch.nn.functional.gelu(x) - exact).abs().max() < 5e-7


INPLACE = ("relu", "leaky_relu", "elu", "selu", "celu", "silu", "mish", "hardswish", "hardsigmoid",
           "hardtanh", "relu6")  # fmt: skip


@pytest.mark.parametrize("name", INPLACE)
def test_in_place(name):
    x = torch.randn(50)
    expected = call(torch, name, x)
    version = x._version
    assert call(torch, name, x, inplace=True) is x
    assert torch.equal(x, expected) and x._version > version
    leaf = torch.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError):
        call(torch, name, leaf, inplace=True)


@pytest.mark.parametrize(
    "shape,weights", (((4, 3), 3), ((4, 3, 5), 3), ((7,), 1), ((2, 3, 4, 4), 1))
)
def test_prelu(shape, weights):
    rng = np.random.default_rng(9)
    check(
        lambda m, x, w: call(m, "prelu", x, w),
        rng.normal(size=shape),
        rng.uniform(size=weights),
        grad=True,
        rtol=1e-9,
    )
    with pytest.raises(RuntimeError, match="channel"):
        torch.nn.functional.prelu(torch.ones(2, 3), torch.ones(2))


def test_glu():
    x = np.random.default_rng(10).normal(size=(4, 6))
    check(lambda m, t: call(m, "glu", t), x, grad=True, rtol=1e-9)
    check(lambda m, t: call(m, "glu", t, 0), x, grad=True, rtol=1e-9)
    with pytest.raises(RuntimeError, match="even"):
        torch.nn.functional.glu(torch.ones(3))


NODES = {"relu": "Relu", "relu6": "Hardtanh", "selu": "Elu", "gelu": "Gelu", "silu": "Silu",
         "glu": "Glu", "softplus": "Softplus", "logsigmoid": "LogSigmoid", "mish": "Mish",
         "leaky_relu": "LeakyRelu", "hardswish": "Hardswish", "celu": "Celu"}  # fmt: skip


@pytest.mark.parametrize("name,node", NODES.items())
def test_names_of_nodes(name, node):
    x = torch.randn(4, requires_grad=True)
    assert type(call(torch, name, x).grad_fn).__name__ == node + "Backward0"


def test_refusals():
    functional = torch.nn.functional
    with pytest.raises(RuntimeError):
        functional.softshrink(torch.ones(1), -1)
    with pytest.raises(ValueError):
        functional.hardtanh(torch.ones(1), 1, -1)
    with pytest.raises(RuntimeError):
        torch.celu(torch.ones(1), 0.0)
