"""Transforms of images: torchvision's first generation; the second is in `transforms.v2`."""

from __future__ import annotations

from importlib import import_module

from . import autoaugment, functional, transforms
from .autoaugment import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from .transforms import *  # noqa: F403

__all__ = [
    *transforms.__all__, "AugMix", "AutoAugment", "AutoAugmentPolicy", "RandAugment",
    "TrivialAugmentWide",
]  # fmt: skip


def __getattr__(name: str):
    if name == "v2":
        return import_module(".v2", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
