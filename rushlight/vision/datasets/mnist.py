"""MNIST and the datasets in its format (idx)."""

from __future__ import annotations

import os
import shutil
import string
from collections.abc import Callable
from typing import Any
from urllib.error import URLError

import rushlight as torch

from ..._lazy import np
from ..._warn import warn
from ..transforms._image import Image
from .utils import check_integrity, download_and_extract_archive, extract_archive, verify_str_arg
from .vision import VisionDataset

_MISSING = "Dataset not found. You can use download=True to download it"
# The third byte of an idx file says what its elements are; they are big-endian.
_ELEMENTS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
SN3_PASCALVINCENT_TYPEMAP = {
    8: torch.uint8,
    9: torch.int8,
    11: torch.int16,
    12: torch.int32,
    13: torch.float32,
    14: torch.float64,
}


def get_int(b: bytes) -> int:
    """The number that big-endian bytes say."""
    return int.from_bytes(b, "big")


def read_sn3_pascalvincent_tensor(path: str, strict: bool = True) -> torch.Tensor:
    """The tensor of an idx file; `strict`: its length must be what its header says."""
    with open(path, "rb") as file:
        raw = file.read()
    dims, kind = raw[3] if len(raw) > 3 else 0, raw[2] if len(raw) > 3 else 0
    if raw[:2] != b"\0\0" or kind not in _ELEMENTS or not 1 <= dims <= 3:
        raise ValueError(f"{path}: not an idx file: it starts with {raw[:4].hex()}")
    if len(raw) < 4 * (dims + 1):
        raise ValueError(f"{path}: ends inside its header")
    shape = [get_int(raw[4 * (i + 1) : 4 * (i + 2)]) for i in range(dims)]
    elements = np.dtype(_ELEMENTS[kind])
    expected = int(np.prod(shape))
    found, rest = divmod(len(raw) - 4 * (dims + 1), elements.itemsize)
    if found < expected or strict and (found, rest) != (expected, 0):
        raise ValueError(f"{path}: has {found} elements, its header promises {expected}")
    array = np.frombuffer(raw, elements, expected, 4 * (dims + 1))
    return torch.from_numpy(array.astype(elements.newbyteorder("="))).view(*shape)


def read_label_file(path: str) -> torch.Tensor:
    """The labels of an idx file, as int64."""
    labels = read_sn3_pascalvincent_tensor(path, strict=False)
    if labels.dtype != torch.uint8 or labels.ndim != 1:
        raise ValueError(f"{path}: expected bytes of one dim, got {labels.dtype}, {labels.shape}")
    return labels.long()


def read_image_file(path: str) -> torch.Tensor:
    """The images (N, H, W) of an idx file."""
    images = read_sn3_pascalvincent_tensor(path, strict=False)
    if images.dtype != torch.uint8 or images.ndim != 3:
        raise ValueError(f"{path}: expected bytes of 3 dims, got {images.dtype}, {images.shape}")
    return images


class MNIST(VisionDataset):
    """70,000 handwritten digits of 28 x 28 (LeCun et al., 1998), in `root/MNIST/raw`."""

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    training_file = "training.pt"
    test_file = "test.pt"
    classes = [
        f"{i} - {word}"
        for i, word in enumerate("zero one two three four five six seven eight nine".split())
    ]

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
        if self._check_legacy_exist():
            self.data, self.targets = self._load_legacy_data()
            return
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError(_MISSING)
        self.data, self.targets = self._load_data()

    def _check_legacy_exist(self) -> bool:
        files = (self.training_file, self.test_file)
        return all(check_integrity(os.path.join(self.processed_folder, name)) for name in files)

    def _load_legacy_data(self) -> Any:
        name = self.training_file if self.train else self.test_file
        return torch.load(os.path.join(self.processed_folder, name), weights_only=True)

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        prefix = os.path.join(self.raw_folder, "train" if self.train else "t10k")
        images = read_image_file(f"{prefix}-images-idx3-ubyte")
        return images, read_label_file(f"{prefix}-labels-idx1-ubyte")

    @property
    def raw_folder(self) -> str:
        """Where the files are."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def processed_folder(self) -> str:
        """Where older versions left tensors."""
        return os.path.join(self.root, type(self).__name__, "processed")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The numbers of the classes."""
        return {name: i for i, name in enumerate(self.classes)}

    def _check_exists(self) -> bool:
        names = (os.path.splitext(os.path.basename(name))[0] for name, _ in self.resources)
        return all(check_integrity(os.path.join(self.raw_folder, name)) for name in names)

    def download(self) -> None:
        """Bring the files from the first mirror that has them, unless they are there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for filename, md5 in self.resources:
            errors = []
            for mirror in self.mirrors:
                try:
                    download_and_extract_archive(
                        mirror + filename, self.raw_folder, filename=filename, md5=md5
                    )
                    break
                except URLError as error:
                    errors.append(f"{mirror}{filename}: {error}")
            else:
                raise RuntimeError("\n".join([f"Error downloading {filename}:", *errors]))

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(self.data[index].numpy())
        return self._changed(image, int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)

    def extra_repr(self) -> str:
        """Which half it is."""
        return f"Split: {'Train' if self.train is True else 'Test'}"


def _renamed(old: str, new: str) -> property:
    def get(self):
        warn(f"{old} has been renamed {new}")
        return getattr(self, new)

    return property(get, doc=f"An old name of `{new}`.")


for _half in ("train", "test"):
    setattr(MNIST, f"{_half}_labels", _renamed(f"{_half}_labels", "targets"))
    setattr(MNIST, f"{_half}_data", _renamed(f"{_half}_data", "data"))


class FashionMNIST(MNIST):
    """70,000 pictures of clothes (Xiao et al., 2017)."""

    mirrors = ["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker",
        "Bag", "Ankle boot",
    ]  # fmt: skip


class KMNIST(MNIST):
    """70,000 characters of old Japanese print (Clanuwat et al., 2018)."""

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = "o ki su tsu na ha ma ya re wo".split()


_LETTERS = string.digits + string.ascii_letters
_MERGED = sorted(set(_LETTERS) - set("cijklmopsuvwxyz"))


class EMNIST(MNIST):
    """Handwritten letters and digits (Cohen et al., 2017); `split` says which classes."""

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict = {
        "byclass": sorted(_LETTERS),
        "bymerge": _MERGED,
        "balanced": _MERGED,
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }

    def __init__(self, root: str | os.PathLike, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.training_file = f"training_{split}.pt"
        self.test_file = f"test_{split}.pt"
        super().__init__(root, **kwargs)
        self.classes = self.classes_split_dict[self.split]

    def _file(self, kind: str) -> str:
        half = "train" if self.train else "test"
        return os.path.join(self.raw_folder, f"emnist-{self.split}-{half}-{kind}-ubyte")

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return read_image_file(self._file("images-idx3")), read_label_file(
            self._file("labels-idx1")
        )

    def _check_exists(self) -> bool:
        return all(check_integrity(self._file(kind)) for kind in ("images-idx3", "labels-idx1"))

    def download(self) -> None:
        """Bring the archive of all splits, unless this one's files are there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        download_and_extract_archive(self.url, self.raw_folder, md5=self.md5)
        packed = os.path.join(self.raw_folder, "gzip")
        for name in os.listdir(packed):
            if name.endswith(".gz"):
                target = os.path.join(self.raw_folder, name.removesuffix(".gz"))
                extract_archive(os.path.join(packed, name), target)
        shutil.rmtree(packed)


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST made anew with 60,000 test digits and where each comes from (Yadav, Bottou, 2019).

    `what`: "train", "test", "test10k", "test50k" or "nist". `compat`: targets are the digits alone.
    """

    subsets = {
        "train": "train",
        "test": "test",
        "test10k": "test",
        "test50k": "test",
        "nist": "nist",
    }
    resources = {
        "train": [
            (_QMNIST + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }

    def __init__(
        self,
        root: str | os.PathLike,
        what: str | None = None,
        compat: bool = True,
        train: bool = True,
        **kwargs: Any,
    ) -> None:
        what = ("train" if train else "test") if what is None else what
        self.what = verify_str_arg(what, "what", tuple(self.subsets))
        self.compat = compat
        self.data_file = self.training_file = self.test_file = f"{what}.pt"
        super().__init__(root, train, **kwargs)

    def _files(self) -> list[str]:
        names = (os.path.basename(url) for url, _ in self.resources[self.subsets[self.what]])
        return [os.path.join(self.raw_folder, os.path.splitext(name)[0]) for name in names]

    def _check_exists(self) -> bool:
        return all(check_integrity(path) for path in self._files())

    def _load_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        images, labels = self._files()
        data = read_sn3_pascalvincent_tensor(images)
        targets = read_sn3_pascalvincent_tensor(labels).long()
        if targets.ndim != 2:
            raise ValueError(f"{labels}: expected two dims, got shape {targets.shape}")
        cut = {"test10k": slice(0, 10000), "test50k": slice(10000, None)}.get(self.what)
        return (data, targets) if cut is None else (data[cut].clone(), targets[cut].clone())

    def download(self) -> None:
        """Bring the files, unless they are there."""
        if self._check_exists():
            return
        os.makedirs(self.raw_folder, exist_ok=True)
        for url, md5 in self.resources[self.subsets[self.what]]:
            download_and_extract_archive(url, self.raw_folder, md5=md5)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.fromarray(self.data[index].numpy())
        target = self.targets[index]
        return self._changed(image, int(target[0]) if self.compat else target)

    def extra_repr(self) -> str:
        """Which part it is."""
        return f"Split: {self.what}"
