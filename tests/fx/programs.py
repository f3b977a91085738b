"""Programs that are traced here and by PyTorch, with the graphs that they give.

A function takes the library (`torch`) and returns what is traced, so that both can run it.
"""

from __future__ import annotations

import math


def arguments(torch):
    def f(x, y=2, *args, z: int = 3, **kw):
        return torch.relu(x) + y * z - args[0] + kw["k"]

    return f


def operators(torch):
    def f(x, y):
        a = (x + 1) * 2 - y / 3 // 4 % 5 @ y
        b = (1 + x) * (2**y) & (x < y) | (x >= 1) ^ (y == x) << 1 >> 2
        return a, b, -x, +y, ~x, abs(x), 3 - x, 4 / y, 5 // x, 6 % x, x**2, x != y

    return f


def attributes(torch):
    def f(x):
        n, c = x.shape
        y = x.view(n, -1, *(c,)).transpose(0, 1)[..., None, 1:c:2]
        return x.T, x.foo.bar(1).baz, y.size(0), {"a": [x, (y,)], "b": slice(n, None)}, x.dtype

    return f


def functions(torch):
    F = torch.nn.functional

    def f(x, w):
        a = F.dropout(F.relu(F.conv2d(x, w, padding=1), inplace=True), 0.3)
        b = F.softmax(F.layer_norm(F.max_pool2d(a, 2), (3,), w), dim=1)
        c = F.interpolate(F.batch_norm(b, w, w, training=True), scale_factor=2)
        d = torch.cat([F.gelu(c), F.adaptive_avg_pool2d(c, (1, 1))], 1)
        return F.cross_entropy(torch.flatten(d, 1), w, label_smoothing=0.1), F.linear(d, w)

    return f


def more_functions(torch):
    def f(x, y):
        a = torch.einsum("ij,jk->ik", x, y), torch.einsum("i,i->", [x, y])
        b = torch.split(x, 2), torch.split(x, [1, 2], dim=1), x.split(2), torch.norm(x, dim=1)
        c = torch.fft.rfft(x), torch.linalg.inv(y), torch.meshgrid(x, y), torch.tensordot(x, y, 1)
        d = torch.where(x > 0, x, y), torch.is_floating_point(x), torch.numel(y), x.add_(2)
        return (
            a,
            b,
            c,
            d,
            torch.zeros(2, 3, device=x.device, dtype=x.dtype),
            torch.arange(x.size(0)),
        )

    return f


def wrapped(torch):
    return lambda x: math.sqrt(x) + math.floor(x.size(0) / 2)


def checked(torch):
    def f(x):
        torch._assert(x.shape[0] == 2, "two rows")
        return x

    return f


def constants(torch):
    def f(x):
        t = torch.ones(2, 3)
        return t + x, t - x, t[x], torch.add(x, t, alpha=2), float("inf") * x, x.to(torch.float16)

    return f


def layers(torch):
    nn = torch.nn

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))
            self.register_buffer("shift", torch.zeros(3))

        def forward(self, x):
            return x * self.scale + self.shift

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
            self.inner = Inner()
            self.heads = nn.ModuleList(nn.Linear(3, 2) for _ in range(2))

        def forward(self, x):
            x = self.inner(self.stem(x))
            x = self.inner(x) + self.heads[0].weight.sum()
            return [head(x) for head in self.heads]

    return Model()


ALL = {
    f.__name__: f
    for f in (
        arguments, operators, attributes, functions, more_functions, wrapped, checked, constants,
        layers,
    )
}  # fmt: skip
