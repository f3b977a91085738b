"""Images side by side, saved, and drawn upon."""

from __future__ import annotations

import math
import os
from typing import Any

import rushlight as torch

from .._warn import warn
from .transforms._convert import pil_to_tensor, to_pil_image
from .transforms._image import Image, PillowModule

__all__ = [
    "draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "flow_to_image",
    "make_grid", "save_image",
]  # fmt: skip

Tensor = torch.Tensor
ImageColor = PillowModule("PIL.ImageColor")
ImageDraw = PillowModule("PIL.ImageDraw")
ImageFont = PillowModule("PIL.ImageFont")


@torch.no_grad()
def make_grid(
    tensor: Tensor | list[Tensor],
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[int, int] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:
    """Images (N, C, H, W), or a list of (C, H, W), as one image with `nrow` in a row.

    `normalize` scales to 0 to 1, from `value_range` or from the least and the greatest value:
    those of each image where `scale_each`.
    """
    if not isinstance(tensor, Tensor):
        if not isinstance(tensor, list):
            raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
        for one in tensor:
            if not isinstance(one, Tensor):
                raise TypeError(
                    f"tensor or list of tensors expected, got a list containing {type(one)}"
                )
        tensor = torch.stack(tensor, dim=0)
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 3:
        tensor = tensor.unsqueeze(0)
    if tensor.dim() == 4 and tensor.size(1) == 1:
        tensor = torch.cat((tensor, tensor, tensor), 1)
    if normalize:
        tensor = tensor.clone()  # the caller's stays as it is
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError(
                "value_range has to be a tuple (min, max) if specified. min and max are numbers"
            )
        for part in tensor if scale_each else [tensor]:
            low, high = value_range or (float(part.min()), float(part.max()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    if tensor.size(0) == 1:
        return tensor.squeeze(0)
    count, channels = tensor.size(0), tensor.size(1)
    columns = min(nrow, count)
    height, width = tensor.size(2) + padding, tensor.size(3) + padding
    rows = math.ceil(count / columns)
    shape = (channels, height * rows + padding, width * columns + padding)
    grid = tensor.new_full(shape, pad_value)
    for i in range(count):
        top, left = (i // columns) * height + padding, (i % columns) * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = tensor[i]
    return grid


@torch.no_grad()
def save_image(
    tensor: Tensor | list[Tensor],
    fp: str | os.PathLike | Any,
    format: str | None = None,
    **kwargs: Any,
) -> None:
    """Save an image, or `make_grid` of several, with values of 0 to 1, to a file."""
    grid = make_grid(tensor, **kwargs)
    pixels = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to("cpu", torch.uint8)
    Image.fromarray(pixels.contiguous().numpy()).save(fp, format=format)


# -- drawing ---------------------------------------------------------------------------------


def _check_image(image: Any) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"Tensor expected, got {type(image)}")
    if not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.dim() != 3:
        raise ValueError("Pass individual images, not batches")


def _palette(count: int) -> list[tuple[int, ...]]:
    steps = (2**25 - 1, 2**15 - 1, 2**21 - 1)
    return [tuple(i * step % 255 for step in steps) for i in range(count)]


def _parse_colors(colors: Any, count: int, floating: bool = False) -> list[tuple]:
    """One colour (red, green, blue) for each object."""
    if colors is None:
        colors = _palette(count)
    elif isinstance(colors, list):
        if len(colors) < count:
            raise ValueError(
                "Number of colors must be equal or larger than the number of objects, but got "
                f"{len(colors)} < {count}."
            )
    elif not isinstance(colors, (tuple, str)):
        raise ValueError(
            f"`colors` must be a tuple or a string, or a list thereof, but got {colors}."
        )
    elif isinstance(colors, tuple) and len(colors) != 3:
        raise ValueError(f"If passed as tuple, colors should be an RGB triplet, but got {colors}.")
    else:
        colors = [colors] * count
    colors = [ImageColor.getrgb(c) if isinstance(c, str) else c for c in colors]
    return [tuple(v / 255 for v in c) for c in colors] if floating else colors


def _canvas(image: Tensor) -> Any:
    """The image as a PIL image in colours."""
    image = image.tile((3, 1, 1)) if image.size(0) == 1 else image
    return to_pil_image((image * 255).to(torch.uint8) if image.is_floating_point() else image)


def _back(canvas: Any, image: Tensor) -> Tensor:
    """What was drawn, in the dtype of the image."""
    drawn = pil_to_tensor(canvas)
    return drawn.to(image.dtype) * (1.0 / 255) if image.is_floating_point() else drawn


@torch.no_grad()
def draw_bounding_boxes(
    image: Tensor,
    boxes: Tensor,
    labels: list[str] | None = None,
    colors: Any = None,
    fill: bool | None = False,
    width: int = 1,
    font: str | None = None,
    font_size: int | None = None,
    label_colors: Any = None,
    label_background_colors: Any = None,
    fill_labels: bool = False,
) -> Tensor:
    """A copy of an image (C, H, W) with boxes (N, 4) in it: xmin, ymin, xmax, ymax.

    Boxes (N, 8) are four corners. `fill`: half transparent inside.
    """
    _check_image(image)
    if image.size(0) not in (1, 3):
        raise ValueError("Only grayscale and RGB images are supported")
    straight = boxes.shape[-1] == 4
    if straight and bool((boxes[:, 0] > boxes[:, 2]).any() or (boxes[:, 1] > boxes[:, 3]).any()):
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use torchvision.ops.box_convert "
            "to convert them"
        )
    count = boxes.shape[0]
    if count == 0:
        warn("boxes doesn't contain any box. No box was drawn")
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"Number of boxes ({count}) and labels ({len(labels)}) mismatch. Please specify "
            "labels for each box."
        )
    colors = _parse_colors(colors, count)
    if fill_labels and not label_colors:
        label_colors = "black"
    inks = _parse_colors(label_colors, count) if label_colors else colors
    papers = _parse_colors(label_background_colors, count) if label_background_colors else colors
    face = _font(font, font_size)
    canvas = _canvas(image)
    draw = ImageDraw.Draw(canvas, "RGBA" if fill else None)
    places = boxes.to(torch.int64).tolist()
    for box, color, label, ink, paper in zip(places, colors, labels or [""] * count, inks, papers):
        inside = {"fill": (*color, 100)} if fill else {}
        if straight:
            draw.rectangle(box, width=width, outline=color, **inside)
        else:
            if fill:
                draw.polygon(box, **inside)
            draw.line([*box, *box[:2]], width=width, fill=color)
        if not label:
            continue
        x, y = box[0] + width + 1, box[1] + width + 1
        if fill_labels:
            left, top, right, bottom = draw.textbbox((x, y), label, font=face)
            draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=paper)
        draw.text((x, y), label, fill=ink, font=face)
    return _back(canvas, image)


def _font(font: str | None, size: int | None) -> Any:
    if font is not None:
        return ImageFont.truetype(font=font, size=size or 10)
    if size is not None:
        warn("Argument 'font_size' will be ignored since 'font' is not set.")
    return ImageFont.load_default()


@torch.no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Any = None
) -> Tensor:
    """A copy of an image (3, H, W) with masks (H, W) or (N, H, W) of bool in colours.

    `alpha`: 0 is transparent, 1 opaque.
    """
    _check_image(image)
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    if masks.ndim == 2:
        masks = masks[None, :, :]
    if masks.ndim != 3:
        raise ValueError("masks must be of shape (H, W) or (batch_size, H, W)")
    if masks.dtype != torch.bool:
        raise ValueError(f"The masks must be of dtype bool. Got {masks.dtype}")
    if masks.shape[-2:] != image.shape[-2:]:
        raise ValueError("The image and the masks must have the same height and width")
    count = masks.size(0)
    if masks.numel() == 0:
        warn("masks doesn't contain any mask. No mask was drawn")
        return image
    coloured = image.detach().clone()
    for mask, color in zip(masks, _parse_colors(colors, count, image.is_floating_point())):
        coloured[:, mask] = torch.tensor(color, dtype=image.dtype)[:, None]
    coloured[:, masks.sum(0) > 1] = 0  # where masks overlap
    return (image * (1 - alpha) + coloured * alpha).to(image.dtype)


@torch.no_grad()
def draw_keypoints(
    image: Tensor,
    keypoints: Tensor,
    connectivity: list[tuple[int, int]] | None = None,
    colors: str | tuple[int, int, int] | None = None,
    radius: int = 2,
    width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:
    """A copy of an image (3, H, W) with points (instances, K, 2) and lines between them.

    `connectivity` names pairs of points; `visibility` (instances, K) says which are shown.
    """
    _check_image(image)
    if image.size(0) != 3:
        raise ValueError("Pass an RGB image. Other Image formats are not supported")
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    if visibility is None:
        visibility = torch.ones(keypoints.shape[:-1], dtype=torch.bool)
    if visibility.ndim == 3:
        visibility = visibility.squeeze(-1)
    if visibility.ndim != 2:
        raise ValueError(
            "visibility must be of shape (num_instances, K) or (num_instances, K, 1). Got "
            f"ndim={visibility.ndim}"
        )
    if visibility.shape != keypoints.shape[:-1]:
        raise ValueError(
            "keypoints and visibility must have the same dimensionality for num_instances and K. "
            f"Got {visibility.shape = } and {keypoints.shape = }"
        )
    canvas = _canvas(image)
    draw = ImageDraw.Draw(canvas)
    points, shown = keypoints.to(torch.int64).tolist(), visibility.tolist()
    for instance, visible in zip(points, shown):
        for (x, y), is_shown in zip(instance, visible):
            if is_shown:
                box = [x - radius, y - radius, x + radius, y + radius]
                draw.ellipse(box, fill=colors, outline=None, width=0)
        for start, end in connectivity or ():
            if visible[start] and visible[end]:
                draw.line((tuple(instance[start]), tuple(instance[end])), width=width)
    return _back(canvas, image)


# -- optical flow ----------------------------------------------------------------------------


@torch.no_grad()
def flow_to_image(flow: Tensor) -> Tensor:
    """Colours of a flow (2, H, W) or (N, 2, H, W): the hue says where to, its strength how far.

    The wheel of colours is that of Baker et al., "A database and evaluation methodology for
    optical flow" (2007).
    """
    if flow.dtype != torch.float:
        raise ValueError(f"Flow should be of dtype torch.float, got {flow.dtype}.")
    shape = flow.shape
    batch = flow[None] if flow.ndim == 3 else flow
    if batch.ndim != 4 or batch.shape[1] != 2:
        raise ValueError(f"Input flow should have shape (2, H, W) or (N, 2, H, W), got {shape}.")
    longest = torch.sum(batch**2, dim=1).sqrt().max()
    batch = batch / (longest + torch.finfo(torch.float32).eps)
    length = torch.sum(batch**2, dim=1).sqrt()
    wheel = _colorwheel()
    angle = torch.atan2(-batch[:, 1], -batch[:, 0]) / torch.pi
    place = (angle + 1) / 2 * (len(wheel) - 1)
    before = torch.floor(place).to(torch.long)
    after = (before + 1) % len(wheel)
    part = place - before
    channels = []
    for shades in (wheel / 255.0).unbind(1):
        shade = (1 - part) * shades[before] + part * shades[after]
        channels.append(torch.floor(255 * (1 - length * (1 - shade))))
    image = torch.stack(channels, dim=1).to(torch.uint8)
    return image[0] if flow.ndim == 3 else image


def _colorwheel() -> Tensor:
    """The colours (55, 3) from red over yellow, green, cyan, blue and magenta back."""
    wheel = []
    # The channel that is full, the one that changes, whether it rises, and in how many steps.
    for full, moving, rises, steps in (
        (0, 1, True, 15), (1, 0, False, 6), (1, 2, True, 4),
        (2, 1, False, 11), (2, 0, True, 13), (0, 2, False, 6),
    ):  # fmt: skip
        for i in range(steps):
            color = [0.0, 0.0, 0.0]
            color[full] = 255.0
            level = float(math.floor(255 * i / steps))
            color[moving] = level if rises else 255.0 - level
            wheel.append(color)
    return torch.tensor(wheel)
