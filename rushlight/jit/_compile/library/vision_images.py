"""Transforms of image tensors: rushlight.vision.transforms as programs compile it."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch
from rushlight import Tensor
from rushlight.vision.transforms import functional as F
from rushlight.vision.transforms._image import InterpolationMode

HOMES = {
    "rushlight.vision.transforms.functional": [
        "get_dimensions", "get_image_size", "get_image_num_channels", "hflip", "vflip", "crop",
        "center_crop", "pad", "resize", "resized_crop", "normalize", "convert_image_dtype",
        "rgb_to_grayscale", "adjust_brightness", "adjust_contrast", "adjust_saturation",
        "adjust_gamma", "gaussian_blur", "invert", "solarize", "erase",
    ],
    "rushlight.vision.transforms._convert": ["convert_image_dtype"],
    "rushlight.vision.transforms._image": ["dimensions"],
    "rushlight.vision.transforms._presets": ["_as_float"],
}  # fmt: skip


def get_dimensions(img: Tensor) -> list[int]:
    channels = 1 if img.dim() == 2 else img.size(-3)
    return [channels, img.size(-2), img.size(-1)]


def dimensions(img: Tensor) -> list[int]:
    return get_dimensions(img)


def get_image_size(img: Tensor) -> list[int]:
    return [img.size(-1), img.size(-2)]


def get_image_num_channels(img: Tensor) -> int:
    return 1 if img.dim() == 2 else img.size(-3)


def hflip(img: Tensor) -> Tensor:
    return img.flip(-1)


def vflip(img: Tensor) -> Tensor:
    return img.flip(-2)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    h, w = img.size(-2), img.size(-1)
    right, bottom = left + width, top + height
    if left < 0 or top < 0 or right > w or bottom > h:
        sides = [
            max(min(right, 0) - left, 0), max(right - max(w, left), 0),
            max(min(bottom, 0) - top, 0), max(bottom - max(h, top), 0),
        ]  # fmt: skip
        part = img[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        return torch.nn.functional.pad(part, sides)
    return img[..., top:bottom, left:right]


def _two(size: list[int]) -> list[int]:
    return [size[0], size[0]] if len(size) == 1 else size


def center_crop(img: Tensor, output_size: list[int]) -> Tensor:
    wanted = _two(output_size)
    height, width = wanted[0], wanted[1]
    h, w = img.size(-2), img.size(-1)
    if width > w or height > h:
        sides = [
            (width - w) // 2 if width > w else 0, (height - h) // 2 if height > h else 0,
            (width - w + 1) // 2 if width > w else 0, (height - h + 1) // 2 if height > h else 0,
        ]  # fmt: skip
        img = pad(img, sides)
        h, w = img.size(-2), img.size(-1)
        if width == w and height == h:
            return img
    top = int(round((h - height) / 2.0))
    left = int(round((w - width) / 2.0))
    return crop(img, top, left, height, width)


def pad(
    img: Tensor,
    padding: list[int],
    fill: float | None = 0,
    padding_mode: str = "constant",
) -> Tensor:
    if len(padding) == 1:
        sides = [padding[0], padding[0], padding[0], padding[0]]
    elif len(padding) == 2:
        sides = [padding[0], padding[0], padding[1], padding[1]]
    elif len(padding) == 4:
        sides = [padding[0], padding[2], padding[1], padding[3]]
    else:
        raise ValueError(
            "Padding must be an int or a 1, 2, or 4 element tuple, not a "
            f"{len(padding)} element tuple"
        )
    if padding_mode == "constant":
        return torch.nn.functional.pad(img, sides, "constant", fill)
    mode = "replicate" if padding_mode == "edge" else padding_mode
    if mode != "replicate" and mode != "reflect":
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    batch = img.unsqueeze(0) if img.dim() < 4 else img
    found = torch.nn.functional.pad(batch.to(torch.float32), sides, mode).to(img.dtype)
    return found.squeeze(0) if img.dim() < 4 else found


def _mode(interpolation: InterpolationMode) -> str:
    return interpolation.value


def _wanted(img: Tensor, size: list[int], max_size: int | None) -> list[int]:
    if len(size) == 2:
        return size
    h, w = img.size(-2), img.size(-1)
    short = min(h, w)
    long = max(h, w)
    new_short = size[0]
    new_long = int(size[0] * long / short)
    if max_size is not None:
        if max_size <= size[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short = int(max_size * new_short / new_long)
            new_long = max_size
    return [new_long, new_short] if w <= h else [new_short, new_long]


def resize(
    img: Tensor,
    size: list[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    wanted = _wanted(img, size, max_size)
    if wanted[0] == img.size(-2) and wanted[1] == img.size(-1):
        return img
    mode = _mode(interpolation)
    smooth = mode == "bilinear" or mode == "bicubic"
    corners: bool | None = None
    if smooth:
        corners = False
    batch = img if img.dim() >= 4 else img.unsqueeze(0)
    floating = img.is_floating_point()
    found = torch.nn.functional.interpolate(
        batch if floating else batch.to(torch.float32), size=wanted, mode=mode,
        align_corners=corners, antialias=smooth and antialias is not None and antialias,
    )  # fmt: skip
    if mode == "bicubic" and img.dtype == torch.uint8:
        found = found.clamp(min=0, max=255)
    if not floating:
        found = torch.round(found).to(img.dtype)
    return found if img.dim() >= 4 else found.squeeze(0)


def resized_crop(
    img: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: list[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    return resize(crop(img, top, left, height, width), size, interpolation, None, antialias)


def normalize(
    tensor: Tensor,
    mean: list[float],
    std: list[float],
    inplace: bool = False,
) -> Tensor:
    if not tensor.is_floating_point():
        raise TypeError("Input tensor should be a float tensor")
    found = tensor if inplace else tensor.clone()
    means = torch.tensor(mean, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    deviations = torch.tensor(std, dtype=tensor.dtype, device=tensor.device).view(-1, 1, 1)
    if bool((deviations == 0).any()):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    return found.sub_(means).div_(deviations)


def _largest(dtype: int) -> float:
    if dtype == torch.uint8:
        return 255.0
    if dtype == torch.int8:
        return 127.0
    if dtype == torch.int16:
        return 32767.0
    if dtype == torch.int32:
        return 2147483647.0
    if dtype == torch.int64:
        return 9223372036854775807.0
    return 1.0


def convert_image_dtype(image: Tensor, dtype: int = torch.float) -> Tensor:
    if image.dtype == dtype:
        return image
    floating = torch.empty([0], dtype=dtype).is_floating_point()
    if image.is_floating_point():
        if floating:
            return image.to(dtype)
        return image.mul(_largest(dtype) + 1.0 - 1e-3).to(dtype)
    if floating:
        return image.to(dtype) / _largest(image.dtype)
    here, there = _largest(image.dtype), _largest(dtype)
    if here > there:
        return torch.div(image, int((here + 1) / (there + 1)), rounding_mode="floor").to(dtype)
    return image.to(dtype) * int((there + 1) / (here + 1))


def _as_float(img: Tensor) -> Tensor:
    return convert_image_dtype(img, torch.float32)


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    if img.size(-3) == 3:
        r, g, b = img.unbind(-3)
        grey = (0.2989 * r + 0.587 * g + 0.114 * b).to(img.dtype).unsqueeze(-3)
    else:
        grey = img
    if num_output_channels == 3:
        size = img.size()
        size[-3] = 3
        return grey.expand(size)
    return grey


def _blend(one: Tensor, other: Tensor, ratio: float) -> Tensor:
    bound = 1.0 if one.is_floating_point() else _largest(one.dtype)
    return (ratio * one + (1.0 - ratio) * other).clamp(0, bound).to(one.dtype)


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    return _blend(img, torch.zeros_like(img), brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    grey = rgb_to_grayscale(img) if img.size(-3) == 3 else img
    floating = grey if grey.is_floating_point() else grey.to(torch.float32)
    return _blend(img, torch.mean(floating, dim=(-3, -2, -1), keepdim=True), contrast_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    if img.size(-3) == 1:
        return img
    return _blend(img, rgb_to_grayscale(img), saturation_factor)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    found = img if img.is_floating_point() else convert_image_dtype(img, torch.float32)
    return convert_image_dtype((gain * found**gamma).clamp(0, 1), img.dtype)


def invert(img: Tensor) -> Tensor:
    return _largest(img.dtype) - img


def solarize(img: Tensor, threshold: float) -> Tensor:
    return torch.where(img >= threshold, invert(img), img)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    found = img if inplace else img.clone()
    found[..., i : i + h, j : j + w] = v
    return found


def _bell(size: int, sigma: float, like: Tensor) -> Tensor:
    half = (size - 1) * 0.5
    x = torch.linspace(-half, half, steps=size, dtype=like.dtype, device=like.device)
    weights = torch.exp(-0.5 * (x / sigma).pow(2))
    return weights / weights.sum()


def gaussian_blur(
    img: Tensor,
    kernel_size: list[int],
    sigma: list[float] | None = None,
) -> Tensor:
    size = _two(kernel_size)
    widths = torch.jit.annotate(list[float], [])
    for k in range(2):
        if sigma is None:
            widths.append(size[k] * 0.15 + 0.35)
        else:
            widths.append(sigma[0] if len(sigma) == 1 else sigma[k])
    found = img if img.is_floating_point() else img.to(torch.float32)
    kernel = torch.mm(
        _bell(size[1], widths[1], found)[:, None], _bell(size[0], widths[0], found)[None]
    )
    batch = found if found.dim() >= 4 else found.unsqueeze(0)
    channels = batch.size(-3)
    wide = torch.nn.functional.pad(
        batch, [size[0] // 2, size[0] // 2, size[1] // 2, size[1] // 2], "reflect"
    )
    weights = kernel.expand(channels, 1, kernel.size(0), kernel.size(1))
    blurred = torch.nn.functional.conv2d(wide, weights, groups=channels)
    if img.dim() < 4:
        blurred = blurred.squeeze(0)
    return blurred if img.is_floating_point() else torch.round(blurred).to(img.dtype)


for _function, _names in (
    (center_crop, ("output_size",)), (pad, ("padding", "fill")), (resize, ("size",)),
    (resized_crop, ("size",)), (gaussian_blur, ("kernel_size", "sigma")),
    (normalize, ("mean", "std")),
):  # fmt: skip
    _function._one_for_list = _names  # type: ignore[attr-defined]


def _integer(low: int, high: int) -> int:
    return int(torch.randint(low, high, size=(1,)).item())


def _uniform(low: float, high: float) -> float:
    return float(torch.empty(1).uniform_(low, high).item())


class RandomCrop:
    def forward(self: Any, img: Tensor) -> Tensor:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        rows, columns = self.size
        if self.pad_if_needed and img.size(-1) < columns:
            img = F.pad(img, [columns - img.size(-1), 0], self.fill, self.padding_mode)
        if self.pad_if_needed and img.size(-2) < rows:
            img = F.pad(img, [0, rows - img.size(-2)], self.fill, self.padding_mode)
        height, width = img.size(-2), img.size(-1)
        if height < rows or width < columns:
            raise ValueError(
                f"Required crop size {(rows, columns)} is larger than input image size "
                f"{(height, width)}"
            )
        if height == rows and width == columns:
            return img
        top = _integer(0, height - rows + 1)
        return crop(img, top, _integer(0, width - columns + 1), rows, columns)


class RandomResizedCrop:
    def forward(self: Any, img: Tensor) -> Tensor:
        height, width = img.size(-2), img.size(-1)
        low, high = float(self.ratio[0]), float(self.ratio[1])
        for _ in range(10):
            target = height * width * _uniform(float(self.scale[0]), float(self.scale[1]))
            aspect = math.exp(_uniform(math.log(low), math.log(high)))
            w = int(round(math.sqrt(target * aspect)))
            h = int(round(math.sqrt(target / aspect)))
            if 0 < w and w <= width and 0 < h and h <= height:
                top = _integer(0, height - h + 1)
                left = _integer(0, width - w + 1)
                return F.resized_crop(
                    img, top, left, h, w, self.size, self.interpolation, self.antialias
                )
        h, w = height, width
        if float(width) / float(height) < low:
            h = int(round(w / low))
        elif float(width) / float(height) > high:
            w = int(round(h * high))
        return F.resized_crop(
            img, (height - h) // 2, (width - w) // 2, h, w, self.size, self.interpolation,
            self.antialias,
        )  # fmt: skip


class ColorJitter:
    def forward(self: Any, img: Tensor) -> Tensor:
        order = torch.randperm(4)
        light, contrast, colour = 1.0, 1.0, 1.0
        if self.brightness is not None:
            light = _uniform(self.brightness[0], self.brightness[1])
        if self.contrast is not None:
            contrast = _uniform(self.contrast[0], self.contrast[1])
        if self.saturation is not None:
            colour = _uniform(self.saturation[0], self.saturation[1])
        if self.hue is not None:
            raise RuntimeError("ColorJitter: a program cannot change the hue: use hue=0")
        for i in range(4):
            step = int(order[i])
            if step == 0 and self.brightness is not None:
                img = adjust_brightness(img, light)
            elif step == 1 and self.contrast is not None:
                img = adjust_contrast(img, contrast)
            elif step == 2 and self.saturation is not None:
                img = adjust_saturation(img, colour)
        return img
