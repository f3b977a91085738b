"""SUN397."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .photographs import Photographs
from .utils import download_and_extract_archive


class SUN397(Photographs):
    """108,754 photographs of 397 kinds of scenes (Xiao et al., 2010)."""

    _DATASET_URL = "http://vision.princeton.edu/projects/2010/SUN/SUN397.tar.gz"
    _DATASET_MD5 = "8ca2778205c41d23104230ba66911c7a"
    _folder = "SUN397"

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, "all", transform, target_transform, download, loader)

    def _download(self) -> None:
        download_and_extract_archive(self._DATASET_URL, self.root, md5=self._DATASET_MD5)

    def _list(self) -> None:
        # Lines such as /a/abbey and /c/church/indoor: a letter, then the class.
        lines = (self._base / "ClassName.txt").read_text().splitlines()
        self._of_classes([line.strip()[3:] for line in lines])
        self._image_files = list(self._base.rglob("sun_*.jpg"))
        for file in self._image_files:
            inside = file.relative_to(self._base).parts
            self._labels.append(self.class_to_idx["/".join(inside[1:-1])])
