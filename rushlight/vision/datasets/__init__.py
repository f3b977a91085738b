"""Datasets of images, with the formats and the classes of torchvision's."""

from __future__ import annotations

from importlib import import_module

from .vision import StandardTransform, VisionDataset

_MODULES = {
    "folder": "DatasetFolder ImageFolder",
    "mnist": "EMNIST FashionMNIST KMNIST MNIST QMNIST",
    "cifar": "CIFAR10 CIFAR100",
    "small": "Digits FakeData SEMEION STL10 SVHN USPS",
    "annotated": "CocoCaptions CocoDetection ImageNet VOCDetection VOCSegmentation",
    "caltech": "Caltech101 Caltech256",
    "celeba": "CelebA",
    "cityscapes": "Cityscapes",
    "clevr": "CLEVRClassification",
    "country211": "Country211",
    "dtd": "DTD",
    "eurosat": "EuroSAT",
    "fer2013": "FER2013",
    "fgvc_aircraft": "FGVCAircraft",
    "flickr": "Flickr30k Flickr8k",
    "flowers102": "Flowers102",
    "food101": "Food101",
    "gtsrb": "GTSRB",
    "hmdb51": "HMDB51",
    "imagenette": "Imagenette",
    "inaturalist": "INaturalist",
    "kinetics": "Kinetics",
    "kitti": "Kitti",
    "lfw": "LFWPairs LFWPeople",
    "lsun": "LSUN LSUNClass",
    "moving_mnist": "MovingMNIST",
    "omniglot": "Omniglot",
    "oxford_iiit_pet": "OxfordIIITPet",
    "pcam": "PCAM",
    "phototour": "PhotoTour",
    "places365": "Places365",
    "rendered_sst2": "RenderedSST2",
    "sbd": "SBDataset",
    "sbu": "SBU",
    "stanford_cars": "StanfordCars",
    "sun397": "SUN397",
    "ucf101": "UCF101",
    "widerface": "WIDERFace",
    "_wrapped": "wrap_dataset_for_transforms_v2",
    "_optical_flow": "FlyingChairs FlyingThings3D HD1K KittiFlow Sintel",
    "_stereo_matching": "CREStereo CarlaStereo ETH3DStereo FallingThingsStereo InStereo2k "
    "Kitti2012Stereo Kitti2015Stereo Middlebury2014Stereo SceneFlowStereo SintelStereo",
}
_HOME = {name: module for module, names in _MODULES.items() for name in names.split()}

_OTHERS = (
    "coco fakedata imagenet photographs samplers semeion stl10 svhn usps utils video_utils voc"
).split()

__all__ = ["StandardTransform", "VisionDataset", *sorted(_HOME)]


def __getattr__(name: str):
    if name in _HOME:
        return getattr(import_module("." + _HOME[name], __name__), name)
    if name in _MODULES or name in _OTHERS:
        return import_module("." + name, __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES, *_OTHERS})
