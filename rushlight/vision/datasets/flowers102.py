"""Flowers."""

from __future__ import annotations

from typing import Any

from ._matlab import load_matlab
from .photographs import Photographs
from .utils import download_and_extract_archive, download_url

_NAMES = (
    "pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, "
    "tiger lily, moon orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's "
    "foot, king protea, spear thistle, yellow iris, globe-flower, purple coneflower, peruvian "
    "lily, balloon flower, giant white arum lily, fire lily, pincushion flower, fritillary, red "
    "ginger, grape hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, "
    "sweet william, carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, "
    "ruby-lipped cattleya, cape flower, great masterwort, siam tulip, lenten rose, barbeton "
    "daisy, daffodil, sword lily, poinsettia, bolero deep blue, wallflower, marigold, buttercup, "
    "oxeye daisy, common dandelion, petunia, wild pansy, primula, sunflower, pelargonium, bishop "
    "of llandaff, gaura, geranium, orange dahlia, pink-yellow dahlia?, cautleya spicata, japanese "
    "anemone, black-eyed susan, silverbush, californian poppy, osteospermum, spring crocus, "
    "bearded iris, windflower, tree poppy, gazania, azalea, water lily, rose, thorn apple, "
    "morning glory, passion flower, lotus, toad lily, anthurium, frangipani, clematis, hibiscus, "
    "columbine, desert-rose, tree mallow, magnolia, cyclamen, watercress, canna lily, "
    "hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia, mallow, mexican "
    "petunia, bromelia, blanket flower, trumpet creeper, blackberry lily"
)


class Flowers102(Photographs):
    """8,189 photographs of flowers in 102 classes (Nilsback and Zisserman, 2008); needs SciPy."""

    _URL = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _FILES = (
        ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
        ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
        ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
    )
    classes = _NAMES.split(", ")
    _folder, _splits = "flowers-102", ("train", "val", "test")

    def _exists(self) -> bool:
        names = ("jpg", "imagelabels.mat", "setid.mat")
        return all((self._base / name).exists() for name in names)

    def _download(self) -> None:
        for name, md5 in self._FILES:
            fetch = download_and_extract_archive if name.endswith("tgz") else download_url
            fetch(self._URL + name, str(self._base), md5=md5)

    def _list(self) -> None:
        field = {"train": "trnid", "val": "valid", "test": "tstid"}[self._split]
        numbers = _read(self._base / "setid.mat")[field].tolist()
        labels = _read(self._base / "imagelabels.mat")["labels"].tolist()
        self._labels = [labels[i - 1] - 1 for i in numbers]
        self._image_files = [self._base / "jpg" / f"image_{i:05d}.jpg" for i in numbers]


def _read(path: Any) -> dict[str, Any]:
    return load_matlab(path, "Flowers102", squeeze_me=True)
