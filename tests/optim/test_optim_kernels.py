"""The kernel that updates all parameters at once against the rule in tensor operators."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch

CASES = {
    "SGD": [{}, {"momentum": 0.9, "nesterov": True}, {"momentum": 0.5, "dampening": 0.3}],
    "Adam": [{}, {"amsgrad": True}, {"decoupled_weight_decay": True}],
    "AdamW": [{}],
    "RMSprop": [{}, {"momentum": 0.9}, {"centered": True, "momentum": 0.9}],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.3}],
    "Adadelta": [{"rho": 0.8}],
    "Adamax": [{}],
    "NAdam": [{}, {"momentum_decay": 0.1, "decoupled_weight_decay": True}],
    "RAdam": [{}, {"betas": (0.9, 0.5)}, {"decoupled_weight_decay": True}],
    "ASGD": [{"t0": 2, "lambd": 0.1}, {"t0": 1e6}],
    "Rprop": [{}, {"step_sizes": (1e-3, 0.06)}],
}
ALL = [(name, options) for name, cases in CASES.items() for options in cases]
TOLERANCE = {
    "float32": 3e-6,
    "float64": 1e-12,
    "complex64": 3e-6,
    "bfloat16": 4e-2,
    "float16": 5e-3,
}


def arrays(count):
    rng = np.random.default_rng(count)
    shapes = [(4, 3), (5,), (), (700,), (0,)]
    return [rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in shapes]


def run(name, options, dtype, kernel):
    kind = getattr(torch, dtype)

    def tensor(a):
        return torch.from_numpy(a if kind.is_complex else a.real.copy()).to(kind)

    weights = [torch.nn.Parameter(tensor(np.asarray(a))) for a in arrays(1)]
    weights[0] = torch.nn.Parameter(weights[0].detach().T.contiguous().T)  # no gaps, other order
    optimizer = getattr(torch.optim, name)(weights, lr=0.05, **options)
    if not kernel:
        optimizer._kernel = None
    for step in range(4):
        for i, (p, g) in enumerate(zip(weights, arrays(step + 2), strict=True)):
            p.grad = None
            if (i + step) % 3:  # some without a gradient
                p.grad = torch.zeros_like(p).copy_(tensor(np.asarray(g)))
        optimizer.step()
    state = [
        value for _, entries in sorted(optimizer.state_dict()["state"].items())
        for value in entries.values()
    ]  # fmt: skip
    wide = torch.complex128 if kind.is_complex else torch.float64
    return [x.detach().to(wide).numpy() for x in (*weights, *state) if isinstance(x, torch.Tensor)]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("name", "options"), ALL, ids=str)
def test_the_kernel_does_what_the_rule_says(name, options, dtype):
    if name not in ("ASGD", "Rprop"):
        options = {"weight_decay": 0.1, **options}
    if name not in ("SGD", "ASGD", "Rprop"):
        options = {"eps": 1e-3, **options}  # 1e-8 is nothing in half precision
    options = {"maximize": len(options) % 2 == 0, **options}
    ours, plain = (run(name, options, dtype, kernel) for kernel in (True, False))
    for a, b in zip(ours, plain, strict=True):
        largest = max(1.0, float(np.abs(b).max(initial=0)))  # of what cancelled on the way
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * largest)


@pytest.mark.parametrize("name", CASES)
def test_the_kernel_takes_every_parameter_after_the_first_step(name, monkeypatch):
    weights = [torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))]
    options = {"momentum": 0.9} if name == "SGD" else {}
    optimizer = getattr(torch.optim, name)(weights, **options)
    for p in weights:
        p.grad = torch.ones_like(p)
    optimizer.step()

    def refuse(*_):
        raise AssertionError("a parameter was left to the tensor operators")

    monkeypatch.setattr(type(optimizer), "_update", refuse)
    optimizer.step()
    before = [p._version for p in weights]
    optimizer.step()
    assert [p._version for p in weights] == [v + 1 for v in before]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_fused_steps_round_half_types_only_when_they_store(dtype):
    """With eps below the least half number the unfused step divides by zero."""
    results = {}
    for fused in (True, None):
        p = torch.nn.Parameter(torch.ones(3, dtype=getattr(torch, dtype)))
        optimizer = torch.optim.Adam([p], lr=0.1, eps=1e-8, fused=fused)
        for _ in range(2):
            p.grad = torch.full_like(p, 1e-4)
            optimizer.step()
        results[fused] = p.detach().float()
    assert bool(results[True].isfinite().all())
    assert (results[True] < 1).all()


@pytest.mark.parametrize("name", ["Adamax", "Rprop", "Adadelta"])
def test_nan_gradients_stay_nan(name):
    p = torch.nn.Parameter(torch.ones(3))
    optimizer = getattr(torch.optim, name)([p])
    for _ in range(2):
        p.grad = torch.tensor([1.0, float("nan"), 2.0])
        optimizer.step()
    assert p.isnan().tolist() == [False, True, False]
