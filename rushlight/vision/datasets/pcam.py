"""PatchCamelyon: patches of tissue, in files of HDF5."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..transforms._image import Image
from .utils import download_file_from_google_drive, extract_archive, verify_str_arg
from .vision import VisionDataset


class PCAM(VisionDataset):
    """327,680 patches of lymph nodes, with metastases or without (Veeling et al., 2018).

    Needs h5py.
    """

    # By part: of images and targets the file of Google Drive and the MD5.
    _FILES = {
        "train": (
            ("1Ka0XfEMiwgCYPdTI-vv6eUElOBnKFKQ2", "1571f514728f59376b705fc836ff4b63"),
            ("1269yhu3pZDP8UYFQs-NYs3FPwuK-nGSG", "35c2d7259d906cfc8143347bb8e05be7"),
        ),
        "test": (
            ("1qV65ZqZvWzuIVthK8eVDhIwrbnsJdbg_", "d8c2d60d490dbd479f8199bdfa0cf6ec"),
            ("17BHrSrwWKjYsOgTMmoqrIjDy6Fa2o_gP", "60a7035772fbdb7f34eb86d4420cf66a"),
        ),
        "val": (
            ("1hgshYGWK8V-eGRy8LToWJJgDU_rXWVJ3", "d5b63470df7cfa627aeec8b9dc0c066e"),
            ("1bH8ZRbhSVAhScTS0p9-ZzGnX91cHT3uO", "2b85f58b927af9964a4c15b8f7e8f179"),
        ),
    }

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        try:
            import h5py
        except ImportError as error:
            raise RuntimeError(
                "h5py is not found. This dataset needs to have h5py installed: please run "
                "pip install h5py"
            ) from error
        self.h5py = h5py
        self._split = verify_str_arg(split, "split", ("train", "test", "val"))
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._base_folder = Path(self.root) / "pcam"
        part = "valid" if split == "val" else split
        names = [f"camelyonpatch_level_2_split_{part}_{kind}.h5" for kind in "xy"]
        self._images, self._targets = (self._base_folder / name for name in names)
        if download:
            self._download()
        if not self._check_exists():
            raise RuntimeError("Dataset not found. You can use download=True to download it")

    def _check_exists(self) -> bool:
        return self._images.exists() and self._targets.exists()

    def _download(self) -> None:
        if self._check_exists():
            return
        for path, (number, md5) in zip(
            (self._images, self._targets), self._FILES[self._split], strict=True
        ):
            archive = path.name + ".gz"
            download_file_from_google_drive(number, self._base_folder, archive, md5)
            extract_archive(self._base_folder / archive)

    def __getitem__(self, idx: int) -> tuple[Any, Any]:
        # Opened for each item, so that worker processes may share the dataset.
        with self.h5py.File(self._images) as file:
            image = Image.fromarray(file["x"][idx]).convert("RGB")
        with self.h5py.File(self._targets) as file:
            target = int(file["y"][idx, 0, 0, 0])
        return self._changed(image, target)

    def __len__(self) -> int:
        with self.h5py.File(self._images) as file:
            return file["x"].shape[0]
