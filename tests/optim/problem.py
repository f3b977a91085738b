"""A small network to fit, the same for rushlight and for PyTorch."""

from __future__ import annotations

import numpy as np

SHAPES = [(8, 4), (8,), (3, 8), (3,)]


def arrays(*shapes, seed=3):
    """Arrays of float64 noise."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(shape) for shape in shapes]


class Problem:
    """Two layers with tanh between, mean squared error; `lib` is rushlight or torch."""

    def __init__(self, lib, dtype="float64", matrices_only=False):
        self.lib = lib
        kind = getattr(lib, dtype)
        shapes = SHAPES[::2] if matrices_only else SHAPES
        self.weights = [lib.nn.Parameter(lib.from_numpy(a).to(kind) * 0.5) for a in arrays(*shapes)]
        self.x, self.y = (lib.from_numpy(a).to(kind) for a in arrays((16, 4), (16, 3), seed=4))

    def loss(self):
        linear = self.lib.nn.functional.linear
        layers = self.weights if len(self.weights) == 4 else [*self.weights, None]
        w1, b1, w2, b2 = layers if len(layers) == 4 else (layers[0], None, layers[1], None)
        return (linear(linear(self.x, w1, b1).tanh(), w2, b2) - self.y).square().mean()

    def steps(self, optimizer, count):
        """`count` steps; returns the losses before each."""
        losses = []

        def closure():
            optimizer.zero_grad()
            value = self.loss()
            value.backward()
            losses.append(value.item())
            return value

        for _ in range(count):
            optimizer.step(closure)
        return losses

    def values(self):
        return [w.detach().numpy().copy() for w in self.weights]
