"""The Semantic Boundaries Dataset: outlines for photographs of Pascal VOC."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import Any

from ..._lazy import np
from ..transforms._image import Image
from ._matlab import load_matlab
from .folder import open_image
from .utils import download_url, extract_archive, verify_str_arg
from .vision import VisionDataset


class SBDataset(VisionDataset):
    """11,355 photographs with outlines of 20 classes (Hariharan et al., 2011); needs SciPy.

    `mode` "boundaries": targets are arrays (20, H, W); "segmentation": images.
    """

    url = (
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/"
        "semantic_contours/benchmark.tgz"
    )
    md5 = "82b4d87ceb2ed10f6038a1cba92111cb"
    filename = "benchmark.tgz"
    # The training part without what is in VOC 2012's validation part.
    voc_train_url = "https://www.cs.cornell.edu/~bharathh/train_noval.txt"
    voc_split_filename = "train_noval.txt"
    voc_split_md5 = "79bff800c5f0b1ec6b21080a3c066722"
    num_classes = 20

    def __init__(
        self,
        root: str | os.PathLike,
        image_set: str = "train",
        mode: str = "boundaries",
        download: bool = False,
        transforms: Callable | None = None,
    ) -> None:
        super().__init__(root, transforms)
        self.image_set = verify_str_arg(image_set, "image_set", ("train", "val", "train_noval"))
        self.mode = verify_str_arg(mode, "mode", ("segmentation", "boundaries"))
        if download:
            self._download()
        if not os.path.isdir(self.root):
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        with open(os.path.join(self.root, f"{image_set}.txt")) as file:
            names = [line.strip() for line in file]
        self.images = [os.path.join(self.root, "img", f"{name}.jpg") for name in names]
        self.masks = [os.path.join(self.root, "cls", f"{name}.mat") for name in names]

    def _download(self) -> None:
        download_url(self.url, self.root, self.filename, self.md5)
        extract_archive(os.path.join(self.root, self.filename), self.root)
        inner = os.path.join(self.root, "benchmark_RELEASE", "dataset")
        for name in ("cls", "img", "inst", "train.txt", "val.txt"):
            shutil.move(os.path.join(inner, name), self.root)
        download_url(self.voc_train_url, self.root, self.voc_split_filename, self.voc_split_md5)

    def _target(self, path: str) -> Any:
        outlines = load_matlab(path, "SBDataset")["GTcls"][0]
        if self.mode == "segmentation":
            return Image.fromarray(outlines["Segmentation"][0])
        classes = outlines["Boundaries"][0]  # sparse matrices
        return np.stack([classes[i][0].toarray() for i in range(self.num_classes)])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pair = open_image(self.images[index], "RGB"), self._target(self.masks[index])
        return pair if self.transforms is None else self.transforms(*pair)

    def __len__(self) -> int:
        return len(self.images)

    def extra_repr(self) -> str:
        """Which part and targets."""
        return f"Image set: {self.image_set}\nMode: {self.mode}"
