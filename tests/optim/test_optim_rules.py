"""Optimizers against update rules written out by hand, and the kernels' corner cases."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.optim import SGD, Adagrad, Adam, AdamW, RMSprop

GRADIENTS = np.random.default_rng(7).standard_normal((6, 5))
START = np.random.default_rng(8).standard_normal(5)


def run(make, start=START, gradients=GRADIENTS, shape=None, between=lambda optimizer: None):
    """Where an optimizer leads from `start` along given gradients."""
    p = torch.nn.Parameter(torch.tensor(start.reshape(shape or start.shape)))
    optimizer = make([p])
    for g in gradients:
        p.grad = torch.tensor(g.reshape(p.shape))
        optimizer.step()
        between(optimizer)
    return p.detach().numpy().reshape(start.shape)


def check(make, rule):
    """Compare with `rule(p, g, t)`, which updates a dictionary of arrays in place."""
    memory = {"p": START.copy(), "v": np.zeros(5), "m": np.zeros(5)}
    for t, g in enumerate(GRADIENTS, 1):
        rule(memory, g, t)
    np.testing.assert_allclose(run(make), memory["p"], rtol=1e-13)


def test_sgd_without_momentum_is_the_plain_rule_bit_for_bit():
    expected = START.copy()
    for g in GRADIENTS:
        expected -= 0.25 * g
    assert (run(lambda ps: SGD(ps, lr=0.25)) == expected).all()


def test_sgd_with_momentum_and_decay():
    def rule(x, g, t):
        g = g + 0.1 * x["p"]
        x["v"] = g if t == 1 else 0.9 * x["v"] + (1 - 0.2) * g
        x["p"] -= 0.3 * x["v"]

    check(lambda ps: SGD(ps, lr=0.3, momentum=0.9, dampening=0.2, weight_decay=0.1), rule)


def test_nesterov_momentum():
    def rule(x, g, t):
        x["v"] = g if t == 1 else 0.9 * x["v"] + g
        x["p"] -= 0.3 * (g + 0.9 * x["v"])

    check(lambda ps: SGD(ps, lr=0.3, momentum=0.9, nesterov=True), rule)


def test_adam():
    def rule(x, g, t):
        x["m"] = 0.8 * x["m"] + 0.2 * g
        x["v"] = 0.9 * x["v"] + 0.1 * g**2
        x["p"] -= 0.1 * (x["m"] / (1 - 0.8**t)) / (np.sqrt(x["v"] / (1 - 0.9**t)) + 1e-4)

    check(lambda ps: Adam(ps, lr=0.1, betas=(0.8, 0.9), eps=1e-4), rule)


def test_adamw_shrinks_the_parameters_first():
    def rule(x, g, t):
        x["p"] *= 1 - 0.1 * 0.5
        x["m"] = 0.9 * x["m"] + 0.1 * g
        x["v"] = 0.999 * x["v"] + 0.001 * g**2
        x["p"] -= 0.1 * (x["m"] / (1 - 0.9**t)) / (np.sqrt(x["v"] / (1 - 0.999**t)) + 1e-8)

    check(lambda ps: AdamW(ps, lr=0.1, weight_decay=0.5), rule)


def test_rmsprop_centered_with_momentum():
    memory = {"velocity": np.zeros(5)}

    def rule(x, g, t):
        x["v"] = 0.9 * x["v"] + 0.1 * g**2
        x["m"] = 0.9 * x["m"] + 0.1 * g
        scaled = g / (np.sqrt(x["v"] - x["m"] ** 2) + 1e-2)
        memory["velocity"] = 0.5 * memory["velocity"] + scaled
        x["p"] -= 0.1 * memory["velocity"]

    check(lambda ps: RMSprop(ps, 0.1, alpha=0.9, eps=1e-2, momentum=0.5, centered=True), rule)


def test_adagrad_with_decaying_rate():
    def rule(x, g, t):
        x["v"] += g**2
        x["p"] -= 0.1 / (1 + (t - 1) * 0.3) * g / (np.sqrt(x["v"]) + 1e-10)

    check(lambda ps: Adagrad(ps, lr=0.1, lr_decay=0.3), rule)


FUSED = {
    "sgd": lambda ps, **k: SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.1, **k),
    "adam": lambda ps, **k: Adam(ps, lr=0.1, amsgrad=True, **k),
    "rmsprop": lambda ps, **k: RMSprop(ps, lr=0.1, centered=True, momentum=0.9, **k),
    "adagrad": lambda ps, **k: Adagrad(ps, lr=0.1, **k),
}


@pytest.fixture(params=FUSED)
def make(request):
    return FUSED[request.param]


def test_the_kernel_and_the_tensor_rule_agree(make):
    def without_kernel(ps):
        optimizer = make(ps)
        optimizer._kernel = None
        return optimizer

    np.testing.assert_allclose(run(make), run(without_kernel), rtol=1e-13)


def test_parameters_of_any_layout_step_alike(make):
    expected = run(make, np.arange(6.0), GRADIENTS[:, :1].repeat(6, 1))
    p = torch.nn.Parameter(torch.arange(6.0, dtype=torch.float64).reshape(2, 3).t())
    holes = torch.nn.Parameter(torch.arange(12.0, dtype=torch.float64)[::2] / 2)
    mixed = torch.nn.Parameter(torch.arange(6.0, dtype=torch.float64).reshape(2, 3))
    optimizer = make([p, holes, mixed])
    for g in GRADIENTS[:, 0]:
        p.grad = torch.full_like(p, g)
        holes.grad = torch.full((6,), g, dtype=torch.float64)
        mixed.grad = torch.full((3, 2), g, dtype=torch.float64).t()
        optimizer.step()
    for result in (p.t(), holes, mixed):
        np.testing.assert_allclose(result.detach().numpy().ravel(), expected, rtol=1e-13)


def test_a_large_group_in_threads_steps_like_a_small_one(make):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        sizes = [70000, 3, 40001, 1]
        parameters = [torch.nn.Parameter(torch.linspace(-1, 1, n)) for n in sizes]
        optimizer = make(parameters)
        for _ in range(3):
            for p in parameters:
                p.grad = (p.detach() * 3).sin()
            optimizer.step()
    finally:
        torch.set_num_threads(before)
    for p, n in zip(parameters, sizes, strict=True):
        alone = torch.nn.Parameter(torch.linspace(-1, 1, n))
        optimizer = make([alone])
        for _ in range(3):
            alone.grad = (alone.detach() * 3).sin()
            optimizer.step()
        assert torch.equal(p, alone)


def test_a_parameter_listed_twice_is_updated_twice():
    p = torch.nn.Parameter(torch.zeros(50000))
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optimizer = SGD([p, p], lr=1.0)
    p.grad = torch.ones(50000)
    optimizer.step()
    assert (p == -2).all()


def test_steps_count_as_writes():
    """What was saved for backward and then stepped over must be noticed."""
    p = torch.nn.Parameter(torch.ones(3))
    loss = (p * p).sum()
    p.grad = torch.ones(3)
    SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_frozen_and_unused_parameters_stay():
    frozen = torch.nn.Parameter(torch.ones(3), requires_grad=False)
    unused, used = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(3))
    optimizer = Adam([frozen, unused, used])
    used.grad = torch.ones(3)
    optimizer.step()
    assert (frozen == 1).all() and (unused == 1).all() and (used != 1).all()
    assert list(optimizer.state_dict()["state"]) == [2]


def test_learning_rate_may_be_a_tensor_and_change(make):
    def set_rate(optimizer):
        optimizer.param_groups[0]["lr"] = 0.02

    def tensor_rate(ps):
        optimizer = make(ps)
        optimizer.param_groups[0]["lr"] = torch.tensor(0.1, dtype=torch.float64)
        return optimizer

    def fill_rate(optimizer):
        optimizer.param_groups[0]["lr"].fill_(0.02)

    expected = run(make, between=set_rate)
    np.testing.assert_allclose(run(tensor_rate, between=fill_rate), expected, rtol=1e-13)


def test_nan_and_infinite_gradients_reach_the_parameters(make):
    p = torch.nn.Parameter(torch.zeros(3))
    p.grad = torch.tensor([float("nan"), float("inf"), 1.0])
    make([p]).step()
    assert p[0].isnan() and not p[1].isfinite() and p[2].isfinite()


def test_differentiable_steps_carry_gradients():
    rate = torch.tensor([1.0, 2.0], requires_grad=True)
    p = rate * 3
    optimizer = SGD([p], lr=0.5, differentiable=True)
    p.grad = rate * rate
    optimizer.step()
    p.sum().backward()
    np.testing.assert_allclose(rate.grad.numpy(), 3 - 0.5 * 2 * np.array([1.0, 2.0]))
