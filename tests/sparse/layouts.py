"""What the tests of sparse tensors share: matrices and the layouts they are put into."""

from __future__ import annotations

import numpy as np

import rushlight as torch

LAYOUTS = {
    "coo": {"layout": torch.sparse_coo},
    "csr": {"layout": torch.sparse_csr},
    "csc": {"layout": torch.sparse_csc},
    "bsr": {"layout": torch.sparse_bsr, "blocksize": (2, 3)},
    "bsc": {"layout": torch.sparse_bsc, "blocksize": (2, 3)},
}


def matrix(rows=4, cols=6, share=0.5, dtype="float64", seed=0):
    """A tensor of which about that share of the elements is not zero."""
    random = np.random.default_rng(seed)
    values = random.uniform(0.5, 2, (rows, cols)) * random.choice([-1, 1], (rows, cols))
    values = np.where(random.random((rows, cols)) < share, values, 0.0)
    return torch.tensor(values.tolist(), dtype=getattr(torch, dtype))


def scattered(grad=False):
    """A COO tensor with places out of order and one of them twice."""
    values = torch.tensor([3.0, 4.0, 5.0, 6.0], dtype=torch.float64, requires_grad=grad)
    return torch.sparse_coo_tensor([[1, 0, 1, 0], [0, 2, 2, 2]], values, (2, 3))


def close(got, expected, tolerance=1e-12):
    """Whether two tensors (sparse ones made dense) or arrays agree."""
    arrays = [
        np.asarray(t.detach().to_dense().tolist()) if isinstance(t, torch.Tensor) else np.asarray(t)
        for t in (got, expected)
    ]
    return arrays[0].shape == arrays[1].shape and np.allclose(*arrays, tolerance, tolerance)
