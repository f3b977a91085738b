"""KITTI: streets as a car's camera sees them, and the objects on them."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import Any

from .folder import open_image
from .utils import download_and_extract_archive
from .vision import VisionDataset


class Kitti(VisionDataset):
    """14,999 photographs of streets (Geiger et al., 2012).

    Targets are a dictionary for each object: "type", "truncated", "occluded", "alpha", "bbox",
    "dimensions", "location", "rotation_y"; None in the test part.
    """

    data_url = "https://s3.eu-central-1.amazonaws.com/avg-kitti/"
    resources = ["data_object_image_2.zip", "data_object_label_2.zip"]
    image_dir_name = "image_2"
    labels_dir_name = "label_2"

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        transforms: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(
            root, transform=transform, target_transform=target_transform, transforms=transforms
        )
        self.train = train
        self._location = "training" if train else "testing"
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You may use download=True to download it.")
        folder = os.path.join(self._raw_folder, self._location)
        names = os.listdir(os.path.join(folder, self.image_dir_name))
        self.images = [os.path.join(folder, self.image_dir_name, name) for name in names]
        self.targets: list[str] = []
        if train:
            listed = [f"{name.split('.')[0]}.txt" for name in names]
            self.targets = [os.path.join(folder, self.labels_dir_name, name) for name in listed]

    @property
    def _raw_folder(self) -> str:
        return os.path.join(self.root, type(self).__name__, "raw")

    def _check_exists(self) -> bool:
        folders = [self.image_dir_name, *([self.labels_dir_name] if self.train else [])]
        folder = os.path.join(self._raw_folder, self._location)
        return all(os.path.isdir(os.path.join(folder, name)) for name in folders)

    def download(self) -> None:
        """Bring the archives and unpack them, unless that is done."""
        if self._check_exists():
            return
        os.makedirs(self._raw_folder, exist_ok=True)
        for name in self.resources:
            download_and_extract_archive(self.data_url + name, self._raw_folder, filename=name)

    def _parse_target(self, index: int) -> list[dict[str, Any]]:
        with open(self.targets[index], newline="") as file:
            return [_object(row) for row in csv.reader(file, delimiter=" ")]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = open_image(self.images[index])
        target = self._parse_target(index) if self.train else None
        return (image, target) if self.transforms is None else self.transforms(image, target)

    def __len__(self) -> int:
        return len(self.images)


def _object(row: list[str]) -> dict[str, Any]:
    return {
        "type": row[0],
        "truncated": float(row[1]),
        "occluded": int(row[2]),
        "alpha": float(row[3]),
        "bbox": [float(x) for x in row[4:8]],
        "dimensions": [float(x) for x in row[8:11]],
        "location": [float(x) for x in row[11:14]],
        "rotation_y": float(row[14]),
    }
