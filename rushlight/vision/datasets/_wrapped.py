"""Datasets whose items say what they are, for transforms of the second generation."""

from __future__ import annotations

from collections.abc import Callable, Collection
from copy import copy
from typing import Any

import rushlight as torch

from ..._module_names import in_rushlight
from .. import tv_tensors
from ..transforms.v2.functional import convert_bounding_box_format, pil_to_tensor
from .vision import VisionDataset

_VOC = (
    "__background__ aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse "
    "motorbike person pottedplant sheep sofa train tvmonitor"
).split()
_KITTI = "Car Van Truck Pedestrian Person_sitting Cyclist Tram Misc DontCare".split()
_TRANSFORMS = ("transform", "target_transform", "transforms")
_CUSTOM = (
    "https://pytorch.org/vision/main/auto_examples/"
    "plot_tv_tensors.html#do-i-have-to-wrap-the-output-of-the-datasets-myself"
)


def wrap_dataset_for_transforms_v2(
    dataset: VisionDataset, target_keys: str | Collection[str] | None = None
) -> VisionDataset:
    """The dataset with items for `transforms.v2`: boxes, masks and videos know what they are.

    Its transforms are called after that. `target_keys`: which parts of targets that are
    dictionaries to hand out, "all", or None for the usual ones of the dataset. TypeError for
    datasets that nothing is known of.
    """
    asked = target_keys is None or target_keys == "all"
    if not asked and not (
        isinstance(target_keys, Collection) and all(isinstance(key, str) for key in target_keys)
    ):
        raise ValueError(
            "`target_keys` can be None, 'all', or a collection of strings denoting the keys to be "
            f"returned, but got {target_keys}"
        )
    if not isinstance(dataset, VisionDataset):
        raise TypeError(
            "This wrapper is meant for subclasses of `torchvision.datasets.VisionDataset`, but got "
            f"a '{type(dataset).__name__}' instead.\nFor an example of how to perform the wrapping "
            f"for custom datasets, see\n\n{_CUSTOM}"
        )
    known = next((c for c in type(dataset).__mro__ if c.__name__ in _WRAPPERS), None)
    if known is None or in_rushlight(known.__module__).rpartition(".")[0] != __package__:
        advice = ""
        if in_rushlight(type(dataset).__module__).startswith(__package__):
            advice = (
                " If an automated wrapper for this dataset would be useful for you, please open an "
                "issue at https://github.com/pytorch/vision/issues."
            )
        raise TypeError(
            f"No wrapper exists for dataset class {type(dataset).__name__}. Please wrap the output "
            f"yourself.{advice}"
        )
    return _made(dataset, target_keys, _WRAPPERS[known.__name__](dataset, target_keys))


def _made(dataset: VisionDataset, target_keys: Any, wrapper: Callable) -> VisionDataset:
    kind = type(dataset)
    made = type(f"Wrapped{kind.__name__}", (_Wrapped, kind), {})
    return made(dataset, target_keys, wrapper)


class _Wrapped(VisionDataset):
    """A dataset around another one; it is of the other's class too."""

    def __init__(self, dataset: VisionDataset, target_keys: Any, wrapper: Callable) -> None:
        self._dataset = copy(dataset)
        self._target_keys = target_keys
        self._wrapper = wrapper
        for name in _TRANSFORMS:
            setattr(self, name, getattr(dataset, name))
            setattr(self._dataset, name, None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_dataset":
            raise AttributeError(name)
        return getattr(self._dataset, name)

    def __getitem__(self, index: int) -> Any:
        sample = self._wrapper(index, self._dataset[index])
        return sample if self.transforms is None else self.transforms(*sample)

    def __len__(self) -> int:
        return len(self._dataset)

    def __reduce__(self) -> tuple:
        state = {name: getattr(self, name) for name in _TRANSFORMS}
        return wrap_dataset_for_transforms_v2, (self._dataset, self._target_keys), state


# -- how each dataset's items are changed ------------------------------------------------------
# factory(dataset, target_keys) -> function(index, sample) -> sample


def _unsupported(what: str) -> RuntimeError:
    return RuntimeError(
        f"{what} is currently not supported by this wrapper. If this would be helpful for you, "
        "please open an issue at https://github.com/pytorch/vision/issues."
    )


def _chosen(target_keys: Any, usual: str, others: str) -> set[str]:
    """The wanted parts of a target, of the usual ones and others."""
    every = {*usual.split(), *others.split()}
    if target_keys is None:
        return set(usual.split())
    if target_keys == "all":
        return every
    unknown = set(target_keys) - every
    if unknown:
        raise ValueError(f"Target keys {sorted(unknown)} are not available")
    return set(target_keys)


def _only(target: dict, wanted: set[str]) -> dict:
    return {key: value for key, value in target.items() if key in wanted}


def _as_they_are(dataset: Any, target_keys: Any) -> Callable:
    return lambda index, sample: sample


def _mask(image: Any) -> Any:
    return tv_tensors.Mask(pil_to_tensor(image))


def _boxes(values: Any, layout: str, size: tuple[int, int]) -> Any:
    """Boxes as corners; images say (width, height), boxes (height, width)."""
    boxes = tv_tensors.BoundingBoxes(values, format=layout, canvas_size=size[::-1])
    return boxes if layout == "XYXY" else convert_bounding_box_format(boxes, new_format="XYXY")


def _columns(rows: list[dict]) -> dict[str, list]:
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def _segmentation(dataset: Any, target_keys: Any) -> Callable:
    return lambda index, sample: (sample[0], _mask(sample[1]))


def _outlined(dataset: Any, target_keys: Any) -> Callable:
    if dataset.mode == "boundaries":
        raise _unsupported("SBDataset with mode='boundaries'")
    return _segmentation(dataset, target_keys)


def _video(dataset: Any, target_keys: Any) -> Callable:
    if dataset.video_clips.output_format == "THWC":
        raise RuntimeError(
            f"{type(dataset).__name__} with `output_format='THWC'` is not supported by this "
            "wrapper, since it is not compatible with the transformations. Please use "
            "`output_format='TCHW'` instead."
        )
    return lambda index, sample: (tv_tensors.Video(sample[0]), *sample[1:])


def _caltech(dataset: Any, target_keys: Any) -> Callable:
    if "annotation" in dataset.target_type:
        raise _unsupported("Caltech101 dataset with `target_type=['annotation', ...]`")
    return _as_they_are(dataset, target_keys)


def _by_type(dataset: Any, change: Callable[[Any, str, Any], Any], types: Any) -> Callable:
    """A wrapper that changes each target by its type."""

    def wrapper(index: int, sample: Any) -> Any:
        image, target = sample
        if target is None:
            return sample
        if len(types) == 1:
            return image, change(image, types[0], target)
        pairs = zip(types, target, strict=True)
        return image, tuple(change(image, kind, value) for kind, value in pairs)

    return wrapper


def _celeba(dataset: Any, target_keys: Any) -> Callable:
    if any(kind in ("attr", "landmarks") for kind in dataset.target_type):
        raise _unsupported("`CelebA` dataset with `target_type=['attr', 'landmarks', ...]`")

    def change(image: Any, kind: str, target: Any) -> Any:
        return _boxes(target, "XYWH", image.size) if kind == "bbox" else target

    return _by_type(dataset, change, dataset.target_type)


def _pets(dataset: Any, target_keys: Any) -> Callable:
    def change(image: Any, kind: str, target: Any) -> Any:
        return _mask(target) if kind == "segmentation" else target

    return _by_type(dataset, change, dataset._target_types)


def _streets(dataset: Any, target_keys: Any) -> Callable:
    if any(kind in ("polygon", "color") for kind in dataset.target_type):
        raise _unsupported("`Cityscapes` dataset with `target_type=['polygon', 'color', ...]`")

    def change(image: Any, kind: str, target: Any) -> Any:
        if kind != "instance":
            return _mask(target)
        # Classes that can be counted are numbered by a thousand times the class, and one by one.
        numbers = pil_to_tensor(target)
        found = numbers.unique().tolist()
        labels = [n // 1000 if n >= 1000 else n for n in found]
        masks = torch.stack([numbers == n for n in found])
        return {
            "masks": tv_tensors.Mask(masks),
            "labels": torch.tensor(labels, dtype=numbers.dtype),
        }

    return _by_type(dataset, change, dataset.target_type)


def _kitti(dataset: Any, target_keys: Any) -> Callable:
    others = "type truncated occluded alpha bbox dimensions location rotation_y"
    wanted = _chosen(target_keys, "boxes labels", others)

    def wrapper(index: int, sample: Any) -> Any:
        image, rows = sample
        if rows is None:
            return sample
        target = _columns(rows)
        target["boxes"] = _boxes(target["bbox"], "XYXY", image.size)
        target["labels"] = torch.tensor([_KITTI.index(name) for name in target["type"]])
        return image, _only(target, wanted)

    return wrapper


def _voc(dataset: Any, target_keys: Any) -> Callable:
    wanted = _chosen(target_keys, "boxes labels", "annotation")

    def wrapper(index: int, sample: Any) -> Any:
        image, target = sample
        objects = target["annotation"]["object"]
        sides = ("xmin", "ymin", "xmax", "ymax")
        corners = [[int(one["bndbox"][side]) for side in sides] for one in objects]
        names = [one["name"] for one in objects]
        added = {
            "boxes": _boxes(corners, "XYXY", image.size),
            "labels": torch.tensor([_VOC.index(name) for name in names]),
        }
        return image, _only(target | added, wanted)

    return wrapper


def _faces(dataset: Any, target_keys: Any) -> Callable:
    usual = "bbox blur expression illumination occlusion pose invalid"
    wanted = _chosen(target_keys, usual, "")

    def wrapper(index: int, sample: Any) -> Any:
        image, target = sample
        if target is None:
            return sample
        boxes = _boxes(target["bbox"], "XYWH", image.size)
        return image, _only(target | {"bbox": boxes}, wanted)

    return wrapper


def _coco(dataset: Any, target_keys: Any) -> Callable:
    others = "segmentation area iscrowd bbox category_id masks"
    wanted = _chosen(target_keys, "image_id boxes labels", others)

    def wrapper(index: int, sample: Any) -> Any:
        number = dataset.ids[index]
        image, rows = sample
        if not rows:
            return image, {"image_id": number}
        target: dict[str, Any] = _columns(rows)
        target["image_id"] = number
        if "boxes" in wanted:
            target["boxes"] = _boxes(target["bbox"], "XYWH", image.size)
        if "masks" in wanted:
            masks = [_coco_mask(one, image.size) for one in target["segmentation"]]
            target["masks"] = tv_tensors.Mask(torch.stack(masks))
        if "labels" in wanted:
            target["labels"] = torch.tensor(target["category_id"])
        return image, _only(target, wanted)

    return wrapper


def _coco_mask(outline: Any, size: tuple[int, int]) -> torch.Tensor:
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError(
            "masks of COCO are drawn by pycocotools: pip install pycocotools"
        ) from error
    width, height = size
    if isinstance(outline, dict):
        coded = mask.frPyObjects(outline, height, width)
    else:
        coded = mask.merge(mask.frPyObjects(outline, height, width))
    return torch.from_numpy(mask.decode(coded))


_WRAPPERS: dict[str, Callable] = {
    "Caltech101": _caltech,
    "CelebA": _celeba,
    "Cityscapes": _streets,
    "CocoDetection": _coco,
    "HMDB51": _video,
    "Kinetics": _video,
    "Kitti": _kitti,
    "OxfordIIITPet": _pets,
    "SBDataset": _outlined,
    "UCF101": _video,
    "VOCDetection": _voc,
    "VOCSegmentation": _segmentation,
    "WIDERFace": _faces,
} | dict.fromkeys(
    "CIFAR10 CIFAR100 Caltech256 CocoCaptions DatasetFolder FashionMNIST GTSRB ImageFolder "
    "ImageNet Imagenette MNIST".split(),
    _as_they_are,
)
