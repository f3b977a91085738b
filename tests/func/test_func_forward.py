"""Forward mode: dual tensors, their views and in-place writes, every shape of operator."""

from __future__ import annotations

import pytest

import rushlight as torch
import rushlight.nn.functional as F  # noqa: N812
from rushlight.autograd import forward_ad
from rushlight.func import jvp
from rushlight.testing import assert_close

X = torch.tensor([1.5, -0.3, -2.2])
V = torch.tensor([0.6, -1.1, -1.4])


@pytest.fixture(autouse=True)
def level():
    with forward_ad.dual_level():
        yield


def dual(x=X, v=V):
    return forward_ad.make_dual(x.clone(), v.clone())


def tangent(x):
    return forward_ad.unpack_dual(x).tangent


def test_what_a_dual_tensor_holds():
    direction = V.clone()
    made = forward_ad.make_dual(X, direction)
    assert tangent(made) is direction
    primal = forward_ad.unpack_dual(made).primal
    assert primal is not X and primal._is_view() and tangent(primal) is None
    assert tangent(made.detach()) is None and tangent(made.data) is None
    assert "tangent=tensor([ 0.6" in repr(made)
    with torch.no_grad():
        assert_close(tangent(made * made), 2 * X * V)
    transposed = forward_ad.make_dual(torch.ones(2, 3), torch.ones(3, 2).t())
    assert tangent(transposed).is_contiguous()


def test_in_place_writes_reach_the_tangent():
    direction = V.clone()
    made = forward_ad.make_dual(X.clone(), direction)
    made.mul_(2)
    assert_close(direction, 2 * V)  # the tangent is the one that was given, as in PyTorch
    made.zero_()
    assert_close(tangent(made), 0 * V)
    made.copy_(dual())
    assert_close(tangent(made), V)
    made.fill_(1.0)
    assert_close(tangent(made), 0 * V)


def test_results_have_tangents_of_their_own():
    made = dual()
    for result in (made + 1, made.clone(), made.to(torch.float64), torch.cat([made]), made.relu()):
        result.mul_(5)
        result.add_(made)
    assert_close(tangent(made), V)


def test_writes_through_views():
    made = dual()
    made[0].mul_(3)
    assert_close(tangent(made), V * torch.tensor([3.0, 1, 1]))
    blank = torch.zeros(3)
    blank[1:] = dual()[1:]
    blank[0].copy_(dual()[2])
    assert_close(tangent(blank), V[[2, 1, 2]])
    square = dual(X.outer(X), V.outer(V))
    square.t().diagonal().mul_(0)
    square.view(9)[1:2].add_(square[2, 2:])
    expected = V.outer(V)
    expected.diagonal().mul_(0)
    assert_close(tangent(square), expected)
    square.as_strided((2,), (1,), 3).mul_(10)
    expected.view(9)[3:5].mul_(10)
    assert_close(tangent(square), expected)
    square.unsqueeze_(0)
    assert_close(tangent(square), expected[None])


def test_a_write_is_seen_by_what_was_saved_before_it():
    def f(x):
        y = x.clone()
        y.mul_(x)
        y[1:].mul_(x[:-1])
        return y

    with_grad = X.clone().requires_grad_()
    made = forward_ad.make_dual(with_grad, V)
    (slope,) = torch.autograd.grad(f(made).sum(), made, create_graph=True)
    step = 1e-3
    above, below = (
        torch.autograd.functional.jacobian(lambda x: f(x).sum(), (X + s * V).double())
        for s in (step, -step)
    )
    assert_close(tangent(slope), ((above - below) / (2 * step)).float(), rtol=1e-3, atol=1e-3)


OPERATORS = {
    "softmax": lambda x: x.softmax(0),
    "where": lambda x: torch.where(X > 0, x, X),
    "division": lambda x: X / x + x / X,
    "einsum": lambda x: torch.einsum("i,j->ij", x, x),
    "norm": lambda x: x.norm() * x.std(),
    "fft": lambda x: torch.fft.fft(x),
    "complex": lambda x: (torch.complex(x, X) ** 2).abs(),
    "sort": lambda x: x.sort()[0].cumsum(0),
    "stack": lambda x: torch.stack([x, X, 2 * x]).prod(0),
    "index": lambda x: x[[0, 0, 2]] * x[torch.tensor([True, False, True])].sum(),
    "linear": lambda x: F.linear(x, X.outer(X), x),
    "entropy": lambda x: F.cross_entropy(x[None], torch.tensor([1])),
    "layer norm": lambda x: F.layer_norm(x, (3,), X, x),
    "matrix": lambda x: torch.linalg.inv(x.outer(x) + torch.eye(3)).trace(),
    "power": lambda x: x.abs() ** x * 2**x,
    "clamp": lambda x: x.clamp(-1, 1) + x.clamp(min=0.0),
    "convolution": lambda x: F.conv1d(x.view(1, 1, 3), x.view(1, 1, 3)[..., :2]),
    "scatter": lambda x: torch.zeros(4).scatter_add(0, torch.tensor([1, 1, 3]), x),
    "lerp": lambda x: torch.lerp(x, X, 0.3).addcmul(x, x, value=2.0),
    "strides": lambda x: x.unfold(0, 2, 1).as_strided((2, 2), (1, 1)) @ x[:2],
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_against_differences(name):
    f = OPERATORS[name]
    got = tangent(f(dual()))
    step = 1e-3
    expected = (f(X + step * V) - f(X - step * V)) / (2 * step)
    assert_close(got, expected, rtol=2e-3, atol=2e-3)


def test_answers_that_do_not_move():
    made = dual()
    for result in (made > 0, made.argmax(), made.long(), made.isnan(), made.shape):
        if isinstance(result, torch.Tensor):
            assert tangent(result) is None


def test_random_operators_draw_once():
    torch.manual_seed(1)
    dropped = F.dropout(dual(torch.ones(100), torch.full((100,), 3.0)), 0.5)
    assert_close(tangent(dropped), 3 * forward_ad.unpack_dual(dropped).primal)
    weights = torch.ones(100, requires_grad=True)
    dropped = F.dropout(forward_ad.make_dual(weights, torch.full((100,), 3.0)), 0.5)
    assert_close(tangent(dropped), 3 * dropped.detach())


def test_levels_of_jvp_stand_inside():
    made = dual()
    value, inner = jvp(lambda x: x * made, (X,), (X,))
    assert_close((tangent(value), tangent(inner)), (X * V, X * V))


def test_refusals():
    made = dual()
    for call, error, words in (
        (lambda: forward_ad.make_dual(X, V[:2]), RuntimeError, "different size"),
        (lambda: forward_ad.make_dual(X.long(), V), ValueError, "Expected primal to be floating"),
        (lambda: forward_ad.make_dual(X, V.long()), ValueError, "Expected tangent to be floating"),
        (lambda: forward_ad.make_dual(made, V), RuntimeError, "already has a forward gradient"),
        (lambda: forward_ad.enter_dual_level(), RuntimeError, "Nested forward mode AD"),
        (lambda: torch.sin(made, out=torch.zeros(3)), RuntimeError, "out=... arguments"),
        (lambda: forward_ad.unpack_dual(3), TypeError, "must be Tensor, not int"),
    ):
        with pytest.raises(error, match=words):
            call()
