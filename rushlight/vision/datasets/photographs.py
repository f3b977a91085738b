"""What datasets of photographs have in common: files and classes, or folders of classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .folder import ImageFolder, default_loader
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

_MISSING = "Dataset not found. You can use download=True to download it"


class Photographs(VisionDataset):
    """Files and the numbers of their classes: items (image, number)."""

    _folder = ""
    _splits: tuple[str, ...] = ()
    _shows_split = True
    classes: list[str]
    class_to_idx: dict[str, int]

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", self._splits) if self._splits else split
        self._base = Path(self.root) / self._folder
        self.loader = loader
        if download:
            self.download()
        if not self._exists():
            raise RuntimeError(_MISSING)
        self._image_files: list[Any] = []
        self._labels: list[int] = []
        self._list()

    def _exists(self) -> bool:
        return self._base.is_dir()

    def download(self) -> None:
        """Bring the files, unless they are here."""
        if not self._exists():
            self._download()

    def _download(self) -> None:
        raise RuntimeError(f"{type(self).__name__}: there is no address to download it from")

    def _list(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}._list")

    def _of_classes(self, names: list[str]) -> None:
        self.classes = names
        self.class_to_idx = {name: i for i, name in enumerate(names)}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._changed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}" if self._splits and self._shows_split else ""


class Folders(ImageFolder):
    """A folder of folders that comes as one archive."""

    _URL = _MD5 = ""

    def _bring(
        self, root: str | os.PathLike, part: Path, into: Path, download: bool, **kwargs: Any
    ) -> None:
        if download and not part.is_dir():
            into.mkdir(parents=True, exist_ok=True)
            download_and_extract_archive(self._URL, str(into), md5=self._MD5)
        if not part.is_dir():
            raise RuntimeError(_MISSING)
        super().__init__(str(part), **kwargs)
        self.root = str(root)
