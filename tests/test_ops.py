"""The matrix: every operator's samples against its NumPy forward and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from matrix import (
    COMPLEX,
    FLOATS,
    INTEGERS,
    cases,
    close,
    is_random,
    leaves,
    reference,
    run,
    sample_counts,
    sample_of,
)

import rushlight as torch
from rushlight.op import operators, to_array

ALL = cases()
LAYOUTS = ("contiguous", "transposed", "sliced")


def test_every_operator_has_samples():
    assert not [n for n, count in sample_counts().items() if not count]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name,index", ALL)
def test_kernel_agrees_with_numpy(name, index, layout):
    for dtype, tolerance in FLOATS.items():
        if layout != "contiguous" and dtype not in ("float64", "float32"):
            continue
        op, args, kwargs = sample_of(name, index, dtype=dtype, layout=layout)
        if is_random(op) or not op.has_kernel:
            return
        try:
            got = run(op, args, kwargs)
        except (NotImplementedError, RuntimeError) as error:
            if dtype in ("bfloat16", "float16") and "not implemented" in str(error):
                continue
            raise
        want = reference(op, args, kwargs)
        assert len(got) == len(want)
        for g, w in zip(got, want, strict=True):
            close(g, w, tolerance)


@pytest.mark.parametrize("name,index", ALL)
def test_integers_and_complex_agree_with_numpy_where_supported(name, index):
    for dtype in (*INTEGERS, *COMPLEX):
        op, args, kwargs = sample_of(name, index, dtype=dtype)
        if is_random(op) or not op.has_kernel:
            return
        try:
            got = run(op, args, kwargs)
        except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError):
            continue  # PyTorch has no such kernel either; parity of that is tested elsewhere
        try:
            want = reference(op, args, kwargs)
        except (TypeError, ValueError, IndexError, AttributeError):
            continue  # NumPy lacks the function for this dtype
        for g, w in zip(got, want, strict=True):
            close(g, w, COMPLEX.get(dtype, 1e-5))


def directional(op, args, kwargs, inputs, cotangents):
    """sum(cotangent * output) as a function of the inputs, a Python float."""
    out = op(*args, **kwargs)
    total = 0.0
    for o, c in zip(leaves(out), cotangents, strict=True):
        if c is None:
            continue
        total = total + (o * c).sum() if not o.dtype.is_complex else total + (o * c).real.sum()
    return total


def differentiable(name):
    block = operators[name].declaration.__dict__
    if block.get("underivable"):
        return False
    return "backward" in block or any(k.startswith("grad_") for k in block)


GRADIENTS = [(n, i) for n, i in ALL if differentiable(n) and not is_random(operators[n])]


def prepared(name, index):
    op, args, kwargs = sample_of(name, index, grad=True)
    inputs = [t for t in leaves((args, kwargs)) if t.requires_grad]
    out = op(*args, **kwargs)
    outs = leaves(out)
    rng = np.random.default_rng(7)
    cotangents = [  # None for an output that takes no gradient
        torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(o.shape))))
        if o.requires_grad
        else None
        for o in outs
    ]
    directions = [torch.from_numpy(np.asarray(rng.uniform(-1, 1, tuple(t.shape)))) for t in inputs]
    if getattr(op.declaration, "symmetric", False):  # the operator reads one triangle only
        directions = [d + d.mT for d in directions]
    return op, args, kwargs, inputs, outs, cotangents, directions


def moved(inputs, directions, step, function):
    """function() with every input moved by step * direction, then put back."""
    with torch.no_grad():
        for t, d in zip(inputs, directions, strict=True):
            t.add_(d, alpha=step)
        value = function()
        for t, d in zip(inputs, directions, strict=True):
            t.add_(d, alpha=-step)
    return value


@pytest.mark.parametrize("name,index", GRADIENTS)
def test_gradient_agrees_with_finite_differences(name, index):
    op, args, kwargs, inputs, outs, cotangents, directions = prepared(name, index)
    if not inputs or not any(o.requires_grad for o in outs):
        pytest.skip("the sample has no differentiable input")
    value = directional(op, args, kwargs, inputs, cotangents)
    grads = torch.autograd.grad(value, inputs, allow_unused=True)
    analytic = sum(
        float((g * d).sum()) for g, d in zip(grads, directions, strict=True) if g is not None
    )
    step = 1e-6
    run_once = lambda: float(directional(op, args, kwargs, inputs, cotangents))  # noqa: E731
    up, down = moved(inputs, directions, step, run_once), moved(inputs, directions, -step, run_once)
    numeric = (up - down) / (2 * step)
    assert analytic == pytest.approx(numeric, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name,index", GRADIENTS)
def test_second_gradient_agrees_with_finite_differences(name, index):
    op, args, kwargs, inputs, outs, cotangents, directions = prepared(name, index)
    if not inputs or not any(o.requires_grad for o in outs):
        pytest.skip("the sample has no differentiable input")

    def slope(create):
        value = directional(op, args, kwargs, inputs, cotangents)
        grads = torch.autograd.grad(value, inputs, create_graph=create, allow_unused=True)
        return sum((g * d).sum() for g, d in zip(grads, directions, strict=True) if g is not None)

    first = slope(True)
    if not isinstance(first, torch.Tensor) or not first.requires_grad:
        second = 0.0
    else:
        grads = torch.autograd.grad(first, inputs, allow_unused=True)
        second = sum(
            float((g * d).sum()) for g, d in zip(grads, directions, strict=True) if g is not None
        )
    step = 1e-5

    def slope_value():
        with torch.enable_grad():
            return float(slope(False))

    up, down = (moved(inputs, directions, s, slope_value) for s in (step, -step))
    assert second == pytest.approx((up - down) / (2 * step), rel=1e-3, abs=1e-4)


INPLACE = [
    (n, i) for n, i in ALL if getattr(torch.Tensor, n + "_", None) is not None
    and getattr(getattr(torch.Tensor, n + "_"), "inplace", False) and not is_random(operators[n])
]  # fmt: skip


@pytest.mark.parametrize("name,index", INPLACE)
def test_inplace_form_agrees(name, index):
    op, args, kwargs = sample_of(name, index)
    if not isinstance(args[0], torch.Tensor):
        return
    want = op(*args, **kwargs)
    if want.shape != args[0].shape or not torch.can_cast(want.dtype, args[0].dtype):
        with pytest.raises(RuntimeError):
            getattr(args[0].clone(), name + "_")(*args[1:], **kwargs)
        return
    target = args[0].clone()
    version = target._version
    got = getattr(target, name + "_")(*args[1:], **kwargs)
    assert got is target and target._version == version + 1
    np.testing.assert_array_equal(target.numpy(), want.to(target.dtype).numpy())


@pytest.mark.parametrize("name,index", ALL)
def test_out_argument_receives_the_result(name, index):
    op, args, kwargs = sample_of(name, index)
    if op.is_view or is_random(op) or "out" in op.declaration.forward.__code__.co_varnames:
        return
    want = op(*args, **kwargs)
    if isinstance(want, tuple):
        if type(want) is tuple:
            return
        out = tuple(torch.empty(0, dtype=w.dtype) for w in want)
    elif want is args[0]:
        return
    else:
        out = torch.empty(0, dtype=want.dtype)
    got = op(*args, **kwargs, out=out)
    for g, o, w in zip(leaves(got), leaves(out), leaves(want), strict=True):
        assert g is o
        np.testing.assert_array_equal(to_array(o), to_array(w))
