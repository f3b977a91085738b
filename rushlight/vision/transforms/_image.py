"""What both generations of transforms share: what an image is, its size, ways to interpolate."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Any

import rushlight as torch

from ..._lazy import LazyModule


class PillowModule(LazyModule):
    """A module of Pillow on first use; without Pillow an error that says how to get it."""

    def __getattr__(self, attribute: str):
        try:
            return super().__getattr__(attribute)
        except ModuleNotFoundError as error:
            raise ImportError(
                "images need Pillow, which is not installed: pip install rushlight[vision]"
            ) from error


Image = PillowModule("PIL.Image")
ImageEnhance = PillowModule("PIL.ImageEnhance")
ImageOps = PillowModule("PIL.ImageOps")


class InterpolationMode(Enum):
    """How values between pixels are found; BOX, HAMMING and LANCZOS mostly for PIL images."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers for the modes.
pil_modes_mapping = {
    InterpolationMode.NEAREST: 0,
    InterpolationMode.BILINEAR: 2,
    InterpolationMode.BICUBIC: 3,
    InterpolationMode.NEAREST_EXACT: 0,
    InterpolationMode.BOX: 4,
    InterpolationMode.HAMMING: 5,
    InterpolationMode.LANCZOS: 1,
}
_FROM_NUMBER = {
    number: mode
    for mode, number in pil_modes_mapping.items()
    if mode is not InterpolationMode.NEAREST_EXACT
}


def interpolation_mode(value: Any) -> InterpolationMode:
    """The mode that a mode or Pillow's number for one means."""
    if isinstance(value, int):
        value = _FROM_NUMBER[value]
    if not isinstance(value, InterpolationMode):
        raise TypeError(
            "Argument interpolation should be a InterpolationMode or a corresponding Pillow "
            "integer constant"
        )
    return value


def pil_mode(mode: InterpolationMode):
    """Pillow's own name for a mode."""
    return Image.Resampling(pil_modes_mapping[mode])


def is_pil(value: Any) -> bool:
    """Whether it is a PIL image; Pillow is not imported to find out."""
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def require_pil(image: Any) -> None:
    """TypeError for what is no PIL image."""
    if not is_pil(image):
        raise TypeError(f"img should be PIL Image. Got {type(image)}")


def require_tensor_image(image: torch.Tensor) -> None:
    """TypeError for a tensor without height and width."""
    if image.ndim < 2:
        raise TypeError("Tensor is not a torch image.")


def require_dims(image: torch.Tensor) -> None:
    """TypeError for a tensor without a channel dim."""
    if image.ndim < 3:
        raise TypeError(
            f"Input image tensor should have at least 3 dimensions, but found {image.ndim}"
        )


def require_channels(image: torch.Tensor, permitted: tuple[int, ...] = (1, 3)) -> None:
    """TypeError for a tensor with another number of channels."""
    channels = channels_of(image)
    if channels not in permitted:
        raise TypeError(
            f"Input image tensor permitted channel values are {list(permitted)}, but found "
            f"{channels}"
        )


def channels_of(image: torch.Tensor) -> int:
    """The number of channels of a tensor (..., C, H, W) or (H, W)."""
    require_tensor_image(image)
    return 1 if image.ndim == 2 else image.shape[-3]


def dimensions(image: Any) -> list[int]:
    """[channels, height, width] of a PIL image or tensor."""
    if isinstance(image, torch.Tensor):
        return [channels_of(image), *image.shape[-2:]]
    if is_pil(image):
        return [len(image.getbands()), image.height, image.width]
    raise TypeError(f"Unexpected type {type(image)}")


def max_value(dtype: torch.dtype) -> int:
    """What stands for white: 1 in floating dtypes, else the greatest number."""
    if dtype == torch.bool or dtype.is_floating_point:
        return 1
    return torch.iinfo(dtype).max


def is_float(image: torch.Tensor) -> bool:
    """Whether a tensor holds floating numbers."""
    return image.dtype.is_floating_point


def as_float_batch(image: torch.Tensor, dtypes=(torch.float32, torch.float64)) -> torch.Tensor:
    """The image with a batch dim, in the first of `dtypes` unless it has one of them."""
    batch = image.unsqueeze(0) if image.ndim < 4 else image
    return batch if batch.dtype in dtypes else batch.to(dtypes[0])


def back_from_batch(batch: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    """Undo `as_float_batch` on a result: the dims and the dtype that `image` has."""
    if image.ndim < 4:
        batch = batch.squeeze(0)
    if batch.dtype == image.dtype:
        return batch
    return (batch if is_float(image) else batch.round()).to(image.dtype)
