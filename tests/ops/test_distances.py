"""Distances: of many long rows, which come from products, and of points that meet."""

from __future__ import annotations

import numpy as np
import pytest
from matrices import near, random

import rushlight as torch
from rushlight.autograd import gradgradcheck


def exact(a, b):
    """Distances (*, P, R) summed in the widest type that there is."""
    a, b = (t.numpy().astype(np.longdouble) for t in (a, b))
    return np.sqrt(((a[..., :, None, :] - b[..., None, :, :]) ** 2).sum(-1))


@pytest.mark.parametrize("dtype,bound", [(torch.float32, 1e-6), (torch.float64, 2e-15)])
@pytest.mark.parametrize("away,spread", [(0, 1), (100, 1), (0, 1e-3), (1e4, 1)])
def test_near_points_and_points_far_from_the_origin_keep_their_digits(away, spread, dtype, bound):
    torch.manual_seed(0)
    a, b = (torch.randn(2, n, 40, dtype=torch.float64) * spread + away for n in (150, 130))
    a, b = a.to(dtype), b.to(dtype)
    b[:, 5], b[:, 6] = a[:, 7], a[:, 8] * (1 + 2.0**-20)
    d, want = torch.cdist(a, b), exact(a, b)
    assert (d[:, 7, 5] == 0).all()
    assert (np.abs(d.numpy() - want) <= bound * want).all()


def test_infinite_and_missing_coordinates():
    a = torch.randn(100, 32)
    a[3, 4], a[5, 6] = torch.inf, torch.nan
    d = torch.cdist(a, a)
    assert d[3, 9] == torch.inf and d[3, 3].isnan()
    assert d[5].isnan().all() and d[:, 5].isnan().all() and int(d.isnan().sum()) == 200


def test_every_number_of_threads_gives_the_same():
    torch.manual_seed(1)
    a, b = torch.randn(3, 400, 33), torch.randn(3, 90, 33)
    before, found = torch.get_num_threads(), []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found.append(torch.cdist(a, b))
    torch.set_num_threads(before)
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, float("inf")])
@pytest.mark.parametrize(
    "shapes", [((7, 3), (5, 3)), ((2, 1, 30, 16), (3, 33, 16)), ((9, 1), (40, 1))]
)
def test_distances_agree_with_the_differences(p, shapes):
    a, b = random(*shapes[0]), random(*shapes[1], seed=1)
    got = torch.cdist(a, b, p)
    z = a.numpy()[..., :, None, :] - b.numpy()[..., None, :, :]
    np.testing.assert_allclose(got.numpy(), np.linalg.norm(z, ord=p, axis=-1), rtol=1e-12)
    near(torch.cdist(a.float(), b.float(), p), got, 1e-4)


def test_distances_of_near_points_keep_their_digits():
    a = torch.full((50, 4), 1000.0)
    b = a + 2.0**-10
    assert (torch.cdist(a, b) == 2.0**-9).all()
    assert (torch.cdist(a, a) == 0).all()


@pytest.mark.parametrize("shapes", [((0, 3), (2, 3)), ((2, 0), (3, 0)), ((2, 3), (0, 3))])
def test_distances_of_nothing(shapes):
    a, b = torch.zeros(shapes[0], requires_grad=True), torch.zeros(shapes[1])
    for p in (0.0, 1.0, 2.0, 3.0, float("inf")):
        d = torch.cdist(a, b, p)
        assert d.shape == (shapes[0][0], shapes[1][0]) and not d.any()
        d.sum().backward()
    assert not a.grad.any()


def test_distance_gradients_are_zero_where_points_meet():
    a = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[0.0, 0, 0], [1, 2, 0]], dtype=torch.float64)
    for p in (0.5, 1.0, 2.0, 3.0, float("inf")):
        (got,) = torch.autograd.grad(torch.cdist(a, b, p).sum(), a)
        assert got.isfinite().all() and (got[:, 2] == 0).all() and (got[:, 1] < 0).all()


def test_large_euclidean_gradients_agree_with_the_kernel():
    a, b = random(80, 30, grad=True), random(90, 30, seed=1, grad=True)
    got = torch.autograd.grad(torch.cdist(a, b).pow(2).sum(), (a, b))
    near(got[0], 2 * (90 * a - b.sum(0)))
    near(got[1], 2 * (80 * b - a.sum(0)))
    assert gradgradcheck(lambda x, y: torch.cdist(x, y), (a[:4, :3], b[:5, :3]))
    assert (
        torch.cdist(torch.full((1, 2), float("nan")), torch.zeros(2, 2), float("inf")).isnan().all()
    )
