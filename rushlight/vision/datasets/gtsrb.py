"""Traffic signs."""

from __future__ import annotations

from pathlib import Path

from .folder import make_dataset
from .photographs import Photographs
from .utils import download_and_extract_archive


class GTSRB(Photographs):
    """51,839 German traffic signs in 43 classes (Stallkamp et al., 2012)."""

    _URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _FILES = {
        "train": (("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478"),),
        "test": (
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ),
    }
    _folder, _splits = "gtsrb", ("train", "test")
    _shows_split = False

    @property
    def _images(self) -> Path:
        part = "Training" if self._split == "train" else "Final_Test/Images"
        return self._base / "GTSRB" / part

    def _exists(self) -> bool:
        return self._images.is_dir()

    def _download(self) -> None:
        for name, md5 in self._FILES[self._split]:
            download_and_extract_archive(self._URL + name, str(self._base), md5=md5)

    def _list(self) -> None:
        if self._split == "train":
            found = make_dataset(str(self._images), extensions=(".ppm",))
        else:
            rows = (self._base / "GT-final_test.csv").read_text().splitlines()[1:]
            cells = [row.split(";") for row in rows if row]
            found = [(str(self._images / row[0]), int(row[-1])) for row in cells]
        self._image_files = [path for path, _ in found]
        self._labels = [label for _, label in found]
