"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

import codecs
import os
import pickle
from collections.abc import Callable
from typing import Any

from ..._lazy import np
from ..transforms._image import Image
from .utils import check_integrity, download_and_extract_archive
from .vision import VisionDataset

# All that the pickles of the batches refer to: arrays of numbers.
_ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),  # bytes, as Python 3 writes them for Python 2
}


class _Reader(pickle.Unpickler):
    """Reads containers, text, numbers and arrays, and runs nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """One of the names that arrays need; UnpicklingError for any other."""
        if (module, name) not in _ARRAYS:
            raise pickle.UnpicklingError(
                f"batches of images hold no {module}.{name}: the file is not what it should be"
            )
        if module == "_codecs":
            return codecs.encode
        return getattr(np._core.multiarray if "." in module else np, name)


def read_batch(path: str) -> dict:
    """The dictionary of a batch file."""
    with open(path, "rb") as file:
        return _Reader(file, encoding="latin1").load()


class CIFAR10(VisionDataset):
    """60,000 images of 32 x 32 in 10 classes (Krizhevsky, 2009)."""

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

    def __init__(
        self,
        root: str | os.PathLike,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        batches, self.targets = [], []
        for name, _ in self.train_list if train else self.test_list:
            batch = read_batch(self._path(name))
            batches.append(batch["data"])
            self.targets.extend(batch["labels"] if "labels" in batch else batch["fine_labels"])
        # (N, H, W, C), as images are.
        self.data = np.vstack(batches).reshape(-1, 3, 32, 32).transpose((0, 2, 3, 1))
        self._load_meta()

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _load_meta(self) -> None:
        self.classes = read_batch(self._path(self.meta["filename"]))[self.meta["key"]]
        self.class_to_idx = {name: i for i, name in enumerate(self.classes)}

    def _check_integrity(self) -> bool:
        files = [*self.train_list, *self.test_list]
        if self.meta.get("md5") is not None:
            files.append([self.meta["filename"], self.meta["md5"]])
        return all(check_integrity(self._path(name), md5) for name, md5 in files)

    def download(self) -> None:
        """Bring the archive, unless its files are there."""
        if not self._check_integrity():
            download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._changed(Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which half it is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


class CIFAR100(CIFAR10):
    """60,000 images of 32 x 32 in 100 classes (Krizhevsky, 2009)."""

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }
