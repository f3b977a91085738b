"""PyTorch's module of storage classes."""

from ._storage import TypedStorage, UntypedStorage
from ._utils import _load_from_bytes

StorageBase = _StorageBase = UntypedStorage  # what hold bytes: there is one kind here

__all__ = ["StorageBase", "TypedStorage", "UntypedStorage", "_load_from_bytes"]
