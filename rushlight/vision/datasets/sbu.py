"""SBU's captioned photographs of Flickr."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .utils import check_integrity, download_url, extract_archive
from .vision import VisionDataset

_CORRUPT = "Dataset not found or corrupted. You can use download=True to download it"


class SBU(VisionDataset):
    """A million photographs and their captions (Ordonez et al., 2011): items (image, caption)."""

    url = "https://www.cs.rice.edu/~vo9/sbucaptions/SBUCaptionedPhotoDataset.tar.gz"
    filename = "SBUCaptionedPhotoDataset.tar.gz"
    md5_checksum = "9aec147b3488753cf758b4d493422285"

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = True,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.loader = loader
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(_CORRUPT)
        self.photos: list[str] = []
        self.captions: list[str] = []
        # Some of the photographs are on the network no more.
        for url, caption in zip(self._lines("urls"), self._lines("captions"), strict=False):
            name = os.path.basename(url)
            if os.path.exists(os.path.join(self.root, "dataset", name)):
                self.photos.append(name)
                self.captions.append(caption)

    def _lines(self, what: str) -> list[str]:
        path = os.path.join(self.root, "dataset", f"SBU_captioned_photo_dataset_{what}.txt")
        with open(path) as file:
            return [line.rstrip() for line in file]

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.md5_checksum)

    def download(self) -> None:
        """Bring the list and then, one by one, the photographs that are still there."""
        if self._check_integrity():
            return
        download_url(self.url, self.root, self.filename, self.md5_checksum)
        extract_archive(os.path.join(self.root, self.filename), self.root)
        for url in self._lines("urls"):
            try:
                download_url(url, os.path.join(self.root, "dataset"))
            except OSError:
                continue

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = self.loader(os.path.join(self.root, "dataset", self.photos[index]))
        return self._changed(image, self.captions[index])

    def __len__(self) -> int:
        return len(self.photos)
