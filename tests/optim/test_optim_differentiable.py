"""Gradients through optimizer steps, against finite differences, and steps as functions."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight.optim import _functional

START = [[0.3, -0.7], [1.1, 0.4]]
WEIGHT = [[0.5, -0.2], [0.3, 0.9]]
RULES = {
    "SGD": {},  # the first velocity is cut off from the gradient
    "Adam": {"amsgrad": True, "eps": 1e-3},
    "AdamW": {"eps": 1e-3},
    "RMSprop": {"momentum": 0.5, "centered": True, "eps": 1e-3},
    "Adagrad": {"eps": 1e-3},
    "Adadelta": {"eps": 1e-3},
    "Adamax": {"eps": 1e-3},
    "NAdam": {"eps": 1e-3, "decoupled_weight_decay": True},
    "RAdam": {"eps": 1e-3, "betas": (0.9, 0.5)},
}


def outcome(name, options, start, weight, lr, decay):
    """A number that depends on all arguments through three steps."""
    p = start.clone()
    options = {**options, "lr": lr, "weight_decay": decay}
    optimizer = getattr(torch.optim, name)([p], differentiable=True, **options)
    for step in range(3):
        p.grad = weight * (step + 1) + 0.1 * p
        optimizer.step()
    return p.square().sum()


@pytest.mark.parametrize(("name", "options"), RULES.items(), ids=str)
def test_gradients_flow_through_three_steps(name, options):
    inputs = [
        torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (START, WEIGHT, 0.05, 0.1)
    ]
    # The counters of steps are single precision, and PyTorch's too: no finer steps than this.
    assert torch.autograd.gradcheck(
        lambda *x: outcome(name, options, *x), inputs, eps=1e-4, atol=1e-4, rtol=1e-3
    )


def test_gradients_reach_the_betas():
    betas = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.8, 0.9)]

    def two_steps(*betas):
        p = torch.tensor(START, dtype=torch.float64)
        optimizer = torch.optim.Adam([p], lr=0.1, betas=betas, eps=1e-3, differentiable=True)
        for scale in (1.0, 2.0):
            p.grad = torch.tensor(WEIGHT, dtype=torch.float64) * scale
            optimizer.step()
        return p.square().sum()

    assert torch.autograd.gradcheck(two_steps, betas, eps=1e-5, atol=1e-4, rtol=1e-3)


def test_foreach_does_not_record():
    p = torch.ones(2, requires_grad=True).clone()
    optimizer = torch.optim.Adam([p], foreach=True, differentiable=True)
    p.grad = torch.ones(2)
    with pytest.raises(AssertionError, match="_foreach ops don't support autograd"):
        optimizer.step()


def lists(*values):
    return [[torch.full((3,), v), torch.full((2,), 2 * v)] for v in values]


FUNCTIONS = {
    "adam": (
        "Adam",
        {"beta1": 0.8, "beta2": 0.9, "amsgrad": False, "weight_decay": 0.1, "eps": 1e-3},
        {"betas": (0.8, 0.9), "weight_decay": 0.1, "eps": 1e-3},
        ["exp_avg", "exp_avg_sq"],
    ),
    "adadelta": (
        "Adadelta",
        {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
        {"rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
        ["square_avg", "acc_delta"],
    ),
    "rprop": (
        "Rprop",
        {"etaminus": 0.5, "etaplus": 1.2, "step_size_min": 1e-6, "step_size_max": 50.0},
        {},
        ["prev", "step_size"],
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_do_what_the_optimizers_do(function):
    name, arguments, options, states = FUNCTIONS[function]
    (params,) = lists(0.5)
    weights = [torch.nn.Parameter(p.clone()) for p in params]
    optimizer = getattr(torch.optim, name)(weights, lr=0.1, **options)
    steps = [torch.zeros(()) for _ in params]
    start = 0.1 if function == "rprop" else 0.0
    values = [[torch.zeros_like(p) for p in params] for _ in states]
    for tensor in values[-1]:
        tensor.fill_(start)
    extra = [[]] if function == "adam" else []
    if function != "rprop":
        arguments = {**arguments, "lr": 0.1}
    if function != "rprop":
        arguments["maximize"] = False
    for scale in (1.0, -0.5, 2.0):
        (grads,) = lists(0.3 * scale)
        for p, g in zip(weights, grads, strict=True):
            p.grad = g
        optimizer.step()
        getattr(_functional, function)(params, grads, *values, *extra, steps, **arguments)
    for p, w in zip(params, weights, strict=True):
        torch.testing.assert_close(p, w.detach())
    for i, w in enumerate(weights):
        for name_, tensors in zip(states, values, strict=True):
            torch.testing.assert_close(tensors[i], optimizer.state[w][name_])


def test_the_sgd_function_fills_the_list_of_velocities():
    (params,) = lists(0.5)
    (grads,) = lists(0.3)
    velocities = [None, None]
    options = {"weight_decay": 0, "momentum": 0.9, "lr": 0.1, "dampening": 0, "nesterov": False}
    for _ in range(2):
        _functional.sgd(params, grads, velocities, maximize=False, **options)
    torch.testing.assert_close(velocities[0], grads[0] * 1.9)
    torch.testing.assert_close(params[0], torch.full((3,), 0.5 - 0.1 * 0.3 * 2.9))
