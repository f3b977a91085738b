"""Transforms as functions, on PIL images and on tensors (..., C, H, W)."""

from __future__ import annotations

import numbers
from typing import Any

import rushlight as torch

from . import _color, _geometry, _pil, _warp
from ._convert import convert_image_dtype as _convert_image_dtype
from ._convert import pil_to_tensor, to_pil_image, to_tensor  # noqa: F401
from ._image import (
    InterpolationMode,
    dimensions,
    interpolation_mode,
    is_pil,
    pil_mode,
    pil_modes_mapping,
    require_tensor_image,
)

Tensor = torch.Tensor
_PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


def get_dimensions(img: Any) -> list[int]:
    """[channels, height, width]."""
    return dimensions(img)


def get_image_size(img: Any) -> list[int]:
    """[width, height]."""
    return dimensions(img)[:0:-1]


def get_image_num_channels(img: Any) -> int:
    """The number of channels."""
    return dimensions(img)[0]


def _by_kind(img: Any, name: str, *args: Any, module: Any = _color) -> Any:
    """Call the function `name` for tensors, of `module`, or the one for PIL images."""
    return getattr(module if isinstance(img, Tensor) else _pil, name)(img, *args)


# -- sizes and places ------------------------------------------------------------------------


def hflip(img: Tensor) -> Tensor:
    """Left and right change places."""
    return _by_kind(img, "hflip", module=_geometry)


def vflip(img: Tensor) -> Tensor:
    """Above and below change places."""
    return _by_kind(img, "vflip", module=_geometry)


def crop(img: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The part that begins at (top, left); black where it reaches out of the image."""
    return _by_kind(img, "crop", top, left, height, width, module=_geometry)


def resize(
    img: Tensor,
    size: list[int],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """The image in another size: (height, width), or a number for the shorter side.

    The longer side is at most `max_size`. PIL images always get `antialias`.
    """
    interpolation = interpolation_mode(interpolation)
    wanted = list(size) if isinstance(size, (list, tuple)) else [size]
    if len(wanted) not in (1, 2):
        raise ValueError(
            f"Size must be an int or a 1 or 2 element tuple/list, not a {len(wanted)} element "
            "tuple/list"
        )
    if max_size is not None and len(wanted) != 1:
        raise ValueError(
            "max_size should only be passed if size specifies the length of the smaller edge, "
            "i.e. size should be an int or a sequence of length 1 in torchscript mode."
        )
    old = dimensions(img)[1:]
    wanted = _geometry.resized_size(old, wanted, max_size)
    if isinstance(img, Tensor):
        same = wanted == old
        return img if same else _geometry.resize(img, wanted, interpolation, antialias)
    if antialias is False:
        from ..._warn import warn

        warn("Anti-alias option is always applied for PIL Image input. Argument antialias is "
             "ignored.")  # fmt: skip
    return img if wanted == old else _pil.resize(img, wanted, pil_mode(interpolation))


def _sides(padding: Any) -> list[int]:
    """Padding as [left, top, right, bottom]."""
    if isinstance(padding, int):
        return [padding] * 4
    if not isinstance(padding, (tuple, list)):
        raise TypeError("Got inappropriate padding arg")
    if len(padding) not in (1, 2, 4):
        raise ValueError(
            "Padding must be an int or a 1, 2, or 4 element tuple, not a "
            f"{len(padding)} element tuple"
        )
    return list(padding) * (4 // len(padding))


def pad(
    img: Tensor, padding: list[int], fill: int | float = 0, padding_mode: str = "constant"
) -> Tensor:
    """Widen by `padding`: all sides, (left and right, top and bottom), or (l, t, r, b).

    `padding_mode`: "constant" (of value `fill`), "edge", "reflect" or "symmetric".
    """
    sides = _sides(padding)
    kinds = (int, float) if isinstance(img, Tensor) else (int, float, str, tuple, list)
    if isinstance(fill, (tuple, list)) and len(fill) == 1 and isinstance(img, Tensor):
        fill = fill[0]
    if fill is not None and not isinstance(fill, kinds):
        raise TypeError("Got inappropriate fill arg")
    if not isinstance(padding_mode, str):
        raise TypeError("Got inappropriate padding_mode arg")
    if padding_mode not in _PADDING_MODES:
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")
    return _by_kind(img, "pad", sides, fill, padding_mode, module=_geometry)


def _pair(size: Any) -> list[int]:
    if isinstance(size, (int, float)):
        return [int(size)] * 2
    return [size[0]] * 2 if len(size) == 1 else list(size)


def center_crop(img: Tensor, output_size: list[int]) -> Tensor:
    """The centre of size (height, width), with a black border where the image is smaller."""
    h, w = _pair(output_size)
    sides, (top, left) = _geometry.centred(dimensions(img)[1:], (h, w))
    if any(sides):
        img = pad(img, sides)
        if dimensions(img)[1:] == [h, w]:
            return img
    return crop(img, top, left, h, w)


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
    """A part of the image, resized."""
    part = crop(img, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def five_crop(img: Tensor, size: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The corners (top left, top right, bottom left, bottom right) and the centre."""
    part = _pair(size)
    if len(part) != 2:
        raise ValueError("Please provide only two dimensions (h, w) for size.")
    corners = _geometry.five_boxes(dimensions(img)[1:], part)
    return *(crop(img, *box) for box in corners), center_crop(img, part)


def ten_crop(img: Tensor, size: list[int], vertical_flip: bool = False) -> tuple[Tensor, ...]:
    """`five_crop` of the image and of its mirror image."""
    first = five_crop(img, size)
    return first + five_crop(vflip(img) if vertical_flip else hflip(img), size)


# -- maps ------------------------------------------------------------------------------------


def _check_center(center: Any) -> None:
    if center is not None and not isinstance(center, (list, tuple)):
        raise TypeError("Argument center should be a sequence")


def _from_middle(center: Any, img: Any) -> list[float]:
    """A centre in pixels as the distance from the image's middle."""
    if center is None:
        return [0.0, 0.0]
    return [1.0 * (c - s * 0.5) for c, s in zip(center, get_image_size(img))]


def _shears(shear: Any) -> list[float]:
    if not isinstance(shear, (numbers.Number, list, tuple)):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    if isinstance(shear, (int, float)):
        return [shear, 0.0]
    shear = list(shear) * (2 if len(shear) == 1 else 1)
    if len(shear) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    return shear


def affine(
    img: Tensor,
    angle: float,
    translate: list[int],
    scale: float,
    shear: list[float],
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    fill: list[float] | None = None,
    center: list[int] | None = None,
) -> Tensor:
    """Turn with the clock (degrees), move (pixels), scale and shear (degrees) about `center`."""
    interpolation = interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, (list, tuple)):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0.0:
        raise ValueError("Argument scale should be positive")
    shear = _shears(shear)
    _check_center(center)
    if not isinstance(img, Tensor):
        middle = [s * 0.5 for s in get_image_size(img)] if center is None else center
        matrix = _warp.affine_matrix(middle, angle, translate, scale, shear)
        return _pil.affine(img, matrix, pil_modes_mapping[interpolation], fill)
    _, height, width = dimensions(img)
    moved = [1.0 * t for t in translate]
    matrix = _warp.affine_matrix(_from_middle(center, img), angle, moved, scale, shear)
    grid = _warp.affine_grid(matrix, width, height, width, height)
    return _warp.sample(img, grid, interpolation, fill)


def rotate(
    img: Tensor,
    angle: float,
    interpolation: InterpolationMode = InterpolationMode.NEAREST,
    expand: bool = False,
    center: list[int] | None = None,
    fill: list[float] | None = None,
) -> Tensor:
    """Turn against the clock (degrees) about `center`; `expand` makes the image hold it all."""
    interpolation = interpolation_mode(interpolation)
    if not isinstance(angle, (int, float)):
        raise TypeError("Argument angle should be int or float")
    _check_center(center)
    if not isinstance(img, Tensor):
        mode = pil_modes_mapping[interpolation]
        return _pil.rotate(img, angle, mode, expand, center, fill)
    middle = _from_middle(center, img)
    # With the y axis pointing down, the inverse map turns the other way.
    matrix = _warp.affine_matrix(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    _, height, width = dimensions(img)
    size = _warp.rotated_size(matrix, width, height) if expand else (width, height)
    grid = _warp.affine_grid(matrix, width, height, *size)
    return _warp.sample(img, grid, interpolation, fill)


def perspective(
    img: Tensor,
    startpoints: list[list[int]],
    endpoints: list[list[int]],
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: list[float] | None = None,
) -> Tensor:
    """The projective map that takes four points (x, y) to four others."""
    coefficients = _warp.perspective_coefficients(startpoints, endpoints)
    interpolation = interpolation_mode(interpolation)
    if not isinstance(img, Tensor):
        return _pil.perspective(img, coefficients, pil_modes_mapping[interpolation], fill)
    _, height, width = dimensions(img)
    grid = _warp.perspective_grid(coefficients, width, height)
    return _warp.sample(img, grid, interpolation, fill)


def elastic_transform(
    img: Tensor,
    displacement: Tensor,
    interpolation: InterpolationMode = InterpolationMode.BILINEAR,
    fill: list[float] | None = None,
) -> Tensor:
    """Each pixel from its place plus `displacement` (1, H, W, 2), in half images."""
    interpolation = interpolation_mode(interpolation)
    displacement = _warp.checked(displacement)
    tensor = img if isinstance(img, Tensor) else pil_to_tensor(img)
    grid = _warp.elastic_grid(tensor.shape[-2:], displacement)
    result = _warp.sample(tensor, grid, interpolation, fill, any_mode=True)
    return result if isinstance(img, Tensor) else to_pil_image(result, mode=img.mode)


# -- colours ---------------------------------------------------------------------------------


def adjust_brightness(img: Tensor, brightness_factor: float) -> Tensor:
    """0 is black, 1 the image itself, 2 twice as bright."""
    return _by_kind(img, "adjust_brightness", brightness_factor)


def adjust_contrast(img: Tensor, contrast_factor: float) -> Tensor:
    """0 is grey, 1 the image itself, 2 twice the contrast."""
    return _by_kind(img, "adjust_contrast", contrast_factor)


def adjust_saturation(img: Tensor, saturation_factor: float) -> Tensor:
    """0 has no colours, 1 is the image itself, 2 has twice the colour."""
    return _by_kind(img, "adjust_saturation", saturation_factor)


def adjust_hue(img: Tensor, hue_factor: float) -> Tensor:
    """Turn the wheel of colours by a part of -0.5 to 0.5 of it."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    return _by_kind(img, "adjust_hue", hue_factor)


def adjust_gamma(img: Tensor, gamma: float, gain: float = 1) -> Tensor:
    """gain * value ** gamma, with values of 0 to 1."""
    return _by_kind(img, "adjust_gamma", gamma, gain)


def adjust_sharpness(img: Tensor, sharpness_factor: float) -> Tensor:
    """0 is smoothed, 1 the image itself, 2 twice as sharp."""
    return _by_kind(img, "adjust_sharpness", sharpness_factor)


def rgb_to_grayscale(img: Tensor, num_output_channels: int = 1) -> Tensor:
    """Brightness alone, in one channel or three equal ones."""
    if not isinstance(img, Tensor):
        return _pil.to_grayscale(img, num_output_channels)
    return _color.rgb_to_grayscale(img, num_output_channels)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`rgb_to_grayscale` of PIL images."""
    if not is_pil(img):
        raise TypeError("Input should be PIL Image")
    return _pil.to_grayscale(img, num_output_channels)


def invert(img: Tensor) -> Tensor:
    """The negative."""
    return _by_kind(img, "invert")


def posterize(img: Tensor, bits: int) -> Tensor:
    """Only the first `bits` bits of every channel are kept."""
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")
    return _by_kind(img, "posterize", bits)


def solarize(img: Tensor, threshold: float) -> Tensor:
    """Values from `threshold` on are inverted."""
    return _by_kind(img, "solarize", threshold)


def autocontrast(img: Tensor) -> Tensor:
    """Stretched so that the darkest pixel is black and the lightest white."""
    return _by_kind(img, "autocontrast")


def equalize(img: Tensor) -> Tensor:
    """Every brightness about equally frequent."""
    return _by_kind(img, "equalize")


def convert_image_dtype(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The image in another dtype, its values scaled so that white stays white."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return _convert_image_dtype(image, dtype)


# -- values ----------------------------------------------------------------------------------


def _require_tensor(value: Any) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(f"img should be Tensor Image. Got {type(value)}")


def normalize(tensor: Tensor, mean: list[float], std: list[float], inplace: bool = False) -> Tensor:
    """(tensor - mean) / std, channel by channel."""
    _require_tensor(tensor)
    require_tensor_image(tensor)
    return _geometry.normalize(tensor, mean, std, inplace)


def erase(img: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False) -> Tensor:
    """The rectangle of height `h` and width `w` at (i, j) gets the values `v`."""
    _require_tensor(img)
    require_tensor_image(img)
    return _geometry.erase(img, i, j, h, w, v, inplace)


def blur_sizes(kernel_size: Any) -> list[int]:
    """The kernel's [width, height], checked."""
    if not isinstance(kernel_size, (int, list, tuple)):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(k % 2 == 0 or k < 0 for k in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {sizes}")
    return sizes


def blur_sigmas(sigma: Any, sizes: list[int]) -> list[float]:
    """The [x, y] deviations, checked; what goes with the kernel's size where there is none."""
    if sigma is None:
        return [k * 0.15 + 0.35 for k in sizes]
    if not isinstance(sigma, (int, float, list, tuple)):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    single = isinstance(sigma, (int, float))
    sigmas = [float(sigma)] * 2 if single else list(sigma) * (2 if len(sigma) == 1 else 1)
    if len(sigmas) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(sigmas)}")
    if any(s <= 0.0 for s in sigmas):
        raise ValueError(f"sigma should have positive values. Got {sigmas}")
    return sigmas


def gaussian_blur(img: Tensor, kernel_size: list[int], sigma: list[float] | None = None) -> Tensor:
    """Blurred by a normal density; kernel size and sigma are numbers or [x, y]."""
    sizes = blur_sizes(kernel_size)
    sigmas = blur_sigmas(sigma, sizes)
    if isinstance(img, Tensor):
        return _geometry.gaussian_blur(img, sizes, sigmas)
    if not is_pil(img):
        raise TypeError(f"img should be PIL Image or Tensor. Got {type(img)}")
    return to_pil_image(_geometry.gaussian_blur(pil_to_tensor(img), sizes, sigmas), mode=img.mode)
