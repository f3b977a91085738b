"""Small helpers that PyTorch keeps beside `save` and `load`."""

from __future__ import annotations

import warnings

import rushlight as torch


class SourceChangeWarning(Warning):
    """A class differs from what it was when its instance was saved."""


def check_module_version_greater_or_equal(
    module, req_version_tuple, error_if_malformed: bool = True
) -> bool:
    """Whether `module.__version__` is at least a tuple such as (1, 2).

    A version that cannot be compared raises RuntimeError, or warns and counts as enough.
    """
    try:
        texts = module.__version__.split(".")
        found = tuple(
            type(wanted)(text) for text, wanted in zip(texts, req_version_tuple, strict=False)
        )
        return found >= tuple(req_version_tuple)
    except Exception as error:
        message = (
            f"'{module.__name__}' module version string is malformed '{module.__version__}' and "
            f"cannot be compared with tuple {req_version_tuple}"
        )
        if error_if_malformed:
            raise RuntimeError(message) from error
        warnings.warn(message + ", but continuing assuming that requirement is met", stacklevel=2)
        return True


def normalize_storage_type(storage_type):
    """The class of the root namespace that has the name of a storage class."""
    return getattr(torch, storage_type.__name__)


def storage_to_tensor_type(storage):
    """The tensor type that belongs to a storage, such as FloatTensor to FloatStorage."""
    kind = storage.pickle_storage_type() if hasattr(storage, "dtype") else type(storage).__name__
    return getattr(torch, kind.replace("Storage", "Tensor"))
