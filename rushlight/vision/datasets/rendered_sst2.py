"""Film reviews as images."""

from __future__ import annotations

from .folder import make_dataset
from .photographs import Photographs
from .utils import download_and_extract_archive


class RenderedSST2(Photographs):
    """Film reviews as images, negative and positive (Radford et al., 2021)."""

    _URL = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5 = "2384d08e9dcfa4bd55b324e610496ee5"
    _folder, _splits = "rendered-sst2", ("train", "val", "test")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root), md5=self._MD5)

    def _list(self) -> None:
        self._of_classes(["negative", "positive"])
        part = self._base / ("valid" if self._split == "val" else self._split)
        found = make_dataset(str(part), self.class_to_idx, extensions=("png",))
        self._image_files = [path for path, _ in found]
        self._labels = [label for _, label in found]
