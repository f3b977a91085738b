"""Whatever a user hands over, as a NumPy array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import Tensor, bfloat16, float16


def make_np(x: Any) -> np.ndarray:
    """An array from a tensor, an array or a number; NotImplementedError for anything else."""
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, Tensor):
        plain = x.detach().cpu()
        return (plain.to(float16) if plain.dtype is bfloat16 else plain).numpy()
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")
