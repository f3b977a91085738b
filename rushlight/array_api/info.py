"""What the namespace says about itself."""

from __future__ import annotations

import rushlight as torch

from .._device import cpu
from .dtypes import KINDS


class __array_namespace_info__:  # noqa: N801 (the standard spells it so)
    """Capabilities, devices and dtypes of this namespace."""

    def capabilities(self):
        """What optional behaviour is there."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self):
        """Where arrays are made unless told."""
        return torch.get_default_device()

    def devices(self):
        """The devices there are."""
        return [cpu]

    def default_dtypes(self, *, device=None):
        """The dtypes of numbers given without one."""
        real = torch.get_default_dtype()
        return {
            "real floating": real,
            "complex floating": torch.complex128 if real is torch.float64 else torch.complex64,
            "integral": torch.int64,
            "indexing": torch.int64,
        }

    def dtypes(self, *, device=None, kind=None):
        """Dtypes by name, of a kind or a tuple of kinds; all for None."""
        kinds = ("bool", "numeric") if kind is None else (kind,) if isinstance(kind, str) else kind
        unknown = [k for k in kinds if k not in KINDS]
        if unknown:
            raise ValueError(f"dtypes: unknown kind {unknown[0]!r}, expected {sorted(KINDS)}")
        return {str(d).partition(".")[2]: d for k in kinds for d in KINDS[k]}
