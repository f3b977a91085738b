"""Datasets of photographs, read from small trees in the layout of the real archives."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from rushlight.vision import datasets


@pytest.fixture
def tree(tmp_path):
    """Writes files under a folder: images, or text where there is some."""

    def write(files):
        for i, (name, content) in enumerate(files.items()):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                Image.fromarray(np.full((4, 5, 3), 20 * i, np.uint8)).save(path)
            else:
                path.write_text(content)
        return tmp_path

    return write


def labels(data):
    assert all(image.size == (5, 4) and image.mode == "RGB" for image, _ in data)
    return [label for _, label in data]


def test_folders(tree):
    names = ("Forest/1.jpg", "River/1.jpg", "River/2.jpg")
    root = tree({f"eurosat/2750/{name}": None for name in names})
    data = datasets.EuroSAT(root)
    assert labels(data) == [0, 1, 1] and data.classes == ["Forest", "River"]
    root = tree({f"country211/test/{name}": None for name in names})
    assert labels(datasets.Country211(root, "test")) == [0, 1, 1]
    root = tree({f"rendered-sst2/valid/{name}.png": None for name in ("negative/1", "positive/1")})
    assert labels(datasets.RenderedSST2(root, "val")) == [0, 1]
    root = tree(
        {f"caltech256/256_ObjectCategories/{n}": None for n in ("001.a/1.jpg", "002.b/1.jpg")}
    )
    assert labels(datasets.Caltech256(root)) == [0, 1]
    for kind in (datasets.EuroSAT, datasets.DTD, datasets.Food101, datasets.GTSRB):
        with pytest.raises(RuntimeError, match="You can use download=True"):
            kind(root / "nothing")


def test_lists(tree):
    root = tree({
        "dtd/dtd/images/woven/w1.jpg": None,
        "dtd/dtd/images/dotted/d1.jpg": None,
        "dtd/dtd/labels/train2.txt": "woven/w1.jpg\ndotted/d1.jpg\n",
        "food-101/images/pizza/1.jpg": None,
        "food-101/images/apple_pie/2.jpg": None,
        "food-101/meta/train.json": json.dumps(
            {"pizza": ["pizza/1"], "apple_pie": ["apple_pie/2"]}
        ),
        "fgvc-aircraft-2013b/data/images/7.jpg": None,
        "fgvc-aircraft-2013b/data/families.txt": "Boeing 707\nCessna\n",
        "fgvc-aircraft-2013b/data/images_family_test.txt": "7 Boeing 707\n7 Cessna\n",
    })  # fmt: skip
    data = datasets.DTD(root, partition=2)
    assert labels(data) == [1, 0] and data.classes == ["dotted", "woven"]
    assert "split=train, partition=2" in repr(data)
    with pytest.raises(ValueError, match="1 <= partition <= 10"):
        datasets.DTD(root, partition=11)
    assert labels(datasets.Food101(root)) == [1, 0]
    assert labels(datasets.FGVCAircraft(root, "test", "family")) == [0, 1]


def test_signs(tree):
    root = tree({
        "gtsrb/GTSRB/Training/00000/1.ppm": None,
        "gtsrb/GTSRB/Training/00001/1.ppm": None,
        "gtsrb/GTSRB/Final_Test/Images/3.ppm": None,
        "gtsrb/GT-final_test.csv": "Filename;Width;ClassId\n3.ppm;5;16\n",
    })  # fmt: skip
    assert labels(datasets.GTSRB(root)) == [0, 1]
    assert labels(datasets.GTSRB(root, "test")) == [16]


def test_pets(tree):
    root = tree({
        "oxford-iiit-pet/images/Abyssinian_1.jpg": None,
        "oxford-iiit-pet/images/great_pyrenees_2.jpg": None,
        "oxford-iiit-pet/annotations/test.txt": "Abyssinian_1 1 1 1\ngreat_pyrenees_2 2 2 1\n",
        "oxford-iiit-pet/annotations/trimaps/Abyssinian_1.png": None,
    })  # fmt: skip
    data = datasets.OxfordIIITPet(root, "test")
    assert labels(data) == [0, 1] and data.classes == ["Abyssinian", "Great Pyrenees"]
    both = datasets.OxfordIIITPet(root, "test", ["category", "binary-category"])
    assert [target for _, target in both] == [(0, 0), (1, 1)]
    moved = datasets.OxfordIIITPet(root, "test", transforms=lambda image, target: (1, -target))
    assert moved[1] == (1, -1)


def test_flowers(tree):
    from scipy.io import savemat

    root = tree({f"flowers-102/jpg/image_0000{i}.jpg": None for i in (1, 2, 3)})
    savemat(root / "flowers-102" / "imagelabels.mat", {"labels": [[5, 9, 2]]})
    parts = {"trnid": [[1, 3]], "valid": [[2, 1]], "tstid": [[2, 3]]}
    savemat(root / "flowers-102" / "setid.mat", parts)
    assert labels(datasets.Flowers102(root)) == [4, 1]
    assert labels(datasets.Flowers102(root, "val")) == [8, 4]
