"""The base classes of the second generation: samples of any structure, drawn for once."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

import rushlight as torch

from .... import nn
from ....utils import _pytree
from ... import tv_tensors
from .._image import is_pil
from . import functional as F

Tensor = torch.Tensor
BILINEAR, NEAREST = "bilinear", "nearest"
IMAGES = (tv_tensors.Image, tv_tensors.Video, is_pil, F.is_pure_tensor)


def check_type(obj: Any, types_or_checks: tuple) -> bool:
    """Whether it is of one of the types, or passes one of the checks."""
    for one in types_or_checks:
        if isinstance(obj, one) if isinstance(one, type) else one(obj):
            return True
    return False


def has_any(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether any input is of one of the types or passes one of the checks."""
    return any(check_type(inpt, types_or_checks) for inpt in flat_inputs)


def has_all(flat_inputs: list[Any], *types_or_checks: Any) -> bool:
    """Whether for each type or check there is an input."""
    return all(any(check_type(i, (one,)) for i in flat_inputs) for one in types_or_checks)


def get_bounding_boxes(flat_inputs: list[Any]) -> tv_tensors.BoundingBoxes:
    """The boxes of a sample; ValueError without any."""
    for inpt in flat_inputs:
        if isinstance(inpt, tv_tensors.BoundingBoxes):
            return inpt
    raise ValueError("No bounding boxes were found in the sample")


def get_keypoints(flat_inputs: list[Any]) -> tv_tensors.KeyPoints:
    """The points of a sample; ValueError without any."""
    for inpt in flat_inputs:
        if isinstance(inpt, tv_tensors.KeyPoints):
            return inpt
    raise ValueError("No keypoints were found in the sample")


def _one(found: set, what: str, missing: str) -> Any:
    if not found:
        raise TypeError(missing)
    if len(found) > 1:
        raise ValueError(f"Found multiple {what} values in the sample: {sorted(found)}")
    return next(iter(found))


def query_chw(flat_inputs: list[Any]) -> tuple[int, int, int]:
    """(channels, height, width) of the images of a sample."""
    found = {tuple(F.get_dimensions(inpt)) for inpt in flat_inputs if check_type(inpt, IMAGES)}
    return _one(found, "CxHxW", "No image or video was found in the sample")


def query_size(flat_inputs: list[Any]) -> tuple[int, int]:
    """(height, width) of what a sample holds."""
    kinds = (*IMAGES, tv_tensors.Mask, tv_tensors.BoundingBoxes, tv_tensors.KeyPoints)
    found = {tuple(F.get_size(inpt)) for inpt in flat_inputs if check_type(inpt, kinds)}
    return _one(
        found, "HxW", "No image, video, mask, bounding box of keypoint was found in the sample"
    )


class Transform(nn.Module):
    """A transform of samples: nested containers of images, masks, boxes, points and other things.

    Subclasses have `make_params(flat_inputs)`, what is drawn once for a sample, and
    `transform(inpt, params)`. Of plain tensors only the first is taken for an image, and none
    where there is another image.
    """

    _transformed_types: tuple = (Tensor, is_pil)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        """Raise for samples that the transform does not understand."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn for a sample."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """What becomes of one input."""
        raise NotImplementedError(f"{type(self).__name__}.transform")

    def _call_kernel(self, functional: Any, inpt: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function on what it has a kernel for; other things stay as they are."""
        return functional(inpt, *args, **kwargs) if F.supports(functional, inpt) else inpt

    def forward(self, *inputs: Any) -> Any:
        """Transform a sample, given as one or several arguments."""
        flat, spec = _pytree.tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        self.check_inputs(flat)
        return self._transformed(flat, spec)

    def _transformed(self, flat: list[Any], spec: Any) -> Any:
        needs = self._needs_transform_list(flat)
        params = self.make_params([inpt for inpt, need in zip(flat, needs) if need])
        done = [self.transform(inpt, params) if need else inpt for inpt, need in zip(flat, needs)]
        return _pytree.tree_unflatten(done, spec)

    def _needs_transform_list(self, flat_inputs: list[Any]) -> list[bool]:
        plain_too = not has_any(flat_inputs, tv_tensors.Image, tv_tensors.Video, is_pil)
        needs = []
        for inpt in flat_inputs:
            need = check_type(inpt, self._transformed_types)
            if need and F.is_pure_tensor(inpt):
                need, plain_too = plain_too, False
            needs.append(need)
        return needs

    def extra_repr(self) -> str:
        """The attributes of simple types."""
        simple = (bool, int, float, str, tuple, list, Enum)
        return ", ".join(
            f"{name}={value}"
            for name, value in self.__dict__.items()
            if not name.startswith("_") and name != "training" and isinstance(value, simple)
        )


class RandomApplyTransform(Transform):
    """A transform that happens with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        super().__init__()
        self.p = p

    def forward(self, *inputs: Any) -> Any:
        """Transform a sample, or return it."""
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = _pytree.tree_flatten(inputs)
        self.check_inputs(flat)
        if torch.rand(1) >= self.p:
            return inputs
        return self._transformed(flat, spec)


# -- arguments -------------------------------------------------------------------------------


def check_fill(fill: Any) -> dict:
    """A colour, or colours by kind of input, as a dictionary with "others"."""
    if isinstance(fill, dict):
        return {key: plain_fill(value) for key, value in fill.items()}
    return {"others": plain_fill(fill)}


def plain_fill(fill: Any) -> Any:
    """A colour as None, a number or a list of floats."""
    if fill is not None and not isinstance(fill, (numbers.Number, tuple, list)):
        raise TypeError(f"Got inappropriate fill arg, only Numbers, tuples, lists and dicts are allowed. Got {type(fill)}")  # fmt: skip  # noqa: E501
    return fill if fill is None or isinstance(fill, (int, float)) else [float(v) for v in fill]


def fill_for(fills: dict, inpt: Any) -> Any:
    """The colour for an input."""
    if type(inpt) in fills:
        return fills[type(inpt)]
    if "others" not in fills:
        raise RuntimeError(f"no fill for inputs of type {type(inpt)}, and none for others")
    return fills["others"]


def size_pair(size: Any, message: str) -> list[int]:
    """A size as [height, width]."""
    if not isinstance(size, (int, Sequence)):
        raise TypeError(f"size should be int or sequence, got {type(size)}")
    if isinstance(size, int):
        return [size, size]
    if len(size) == 1:
        return [int(size[0])] * 2
    if len(size) != 2:
        raise ValueError(message)
    return list(size)


def labels_of(getter: Any) -> Callable[[Any], Any]:
    """A function that finds the labels of a sample: by rule, by a function, or none."""
    if getter == "default":
        return _default_labels
    if getter is None:
        return lambda inputs: None
    if callable(getter):
        return getter
    raise ValueError(
        f"labels_getter should either be 'default', a callable, or None, but got {getter}."
    )


def _default_labels(inputs: Any) -> Any:
    """The value of key "label" or "labels", of the sample or of its second part."""
    candidate = inputs
    if F.is_pure_tensor(inputs):
        return inputs
    if isinstance(inputs, (tuple, list)):
        if len(inputs) < 2:
            raise ValueError("Could not infer where the labels are in the sample")
        candidate = inputs[1]
        if isinstance(candidate, Tensor):
            return candidate
    if not isinstance(candidate, dict):
        raise ValueError(
            "When using the default labels_getter, the input passed to forward must be a "
            f"dictionary or a two-tuple whose second item is a dictionary or a tensor, but got "
            f"{inputs} instead."
        )
    for key in sorted(candidate, key=lambda k: (str(k).lower() not in ("labels", "label"), k)):
        if "label" in str(key).lower():
            return candidate[key]
    raise ValueError(
        "Could not infer where the labels are in the sample. Try passing a callable as the "
        "labels_getter parameter? If there are no labels in the sample by design, pass "
        "labels_getter=None."
    )
