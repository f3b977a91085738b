"""Transforms as functions of images, videos, masks, bounding boxes and key points."""

from __future__ import annotations

from typing import Any

import rushlight as torch

from .... import tv_tensors
from ... import _color, _geometry
from ... import functional as _first
from ..._convert import pil_to_tensor, to_pil_image, to_tensor
from ..._image import InterpolationMode, dimensions, is_pil
from . import _boxes, _images, _points, _turned
from ._call import IMAGE, VIDEO, functional, is_pure_tensor, register_kernel, supports

Tensor = torch.Tensor


def _everywhere(name: str, first_name: str | None = None, **own: Any) -> Any:
    """A function with kernels for all kinds, from the modules of this folder."""
    image = own.get("image") or getattr(_images, name, None) or getattr(_first, first_name or name)
    mask = own.get("mask") or getattr(_images, f"{name}_mask", image)
    return functional(
        name,
        pil=own.get("pil", image),
        image=image,
        mask=mask,
        boxes=getattr(_boxes, name),
        points=getattr(_points, name),
    )


horizontal_flip = hflip = _everywhere("horizontal_flip", "hflip")
vertical_flip = vflip = _everywhere("vertical_flip", "vflip")
crop = _everywhere("crop")
center_crop = _everywhere("center_crop")
resize = _everywhere("resize")
pad = _everywhere("pad")
resized_crop = _everywhere("resized_crop")
affine = _everywhere("affine")
rotate = _everywhere("rotate")
perspective = _everywhere("perspective")
elastic = elastic_transform = _everywhere("elastic")


def _coloured(name: str, pil: Any = None, kinds: tuple[type, ...] = (IMAGE, VIDEO)) -> Any:
    """A function of images and videos alone."""
    image = getattr(_images, name, None) or getattr(_color, name, None) or getattr(_first, name)
    return functional(name, pil=pil or getattr(_first, name, image), kinds=kinds, image=image)


adjust_brightness = _coloured("adjust_brightness")
adjust_contrast = _coloured("adjust_contrast")
adjust_saturation = _coloured("adjust_saturation")
adjust_sharpness = _coloured("adjust_sharpness")
adjust_hue = _coloured("adjust_hue")
adjust_gamma = _coloured("adjust_gamma")
autocontrast = _coloured("autocontrast")
equalize = _coloured("equalize")
invert = _coloured("invert")
posterize = _coloured("posterize")
solarize = _coloured("solarize")
rgb_to_grayscale = _coloured("rgb_to_grayscale", kinds=(IMAGE,))
grayscale_to_rgb = _coloured("grayscale_to_rgb", kinds=(IMAGE,))
permute_channels = _coloured("permute_channels")
gaussian_blur = _coloured("gaussian_blur")
jpeg = _coloured("jpeg")
erase = _coloured("erase", pil=_images.erase)
five_crop = _coloured("five_crop")
ten_crop = _coloured("ten_crop")
normalize = functional("normalize", image=_first.normalize)
gaussian_noise = functional(
    "gaussian_noise", pil=_images.no_noise_of_pil, image=_images.gaussian_noise
)
uniform_temporal_subsample = functional(
    "uniform_temporal_subsample", kinds=(VIDEO,), image=_images.uniform_temporal_subsample
)
to_dtype = functional(
    "to_dtype",
    image=_images.to_dtype,
    mask=_images.to_dtype_other,
    boxes=_images.to_dtype_other,
    points=_images.to_dtype_other,
)


def convert_image_dtype(image: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Another dtype in which white stays white."""
    return to_dtype(image, dtype=dtype, scale=True)


def to_grayscale(inpt: Any, num_output_channels: int = 1) -> Any:
    """An old name of `rgb_to_grayscale`."""
    return rgb_to_grayscale(inpt, num_output_channels=num_output_channels)


def to_image(inpt: Any) -> tv_tensors.Image:
    """A tensor, PIL image or array (H, W, C) as an Image."""
    if is_pil(inpt):
        return tv_tensors.Image(pil_to_tensor(inpt))
    if isinstance(inpt, Tensor):
        return tv_tensors.Image(inpt)
    if type(inpt).__module__ == "numpy":
        array = inpt[:, :, None] if inpt.ndim == 2 else inpt
        return tv_tensors.Image(torch.from_numpy(array).permute((2, 0, 1)).contiguous())
    raise TypeError(
        f"Input can either be a pure Tensor, a numpy array, or a PIL image, but got {type(inpt)} "
        "instead."
    )


# -- sizes -----------------------------------------------------------------------------------


get_dimensions = functional("get_dimensions", pil=dimensions, image=dimensions)
get_size = functional(
    "get_size",
    pil=_images.size_of,
    image=_images.size_of,
    mask=_images.size_of,
    boxes=_images.canvas_of,
    points=_images.canvas_of,
)
get_num_channels = functional(
    "get_num_channels", pil=_images.channels_of, image=_images.channels_of
)
get_num_frames = functional("get_num_frames", kinds=(VIDEO,), image=_images.frames_of)
get_image_num_channels = get_num_channels


def get_image_size(inpt: Any) -> list[int]:
    """[width, height], as the first generation has it."""
    return dimensions(inpt)[:0:-1]


# -- boxes and points ------------------------------------------------------------------------

_NEITHER = "Input can either be a plain tensor or a {} tv_tensor, but got {} instead."


def convert_bounding_box_format(
    inpt: Tensor, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Tensor:
    """Boxes in another format; `old_format` only for plain tensors."""
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = _format(new_format)
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        if old_format is not None:
            raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
        result = _boxes.convert(inpt.as_subclass(Tensor), inpt.format, new)
        return tv_tensors.wrap(result, like=inpt, format=new)
    if not is_pure_tensor(inpt):
        raise TypeError(_NEITHER.format("bounding box", type(inpt)))
    if old_format is None:
        raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
    result = _boxes.convert(inpt, _format(old_format), new)
    return inpt.copy_(result) if inplace else result


def _format(value: Any) -> tv_tensors.BoundingBoxFormat:
    return tv_tensors.BoundingBoxFormat[value.upper()] if isinstance(value, str) else value


def clamp_bounding_boxes(
    inpt: Tensor,
    format: Any = None,
    canvas_size: tuple[int, int] | None = None,
    clamping_mode: str | None = "auto",
) -> Tensor:
    """Boxes that do not reach out of the image."""
    if clamping_mode is not None and clamping_mode not in ("soft", "hard", "auto"):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if isinstance(inpt, tv_tensors.BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError(
                "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed."
            )
        mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
        result = _boxes.clamp(inpt.as_subclass(Tensor), inpt.format, inpt.canvas_size, mode)
        return tv_tensors.wrap(result, like=inpt)
    if not is_pure_tensor(inpt):
        raise TypeError(_NEITHER.format("bounding box", type(inpt)))
    if format is None or canvas_size is None or clamping_mode == "auto":
        raise ValueError(
            "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed."
        )
    return _boxes.clamp(inpt, _format(format), canvas_size, clamping_mode)


def clamp_keypoints(inpt: Tensor, canvas_size: tuple[int, int] | None = None) -> Tensor:
    """Points that do not lie outside of the image."""
    if isinstance(inpt, tv_tensors.KeyPoints):
        if canvas_size is not None:
            raise ValueError("For keypoints tv_tensor inputs, `canvas_size` must not be passed.")
        result = _points.clamp(inpt.as_subclass(Tensor), inpt.canvas_size)
        return tv_tensors.wrap(result, like=inpt)
    if not is_pure_tensor(inpt):
        raise TypeError(_NEITHER.format("keypoints", type(inpt)))
    if canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    return _points.clamp(inpt, canvas_size)


def sanitize_bounding_boxes(
    bounding_boxes: Tensor,
    format: Any = None,
    canvas_size: tuple[int, int] | None = None,
    min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """The boxes that are big enough and inside of the image, and which these are."""
    boxes = bounding_boxes
    if is_pure_tensor(boxes):
        if format is None or canvas_size is None:
            raise ValueError(
                "format and canvas_size cannot be None if bounding_boxes is a pure tensor. Got "
                f"format={format} and canvas_size={canvas_size}.Set those to appropriate values or "
                "pass bounding_boxes as a tv_tensors.BoundingBoxes object."
            )
        format = _format(format)
    elif not isinstance(boxes, tv_tensors.BoundingBoxes):
        raise ValueError(
            "bounding_boxes must be a tv_tensors.BoundingBoxes instance or a pure tensor."
        )
    else:
        format, canvas_size = boxes.format, boxes.canvas_size
    plain = boxes.as_subclass(Tensor)
    if tv_tensors.is_rotated_bounding_format(format):
        corners = _turned.corners_of(plain, format)
        width = (corners[:, 1] - corners[:, 0]).norm(dim=-1)
        height = (corners[:, 2] - corners[:, 1]).norm(dim=-1)
        corners = corners.flatten(1)
    else:
        corners = _boxes.convert(plain, format, tv_tensors.BoundingBoxFormat.XYXY)
        width, height = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    limit = torch.tensor([canvas_size[1], canvas_size[0]] * (corners.shape[1] // 2))
    valid = (width >= min_size) & (height >= min_size) & (width * height >= min_area)
    valid &= (corners >= 0).all(dim=-1) & (corners <= limit).all(dim=-1)
    kept = plain[valid]
    return (kept if is_pure_tensor(boxes) else tv_tensors.wrap(kept, like=boxes)), valid


def sanitize_keypoints(
    key_points: Tensor, canvas_size: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """The points inside of the image, and which these are."""
    if not is_pure_tensor(key_points) and not isinstance(key_points, tv_tensors.KeyPoints):
        raise ValueError("key_points must be a tv_tensors.KeyPoints instance or a pure tensor.")
    if is_pure_tensor(key_points) and canvas_size is None:
        raise ValueError("canvas_size cannot be None if key_points is a pure tensor.")
    size = canvas_size if is_pure_tensor(key_points) else key_points.canvas_size
    plain = key_points.as_subclass(Tensor)
    x, y = plain[..., 0], plain[..., 1]
    valid = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    while valid.ndim > 1:  # a shape of several points: all of them
        valid = valid.all(dim=-1)
    kept = plain[valid]
    return (kept if is_pure_tensor(key_points) else tv_tensors.wrap(kept, like=key_points)), valid


# -- kernels under their own names: resize_image, resize_mask, resize_bounding_boxes, ... ----

_PARTS = {
    "image": tv_tensors.Image,
    "video": tv_tensors.Video,
    "mask": tv_tensors.Mask,
    "bounding_boxes": tv_tensors.BoundingBoxes,
    "keypoints": tv_tensors.KeyPoints,
}
_SIZES = {
    f"get_{what}_{kind}": f"get_{what}"
    for what, kinds in (
        ("dimensions", "image video"),
        ("num_channels", "image video"),
        ("num_frames", "video"),
        ("size", "image video mask bounding_boxes keypoints"),
    )
    for kind in kinds.split()
}


def __getattr__(name: str):
    for ending, kind in _PARTS.items():
        function = globals().get(name.removesuffix("_" + ending)) if name.endswith(ending) else None
        kernel = getattr(function, "_kernels", {}).get(kind)
        if kernel is not None:
            return kernel
    if name in _SIZES:
        return globals()[_SIZES[name]]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
