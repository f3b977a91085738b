"""Augmentation by random operations: AutoAugment, RandAugment, TrivialAugment and AugMix."""

from __future__ import annotations

import math
from enum import Enum
from typing import Any

import rushlight as torch

from . import functional as F
from ._arguments import Shown, colours, integer
from ._augment import policies, space
from ._image import InterpolationMode

__all__ = ["AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment", "TrivialAugmentWide"]

Tensor = torch.Tensor


class AutoAugmentPolicy(Enum):
    """The data sets whose policies AutoAugment knows."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def apply_op(
    img: Any, name: str, magnitude: float, interpolation: Any, fill: Any, functions: Any = F
) -> Any:
    """One of the operations of a policy, by the functions of a module."""
    if name in ("ShearX", "ShearY"):
        degrees = math.degrees(math.atan(magnitude))
        shear = [degrees, 0.0] if name == "ShearX" else [0.0, degrees]
        return functions.affine(img, 0.0, [0, 0], 1.0, shear, interpolation, fill, [0, 0])
    if name in ("TranslateX", "TranslateY"):
        move = [int(magnitude), 0] if name == "TranslateX" else [0, int(magnitude)]
        return functions.affine(img, 0.0, move, 1.0, [0.0, 0.0], interpolation, fill)
    if name == "Rotate":
        return functions.rotate(img, magnitude, interpolation=interpolation, fill=fill)
    if name in _FACTORS:
        return getattr(functions, _FACTORS[name])(img, 1.0 + magnitude)
    if name == "Posterize":
        return functions.posterize(img, int(magnitude))
    if name == "Solarize":
        return functions.solarize(img, magnitude)
    if name in ("AutoContrast", "Equalize", "Invert"):
        return getattr(functions, name.lower())(img)
    if name == "Identity":
        return img
    raise ValueError(f"The provided operator {name} is not recognized.")


_FACTORS = {
    "Brightness": "adjust_brightness",
    "Color": "adjust_saturation",
    "Contrast": "adjust_contrast",
    "Sharpness": "adjust_sharpness",
}


class _Augment(Shown):
    """Draws operations from a space of them."""

    _kind = ""

    def __init__(self, interpolation: InterpolationMode, fill: Any) -> None:
        super().__init__()
        self.interpolation = interpolation
        self.fill = fill

    def _augmentation_space(self, bins: int, image_size: tuple[int, int]) -> dict:
        """By name: the magnitudes for images of (height, width), and whether they have a sign."""
        found = {}
        for name, (make, signed) in space(self._kind).items():
            magnitudes = make(bins, *image_size)
            found[name] = (torch.tensor(0.0) if magnitudes is None else magnitudes, signed)
        return found

    def _prepared(self, img: Any) -> tuple[Any, tuple[int, int]]:
        """The fill colour for the image, and its (height, width)."""
        channels, height, width = F.get_dimensions(img)
        fill = self.fill
        if isinstance(img, Tensor) and fill is not None:
            fill = colours(fill, channels)
        return fill, (height, width)

    def _draw(self, found: dict, place: Any) -> tuple[str, float]:
        """An operation and its magnitude; `place(magnitudes)` says which of them."""
        name = list(found)[integer(0, len(found))]
        magnitudes, signed = found[name]
        magnitude = float(magnitudes[place(magnitudes)].item()) if magnitudes.ndim > 0 else 0.0
        if signed and integer(0, 2):
            magnitude *= -1.0
        return name, magnitude

    def __repr__(self) -> str:
        parts = (f"{name}={getattr(self, name)}" for name in self._shown)
        return f"{type(self).__name__}({', '.join(parts)})"


class AutoAugment(_Augment):
    """Policies that were found by reinforcement learning (Cubuk et al., 2019)."""

    _shown = ("policy", "fill")
    _kind = "auto"

    def __init__(
        self,
        policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.policy = policy
        self.policies = self._get_policies(policy)

    def _get_policies(self, policy: AutoAugmentPolicy) -> list:
        if not isinstance(policy, AutoAugmentPolicy):
            raise ValueError(f"The provided policy {policy} is not recognized.")
        return policies(policy.value)

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """The number of a policy, and for its two operations a probability and a sign."""
        return integer(0, transform_num), torch.rand((2,)), torch.randint(2, (2,))

    def forward(self, img: Any) -> Any:
        """Augment an image (tensors: bytes)."""
        fill, size = self._prepared(img)
        number, chances, signs = self.get_params(len(self.policies))
        found = self._augmentation_space(10, size)
        for i, (name, p, place) in enumerate(self.policies[number]):
            if chances[i] > p:
                continue
            magnitudes, signed = found[name]
            magnitude = 0.0 if place is None else float(magnitudes[place].item())
            if signed and signs[i] == 0:
                magnitude *= -1.0
            img = apply_op(img, name, magnitude, self.interpolation, fill)
        return img


class RandAugment(_Augment):
    """`num_ops` random operations of one magnitude (Cubuk et al., 2020)."""

    _shown = ("num_ops", "magnitude", "num_magnitude_bins", "interpolation", "fill")
    _kind = "rand"

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        """Augment an image (tensors: bytes)."""
        fill, size = self._prepared(img)
        found = self._augmentation_space(self.num_magnitude_bins, size)
        for _ in range(self.num_ops):
            name, magnitude = self._draw(found, lambda magnitudes: self.magnitude)
            img = apply_op(img, name, magnitude, self.interpolation, fill)
        return img


class TrivialAugmentWide(_Augment):
    """One random operation of random magnitude (Mueller and Hutter, 2021)."""

    _shown = ("num_magnitude_bins", "interpolation", "fill")
    _kind = "trivial"

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: InterpolationMode = InterpolationMode.NEAREST,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
        self.num_magnitude_bins = num_magnitude_bins

    def forward(self, img: Any) -> Any:
        """Augment an image (tensors: bytes)."""
        fill, size = self._prepared(img)
        found = self._augmentation_space(self.num_magnitude_bins, size)
        name, magnitude = self._draw(found, lambda magnitudes: integer(0, len(magnitudes)))
        return apply_op(img, name, magnitude, self.interpolation, fill)


class AugMix(_Augment):
    """A mixture of chains of operations and the image itself (Hendrycks et al., 2020)."""

    _shown = (
        "severity", "mixture_width", "chain_depth", "alpha", "all_ops", "interpolation", "fill",
    )  # fmt: skip
    _bins = 10

    def __init__(
        self,
        severity: int = 3,
        mixture_width: int = 3,
        chain_depth: int = -1,
        alpha: float = 1.0,
        all_ops: bool = True,
        interpolation: InterpolationMode = InterpolationMode.BILINEAR,
        fill: list[float] | None = None,
    ) -> None:
        super().__init__(interpolation, fill)
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

    def forward(self, orig_img: Any) -> Any:
        """Augment an image (tensors: bytes)."""
        fill, size = self._prepared(orig_img)
        img = orig_img if isinstance(orig_img, Tensor) else F.pil_to_tensor(orig_img)
        batch = img.view([1] * max(4 - img.ndim, 0) + list(img.shape))
        ones = [1] * (batch.ndim - 1)
        found = self._augmentation_space(self._bins, size)

        def place(magnitudes):
            return integer(0, self.severity)

        own, weights = mixture(self.alpha, self.mixture_width, batch.shape[0])
        mixed = own.view(-1, *ones) * batch
        for i in range(self.mixture_width):
            chain = batch
            for _ in range(self.chain_depth if self.chain_depth > 0 else integer(1, 4)):
                name, magnitude = self._draw(found, place)
                chain = apply_op(chain, name, magnitude, self.interpolation, fill)
            mixed.add_(weights[:, i].view(-1, *ones) * chain)
        mixed = mixed.view(img.shape).to(img.dtype)
        return mixed if isinstance(orig_img, Tensor) else F.to_pil_image(mixed)


def mixture(alpha: float, width: int, count: int) -> tuple[Tensor, Tensor]:
    """The share (count) of the image itself, and the shares (count, width) of the chains."""
    shares = torch._sample_dirichlet(torch.tensor([alpha, alpha]).expand(count, -1))
    weights = torch._sample_dirichlet(torch.tensor([alpha] * width).expand(count, -1))
    return shares[:, 0], weights * shares[:, 1].reshape(count, -1)
