"""Transforms of types, metadata and samples as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import rushlight as torch

from ....utils import _pytree
from ... import tv_tensors
from .._basic import apply_linear, check_linear
from .._image import is_pil
from . import functional as F
from ._transform import (
    Transform,
    get_bounding_boxes,
    has_any,
    labels_of,
)

Tensor = torch.Tensor


class Identity(Transform):
    """Everything as it is."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The input."""
        return inpt


class Lambda(Transform):
    """A function as a transform, of the inputs of the given types."""

    _transformed_types = (object,)

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or self._transformed_types

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The function's result for inputs of its types."""
        return self.lambd(inpt) if isinstance(inpt, self.types) else inpt

    def extra_repr(self) -> str:
        """The function's name and the types."""
        name = getattr(self.lambd, "__name__", "")
        parts = [name] if name else []
        return ", ".join([*parts, f"types={[t.__name__ for t in self.types]}"])


class LinearTransformation(Transform):
    """The image as a vector, less `mean_vector`, times a matrix."""

    _transformed_types = (F.is_pure_tensor, tv_tensors.Image, tv_tensors.Video)

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        check_linear(transformation_matrix, mean_vector)
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """TypeError for PIL images."""
        if has_any(flat_inputs, is_pil):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The transformed input."""
        plain = inpt.as_subclass(Tensor)
        result = apply_linear(plain, self.transformation_matrix, self.mean_vector)
        return result if F.is_pure_tensor(inpt) else tv_tensors.wrap(result, like=inpt)


class Normalize(Transform):
    """(image - mean) / std, channel by channel."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], inplace: bool = False) -> None:
        super().__init__()
        self.mean = list(mean)
        self.std = list(std)
        self.inplace = inplace

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """TypeError for PIL images."""
        if has_any(flat_inputs, is_pil):
            raise TypeError(f"{type(self).__name__}() does not support PIL images.")

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The normalized input."""
        return self._call_kernel(F.normalize, inpt, self.mean, self.std, self.inplace)


class ToDtype(Transform):
    """Another dtype: of images, or by the kind of input as a dictionary says.

    `scale`: white stays white.
    """

    _transformed_types = (Tensor,)

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, (dict, torch.dtype)):
            raise ValueError(f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The converted input."""
        dtype = self.dtype
        if isinstance(dtype, torch.dtype):
            # One dtype is meant for what has pixels; boxes and masks stay as they are.
            pixels = F.is_pure_tensor(inpt) or isinstance(
                inpt, (tv_tensors.Image, tv_tensors.Video)
            )
            dtype = dtype if pixels else None
        elif type(inpt) in dtype or F.is_pure_tensor(inpt) and Tensor in dtype:
            dtype = dtype[type(inpt)]
        elif "others" in dtype:
            dtype = dtype["others"]
        else:
            raise ValueError(
                f"No dtype was specified for type {type(inpt)}. If you only need to convert the "
                "dtype of images or videos, you can just pass e.g. dtype=torch.float32. If you're "
                "passing a dict as dtype, you can use 'others' as a catch-all key e.g. "
                'dtype={tv_tensors.Mask: torch.int64, "others": None} to pass-through the rest of '
                "the inputs."
            )
        if dtype is None:
            return inpt
        return self._call_kernel(F.to_dtype, inpt, dtype=dtype, scale=self.scale)


class ConvertImageDtype(Transform):
    """Another dtype in which white stays white; `ToDtype(dtype, scale=True)` does the same."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.dtype = dtype

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The converted input."""
        if not (F.is_pure_tensor(inpt) or isinstance(inpt, (tv_tensors.Image, tv_tensors.Video))):
            return inpt
        return self._call_kernel(F.to_dtype, inpt, dtype=self.dtype, scale=True)


class PILToTensor(Transform):
    """PIL images as plain tensors of the same values."""

    _transformed_types = (is_pil,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor."""
        return F.pil_to_tensor(inpt)


def _is_array(inpt: Any) -> bool:
    return type(inpt).__module__ == "numpy" and type(inpt).__name__ == "ndarray"


class ToImage(Transform):
    """PIL images, arrays (H, W, C) and plain tensors as Images of the same values."""

    _transformed_types = (F.is_pure_tensor, is_pil, _is_array)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The Image."""
        return F.to_image(inpt)


class ToTensor(Transform):
    """PIL images and arrays as tensors of 0 to 1; `ToImage` and `ToDtype` are meant instead."""

    _transformed_types = (is_pil, _is_array)

    def __init__(self) -> None:
        from ...._warn import warn

        warn(
            "The transform `ToTensor()` is deprecated and will be removed in a future release. "
            "Instead, please use `v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, "
            "scale=True)])`.Output is equivalent up to float precision."
        )
        super().__init__()

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The tensor."""
        return F.to_tensor(inpt)


class ToPILImage(Transform):
    """Tensors and arrays as PIL images."""

    _transformed_types = (F.is_pure_tensor, tv_tensors.Image, _is_array)

    def __init__(self, mode: str | None = None) -> None:
        super().__init__()
        self.mode = mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The PIL image."""
        plain = inpt.as_subclass(Tensor) if isinstance(inpt, Tensor) else inpt
        return F.to_pil_image(plain, mode=self.mode)


class ToPureTensor(Transform):
    """Images, masks, boxes and points as plain tensors."""

    _transformed_types = (tv_tensors.TVTensor,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The plain tensor."""
        return inpt.as_subclass(Tensor)


class ConvertBoundingBoxFormat(Transform):
    """Boxes in another format."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = format

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes in that format."""
        return F.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(Transform):
    """Boxes that do not reach out of the image."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The boxes inside."""
        return F.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


class ClampKeyPoints(Transform):
    """Points that do not lie outside of the image."""

    _transformed_types = (tv_tensors.KeyPoints,)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The points inside."""
        return F.clamp_keypoints(inpt)


class SetClampingMode(Transform):
    """Another way to treat boxes that reach out of the image."""

    _transformed_types = (tv_tensors.BoundingBoxes,)

    def __init__(self, clamping_mode: str | None) -> None:
        super().__init__()
        if clamping_mode not in ("soft", "hard", None):
            raise ValueError(f"clamping_mode must be soft, hard or None, got {clamping_mode}")
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The same boxes, which will be treated so."""
        return tv_tensors.wrap(
            inpt.as_subclass(Tensor), like=inpt, clamping_mode=self.clamping_mode
        )


class _Sanitize(Transform):
    """Drops parts of samples, and the labels that belong to them."""

    def _find_labels_by(self, labels_getter: Any) -> None:
        self.labels_getter = labels_getter
        self._labels_getter = labels_of(labels_getter)

    def _checked(self, labels: Any, count: int, what: str) -> tuple:
        if labels is None:
            return ()
        several = labels if isinstance(labels, (tuple, list)) else (labels,)
        for one in several:
            if not isinstance(one, Tensor):
                raise ValueError(
                    f"The labels in the input to forward() must be a tensor or None, got "
                    f"{type(one)} instead."
                )
            if one.shape[0] != count:
                raise ValueError(
                    f"Number of {what} (shape={count}) and must match the number of labels."
                    f"Found labels with shape={one.shape})."
                )
        return tuple(several)

    def _kept(self, inputs: tuple, kinds: tuple, valid: Tensor, labels: tuple) -> Any:
        flat, spec = _pytree.tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        done = []
        for inpt in flat:
            if isinstance(inpt, kinds):
                done.append(tv_tensors.wrap(inpt.as_subclass(Tensor)[valid], like=inpt))
            elif any(inpt is one for one in labels):
                done.append(inpt[valid])
            else:
                done.append(inpt)
        return _pytree.tree_unflatten(done, spec)


class SanitizeBoundingBoxes(_Sanitize):
    """Drops boxes that are too small or reach out, with their labels and masks."""

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        if min_size < 1:
            raise ValueError(f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            raise ValueError(f"min_area must be >= 1, got {min_area}.")
        super().__init__()
        self.min_size = min_size
        self.min_area = min_area
        self._find_labels_by(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """The sample without those boxes."""
        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, _ = _pytree.tree_flatten(sample)
        found = self._labels_getter(sample)
        boxes = get_bounding_boxes(flat)
        labels = self._checked(found, boxes.shape[0], "boxes")
        _, valid = F.sanitize_bounding_boxes(boxes, min_size=self.min_size, min_area=self.min_area)
        return self._kept(inputs, (tv_tensors.BoundingBoxes, tv_tensors.Mask), valid, labels)


class SanitizeKeyPoints(_Sanitize):
    """Drops points that lie outside, with their labels."""

    def __init__(self, labels_getter: Any = None) -> None:
        super().__init__()
        self._find_labels_by(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """The sample without those points."""
        from ._transform import get_keypoints

        sample = inputs if len(inputs) > 1 else inputs[0]
        flat, _ = _pytree.tree_flatten(sample)
        found = self._labels_getter(sample)
        points = get_keypoints(flat)
        labels = self._checked(found, points.shape[0], "keypoints")
        _, valid = F.sanitize_keypoints(points)
        return self._kept(inputs, (tv_tensors.KeyPoints,), valid, labels)


class UniformTemporalSubsample(Transform):
    """`num_samples` frames of a video, at equal distances."""

    _transformed_types = (F.is_pure_tensor, tv_tensors.Video)

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The frames."""
        return self._call_kernel(F.uniform_temporal_subsample, inpt, self.num_samples)
