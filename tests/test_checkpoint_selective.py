"""utils.checkpoint: operators whose results are kept, by a policy or a list."""

from __future__ import annotations

from functools import partial

import pytest

import rushlight as torch
from rushlight import _C
from rushlight.autograd import Function
from rushlight.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

aten = torch.ops.aten


def selective(policy, **options):
    return partial(create_selective_checkpoint_contexts, policy, **options)


def test_chosen_results_are_kept():
    runs = []
    seen = []

    class Noted(Function):
        @staticmethod
        def forward(ctx, x):
            runs.append(1)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g

    def block(x, w):
        return (Noted.apply((x @ w).sin()) @ w).exp()

    def policy(context, op, *args, **kwargs):
        seen.append(str(op))
        save = op == aten.mm.default
        return CheckpointPolicy.MUST_SAVE if save else CheckpointPolicy.PREFER_RECOMPUTE

    x = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    expected = torch.autograd.grad(block(x, w).sum(), (x, w))
    runs.clear()
    out = checkpoint(block, x, w, use_reentrant=False, context_fn=selective(policy))
    first = seen.copy()
    found = torch.autograd.grad(out.sum(), (x, w))
    assert seen == first, "the policy is asked in the first run only"
    assert first.count("aten.mm.default") == 2 and len(runs) == 2
    assert {"aten.sin.default", "aten.exp.default"} <= set(seen)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b)


def test_kept_results_are_not_computed_again():
    products = []

    class Watch:
        def process(self, op, args, kwargs):
            products.append(op.__name__)
            return op(*args, **kwargs)

    x = torch.randn(4, 4, requires_grad=True)
    block = lambda v: (v @ v).sin() @ v  # noqa: E731
    y = checkpoint(block, x, use_reentrant=False, context_fn=selective([aten.mm.default]))
    _C.push_interpreter(Watch())
    try:
        checkpointed = y.sum()
        products.clear()
        checkpointed.backward()
    finally:
        _C.pop_interpreter()
    # Four products are the gradients' own.
    assert products.count("mm") == 4
    plain = x.detach().requires_grad_()
    (expected,) = torch.autograd.grad(block(plain).sum(), plain)
    assert torch.allclose(x.grad, expected)


def test_lists_name_overloads():
    with pytest.raises(ValueError, match="Expected op in `op_list` to be an OpOverload"):
        create_selective_checkpoint_contexts([torch.mm])
    with pytest.raises(TypeError, match="either a function or a list of ops"):
        create_selective_checkpoint_contexts(5)
    assert aten.mul.Tensor is aten.mul.Tensor and aten.mul.Tensor != aten.mul.Scalar
    assert aten.mul.Tensor.overloadpacket is aten.mul
    assert str(aten.mm.default) == "aten.mm.default" and aten.mm.default.name() == "aten::mm"
    assert aten.mm(torch.eye(2), torch.ones(2, 2)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_kept_result_must_not_change():
    def block(x):
        y = x @ x
        y.mul_(2)
        return y.exp()

    x = torch.full((2, 2), 0.5, requires_grad=True)
    y = checkpoint(block, x, use_reentrant=False, context_fn=selective([aten.mm.default]))
    with pytest.raises(RuntimeError, match="has been mutated"):
        y.sum().backward()
    allowed = selective([aten.mm.default], allow_cache_entry_mutation=True)
    checkpoint(block, x, use_reentrant=False, context_fn=allowed).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_region_is_good_for_one_backward():
    x = torch.randn(3, 3, requires_grad=True)
    y = checkpoint(
        lambda v: (v @ v).sin(),
        x,
        use_reentrant=False,
        context_fn=selective([aten.mm.default]),
    ).sum()
    y.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="Trying to backward an extra time"):
        y.backward()
