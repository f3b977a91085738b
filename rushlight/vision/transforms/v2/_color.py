"""Transforms of colours and values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ... import tv_tensors
from .. import transforms as first
from .._arguments import factors, uniform
from .._chance_maps import check_erasing, erasing_value
from .._image import is_pil
from . import functional as F
from ._transform import RandomApplyTransform, Transform, query_chw

Tensor = torch.Tensor


class Grayscale(Transform):
    """Brightness alone, in one channel or three equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey input."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, self.num_output_channels)


class RGB(Transform):
    """Three equal channels where there is one."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in three channels."""
        return self._call_kernel(F.grayscale_to_rgb, inpt)


class RandomGrayscale(RandomApplyTransform):
    """Without colours, in as many channels as before, with probability `p`."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p=p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The number of channels."""
        return {"num_output_channels": query_chw(flat_inputs)[0]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The grey input."""
        return self._call_kernel(F.rgb_to_grayscale, inpt, **params)


class ColorJitter(Transform):
    """Random brightness, contrast, saturation and hue, in random order."""

    get_params = staticmethod(first.ColorJitter.get_params)

    def __init__(
        self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None
    ) -> None:
        super().__init__()
        self.brightness = _range(brightness, "brightness")
        self.contrast = _range(contrast, "contrast")
        self.saturation = _range(saturation, "saturation")
        self.hue = _range(hue, "hue", center=0, bound=(-0.5, 0.5), floor=False)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order and the factors."""
        ranges = (self.brightness, self.contrast, self.saturation, self.hue)
        order, *drawn = first.ColorJitter.get_params(*ranges)
        return {"order": order.tolist(), "factors": drawn}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in other colours."""
        for i in params["order"]:
            if params["factors"][i] is not None:
                inpt = self._call_kernel(_ADJUST[i], inpt, params["factors"][i])
        return inpt


_ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def _range(value: Any, name: str, **limits: Any) -> tuple[float, float] | None:
    return None if value is None else factors(value, name, **limits)


class RandomChannelPermutation(Transform):
    """The channels in random order."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order."""
        return {"permutation": torch.randperm(query_chw(flat_inputs)[0]).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input with its channels in that order."""
        return self._call_kernel(F.permute_channels, inpt, **params)


class RandomPhotometricDistort(Transform):
    """Random colours as for training SSD (Liu et al., 2016)."""

    def __init__(
        self,
        brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05),
        p: float = 0.5,
    ) -> None:
        super().__init__()
        self.brightness = brightness
        self.contrast = contrast
        self.hue = hue
        self.saturation = saturation
        self.p = p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The factors, when the contrast changes, and the order of the channels."""
        channels = query_chw(flat_inputs)[0]
        found: dict[str, Any] = {}
        for name in ("brightness", "contrast", "saturation", "hue"):
            limits = getattr(self, name)
            found[name] = uniform(*limits) if torch.rand(1) < self.p else None
        found["contrast_before"] = bool(torch.rand(()) < 0.5)
        order = torch.randperm(channels) if torch.rand(1) < self.p else None
        found["channel_permutation"] = order
        return found

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in other colours."""
        late = ("saturation", "hue") if params["contrast_before"] else None
        steps = ("brightness", "contrast", *late) if late else (
            "brightness", "saturation", "hue", "contrast",
        )  # fmt: skip
        for name in steps:
            if params[name] is not None:
                inpt = self._call_kernel(getattr(F, f"adjust_{name}"), inpt, params[name])
        order = params["channel_permutation"]
        if order is not None:
            inpt = self._call_kernel(F.permute_channels, inpt, permutation=order.tolist())
        return inpt


class RandomEqualize(RandomApplyTransform):
    """Every brightness about equally frequent, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The equalized input."""
        return self._call_kernel(F.equalize, inpt)


class RandomInvert(RandomApplyTransform):
    """The negative, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The negative of the input."""
        return self._call_kernel(F.invert, inpt)


class RandomAutocontrast(RandomApplyTransform):
    """All of the range from black to white, with probability `p`."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The stretched input."""
        return self._call_kernel(F.autocontrast, inpt)


class RandomPosterize(RandomApplyTransform):
    """Fewer bits a channel, with probability `p`."""

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.bits = bits

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input in fewer colours."""
        return self._call_kernel(F.posterize, inpt, self.bits)


class RandomSolarize(RandomApplyTransform):
    """Values from a threshold on are inverted, with probability `p`."""

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.threshold = threshold

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The solarized input."""
        return self._call_kernel(F.solarize, inpt, self.threshold)


class RandomAdjustSharpness(RandomApplyTransform):
    """Another sharpness, with probability `p`."""

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.sharpness_factor = sharpness_factor

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The sharpened input."""
        return self._call_kernel(F.adjust_sharpness, inpt, self.sharpness_factor)


class GaussianBlur(Transform):
    """A blur of random width."""

    get_params = staticmethod(first.GaussianBlur.get_params)

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        checked = first.GaussianBlur(kernel_size, sigma)
        self.kernel_size = checked.kernel_size
        self.sigma = [float(s) for s in checked.sigma]

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The deviation."""
        sigma = uniform(*self.sigma)
        return {"sigma": [sigma, sigma]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The blurred input."""
        return self._call_kernel(F.gaussian_blur, inpt, self.kernel_size, **params)


class GaussianNoise(Transform):
    """Normal noise, within 0 to 1 where `clip`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean = mean
        self.sigma = sigma
        self.clip = clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The noisy input."""
        if is_pil(inpt):
            raise ValueError("Gaussian Noise is not implemented for PIL images.")
        return self._call_kernel(F.gaussian_noise, inpt, self.mean, self.sigma, self.clip)


class RandomErasing(RandomApplyTransform):
    """Random values, or given ones, in a random rectangle (Zhong et al., 2017)."""

    get_params = staticmethod(first.RandomErasing.get_params)

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0.0,
        inplace: bool = False,
    ) -> None:
        super().__init__(p=p)
        check_erasing(p, scale, ratio, value)
        self.scale = scale
        self.ratio = ratio
        self.value = _numbers(value)
        self.inplace = inplace

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(inpt, (tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints)):
            from ...._warn import warn

            warn(
                f"{type(self).__name__}() is currently passing through inputs of type "
                f"tv_tensors.{type(inpt).__name__}. This will likely change in the future."
            )
        return super()._call_kernel(functional, inpt, *args, **kwargs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle and the values; v is None for nothing."""
        channels, height, width = query_chw(flat_inputs)
        value = None if self.value is None else erasing_value(self.value, channels)
        blank = torch.empty(channels, height, width)
        found = first.RandomErasing.get_params(blank, self.scale, self.ratio, value)
        i, j, h, w, v = found
        return {"i": i, "j": j, "h": h, "w": w, "v": None if v is blank else v}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input with a hole."""
        if params["v"] is None:
            return inpt
        return self._call_kernel(F.erase, inpt, **params, inplace=self.inplace)


def _numbers(value: Any) -> list[float] | None:
    """Values as a list; None where they are to be drawn."""
    if isinstance(value, str):
        return None
    return [float(value)] if isinstance(value, (int, float)) else [float(v) for v in value]


class JPEG(Transform):
    """The losses of JPEG compression, of a quality or one from a range."""

    def __init__(self, quality: Any) -> None:
        super().__init__()
        quality = (quality, quality) if isinstance(quality, int) else tuple(quality)
        if len(quality) != 2:
            raise ValueError("quality should be a sequence of length 2")
        if not (1 <= quality[0] <= quality[1] <= 100 and all(isinstance(q, int) for q in quality)):
            raise ValueError(f"quality must consist of integers from 1 to 100, got {quality=}")
        self.quality = quality

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The quality."""
        low, high = self.quality
        return {"quality": int(torch.randint(low, high + 1, ()).item())}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input as it comes back."""
        return self._call_kernel(F.jpeg, inpt, **params)
