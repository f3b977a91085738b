"""Aircraft."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .photographs import Photographs
from .utils import download_and_extract_archive, verify_str_arg


class FGVCAircraft(Photographs):
    """10,200 photographs of aircraft (Maji et al., 2013); classes by `annotation_level`."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _folder, _splits = "fgvc-aircraft-2013b", ("train", "val", "trainval", "test")
    _shows_split = False

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "trainval",
        annotation_level: str = "variant",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        levels = ("variant", "family", "manufacturer")
        self._level = verify_str_arg(annotation_level, "annotation_level", levels)
        super().__init__(root, split, transform, target_transform, download, loader)

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root))

    def _list(self) -> None:
        data = self._base / "data"
        plural = {"variant": "variants", "family": "families", "manufacturer": "manufacturers"}
        names = (data / f"{plural[self._level]}.txt").read_text().splitlines()
        self._of_classes([name.strip() for name in names])
        listed = (data / f"images_{self._level}_{self._split}.txt").read_text().splitlines()
        for line in listed:
            image, name = line.strip().split(" ", 1)
            self._image_files.append(data / "images" / f"{image}.jpg")
            self._labels.append(self.class_to_idx[name])
