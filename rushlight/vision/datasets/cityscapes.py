"""Cityscapes: streets of fifty cities, outlined."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from .folder import open_image
from .utils import extract_archive, iterable_to_str, verify_str_arg
from .vision import VisionDataset


class CityscapesClass(NamedTuple):
    """A class of the outlines; `train_id` 255 and -1 are left out of training."""

    name: str
    id: int
    train_id: int
    category: str
    category_id: int
    has_instances: bool
    ignore_in_eval: bool
    color: tuple[int, int, int]


_CATEGORIES = ("void", "flat", "construction", "object", "nature", "sky", "human", "vehicle")
# By category: name, train_id and colour; the numbers of the classes count on through all of them.
_TABLE: tuple[tuple[tuple[str, int, tuple[int, int, int]], ...], ...] = (
    (
        ("unlabeled", 255, (0, 0, 0)),
        ("ego vehicle", 255, (0, 0, 0)),
        ("rectification border", 255, (0, 0, 0)),
        ("out of roi", 255, (0, 0, 0)),
        ("static", 255, (0, 0, 0)),
        ("dynamic", 255, (111, 74, 0)),
        ("ground", 255, (81, 0, 81)),
    ),
    (
        ("road", 0, (128, 64, 128)),
        ("sidewalk", 1, (244, 35, 232)),
        ("parking", 255, (250, 170, 160)),
        ("rail track", 255, (230, 150, 140)),
    ),
    (
        ("building", 2, (70, 70, 70)),
        ("wall", 3, (102, 102, 156)),
        ("fence", 4, (190, 153, 153)),
        ("guard rail", 255, (180, 165, 180)),
        ("bridge", 255, (150, 100, 100)),
        ("tunnel", 255, (150, 120, 90)),
    ),
    (
        ("pole", 5, (153, 153, 153)),
        ("polegroup", 255, (153, 153, 153)),
        ("traffic light", 6, (250, 170, 30)),
        ("traffic sign", 7, (220, 220, 0)),
    ),
    (("vegetation", 8, (107, 142, 35)), ("terrain", 9, (152, 251, 152))),
    (("sky", 10, (70, 130, 180)),),
    (("person", 11, (220, 20, 60)), ("rider", 12, (255, 0, 0))),
    (
        ("car", 13, (0, 0, 142)),
        ("truck", 14, (0, 0, 70)),
        ("bus", 15, (0, 60, 100)),
        ("caravan", 255, (0, 0, 90)),
        ("trailer", 255, (0, 0, 110)),
        ("train", 16, (0, 80, 100)),
        ("motorcycle", 17, (0, 0, 230)),
        ("bicycle", 18, (119, 11, 32)),
        ("license plate", -1, (0, 0, 142)),
    ),
)


def _classes() -> list[CityscapesClass]:
    found: list[CityscapesClass] = []
    for number, rows in enumerate(_TABLE):
        category = _CATEGORIES[number]
        for name, train_id, color in rows:
            plate = train_id == -1
            countable = category in ("human", "vehicle") and not plate
            identity = -1 if plate else len(found)
            ignored = train_id in (-1, 255)
            found.append(
                CityscapesClass(
                    name, identity, train_id, category, number, countable, ignored, color
                )
            )
    return found


class Cityscapes(VisionDataset):
    """25,000 photographs of streets and their outlines (Cordts et al., 2016).

    `mode`: "fine" or "coarse" outlines. `target_type`: "instance", "semantic", "color" (images) or
    "polygon" (a dictionary), or a list of them.
    """

    CityscapesClass = CityscapesClass
    classes = _classes()

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        mode: str = "fine",
        target_type: list[str] | str = "instance",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        verify_str_arg(mode, "mode", ("fine", "coarse"))
        parts = ("train", "test", "val") if mode == "fine" else ("train", "train_extra", "val")
        message = (
            f"Unknown value '{split}' for argument split if mode is '{mode}'. Valid values are "
            f"{{{iterable_to_str(parts)}}}."
        )
        verify_str_arg(split, "split", parts, message)
        self.mode = "gtFine" if mode == "fine" else "gtCoarse"
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        kinds = ("instance", "semantic", "polygon", "color")
        for kind in self.target_type:
            verify_str_arg(kind, "target_type", kinds)
        self.images_dir = os.path.join(self.root, "leftImg8bit", split)
        self.targets_dir = os.path.join(self.root, self.mode, split)
        if not (os.path.isdir(self.images_dir) and os.path.isdir(self.targets_dir)):
            self._unpack()
        self.images: list[str] = []
        self.targets: list[list[str]] = []
        for city in os.listdir(self.images_dir):
            for name in os.listdir(os.path.join(self.images_dir, city)):
                self.images.append(os.path.join(self.images_dir, city, name))
                start = name.split("_leftImg8bit")[0]
                files = [
                    f"{start}_{self._get_target_suffix(self.mode, t)}" for t in self.target_type
                ]
                self.targets.append([os.path.join(self.targets_dir, city, f) for f in files])

    def _unpack(self) -> None:
        """Unpack the archives that the user has put into `root`."""
        extra = self.split == "train_extra"
        images = f"leftImg8bit_{'trainextra' if extra else 'trainvaltest'}.zip"
        targets = f"{self.mode}{'_trainvaltest' if self.mode == 'gtFine' else ''}.zip"
        archives = [os.path.join(self.root, name) for name in (images, targets)]
        if not all(os.path.isfile(path) for path in archives):
            raise RuntimeError(
                "Dataset not found or incomplete. Please make sure all required folders for the "
                'specified "split" and "mode" are inside the "root" directory'
            )
        for path in archives:
            extract_archive(path, self.root)

    def _get_target_suffix(self, mode: str, target_type: str) -> str:
        endings = {
            "instance": "instanceIds.png",
            "semantic": "labelIds.png",
            "color": "color.png",
            "polygon": "polygons.json",
        }
        return f"{mode}_{endings[target_type]}"

    @staticmethod
    def _read(path: str) -> Any:
        if not path.endswith(".json"):
            return open_image(path)
        with open(path) as file:
            return json.load(file)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = open_image(self.images[index], "RGB")
        found = [self._read(path) for path in self.targets[index]]
        target = tuple(found) if len(found) > 1 else found[0]
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        """Which part, outlines and targets."""
        return f"Split: {self.split}\nMode: {self.mode}\nType: {self.target_type}"
