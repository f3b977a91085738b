"""What libraries enter around a vmap whose function indexes tensors by tensors."""

from __future__ import annotations

from ..overrides import BaseTorchFunctionMode


class TransformGetItemToIndex(BaseTorchFunctionMode):
    """Nothing to transform: under vmap, indexing by a 0-d tensor of a lane is an operator here."""
