"""Datasets in files of numbers: SVHN, STL-10, USPS, Semeion, made-up images, and our digits."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import rushlight as torch

from ..._lazy import np
from ..transforms._convert import to_pil_image
from ..transforms._image import Image
from .utils import check_integrity, download_and_extract_archive, download_url, verify_str_arg
from .vision import VisionDataset

_MISSING = "Dataset not found or corrupted. You can use download=True to download it"


class _Arrays(VisionDataset):
    """Images in an array `data`, and as many numbers `targets`."""

    data: Any
    _targets = "targets"

    def _image(self, index: int) -> Any:
        return Image.fromarray(self.data[index])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._changed(self._image(index), int(getattr(self, self._targets)[index]))

    def __len__(self) -> int:
        return len(self.data)


class SVHN(_Arrays):
    """House numbers from street views, 32 x 32 (Netzer et al., 2011); needs SciPy.

    `split`: "train", "test" or "extra".
    """

    split_list = {
        name: [f"http://ufldl.stanford.edu/housenumbers/{name}_32x32.mat", f"{name}_32x32.mat", md5]
        for name, md5 in (
            ("train", "e26dedcc434d2e4c54c9b2d4a06d8373"),
            ("test", "eb5a983be6a315427106f1b164d9cef3"),
            ("extra", "a93ce644f1a588dc4d68dda5feec44a7"),
        )
    }
    _targets = "labels"

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", tuple(self.split_list))
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(_MISSING)
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise ImportError("SVHN: its files are read by SciPy: pip install scipy") from error
        found = loadmat(os.path.join(self.root, self.filename))
        # (H, W, C, N) in the file; the digit 0 has label 10 there.
        self.data = np.transpose(found["X"], (3, 2, 0, 1))
        self.labels = found["y"].astype(np.int64).squeeze()
        np.place(self.labels, self.labels == 10, 0)

    def _image(self, index: int) -> Any:
        return Image.fromarray(np.transpose(self.data[index], (1, 2, 0)))

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.file_md5)

    def download(self) -> None:
        """Bring the file of the split."""
        download_url(self.url, self.root, self.filename, self.file_md5)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"


class STL10(_Arrays):
    """Images of 96 x 96, 5,000 of 10 classes and 100,000 without labels (Coates et al., 2011)."""

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")
    _targets = "labels"

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "train",
        folds: int | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        if folds is not None and folds not in range(10):
            raise ValueError(
                f"Value for argument folds should be in the range [0, 10), but got {folds}."
                if isinstance(folds, int)
                else f"Expected type None or int for argument folds, but got type {type(folds)}."
            )
        self.folds = folds
        if download:
            self.download()
        elif not self._check_integrity():
            raise RuntimeError(_MISSING)
        self._load()
        names = self._path(self.class_names_file)
        if os.path.isfile(names):
            with open(names) as file:
                self.classes = file.read().splitlines()

    def _path(self, name: str) -> str:
        return os.path.join(self.root, self.base_folder, name)

    def _load(self) -> None:
        half = "test" if self.split == "test" else "train"
        parts = [] if self.split == "unlabeled" else [self._images(f"{half}_X.bin")]
        labels = [] if self.split == "unlabeled" else [self._labels(f"{half}_y.bin")]
        if half == "train" and parts and self.folds is not None:
            with open(self._path(self.folds_list_file)) as file:
                chosen = np.array(file.read().splitlines()[self.folds].split(), dtype=np.int64)
            parts, labels = [parts[0][chosen]], [labels[0][chosen]]
        if "unlabeled" in self.split:
            parts.append(self._images("unlabeled_X.bin"))
            labels.append(np.full(len(parts[-1]), -1))
        self.data, self.labels = np.concatenate(parts), np.concatenate(labels)

    def _images(self, name: str) -> Any:
        """Images (N, 3, H, W) of a file that goes down the columns."""
        found = np.fromfile(self._path(name), dtype=np.uint8)
        return np.transpose(found.reshape(-1, 3, 96, 96), (0, 1, 3, 2))

    def _labels(self, name: str) -> Any:
        return np.fromfile(self._path(name), dtype=np.uint8).astype(np.int64) - 1

    def _image(self, index: int) -> Any:
        return Image.fromarray(np.transpose(self.data[index], (1, 2, 0)))

    def _check_integrity(self) -> bool:
        files = (*self.train_list, *self.test_list)
        return all(check_integrity(self._path(name), md5) for name, md5 in files)

    def download(self) -> None:
        """Bring the archive, unless its files are there."""
        if not self._check_integrity():
            download_and_extract_archive(
                self.url, self.root, filename=self.filename, md5=self.tgz_md5
            )

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.split}"


class USPS(_Arrays):
    """Digits of 16 x 16 from envelopes (Hull, 1994)."""

    split_list = {
        name: [
            f"https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/{file}",
            file,
            md5,
        ]
        for name, file, md5 in (
            ("train", "usps.bz2", "ec16c51db3855ca6c91edd34d0e9b197"),
            ("test", "usps.t.bz2", "8ea070ee2aca1ac39742fdd1ef5ed118"),
        )
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
        import bz2

        url, filename, md5 = self.split_list["train" if train else "test"]
        if download and not check_integrity(os.path.join(self.root, filename), md5):
            download_url(url, self.root, filename, md5)
        with bz2.open(os.path.join(self.root, filename), "rt") as file:
            rows = [line.split() for line in file]
        values = [[float(word.split(":")[-1]) for word in row[1:]] for row in rows]
        images = np.asarray(values, dtype=np.float32).reshape(-1, 16, 16)
        self.data = ((images + 1) / 2 * 255).astype(dtype=np.uint8)
        self.targets = [int(float(row[0])) - 1 for row in rows]


class SEMEION(_Arrays):
    """1,593 handwritten digits of 16 x 16 in black and white (Buscema, 1998)."""

    url = "http://archive.ics.uci.edu/ml/machine-learning-databases/semeion/semeion.data"
    filename = "semeion.data"
    md5_checksum = "cb545d371d2ce14ec121470795a77432"
    _targets = "labels"

    def __init__(
        self,
        root: str | os.PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = True,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(_MISSING)
        found = np.loadtxt(os.path.join(self.root, self.filename))
        self.data = (found[:, :256] * 255).astype("uint8").reshape(-1, 16, 16)
        self.labels = np.nonzero(found[:, 256:])[1]

    def _check_integrity(self) -> bool:
        return check_integrity(os.path.join(self.root, self.filename), self.md5_checksum)

    def download(self) -> None:
        """Bring the file, unless it is there."""
        if not self._check_integrity():
            download_url(self.url, self.root, self.filename, self.md5_checksum)


class FakeData(VisionDataset):
    """Random images and classes, the same at every run."""

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        state = torch.get_rng_state()
        torch.manual_seed(index + self.random_offset)
        image = torch.randn(*self.image_size)
        target = torch.randint(0, self.num_classes, size=(1,))[0]
        torch.set_rng_state(state)
        return self._changed(to_pil_image(image), int(target.item()))

    def __len__(self) -> int:
        return self.size


class Digits(_Arrays):
    """The 1,797 digits of 8 x 8 that come with rushlight: 1,437 to train with, 360 to test with.

    Images of bytes, as MNIST's are: `data` (N, 8, 8) and `targets` (N) are tensors.
    """

    classes = [str(i) for i in range(10)]

    def __init__(
        self,
        train: bool = True,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        from ...data import digits

        self.train = train
        shape, pixels, answers = digits()
        images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(*shape)
        part = slice(0, 1437) if train else slice(1437, None)
        # 16 shades of grey, and white: 0 to 16 becomes 0 to 255.
        self.data = (images[part].to(torch.int64) * 255 // 16).to(torch.uint8)
        self.targets = torch.tensor(list(answers))[part]

    def _image(self, index: int) -> Any:
        return Image.fromarray(self.data[index].numpy())

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {'Train' if self.train else 'Test'}"
