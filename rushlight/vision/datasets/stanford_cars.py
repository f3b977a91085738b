"""Stanford Cars."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ._matlab import load_matlab
from .folder import default_loader
from .photographs import Photographs


class StanfordCars(Photographs):
    """16,185 photographs of 196 models of cars (Krause et al., 2013); needs SciPy.

    They can no longer be downloaded: put the files into `root/stanford_cars`.
    """

    _folder, _splits = "stanford_cars", ("train", "test")
    _shows_split = False

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        if download:
            self.download()
        super().__init__(root, split, transform, target_transform, False, loader)

    def download(self) -> None:
        """The files are on the network no more: ValueError."""
        raise ValueError(
            "The original URL is broken so the StanfordCars dataset cannot be downloaded anymore."
        )

    def _places(self) -> tuple[Any, Any]:
        if self._split == "train":
            return self._base / "devkit" / "cars_train_annos.mat", self._base / "cars_train"
        return self._base / "cars_test_annos_withlabels.mat", self._base / "cars_test"

    def _exists(self) -> bool:
        listed, images = self._places()
        return (self._base / "devkit").is_dir() and listed.exists() and images.is_dir()

    def _list(self) -> None:
        listed, images = self._places()
        notes = load_matlab(listed, "StanfordCars", squeeze_me=True)["annotations"]
        self._image_files = [str(images / note["fname"]) for note in notes]
        self._labels = [int(note["class"]) - 1 for note in notes]  # MATLAB counts from 1
        names = load_matlab(
            self._base / "devkit" / "cars_meta.mat", "StanfordCars", squeeze_me=True
        )
        self._of_classes(names["class_names"].tolist())
