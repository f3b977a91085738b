"""Images of different sizes in one batch."""

from __future__ import annotations

from .... import Tensor


class ImageList:
    """A batch (N, C, H, W) padded to the largest image, and the sizes before that."""

    def __init__(self, tensors: Tensor, image_sizes: list[tuple[int, int]]) -> None:
        self.tensors = tensors
        self.image_sizes = image_sizes

    def to(self, device) -> ImageList:
        """The batch on another device."""
        return ImageList(self.tensors.to(device), self.image_sizes)
