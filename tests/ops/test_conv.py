"""Convolutions against PyTorch: every setting, layouts, dtypes, derivatives, messages."""

from __future__ import annotations

import numpy as np
import pytest
from parity import both_raise, check, numbers, oracle, pair, same

import rushlight as torch

# PyTorch copies its input to pad it unevenly, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")

SPACE = {1: ((9,), (3,)), 2: ((7, 6), (3, 2)), 3: ((5, 4, 6), (2, 3, 2))}
FORWARD = [(1, 0, 1), (2, 1, 1), (1, "same", 1), (1, 2, 2), (1, "valid", 1), (3, 1, 1)]
TRANSPOSED = [(1, 0, 0, 1), (2, 1, 1, 1), (1, 1, 0, 2), (3, 0, 2, 1)]
CHANNELS = [(4, 6, 1), (4, 6, 2), (4, 4, 4)]  # in, out, groups


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


@pytest.mark.parametrize("stride,padding,dilation", FORWARD)
@pytest.mark.parametrize("inputs,outputs,groups", CHANNELS)
@pytest.mark.parametrize("dims", (1, 2, 3))
def test_convolution_with_two_derivatives(dims, inputs, outputs, groups, stride, padding, dilation):
    space, kernel = SPACE[dims]
    if dims == 3 and dilation == 2:
        kernel = (2, 1, 2)

    def run(m, x, w, b):
        f = getattr(m.nn.functional, f"conv{dims}d")
        return f(x, w, b, stride, padding, dilation, groups)

    arrays = normal(2, inputs, *space), normal(outputs, inputs // groups, *kernel), normal(outputs)
    check(run, *arrays, grad=True, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("stride,padding,extra,dilation", TRANSPOSED)
@pytest.mark.parametrize("inputs,outputs,groups", CHANNELS)
@pytest.mark.parametrize("dims", (1, 2, 3))
def test_transposed_convolution_with_two_derivatives(
    dims, inputs, outputs, groups, stride, padding, extra, dilation
):
    space, kernel = SPACE[dims]

    def run(m, x, w, b):
        f = getattr(m.nn.functional, f"conv_transpose{dims}d")
        return f(x, w, b, stride, padding, extra, groups, dilation)

    arrays = normal(2, inputs, *space), normal(inputs, outputs // groups, *kernel), normal(outputs)
    check(run, *arrays, grad=True, rtol=1e-10, atol=1e-12)


# Big enough for the library, one for each of its ways: plain, strided, grouped, depthwise,
# dilated, few channels, 1x1.
LARGE = [
    ((2, 16, 14, 14), (32, 16, 3, 3), {"padding": 1}),
    ((2, 16, 15, 14), (32, 16, 3, 3), {"stride": 2, "padding": 1}),
    ((2, 16, 14, 14), (32, 8, 3, 3), {"padding": 1, "groups": 2}),
    ((2, 32, 14, 14), (32, 1, 3, 3), {"padding": 1, "groups": 32}),
    ((2, 16, 14, 14), (32, 16, 3, 3), {"padding": 2, "dilation": 2}),
    ((2, 3, 30, 30), (32, 3, 7, 7), {"stride": 2, "padding": 3}),
    ((2, 16, 14, 14), (32, 16, 1, 1), {}),
    ((2, 16, 14, 14), (32, 16, 4, 4), {"padding": "same"}),
]


@pytest.mark.parametrize("x,w,kwargs", LARGE)
@pytest.mark.parametrize("dtype,bound", (("float32", 1e-5), ("bfloat16", 2e-2)))
@pytest.mark.parametrize("channels_last", (False, True))
def test_large_convolutions_and_their_gradients(x, w, kwargs, dtype, bound, channels_last):
    results, strides = [], []
    arrays = [a.astype("float32") for a in (normal(*x), normal(*w), normal(w[0]))]
    for i, m in ((0, oracle), (1, torch)):
        t = [pair(a, dtype)[i] for a in arrays]
        if channels_last:
            t[0] = t[0].to(memory_format=m.channels_last)
        t = [v.requires_grad_() for v in t]
        out = m.nn.functional.conv2d(*t, **kwargs)
        (out * out).sum().backward()
        results.append((out, *[v.grad for v in t]))
        strides.append(out.stride())
    assert strides[0] == strides[1]
    for theirs, ours in zip(*results, strict=True):
        size = float(theirs.detach().abs().max())
        same(theirs, ours, rtol=bound, atol=bound * size)


@pytest.mark.parametrize("dtype", ("int64", "int32", "uint8", "complex128", "float16"))
def test_other_dtypes(dtype):
    def run(m, x, w):
        return m.nn.functional.conv2d(x, w, None, 2, 1)

    check(run, numbers(2, 3, 6, 5, high=4), numbers(4, 3, 3, 2, high=4), dtype=dtype)


def test_no_batch_empty_batch_and_strided_input():
    f = torch.nn.functional.conv2d
    x, w = torch.from_numpy(normal(2, 3, 6, 5)), torch.from_numpy(normal(4, 3, 3, 3))
    assert f(x[0], w).shape == (4, 4, 3)
    np.testing.assert_allclose(f(x[0], w).numpy(), f(x, w)[0].numpy(), rtol=1e-13)
    assert f(x[:0], w).shape == (0, 4, 4, 3)
    turned = x.transpose(2, 3)
    np.testing.assert_allclose(f(turned, w).numpy(), f(turned.contiguous(), w).numpy(), rtol=1e-13)


def test_a_delta_is_the_identity_and_shifts_commute():
    x = torch.from_numpy(normal(1, 1, 8, 8))
    delta = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    delta[0, 0, 1, 1] = 1
    assert torch.equal(torch.nn.functional.conv2d(x, delta, padding=1), x)


def test_transposed_convolution_is_the_adjoint():
    w = torch.from_numpy(normal(6, 4, 3, 3))
    x, y = torch.from_numpy(normal(2, 4, 9, 9)), torch.from_numpy(normal(2, 6, 5, 5))
    f = torch.nn.functional
    there = (f.conv2d(x, w, None, 2, 1) * y).sum()
    back = (x * f.conv_transpose2d(y, w, None, 2, 1)).sum()
    assert float(there) == pytest.approx(float(back), rel=1e-12)


def test_the_node_is_pytorchs():
    x = torch.ones(1, 2, 5, 5)
    w = torch.ones(3, 2, 3, 3, requires_grad=True)
    assert torch.conv2d(x, w).grad_fn.name() == "ConvolutionBackward0"


MESSAGES = [
    (lambda f, m: f.conv2d(m.ones(1, 4, 5, 5), m.ones(3, 2, 3, 3)),
     "Given groups=1, weight of size [3, 2, 3, 3], expected input[1, 4, 5, 5] to have 2 channels, "
     "but got 4 channels instead"),
    (lambda f, m: f.conv2d(m.ones(1, 2, 2, 2), m.ones(3, 2, 3, 3)),
     "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't "
     "be greater than actual input size"),
    (lambda f, m: f.conv2d(m.ones(5, 5), m.ones(3, 2, 3, 3)),
     "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [5, 5]"),
    (lambda f, m: f.conv2d(m.ones(1, 2, 5, 5), m.ones(3, 2, 3, 3), padding="same", stride=2),
     "padding='same' is not supported for strided convolutions"),
    (lambda f, m: f.conv2d(m.ones(1, 2, 5, 5), m.ones(3, 2, 3, 3), padding="full"),
     "Invalid padding string: 'full'"),
    (lambda f, m: f.conv2d(m.ones(1, 2, 5, 5), m.ones(3, 2, 3, 3), stride=0),
     "non-positive stride is not supported"),
    (lambda f, m: f.conv2d(m.ones(1, 2, 5, 5).double(), m.ones(3, 2, 3, 3)),
     "expected scalar type Double but found Float"),
    (lambda f, m: f.conv_transpose2d(m.ones(1, 2, 5, 5), m.ones(3, 2, 3, 3)),
     "Given transposed=1, weight of size [3, 2, 3, 3], expected input[1, 2, 5, 5] to have 3 "
     "channels, but got 2 channels instead"),
]  # fmt: skip


@pytest.mark.parametrize("f,words", MESSAGES)
def test_messages_are_pytorchs(f, words):
    for m in (oracle, torch):
        with pytest.raises(RuntimeError) as caught:
            f(m.nn.functional, m)
        assert str(caught.value).splitlines()[0] == words


def test_bool_is_refused():
    def run(m):
        return m.conv2d(m.ones(1, 1, 3, 3, dtype=m.bool), m.ones(1, 1, 2, 2, dtype=m.bool))

    both_raise(NotImplementedError, run)
