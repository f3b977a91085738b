"""CelebA: faces of celebrities."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .folder import open_image
from .utils import (
    check_integrity,
    download_file_from_google_drive,
    extract_archive,
    verify_str_arg,
)
from .vision import VisionDataset


class CelebA(VisionDataset):
    """202,599 faces with attributes, identities, boxes and landmarks (Liu et al., 2015).

    `target_type`: "attr", "identity", "bbox", "landmarks", or a list of them.
    """

    base_folder = "celeba"
    file_list = [
        ("0B7EVK8r0v71pZjFTYXZWM3FlRnM", "00d2c5bc6d35e252742224ab0c1e8fcb",
         "img_align_celeba.zip"),
        ("0B7EVK8r0v71pblRyaVFSWGxPY0U", "75e246fa4810816ffd6ee81facbd244c",
         "list_attr_celeba.txt"),
        ("1_ee_0u7vcNLOfNLegJRHmolfH5ICW-XS", "32bd1bd63d3c78cd57e08160ec5ed1e2",
         "identity_CelebA.txt"),
        ("0B7EVK8r0v71pbThiMVRxWXZ4dU0", "00566efa6fedff7a56946cd1c10f1c16",
         "list_bbox_celeba.txt"),
        ("0B7EVK8r0v71pd0FJY3Blby1HUTQ", "cc24ecafdb5b50baae59b03474781f8c",
         "list_landmarks_align_celeba.txt"),
        ("0B7EVK8r0v71pY0NSMzRuSXJEVkk", "d32c9cbf5e040fd4025c592c306e6668",
         "list_eval_partition.txt"),
    ]  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        target_type: list[str] | str = "attr",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = split
        self.target_type = target_type if isinstance(target_type, list) else [target_type]
        if not self.target_type and self.target_transform is not None:
            raise RuntimeError("target_transform is specified but target_type is empty")
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        parts = {"train": 0, "valid": 1, "test": 2, "all": None}
        part = parts[verify_str_arg(split.lower(), "split", tuple(parts))]
        _, names, numbers = self._load_csv("list_eval_partition.txt")
        keep = slice(None) if part is None else (numbers == part).squeeze()
        chosen = range(len(names)) if part is None else keep.nonzero().squeeze(1).tolist()
        self.filename = [names[i] for i in chosen]
        self.identity = self._load_csv("identity_CelebA.txt")[2][keep]
        self.bbox = self._load_csv("list_bbox_celeba.txt", header=1)[2][keep]
        self.landmarks_align = self._load_csv("list_landmarks_align_celeba.txt", header=1)[2][keep]
        self.attr_names, _, attributes = self._load_csv("list_attr_celeba.txt", header=1)
        self.attr = (attributes[keep] + 1) // 2  # -1 and 1 become 0 and 1

    def _load_csv(self, filename: str, header: int | None = None) -> tuple:
        with open(os.path.join(self.root, self.base_folder, filename)) as file:
            rows = list(csv.reader(file, delimiter=" ", skipinitialspace=True))
        names = [] if header is None else rows[header]
        rows = rows if header is None else rows[header + 1 :]
        numbers = [[int(word) for word in row[1:] if word] for row in rows]
        return names, [row[0] for row in rows], torch.tensor(numbers)

    def _check_integrity(self) -> bool:
        folder = os.path.join(self.root, self.base_folder)
        for _, md5, name in self.file_list:
            if not name.endswith(".zip") and not check_integrity(os.path.join(folder, name), md5):
                return False
        return os.path.isdir(os.path.join(folder, "img_align_celeba"))

    def download(self) -> None:
        """Bring the files, unless they are there."""
        if self._check_integrity():
            return
        folder = os.path.join(self.root, self.base_folder)
        for file_id, md5, name in self.file_list:
            download_file_from_google_drive(file_id, folder, name, md5)
        extract_archive(os.path.join(folder, "img_align_celeba.zip"))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        folder = os.path.join(self.root, self.base_folder, "img_align_celeba")
        image = open_image(os.path.join(folder, self.filename[index]))
        kinds = {
            "attr": lambda: self.attr[index, :],
            "identity": lambda: self.identity[index, 0],
            "bbox": lambda: self.bbox[index, :],
            "landmarks": lambda: self.landmarks_align[index, :],
        }
        for name in self.target_type:
            if name not in kinds:
                raise ValueError(f'Target type "{name}" is not recognized.')
        found = [kinds[name]() for name in self.target_type]
        if self.transform is not None:
            image = self.transform(image)
        if not found:
            return image, None
        target = tuple(found) if len(found) > 1 else found[0]
        return image, target if self.target_transform is None else self.target_transform(target)

    def __len__(self) -> int:
        return len(self.attr)

    def extra_repr(self) -> str:
        """Which targets and which part."""
        return f"Target type: {self.target_type}\nSplit: {self.split}"
