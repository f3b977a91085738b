"""The lines of models.py in NumPy, where that is sensible, and inputs for other libraries."""

from __future__ import annotations

import numpy as np

RANDOM = np.random.default_rng(0)


def normal(*shape):
    return (RANDOM.standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)


def labels(*shape, high=10):
    return RANDOM.integers(0, high, shape)


def numpy_softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def numpy_mlp_step():
    """The MLP's training step by hand."""
    x, y = normal(64, 784), labels(64)
    p = [normal(784, 128), np.zeros(128, np.float32), normal(128, 10), np.zeros(10, np.float32)]
    m, v = [np.zeros_like(a) for a in p], [np.zeros_like(a) for a in p]
    count = 0

    def step():
        nonlocal count
        count += 1
        h = np.maximum(x @ p[0] + p[1], 0)
        g = numpy_softmax(h @ p[2] + p[3])
        g[np.arange(64), y] -= 1
        g /= 64
        gh = (g @ p[2].T) * (h > 0)
        grads = [x.T @ gh, gh.sum(0), h.T @ g, g.sum(0)]
        for a, ga, ma, va in zip(p, grads, m, v, strict=True):
            ma += 0.1 * (ga - ma)
            va += 0.001 * (ga * ga - va)
            a -= 1e-3 / (1 - 0.9**count) * ma / (np.sqrt(va / (1 - 0.999**count)) + 1e-8)

    return step


def numpy_layer_norm():
    x, w, b = normal(4096, 768), normal(768), normal(768)

    def call():
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        return (x - mean) / np.sqrt(var + 1e-5) * w + b

    return call


def numpy_product(n):
    a, b = normal(n, n), normal(n, n)
    return lambda: a @ b


def numpy_mlp():
    x, w, b = normal(1, 784), normal(784, 128), normal(128)
    w2, b2 = normal(128, 10), normal(10)
    return lambda: np.maximum(x @ w + b, 0) @ w2 + b2


def numpy_softmax_line():
    x = normal(4096, 1024)
    return lambda: numpy_softmax(x)


def numpy_lines() -> dict:
    return {
        "MLP 784-128-10, batch 64, Adam": numpy_mlp_step,
        "MLP 784-128-10, inference, batch 1": numpy_mlp,
        "a @ b, 1024": lambda: numpy_product(1024),
        "a @ b, 256": lambda: numpy_product(256),
        "softmax, (4096, 1024)": numpy_softmax_line,
        "layer_norm, (4096, 768)": numpy_layer_norm,
    }
