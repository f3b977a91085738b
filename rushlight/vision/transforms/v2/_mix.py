"""Augmentation: MixUp and CutMix of batches, and random operations on images."""

from __future__ import annotations

import math
from typing import Any

import rushlight as torch

from ....utils import _pytree
from ... import tv_tensors
from .. import autoaugment as first
from .._augment import policies, space
from .._image import is_pil, max_value
from ..autoaugment import AutoAugmentPolicy, apply_op, mixture
from . import functional as F
from ._transform import (
    BILINEAR,
    IMAGES,
    NEAREST,
    Transform,
    check_fill,
    check_type,
    fill_for,
    has_any,
    labels_of,
)

Tensor = torch.Tensor


class _MixUpCutMix(Transform):
    """Mixes each image of a batch with its neighbour, and their labels."""

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        num_classes: int | None = None,
        labels_getter: Any = "default",
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self._dist = torch.distributions.Beta(torch.tensor([alpha]), torch.tensor([alpha]))
        self.num_classes = num_classes
        self._labels_getter = labels_of(labels_getter)

    def forward(self, *inputs: Any) -> Any:
        """The mixed batch."""
        inputs = inputs if len(inputs) > 1 else inputs[0]
        flat, spec = _pytree.tree_flatten(inputs)
        if has_any(flat, is_pil, tv_tensors.BoundingBoxes, tv_tensors.Mask, tv_tensors.KeyPoints):
            raise ValueError(
                f"{type(self).__name__}() does not support PIL images, bounding boxes, keypoints "
                "and masks."
            )
        labels = self._labels_getter(inputs)
        self._check_labels(labels)
        needs = [
            need and inpt is not labels
            for inpt, need in zip(flat, self._needs_transform_list(flat))
        ]
        size = None
        for inpt, need in zip(flat, needs):
            if need:
                size = self._check_batch(inpt, labels, size)
        if size is None:
            raise ValueError("no image or video was found in the sample")
        params = self.make_params([inpt for inpt, need in zip(flat, needs) if need])
        done = []
        for inpt, need in zip(flat, needs):
            if inpt is labels:
                done.append(self._mixed_labels(inpt, params["lam"]))
            else:
                done.append(self.transform(inpt, params) if need else inpt)
        return _pytree.tree_unflatten(done, spec)

    def _check_labels(self, labels: Any) -> None:
        if not isinstance(labels, Tensor):
            raise ValueError(f"The labels must be a tensor, but got {type(labels)} instead.")
        if labels.ndim not in (1, 2):
            raise ValueError(
                "labels should be index based with shape (batch_size,) or probability based with "
                f"shape (batch_size, num_classes), but got a tensor of shape {labels.shape}."
            )
        if labels.ndim == 2 and self.num_classes not in (None, labels.shape[-1]):
            raise ValueError(
                f"When passing 2D labels, the number of elements in last dimension must match "
                f"num_classes: {labels.shape[-1]} != {self.num_classes}. You can Leave num_classes "
                "to None."
            )
        if labels.ndim == 1 and self.num_classes is None:
            raise ValueError("num_classes must be passed if the labels are index-based (1D)")

    def _check_batch(self, image: Tensor, labels: Tensor, size: int | None) -> int:
        wanted = 5 if isinstance(image, tv_tensors.Video) else 4
        if image.ndim != wanted:
            raise ValueError(
                f"Expected a batched input with {wanted} dims, but got {image.ndim} dimensions "
                "instead."
            )
        if image.shape[0] != labels.shape[0]:
            raise ValueError(
                f"The batch size of the image or video does not match the batch size of the "
                f"labels: {image.shape[0]} != {labels.shape[0]}."
            )
        return image.shape[0]

    def _mixed_labels(self, label: Tensor, share: float) -> Tensor:
        if label.ndim == 1:
            label = torch.nn.functional.one_hot(label, num_classes=self.num_classes)
        if not label.dtype.is_floating_point:
            label = label.float()
        return label.roll(1, 0).mul_(1.0 - share).add_(label.mul(share))

    def _drawn(self) -> float:
        return float(self._dist.sample(()))


class MixUp(_MixUpCutMix):
    """A weighted mean of each image and its neighbour (Zhang et al., 2018)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The weight."""
        return {"lam": self._drawn()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The mixed batch."""
        plain, share = inpt.as_subclass(Tensor), params["lam"]
        mixed = plain.roll(1, 0).mul_(1.0 - share).add_(plain.mul(share))
        return mixed if F.is_pure_tensor(inpt) else tv_tensors.wrap(mixed, like=inpt)


class CutMix(_MixUpCutMix):
    """A rectangle of each image from its neighbour (Yun et al., 2019)."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The rectangle, and what remains of the image."""
        share = self._drawn()
        height, width = flat_inputs[0].shape[-2:]
        x, y = torch.randint(width, size=(1,)).item(), torch.randint(height, size=(1,)).item()
        r = 0.5 * math.sqrt(1.0 - share)
        w, h = int(r * width), int(r * height)
        left, top = max(x - w, 0), max(y - h, 0)
        right, bottom = min(x + w, width), min(y + h, height)
        kept = float(1.0 - (right - left) * (bottom - top) / (width * height))
        return {"box": (left, top, right, bottom), "lam": kept}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The batch with rectangles."""
        left, top, right, bottom = params["box"]
        plain = inpt.as_subclass(Tensor)
        mixed = plain.clone()
        mixed[..., top:bottom, left:right] = plain.roll(1, 0)[..., top:bottom, left:right]
        return mixed if F.is_pure_tensor(inpt) else tv_tensors.wrap(mixed, like=inpt)


class _Augment(Transform):
    """Applies operations to the one image of a sample."""

    _kind = ""

    def __init__(self, *, interpolation: Any = NEAREST, fill: Any = None) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill
        self._fill = check_fill(fill)

    def _image(self, inputs: Any) -> tuple[list, Any, int, Any]:
        """(flat inputs, their structure, the image's place, the image)."""
        flat, spec = _pytree.tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        needs = self._needs_transform_list(flat)
        found = []
        for i, (inpt, need) in enumerate(zip(flat, needs)):
            if need and check_type(inpt, IMAGES):
                found.append(i)
            elif isinstance(
                inpt, (tv_tensors.BoundingBoxes, tv_tensors.KeyPoints, tv_tensors.Mask)
            ):
                raise TypeError(
                    f"Inputs of type {type(inpt).__name__} are not supported by "
                    f"{type(self).__name__}()"
                )
        if len(found) != 1:
            what = (
                "Found no image in the sample."
                if not found
                else (
                    "Auto augment transformations are only properly defined for a single image or "
                    f"video, but found {len(found)}."
                )
            )
            raise (TypeError if not found else ValueError)(what)
        return flat, spec, found[0], flat[found[0]]

    def _space(self, image: Any) -> dict:
        return space(self._kind, 1.0)

    def _apply(self, image: Any, name: str, magnitude: float) -> Any:
        if name == "Solarize":
            magnitude *= max_value(image.dtype) if isinstance(image, Tensor) else 255.0
        fill = fill_for(self._fill, image)
        mode = F._images.check_interpolation(self.interpolation)
        return apply_op(image, name, magnitude, mode, fill, F)

    def _drawn(self, found: dict, image: Any, bins: int, place: Any) -> tuple[str, float]:
        """A random operation and its magnitude; `place()` says which of them."""
        name = list(found)[int(torch.randint(len(found), ()))]
        return name, self._magnitude(*found[name], image, bins, place)

    def _magnitude(self, make: Any, signed: bool, image: Any, bins: int, place: Any) -> float:
        magnitudes = make(bins, *F.get_size(image))
        if magnitudes is None:
            return 0.0
        magnitude = float(magnitudes[place()])
        return -magnitude if signed and torch.rand(()) <= 0.5 else magnitude

    def _back(self, flat: list, spec: Any, place: int, image: Any) -> Any:
        flat[place] = image
        return _pytree.tree_unflatten(flat, spec)


class AutoAugment(_Augment):
    """Policies that were found by reinforcement learning (Cubuk et al., 2019)."""

    get_params = staticmethod(first.AutoAugment.get_params)

    _kind = "auto"

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy = policy
        self._policies = policies(policy.value)

    def forward(self, *inputs: Any) -> Any:
        """The augmented sample."""
        flat, spec, place, image = self._image(inputs)
        found = self._space(image)
        for name, p, level in self._policies[int(torch.randint(len(self._policies), ()))]:
            if not torch.rand(()) <= p:
                continue
            magnitude = self._magnitude(*found[name], image, 10, lambda level=level: level)
            image = self._apply(image, name, magnitude)
        return self._back(flat, spec, place, image)


class RandAugment(_Augment):
    """`num_ops` random operations of one magnitude (Cubuk et al., 2020)."""

    _kind = "rand"

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = NEAREST,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, *inputs: Any) -> Any:
        """The augmented sample."""
        flat, spec, place, image = self._image(inputs)
        found = self._space(image)
        for _ in range(self.num_ops):
            bins = self.num_magnitude_bins
            image = self._apply(image, *self._drawn(found, image, bins, lambda: self.magnitude))
        return self._back(flat, spec, place, image)


class TrivialAugmentWide(_Augment):
    """One random operation of random magnitude (Mueller and Hutter, 2021)."""

    _kind = "trivial"

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Any = NEAREST, fill: Any = None
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, *inputs: Any) -> Any:
        """The augmented sample."""
        flat, spec, place, image = self._image(inputs)
        bins = self.num_magnitude_bins
        drawn = self._drawn(self._space(image), image, bins, lambda: int(torch.randint(bins, ())))
        return self._back(flat, spec, place, self._apply(image, *drawn))


class AugMix(_Augment):
    """A mixture of chains of operations and the image itself (Hendrycks et al., 2020)."""

    _bins = 10

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: Any = BILINEAR,
        fill: Any = None,
    ) -> None:
        super().__init__(interpolation=interpolation, fill=fill)
        if not 1 <= severity <= self._bins:
            raise ValueError(
                f"The severity must be between [1, {self._bins}]. Got {severity} instead."
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops

    @property
    def _kind(self) -> str:
        return "mix all" if self.all_ops else "mix"

    def forward(self, *inputs: Any) -> Any:
        """The augmented sample."""
        flat, spec, place, original = self._image(inputs)
        image = original if isinstance(original, Tensor) else F.pil_to_tensor(original)
        plain = image.as_subclass(Tensor)
        batch = plain.view([1] * max(4 - plain.ndim, 0) + list(plain.shape))
        ones = [1] * (batch.ndim - 1)
        own, weights = mixture(self.alpha, self.mixture_width, batch.shape[0])
        mixed = own.view(-1, *ones) * batch
        found = self._space(original)
        for i in range(self.mixture_width):
            chain = batch
            depth = self.chain_depth
            for _ in range(depth if depth > 0 else int(torch.randint(low=1, high=4, size=()))):
                drawn = self._drawn(
                    found, chain, self._bins, lambda: int(torch.randint(self.severity, ()))
                )
                chain = self._apply(chain, *drawn)
            mixed.add_(weights[:, i].view(-1, *ones) * chain)
        mixed = mixed.view(plain.shape).to(plain.dtype)
        if isinstance(image, tv_tensors.TVTensor):
            mixed = tv_tensors.wrap(mixed, like=image)
        elif is_pil(original):
            mixed = F.to_pil_image(mixed)
        return self._back(flat, spec, place, mixed)
