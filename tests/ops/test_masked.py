"""torch.masked: reductions against the selected elements themselves; MaskedTensor."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest

import rushlight as torch

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(3, 5))
MASK = RNG.random((3, 5)) < 0.6
MASK[:, :2], MASK[:, 4] = True, False


def rows(reduce):
    """`reduce` of the selected elements of each row."""
    return [reduce(d[m]) for d, m in zip(DATA, MASK, strict=True)]


@pytest.mark.parametrize(
    "name, reduce",
    [
        ("sum", np.sum),
        ("prod", np.prod),
        ("mean", np.mean),
        ("amax", np.max),
        ("amin", np.min),
        ("var", lambda v: np.var(v, ddof=1)),
        ("std", lambda v: np.std(v, ddof=1)),
        ("norm", np.linalg.norm),
        ("median", lambda v: np.sort(v)[(len(v) - 1) // 2]),
        ("logsumexp", lambda v: np.log(np.exp(v).sum())),
    ],
)
def test_reductions_see_the_selected_elements_only(name, reduce):
    x, mask = torch.tensor(DATA), torch.tensor(MASK)
    got = getattr(torch.masked, name)(x, dim=1, mask=mask)
    np.testing.assert_allclose(got.numpy(), rows(reduce), rtol=1e-6)
    kept = getattr(torch.masked, name)(x, dim=1, keepdim=True, mask=mask)
    assert kept.shape == (3, 1)
    assert getattr(torch.masked, name)(x, dim=1).shape == (3,)


def test_extremes_are_found_where_they_lie():
    x, mask = torch.tensor(DATA), torch.tensor(MASK)
    for name, worst, choose in (("argmax", -np.inf, np.argmax), ("argmin", np.inf, np.argmin)):
        got = getattr(torch.masked, name)(x, 1, mask=mask)
        assert got.tolist() == choose(np.where(MASK, DATA, worst), 1).tolist()


def test_running_results_and_normalisations():
    x, mask = torch.tensor(DATA), torch.tensor(MASK)
    zero, one = np.where(MASK, DATA, 0), np.where(MASK, DATA, 1)
    np.testing.assert_allclose(torch.masked.cumsum(x, 1, mask=mask).numpy(), zero.cumsum(1))
    np.testing.assert_allclose(torch.masked.cumprod(x, 1, mask=mask).numpy(), one.cumprod(1))
    weights = np.where(MASK, np.exp(DATA), 0)
    weights /= weights.sum(1, keepdims=True)
    np.testing.assert_allclose(torch.masked.softmax(x, 1, mask=mask).numpy(), weights, rtol=1e-12)
    np.testing.assert_allclose(torch.masked.softmin(-x, 1, mask=mask).numpy(), weights, rtol=1e-12)
    logs = torch.masked.log_softmax(x, 1, mask=mask).numpy()
    np.testing.assert_allclose(np.exp(logs), weights, rtol=1e-12)
    length = np.linalg.norm(zero, axis=1, keepdims=True)
    got = torch.masked.normalize(x, 2.0, 1, mask=mask).numpy()
    np.testing.assert_allclose(got, zero / length)
    both = torch.masked.logaddexp(x, x, input_mask=mask, other_mask=~mask)
    np.testing.assert_allclose(both.numpy(), DATA)


def test_nothing_selected_gives_the_identity():
    x, none = torch.ones(2, 3), torch.zeros(2, 3, dtype=torch.bool)
    expected = {"sum": 0, "prod": 1, "amax": -math.inf, "amin": math.inf, "norm": 0}
    for name, value in expected.items():
        assert getattr(torch.masked, name)(x, dim=1, mask=none).tolist() == [value, value]
    for name in ("mean", "var", "median"):
        assert torch.isnan(getattr(torch.masked, name)(x, dim=1, mask=none)).all()
    assert torch.masked.amax(x.int(), 1, mask=none).tolist() == [-(2**31)] * 2


def test_dtypes():
    x, mask = torch.tensor([[1, 2, 3]]), torch.tensor([[True, False, True]])
    assert torch.masked.sum(x.to(torch.int8), 1, mask=mask).dtype is torch.int64
    assert torch.masked.cumsum(x.int(), 1, mask=mask).dtype is torch.int32
    assert torch.masked.var(x, 1, mask=mask).dtype is torch.float32
    assert torch.masked.mean(x, 1, dtype=torch.float64, mask=mask).tolist() == [2.0]
    assert torch.masked.median(x, 1, mask=mask).tolist() == [1]


@pytest.mark.parametrize(
    "error, call",
    [
        (ValueError, lambda x, m: torch.masked.mean(x.int(), 1, mask=m)),
        (NotImplementedError, lambda x, m: torch.masked.amin(x.bool(), 1, mask=m)),
        (IndexError, lambda x, m: torch.masked.sum(x[0], 0, mask=m)),
        (RuntimeError, lambda x, m: torch.masked.sum(x, 1, mask=torch.ones(4).bool())),
        (IndexError, lambda x, m: torch.masked.sum(x, 5, mask=m)),
        (RuntimeError, lambda x, m: torch.masked.sum(x, (0, 0), mask=m)),
        (ValueError, lambda x, m: torch.masked.median(x.int(), 1, mask=m & False)),
        (TypeError, lambda x, m: torch.masked.masked_tensor(x, x)),
        (ValueError, lambda x, m: torch.masked.masked_tensor(x, m[0])),
        (
            ValueError,
            lambda x, m: torch.masked.masked_tensor(x, m) + torch.masked.masked_tensor(x, ~m),
        ),
        (TypeError, lambda x, m: torch.masked.masked_tensor(x, m) @ x.t()),
        (TypeError, lambda x, m: torch.masked.masked_tensor(x, m).sort()),
        (RuntimeError, lambda x, m: torch.masked.masked_tensor(x, m).tolist()),
    ],
)
def test_misuse(error, call):
    x = torch.arange(6.0).reshape(2, 3)
    with pytest.raises(error):
        call(x, x > 2)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "norm", "logsumexp", "amax"])
def test_gradients_reach_the_selected_elements_only(name):
    mask = torch.tensor(MASK)
    x = torch.tensor(DATA, requires_grad=True)

    def reduced(t):
        return getattr(torch.masked, name)(t, dim=1, mask=mask)

    assert torch.autograd.gradcheck(reduced, (x,))
    (gradient,) = torch.autograd.grad(reduced(x).sum(), x)
    assert not gradient[~mask].any()


def masked(**options):
    x = torch.tensor([[-3.0, -2.0, -1.0], [0.0, 1.0, 2.0]])
    mask = torch.tensor([[True, False, True], [False, False, False]])
    return torch.masked.masked_tensor(x, mask, **options)


def test_masked_tensors_carry_their_masks():
    x = masked()
    text = (
        "MaskedTensor(\n  [\n    [ -3.0000,       --,  -1.0000],\n"
        "    [      --,       --,       --]\n  ]\n)"
    )
    assert repr(x) == text
    assert repr(x.sum()) == "MaskedTensor( -4.0000, True)"
    assert x.to_tensor(9.0).tolist() == [[-3, 9, -1], [9, 9, 9]]
    for made in (x + 1, 2 * x, x.abs().sqrt(), x == 1, x.double(), x.softmax(1), x + x):
        assert torch.masked.is_masked_tensor(made)
        assert torch.equal(made.get_mask(), x.get_mask())
    assert (x + 1).to_tensor(0.0).tolist() == [[-2, 0, 0], [0, 0, 0]]
    assert x.amax(1).get_mask().tolist() == [True, False]
    assert x.t().get_mask().tolist() == x.get_mask().t().tolist()
    assert x[0].get_mask().tolist() == [True, False, True]
    assert x.reshape(-1).shape == (6,) and x.view(3, 2).get_mask().shape == (3, 2)
    other = torch.masked.masked_tensor(x.get_data(), ~x.get_mask())
    whole = torch.where(x.get_mask(), x, other)
    assert whole.get_mask().all() and torch.equal(whole.get_data(), x.get_data())


def test_gradients_of_masked_tensors_are_masked():
    x = masked(requires_grad=True)
    (x * 2).sum().backward()
    assert torch.masked.is_masked_tensor(x.grad)
    assert x.grad.to_tensor(0.0).tolist() == [[2, 0, 2], [0, 0, 0]]


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "var", "softmax", "median", "argmin"])
def test_the_same_as_pytorch(name):
    theirs = pytest.importorskip("torch")
    seed = zlib.crc32(name.encode())
    values = np.random.default_rng(seed).normal(size=(2, 3, 4)).astype(np.float32)
    mask = np.random.default_rng(seed + 1).random((2, 3, 4)) < 0.5
    for dim in (0, 1, -1):
        got, want = (
            getattr(library.masked, name)(library.tensor(values), dim, mask=library.tensor(mask))
            for library in (torch, theirs)
        )
        np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-5)
