"""Euclidean distances of many long rows, which come from products, beside sums in float64."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch


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
