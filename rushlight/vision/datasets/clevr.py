"""CLEVR: rendered scenes, classified by how many objects they show."""

from __future__ import annotations

import json
from typing import Any

from .photographs import Photographs
from .utils import download_and_extract_archive


class CLEVRClassification(Photographs):
    """100,000 rendered scenes and the number of their objects (Johnson et al., 2017).

    Nobody has published the numbers of the test part: its targets are None.
    """

    _URL = "https://dl.fbaipublicfiles.com/clevr/CLEVR_v1.0.zip"
    _MD5 = "b11922020e72d0cd9154779b2d3d07d2"
    _folder, _splits = "clevr/CLEVR_v1.0", ("train", "val", "test")
    _labels: list[Any]

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self._base.parent), md5=self._MD5)

    def _list(self) -> None:
        self._image_files = sorted((self._base / "images" / self._split).glob("*"))
        if self._split == "test":
            self._labels = [None] * len(self._image_files)
            return
        listed = self._base / "scenes" / f"CLEVR_{self._split}_scenes.json"
        scenes = json.loads(listed.read_text())["scenes"]
        counts = {scene["image_filename"]: len(scene["objects"]) for scene in scenes}
        self._labels = [counts[file.name] for file in self._image_files]
