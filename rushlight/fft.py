"""torch.fft: every operator that declares a name in this namespace."""

from __future__ import annotations

from ._C import Tensor as Tensor
from .op import table_of

globals().update(table_of("fft"))
