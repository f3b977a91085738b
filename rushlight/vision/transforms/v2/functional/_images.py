"""Images and masks: torchvision's second generation, where it differs from the first."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import rushlight as torch

from ... import _color, _convert, _geometry, _warp
from ... import functional as first
from ..._image import (
    Image,
    InterpolationMode,
    interpolation_mode,
    is_float,
    is_pil,
    max_value,
    pil_mode,
)
from . import _boxes

Tensor = torch.Tensor
BILINEAR, NEAREST = InterpolationMode.BILINEAR, InterpolationMode.NEAREST
_BITS = {
    torch.uint8: 8,
    torch.int8: 7,
    torch.int16: 15,
    torch.uint16: 16,
    torch.int32: 31,
    torch.int64: 63,
}


def check_interpolation(mode: Any) -> InterpolationMode:
    """The mode that a mode, its name or Pillow's number for it means."""
    return interpolation_mode(InterpolationMode(mode.lower()) if isinstance(mode, str) else mode)


# -- sizes and places ------------------------------------------------------------------------


def resize(
    image: Tensor,
    size: Any,
    interpolation: Any = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Tensor:
    """Another size: (height, width), a number for the shorter side, None for `max_size`."""
    mode = check_interpolation(interpolation)
    old = tuple(first.get_dimensions(image)[1:])
    new = _boxes.wanted_size(old, size, max_size)
    if tuple(new) == old:
        return image
    if is_pil(image):
        return first._pil.resize(image, new, pil_mode(mode))
    if image.numel() == 0:
        return image.reshape(*image.shape[:-2], *new)
    batch = image.reshape(-1, *image.shape[-3:])
    resized = _geometry.resize(batch, new, mode, antialias, bytes_=True)
    return resized.reshape(*image.shape[:-2], *new)


def resize_mask(
    mask: Tensor, size: Any, interpolation: Any = NEAREST, max_size: int | None = None
) -> Tensor:
    """A mask in another size, by the nearest values."""
    mode = check_interpolation(interpolation)
    if mode is not InterpolationMode.NEAREST_EXACT:
        mode = NEAREST
    if mask.ndim < 3:
        return resize(mask.unsqueeze(0), size, mode, max_size).squeeze(0)
    return resize(mask, size, mode, max_size)


def pad(image: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant") -> Tensor:
    """A border: see `transforms.functional.pad`; `fill` may be one number a channel."""
    if padding_mode not in first._PADDING_MODES:
        raise ValueError(
            f"`padding_mode` should be either `'constant'`, `'edge'`, `'reflect'` or "
            f"`'symmetric'`, but got `'{padding_mode}'`."
        )
    sides = first._sides(padding)
    if is_pil(image):
        return first.pad(image, sides, 0 if fill is None else fill, padding_mode)
    if isinstance(fill, (list, tuple)) and len(fill) == 1:
        fill = fill[0]
    if not isinstance(fill, (list, tuple)):
        return _geometry.pad(image, sides, fill or 0, padding_mode)
    if padding_mode != "constant":
        raise ValueError(f"Padding mode '{padding_mode}' is not supported if fill is not scalar")
    result = _geometry.pad(image, sides)
    height, width = result.shape[-2:]
    left, top, right, bottom = (max(side, 0) for side in sides)
    colour = torch.tensor(fill, dtype=image.dtype).view(-1, 1, 1)
    result[..., :top, :] = result[..., height - bottom :, :] = colour
    result[..., :, :left] = result[..., :, width - right :] = colour
    return result


def pad_mask(
    mask: Tensor, padding: Any, fill: Any = None, padding_mode: str = "constant"
) -> Tensor:
    """A border around a mask."""
    if isinstance(fill, (tuple, list)):
        raise ValueError("Non-scalar fill value is not supported")
    planes = mask.unsqueeze(0) if mask.ndim < 3 else mask
    result = pad(planes, padding, fill or 0, padding_mode)
    return result.squeeze(0) if mask.ndim < 3 else result


def resized_crop(
    image: Tensor,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = BILINEAR,
    antialias: bool | None = True,
) -> Tensor:
    """A part of the image, resized."""
    part = first.crop(image, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def resized_crop_mask(
    mask: Tensor, top: int, left: int, height: int, width: int, size: Any
) -> Tensor:
    """A part of a mask, resized."""
    return resize_mask(first.crop(mask, top, left, height, width), size)


# -- maps ------------------------------------------------------------------------------------


def affine(
    image: Tensor,
    angle: float,
    translate: Any,
    scale: float,
    shear: Any,
    interpolation: Any = NEAREST,
    fill: Any = None,
    center: Any = None,
) -> Tensor:
    """Turn with the clock (degrees), move (pixels), scale and shear (degrees) about `center`."""
    mode = check_interpolation(interpolation)
    return first.affine(image, angle, list(translate), scale, shear, mode, fill, center)


def rotate(
    image: Tensor,
    angle: float,
    interpolation: Any = NEAREST,
    expand: bool = False,
    center: Any = None,
    fill: Any = None,
) -> Tensor:
    """Turn against the clock (degrees) about `center`; `expand` makes the image hold it all."""
    mode, angle = check_interpolation(interpolation), angle % 360
    if center is None and not is_pil(image):
        if angle in (0, 180):
            return image.flip(-1, -2) if angle else image.clone()
        if angle in (90, 270) and (expand or image.shape[-1] == image.shape[-2]):
            return torch.rot90(image, 1 if angle == 90 else -1, (-2, -1))
    return first.rotate(image, angle, mode, expand, center, fill)


def perspective(
    image: Tensor,
    startpoints: Any,
    endpoints: Any,
    interpolation: Any = BILINEAR,
    fill: Any = None,
    coefficients: list[float] | None = None,
) -> Tensor:
    """The projective map that takes four points to four others, or that the numbers say."""
    numbers = _boxes.perspective_numbers(startpoints, endpoints, coefficients)
    mode = check_interpolation(interpolation)
    if is_pil(image):
        return first._pil.perspective(image, numbers, pil_mode(mode), fill)
    height, width = image.shape[-2:]
    return _warp.sample(image, _warp.perspective_grid(numbers, width, height), mode, fill)


def elastic(
    image: Tensor, displacement: Tensor, interpolation: Any = BILINEAR, fill: Any = None
) -> Tensor:
    """Each pixel from its place plus `displacement` (1, H, W, 2), in half images."""
    return first.elastic_transform(image, displacement, check_interpolation(interpolation), fill)


def _of_mask(kernel: Any) -> Any:
    """A kernel for masks: of the nearest values."""
    names = kernel.__code__.co_varnames[1 : kernel.__code__.co_argcount]

    def on_mask(mask, *args, **kwargs):
        kwargs.update(zip(mask_names, args))
        planes = mask.unsqueeze(0) if mask.ndim < 3 else mask
        kwargs["interpolation"] = NEAREST
        result = kernel(planes, **kwargs)
        return result.squeeze(0) if mask.ndim < 3 else result

    mask_names = tuple(name for name in names if name != "interpolation")
    on_mask.argument_names = mask_names
    on_mask.__name__ = on_mask.__qualname__ = f"{kernel.__name__}_mask"
    on_mask.__doc__ = kernel.__doc__
    return on_mask


affine_mask, rotate_mask = _of_mask(affine), _of_mask(rotate)
perspective_mask, elastic_mask = _of_mask(perspective), _of_mask(elastic)


# -- colours ---------------------------------------------------------------------------------


def adjust_brightness(image: Tensor, brightness_factor: float) -> Tensor:
    """0 is black, 1 the image itself, 2 twice as bright."""
    return _color.adjust_brightness(image, brightness_factor)


def adjust_contrast(image: Tensor, contrast_factor: float) -> Tensor:
    """0 is grey, 1 the image itself, 2 twice the contrast."""
    return _color.adjust_contrast(image, contrast_factor, fused=True)


def adjust_saturation(image: Tensor, saturation_factor: float) -> Tensor:
    """0 has no colours, 1 is the image itself, 2 has twice the colour."""
    return _color.adjust_saturation(image, saturation_factor, fused=True)


def adjust_sharpness(image: Tensor, sharpness_factor: float) -> Tensor:
    """0 is smoothed, 1 the image itself, 2 twice as sharp."""
    return _color.adjust_sharpness(image, sharpness_factor, fused=True)


def invert(image: Tensor) -> Tensor:
    """The negative."""
    return max_value(image.dtype) - image


def autocontrast(image: Tensor) -> Tensor:
    """All of the range from black to white."""
    return _color.autocontrast(image, fused=True)


def posterize(image: Tensor, bits: int) -> Tensor:
    """Only the first `bits` bits are kept; of floats, as many levels."""
    if is_float(image):
        levels = 1 << bits
        return image.mul(levels).floor_().clamp_(0, levels - 1).mul_(1.0 / levels)
    total = _BITS[image.dtype]
    return image if bits >= total else image & (((1 << bits) - 1) << (total - bits))


def equalize(image: Tensor) -> Tensor:
    """Every brightness about equally frequent."""
    if image.numel() == 0:
        return image
    levels = to_dtype(image, torch.uint8, True)
    batch = levels.reshape(-1, *image.shape[-3:])
    return to_dtype(_color.equalize(batch).reshape(image.shape), image.dtype, True)


def rgb_to_grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """Brightness alone, in one channel or three equal ones."""
    if num_output_channels not in (1, 3):
        raise ValueError(f"num_output_channels must be 1 or 3, got {num_output_channels}.")
    grey = _color.rgb_to_grayscale(image)
    shape = (*grey.shape[:-3], num_output_channels, *grey.shape[-2:])
    return grey.expand(shape) if num_output_channels == 3 else grey


def grayscale_to_rgb(image: Tensor) -> Tensor:
    """Three equal channels where there is one."""
    if is_pil(image):
        return image.convert("RGB")
    if image.shape[-3] >= 3:
        return image
    return rgb_to_grayscale(image, num_output_channels=3)


def permute_channels(image: Tensor, permutation: list[int]) -> Tensor:
    """The channels in another order."""
    if is_pil(image):
        return _convert.to_pil_image(permute_channels(_convert.pil_to_tensor(image), permutation))
    if len(permutation) != image.shape[-3]:
        raise ValueError(
            f"Length of permutation does not match number of channels: {len(permutation)} != "
            f"{image.shape[-3]}"
        )
    return image[..., permutation, :, :]


# -- values ----------------------------------------------------------------------------------


def to_dtype(image: Tensor, dtype: torch.dtype = torch.float32, scale: bool = False) -> Tensor:
    """Another dtype; `scale`: white stays white."""
    if image.dtype == dtype:
        return image
    if not scale:
        return image.to(dtype)
    floating = is_float(image)
    if floating or not dtype.is_floating_point and torch.bool in (image.dtype, dtype):
        return _convert.convert_image_dtype(image, dtype)
    if dtype.is_floating_point:
        return image.to(dtype).mul_(1.0 / max_value(image.dtype))
    have, want = _BITS[image.dtype], _BITS[dtype]
    if have > want:
        return image.bitwise_right_shift(have - want).to(dtype)
    return image.to(dtype).bitwise_left_shift(want - have)


def to_dtype_other(inpt: Tensor, dtype: torch.dtype = torch.float32, scale: bool = False) -> Tensor:
    """Another dtype of what has no white."""
    return inpt.to(dtype)


def gaussian_blur(image: Tensor, kernel_size: Any, sigma: Any = None) -> Tensor:
    """Blurred by a normal density; kernel size and sigma are numbers or [x, y]."""
    sizes = [kernel_size] if isinstance(kernel_size, int) else list(kernel_size)
    return first.gaussian_blur(image, sizes * (2 // len(sizes)), sigma)


def gaussian_noise(
    image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True
) -> Tensor:
    """The image plus normal noise, within 0 to 1 where `clip`."""
    if is_float(image):
        noisy = image + (mean + torch.randn_like(image) * sigma)
        return noisy.clamp_(0, 1) if clip else noisy
    if image.dtype != torch.uint8:
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got {image.dtype}"
        )
    noise = mean * 255 + torch.randn_like(image, dtype=torch.float32) * sigma * 255
    noisy = (
        (image.to(torch.int16) + noise.to(torch.int16)) if clip else image + noise.to(torch.uint8)
    )
    return noisy.clamp_(0, 255).to(torch.uint8)


def no_noise_of_pil(image: Any, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> Any:
    """ValueError: noise is for tensors."""
    raise ValueError("Gaussian Noise is not implemented for PIL images.")


def jpeg(image: Tensor, quality: int) -> Tensor:
    """The image as it is after JPEG compression; bytes only."""
    if is_pil(image):
        buffer = BytesIO()
        image.save(buffer, format="JPEG", quality=quality)
        return Image.open(buffer)
    from ....io import decode_jpeg, encode_jpeg

    batch = image.reshape(-1, *image.shape[-3:])
    return torch.stack([decode_jpeg(encode_jpeg(one, quality)) for one in batch]).view(image.shape)


def erase(
    image: Tensor, i: int, j: int, h: int, w: int, v: Tensor, inplace: bool = False
) -> Tensor:
    """The rectangle of height `h` and width `w` at (i, j) gets the values `v`."""
    if is_pil(image):
        tensor = _geometry.erase(_convert.pil_to_tensor(image), i, j, h, w, v, True)
        return _convert.to_pil_image(tensor)
    return _geometry.erase(image, i, j, h, w, v, inplace)


# -- sizes -----------------------------------------------------------------------------------


def size_of(inpt: Any) -> list[int]:
    """[height, width] of an image, video or mask."""
    return first.get_dimensions(inpt)[1:]


def canvas_of(inpt: Tensor, canvas_size: tuple[int, int]) -> list[int]:
    """[height, width] of the image that boxes or points are in."""
    return list(canvas_size)


def channels_of(inpt: Any) -> int:
    """The number of channels of an image or video."""
    return first.get_dimensions(inpt)[0]


def frames_of(inpt: Tensor) -> int:
    """The number of frames of a video."""
    return inpt.shape[-4]


def uniform_temporal_subsample(video: Tensor, num_samples: int) -> Tensor:
    """`num_samples` frames at equal distances."""
    places = torch.linspace(0, video.shape[-4] - 1, num_samples).long()
    return torch.index_select(video, -4, places)
