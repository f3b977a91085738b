"""iNaturalist: animals, plants and fungi by their place in the tree of life."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .folder import default_loader
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

CATEGORIES_2021 = ["kingdom", "phylum", "class", "order", "family", "genus"]
_URL = "https://ml-inat-competition-datasets.s3.amazonaws.com"
DATASET_URLS = {
    "2017": f"{_URL}/2017/train_val_images.tar.gz",
    "2018": f"{_URL}/2018/train_val2018.tar.gz",
    "2019": f"{_URL}/2019/train_val2019.tar.gz",
    "2021_train": f"{_URL}/2021/train.tar.gz",
    "2021_train_mini": f"{_URL}/2021/train_mini.tar.gz",
    "2021_valid": f"{_URL}/2021/val.tar.gz",
}
DATASET_MD5 = {
    "2017": "7c784ea5e424efaec655bd392f87301f",
    "2018": "b1c6952ce38f31868cc50ea72d066cc3",
    "2019": "c60a6e2962c9b8ccbd458d12c8582644",
    "2021_train": "e0526d53c7f7b2e3167b2b43bb2690ed",
    "2021_train_mini": "db6ed8330e634445efc8fec83ae81442",
    "2021_valid": "f6f6e0e242e3d4c9569ba56400938afc",
}


class INaturalist(VisionDataset):
    """Photographs of species, `version` "2017" to "2021_valid" (Van Horn et al., 2018, 2021).

    `target_type`: "full" is the species; with 2021's versions also "kingdom", "phylum", "class",
    "order", "family", "genus", with older ones "super"; or a list of them.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        version: str = "2021_train",
        target_type: list[str] | str = "full",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[Any], Any] | None = None,
    ) -> None:
        self.version = verify_str_arg(version, "version", DATASET_URLS.keys())
        base = os.path.join(os.path.expanduser(root), version)
        super().__init__(base, transform=transform, target_transform=target_transform)
        self.loader = loader or default_loader
        if download:
            self.download()
        if not self._check_exists():
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.all_categories: list[str] = []
        # Of each kind of target, the number of every name; and of each species its numbers.
        self.categories_index: dict[str, dict[str, int]] = {}
        self.categories_map: list[dict[str, int]] = []
        wanted = target_type if isinstance(target_type, list) else [target_type]
        kinds = CATEGORIES_2021 if version[:4] == "2021" else ["super"]
        self.target_type = [verify_str_arg(t, "target_type", ["full", *kinds]) for t in wanted]
        (self._init_2021 if version[:4] == "2021" else self._init_pre2021)()
        self.index = [
            (i, name)
            for i, folder in enumerate(self.all_categories)
            for name in os.listdir(os.path.join(base, folder))
        ]

    def _init_2021(self) -> None:
        """Folders such as 00004_Animalia_Annelida_Clitellata_Haplotaxida_Lumbricidae_..."""
        self.all_categories = sorted(os.listdir(self.root))
        self.categories_index = {name: {} for name in CATEGORIES_2021}
        for folder in self.all_categories:
            ranks = zip(CATEGORIES_2021, folder.split("_")[1:7], strict=True)
            found = {}
            for rank, name in ranks:
                numbers = self.categories_index[rank]
                found[rank] = numbers.setdefault(name, len(numbers))
            self.categories_map.append(found)

    def _init_pre2021(self) -> None:
        """Folders <super category>/<category>; those of 2018 and 2019 are numbers."""
        self.categories_index = {"super": {}}
        folders = []
        for i, above in enumerate(sorted(os.listdir(self.root))):
            self.categories_index["super"][above] = i
            folders += [(above, below, i) for below in os.listdir(os.path.join(self.root, above))]
        if self.version == "2017":
            folders.sort()
        else:
            folders.sort(key=lambda one: int(one[1]))
            for i, (_, below, _) in enumerate(folders):
                if int(below) != i:
                    raise RuntimeError(f"Missing category {i}")
        for above, below, i in folders:
            self.categories_map.append({"super": i})
            self.all_categories.append(os.path.join(above, below))

    def category_name(self, category_type: str, category_id: int) -> str:
        """The name of a number among the targets of a kind."""
        if category_type == "full":
            return self.all_categories[category_id]
        if category_type not in self.categories_index:
            raise ValueError(f"Invalid category type '{category_type}'")
        for name, number in self.categories_index[category_type].items():
            if number == category_id:
                return name
        raise ValueError(f"Invalid category id {category_id} for {category_type}")

    def _check_exists(self) -> bool:
        return os.path.isdir(self.root) and bool(os.listdir(self.root))

    def download(self) -> None:
        """Bring the archive and unpack it; RuntimeError where that is done already."""
        if self._check_exists():
            raise RuntimeError(
                f"The directory {self.root} already exists. If you want to re-download or "
                "re-extract the images, delete the directory."
            )
        above = os.path.dirname(self.root)
        name, md5 = f"{self.version}.tgz", DATASET_MD5[self.version]
        download_and_extract_archive(DATASET_URLS[self.version], above, filename=name, md5=md5)
        unpacked = os.path.basename(DATASET_URLS[self.version]).removesuffix(".tar.gz")
        if os.path.join(above, unpacked) != self.root:
            os.rename(os.path.join(above, unpacked), self.root)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        species, name = self.index[index]
        image = self.loader(os.path.join(self.root, self.all_categories[species], name))
        found = [
            species if kind == "full" else self.categories_map[species][kind]
            for kind in self.target_type
        ]
        return self._changed(image, tuple(found) if len(found) > 1 else found[0])

    def __len__(self) -> int:
        return len(self.index)
