"""SparseAdam under the name of its module in PyTorch."""

from __future__ import annotations

from .sparseadam import SparseAdam as SparseAdam
from .sparseadam import sparse_adam as sparse_adam
