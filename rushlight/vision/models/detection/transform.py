"""What detectors do to images first and to their results last."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch

from .... import Tensor, as_tensor, empty, nn, stack
from ....nn import functional as F
from .image_list import ImageList
from .roi_heads import paste_masks_in_image


def _resize_image_and_masks(
    image: Tensor,
    self_min_size: int,
    self_max_size: int,
    target: dict[str, Tensor] | None = None,
    fixed_size: tuple[int, int] | None = None,
) -> tuple[Tensor, dict[str, Tensor] | None]:
    """Scale the shorter side to the one size, unless the longer would exceed the other."""
    size: list[int] | None = None
    scale: float | None = None
    recompute: bool | None = None
    if fixed_size is not None:
        size = [fixed_size[1], fixed_size[0]]
    else:
        short, long = min(image.shape[-2:]), max(image.shape[-2:])
        scale = min(self_min_size / short, self_max_size / long)
        recompute = True
    image = F.interpolate(
        image[None],
        size=size,
        scale_factor=scale,
        mode="bilinear",
        recompute_scale_factor=recompute,
        align_corners=False,
    )[0]
    if target is not None and "masks" in target:
        masks = F.interpolate(
            target["masks"][:, None].float(),
            size=size,
            scale_factor=scale,
            recompute_scale_factor=recompute,
        )
        target["masks"] = masks[:, 0].byte()
    return image, target


class GeneralizedRCNNTransform(nn.Module):
    """Normalise and resize images and their targets, batch them, and take results back.

    `min_size` is the shorter side, one of several in training; `size_divisible` divides the batch's
    sides.
    """

    def __init__(
        self,
        min_size: int,
        max_size: int,
        image_mean: list[float],
        image_std: list[float],
        size_divisible: int = 32,
        fixed_size: tuple[int, int] | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        self.min_size = min_size if isinstance(min_size, (list, tuple)) else (min_size,)
        self.max_size = max_size
        self.image_mean = image_mean
        self.image_std = image_std
        self.size_divisible = size_divisible
        self.fixed_size = fixed_size
        self._skip_resize = kwargs.pop("_skip_resize", False)

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """The batch, and the targets scaled as the images; the arguments stay as they are."""
        images = list(images)
        if targets is not None:
            targets = [dict(t) for t in targets]
        for i, image in enumerate(images):
            if image.dim() != 3:
                raise ValueError(
                    "images is expected to be a list of 3d tensors of shape [C, H, W], got "
                    f"{image.shape}"
                )
            target = None if targets is None else targets[i]
            image, target = self.resize(self.normalize(image), target)
            images[i] = image
            if targets is not None and target is not None:
                targets[i] = target
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        return ImageList(self.batch_images(images, self.size_divisible), sizes), targets

    def normalize(self, image: Tensor) -> Tensor:
        """Subtract the mean, divide by the deviation."""
        if not image.is_floating_point():
            raise TypeError(
                "Expected input images to be of floating type (in range [0, 1]), but found type "
                f"{image.dtype} instead"
            )
        mean = as_tensor(self.image_mean, dtype=image.dtype, device=image.device)
        std = as_tensor(self.image_std, dtype=image.dtype, device=image.device)
        return (image - mean[:, None, None]) / std[:, None, None]

    def torch_choice(self, k: list[int]) -> int:
        """One of `k`, drawn with the default generator."""
        return k[int(empty(1).uniform_(0.0, float(len(k))).item())]

    def resize(
        self, image: Tensor, target: dict[str, Tensor] | None = None
    ) -> tuple[Tensor, dict[str, Tensor] | None]:
        """Scale an image and its target."""
        old = image.shape[-2:]
        if self.training:
            if self._skip_resize:
                return image, target
            size = self.torch_choice(self.min_size)
        else:
            size = self.min_size[-1]
        image, target = _resize_image_and_masks(image, size, self.max_size, target, self.fixed_size)
        if target is None:
            return image, target
        target["boxes"] = resize_boxes(target["boxes"], old, image.shape[-2:])
        if "keypoints" in target:
            target["keypoints"] = resize_keypoints(target["keypoints"], old, image.shape[-2:])
        return image, target

    def max_by_axis(self, the_list: list[list[int]]) -> list[int]:
        """The largest of each number."""
        largest = the_list[0]
        for sizes in the_list[1:]:
            largest = [max(a, b) for a, b in zip(largest, sizes)]
        return largest

    def batch_images(self, images: list[Tensor], size_divisible: int = 32) -> Tensor:
        """The images in the top left corners of one batch, zeros elsewhere."""
        channels, height, width = self.max_by_axis([list(image.shape) for image in images])
        height = int(math.ceil(float(height) / size_divisible) * size_divisible)
        width = int(math.ceil(float(width) / size_divisible) * size_divisible)
        batch = images[0].new_full([len(images), channels, height, width], 0)
        for slot, image in zip(batch, images):
            slot[:, : image.shape[1], : image.shape[2]].copy_(image)
        return batch

    def postprocess(
        self,
        result: list[dict[str, Tensor]],
        image_shapes: list[tuple[int, int]],
        original_image_sizes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """Boxes, masks and keypoints in the coordinates of the original images."""
        if self.training:
            return result
        for found, size, original in zip(result, image_shapes, original_image_sizes):
            found["boxes"] = boxes = resize_boxes(found["boxes"], size, original)
            if "masks" in found:
                found["masks"] = paste_masks_in_image(found["masks"], boxes, original)
            if "keypoints" in found:
                found["keypoints"] = resize_keypoints(found["keypoints"], size, original)
        return result

    def __repr__(self) -> str:
        return (
            f"{self.__class__.__name__}(\n    Normalize(mean={self.image_mean}, "
            f"std={self.image_std})\n    Resize(min_size={self.min_size}, "
            f"max_size={self.max_size}, mode='bilinear')\n)"
        )


def _ratios(like: Tensor, original_size: list[int], new_size: list[int]) -> tuple[Tensor, Tensor]:
    """New over old: of the heights, of the widths."""
    new = as_tensor(new_size, dtype=torch.float32, device=like.device)
    ratios = new / as_tensor(original_size, dtype=torch.float32, device=like.device)
    return ratios[0], ratios[1]


def resize_keypoints(keypoints: Tensor, original_size: list[int], new_size: list[int]) -> Tensor:
    """Keypoints (..., 3) scaled with their image; the third number stays."""
    height, width = _ratios(keypoints, original_size, new_size)
    resized = keypoints.clone()
    resized[..., 0] *= width
    resized[..., 1] *= height
    return resized


def resize_boxes(boxes: Tensor, original_size: list[int], new_size: list[int]) -> Tensor:
    """Boxes (N, 4) scaled with their image."""
    height, width = _ratios(boxes, original_size, new_size)
    x1, y1, x2, y2 = boxes.unbind(1)
    return stack((x1 * width, y1 * height, x2 * width, y2 * height), dim=1)
