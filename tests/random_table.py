"""Every use of random numbers under one seed each, as checksums of the bytes that come out.

`table(lib)` runs under either library; random_table.json holds what PyTorch 2.13 gives. Where
PyTorch is installed, `python tests/random_table.py` writes the file anew.
"""

from __future__ import annotations

import json
import warnings
import zlib
from pathlib import Path

STORED = Path(__file__).parent / "random_table.json"
SIZES = [1, 2, 3, 15, 16, 17, 31, 100, 623, 624, 625, 4097, 20011]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]

# -- fills ------------------------------------------------

FILLS = {
    "uniform_": lambda x: x.uniform_(),
    "uniform_ bounds": lambda x: x.uniform_(-0.3, 0.7),
    "normal_": lambda x: x.normal_(),
    "normal_ scaled": lambda x: x.normal_(0.1, 0.02),
    "exponential_": lambda x: x.exponential_(1.7),
    "cauchy_": lambda x: x.cauchy_(0.5, 2.0),
    "geometric_": lambda x: x.geometric_(0.3),
    "log_normal_": lambda x: x.log_normal_(0.1, 0.5),
    "random_": lambda x: x.random_(),
    "random_ to": lambda x: x.random_(100),
    "random_ from to": lambda x: x.random_(-7, 90),
    "bernoulli_": lambda x: x.bernoulli_(0.3),
}
OF_INTEGERS = ["geometric_", "random_", "random_ to", "bernoulli_"]
LAYOUTS = {
    "transposed": lambda x: x.t(),
    "sliced": lambda x: x[:, ::2],
    "a column": lambda x: x[1:, 3],
    "permuted": lambda x: x.reshape(3, 3, 2, 7).permute(2, 0, 3, 1),
    "channels last": lambda x: x.reshape(3, 3, 2, 7).permute(0, 3, 1, 2),
    "cut and turned": lambda x: x.reshape(3, 1, 3, 14).transpose(0, 1)[:, :, 1:],
}


def fills(t):
    for name, fill in FILLS.items():
        for dtype in FLOATS + (INTEGERS if name in OF_INTEGERS else []):
            kind = getattr(t, dtype)

            def sizes(fill=fill, kind=kind):
                return [fill(t.empty(n, dtype=kind)) for n in SIZES]

            def layouts(fill=fill, kind=kind):
                made = []
                for layout in LAYOUTS.values():
                    made.append(t.zeros(9, 14, dtype=kind))
                    fill(layout(made[-1]))
                return made

            yield f"{name} {dtype} sizes", sizes
            yield f"{name} {dtype} layouts", layouts


# -- makers and samplers ------------------------------------------------


def makers(t):
    for dtype in FLOATS + ["complex64", "complex128"]:
        kind = getattr(t, dtype)
        yield f"rand {dtype}", lambda k=kind: [t.rand(n, dtype=k) for n in SIZES]
        yield f"randn {dtype}", lambda k=kind: [t.randn(n, dtype=k) for n in SIZES]
    ranges = [(0, 10), (-7, 90), (0, 2**28 - 1), (0, 2**28), (-(2**40), 2**40)]
    for low, high in ranges:
        yield f"randint {low} {high}", lambda a=low, b=high: [t.randint(a, b, (n,)) for n in SIZES]
    for dtype in [*INTEGERS, *FLOATS, "bool"]:
        kind, high = getattr(t, dtype), 2 if dtype == "bool" else 100
        yield (
            f"randint {dtype}",
            lambda k=kind, b=high: [t.randint(b, (n,), dtype=k) for n in SIZES],
        )
    for dtype in ["uint8", "int16", "int32", "int64", "float32", "float64"]:
        sizes = [n for n in SIZES if n < 200 or dtype not in ("uint8",)]
        kind = getattr(t, dtype)
        yield f"randperm {dtype}", lambda k=kind, s=sizes: [t.randperm(n, dtype=k) for n in s]
    x = t.arange(126).reshape(9, 14)
    for dtype in FLOATS:
        v = (x / 60).to(getattr(t, dtype))
        yield f"normal {dtype}", lambda v=v: [
            t.normal(v, 2.0), t.normal(1.5, v), t.normal(v, v[:1]), t.normal(v.t(), v.t()),
        ]  # fmt: skip
        yield f"like {dtype}", lambda v=v: [
            t.rand_like(v.t()), t.randn_like(v.t()), t.randint_like(v, 3, 50),
        ]  # fmt: skip
        p = v / 3
        yield f"bernoulli {dtype}", lambda p=p: [
            t.bernoulli(p), t.bernoulli(p.t()), t.bernoulli(p, 0.2), p.clone().bernoulli_(p[:, :1]),
        ]  # fmt: skip
        yield f"poisson {dtype}", lambda v=v: [t.poisson(v), t.poisson(v.t() * 20)]


def samplers(t):
    x = t.arange(1, 127).reshape(9, 14)
    for dtype in ["float32", "float64"]:
        v = (x / 60).to(getattr(t, dtype))
        yield f"multinomial {dtype}", lambda v=v: [
            t.multinomial(v, 4), t.multinomial(v.t(), 4), t.multinomial(v, 1, True),
            t.multinomial(v, 50, True), t.multinomial(v[0], 14), t.multinomial(v[0], 3, True),
        ]  # fmt: skip
        yield f"binomial {dtype}", lambda v=v: [
            t.binomial((v * 60).floor(), v / 3), t.binomial((v * 60).floor().t(), 1 - v.t() / 3),
        ]  # fmt: skip
        for name in ("_standard_gamma", "_sample_dirichlet"):
            draw = getattr(t, name)
            yield f"{name} {dtype}", lambda v=v, draw=draw: [
                draw(v), draw(v.t()), draw(v * 40), draw(v[:1].expand(5, 14)), draw(v / 9),
            ]  # fmt: skip


def dropouts(t):
    F, x = t.nn.functional, (t.arange(126).reshape(9, 14) / 10 - 6)
    kinds = {
        "dropout": lambda x: F.dropout(x, 0.3),
        "dropout of a turned tensor": lambda x: F.dropout(x.t(), 0.3),
        "dropout in place": lambda x: F.dropout(x.clone(), 0.9, True, True),
        "native_dropout": lambda x: t.native_dropout(x, 0.9, True)[1],
        "dropout1d": lambda x: F.dropout1d(x, 0.3),
        "dropout2d": lambda x: F.dropout2d(x.reshape(3, 3, 2, 7), 0.3),
        "dropout3d": lambda x: F.dropout3d(x.reshape(3, 3, 2, 7), 0.3),
        "alpha_dropout": lambda x: F.alpha_dropout(x, 0.3, True) != 0,
        "feature_alpha_dropout": lambda x: F.feature_alpha_dropout(x[:, :, None], 0.3, True) != 0,
        "rrelu": lambda x: F.rrelu(x, 0.1, 0.4, True),
    }
    for name, drop in kinds.items():
        for dtype in FLOATS if name != "rrelu" else ["float32", "float64"]:
            v = x.to(getattr(t, dtype))
            yield f"{name} {dtype}", lambda v=v, drop=drop: [drop(v), drop(v)]


# -- layers ------------------------------------------------


def layers(t):
    nn = t.nn
    made = {
        "Linear": lambda: nn.Linear(7, 5),
        "Linear wide": lambda: nn.Linear(300, 70, bias=False),
        "Conv1d": lambda: nn.Conv1d(4, 6, 3, groups=2),
        "Conv2d": lambda: nn.Conv2d(3, 8, (3, 5)),
        "Conv3d": lambda: nn.Conv3d(2, 3, 2, bias=False),
        "ConvTranspose1d": lambda: nn.ConvTranspose1d(4, 6, 3, groups=2),
        "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 5, 3),
        "ConvTranspose3d": lambda: nn.ConvTranspose3d(2, 3, 2),
        "Embedding": lambda: nn.Embedding(11, 6, padding_idx=2),
        "EmbeddingBag": lambda: nn.EmbeddingBag(9, 5),
        "RNN": lambda: nn.RNN(4, 5, 2),
        "LSTM": lambda: nn.LSTM(4, 6, 2, bidirectional=True, proj_size=3),
        "GRU": lambda: nn.GRU(4, 5, bidirectional=True, bias=False),
        "cells": lambda: nn.Sequential(nn.RNNCell(3, 4), nn.LSTMCell(3, 4), nn.GRUCell(3, 4)),
        "Bilinear": lambda: nn.Bilinear(3, 4, 5),
        "PReLU": lambda: nn.PReLU(3),
        "norms": lambda: nn.Sequential(nn.BatchNorm2d(3), nn.LayerNorm(4), nn.GroupNorm(2, 4)),
        "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True),
        "MultiheadAttention of three": lambda: nn.MultiheadAttention(8, 2, kdim=6, vdim=4),
        "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(8, 2, 16),
        "TransformerDecoderLayer": lambda: nn.TransformerDecoderLayer(8, 2, 16),
        "TransformerEncoder": lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16), 2, enable_nested_tensor=False
        ),
        "Transformer": lambda: nn.Transformer(8, 2, 2, 2, 16),
        "AdaptiveLogSoftmax": lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10]),
        "float64": lambda: nn.Sequential(nn.Linear(7, 5, dtype=t.float64), nn.Linear(5, 2)),
    }
    for name, make in made.items():
        yield f"layer {name}", lambda make=make: [*make().state_dict().values(), t.rand(2)]


def initialisers(t):
    i = t.nn.init
    calls = {
        "uniform_": lambda w: i.uniform_(w, -0.3, 0.7),
        "normal_": lambda w: i.normal_(w, 1.0, 0.2),
        "xavier_uniform_": lambda w: i.xavier_uniform_(w, gain=1.3),
        "xavier_normal_": lambda w: i.xavier_normal_(w),
        "kaiming_uniform_": lambda w: i.kaiming_uniform_(w, a=0.1, mode="fan_out"),
        "kaiming_normal_": lambda w: i.kaiming_normal_(w, nonlinearity="relu"),
        "sparse_": lambda w: i.sparse_(w, 0.4),
        "trunc_normal_": lambda w: i.trunc_normal_(w, std=0.8, a=-0.5, b=0.9),
    }
    for name, call in calls.items():
        yield f"init {name}", lambda call=call: [call(t.empty(7, 5)), call(t.empty(20, 31))]
    # Rounded by the QR decomposition: the state alone is checked.
    yield "init orthogonal_", lambda: [i.orthogonal_(t.empty(6, 9)).new_zeros(1)]


# -- data ------------------------------------------------


def data(t):
    d = t.utils.data
    numbers = d.TensorDataset(t.arange(37))

    def epochs(**options):
        loader = d.DataLoader(numbers, batch_size=5, **options)
        return [batch for _ in range(2) for (batch,) in loader]

    def generator():
        return t.Generator().manual_seed(7)

    cases = {
        "in order": lambda: epochs(),
        "shuffled": lambda: epochs(shuffle=True),
        "shuffled by a generator": lambda: epochs(shuffle=True, generator=generator()),
        "replacement": lambda: epochs(sampler=d.RandomSampler(numbers, True, 70)),
        "more than there are": lambda: epochs(sampler=d.RandomSampler(numbers, num_samples=90)),
        "subset": lambda: epochs(sampler=d.SubsetRandomSampler(range(3, 30))),
        "weighted": lambda: epochs(sampler=d.WeightedRandomSampler(range(1, 38), 20)),
        "weighted, once each": lambda: epochs(
            sampler=d.WeightedRandomSampler(range(1, 38), 20, False)
        ),
    }
    for name, case in cases.items():
        yield f"loader {name}", lambda case=case: [*case(), t.rand(2)]
    yield (
        "random_split",
        lambda: [t.tensor(list(part.indices)) for part in d.random_split(numbers, [0.5, 0.3, 0.2])],
    )


def mixed(t):
    def call():
        drop = t.nn.functional.dropout
        return [
            t.randn(3), t.rand(5), t.randn(1000), t.randn(1), t.randint(0, 9, (7,)), t.randperm(11),
            t.empty(5, dtype=t.float64).normal_(), t.empty(3).exponential_(), drop(t.ones(50), 0.3),
            t.bernoulli(t.full((9,), 0.5)), t.empty(9).log_normal_(), t.multinomial(t.ones(8), 3),
            t.poisson(t.full((6,), 12.5)), t.randn(17, dtype=t.bfloat16),
            t._standard_gamma(t.full((5,), 0.7)), t.randint(0, 2**40, (3,)), t.randn(2, 3),
            t.binomial(t.full((4,), 30.0), t.full((4,), 0.4)), t.empty(6).cauchy_(), t.randn(2),
        ]  # fmt: skip

    for seed in (0, 1, 42, 2**32 + 5, -3):
        yield f"mixed calls from seed {seed}", lambda seed=seed: t.manual_seed(seed) and call()


PARTS = [fills, makers, samplers, dropouts, layers, initialisers, data, mixed]


def checksum(t, tensors):
    """Of all elements' bytes, row-major, and of the generator's state after them."""
    total = 0
    for x in tensors:
        x = x.detach().contiguous()
        x = x.view(t.int16) if x.dtype == t.bfloat16 else x
        total = zlib.crc32(x.numpy().tobytes(), total)
    state = zlib.crc32(t.get_rng_state().numpy().tobytes())
    return f"{total:08x}{state:08x}"


def table(t):
    """Name to checksum."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part in PARTS:
            for name, call in part(t):
                t.manual_seed(zlib.crc32(name.encode()) % 10000)
                found[name] = checksum(t, call())
    return found


if __name__ == "__main__":
    import torch

    STORED.write_text(json.dumps(table(torch), indent=0) + "\n")
