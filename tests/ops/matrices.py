"""Random matrices, and whether two are near."""

from __future__ import annotations

import numpy as np

import rushlight as torch


def random(*shape, dtype=torch.float64, seed=0, grad=False):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=dtype, generator=generator).requires_grad_(grad)


def near(got, want, tolerance=1e-9):
    np.testing.assert_allclose(
        got.detach().numpy(), np.asarray(want.detach()), rtol=tolerance, atol=tolerance
    )
