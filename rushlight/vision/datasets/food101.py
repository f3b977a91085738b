"""Dishes."""

from __future__ import annotations

import json

from .photographs import Photographs
from .utils import download_and_extract_archive


class Food101(Photographs):
    """101,000 photographs of dishes in 101 classes (Bossard et al., 2014)."""

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"
    _folder, _splits = "food-101", ("train", "test")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root), md5=self._MD5)

    def _list(self) -> None:
        found = json.loads((self._base / "meta" / f"{self._split}.json").read_text())
        self._of_classes(sorted(found))
        for name, files in found.items():
            self._labels += [self.class_to_idx[name]] * len(files)
            self._image_files += [
                self._base.joinpath("images", *f"{file}.jpg".split("/")) for file in files
            ]
