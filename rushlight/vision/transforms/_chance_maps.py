"""Random affine and elastic maps, blurs and erasures."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import rushlight as torch

from . import functional as F
from ._arguments import Shown, angles, check_sequence, integer, pair, uniform
from ._chance import _fill_for, check_ranges
from ._image import InterpolationMode, interpolation_mode

Tensor = torch.Tensor


class RandomAffine(Shown):
    """A random turn, move, scale and shear about the centre."""

    def __init__(
        self,
        degrees: Any,
        translate: Any = None,
        scale: Any = None,
        shear: Any = None,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Any = None,
    ) -> None:
        super().__init__()
        self.interpolation = interpolation_mode(interpolation)
        self.degrees = angles(degrees, "degrees")
        check_affine_ranges(translate, scale)
        self.translate = translate
        self.scale = scale
        self.shear = shear if shear is None else angles(shear, "shear", (2, 4))
        self.resample = self.interpolation
        if fill is None:
            fill = 0
        elif not isinstance(fill, (Sequence, numbers.Number)):
            raise TypeError("Fill should be either a sequence or a number.")
        self.fillcolor = self.fill = fill
        if center is not None:
            check_sequence(center, "center", (2,))
        self.center = center

    @staticmethod
    def get_params(
        degrees: Any, translate: Any, scale_ranges: Any, shears: Any, img_size: list[int]
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, (tx, ty) in pixels, scale and (shear x, shear y); `img_size` is (w, h)."""
        angle = uniform(degrees[0], degrees[1])
        moves = (0, 0)
        if translate is not None:
            dx, dy = (float(t * n) for t, n in zip(translate, img_size))
            moves = (int(round(uniform(-dx, dx))), int(round(uniform(-dy, dy))))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            if len(shears) == 4:
                shear_y = uniform(shears[2], shears[3])
        return angle, moves, scale, (shear_x, shear_y)

    def forward(self, img: Any) -> Any:
        """Map an image."""
        fill = _fill_for(img, self.fill)
        size = F.get_image_size(img)
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return F.affine(
            img, *drawn, interpolation=self.interpolation, fill=fill, center=self.center
        )

    def __repr__(self) -> str:
        shown = [f"degrees={self.degrees}"]
        for name in ("translate", "scale", "shear"):
            if getattr(self, name) is not None:
                shown.append(f"{name}={getattr(self, name)}")
        if self.interpolation is not InterpolationMode.NEAREST:
            shown.append(f"interpolation={self.interpolation.value}")
        if self.fill != 0:
            shown.append(f"fill={self.fill}")
        if self.center is not None:
            shown.append(f"center={self.center}")
        return f"{type(self).__name__}({', '.join(shown)})"


def check_affine_ranges(translate: Any, scale: Any) -> None:
    """Errors for moves outside of 0 to 1 and for scales that are not positive."""
    if translate is not None:
        check_sequence(translate, "translate", (2,))
        if not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
    if scale is not None:
        check_sequence(scale, "scale", (2,))
        if any(s <= 0 for s in scale):
            raise ValueError("scale values should be positive")


def check_erasing(p: float, scale: Any, ratio: Any, value: Any) -> None:
    """Errors for what RandomErasing does not understand."""
    if not isinstance(value, (numbers.Number, str, tuple, list)):
        raise TypeError("Argument value should be either a number or str or a sequence")
    if isinstance(value, str) and value != "random":
        raise ValueError("If value is str, it should be 'random'")
    check_ranges(scale, ratio)
    if scale[0] < 0 or scale[1] > 1:
        raise ValueError("Scale should be between 0 and 1")
    if p < 0 or p > 1:
        raise ValueError("Random erasing probability should be between 0 and 1")


class RandomErasing(Shown):
    """Random values, or given ones, in a random rectangle (Zhong et al., 2017)."""

    _shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self,
        p: float = 0.5,
        scale: Any = (0.02, 0.33),
        ratio: Any = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        super().__init__()
        check_erasing(p, scale, ratio, value)
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Tensor, scale: Any, ratio: Any, value: list[float] | None = None
    ) -> tuple[int, int, int, int, Tensor]:
        """(i, j, h, w, values); the whole image and itself after ten tries that do not fit."""
        channels, height, width = img.shape[-3:]
        logs = torch.log(torch.tensor(ratio)).tolist()
        for _ in range(10):
            area = height * width * torch.empty(1).uniform_(scale[0], scale[1]).item()
            aspect = torch.exp(torch.empty(1).uniform_(*logs)).item()
            h = int(round(math.sqrt(area * aspect)))
            w = int(round(math.sqrt(area / aspect)))
            if not (h < height and w < width):
                continue
            if value is None:
                v = torch.empty([channels, h, w], dtype=torch.float32).normal_()
            else:
                v = torch.tensor(value)[:, None, None]
            return integer(0, height - h + 1), integer(0, width - w + 1), h, w, v
        return 0, 0, height, width, img

    def forward(self, img: Tensor) -> Tensor:
        """Erase, or return the image itself."""
        if not torch.rand(1) < self.p:
            return img
        value = erasing_value(self.value, img.shape[-3])
        return F.erase(img, *self.get_params(img, self.scale, self.ratio, value), self.inplace)


def erasing_value(value: Any, channels: int) -> list[float] | None:
    """The values as a list; None where they are to be drawn."""
    if isinstance(value, (int, float)):
        found = [float(value)]
    elif isinstance(value, str):
        return None
    else:
        found = [float(v) for v in value]
    if len(found) not in (1, channels):
        raise ValueError(
            "If value is a sequence, it should have either a single value or "
            f"{channels} (number of input channels)"
        )
    return found


class GaussianBlur(Shown):
    """A blur of random width."""

    _shown = ("kernel_size", "sigma")

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = pair(kernel_size, "Kernel size should be a tuple/list of two integers")
        if any(k <= 0 or k % 2 == 0 for k in self.kernel_size):
            raise ValueError("Kernel size value should be an odd and positive number.")
        if isinstance(sigma, numbers.Number):
            if sigma <= 0:
                raise ValueError("If sigma is a single number, it must be positive.")
            sigma = (sigma, sigma)
        elif not (isinstance(sigma, Sequence) and len(sigma) == 2):
            raise ValueError("sigma should be a single number or a list/tuple with length 2.")
        elif not 0.0 < sigma[0] <= sigma[1]:
            raise ValueError("sigma values should be positive and of the form (min, max).")
        self.sigma = sigma

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The deviation."""
        return uniform(sigma_min, sigma_max)

    def forward(self, img: Any) -> Any:
        """Blur an image."""
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])


class ElasticTransform(Shown):
    """Every pixel moves by smooth noise of strength `alpha` (Simard et al., 2003)."""

    _shown = ("alpha", "sigma", "interpolation", "fill")

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        super().__init__()
        self.alpha = number_pair(alpha, "alpha")
        self.sigma = number_pair(sigma, "sigma")
        self.interpolation = interpolation_mode(interpolation)
        self.fill = [float(fill)] if isinstance(fill, (int, float)) else [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: list[float], sigma: list[float], size: list[int]) -> Tensor:
        """The displacement (1, H, W, 2), in half images."""
        planes = []
        for strength, width, side in zip(alpha, sigma, size[::-1]):
            noise = torch.rand([1, 1, *size]) * 2 - 1
            if width > 0.0:
                kernel = int(8 * width + 1) | 1
                noise = F.gaussian_blur(noise, [kernel, kernel], sigma)
            planes.append(noise * strength / side)
        return torch.concat(planes, 1).permute([0, 2, 3, 1])

    def forward(self, tensor: Any) -> Any:
        """Move the pixels of an image."""
        _, height, width = F.get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )


def number_pair(value: Any, name: str) -> list[float]:
    """A number or a sequence of one or two as two floats."""
    if not isinstance(value, (float, Sequence)):
        raise TypeError(f"{name} should be float or a sequence of floats. Got {type(value)}")
    if isinstance(value, Sequence):
        if len(value) not in (1, 2):
            raise ValueError(
                f"If {name} is a sequence its length should be 1 or 2. Got {len(value)}"
            )
        for element in value:
            if not isinstance(element, float):
                raise TypeError(f"{name} should be a sequence of floats. Got {type(element)}")
        return list(value) * (2 // len(value))
    return [float(value), float(value)]
