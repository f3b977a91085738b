"""Datasets that are folders of photographs and lists of their classes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..transforms._image import Image
from .folder import ImageFolder, default_loader, find_classes, make_dataset
from .utils import download_and_extract_archive, verify_str_arg
from .vision import VisionDataset

_MISSING = "Dataset not found. You can use download=True to download it"
PathLike = "str | os.PathLike"


class _Photographs(VisionDataset):
    """Files and the numbers of their classes: items (image, number)."""

    _folder = ""
    _splits: tuple[str, ...] = ()
    classes: list[str]
    class_to_idx: dict[str, int]

    def __init__(
        self,
        root: PathLike,
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
        if download and not self._exists():
            self._download()
        if not self._exists():
            raise RuntimeError(_MISSING)
        self._image_files: list[Any] = []
        self._labels: list[int] = []
        self._list()

    def _exists(self) -> bool:
        return self._base.is_dir()

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
        return f"split={self._split}" if self._splits else ""


class DTD(_Photographs):
    """5,640 textures in 47 classes, in ten partitions (Cimpoi et al., 2014)."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/dtd/download/dtd-r1.0.1.tar.gz"
    _MD5 = "fff73e5086ae6bdbea199a49dfb8a4c1"
    _folder, _splits = "dtd/dtd", ("train", "val", "test")

    def __init__(
        self, root: PathLike, split: str = "train", partition: int = 1, *args: Any, **kwargs: Any
    ) -> None:
        if not isinstance(partition, int) or not 1 <= partition <= 10:
            raise ValueError(
                "Parameter 'partition' should be an integer with `1 <= partition <= 10`, but got "
                f"{partition} instead"
            )
        self._partition = partition
        super().__init__(root, split, *args, **kwargs)

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self._base.parent), md5=self._MD5)

    def _list(self) -> None:
        listed = self._base / "labels" / f"{self._split}{self._partition}.txt"
        names = listed.read_text().split()
        self._image_files = [self._base.joinpath("images", *name.split("/")) for name in names]
        classes = [name.split("/")[0] for name in names]
        self._of_classes(sorted(set(classes)))
        self._labels = [self.class_to_idx[name] for name in classes]

    def extra_repr(self) -> str:
        """Which part of which partition."""
        return f"split={self._split}, partition={self._partition}"


class Food101(_Photographs):
    """101,000 photographs of dishes in 101 classes (Bossard et al., 2014)."""

    _URL = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    _MD5 = "85eeb15f3717b99a5da872d97d918f87"
    _folder, _splits = "food-101", ("train", "test")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root), md5=self._MD5)

    def _list(self) -> None:
        found = json.loads((self._base / "meta" / f"{self._split}.json").read_text())
        self._of_classes(sorted(found))
        for name, files in found.items():
            self._labels += [self.class_to_idx[name]] * len(files)
            self._image_files += [
                self._base.joinpath("images", *f"{file}.jpg".split("/")) for file in files
            ]


class Flowers102(_Photographs):
    """8,189 photographs of flowers in 102 classes (Nilsback and Zisserman, 2008); needs SciPy."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _FILES = (
        ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
        ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
        ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
    )
    _folder, _splits = "flowers-102", ("train", "val", "test")

    def _exists(self) -> bool:
        names = ("jpg", "imagelabels.mat", "setid.mat")
        return all((self._base / name).exists() for name in names)

    def _download(self) -> None:
        from .utils import download_url

        for name, md5 in self._FILES:
            fetch = download_and_extract_archive if name.endswith("tgz") else download_url
            fetch(self._URL + name, str(self._base), md5=md5)

    def _list(self) -> None:
        try:
            from scipy.io import loadmat
        except ImportError as error:
            raise ImportError(
                "Flowers102: its files are read by SciPy: pip install scipy"
            ) from error
        field = {"train": "trnid", "val": "valid", "test": "tstid"}[self._split]
        numbers = loadmat(self._base / "setid.mat", squeeze_me=True)[field].tolist()
        labels = loadmat(self._base / "imagelabels.mat", squeeze_me=True)["labels"].tolist()
        self._labels = [labels[i - 1] - 1 for i in numbers]
        self._image_files = [self._base / "jpg" / f"image_{i:05d}.jpg" for i in numbers]


class FGVCAircraft(_Photographs):
    """10,200 photographs of aircraft (Maji et al., 2013); classes by `annotation_level`."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz"
    _folder, _splits = "fgvc-aircraft-2013b", ("train", "val", "trainval", "test")

    def __init__(
        self,
        root: PathLike,
        split: str = "trainval",
        annotation_level: str = "variant",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        levels = ("variant", "family", "manufacturer")
        self._level = verify_str_arg(annotation_level, "annotation_level", levels)
        super().__init__(root, split, *args, **kwargs)

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root))

    def _list(self) -> None:
        data = self._base / "data"
        plural = {"variant": "variants", "family": "families", "manufacturer": "manufacturers"}
        names = (data / f"{plural[self._level]}.txt").read_text().splitlines()
        self._of_classes([name.strip() for name in names])
        listed = (data / f"images_{self._level}_{self._split}.txt").read_text().splitlines()
        for line in listed:
            image, name = line.strip().split(" ", 1)
            self._image_files.append(data / "images" / f"{image}.jpg")
            self._labels.append(self.class_to_idx[name])


class GTSRB(_Photographs):
    """51,839 German traffic signs in 43 classes (Stallkamp et al., 2012)."""

    _URL = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
    _FILES = {
        "train": (("GTSRB-Training_fixed.zip", "513f3c79a4c5141765e10e952eaa2478"),),
        "test": (
            ("GTSRB_Final_Test_Images.zip", "c7e4e6327067d32654124b0fe9e82185"),
            ("GTSRB_Final_Test_GT.zip", "fe31e9c9270bbcd7b84b7f21a9d9d9e5"),
        ),
    }
    _folder, _splits = "gtsrb", ("train", "test")

    @property
    def _images(self) -> Path:
        part = "Training" if self._split == "train" else "Final_Test/Images"
        return self._base / "GTSRB" / part

    def _exists(self) -> bool:
        return self._images.is_dir()

    def _download(self) -> None:
        for name, md5 in self._FILES[self._split]:
            download_and_extract_archive(self._URL + name, str(self._base), md5=md5)

    def _list(self) -> None:
        if self._split == "train":
            found = make_dataset(str(self._images), extensions=(".ppm",))
        else:
            rows = (self._base / "GT-final_test.csv").read_text().splitlines()[1:]
            cells = [row.split(";") for row in rows if row]
            found = [(str(self._images / row[0]), int(row[-1])) for row in cells]
        self._image_files = [path for path, _ in found]
        self._labels = [label for _, label in found]


class RenderedSST2(_Photographs):
    """Film reviews as images, negative and positive (Radford et al., 2021)."""

    _URL = "https://openaipublic.azureedge.net/clip/data/rendered-sst2.tgz"
    _MD5 = "2384d08e9dcfa4bd55b324e610496ee5"
    _folder, _splits = "rendered-sst2", ("train", "val", "test")

    def _download(self) -> None:
        download_and_extract_archive(self._URL, str(self.root), md5=self._MD5)

    def _list(self) -> None:
        self._of_classes(["negative", "positive"])
        part = self._base / ("valid" if self._split == "val" else self._split)
        found = make_dataset(str(part), self.class_to_idx, extensions=("png",))
        self._image_files = [path for path, _ in found]
        self._labels = [label for _, label in found]


class OxfordIIITPet(_Photographs):
    """7,349 cats and dogs in 37 breeds (Parkhi et al., 2012).

    `target_types`: "category", "binary-category", "segmentation", or several of them.
    """

    _RESOURCES = (
        (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/images.tar.gz",
            "5c4f3ee8e5d25df40f4fd59a7f44e54c",
        ),
        (
            "https://www.robots.ox.ac.uk/~vgg/data/pets/data/annotations.tar.gz",
            "95a8c909bbe2e81eed6a22bccdf3f68f",
        ),
    )
    _folder, _splits = "oxford-iiit-pet", ("trainval", "test")

    def __init__(
        self,
        root: PathLike,
        split: str = "trainval",
        target_types: Any = "category",
        transforms: Callable | None = None,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        kinds = ("category", "binary-category", "segmentation")
        wanted = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [verify_str_arg(t, "target_types", kinds) for t in wanted]
        super().__init__(root, split, transform, target_transform, download)
        VisionDataset.__init__(self, root, transforms, transform, target_transform)

    def _exists(self) -> bool:
        return (self._base / "images").is_dir() and (self._base / "annotations").is_dir()

    def _download(self) -> None:
        for url, md5 in self._RESOURCES:
            download_and_extract_archive(url, str(self._base), md5=md5)

    def _list(self) -> None:
        notes = self._base / "annotations"
        rows = [line.split() for line in (notes / f"{self._split}.txt").read_text().splitlines()]
        self._image_files = [self._base / "images" / f"{row[0]}.jpg" for row in rows]
        self._segs = [notes / "trimaps" / f"{row[0]}.png" for row in rows]
        self._labels = [int(row[1]) - 1 for row in rows]
        self._bin_labels = [int(row[2]) - 1 for row in rows]
        raw = {(row[0].rsplit("_", 1)[0], int(row[1]) - 1) for row in rows}
        names = (name for name, _ in sorted(raw, key=lambda pair: pair[1]))
        self._of_classes([" ".join(w.title() for w in name.split("_")) for name in names])
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        image = Image.open(self._image_files[index]).convert("RGB")
        makers = {
            "category": lambda: self._labels[index],
            "binary-category": lambda: self._bin_labels[index],
            "segmentation": lambda: Image.open(self._segs[index]),
        }
        found = [makers[kind]() for kind in self._target_types]
        target = None if not found else found[0] if len(found) == 1 else tuple(found)
        return self.transforms(image, target) if self.transforms else (image, target)


class _Folders(ImageFolder):
    """A folder of folders that comes as one archive."""

    _URL = _MD5 = ""

    def _bring(self, root: PathLike, part: Path, into: Path, download: bool, **kwargs: Any) -> None:
        if download and not part.is_dir():
            into.mkdir(parents=True, exist_ok=True)
            download_and_extract_archive(self._URL, str(into), md5=self._MD5)
        if not part.is_dir():
            raise RuntimeError(_MISSING)
        super().__init__(str(part), **kwargs)
        self.root = str(root)


class EuroSAT(_Folders):
    """27,000 satellite images in 10 classes of land use (Helber et al., 2019)."""

    _URL = (
        "https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
        "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip"
    )
    _MD5 = "c8fa014336c82ac7804f0398fcb19387"

    def __init__(
        self,
        root: PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        base = Path(os.path.expanduser(root)) / "eurosat"
        options = {"transform": transform, "target_transform": target_transform, "loader": loader}
        self._bring(root, base / "2750", base, download, **options)


class Country211(_Folders):
    """63,300 photographs from 211 countries (Radford et al., 2021)."""

    _URL = "https://openaipublic.azureedge.net/clip/data/country211.tgz"
    _MD5 = "84988d7644798601126c29e9877aab6a"

    def __init__(
        self,
        root: PathLike,
        split: str = "train",
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
        loader: Callable[[str], Any] = default_loader,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("train", "valid", "test"))
        base = Path(os.path.expanduser(root))
        options = {"transform": transform, "target_transform": target_transform, "loader": loader}
        self._bring(root, base / "country211" / split, base, download, **options)


class Caltech256(VisionDataset):
    """30,607 photographs in 257 classes (Griffin et al., 2007): items (image, number)."""

    _URL = "https://data.caltech.edu/records/nyy15-4j048/files/256_ObjectCategories.tar"
    _MD5 = "67b4f42ca05d46448c6bb8ecd2220f6d"
    _folder, _images = "caltech256", "256_ObjectCategories"

    def __init__(
        self,
        root: PathLike,
        transform: Callable | None = None,
        target_transform: Callable | None = None,
        download: bool = False,
    ) -> None:
        base = os.path.join(os.path.expanduser(root), self._folder)
        super().__init__(base, transform=transform, target_transform=target_transform)
        folder = os.path.join(base, self._images)
        if download and not os.path.isdir(folder):
            os.makedirs(base, exist_ok=True)
            download_and_extract_archive(self._URL, base, md5=self._MD5)
        if not os.path.isdir(folder):
            raise RuntimeError(
                "Dataset not found or corrupted. You can use download=True to download it"
            )
        self.categories, places = find_classes(folder)
        found = make_dataset(folder, places, extensions=(".jpg",))
        self._files = [path for path, _ in found]
        self.y = [label for _, label in found]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        with open(self._files[index], "rb") as file:
            image = Image.open(file)
            image.load()
        return self._changed(image, self.y[index])

    def __len__(self) -> int:
        return len(self._files)
