"""Programs under vmap, with PyTorch's results."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import rushlight

oracle = pytest.importorskip("torch")

PROGRAMS = {
    "standardise": lambda m, x: (x - x.mean(0)) / x.std(0),
    "cosine": lambda m, x: m.nn.functional.cosine_similarity(x, x.flip(0), dim=-1),
    "cdist": lambda m, x: m.cdist(x, x.roll(1, 0)),
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x),
    "inverse": lambda m, x: m.linalg.inv(x @ x.mT + m.eye(4, dtype=x.dtype)),
    "solve": lambda m, x: m.linalg.solve(x @ x.mT + m.eye(4, dtype=x.dtype), x),
    "det": lambda m, x: m.linalg.det(x @ x.mT),
    "norms": lambda m, x: m.stack([m.linalg.norm(x), m.linalg.norm(x, 1), m.linalg.norm(x, "nuc")]),
    "quantile": lambda m, x: m.quantile(x, 0.3, 1),
    "cumulative": lambda m, x: m.cumsum(x, 0) * m.cummax(x, 1).values,
    "topk": lambda m, x: m.topk(x, 2, 0).values,
    "interpolate": lambda m, x: m.nn.functional.interpolate(x[None, None], scale_factor=2.0)[0],
    "bilinear": lambda m, x: m.nn.functional.interpolate(
        x[None, None], size=(7, 3), mode="bilinear", antialias=True
    ),
    "pad": lambda m, x: m.nn.functional.pad(x[None], (1, 2, 0, 1), mode="reflect"),
    "unfold": lambda m, x: m.nn.functional.unfold(x[None, None], 2),
    "pool": lambda m, x: m.nn.functional.adaptive_avg_pool2d(x[None], 2),
    "max pool": lambda m, x: m.nn.functional.max_pool2d(x[None], 2, return_indices=True)[1],
    "fft": lambda m, x: m.fft.fft2(x).abs(),
    "triangle": lambda m, x: x.tril()[m.triu_indices(3, 3)[0]],
    "attention": lambda m, x: m.nn.functional.scaled_dot_product_attention(
        x[None, None], x[None, None], x[None, None], is_causal=True
    ),
    "binary": lambda m, x: m.nn.functional.binary_cross_entropy_with_logits(x, x.sigmoid()),
    "smooth": lambda m, x: m.nn.functional.smooth_l1_loss(x, x * 2),
    "entropy": lambda m, x: m.nn.functional.cross_entropy(x, m.arange(4), label_smoothing=0.1),
    "soft entropy": lambda m, x: m.nn.functional.cross_entropy(x, x.softmax(1)),
    "nll": lambda m, x: m.nn.functional.nll_loss(x.log_softmax(1), m.tensor([0, 4, -100, 2])),
    "kl": lambda m, x: m.nn.functional.kl_div(x.log_softmax(1), x.softmax(0), reduction="sum"),
    "batch norm": lambda m, x: m.nn.functional.batch_norm(x, None, None, training=True),
    "instance norm": lambda m, x: m.nn.functional.instance_norm(x[None]),
    "group norm": lambda m, x: m.nn.functional.group_norm(x[None], 2),
    "one hot": lambda m, x: m.nn.functional.one_hot(x.argmax(1), 6),
    "scatter": lambda m, x: m.zeros_like(x).scatter(1, x.argsort(1), x),
    "scatter reduce": lambda m, x: x.scatter_reduce(0, x.argsort(1) % 4, x, "amax"),
    "index put": lambda m, x: x.index_put((x.argmax(1) % 4,), x[:, :1], accumulate=True),
    "bucketize": lambda m, x: m.bucketize(x, m.tensor([-0.5, 0.0, 0.5], dtype=x.dtype)),
    "searchsorted": lambda m, x: m.searchsorted(x.sort(1).values, x),
    "masked": lambda m, x: x.masked_fill(x > 0, -1.0) + m.where(x > 0, x, 0.0),
    "clamp": lambda m, x: x.clamp(min=x.mean(), max=x.max(1, keepdim=True).values),
    "take along": lambda m, x: m.take_along_dim(x, x.argmax(0, keepdim=True), 0),
    "diagonals": lambda m, x: m.diag_embed(x.diagonal()) + x[:, :4].diagonal_scatter(x[:, 0]),
    "kron": lambda m, x: m.kron(x, x[:2, :2]),
    "lerp": lambda m, x: m.lerp(x, x * 2, x[0, 0]),
    "addmm": lambda m, x: m.addmm(x[0, :4], x, x.mT, beta=0.5, alpha=2),
    "movedim": lambda m, x: x.movedim(0, 1).contiguous().view(-1)[::3],
    "repeat": lambda m, x: x.repeat(2, 1, 1).repeat_interleave(2, 0),
    "unique rows": lambda m, x: (x > 0).any(1).logical_not().sum() + (x > 0).all(),
    "linspace": lambda m, x: m.linspace(0, 1, 4, dtype=x.dtype) * x[:, 0],
    "vander": lambda m, x: m.vander(x[0]),
    "dict": lambda m, x: m.stack(list({"a": x.amin(), "b": x.amax()}.values())),
}


def mapped(m, name, array, where):
    """The program's result, its lanes along dim 1 where it has one."""
    f = m.vmap(lambda x: PROGRAMS[name](m, x), in_dims=where)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch's own loops over lanes
        result = f(m.from_numpy(array.copy()))
        if result.dim() < 2:
            return result
        moved = m.vmap(lambda x: PROGRAMS[name](m, x), in_dims=where, out_dims=1)
        np.testing.assert_array_equal(
            moved(m.from_numpy(array.copy())).movedim(1, 0).numpy(), result.numpy()
        )
    return result


@pytest.mark.parametrize("where", [0, 2])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_give_what_pytorch_gives(name, where):
    array = np.random.default_rng(4).uniform(-1, 1, (3, 4, 5))
    array = np.ascontiguousarray(np.moveaxis(array, 0, where))
    got, want = (mapped(m, name, array, where) for m in (rushlight, oracle))
    assert str(got.dtype) == str(want.dtype) and tuple(got.shape) == tuple(want.shape)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-9, atol=1e-9)


DRAWS = {
    "rand": lambda m, x: m.rand(4) + x,
    "randn_like": lambda m, x: m.randn_like(x),
    "uniform_": lambda m, x: x.clone().uniform_(-1, 1),
    "exponential_": lambda m, x: m.zeros_like(x).exponential_(),
    "dropout": lambda m, x: m.nn.functional.dropout(x + 1, 0.4),
    "alpha dropout": lambda m, x: m.nn.functional.alpha_dropout(x, training=True),
    "bernoulli": lambda m, x: m.bernoulli(x.clamp(0, 1)),
    "bernoulli_": lambda m, x: x.clone().bernoulli_(0.5),
    "multinomial": lambda m, x: m.multinomial(x.abs() + 1, 2),
    "randperm": lambda m, x: m.randperm(4),
    "randint": lambda m, x: m.randint(0, 9, (4,)),
    "normal": lambda m, x: m.normal(x, x.abs()),
    "poisson": lambda m, x: m.poisson(x.abs() * 5),
    "gumbel": lambda m, x: m.nn.functional.gumbel_softmax(x),
    "two levels": lambda m, x: m.vmap(lambda y: y + m.rand(2), randomness="different")(x),
}


@pytest.mark.parametrize("randomness", ["different", "same", "error"])
@pytest.mark.parametrize("name", DRAWS)
def test_the_same_seed_draws_the_same_numbers(name, randomness):
    found = []
    for m in (oracle, rushlight):
        x = m.arange(12.0).reshape(3, 4) / 12 - 0.4
        m.manual_seed(1)
        try:
            found.append(m.vmap(lambda x, m=m: DRAWS[name](m, x), randomness=randomness)(x).numpy())
        except RuntimeError as error:
            found.append(str(error)[:60])
    want, got = found
    if isinstance(want, str):
        assert got == want
    else:
        np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-6)
