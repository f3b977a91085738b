"""Sizes, borders, flips and blurs of tensors (..., C, H, W), for both generations of transforms."""

from __future__ import annotations

import rushlight as torch

from ._image import (
    InterpolationMode,
    as_float_batch,
    back_from_batch,
    is_float,
    require_tensor_image,
)

F = torch.nn.functional


def resized_size(
    image_size: tuple[int, int], size: list[int], max_size: int | None = None
) -> list[int]:
    """[height, width] of an image of (height, width) resized to `size`.

    A list of one number is the length of the shorter side; the longer one keeps the proportion,
    up to `max_size`.
    """
    if len(size) != 1:
        return list(size)
    height, width = image_size
    short, long = (width, height) if width <= height else (height, width)
    new_short = size[0]
    new_long = int(new_short * long / short)
    if max_size is not None:
        if max_size <= new_short:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return [new_long, new_short] if width <= height else [new_short, new_long]


def resize(image, size, interpolation=InterpolationMode.BILINEAR, antialias=True, bytes_=False):
    """The image in the size (height, width).

    `bytes_`: images of bytes stay bytes on the way, as in v2, where they round at every step.
    """
    require_tensor_image(image)
    mode = interpolation.value
    smooth = mode in ("bilinear", "bicubic")
    options = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    if mode == "lanczos":
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        options = {"align_corners": False, "antialias": True}
    plain = bytes_ and image.dtype == torch.uint8
    batch = as_float_batch(image, (image.dtype,) if plain else (torch.float32, torch.float64))
    result = F.interpolate(batch, size=list(size), mode=mode, **options)
    if image.dtype == torch.uint8 and mode in ("bicubic", "lanczos") and not plain:
        result = result.clamp(0, 255)
    if image.dtype in (torch.uint16, torch.uint32):  # torchvision rounds all other whole numbers
        result = result.trunc()
    return back_from_batch(result, image)


def pad(image, sides, fill=0, padding_mode: str = "constant"):
    """Widen by (left, top, right, bottom) pixels; negative numbers cut off."""
    require_tensor_image(image)
    left, top, right, bottom = sides
    if padding_mode == "symmetric":
        return _mirrored(image, left, right, top, bottom)
    mode = "replicate" if padding_mode == "edge" else padding_mode
    borders = [left, right, top, bottom]
    if mode == "constant":
        return F.pad(image, borders, mode=mode, value=float(fill or 0))
    batch = as_float_batch(image)
    return back_from_batch(F.pad(batch, borders, mode=mode), image)


def _mirrored(image, left: int, right: int, top: int, bottom: int):
    """Widen by what lies inside the border, the border itself included."""
    if min(left, right, top, bottom) < 0:
        height, width = image.shape[-2:]
        image = image[
            ..., max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)
        ]
        left, right, top, bottom = (max(side, 0) for side in (left, right, top, bottom))
    height, width = image.shape[-2:]
    columns = [*range(left - 1, -1, -1), *range(width), *range(width - 1, width - right - 1, -1)]
    rows = [*range(top - 1, -1, -1), *range(height), *range(height - 1, height - bottom - 1, -1)]
    return image[..., torch.tensor(rows)[:, None], torch.tensor(columns)[None, :]]


def crop(image, top: int, left: int, height: int, width: int):
    """The part that begins at (top, left); black where it reaches out of the image."""
    require_tensor_image(image)
    whole_height, whole_width = image.shape[-2:]
    right, bottom = left + width, top + height
    part = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if left >= 0 and top >= 0 and right <= whole_width and bottom <= whole_height:
        return part
    sides = [
        max(min(right, 0) - left, 0),
        max(min(bottom, 0) - top, 0),
        max(right - max(whole_width, left), 0),
        max(bottom - max(whole_height, top), 0),
    ]
    return pad(part, sides)


def hflip(image):
    """Left and right change places."""
    require_tensor_image(image)
    return image.flip(-1)


def vflip(image):
    """Above and below change places."""
    require_tensor_image(image)
    return image.flip(-2)


def bell(size: int, sigma: float, dtype=torch.float32):
    """`size` values of a normal density around the middle, which sum to one."""
    half = (size - 1) * 0.5
    x = torch.linspace(-half, half, steps=size, dtype=dtype)
    density = torch.exp(-0.5 * (x / sigma).pow(2))
    return density / density.sum()


def gaussian_blur(image, kernel_size: list[int], sigma: list[float]):
    """Blurred by a normal density; both lists have x first."""
    if image.numel() == 0:
        return image
    dtype = image.dtype if is_float(image) else torch.float32
    across, down = (bell(k, s, dtype) for k, s in zip(kernel_size, sigma))
    channels = image.shape[-3]
    kernel = torch.mm(down[:, None], across[None, :])
    kernel = kernel.expand(channels, 1, *kernel.shape).contiguous()
    batch = as_float_batch(image, (dtype,))
    shape = batch.shape
    x, y = kernel_size[0] // 2, kernel_size[1] // 2
    widened = F.pad(batch.reshape(-1, *shape[-3:]), [x, x, y, y], mode="reflect")
    result = F.conv2d(widened, kernel, groups=channels).reshape(shape)
    return back_from_batch(result, image)


def normalize(tensor, mean, std, inplace: bool = False):
    """(tensor - mean) / std, channel by channel."""
    if not is_float(tensor):
        raise TypeError(f"Input tensor should be a float tensor. Got {tensor.dtype}.")
    if tensor.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{tensor.size()}"
        )
    dtype = tensor.dtype
    mean = torch.as_tensor(mean, dtype=dtype, device=tensor.device)
    std = torch.as_tensor(std, dtype=dtype, device=tensor.device)
    if (std == 0).any():
        raise ValueError(
            f"std evaluated to zero after conversion to {dtype}, leading to division by zero."
        )
    mean = mean.view(-1, 1, 1) if mean.ndim == 1 else mean
    std = std.view(-1, 1, 1) if std.ndim == 1 else std
    centred = tensor.sub_(mean) if inplace else tensor.sub(mean)
    return centred.div_(std)


def erase(image, i: int, j: int, h: int, w: int, v, inplace: bool = False):
    """The rectangle (i, j, h, w) gets the values `v`."""
    result = image if inplace else image.clone()
    result[..., i : i + h, j : j + w] = v
    return result


def five_boxes(size: tuple[int, int], part: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of the four corners of an image and its centre."""
    (height, width), (h, w) = size, part
    if h > height or w > width:
        raise ValueError(
            f"Requested crop size {(h, w)} is bigger than input size {(height, width)}"
        )
    return [
        (0, 0, h, w),
        (0, width - w, h, w),
        (height - h, 0, h, w),
        (height - h, width - w, h, w),
    ]


def centred(size: tuple[int, int], part: tuple[int, int]) -> tuple[list[int], list[int]]:
    """How to cut the centre: first pad [left, top, right, bottom], then crop at [top, left]."""
    (height, width), (h, w) = size, part
    sides = [
        max(w - width, 0) // 2,
        max(h - height, 0) // 2,
        (w - width + 1) // 2 if w > width else 0,
        (h - height + 1) // 2 if h > height else 0,
    ]
    top = int(round((max(height, h) - h) / 2.0))
    left = int(round((max(width, w) - w) / 2.0))
    return sides, [top, left]
