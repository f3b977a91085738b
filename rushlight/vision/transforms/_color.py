"""Colours of tensors (..., C, H, W), for both generations of transforms.

The two generations round differently in a few functions. `fused=True` says: as v2 does, where
the second product and the sum are rounded once.
"""

from __future__ import annotations

import rushlight as torch

from ._convert import convert_image_dtype
from ._image import (
    as_float_batch,
    is_float,
    max_value,
    require_channels,
    require_dims,
    require_tensor_image,
)


def _blend(image, other, ratio: float, fused: bool = False):
    """ratio * image + (1 - ratio) * other, within what the image's dtype holds."""
    ratio = float(ratio)
    if fused:
        mixed = image.mul(ratio).add(other, alpha=1.0 - ratio)
    else:
        mixed = ratio * image + (1.0 - ratio) * other
    return mixed.clamp_(0, max_value(image.dtype)).to(image.dtype)


def _not_negative(name: str, factor: float) -> None:
    if factor < 0:
        raise ValueError(f"{name} ({factor}) is not non-negative.")


def luma(image):
    """The brightness (..., 1, H, W) of colours, in floating numbers."""
    red, green, blue = image.unbind(dim=-3)
    return (0.2989 * red + 0.587 * green + 0.114 * blue).unsqueeze(-3)


def rgb_to_grayscale(image, num_output_channels: int = 1):
    """Brightness alone, in one channel or three equal ones."""
    require_dims(image)
    require_channels(image)
    if num_output_channels not in (1, 3):
        raise ValueError("num_output_channels should be either 1 or 3")
    grey = luma(image).to(image.dtype) if image.shape[-3] == 3 else image.clone()
    return grey.expand(image.shape) if num_output_channels == 3 else grey


def adjust_brightness(image, brightness_factor: float, fused: bool = False):
    """Times a factor: 0 is black, 1 the image itself."""
    _not_negative("brightness_factor", brightness_factor)
    require_tensor_image(image)
    require_channels(image)
    return image.mul(float(brightness_factor)).clamp_(0, max_value(image.dtype)).to(image.dtype)


def adjust_contrast(image, contrast_factor: float, fused: bool = False):
    """Away from the mean brightness: 0 is grey, 1 the image itself."""
    _not_negative("contrast_factor", contrast_factor)
    require_tensor_image(image)
    require_channels(image)
    grey = rgb_to_grayscale(image) if image.shape[-3] == 3 else image
    wide = image.dtype if is_float(image) else torch.float32
    mean = grey.to(wide).mean(dim=(-3, -2, -1), keepdim=True)
    return _blend(image, mean, contrast_factor, fused)


def adjust_saturation(image, saturation_factor: float, fused: bool = False):
    """Away from grey: 0 is a grey image, 1 the image itself."""
    _not_negative("saturation_factor", saturation_factor)
    require_tensor_image(image)
    require_channels(image)
    if image.shape[-3] == 1:
        return image
    grey = luma(image)
    return _blend(image, grey if is_float(image) else grey.floor_(), saturation_factor, fused)


def adjust_hue(image, hue_factor: float):
    """Turn the wheel of colours by a part of -0.5 to 0.5 of it."""
    if not -0.5 <= hue_factor <= 0.5:
        raise ValueError(f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    require_tensor_image(image)
    require_channels(image)
    if image.shape[-3] == 1 or image.numel() == 0:
        return image
    hue, saturation, value = _to_hsv(convert_image_dtype(image, torch.float32))
    turned = _from_hsv((hue + hue_factor) % 1.0, saturation, value)
    return convert_image_dtype(turned, image.dtype)


def _to_hsv(image):
    """Hue, saturation and value, each (..., H, W) of 0 to 1."""
    red, green, blue = image.unbind(dim=-3)
    most, least = image.amax(dim=-3), image.amin(dim=-3)
    grey = most == least
    span = most - least
    saturation = span / torch.where(grey, 1.0, most)
    divisor = torch.where(grey, 1.0, span)
    r, g, b = ((most - channel) / divisor for channel in (red, green, blue))
    is_red = most == red
    is_green = (most == green) & ~is_red
    hue = torch.where(is_red, b - g, torch.where(is_green, 2.0 + r - b, 4.0 + g - r))
    return torch.fmod(hue / 6.0 + 1.0, 1.0), saturation, most


def _from_hsv(hue, saturation, value):
    """The colours (..., 3, H, W)."""
    sixths = hue * 6.0
    sector = sixths.floor()
    part = sixths - sector
    sector = sector.to(torch.int64) % 6
    p = (value * (1.0 - saturation)).clamp_(0.0, 1.0)
    q = (value * (1.0 - saturation * part)).clamp_(0.0, 1.0)
    t = (value * (1.0 - saturation * (1.0 - part))).clamp_(0.0, 1.0)
    by_sector = ((value, q, p, p, t, value), (t, value, value, q, p, p), (p, p, t, value, value, q))
    place = sector.unsqueeze(-3)
    channels = [torch.stack(six, dim=-3).gather(-3, place) for six in by_sector]
    return torch.cat(channels, dim=-3)


def adjust_gamma(image, gamma: float, gain: float = 1):
    """gain * value ** gamma, with values of 0 to 1."""
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")
    values = image if is_float(image) else convert_image_dtype(image, torch.float32)
    return convert_image_dtype((gain * values**gamma).clamp(0, 1), image.dtype)


def adjust_sharpness(image, sharpness_factor: float, fused: bool = False):
    """Away from a smoothed image: 0 is smooth, 1 the image itself."""
    _not_negative("sharpness_factor", sharpness_factor)
    require_tensor_image(image)
    require_channels(image)
    if min(image.shape[-2:]) <= 2:
        return image
    smooth = _smoothed(image)
    if not fused:
        return _blend(image, smooth, sharpness_factor)
    values = image if is_float(image) else image.to(torch.float32)
    moved = values.add(smooth.to(values.dtype) - values, alpha=1.0 - sharpness_factor)
    return moved.clamp_(0, max_value(image.dtype)).to(image.dtype)


def _smoothed(image):
    """Each pixel inside the border as the mean of nine, its own weighing five times as much."""
    channels = image.shape[-3]
    batch = as_float_batch(image.reshape(-1, *image.shape[-3:]))
    kernel = torch.ones(3, 3, dtype=batch.dtype)
    kernel[1, 1] = 5.0
    kernel = (kernel / kernel.sum()).expand(channels, 1, 3, 3).contiguous()
    inner = torch.nn.functional.conv2d(batch, kernel, groups=channels)
    if not is_float(image):
        inner = inner.round_()
    result = image.clone()
    height, width = image.shape[-2:]
    result[..., 1:-1, 1:-1] = inner.to(image.dtype).reshape(
        *image.shape[:-2], height - 2, width - 2
    )
    return result


def invert(image):
    """The negative."""
    require_tensor_image(image)
    require_dims(image)
    require_channels(image)
    return max_value(image.dtype) - image


def posterize(image, bits: int):
    """Only the first `bits` bits of every byte are kept."""
    require_tensor_image(image)
    require_dims(image)
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    require_channels(image)
    return image & (-int(2 ** (8 - bits)) % 256)


def solarize(image, threshold: float):
    """Values from `threshold` on are inverted."""
    require_tensor_image(image)
    require_dims(image)
    require_channels(image)
    if threshold > max_value(image.dtype):
        raise TypeError("Threshold should be less than bound of img.")
    return torch.where(image >= threshold, invert(image), image)


def autocontrast(image, fused: bool = False):
    """Stretched so that each channel goes from black to white."""
    require_tensor_image(image)
    require_dims(image)
    require_channels(image)
    white = max_value(image.dtype)
    wide = image.dtype if is_float(image) else torch.float32
    least = image.amin(dim=(-2, -1), keepdim=True).to(wide)
    most = image.amax(dim=(-2, -1), keepdim=True).to(wide)
    flat = least == most
    if fused:
        scale = torch.where(flat, 1.0, (most - least).mul(1.0 / white))
        stretched = (image - torch.where(flat, 0.0, least)) / scale
    else:
        scale = torch.where(flat, 1.0, white / (most - least))
        stretched = (image - torch.where(flat, 0.0, least)) * scale
    return stretched.clamp_(0, white).to(image.dtype)


def equalize(image):
    """Every brightness of a channel about equally frequent; bytes only."""
    require_tensor_image(image)
    if not 3 <= image.ndim <= 4:
        raise TypeError(f"Input image tensor should have 3 or 4 dimensions, but found {image.ndim}")
    if image.dtype != torch.uint8:
        raise TypeError(f"Only torch.uint8 image tensors are supported, but found {image.dtype}")
    require_channels(image)
    if image.numel() == 0:
        return image
    planes = image.reshape(-1, image.shape[-2] * image.shape[-1])
    return torch.stack([_equalized(plane) for plane in planes]).reshape(image.shape)


def _equalized(values):
    counts = torch.bincount(values, minlength=256)
    filled = counts[counts != 0]
    step = int(filled[:-1].sum()) // 255
    if step == 0:
        return values
    below = (counts.cumsum(0) - counts + step // 2) // step
    return below.clamp_(0, 255).to(torch.uint8)[values.to(torch.int64)]
