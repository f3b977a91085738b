"""The lines of models.py in JAX: each step is one jit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from models import STAGES
from peers import labels, normal


def waiting(function, *args):
    run = jax.jit(function)
    return lambda: jax.block_until_ready(run(*args))


def adam(p, g, state):
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state[0], g)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, state[1], g)
    count = state[2] + 1
    one, two = 1 - 0.9**count, 1 - 0.999**count
    new = jax.tree.map(lambda p, m, v: p - 1e-3 * (m / one) / (jnp.sqrt(v / two) + 1e-8), p, m, v)
    return new, (m, v, count)


def sgd(p, g, state):
    return jax.tree.map(lambda p, g: p - 1e-3 * g, p, g), state


def entropy(scores, y):
    return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()


def training(model, p, x, y, rule=adam):
    def loss(p, key):
        return entropy(model(p, x, key), y.reshape(-1))

    def step(p, state, key):
        key, use = jax.random.split(key)
        value, g = jax.value_and_grad(loss)(p, use)
        return (*rule(p, g, state), key, value)

    run = jax.jit(step, donate_argnums=(0, 1))
    p = jax.tree.map(jnp.asarray, p)
    zeros = jax.tree.map(jnp.zeros_like, p)
    kept = [p, (zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(())), jax.random.key(0)]

    def call():
        *kept[:], value = run(*kept)
        value.block_until_ready()

    return call


def dense(p, x):
    return x @ p[0] + p[1]


def dense_made(i, o):
    return normal(i, o), np.zeros(o, np.float32)


def conv(x, w, stride=1, pad=0, bias=None):
    y = lax.conv_general_dilated(x, w, (stride, stride), [(pad, pad)] * 2)
    return y if bias is None else y + bias[:, None, None]


def conv_made(i, o, k):
    return (normal(o, i, k, k) / k).astype(np.float32), np.zeros(o, np.float32)


def pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")


def drop(x, key, rate, shape=None):
    keep = jax.random.bernoulli(key, 1 - rate, shape or x.shape)
    return jnp.where(keep, x / (1 - rate), 0)


def mlp(p, x, key=None):
    return dense(p[1], jax.nn.relu(dense(p[0], x)))


def mlp_made():
    return [dense_made(784, 128), dense_made(128, 10)]


def digits(p, x, key):
    one, two = jax.random.split(key)
    x = jax.nn.relu(conv(x, p[0][0], bias=p[0][1]))
    x = pool(jax.nn.relu(conv(x, p[1][0], bias=p[1][1])))
    x = drop(x, one, 0.25, (*x.shape[:2], 1, 1)).reshape(x.shape[0], -1)
    return dense(p[3], drop(jax.nn.relu(dense(p[2], x)), two, 0.5))


def digits_made():
    return [conv_made(1, 32, 3), conv_made(32, 64, 3), dense_made(9216, 128),
            dense_made(128, 10)]  # fmt: skip


def lenet(p, x, key):
    x = pool(jax.nn.relu(conv(x, p[0][0], bias=p[0][1])))
    x = pool(jax.nn.relu(conv(x, p[1][0], bias=p[1][1]))).reshape(x.shape[0], -1)
    for layer in p[2:-1]:
        x = jax.nn.relu(dense(layer, x))
    return dense(p[-1], x)


def lenet_made():
    return [conv_made(3, 6, 5), conv_made(6, 16, 5), dense_made(400, 120),
            dense_made(120, 84), dense_made(84, 10)]  # fmt: skip


def norm(p, x, training):
    axes = (0, 2, 3)
    mean = x.mean(axes) if training else p[2]
    var = x.var(axes) if training else p[3]
    scale = p[0] * lax.rsqrt(var + 1e-5)
    return x * scale[:, None, None] + (p[1] - mean * scale)[:, None, None]


def norm_made(n):
    return [f(n, np.float32) for f in (np.ones, np.zeros, np.zeros, np.ones)]


def resnet(p, x, training):
    x = jax.nn.relu(norm(p["norm"], conv(x, p["stem"], 1, 1), training))
    for block, (_, stride) in zip(p["blocks"], STAGES, strict=True):
        y = jax.nn.relu(norm(block["n1"], conv(x, block["c1"], stride, 1), training))
        y = norm(block["n2"], conv(y, block["c2"], 1, 1), training)
        if "short" in block:
            x = norm(block["n3"], conv(x, block["short"], stride), training)
        x = jax.nn.relu(x + y)
    return dense(p["head"], x.mean((2, 3)))


def resnet_made():
    p = {"stem": conv_made(3, 64, 3)[0], "norm": norm_made(64), "head": dense_made(512, 10)}
    p["blocks"], inputs = [], 64
    for outputs, stride in STAGES:
        block = {
            "c1": conv_made(inputs, outputs, 3)[0],
            "c2": conv_made(outputs, outputs, 3)[0],
        }
        block |= {"n1": norm_made(outputs), "n2": norm_made(outputs)}
        if stride > 1 or inputs != outputs:
            block |= {"short": conv_made(inputs, outputs, 1)[0], "n3": norm_made(outputs)}
        p["blocks"].append(block)
        inputs = outputs
    return p


def layer_norm(x, w, b):
    mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) * lax.rsqrt(var + 1e-5) * w + b


def norm_of(width):
    return np.ones(width, np.float32), np.zeros(width, np.float32)


def attend(q, k, v, causal):
    s = jnp.einsum("nqhe,nkhe->nhqk", q, k) / np.sqrt(q.shape[-1])
    if causal:
        s = jnp.where(jnp.tril(jnp.ones(s.shape[-2:], bool)), s, -jnp.inf)
    return jnp.einsum("nhqk,nkhe->nqhe", jax.nn.softmax(s), v)


def heads_of(x, heads):
    return x.reshape(*x.shape[:2], heads, -1)


def gpt(p, i, key=None, heads=8):
    x = p["words"][i] + p["places"][: i.shape[1]]
    for layer in p["layers"]:
        parts = jnp.split(dense(layer["qkv"], layer_norm(x, *layer["n1"])), 3, -1)
        seen = attend(*[heads_of(a, heads) for a in parts], True).reshape(x.shape)
        x = x + dense(layer["out"], seen)
        up = jax.nn.gelu(dense(layer["up"], layer_norm(x, *layer["n2"])), approximate=False)
        x = x + dense(layer["down"], up)
    x = layer_norm(x, *p["norm"]) @ p["head"]
    return x.reshape(-1, x.shape[-1])


def gpt_made(layers=4, width=256):
    made = [
        {"n1": norm_of(width), "n2": norm_of(width), "qkv": dense_made(width, 3 * width),
         "out": dense_made(width, width), "up": dense_made(width, 4 * width),
         "down": dense_made(4 * width, width)}
        for _ in range(layers)
    ]  # fmt: skip
    return {"words": normal(1000, width), "places": normal(128, width), "layers": made,
            "norm": norm_of(width), "head": normal(width, 1000)}  # fmt: skip


def encoder(p, x, key):
    for layer in p:
        key, *keys = jax.random.split(key, 4)
        parts = jnp.split(dense(layer["qkv"], x), 3, -1)
        seen = attend(*[heads_of(a, 4) for a in parts], False).reshape(x.shape)
        x = layer_norm(x + drop(dense(layer["out"], seen), keys[0], 0.1), *layer["n1"])
        up = drop(jax.nn.relu(dense(layer["up"], x)), keys[1], 0.1)
        x = layer_norm(x + drop(dense(layer["down"], up), keys[2], 0.1), *layer["n2"])
    return x


def encoder_made():
    return [
        {"n1": norm_of(128), "n2": norm_of(128), "qkv": dense_made(128, 384),
         "out": dense_made(128, 128), "up": dense_made(128, 256), "down": dense_made(256, 128)}
        for _ in range(2)
    ]  # fmt: skip


def encoder_step():
    x = jnp.asarray(normal(16, 64, 128))

    def step(p, state, key):
        key, use = jax.random.split(key)
        g = jax.grad(lambda p: (encoder(p, x, use) ** 2).mean())(p)
        return (*adam(p, g, state), key)

    run = jax.jit(step, donate_argnums=(0, 1))
    p = jax.tree.map(jnp.asarray, encoder_made())
    zeros = jax.tree.map(jnp.zeros_like, p)
    kept = [p, (zeros, jax.tree.map(jnp.copy, zeros), jnp.zeros(())), jax.random.key(0)]

    def call():
        kept[:] = run(*kept)
        jax.block_until_ready(kept[0])

    return call


def lstm(p, i, key=None):
    x = p["words"][i].swapaxes(0, 1)
    for w, u, b in p["cells"]:
        start = jnp.zeros((x.shape[1], u.shape[0]))

        def cell(carry, x, u=u):
            h, c = carry
            i, f, g, o = jnp.split(x + h @ u, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        _, x = lax.scan(cell, (start, start), x @ w + b)
    return dense(p["head"], x.swapaxes(0, 1)).reshape(-1, 1000)


def lstm_made():
    cells = [(normal(128, 512), normal(128, 512), np.zeros(512, np.float32)) for _ in range(2)]
    return {"words": normal(1000, 128), "cells": cells, "head": dense_made(128, 1000)}


def text(model, p, rows, length):
    i = labels(rows, length + 1, high=1000)
    return training(model, p, i[:, :-1], i[:, 1:])


def trained_resnet(p, x, key):
    return resnet(p, x, True)


LINES = {
    "MLP 784-128-10, batch 64, Adam": lambda: training(
        mlp, mlp_made(), normal(64, 784), labels(64)
    ),
    "digits CNN, batch 64, Adam": lambda: training(
        digits, digits_made(), normal(64, 1, 28, 28), labels(64)
    ),
    "LeNet, batch 4, SGD": lambda: training(
        lenet, lenet_made(), normal(4, 3, 32, 32), labels(4), sgd
    ),
    "ResNet-18 32x32, batch 8, SGD": lambda: training(
        trained_resnet, resnet_made(), normal(8, 3, 32, 32), labels(8), sgd
    ),
    "GPT 4 x 256, batch 4 of 128, AdamW": lambda: text(gpt, gpt_made(), 4, 128),
    "Transformer encoder, batch 16 of 64, Adam": encoder_step,
    "LSTM 2 x 128, batch 16 of 32, Adam": lambda: text(lstm, lstm_made(), 16, 32),
    "ResNet-18 32x32, inference, batch 1": lambda: waiting(
        lambda p, x: resnet(p, x, False), resnet_made(), normal(1, 3, 32, 32)
    ),
    "GPT 4 x 256, inference, 1 of 32": lambda: waiting(gpt, gpt_made(), labels(1, 32)),
    "MLP 784-128-10, inference, batch 1": lambda: waiting(mlp, mlp_made(), normal(1, 784)),
    "LSTM 2 x 128, inference, 1 of 32": lambda: waiting(lstm, lstm_made(), labels(1, 32)),
    "a @ b, 1024": lambda: waiting(jnp.matmul, normal(1024, 1024), normal(1024, 1024)),
    "a @ b, 256": lambda: waiting(jnp.matmul, normal(256, 256), normal(256, 256)),
    "softmax, (4096, 1024)": lambda: waiting(jax.nn.softmax, normal(4096, 1024)),
    "layer_norm, (4096, 768)": lambda: waiting(
        layer_norm, normal(4096, 768), normal(768), normal(768)
    ),
}
