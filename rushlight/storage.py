"""PyTorch's module of storage classes."""

from ._storage import TypedStorage, UntypedStorage
from ._utils import _load_from_bytes

__all__ = ["TypedStorage", "UntypedStorage", "_load_from_bytes"]
