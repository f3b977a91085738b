"""What images and videos go through before models with published weights."""

from __future__ import annotations

from typing import Any

from ... import Tensor, nn
from . import functional as F
from .functional import InterpolationMode

__all__ = [
    "ObjectDetection",
    "ImageClassification",
    "VideoClassification",
    "SemanticSegmentation",
    "OpticalFlow",
]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


def _as_float(img: Any) -> Tensor:
    """A picture or tensor as a float tensor in [0, 1]."""
    from ... import float32

    if not isinstance(img, Tensor):
        img = F.pil_to_tensor(img)
    return F.convert_image_dtype(img, float32)


class _Preset(nn.Module):
    shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        if not self.shown:
            return f"{self.__class__.__name__}()"
        lines = "".join(f"\n    {name}={getattr(self, name)}" for name in self.shown)
        return f"{self.__class__.__name__}({lines}\n)"


class ObjectDetection(_Preset):
    """A picture as a float tensor in [0, 1]; the detector does the rest itself."""

    def forward(self, img: Any) -> Tensor:
        """The image (C, H, W)."""
        return _as_float(img)

    def describe(self) -> str:
        """What `forward` does, in words."""
        return "PIL images and tensors (..., C, H, W) become float tensors with values in [0, 1]."


class ImageClassification(_Preset):
    """Resize, cut out the middle, and normalise."""

    shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(
        self,
        *,
        crop_size: int,
        resize_size: int = 256,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.crop_size = [crop_size]
        self.resize_size = [resize_size]
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        """The image (..., C, crop_size, crop_size)."""
        img = F.resize(
            img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias
        )
        img = F.center_crop(img, self.crop_size)
        return F.normalize(_as_float(img), mean=self.mean, std=self.std)

    def describe(self) -> str:
        """What `forward` does, in words."""
        return (
            f"Images are resized to {self.resize_size} by {self.interpolation}, the middle "
            f"{self.crop_size} is cut out, values go to [0, 1] and are normalised with mean "
            f"{self.mean} and std {self.std}."
        )


class VideoClassification(_Preset):
    """Resize, cut out the middle, normalise, and put the channels before the frames."""

    shown = ("crop_size", "resize_size", "mean", "std", "interpolation")

    def __init__(
        self,
        *,
        crop_size: tuple[int, int],
        resize_size: tuple[int, int] | tuple[int],
        mean: tuple[float, ...] = (0.43216, 0.394666, 0.37645),
        std: tuple[float, ...] = (0.22803, 0.22145, 0.216989),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    ) -> None:
        super().__init__()
        self.crop_size = list(crop_size)
        self.resize_size = list(resize_size)
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation

    def forward(self, vid: Tensor) -> Tensor:
        """The video (..., C, T, H, W) of frames (..., T, C, H, W)."""
        single = vid.ndim < 5
        if single:
            vid = vid.unsqueeze(dim=0)
        n, frames = vid.shape[:2]
        vid = vid.reshape(-1, *vid.shape[2:])
        vid = F.resize(vid, self.resize_size, interpolation=self.interpolation, antialias=False)
        vid = _as_float(F.center_crop(vid, self.crop_size))
        vid = F.normalize(vid, mean=self.mean, std=self.std)
        vid = vid.view(n, frames, *vid.shape[1:]).permute(0, 2, 1, 3, 4)
        return vid.squeeze(dim=0) if single else vid

    def describe(self) -> str:
        """What `forward` does, in words."""
        return (
            f"Frames (..., T, C, H, W) are resized to {self.resize_size} by {self.interpolation}, "
            f"the middle {self.crop_size} is cut out, values go to [0, 1] and are normalised with "
            f"mean {self.mean} and std {self.std}; the result is (..., C, T, H, W)."
        )


class SemanticSegmentation(_Preset):
    """Resize and normalise."""

    shown = ("resize_size", "mean", "std", "interpolation")

    def __init__(
        self,
        *,
        resize_size: int | None,
        mean: tuple[float, ...] = _MEAN,
        std: tuple[float, ...] = _STD,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.resize_size = [resize_size] if resize_size is not None else None
        self.mean = list(mean)
        self.std = list(std)
        self.interpolation = interpolation
        self.antialias = antialias

    def forward(self, img: Any) -> Tensor:
        """The image (..., C, H, W)."""
        if isinstance(self.resize_size, list):
            img = F.resize(
                img, self.resize_size, interpolation=self.interpolation, antialias=self.antialias
            )
        return F.normalize(_as_float(img), mean=self.mean, std=self.std)

    def describe(self) -> str:
        """What `forward` does, in words."""
        return (
            f"Images are resized to {self.resize_size} by {self.interpolation}, values go to "
            f"[0, 1] and are normalised with mean {self.mean} and std {self.std}."
        )


class OpticalFlow(_Preset):
    """Two pictures as float tensors in [-1, 1]."""

    def forward(self, img1: Any, img2: Any) -> tuple[Tensor, Tensor]:
        """Both images (..., C, H, W)."""
        half = [0.5, 0.5, 0.5]
        first, second = (F.normalize(_as_float(i), mean=half, std=half) for i in (img1, img2))
        return first.contiguous(), second.contiguous()

    def describe(self) -> str:
        """What `forward` does, in words."""
        return "PIL images and tensors (..., C, H, W) become float tensors with values in [-1, 1]."
