"""The functions of the root namespace that PyTorch writes in Python, by their old home."""

from __future__ import annotations

import rushlight as torch

__all__ = [  # noqa: F822
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "broadcast_shapes",
    "broadcast_tensors", "cartesian_prod", "cdist", "chain_matmul", "einsum", "istft", "lu",
    "meshgrid", "norm", "pca_lowrank", "split", "stft", "svd_lowrank", "tensordot", "unique",
    "unique_consecutive", "unravel_index",
]  # fmt: skip

globals().update({name: getattr(torch, name) for name in __all__})
