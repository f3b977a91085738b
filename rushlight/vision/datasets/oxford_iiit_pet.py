"""Cats and dogs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import open_image
from .photographs import Photographs
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset


class OxfordIIITPet(Photographs):
    """7,349 cats and dogs in 37 breeds (Parkhi et al., 2012).

    `target_types`: "category", "binary-category", "segmentation", or several of them.
    """

    _RESOURCES = (
        (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            "5c4f3ee8e5d25df40f4fd59a7f44e54c",
        ),
        (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            "95a8c909bbe2e81eed6a22bccdf3f68f",
        ),
    )
    _folder, _splits = "oxford-iiit-pet", ("trainval", "test")
    _shows_split = False

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "trainval",
        target_types: Any = "category",
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        kinds = ("category", "binary-category", "segmentation")
        wanted = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [verify_str_arg(t, "target_types", kinds) for t in wanted]
        super().__init__(root, split, transform, target_transform, download)
        VisionDataset.__init__(self, root, transforms, transform, target_transform)

    def _exists(self) -> bool:
        return (self._base / "images").is_dir() and (self._base / "annotations").is_dir()

    def _download(self) -> None:
        for url, md5 in self._RESOURCES:
            download_and_extract_archive(url, str(self._base), md5=md5)

    def _list(self) -> None:
        notes = self._base / "annotations"
        rows = [line.split() for line in (notes / f"{self._split}.txt").read_text().splitlines()]
        self._image_files = [self._base / "images" / f"{row[0]}.jpg" for row in rows]
        self._segs = [notes / "trimaps" / f"{row[0]}.png" for row in rows]
        self._labels = [int(row[1]) - 1 for row in rows]
        self._bin_labels = [int(row[2]) - 1 for row in rows]
        raw = {(row[0].rsplit("_", 1)[0], int(row[1]) - 1) for row in rows}
        names = (name for name, _ in sorted(raw, key=lambda pair: pair[1]))
        self._of_classes([" ".join(w.title() for w in name.split("_")) for name in names])
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = open_image(self._image_files[index], "RGB")
        makers = {
            "category": lambda: self._labels[index],
            "binary-category": lambda: self._bin_labels[index],
            "segmentation": lambda: open_image(self._segs[index]),
        }
        found = [makers[kind]() for kind in self._target_types]
        target = None if not found else found[0] if len(found) == 1 else tuple(found)
        return self.transforms(image, target) if self.transforms else (image, target)
