"""Datasets whose items know what they are, for transforms of the second generation."""

from __future__ import annotations

import json
import pickle

import dataset_trees as trees
import numpy as np
import pytest
from PIL import Image
from test_datasets_trees import items, plain

import rushlight
from rushlight.vision import datasets, tv_tensors
from rushlight.vision.transforms import v2

wrap = datasets.wrap_dataset_for_transforms_v2


def voc(t):
    base = "VOCdevkit/VOC2012"
    t.images(f"{base}/JPEGImages/a.jpg")
    t.images(f"{base}/SegmentationClass/a.png", grey=True)
    for name in ("Segmentation", "Main"):
        t.text(f"{base}/ImageSets/{name}/train.txt", "a\n")
    box = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox>"
    found = "".join(f"<object><name>{name}</name>{box}</object>" for name in ("dog", "car"))
    t.text(f"{base}/Annotations/a.xml", f"<annotation>{found}</annotation>")


def coco(t):
    t.images("coco/1.jpg", "coco/2.jpg")
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in (1, 2)]
    square = [1, 1, 3, 1, 3, 4, 1, 4]
    note = {"id": 7, "image_id": 1, "bbox": [1, 1, 2, 3], "category_id": 3, "area": 6.0}
    notes = [note | {"iscrowd": 0, "segmentation": [square]}]
    t.text("coco.json", json.dumps({"images": images, "annotations": notes, "categories": []}))


CASES = [
    (trees.kitti, "Kitti", ("{}",), None),
    (trees.kitti, "Kitti", ("{}",), "all"),
    (trees.kitti, "Kitti", ("{}",), ["labels", "type"]),
    (trees.kitti, "Kitti", ("{}", False), None),
    (trees.widerface, "WIDERFace", ("{}",), ["bbox"]),
    (trees.widerface, "WIDERFace", ("{}", "test"), None),
    (trees.cityscapes, "Cityscapes", ("{}",), None),
    (trees.cityscapes, "Cityscapes", ("{}", "train", "fine", ["semantic", "instance"]), None),
    (trees.sbd, "SBDataset", ("{}/sbd", "train", "segmentation"), None),
    (trees.caltech101, "Caltech101", ("{}",), None),
    (voc, "VOCSegmentation", ("{}",), None),
    (voc, "VOCDetection", ("{}",), None),
    (voc, "VOCDetection", ("{}",), "all"),
    (coco, "CocoDetection", ("{}/coco", "{}/coco.json"), None),
    (coco, "CocoDetection", ("{}/coco", "{}/coco.json"), ["boxes", "bbox"]),
]


def made(package, case, root):
    _, name, arguments, keys = case
    given = [a.replace("{}", str(root)) if isinstance(a, str) else a for a in arguments]
    data = getattr(package, name)(*given)
    wrapped = package.wrap_dataset_for_transforms_v2(data, target_keys=keys)
    assert isinstance(wrapped, type(data)) and len(wrapped) == len(data)
    return wrapped


def kinds(value):
    """The names of the classes of tensors inside."""
    if isinstance(value, dict):
        return {key: kinds(part) for key, part in value.items()}
    return [kinds(v) for v in value] if isinstance(value, (list, tuple)) else type(value).__name__


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # torchvision leaves files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", CASES, ids=[f"{c[1]}-{i}" for i, c in enumerate(CASES)])
def test_like_torchvision(case, tmp_path):
    theirs = pytest.importorskip("torchvision.datasets")
    if case[1] == "CocoDetection":
        pytest.importorskip("pycocotools")
    case[0](trees.Tree(tmp_path))
    ours, oracle = (items(made(package, case, tmp_path)) for package in (datasets, theirs))
    assert plain(ours) == plain(oracle)
    assert [kinds(target) for _, target in ours] == [kinds(target) for _, target in oracle]


def test_boxes_and_masks(tmp_path):
    tree = trees.Tree(tmp_path)
    voc(tree)
    coco(tree)
    image, target = wrap(datasets.VOCDetection(tmp_path))[0]
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes) and image.size == (6, 5)
    assert target["boxes"].canvas_size == (5, 6) and target["labels"].tolist() == [12, 7]
    assert set(target) == {"boxes", "labels"} and target["boxes"].tolist() == [[1, 2, 3, 4]] * 2
    image, mask = wrap(datasets.VOCSegmentation(tmp_path))[0]
    assert isinstance(mask, tv_tensors.Mask) and mask.shape == (1, 5, 6)
    data = wrap(datasets.CocoDetection(tmp_path / "coco", tmp_path / "coco.json"))
    assert data[1][1] == {"image_id": 2} and data[0][1]["boxes"].tolist() == [[1, 1, 3, 4]]


def test_instances(tmp_path):
    trees.cityscapes(trees.Tree(tmp_path))
    path = next((tmp_path / "gtFine").rglob("*_instanceIds.png"))
    numbers = np.array([[7, 26001], [26002, 7]], np.uint16)  # two cars on a road
    Image.fromarray(numbers).save(path)
    target = wrap(datasets.Cityscapes(tmp_path))[0][1]
    assert target["labels"].tolist() == [7, 26, 26]
    assert target["masks"].tolist()[1] == [[[False, True], [False, False]]]


def test_transforms_come_after(tmp_path):
    voc(trees.Tree(tmp_path))
    flip = v2.RandomHorizontalFlip(1.0)
    data = datasets.VOCDetection(tmp_path, transforms=flip)
    wrapped = wrap(data)
    assert wrapped[0][1]["boxes"].tolist() == [[3, 2, 5, 4]] * 2
    assert data.transforms is flip  # the dataset itself is as it was
    again = pickle.loads(pickle.dumps(wrapped))
    assert again[0][1]["boxes"].tolist() == [[3, 2, 5, 4]] * 2
    loader = rushlight.utils.data.DataLoader(wrapped, collate_fn=lambda batch: batch[0][1])
    assert [target["labels"].tolist() for target in loader] == [[12, 7]]


def test_refused(tmp_path):
    trees.kitti(trees.Tree(tmp_path))
    with pytest.raises(TypeError, match="No wrapper exists for dataset class FakeData"):
        wrap(datasets.FakeData(3))
    with pytest.raises(TypeError, match="got a 'list' instead"):
        wrap([1])
    with pytest.raises(ValueError, match="a collection of strings"):
        wrap(datasets.FakeData(3), target_keys=5)
    with pytest.raises(ValueError, match=r"Target keys \['q'\] are not available"):
        wrap(datasets.Kitti(tmp_path), target_keys=["q"])
    trees.caltech101(trees.Tree(tmp_path))
    with pytest.raises(RuntimeError, match="not supported by this wrapper"):
        wrap(datasets.Caltech101(tmp_path, "annotation"))
