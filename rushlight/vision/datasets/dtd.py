"""Textures, described in words."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .photographs import Photographs
from .utils import download_and_extract_archive


class DTD(Photographs):
    """5,640 textures in 47 classes, in ten partitions (Cimpoi et al., 2014)."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5 = "fff73e5086ae6bdbea199a49dfb8a4c1"
    _folder, _splits = "dtd/dtd", ("train", "val", "test")

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        partition: int = 1,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(
                "Parameter 'partition' should be an integer with `1 <= partition <= 10`, but got "
                f"{partition} instead"
            )
        self._partition = partition
        super().__init__(root, split, transform, target_transform, download, loader)

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self._base.parent), md5=self._MD5)

    def _list(self) -> None:
        listed = self._base / "labels" / f"{self._split}{self._partition}.txt"
        names = listed.read_text().split()
        self._image_files = [self._base.joinpath("images", *name.split("/")) for name in names]
        classes = [name.split("/")[0] for name in names]
        self._of_classes(sorted(set(classes)))
        self._labels = [self.class_to_idx[name] for name in classes]

    def extra_repr(self) -> str:
        """Which part of which partition."""
        return f"split={self._split}, partition={self._partition}"
