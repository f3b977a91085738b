"""Losses against PyTorch: values and gradients by kernel, second derivatives, refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from parity import as_numpy, both_raise, check, oracle, pair, same

import rushlight as torch

REDUCTIONS = ["none", "mean", "sum"]
SIZES = {  # input shape, target shape
    "vector": ((7,), ()),
    "rows": ((40, 11), (40,)),
    "wide": ((3, 3000), (3,)),
    "image": ((2, 5, 6, 7), (2, 6, 7)),
    "sequence": ((3, 4, 90), (3, 90)),
}


def F(m):
    return m.nn.functional


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def unit(*shape, seed=0):
    return np.random.default_rng(seed).uniform(0.05, 0.95, shape)


def problem(size):
    """Logits, class indices with one ignored, and class weights."""
    shape, target = SIZES[size]
    classes = shape[1] if len(shape) > 1 else shape[0]
    indices = np.random.default_rng(1).integers(0, classes, target)
    if indices.ndim:
        indices.reshape(-1)[1] = -100
    return normal(*shape), indices, unit(classes, seed=2)


def loss(name, **options):
    """The functional loss of a framework, with options: f(framework, *tensors)."""
    return lambda m, *tensors: getattr(F(m), name)(*tensors, **options)


def kernels_agree(f, x, *rest, dtype="float64", tolerance=1e-9):
    theirs, ours = pair(x, dtype, True)
    others = [pair(a, None if a.dtype.kind == "i" else dtype) for a in rest]
    outs = []
    for i, (m, t) in enumerate(((oracle, theirs), (torch, ours))):
        outs.append(f(m, t, *[p[i] for p in others]))
    same(*outs, rtol=tolerance, atol=tolerance)
    for out, g in zip(outs, pair(normal(*outs[0].shape, seed=5), dtype), strict=True):
        out.backward(g)
    same(theirs.grad, ours.grad, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype,tolerance", [("float64", 1e-9), ("float32", 2e-5)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("size", SIZES)
def test_class_losses(size, reduction, dtype, tolerance):
    x, t, w = problem(size)
    for smoothing in (0.0, 0.2):
        f = loss("cross_entropy", reduction=reduction, label_smoothing=smoothing)
        kernels_agree(f, x, t, dtype=dtype, tolerance=tolerance)
        kernels_agree(f, x, t, w, dtype=dtype, tolerance=tolerance)
    f = loss("nll_loss", reduction=reduction, ignore_index=2)
    kernels_agree(f, x, np.where(t < 0, 2, t), w, dtype=dtype, tolerance=tolerance)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("size", ["vector", "rows", "image"])
def test_class_losses_have_two_derivatives(size, reduction, smoothing):
    x, t, w = problem(size)
    f = loss("cross_entropy", reduction=reduction, label_smoothing=smoothing)
    results = []
    logits, indices, weights = pair(x, grad=True), pair(t), pair(w)
    for i, m in enumerate((oracle, torch)):
        value = f(m, logits[i], indices[i], weights[i])
        first = m.autograd.grad((value * value).sum(), logits[i], create_graph=True)[0]
        second = m.autograd.grad((first * first).sum(), logits[i])[0]
        results.append((value.detach(), first.detach(), second))
    same(*results, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cross_entropy_against_probabilities(reduction, smoothing):
    f = loss("cross_entropy", reduction=reduction, label_smoothing=smoothing)
    check(f, normal(6, 4), unit(6, 4, seed=3), unit(4, seed=4), grad=True, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype,tolerance", [("float32", 1e-4), ("bfloat16", 0.1)])
@pytest.mark.parametrize("shape", [(3, 4), (300, 700)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_pointwise_losses_by_kernel(reduction, shape, dtype, tolerance):
    # PyTorch adds many bfloat16 numbers up with less care.
    tolerance *= 100 if reduction == "sum" and shape[0] > 3 else 1
    x, t = normal(*shape), normal(*shape, seed=1)
    same_way = {"dtype": dtype, "tolerance": tolerance}
    kernels_agree(loss("mse_loss", reduction=reduction), x, t, **same_way)
    f = loss("binary_cross_entropy_with_logits", reduction=reduction)
    kernels_agree(f, x * 9, unit(*shape), **same_way)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_pointwise_losses_have_two_derivatives_for_input_and_target(reduction):
    x, t, w = normal(4, 3), normal(4, 3, seed=1), unit(3, seed=2)
    p, q = unit(4, 3, seed=3), unit(4, 3, seed=4)
    strict = {"grad": True, "rtol": 1e-9, "atol": 1e-12}
    for name, a, b in (
        ("mse_loss", x, t),
        ("l1_loss", x, t),
        ("binary_cross_entropy", p, q),
        ("binary_cross_entropy_with_logits", x, q),
    ):
        check(loss(name, reduction=reduction), a, b, **strict)

    def weighted(m, a, b, c):
        return F(m).binary_cross_entropy(a, b.detach(), c.detach(), reduction=reduction)

    def with_logits(m, a, b, c):
        c = c.detach()
        return F(m).binary_cross_entropy_with_logits(a, b, c, pos_weight=c, reduction=reduction)

    check(weighted, p, q, w, **strict)
    check(with_logits, x, q, w, **strict)


def test_huge_logits_stay_finite():
    x = np.array([[1e4, -1e4, 0.0], [-1e30, 1e30, 0.0]])
    check(lambda m, a: F(m).cross_entropy(a, m.tensor([1, 1]), reduction="none"), x)
    check(
        lambda m, a: F(m).binary_cross_entropy_with_logits(a, m.ones_like(a), reduction="none"), x
    )
    assert (
        torch.nn.functional.binary_cross_entropy_with_logits(
            torch.tensor(-200.0), torch.tensor(1.0)
        ).item()
        == 200
    )


def test_every_target_ignored_gives_nan_mean_and_zero_gradient():
    t = np.full(4, -100)
    check(lambda m, a, b: F(m).cross_entropy(a, b), normal(4, 3), t)
    kernels_agree(lambda m, a, b: F(m).cross_entropy(a, b, reduction="sum"), normal(4, 3), t)


def test_mse_broadcasts_with_a_warning():
    x, t = torch.ones(3, 2), torch.zeros(2)
    with pytest.warns(UserWarning, match="Using a target size"):
        assert torch.nn.functional.mse_loss(x, t).item() == 1
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert torch.nn.functional.mse_loss(x, x + 1, size_average=False).item() == 6
    weight = np.arange(6.0).reshape(3, 2) + 1
    check(lambda m, a, w: F(m).mse_loss(a, a * 2, weight=w), normal(3, 2), weight, rtol=1e-12)
    check(lambda m, a, w: F(m).l1_loss(a, a * 2, weight=w), normal(3, 2), weight, rtol=1e-12)


def test_node_names_are_those_of_pytorch():
    x, t = torch.ones(2, 3, requires_grad=True), torch.tensor([0, 2])
    names = [
        F(torch).cross_entropy(x, t),
        F(torch).nll_loss(x, t),
        F(torch).mse_loss(x, x.detach()),
        F(torch).cross_entropy(x.reshape(2, 3, 1), t.reshape(2, 1)),
    ]
    assert [n.grad_fn.name() for n in names] == [
        "NllLossBackward0",
        "NllLossBackward0",
        "MseLossBackward0",
        "NllLoss2DBackward0",
    ]


@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_bad_targets_raise_what_pytorch_raises(loss):
    def call(m, *args, **kwargs):
        return getattr(F(m), loss)(*args, **kwargs)

    both_raise(IndexError, lambda m: call(m, m.ones(2, 3), m.tensor([0, 3])))
    both_raise(IndexError, lambda m: call(m, m.ones(2, 3), m.tensor([0, -1])))
    both_raise(ValueError, lambda m: call(m, m.ones(2, 3), m.tensor([0])))
    both_raise(RuntimeError, lambda m: call(m, m.ones(2, 3), m.tensor([0, 1]).int()))
    both_raise(RuntimeError, lambda m: call(m, m.ones(2, 3), m.tensor([0, 1]), m.ones(2)))
    both_raise(RuntimeError, lambda m: call(m, m.ones(2, 3, 4), m.zeros(2, 5).long()))
    both_raise(ValueError, lambda m: call(m, m.ones(2, 3), m.tensor([0, 1]), reduction="all"))
    with pytest.raises(IndexError, match="Target 7 is out of bounds."):
        call(torch, torch.ones(1, 3), torch.tensor([7]))


def test_bad_probabilities_raise_what_pytorch_raises():
    both_raise(RuntimeError, lambda m: F(m).binary_cross_entropy(m.tensor([1.5]), m.tensor([1.0])))
    both_raise(RuntimeError, lambda m: F(m).binary_cross_entropy(m.tensor([0.5]), m.tensor([-1.0])))
    both_raise(ValueError, lambda m: F(m).binary_cross_entropy(m.ones(2), m.ones(3)))
    both_raise(ValueError, lambda m: F(m).binary_cross_entropy_with_logits(m.ones(2), m.ones(3)))
    both_raise(
        RuntimeError, lambda m: F(m).cross_entropy(m.ones(2, 3), m.ones(2, 3), ignore_index=1)
    )
    both_raise(
        RuntimeError, lambda m: F(m).cross_entropy(m.ones(1, 3), m.tensor([1]), label_smoothing=2)
    )


def test_batches_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty = torch.zeros(0, 3), torch.zeros(0).long()
        assert np.isnan(as_numpy(F(torch).cross_entropy(*empty)))
        assert F(torch).nll_loss(*empty, reduction="sum").item() == 0
