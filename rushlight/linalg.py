"""torch.linalg: every operator that declares a name in this namespace."""

from __future__ import annotations

from ._errors import LinAlgError as LinAlgError
from .op import table_of

globals().update(table_of("linalg"))
