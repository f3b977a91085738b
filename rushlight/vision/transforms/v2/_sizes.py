"""Transforms of sizes: resizing, and the parts and borders of an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as torch

from ... import tv_tensors
from ...ops.boxes import box_iou
from .. import transforms as first
from .._arguments import check_sequence, integer, pair
from ..functional import _sides
from . import functional as F
from ._transform import (
    BILINEAR,
    IMAGES,
    RandomApplyTransform,
    Transform,
    check_fill,
    fill_for,
    get_bounding_boxes,
    has_any,
    query_size,
)

SIZE = "Please provide only two dimensions (h, w) for size."


class Resize(Transform):
    """Another size: (height, width), a number for the shorter side, None for `max_size`."""

    def __init__(
        self,
        size: Any,
        interpolation: Any = BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        if isinstance(size, int):
            size = [size]
        elif isinstance(size, Sequence) and len(size) in (1, 2):
            size = list(size)
        elif size is None:
            if not isinstance(max_size, int):
                raise ValueError(
                    f"max_size must be an integer when size is None, but got {max_size} instead."
                )
        else:
            raise ValueError(
                "size can be an integer, a sequence of one or two integers, or None, but got "
                f"{size} instead."
            )
        self.size = size
        self.interpolation = interpolation
        self.max_size = max_size
        self.antialias = antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized input."""
        return self._call_kernel(
            F.resize, inpt, self.size, self.interpolation, self.max_size, self.antialias
        )


class CenterCrop(Transform):
    """The centre, with a black border where the image is smaller."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, SIZE)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The centre of the input."""
        return self._call_kernel(F.center_crop, inpt, output_size=self.size)


class RandomResizedCrop(Transform):
    """A part of random area and aspect ratio, resized."""

    def __init__(
        self,
        size: Any,
        scale: Any = (0.08, 1.0),
        ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.size = pair(size, SIZE)
        first.RandomResizedCrop(1, scale, ratio)  # checks them
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        """(top, left, height, width) of the part."""
        return first.RandomResizedCrop.get_params(img, scale, ratio)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Which part."""
        height, width = query_size(flat_inputs)
        box = self.get_params(torch.empty(0, height, width), self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), box))

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part of the input."""
        return self._call_kernel(
            F.resized_crop,
            inpt,
            **params,
            size=self.size,
            interpolation=self.interpolation,
            antialias=self.antialias,
        )


class _Several(Transform):
    """Several images of one; not for boxes and masks."""

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """TypeError where the sample has boxes or masks."""
        if has_any(flat_inputs, tv_tensors.BoundingBoxes, tv_tensors.Mask):
            raise TypeError(
                f"BoundingBoxes'es and Mask's are not supported by {type(self).__name__}()"
            )


class FiveCrop(_Several):
    """The four corners and the centre."""

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = pair(size, SIZE)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Five images of one."""
        return self._call_kernel(F.five_crop, inpt, self.size)


class TenCrop(_Several):
    """The four corners and the centre, of the image and of its mirror image."""

    def __init__(self, size: Any, vertical_flip: bool = False) -> None:
        super().__init__()
        self.size = pair(size, SIZE)
        self.vertical_flip = vertical_flip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Ten images of one."""
        return self._call_kernel(F.ten_crop, inpt, self.size, vertical_flip=self.vertical_flip)


class Pad(Transform):
    """A border."""

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        first.Pad(padding, 0, padding_mode)  # checks them
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill = fill
        self._fill = check_fill(fill)
        self.padding_mode = padding_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The padded input."""
        fill = fill_for(self._fill, inpt)
        return self._call_kernel(
            F.pad, inpt, padding=self.padding, fill=fill, padding_mode=self.padding_mode
        )


class RandomZoomOut(RandomApplyTransform):
    """The image somewhere on a larger canvas (Liu et al., 2016)."""

    def __init__(self, fill: Any = 0, side_range: Any = (1.0, 4.0), p: float = 0.5) -> None:
        super().__init__(p=p)
        self.fill = fill
        self._fill = check_fill(fill)
        check_sequence(side_range, "side_range", (2,))
        self.side_range = side_range
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The border."""
        height, width = query_size(flat_inputs)
        low, high = self.side_range
        r = low + torch.rand(1) * (high - low)
        wide, tall = int(width * r), int(height * r)
        r = torch.rand(2)
        left, top = int((wide - width) * r[0]), int((tall - height) * r[1])
        return {"padding": [left, top, wide - (left + width), tall - (top + height)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input on its canvas."""
        return self._call_kernel(F.pad, inpt, **params, fill=fill_for(self._fill, inpt))


class RandomCrop(Transform):
    """A part, anywhere."""

    get_params = staticmethod(first.RandomCrop.get_params)

    def __init__(
        self,
        size: Any,
        padding: Any = None,
        pad_if_needed: bool = False,
        fill: Any = 0,
        padding_mode: str = "constant",
    ) -> None:
        super().__init__()
        self.size = pair(size, SIZE)
        self.padding = padding
        if padding is not None:  # left, right, top, bottom
            left, top, right, bottom = _sides(padding)
            self.padding = [left, right, top, bottom]
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self._fill = check_fill(fill)
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The border and the part."""
        whole = list(query_size(flat_inputs))
        sides = [0, 0, 0, 0]  # left, top, right, bottom
        if self.padding is not None:
            left, right, top, bottom = self.padding
            sides = [left, top, right, bottom]
            whole = [whole[0] + sides[1] + sides[3], whole[1] + sides[0] + sides[2]]
        if self.pad_if_needed:
            for axis in (0, 1):
                missing = self.size[axis] - whole[axis]
                if missing > 0:
                    sides[1 - axis] += missing
                    sides[3 - axis] += missing
                    whole[axis] += 2 * missing
        if whole[0] < self.size[0] or whole[1] < self.size[1]:
            raise ValueError(
                f"Required crop size {tuple(self.size)} is larger than "
                f"{'padded ' if any(sides) else ''}input image size {tuple(whole)}."
            )
        places = [
            int(torch.randint(0, have - want + 1, size=())) if want < have else 0
            for have, want in zip(whole, self.size)
        ]
        return {"places": places, "sides": sides if any(sides) else None}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part of the input."""
        if params["sides"] is not None:
            fill = fill_for(self._fill, inpt)
            inpt = self._call_kernel(
                F.pad, inpt, padding=params["sides"], fill=fill, padding_mode=self.padding_mode
            )
        return self._call_kernel(F.crop, inpt, *params["places"], *self.size)


class RandomIoUCrop(Transform):
    """A part that overlaps the boxes enough (Liu et al., 2016); needs boxes in the sample."""

    def __init__(
        self,
        min_scale: float = 0.3,
        max_scale: float = 1.0,
        min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0,
        sampler_options: list[float] | None = None,
        trials: int = 40,
    ) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.max_scale = max_scale
        self.min_aspect_ratio = min_aspect_ratio
        self.max_aspect_ratio = max_aspect_ratio
        self.options = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """TypeError without an image or without boxes."""
        boxes = has_any(flat_inputs, tv_tensors.BoundingBoxes)
        if not (boxes and has_any(flat_inputs, *IMAGES)):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The part and the boxes in it; {} for the whole image."""
        height, width = query_size(flat_inputs)
        boxes = get_bounding_boxes(flat_inputs)
        corners = F.convert_bounding_box_format(
            boxes.as_subclass(torch.Tensor), boxes.format, tv_tensors.BoundingBoxFormat.XYXY
        )
        x, y = 0.5 * (corners[..., 0] + corners[..., 2]), 0.5 * (corners[..., 1] + corners[..., 3])
        while True:
            least = self.options[integer(0, len(self.options))]
            if least >= 1.0:  # the whole image
                return {}
            for _ in range(self.trials):
                part = self._part(height, width)
                if part is None:
                    continue
                left, top, right, bottom = part
                inside = (left < x) & (x < right) & (top < y) & (y < bottom)
                if not inside.any():
                    continue
                whole = torch.tensor([part], dtype=corners.dtype)
                if box_iou(corners[inside], whole).max() < least:
                    continue
                size = {"height": bottom - top, "width": right - left}
                return {"top": top, "left": left, **size, "is_within_crop_area": inside}

    def _part(self, height: int, width: int) -> tuple[int, int, int, int] | None:
        """Corners of a part; None where its shape will not do."""
        r = self.min_scale + (self.max_scale - self.min_scale) * torch.rand(2)
        w, h = int(width * r[0]), int(height * r[1])
        if not self.min_aspect_ratio <= w / h <= self.max_aspect_ratio:
            return None
        r = torch.rand(2)
        left, top = int((width - w) * r[0]), int((height - h) * r[1])
        return None if w == 0 or h == 0 else (left, top, left + w, top + h)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The part of the input; boxes outside of it become empty."""
        if not params:
            return inpt
        part = {key: params[key] for key in ("top", "left", "height", "width")}
        result = self._call_kernel(F.crop, inpt, **part)
        if isinstance(result, tv_tensors.BoundingBoxes):
            result.as_subclass(torch.Tensor)[~params["is_within_crop_area"]] = 0
        return result


class ScaleJitter(Transform):
    """Resized to a random part or multiple of a target size (Ghiasi et al., 2021)."""

    def __init__(
        self,
        target_size: tuple[int, int],
        scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        super().__init__()
        self.target_size = target_size
        self.scale_range = scale_range
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = query_size(flat_inputs)
        low, high = self.scale_range
        scale = low + torch.rand(1) * (high - low)
        r = min(self.target_size[1] / height, self.target_size[0] / width) * scale
        return {"size": (int(height * r), int(width * r))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The resized input."""
        size, mode = params["size"], self.interpolation
        return self._call_kernel(
            F.resize, inpt, size=size, interpolation=mode, antialias=self.antialias
        )


class RandomShortestSize(ScaleJitter):
    """Resized to one of several lengths of the shorter side."""

    def __init__(
        self,
        min_size: Any,
        max_size: int | None = None,
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        Transform.__init__(self)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = query_size(flat_inputs)
        shortest = self.min_size[int(torch.randint(len(self.min_size), ()))]
        r = shortest / min(height, width)
        if self.max_size is not None:
            r = min(r, self.max_size / max(height, width))
        return {"size": (int(height * r), int(width * r))}


class RandomResize(ScaleJitter):
    """Resized to a random length of the shorter side, of [min_size, max_size)."""

    def __init__(
        self,
        min_size: int,
        max_size: int,
        interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        Transform.__init__(self)
        self.min_size = min_size
        self.max_size = max_size
        self.interpolation = interpolation
        self.antialias = antialias

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        return {"size": [int(torch.randint(self.min_size, self.max_size, ()))]}
