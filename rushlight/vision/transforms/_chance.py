"""Transforms that draw numbers; the same seed gives what it gives in torchvision."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ..._warn import warn
from . import functional as F
from ._arguments import (
    Shown,
    angles,
    check_sequence,
    colours,
    factors,
    integer,
    pair,
    uniform,
)
from ._image import InterpolationMode, interpolation_mode

Tensor = torch.Tensor


def _fill_for(img: Any, fill: Any) -> Any:
    """The colour as the image's functions want it."""
    return colours(fill, F.get_dimensions(img)[0]) if isinstance(img, Tensor) else fill


class _Chance(Shown):
    """Does something with probability `p`."""

    _shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        """Do it, or return the image itself."""
        return self.change(img) if torch.rand(1).item() < self.p else img

    def change(self, img: Any) -> Any:
        """The changed image."""
        raise NotImplementedError(f"{type(self).__name__}.change")


class RandomHorizontalFlip(_Chance):
    """Left and right change places."""

    def change(self, img: Any) -> Any:
        """The mirror image."""
        return F.hflip(img)


class RandomVerticalFlip(_Chance):
    """Above and below change places."""

    def change(self, img: Any) -> Any:
        """The image upside down."""
        return F.vflip(img)


class RandomInvert(_Chance):
    """The negative."""

    def change(self, img: Any) -> Any:
        """The negative of an image."""
        return F.invert(img)


class RandomAutocontrast(_Chance):
    """All of the range from black to white."""

    def change(self, img: Any) -> Any:
        """The stretched image."""
        return F.autocontrast(img)


class RandomEqualize(_Chance):
    """Every brightness about equally frequent."""

    def change(self, img: Any) -> Any:
        """The equalized image."""
        return F.equalize(img)


class RandomPosterize(_Chance):
    """Fewer bits a channel."""

    _shown = ("bits", "p")
    _between = ","

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits

    def change(self, img: Any) -> Any:
        """The image of fewer colours."""
        return F.posterize(img, self.bits)


class RandomSolarize(_Chance):
    """Values from a threshold on are inverted."""

    _shown = ("threshold", "p")
    _between = ","

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold

    def change(self, img: Any) -> Any:
        """The solarized image."""
        return F.solarize(img, self.threshold)


class RandomAdjustSharpness(_Chance):
    """Another sharpness."""

    _shown = ("sharpness_factor", "p")
    _between = ","

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor

    def change(self, img: Any) -> Any:
        """The sharpened image."""
        return F.adjust_sharpness(img, self.sharpness_factor)


class RandomGrayscale(_Chance):
    """Without colours, in as many channels as before."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        """The grey image."""
        return F.rgb_to_grayscale(img, num_output_channels=F.get_dimensions(img)[0])


class RandomPerspective(_Chance):
    """The four corners move inward by up to `distortion_scale` of half the image."""

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__(p)
        self.interpolation = interpolation_mode(interpolation)
        self.distortion_scale = distortion_scale
        if fill is None:
            fill = 0
        elif not isinstance(fill, (Sequence, numbers.Number)):
            raise TypeError("Fill should be either a sequence or a number.")
        self.fill = fill

    def change(self, img: Any) -> Any:
        """The image from another angle."""
        _, height, width = F.get_dimensions(img)
        start, end = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, start, end, self.interpolation, _fill_for(img, self.fill))

    @staticmethod
    def get_params(width: int, height: int, distortion_scale: float) -> tuple[list, list]:
        """The corners, and the points that they go to, both from the top left with the clock."""
        dx = int(distortion_scale * (width // 2))
        dy = int(distortion_scale * (height // 2))
        ends = []
        for right, bottom in ((False, False), (True, False), (True, True), (False, True)):
            x = integer(width - dx - 1, width) if right else integer(0, dx + 1)
            y = integer(height - dy - 1, height) if bottom else integer(0, dy + 1)
            ends.append([x, y])
        corners = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return corners, ends


class RandomCrop(Shown):
    """A part of the image, anywhere."""

    _shown = ("size", "padding")

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = tuple(pair(size))
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width) of the part."""
        _, height, width = F.get_dimensions(img)
        h, w = output_size
        if height < h or width < w:
            raise ValueError(
                f"Required crop size {(h, w)} is larger than input image size {(height, width)}"
            )
        if (height, width) == (h, w):
            return 0, 0, h, w
        return integer(0, height - h + 1), integer(0, width - w + 1), h, w

    def forward(self, img: Any) -> Any:
        """Pad, where asked to, and crop."""
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


def check_ranges(scale: Any, ratio: Any) -> None:
    """Errors and a warning for ranges of areas and aspect ratios."""
    if not isinstance(scale, Sequence):
        raise TypeError("Scale should be a sequence")
    if not isinstance(ratio, Sequence):
        raise TypeError("Ratio should be a sequence")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warn("Scale and ratio should be of kind (min, max)")


class RandomResizedCrop(Shown):
    """A part of the image of random area and aspect ratio, resized."""

    _shown = ("size", "scale", "ratio", "interpolation", "antialias")

    def __init__(
        self,
        size: Any,
        scale: Any = (0.08, 1.0),
        ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size)
        check_ranges(scale, ratio)
        self.interpolation = interpolation_mode(interpolation)
        self.antialias = antialias
        self.scale = scale
        self.ratio = ratio

    @staticmethod
    def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        """(top, left, height, width): ten tries, then the centre of the nearest ratio."""
        _, height, width = F.get_dimensions(img)
        area = height * width
        logs = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            target = area * torch.empty(1).uniform_(scale[0], scale[1]).item()
            aspect = torch.exp(torch.empty(1).uniform_(*logs)).item()
            w = int(round(math.sqrt(target * aspect)))
            h = int(round(math.sqrt(target / aspect)))
            if 0 < w <= width and 0 < h <= height:
                return integer(0, height - h + 1), integer(0, width - w + 1), h, w
        h, w = height, width
        if width / height < min(ratio):
            h = int(round(w / min(ratio)))
        elif width / height > max(ratio):
            w = int(round(h * max(ratio)))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        """Crop and resize an image."""
        box = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *box, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(x, 4) for x in pair) for pair in (self.scale, self.ratio))
        return (
            f"{type(self).__name__}(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={self.interpolation.value}, antialias={self.antialias})"
        )


class ColorJitter(Shown):
    """Random brightness, contrast, saturation and hue, in random order."""

    _shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0
    ) -> None:
        super().__init__()
        self.brightness = factors(brightness, "brightness")
        self.contrast = factors(contrast, "contrast")
        self.saturation = factors(saturation, "saturation")
        self.hue = factors(hue, "hue", center=0, bound=(-0.5, 0.5), floor=False)

    @staticmethod
    def get_params(brightness: Any, contrast: Any, saturation: Any, hue: Any) -> tuple:
        """The order (a permutation of 4) and the four factors, None where there is no range."""
        order = torch.randperm(4)
        ranges = (brightness, contrast, saturation, hue)
        return order, *(None if r is None else uniform(*r) for r in ranges)

    def forward(self, img: Any) -> Any:
        """Change the colours of an image."""
        order, *drawn = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        steps = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order.tolist():
            if drawn[i] is not None:
                img = steps[i](img, drawn[i])
        return img


class RandomRotation(Shown):
    """A turn by a random angle."""

    def __init__(
        self,
        degrees: Any,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Any = None,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = angles(degrees, "degrees")
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center
        self.resample = self.interpolation
        self.expand = expand
        if fill is None:
            fill = 0
        elif not isinstance(fill, (Sequence, numbers.Number)):
            raise TypeError("Fill should be either a sequence or a number.")
        self.fill = fill

    @staticmethod
    def get_params(degrees: list[float]) -> float:
        """The angle."""
        return uniform(degrees[0], degrees[1])

    def forward(self, img: Any) -> Any:
        """Turn an image."""
        fill = _fill_for(img, self.fill)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        center = "" if self.center is None else f", center={self.center}"
        fill = "" if self.fill is None else f", fill={self.fill}"
        return (
            f"{type(self).__name__}(degrees={self.degrees}, "
            f"interpolation={self.interpolation.value}, expand={self.expand}{center}{fill})"
        )
