"""FER2013: faces of 48 x 48 pixels in tables."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rushlight as torch

from ..transforms._image import Image
from .utils import check_integrity, verify_str_arg
from .vision import VisionDataset


class FER2013(VisionDataset):
    """35,887 grey faces and which of seven expressions they show (Goodfellow et al., 2013).

    Read from fer2013.csv, icml_face_data.csv, or train.csv and test.csv in `root/fer2013`; the
    last has no targets: they are None.
    """

    _RESOURCES = {
        "train": ("train.csv", "3f0dfb3d3fd99c811a1299cb947e3131"),
        "test": ("test.csv", "b02c2298636a634e8c2faabbf3ea9a23"),
        "fer": ("fer2013.csv", "f8428a1edbd21e88f42c73edd2a14f95"),
        "icml": ("icml_face_data.csv", "b114b9e04e6949e5fe8b6a98b3892b1d"),
    }

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "test"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        folder = Path(self.root) / "fer2013"
        found = next(
            (k for k in ("fer", "icml") if (folder / self._RESOURCES[k][0]).exists()), split
        )
        name, md5 = self._RESOURCES[found]
        if not check_integrity(folder / name, md5):
            raise RuntimeError(
                f"{name} not found in {folder} or corrupted. You can download it from "
                "https://www.kaggle.com/c/"
                "challenges-in-representation-learning-facial-expression-recognition-challenge"
            )
        with open(folder / name, newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            self._samples = [_sample(row) for row in rows if self._has(row)]

    def _has(self, row: dict[str, str]) -> bool:
        """Whether a row is of this part; files of one part do not say."""
        usage = row.get("Usage")
        return usage is None or (usage == "Training") == (self._split == "train")

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels, target = self._samples[index]
        return self._changed(Image.fromarray(pixels.numpy()), target)

    def __len__(self) -> int:
        return len(self._samples)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"split={self._split}"


def _sample(row: dict[str, str]) -> tuple[torch.Tensor, int | None]:
    pixels = torch.tensor([int(p) for p in row["pixels"].split()], dtype=torch.uint8)
    return pixels.reshape(48, 48), int(row["emotion"]) if "emotion" in row else None
