"""Places365."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .utils import check_integrity, download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

_URL = "http://data.csail.mit.edu/places/places365/"


class Places365(VisionDataset):
    """Photographs of 365 kinds of places (Zhou et al., 2017); `small` ones are 256 x 256."""

    _SPLITS = ("train-standard", "train-challenge", "val", "test")
    _DEVKIT_META = {
        "standard": ("filelist_places365-standard.tar", "35a0585fee1fa656440f3ab298f8479c"),
        "challenge": ("filelist_places365-challenge.tar", "70a8307e459c3de41690a7c76c931734"),
    }
    _CATEGORIES_META = ("categories_places365.txt", "06c963b85866bd0649f97cb43dd16673")
    _FILE_LIST_META = {
        "train-standard": ("places365_train_standard.txt", "30f37515461640559006b8329efbed1a"),
        "train-challenge": ("places365_train_challenge.txt", "b2931dc997b8c33c27e7329c073a6b57"),
        "val": ("places365_val.txt", "e9f2fd57bfd9d07630173f4e8708e4b1"),
        "test": ("places365_test.txt", "2fce8233fe493576d724142e45d93653"),
    }
    _IMAGES_META = {
        ("train-standard", False):
            ("train_large_places365standard.tar", "67e186b496a84c929568076ed01a8aa1"),
        ("train-challenge", False):
            ("train_large_places365challenge.tar", "605f18e68e510c82b958664ea134545f"),
        ("val", False): ("val_large.tar", "9b71c4993ad89d2d8bcbdc4aef38042f"),
        ("test", False): ("test_large.tar", "41a4b6b724b1d2cd862fb3871ed59913"),
        ("train-standard", True):
            ("train_256_places365standard.tar", "53ca1c756c3d1e7809517cc47c5561c5"),
        ("train-challenge", True):
            ("train_256_places365challenge.tar", "741915038a5e3471ec7332404dfb64ef"),
        ("val", True): ("val_256.tar", "e27b17d8d44f4af9a78502beb927f808"),
        ("test", True): ("test_256.tar", "f532f6ad7b582262a2ec8009075e186b"),
    }  # fmt: skip

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train-standard",
        small: bool = False,
        download: bool = False,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self._SPLITS)
        self.small = small
        self.loader = loader
        self.classes, self.class_to_idx = self.load_categories(download)
        self.imgs, self.targets = self.load_file_list(download)
        if download:
            self.download_images()

    @property
    def variant(self) -> str:
        """Which of the two lists of files the part belongs to."""
        return "challenge" if "challenge" in self.split else "standard"

    @property
    def images_dir(self) -> str:
        """The folder of the images."""
        size = "256" if self.small else "large"
        if self.split.startswith("train"):
            return os.path.join(self.root, f"data_{size}_{self.variant}")
        return os.path.join(self.root, f"{self.split}_{size}")

    def _listed(self, meta: tuple[str, str], download: bool) -> list[tuple[str, int]]:
        """The lines `name number` of a list; -1 where a line has no number."""
        name, md5 = meta
        path = os.path.join(self.root, name)
        if not check_integrity(path, md5):
            if not download:
                raise RuntimeError(
                    f"The file {path} does not exist or is corrupted. You can set download=True "
                    "to download it."
                )
            self.download_devkit()
        with open(path) as file:
            rows = [line.split() for line in file]
        return [(row[0], int(row[1]) if len(row) > 1 else -1) for row in rows if row]

    def load_categories(self, download: bool = True) -> tuple[list[str], dict[str, int]]:
        """The classes in the order of their numbers, and their numbers."""
        class_to_idx = dict(self._listed(self._CATEGORIES_META, download))
        return sorted(class_to_idx, key=class_to_idx.__getitem__), class_to_idx

    def load_file_list(
        self, download: bool = True
    ) -> tuple[list[tuple[str, int | None]], list[int | None]]:
        """(path, class) of each image, and the classes; None in the test part."""
        rows = self._listed(self._FILE_LIST_META[self.split], download)
        known = self.split != "test"
        targets = [number if known else None for _, number in rows]
        paths = [os.path.join(self.images_dir, *name.lstrip("/").split("/")) for name, _ in rows]
        return list(zip(paths, targets, strict=True)), targets

    def download_devkit(self) -> None:
        """Bring the lists of classes and of files."""
        name, md5 = self._DEVKIT_META[self.variant]
        download_and_extract_archive(_URL + name, self.root, md5=md5)

    def download_images(self) -> None:
        """Bring the images; RuntimeError where they are unpacked already."""
        if os.path.exists(self.images_dir):
            raise RuntimeError(
                f"The directory {self.images_dir} already exists. If you want to re-download or "
                "re-extract the images, delete the directory."
            )
        name, md5 = self._IMAGES_META[self.split, self.small]
        download_and_extract_archive(_URL + name, self.root, md5=md5)
        if self.split.startswith("train"):
            folder = os.path.join(self.root, name.rpartition(".")[0])
            os.rename(folder.rsplit("_", 1)[0], self.images_dir)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.imgs[index]
        return self._changed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.imgs)

    def extra_repr(self) -> str:
        """Which part, and of which size."""
        return f"Split: {self.split}\nSmall: {self.small}"
