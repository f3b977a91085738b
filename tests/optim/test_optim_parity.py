"""Every configuration of every optimizer against PyTorch: weights, state and options."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from problem import Problem

import rushlight

torch = pytest.importorskip("torch")

CASES = {
    "SGD": [
        {},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1, "maximize": True},
        {"weight_decay": 0.5, "foreach": True},
        {"momentum": 0.5, "fused": True},
    ],
    "Adam": [
        {},
        {"lr": 0.05, "betas": (0.8, 0.9), "eps": 1e-3},
        {"weight_decay": 0.1, "amsgrad": True},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
        {"amsgrad": True, "fused": True},
        {"foreach": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.3}, {"amsgrad": True, "maximize": True}],
    "RMSprop": [
        {},
        {"alpha": 0.5, "eps": 1e-3, "weight_decay": 0.1},
        {"momentum": 0.9},
        {"centered": True, "lr": 0.001},
        {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "maximize": True},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
        {"initial_accumulator_value": 0.3, "eps": 1e-3, "maximize": True},
        {"fused": True},
    ],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1, "maximize": True}],
    "Adamax": [{}, {"betas": (0.5, 0.6), "weight_decay": 0.1, "maximize": True}],
    "NAdam": [
        {},
        {"weight_decay": 0.1, "momentum_decay": 0.1},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "RAdam": [
        {},
        {"betas": (0.9, 0.5)},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "betas": (0.9, 0.5)},
    ],
    "ASGD": [{}, {"lambd": 0.1, "t0": 2, "alpha": 0.5}, {"weight_decay": 0.1, "maximize": True}],
    "Rprop": [{}, {"etas": (0.3, 1.5), "step_sizes": (1e-3, 0.05)}, {"maximize": True}],
    "Adafactor": [{}, {"weight_decay": 0.1, "d": 1.5}, {"eps": (1e-3, 1e-2), "maximize": True}],
    "LBFGS": [
        {},
        {"max_iter": 3, "history_size": 2},
        {"max_iter": 5, "max_eval": 3},
        {"line_search_fn": "strong_wolfe"},
        {"line_search_fn": "strong_wolfe", "lr": 5.0, "max_iter": 8},
    ],
    "Muon": [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw", "momentum": 0.5}],
}
ALL = [(name, options) for name, cases in CASES.items() for options in cases]
# One of each, and those with most state.
SOME = [(name, cases[-1]) for name, cases in CASES.items()]

# Muon works in bfloat16, whose products round in another order; L-BFGS without a search takes
# wild steps that magnify the last bit.
TOLERANCE = {"Muon": 2e-3, "LBFGS": 1e-4}


def make(lib, name, options, dtype="float64"):
    problem = Problem(lib, dtype, matrices_only=name == "Muon")
    return problem, getattr(lib.optim, name)(problem.weights, **options)


def assert_same(ours, theirs, rtol):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


def tensors_of(state_dict):
    """Every tensor of a state, by parameter and name, as an array."""
    return {
        (number, name): value.detach().numpy()
        for number, state in state_dict["state"].items()
        for name, value in state.items()
        if hasattr(value, "detach")
    }


@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
def test_five_steps_agree_with_torch(name, options):
    results = []
    for lib in (rushlight, torch):
        problem, optimizer = make(lib, name, options)
        losses = problem.steps(optimizer, 5)
        results.append((problem.values(), losses, optimizer.state_dict()))
    (ours, our_losses, our_state), (theirs, their_losses, their_state) = results
    rtol = TOLERANCE.get(name, 1e-11)
    assert_same(ours, theirs, rtol)
    np.testing.assert_allclose(our_losses, their_losses, rtol=rtol)
    assert [list(group) for group in our_state["param_groups"]] == [
        list(group) for group in their_state["param_groups"]
    ]
    names = [[list(v) for v in s["state"].values()] for s in (our_state, their_state)]
    assert names[0] == names[1]
    mine, others = tensors_of(our_state), tensors_of(their_state)
    # A step length of L-BFGS is here always a number, there a tensor at times.
    assert mine.keys() | {(0, "t")} == others.keys() | {(0, "t")}
    for key in mine:
        assert mine[key].dtype == others[key].dtype, key
        np.testing.assert_allclose(mine[key], others[key], rtol=rtol, atol=rtol, err_msg=str(key))


@pytest.mark.parametrize(("name", "options"), SOME, ids=str)
def test_a_run_continues_with_torchs_state_and_back(name, options):
    """Three steps in one library, then two in the other, give what five in one give."""
    whole, optimizer = make(torch, name, options)
    whole.steps(optimizer, 5)
    for first, second in ((rushlight, torch), (torch, rushlight)):
        problem, optimizer = make(first, name, options)
        problem.steps(optimizer, 3)
        onward, successor = make(second, name, options)
        for p, value in zip(onward.weights, problem.values(), strict=True):
            p.data.copy_(second.from_numpy(value))
        successor.load_state_dict(translated(optimizer.state_dict(), first, second))
        onward.steps(successor, 2)
        # ASGD's loaded step sizes are cast to the parameters' type, in torch too.
        rtol = 1e-6 if name == "ASGD" else TOLERANCE.get(name, 1e-11)
        assert_same(onward.values(), whole.values(), rtol)


def translated(tree, source, target):
    """A state dict of one library in tensors of another."""
    if isinstance(tree, source.Tensor):
        return target.from_numpy(tree.detach().numpy().copy())
    if isinstance(tree, dict):
        return {key: translated(value, source, target) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(translated(value, source, target) for value in tree)
    return tree


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "complex64"])
def test_other_types_agree_with_torch(name, dtype):
    shapes, results = [(4, 3), (5,)], []
    rng = np.random.default_rng(1)
    values = [rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in shapes]
    gradients = [
        [rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in shapes] for _ in range(4)
    ]
    for lib in (rushlight, torch):
        kind = getattr(lib, dtype)

        def to(a, lib=lib, kind=kind):
            return lib.from_numpy(a if kind.is_complex else a.real.copy()).to(kind)

        weights = [lib.nn.Parameter(to(a)) for a in values]
        optimizer = getattr(lib.optim, name)(weights, lr=0.1)
        for step in gradients:
            for p, g in zip(weights, step, strict=True):
                p.grad = to(g)
            optimizer.step()
        wide = lib.complex64 if kind.is_complex else lib.float32
        results.append([p.detach().to(wide).numpy() for p in weights])
    rtol = {"float16": 4e-3, "bfloat16": 3e-2}.get(dtype, 1e-5)
    assert_same(*results, rtol)


@pytest.mark.parametrize(("name", "options"), SOME, ids=str)
def test_copies_and_pickles_continue_alike(name, options):
    def finish(copier):
        problem, optimizer = make(rushlight, name, options)
        problem.steps(optimizer, 2)
        problem.weights, optimizer = copier((problem.weights, optimizer))
        problem.steps(optimizer, 2)
        return problem.values()

    plain = finish(lambda pair: pair)
    assert_same(finish(copy.deepcopy), plain, 0)
    assert_same(finish(lambda pair: pickle.loads(pickle.dumps(pair))), plain, 0)


REFUSED = [
    ("SGD", {"lr": -1}),
    ("SGD", {"momentum": -1}),
    ("SGD", {"weight_decay": -1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"fused": True, "foreach": True}),
    ("SGD", {"fused": True, "differentiable": True}),
    ("Adam", {"lr": -1}),
    ("Adam", {"eps": -1}),
    ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, 1.0)}),
    ("AdamW", {"weight_decay": -1}),
    ("RMSprop", {"alpha": -1}),
    ("RMSprop", {"momentum": -1}),
    ("Adagrad", {"lr_decay": -1}),
    ("Adagrad", {"initial_accumulator_value": -1}),
    ("Adadelta", {"rho": 2}),
    ("Adamax", {"eps": -1}),
    ("NAdam", {"momentum_decay": -1}),
    ("RAdam", {"betas": (0.2, 2)}),
    ("ASGD", {"weight_decay": -1}),
    ("Rprop", {"etas": (1.2, 0.5)}),
    ("Adafactor", {"d": 0.5}),
    ("Adafactor", {"beta2_decay": 0.1}),
    ("Muon", {"adjust_lr_fn": "x"}),
    ("Muon", {"momentum": -1}),
]


@pytest.mark.parametrize(("name", "options"), REFUSED, ids=str)
def test_bad_options_are_refused_in_torchs_words(name, options):
    errors = []
    for lib in (rushlight, torch):
        with pytest.raises((ValueError, RuntimeError)) as caught:
            getattr(lib.optim, name)([lib.nn.Parameter(lib.ones(2, 2))], **options)
        errors.append((caught.type, str(caught.value)))
    assert errors[0] == errors[1]
