"""Labeled Faces in the Wild."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .utils import check_integrity, verify_str_arg
from .vision import VisionDataset


class _LFW(VisionDataset):
    base_folder = "lfw-py"
    file_dict = {
        "original": ("lfw", "lfw.tgz", "a17d05bd522c52d84eca14327a23d494"),
        "funneled": ("lfw_funneled", "lfw-funneled.tgz", "1b42dfed7d15c9b2dd63d5e5840c86ad"),
        "deepfunneled": (
            "lfw-deepfunneled",
            "lfw-deepfunneled.tgz",
            "68331da3eb755a505a502b5aacb3c201",
        ),
    }
    checksums = {
        "pairs.txt": "9f1ba174e4e1c508ff7cdf10ac338a7d",
        "pairsDevTest.txt": "5132f7440eb68cf58910c8a45a2ac10b",
        "pairsDevTrain.txt": "4f27cbf15b2da4a85c1907eb4181ad21",
        "people.txt": "450f0863dd89e85e73936a6d71a3474b",
        "peopleDevTest.txt": "e4bf5be0a43b5dcd9dc5ccfcb8fb19c5",
        "peopleDevTrain.txt": "54eaac34beb6d042ed3a7d883e247a21",
        "lfw-names.txt": "a6d0a479bd074669f656265a6e693f6d",
    }
    annot_file = {"10fold": "", "train": "DevTrain", "test": "DevTest"}
    names = "lfw-names.txt"
    _view = ""  # how the names of the lists begin

    def __init__(
        self,
        root: str | os.PathLike,
        split: str = "10fold",
        image_set: str = "funneled",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), self.base_folder)
        super().__init__(base, transform=transform, target_transform=target_transform)
        self.image_set = verify_str_arg(image_set.lower(), "image_set", self.file_dict.keys())
        folder, self.filename, self.md5 = self.file_dict[self.image_set]
        self.split = verify_str_arg(split.lower(), "split", ["10fold", "train", "test"])
        self.labels_file = f"{self._view}{self.annot_file[self.split]}.txt"
        self.loader = loader
        self.data: list[Any] = []
        if download:
            self.download()
        if not self._check_integrity():
            raise RuntimeError(
                "Dataset not found or corrupted. Download it, for instance from "
                "https://www.kaggle.com/datasets/jessicali9530/lfw-dataset, and put it into "
                f"{self.root}"
            )
        self.images_dir = os.path.join(self.root, folder)
        self._list()

    def _list(self) -> None:
        raise NotImplementedError(f"{type(self).__name__}._list")

    def _check_integrity(self) -> bool:
        wanted = [(self.filename, self.md5), (self.labels_file, self.checksums[self.labels_file])]
        if self._view == "people":
            wanted.append((self.names, self.checksums[self.names]))
        return all(check_integrity(os.path.join(self.root, name), md5) for name, md5 in wanted)

    def download(self) -> None:
        """The files are on the network no more: ValueError."""
        raise ValueError(
            "LFW dataset is no longer available for download. Please download it manually and "
            "place it in the specified directory"
        )

    def _get_path(self, identity: str, number: int | str) -> str:
        return os.path.join(self.images_dir, identity, f"{identity}_{int(number):04d}.jpg")

    def _rows(self) -> list[list[str]]:
        """The lines of the list, in words."""
        with open(os.path.join(self.root, self.labels_file)) as file:
            return [line.strip().split("\t") for line in file]

    def extra_repr(self) -> str:
        """Which alignment and part."""
        return f"Alignment: {self.image_set}\nSplit: {self.split}"

    def __len__(self) -> int:
        return len(self.data)


class LFWPeople(_LFW):
    """13,233 faces and whose they are (Huang et al., 2007)."""

    _view = "people"

    def _list(self) -> None:
        self.class_to_idx = self._get_classes()
        self.data, self.targets = self._get_people()

    def _get_classes(self) -> dict[str, int]:
        with open(os.path.join(self.root, self.names)) as file:
            names = [line.split()[0] for line in file]
        return {name: i for i, name in enumerate(names)}

    def _get_people(self) -> tuple[list[str], list[int]]:
        rows = self._rows()
        folds = int(rows.pop(0)[0]) if self.split == "10fold" else 1
        data, targets = [], []
        for _ in range(folds):
            count = int(rows[0][0])
            for identity, images in rows[1 : count + 1]:
                data += [self._get_path(identity, i + 1) for i in range(int(images))]
                targets += [self.class_to_idx[identity]] * int(images)
            del rows[: count + 1]
        return data, targets

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self._changed(self.loader(self.data[index]), self.targets[index])

    def extra_repr(self) -> str:
        """Which alignment and part, and how many people."""
        return f"{super().extra_repr()}\nClasses (identities): {len(self.class_to_idx)}"


class LFWPairs(_LFW):
    """Pairs of faces and whether they are one person's (Huang et al., 2007)."""

    _view = "pairs"

    def _list(self) -> None:
        self.pair_names: list[tuple[str, str]] = []
        self.data: list[tuple[str, str]] = []
        self.targets: list[int] = []
        for row in self._pairs():
            same = len(row) == 3
            first, i, second, j = (row[0], row[1], row[0], row[2]) if same else row
            self.pair_names.append((first, second))
            self.data.append((self._get_path(first, i), self._get_path(second, j)))
            self.targets.append(int(same))

    def _pairs(self) -> list[list[str]]:
        """Lines `name i j` for one person, `name i name j` for two, without the counts."""
        rows = self._rows()
        folds, count = rows[0] if self.split == "10fold" else ("1", rows[0][0])
        return rows[1 : 1 + 2 * int(folds) * int(count)]

    def __getitem__(self, index: int) -> tuple[Any, Any, int]:
        first, second = (self.loader(path) for path in self.data[index])
        if self.transform is not None:
            first, second = self.transform(first), self.transform(second)
        target: Any = self.targets[index]
        if self.target_transform is not None:
            target = self.target_transform(target)
        return first, second, target
