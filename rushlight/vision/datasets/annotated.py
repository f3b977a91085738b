"""Images with boxes, outlines or captions: COCO, Pascal VOC; and ImageNet."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .folder import ImageFolder, open_image
from .utils import (
    check_integrity,
    download_and_extract_archive,
    extract_archive,
    verify_str_arg,
)
from .vision import VisionDataset

_MISSING = "Dataset not found or corrupted. You can use download=True to download it"


class _Index:
    """The images and annotations of a COCO file, with the methods of pycocotools that we need."""

    def __init__(self, path: str) -> None:
        with open(path) as file:
            self.dataset = json.load(file)
        self.imgs = {image["id"]: image for image in self.dataset.get("images", ())}
        self.anns = {note["id"]: note for note in self.dataset.get("annotations", ())}
        self.cats = {kind["id"]: kind for kind in self.dataset.get("categories", ())}
        self.imgToAnns = defaultdict(list)
        for note in self.dataset.get("annotations", ()):
            self.imgToAnns[note["image_id"]].append(note)

    def loadImgs(self, ids: Any) -> list[dict]:  # noqa: N802 (pycocotools' name)
        """The records of images."""
        return [self.imgs[i] for i in (ids if isinstance(ids, (list, tuple)) else [ids])]

    def getAnnIds(self, imgIds: Any) -> list[int]:  # noqa: N802, N803
        """The numbers of the annotations of images."""
        ids = imgIds if isinstance(imgIds, (list, tuple)) else [imgIds]
        return [note["id"] for i in ids for note in self.imgToAnns[i]]

    def loadAnns(self, ids: list[int]) -> list[dict]:  # noqa: N802
        """Annotations by their numbers."""
        return [self.anns[i] for i in ids]


class CocoDetection(VisionDataset):
    """Images and annotations in COCO's format: items (image, list of annotations)."""

    def __init__(
        self,
        root: str | os.PathLike,
        annFile: str,  # noqa: N803 (torchvision's name)
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        try:
            from pycocotools.coco import COCO
        except ImportError:
            COCO = _Index  # noqa: N806
        self.coco = COCO(annFile)
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        path = self.coco.loadImgs(id)[0]["file_name"]
        return open_image(os.path.join(self.root, path), "RGB")

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        pair = self._load_image(self.ids[index]), self._load_target(self.ids[index])
        return pair if self.transforms is None else self.transforms(*pair)

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Images and captions in COCO's format: items (image, list of captions)."""

    def _load_target(self, id: int) -> list[str]:
        return [note["caption"] for note in super()._load_target(id)]


def _voc(year: str, address: str, file: str, md5: str, base: str) -> dict[str, str]:
    url = f"https://thor.robots.ox.ac.uk/pascal/VOC/{address}/{file}"
    name = "VOCtrainval_11-May-2012.tar" if year == "2008" else file
    return {"url": url, "filename": name, "md5": md5, "base_dir": base}


DATASET_YEAR_DICT = {
    row[0]: _voc(*row)
    for row in (
        ("2012", "voc2012", "VOCtrainval_11-May-2012.tar",
         "6cd6e144f989b92b3379bac3b3de84fd", "VOCdevkit/VOC2012"),
        ("2011", "voc2011", "VOCtrainval_25-May-2011.tar",
         "6c3384ef61512963050cb5d687e5bf1e", "TrainVal/VOCdevkit/VOC2011"),
        ("2010", "voc2010", "VOCtrainval_03-May-2010.tar",
         "da459979d0c395079b5c75ee67908abb", "VOCdevkit/VOC2010"),
        ("2009", "voc2009", "VOCtrainval_11-May-2009.tar",
         "a3e00b113cfcfebf17e343f59da3caa1", "VOCdevkit/VOC2009"),
        ("2008", "voc2008", "VOCtrainval_14-Jul-2008.tar",
         "2629fa636546599198acfcfbfcf1904a", "VOCdevkit/VOC2008"),
        ("2007", "voc2007", "VOCtrainval_06-Nov-2007.tar",
         "c52e279531787c972589f7e41ab4ae64", "VOCdevkit/VOC2007"),
        ("2007-test", "voc2007", "VOCtest_06-Nov-2007.tar",
         "b6e924de25625d8de591ea690078ad9f", "VOCdevkit/VOC2007"),
    )
}  # fmt: skip


class _VOC(VisionDataset):
    """Images of Pascal VOC and a file for each in another folder."""

    _splits_dir = _target_dir = _target_ext = ""

    def __init__(
        self,
        root: str | os.PathLike,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = verify_str_arg(year, "year", [str(y) for y in range(2007, 2013)])
        sets = ["train", "trainval", "val", *(["test"] if year == "2007" else [])]
        self.image_set = verify_str_arg(image_set, "image_set", sets)
        found = DATASET_YEAR_DICT["2007-test" if (year, image_set) == ("2007", "test") else year]
        self.url, self.filename, self.md5 = found["url"], found["filename"], found["md5"]
        folder = os.path.join(self.root, *found["base_dir"].split("/"))
        if download:
            download_and_extract_archive(self.url, self.root, filename=self.filename, md5=self.md5)
        if not os.path.isdir(folder):
            raise RuntimeError(_MISSING)
        listed = os.path.join(folder, "ImageSets", self._splits_dir, f"{image_set}.txt")
        with open(listed) as file:
            names = [line.strip() for line in file if line.strip()]
        self.images = [os.path.join(folder, "JPEGImages", f"{name}.jpg") for name in names]
        ending = self._target_ext
        self.targets = [os.path.join(folder, self._target_dir, name + ending) for name in names]

    def _target(self, path: str) -> Any:
        return open_image(path)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pair = open_image(self.images[index], "RGB"), self._target(self.targets[index])
        return pair if self.transforms is None else self.transforms(*pair)

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOC):
    """Pascal VOC's images and their segmentation as an image (Everingham et al., 2010)."""

    _splits_dir, _target_dir, _target_ext = "Segmentation", "SegmentationClass", ".png"

    @property
    def masks(self) -> list[str]:
        """The files of the segmentations."""
        return self.targets


class VOCDetection(_VOC):
    """Pascal VOC's images and their annotations as dictionaries (Everingham et al., 2010)."""

    _splits_dir, _target_dir, _target_ext = "Main", "Annotations", ".xml"

    @property
    def annotations(self) -> list[str]:
        """The files of the annotations."""
        return self.targets

    def _target(self, path: str) -> Any:
        from xml.etree.ElementTree import parse

        return self.parse_voc_xml(parse(path).getroot())

    @staticmethod
    def parse_voc_xml(node: Any) -> dict[str, Any]:
        """An element as nested dictionaries; the objects of an annotation as a list."""
        children = list(node)
        if not children:
            return {node.tag: (node.text or "").strip() or None}
        found: dict[str, list] = defaultdict(list)
        for child in children:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                found[name].append(value)
        if node.tag == "annotation":  # always a list
            found["object"] = [found["object"]]
        return {node.tag: {name: v[0] if len(v) == 1 else v for name, v in found.items()}}


_IMAGENET = {
    "train": ("ILSVRC2012_img_train.tar", "1d675b47d978889d74fa0da5fadfb00e"),
    "val": ("ILSVRC2012_img_val.tar", "29b22e2961454d5413ddabcf34fc5622"),
    "devkit": ("ILSVRC2012_devkit_t12.tar.gz", "fa75699e90414af021442c21a62c3abf"),
}


class ImageNet(ImageFolder):
    """ImageNet 2012, of archives that the user has put into `root` (Russakovsky et al., 2015)."""

    def __init__(self, root: str | os.PathLike, split: str = "train", **kwargs: Any) -> None:
        root = self.root = os.path.expanduser(root)
        self.split = verify_str_arg(split, "split", ("train", "val"))
        self.parse_archives()
        names, _ = load_meta_file(root)
        super().__init__(self.split_folder, **kwargs)
        self.root = root
        self.wnids = self.classes
        self.wnid_to_idx = self.class_to_idx
        self.classes = [names[wnid] for wnid in self.wnids]
        self.class_to_idx = {name: i for i, several in enumerate(self.classes) for name in several}

    @property
    def split_folder(self) -> str:
        """Where the images of the split are."""
        return os.path.join(self.root, self.split)

    def parse_archives(self) -> None:
        """Unpack what is not unpacked yet."""
        if not check_integrity(os.path.join(self.root, "meta.bin")):
            parse_devkit_archive(self.root)
        if not os.path.isdir(self.split_folder):
            unpack = {"train": parse_train_archive, "val": parse_val_archive}
            unpack[self.split](self.root)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"


def load_meta_file(root: str, file: str | None = None) -> tuple[dict, list[str]]:
    """The names of the classes by their WordNet number, and the classes of the val images."""
    path = os.path.join(root, file or "meta.bin")
    if not check_integrity(path):
        raise RuntimeError(
            f"The meta file {os.path.basename(path)} is not present in the root directory or is "
            "corrupted. This file is automatically created by the ImageNet dataset."
        )
    return torch.load(path, weights_only=True)


def _archive(root: str, kind: str, file: str | None) -> str:
    name, md5 = _IMAGENET[kind]
    path = os.path.join(root, file or name)
    if not check_integrity(path, None if file else md5):
        raise RuntimeError(
            f"The archive {os.path.basename(path)} is not present in the root directory or is "
            f"corrupted. You need to download it externally and place it in {root}."
        )
    return path


def parse_devkit_archive(root: str, file: str | None = None) -> None:
    """Write meta.bin from the development kit; needs SciPy."""
    import tempfile

    archive = _archive(root, "devkit", file)
    try:
        from scipy.io import loadmat
    except ImportError as error:
        raise ImportError("ImageNet: its kit is read by SciPy: pip install scipy") from error
    with tempfile.TemporaryDirectory() as folder:
        extract_archive(archive, folder)
        data = os.path.join(folder, "ILSVRC2012_devkit_t12", "data")
        sets = loadmat(os.path.join(data, "meta.mat"), squeeze_me=True)["synsets"]
        leaves = [row for row in sets if not row[4]]  # others are sets of classes
        wnid_of = {int(row[0]): str(row[1]) for row in leaves}
        names = {str(row[1]): tuple(str(row[2]).split(", ")) for row in leaves}
        truth = os.path.join(data, "ILSVRC2012_validation_ground_truth.txt")
        with open(truth) as lines:
            classes = [wnid_of[int(line)] for line in lines]
    torch.save((names, classes), os.path.join(root, "meta.bin"))


def parse_train_archive(root: str, file: str | None = None, folder: str = "train") -> None:
    """Unpack the archive of archives, one for each class."""
    target = os.path.join(root, folder)
    extract_archive(_archive(root, "train", file), target)
    for name in os.listdir(target):
        path = os.path.join(target, name)
        extract_archive(path, os.path.splitext(path)[0], remove_finished=True)


def parse_val_archive(
    root: str, file: str | None = None, wnids: Any = None, folder: str = "val"
) -> None:
    """Unpack the validation images into a folder for each class."""
    wnids = load_meta_file(root)[1] if wnids is None else wnids
    target = os.path.join(root, folder)
    extract_archive(_archive(root, "val", file), target)
    for name, wnid in zip(sorted(os.listdir(target)), wnids):
        os.makedirs(os.path.join(target, wnid), exist_ok=True)
        os.replace(os.path.join(target, name), os.path.join(target, wnid, name))
