"""Tensors that say what they hold: images, videos, masks, bounding boxes, key points."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from ._tensors import (
    BoundingBoxes,
    BoundingBoxFormat,
    Image,
    KeyPoints,
    Mask,
    TVTensor,
    Video,
    is_rotated_bounding_format,
    set_return_type,
)


def wrap(wrappee: torch.Tensor, *, like: TVTensor, **kwargs: Any) -> TVTensor:
    """The tensor as one of the kind of `like`, with its metadata or those in `kwargs`."""
    return like._like(wrappee, kwargs)
