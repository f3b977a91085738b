"""Datasets of images, with the formats and the classes of torchvision's."""

from __future__ import annotations

from importlib import import_module

from .vision import StandardTransform, VisionDataset

_MODULES = {
    "folder": "DatasetFolder ImageFolder",
    "mnist": "EMNIST FashionMNIST KMNIST MNIST QMNIST",
    "cifar": "CIFAR10 CIFAR100",
    "small": "Digits FakeData SEMEION STL10 SVHN USPS",
    "photographs": "Caltech256 Country211 DTD EuroSAT FGVCAircraft Flowers102 Food101 GTSRB "
    "OxfordIIITPet RenderedSST2",
    "annotated": "CelebA CocoCaptions CocoDetection ImageNet VOCDetection VOCSegmentation",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

_OTHERS = "celeba coco fakedata imagenet semeion stl10 svhn usps utils voc".split()

__all__ = ["StandardTransform", "VisionDataset", *sorted(_HOME)]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module("." + _HOME[name], __name__), name)
    if name in _MODULES or name in _OTHERS:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES, *_OTHERS})
