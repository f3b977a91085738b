"""WIDER FACE."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import rushlight as torch

from .folder import open_image
from .utils import (
    download_and_extract_archive,
    download_file_from_google_drive,
    extract_archive,
    verify_str_arg,
)
from .vision import VisionDataset

# What torchvision calls the columns after the box.
_KEYS = ("blur", "expression", "illumination", "occlusion", "pose", "invalid")


class WIDERFace(VisionDataset):
    """32,203 photographs and the faces on them (Yang et al., 2016).

    Targets are dictionaries of tensors, a row for each face: "bbox" (x, y, width, height), "blur",
    "expression", "illumination", "occlusion", "pose", "invalid"; None in the test part.
    """

    BASE_FOLDER = "widerface"
    FILE_LIST = [
        ("15hGDLhsx8bLgLcIRD5DhYt5iBxnjNF1M", "3fedf70df600953d25982bcd13d91ba2",
         "WIDER_train.zip"),
        ("1GUCogbp16PMGa39thoMMeWxp7Rp5oM8Q", "dfa7d7e790efa35df3788964cf0bbaea",
         "WIDER_val.zip"),
        ("1HIfDbVEWKmsYKJZm4lchTBDLW5N7dY5T", "e5d8f4248ed24c334bbd12f49c29dd40",
         "WIDER_test.zip"),
    ]  # fmt: skip
    ANNOTATIONS_FILE = (
        "http://shuoyang1213.me/WIDERFACE/support/bbx_annotation/wider_face_split.zip",
        "0e3767bcf0e326556d407bf5bff5d27c",
        "wider_face_split.zip",
    )

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), self.BASE_FOLDER)
        super().__init__(base, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", ("train", "val", "test"))
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download and "
                "prepare it"
            )
        self.img_info: list[dict[str, Any]] = []
        if split == "test":
            self.parse_test_annotations_file()
        else:
            self.parse_train_val_annotations_file()

    def _list(self, name: str) -> list[str]:
        path = os.path.join(self.root, "wider_face_split", name)
        with open(path) as file:
            return [line.strip() for line in file if line.strip()]

    def _image(self, name: str) -> str:
        path = os.path.join(self.root, f"WIDER_{self.split}", "images", *name.split("/"))
        return os.path.abspath(path)

    def parse_train_val_annotations_file(self) -> None:
        """Read blocks of lines: a file, how many faces, and a line of numbers for each."""
        lines = self._list(f"wider_face_{self.split}_bbx_gt.txt")
        at = 0
        while at < len(lines):
            # Also where there are none, a line of zeros stands for one face.
            count = max(int(lines[at + 1]), 1)
            rows = [[int(word) for word in line.split()] for line in lines[at + 2 : at + 2 + count]]
            faces = torch.tensor(rows)
            notes = {"bbox": faces[:, :4].clone()}
            notes |= {key: faces[:, 4 + i].clone() for i, key in enumerate(_KEYS)}
            self.img_info.append({"img_path": self._image(lines[at]), "annotations": notes})
            at += 2 + count

    def parse_test_annotations_file(self) -> None:
        """Read the list of files."""
        lines = self._list("wider_face_test_filelist.txt")
        self.img_info = [{"img_path": self._image(line)} for line in lines]

    def _check_integrity(self) -> bool:
        needed = ("wider_face_split", f"WIDER_{self.split}")
        return all(os.path.isdir(os.path.join(self.root, name)) for name in needed)

    def download(self) -> None:
        """Bring the archives and unpack them, unless that is done."""
        if self._check_integrity():
            return
        for file_id, md5, name in self.FILE_LIST:
            download_file_from_google_drive(file_id, self.root, name, md5)
            extract_archive(os.path.join(self.root, name))
        url, md5, _ = self.ANNOTATIONS_FILE
        download_and_extract_archive(url, self.root, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        info = self.img_info[index]
        image = open_image(info["img_path"])
        target = None if self.split == "test" else info["annotations"]
        return self._changed(image, target)

    def __len__(self) -> int:
        return len(self.img_info)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"
