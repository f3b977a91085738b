"""Caltech's photographs in 101 and in 256 classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ._matlab import load_matlab
from .folder import find_classes, make_dataset, open_image
from .utils import download_and_extract_archive, extract_archive, verify_str_arg
from .vision import VisionDataset

# The folders of outlines that are named unlike the folders of images.
_OUTLINES = {
    "Faces": "Faces_2",
    "Faces_easy": "Faces_3",
    "Motorbikes": "Motorbikes_16",
    "airplanes": "Airplanes_Side_2",
}


class Caltech101(VisionDataset):
    """9,146 photographs in 101 classes, with outlines (Fei-Fei et al., 2004).

    `target_type`: "category", "annotation" (an outline; needs SciPy), or a list of them.
    """

    _URL = "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip"
    _MD5 = "3138e1922a9193bfa496528edbbc45d0"

    def __init__(
        self,
        root: str | os.PathLike,
        target_type: list[str] | str = "category",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), "caltech101")
        super().__init__(base, transform=transform, target_transform=target_transform)
        wanted = [target_type] if isinstance(target_type, str) else target_type
        kinds = ("category", "annotation")
        self.target_type = [verify_str_arg(t, "target_type", kinds) for t in wanted]
        if download:
            self.download()
        folder = os.path.join(base, "101_ObjectCategories")
        if not os.path.isdir(folder):
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.categories = sorted(os.listdir(folder))
        self.categories.remove("BACKGROUND_Google")  # no class of its own
        self.annotation_categories = [_OUTLINES.get(name, name) for name in self.categories]
        self.index: list[int] = []
        self.y: list[int] = []
        for i, name in enumerate(self.categories):
            count = len(os.listdir(os.path.join(folder, name)))
            self.index += range(1, count + 1)
            self.y += [i] * count

    def download(self) -> None:
        """Bring the archive and unpack it, unless that is done."""
        root = str(self.root)
        if os.path.isdir(os.path.join(root, "101_ObjectCategories")):
            return
        download_and_extract_archive(self._URL, root, filename="caltech-101.zip", md5=self._MD5)
        inner = os.path.join(root, "caltech-101")
        for name in sorted(os.listdir(inner)):
            if name.endswith((".gz", ".tar")):
                extract_archive(os.path.join(inner, name), root)

    def _outline(self, index: int) -> Any:
        folder = self.annotation_categories[self.y[index]]
        file = f"annotation_{self.index[index]:04d}.mat"
        path = os.path.join(self.root, "Annotations", folder, file)
        return load_matlab(path, "Caltech101")["obj_contour"]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        category = self.y[index]
        file = f"image_{self.index[index]:04d}.jpg"
        folder = os.path.join(self.root, "101_ObjectCategories", self.categories[category])
        image = open_image(os.path.join(folder, file))
        found = [
            category if kind == "category" else self._outline(index) for kind in self.target_type
        ]
        return self._changed(image, tuple(found) if len(found) > 1 else found[0])

    def __len__(self) -> int:
        return len(self.index)

    def extra_repr(self) -> str:
        """Which targets."""
        return f"Target type: {self.target_type}"


class Caltech256(VisionDataset):
    """30,607 photographs in 257 classes (Griffin et al., 2007): items (image, number)."""

    _URL = "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar"
    _MD5 = "67b4f42ca05d46448c6bb8ecd2220f6d"
    _folder, _images = "caltech256", "256_ObjectCategories"

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), self._folder)
        super().__init__(base, transform=transform, target_transform=target_transform)
        folder = os.path.join(base, self._images)
        if download:
            self.download()
        if not os.path.isdir(folder):
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.categories, places = find_classes(folder)
        found = make_dataset(folder, places, extensions=(".jpg",))
        self._files = [path for path, _ in found]
        self.y = [label for _, label in found]

    def download(self) -> None:
        """Bring the archive and unpack it, unless that is done."""
        if not os.path.isdir(os.path.join(self.root, self._images)):
            download_and_extract_archive(self._URL, self.root, md5=self._MD5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._changed(open_image(self._files[index]), self.y[index])

    def __len__(self) -> int:
        return len(self._files)
