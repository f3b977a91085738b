"""Omniglot: characters of fifty alphabets, each drawn by twenty people."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import open_image
from .utils import check_integrity, download_and_extract_archive
from .vision import VisionDataset


class Omniglot(VisionDataset):
    """32,460 drawings of 1,623 characters (Lake et al., 2015).

    `background`: the thirty alphabets to learn from, else the twenty to be tested on.
    """

    folder = "omniglot-py"
    download_url_prefix = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python"
    zips_md5 = {
        "images_background": "68d2efa1b9178cc56df9314c21c6e718",
        "images_evaluation": "6b91aef0f799c5bb55b94e3f2daec811",
    }

    def __init__(
        self,
        root: str | os.PathLike,
        background: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] | None = None,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), self.folder)
        super().__init__(base, transform=transform, target_transform=target_transform)
        self.background = background
        self.loader = loader
        self._part = "images_background" if background else "images_evaluation"
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.target_folder = os.path.join(base, self._part)
        self._alphabets = _folders(self.target_folder)
        self._characters = [
            os.path.join(alphabet, character)
            for alphabet in self._alphabets
            for character in _folders(os.path.join(self.target_folder, alphabet))
        ]
        self._character_images = [
            [(name, i) for name in _drawings(os.path.join(self.target_folder, character))]
            for i, character in enumerate(self._characters)
        ]
        self._flat_character_images = [pair for one in self._character_images for pair in one]

    def _check_integrity(self) -> bool:
        path = os.path.join(self.root, f"{self._part}.zip")
        return check_integrity(path, self.zips_md5[self._part])

    def download(self) -> None:
        """Bring the archive and unpack it, unless it is here."""
        if self._check_integrity():
            return
        name = f"{self._part}.zip"
        url = f"{self.download_url_prefix}/{name}"
        md5 = self.zips_md5[self._part]
        download_and_extract_archive(url, self.root, filename=name, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        name, label = self._flat_character_images[index]
        path = os.path.join(self.target_folder, self._characters[label], name)
        image = self.loader(path) if self.loader else open_image(path, "L")
        return self._changed(image, label)

    def __len__(self) -> int:
        return len(self._flat_character_images)


def _folders(path: str) -> list[str]:
    # Not sorted: the numbers of the classes are torchvision's on the same disk.
    return [entry.name for entry in os.scandir(path) if entry.is_dir()]


def _drawings(path: str) -> list[str]:
    return [entry.name for entry in os.scandir(path) if entry.name.endswith(".png")]
