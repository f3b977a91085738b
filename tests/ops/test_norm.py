"""Normalisation layers against PyTorch: values, gradients by kernel, gradients by operators."""

from __future__ import annotations

import numpy as np
import pytest
from parity import as_numpy, both_raise, check, oracle, pair, same

import rushlight as torch

TOLERANCE = {"float64": 1e-9, "float32": 1e-4, "bfloat16": 6e-2, "float16": 1e-2}
DTYPES = list(TOLERANCE)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def backward_agrees(f, arrays, dtype, weight_dtype=None):
    """f's value and the gradients of its product with random numbers, by the fused kernels."""
    pairs = [
        pair(a, weight_dtype if i and weight_dtype else dtype, True) for i, a in enumerate(arrays)
    ]
    outs = [f(m, *[p[i] for p in pairs]) for i, m in enumerate((oracle, torch))]
    g = pair(normal(*outs[0].shape, seed=9), str(outs[0].dtype).split(".")[1])
    tolerance = TOLERANCE[dtype]
    same(*outs, rtol=tolerance, atol=tolerance)
    for out, gradient in zip(outs, g, strict=True):
        out.backward(gradient)
    for theirs, ours in pairs:
        scale = max(1.0, float(np.abs(as_numpy(theirs.grad)).max()))
        same(theirs.grad, ours.grad, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape,dims", [((40, 96), 1), ((6, 5, 7), 2), ((2, 9000), 1), ((300, 3), 1)]
)
def test_layer_and_rms_norm(shape, dims, dtype):
    last = shape[-dims:]
    arrays = normal(*shape), normal(*last, seed=1), normal(*last, seed=2)
    backward_agrees(lambda m, x, w, b: m.nn.functional.layer_norm(x, last, w, b), arrays, dtype)
    backward_agrees(lambda m, x, w: m.nn.functional.rms_norm(x, last, w), arrays[:2], dtype)
    backward_agrees(lambda m, x: m.nn.functional.layer_norm(x, last), arrays[:1], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape,groups", [((4, 6, 5), 3), ((2, 4, 30, 30), 2), ((16, 24), 4), ((2, 3, 70), 1)]
)
def test_group_norm(shape, groups, dtype):
    arrays = normal(*shape), normal(shape[1], seed=1), normal(shape[1], seed=2)
    backward_agrees(lambda m, x, w, b: m.nn.functional.group_norm(x, groups, w, b), arrays, dtype)
    backward_agrees(lambda m, x: m.nn.functional.group_norm(x, groups), arrays[:1], dtype)


BATCHES = [(6, 5), (200, 70), (4, 3, 7), (2, 3, 40, 40), (8, 32, 4, 4), (2, 3, 2, 3, 4)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm(shape, training, dtype):
    c = shape[1]
    wide = dtype if dtype in ("float32", "float64") else "float32"
    means = pair(normal(c, seed=3), wide)
    variances = pair(normal(c, seed=4) ** 2 + 0.5, wide)

    def call(m, x, w, b):
        i = int(m is torch)
        return m.nn.functional.batch_norm(x, means[i], variances[i], w, b, training, 0.3)

    arrays = normal(*shape) + 3, normal(c, seed=1), normal(c, seed=2)
    backward_agrees(call, arrays, dtype, wide)
    same(*means, rtol=1e-3, atol=1e-3)
    same(*variances, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "view", [lambda t: t.permute(0, 3, 1, 2), lambda t: t[:, ::2].transpose(1, 2)]
)
def test_batch_norm_of_channels_last_and_of_strided_input(view):
    def call(m, t):
        return m.nn.functional.batch_norm(view(t), None, None, training=True)

    backward_agrees(call, [normal(4, 6, 5, 8)], "float64")


def test_gradient_expanded_from_one_number():
    x, w = normal(6, 10), normal(10, seed=1)
    check(
        lambda m, t, u: m.nn.functional.layer_norm(t, (10,), u).sum(),
        x,
        w,
        grad=True,
        rtol=1e-9,
        atol=1e-12,
    )
    for shape in ((6, 10), (2, 10, 3)):
        theirs, ours = pair(normal(*shape), grad=True)
        for m, t in ((oracle, theirs), (torch, ours)):
            m.nn.functional.batch_norm(t, None, None, training=True).sum().backward()
        same(theirs.grad, ours.grad, atol=1e-12)


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x, w, b: m.nn.functional.layer_norm(x, (5,), w, b),
        lambda m, x, w, b: m.nn.functional.rms_norm(x, (5,), w) + b,
        lambda m, x, w, b: m.nn.functional.batch_norm(x, None, None, w, b, True),
        lambda m, x, w, b: m.nn.functional.batch_norm(
            x, m.zeros(5).double(), m.ones(5).double(), w, b
        ),
        lambda m, x, w, b: m.nn.functional.group_norm(x.reshape(2, 5, 3), 5, w, b),
        lambda m, x, w, b: m.nn.functional.instance_norm(x.reshape(2, 5, 3), weight=w, bias=b),
    ],
)
def test_two_derivatives(call):
    check(
        call, normal(6, 5), normal(5, seed=1), normal(5, seed=2), grad=True, rtol=1e-8, atol=1e-10
    )


def test_instance_norm_updates_running_statistics():
    x = normal(3, 4, 6)
    means, variances = pair(normal(4, seed=1)), pair(normal(4, seed=2) ** 2)
    outs = [
        m.nn.functional.instance_norm(t, means[i], variances[i], momentum=0.2)
        for i, (m, t) in enumerate(zip((oracle, torch), pair(x), strict=True))
    ]
    same(*outs, rtol=1e-10)
    same(*means, rtol=1e-10)
    same(*variances, rtol=1e-10)


def test_native_forms_return_statistics():
    x = normal(4, 6, 5)
    check(lambda m, t: m.native_layer_norm(t, (5,), None, None, 1e-5), x, rtol=1e-9, atol=1e-12)
    check(
        lambda m, t: m.native_group_norm(t, None, None, 4, 6, 5, 3, 1e-5), x, rtol=1e-9, atol=1e-12
    )
    check(
        lambda m, t: m.native_batch_norm(t, None, None, None, None, True, 0.1, 1e-5),
        x,
        rtol=1e-9,
        atol=1e-12,
    )


def test_saved_input_modified_in_place_is_noticed():
    x = torch.randn(4, 3, requires_grad=True)
    y = x * 1
    out = torch.nn.functional.layer_norm(y, (3,))
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


def test_bad_input_raises_what_pytorch_raises():
    F = lambda m: m.nn.functional
    both_raise(ValueError, lambda m: F(m).batch_norm(m.ones(1, 3), None, None, training=True))
    both_raise(RuntimeError, lambda m: F(m).batch_norm(m.ones(2, 3), None, None))
    both_raise(RuntimeError, lambda m: F(m).batch_norm(m.ones(2, 3), m.ones(4), m.ones(3)))
    both_raise(IndexError, lambda m: F(m).batch_norm(m.ones(3), None, None, training=True))
    both_raise(RuntimeError, lambda m: F(m).layer_norm(m.ones(2, 3), (4,)))
    both_raise(RuntimeError, lambda m: F(m).layer_norm(m.ones(2, 3), ()))
    both_raise(RuntimeError, lambda m: F(m).layer_norm(m.ones(2, 3), (3,), m.ones(2)))
    both_raise(NotImplementedError, lambda m: F(m).layer_norm(m.ones(2, 3).long(), (3,)))
    both_raise(RuntimeError, lambda m: F(m).group_norm(m.ones(2, 3), 2))
    both_raise(ValueError, lambda m: F(m).instance_norm(m.ones(2, 3, 1)))
    both_raise(RuntimeError, lambda m: F(m).instance_norm(m.ones(2, 3, 4), use_input_stats=False))
