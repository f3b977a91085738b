"""Datasets read small trees in the layout of the real ones, as torchvision reads them."""

from __future__ import annotations

import importlib
import os

import dataset_trees as trees
import numpy as np
import pytest
from PIL import Image

import rushlight
from rushlight.vision import datasets

FLOW, NO_FLOW = ((5, 6), (5, 6), (2, 5, 6)), ((5, 6), (5, 6), None)
MASKED = (*FLOW, (5, 6))
PAIR, NO_PAIR = ((5, 6), (5, 6), (1, 5, 6)), ((5, 6), (5, 6), None)

# Tree, dataset, arguments ("{}" is the tree's folder) and the targets that it reads; for flow and
# stereo the sizes of all parts of each item.
CASES = [
    (trees.caltech101, "Caltech101", ("{}",), [0, 0, 1, 1, 1]),
    (trees.caltech101, "Caltech101", ("{}", "annotation"), [(2, 4)] * 5),
    (trees.caltech101, "Caltech101", ("{}", ["category", "annotation"]), None),
    (trees.clevr, "CLEVRClassification", ("{}",), [2, 3, 4]),
    (trees.clevr, "CLEVRClassification", ("{}", "test"), [None] * 3),
    (trees.imagenette, "Imagenette", ("{}", "val", "160px"), [0, 1]),
    (trees.inaturalist, "INaturalist", ("{}", "2021_valid", "class"), [0, 1, 0]),
    (trees.inaturalist, "INaturalist", ("{}", "2021_valid"), [0, 1, 2]),
    (trees.inaturalist, "INaturalist", ("{}", "2019", ["full", "super"]), [(0, 0), (1, 1), (2, 0)]),
    (trees.inaturalist, "INaturalist", ("{}", "2017"), [0, 1, 2]),
    (trees.places365, "Places365", ("{}", "train-standard", True), [0, 2]),
    (trees.places365, "Places365", ("{}", "test", True), [None]),
    (trees.stanford_cars, "StanfordCars", ("{}",), [1, 0]),
    (trees.sun397, "SUN397", ("{}",), [1]),
    (trees.omniglot, "Omniglot", ("{}", False), [0, 0]),
    (trees.fer2013, "FER2013", ("{}/one",), [0, 3]),
    (trees.fer2013, "FER2013", ("{}/two", "test"), [1, 2]),
    (trees.fer2013, "FER2013", ("{}/parts", "test"), [None] * 4),
    (trees.lfw, "LFWPeople", ("{}",), [0, 0, 0, 2, 1, 1]),
    (trees.lfw, "LFWPeople", ("{}", "train"), [1, 1]),
    (trees.widerface, "WIDERFace", ("{}",), None),
    (trees.widerface, "WIDERFace", ("{}", "test"), [None, None]),
    (trees.cityscapes, "Cityscapes", ("{}", "train", "fine", "polygon"), [{"objects": []}]),
    (trees.cityscapes, "Cityscapes", ("{}", "train_extra", "coarse", "semantic"), [(5, 6)]),
    (trees.cityscapes, "Cityscapes", ("{}", "train", "fine", ["instance", "color"]), None),
    (trees.kitti, "Kitti", ("{}",), None),
    (trees.kitti, "Kitti", ("{}", False), [None]),
    (trees.sbd, "SBDataset", ("{}/sbd",), [(20, 5, 6)]),
    (trees.sbd, "SBDataset", ("{}/sbd", "train", "segmentation"), [(5, 6)]),
    (trees.sbu, "SBU", ("{}/sbu", None, None, False), ["two"]),
    (trees.flickr, "Flickr8k", ("{}/flickr", "{}/flickr.html"), [["a", "b"], ["Two & three", "b"]]),
    (trees.flickr, "Flickr30k", ("{}/flickr", "{}/flickr.token"), [["a"], ["Two guys", "b"]]),
    (trees.sintel, "Sintel", ("{}", "train", "both"), [FLOW] * 4),
    (trees.sintel, "Sintel", ("{}", "test", "final"), [NO_FLOW] * 2),
    (trees.kitti_flow, "KittiFlow", ("{}",), [MASKED]),
    (trees.kitti_flow, "KittiFlow", ("{}", "test"), [(*NO_FLOW, None)]),
    (trees.flying_chairs, "FlyingChairs", ("{}",), [FLOW] * 2),
    (trees.flying_chairs, "FlyingChairs", ("{}", "val"), [FLOW]),
    (trees.flying_things, "FlyingThings3D", ("{}",), [FLOW] * 4),
    (trees.flying_things, "FlyingThings3D", ("{}", "train", "both", "both"), [FLOW] * 16),
    (trees.hd1k, "HD1K", ("{}",), [MASKED] * 2),
    (trees.hd1k, "HD1K", ("{}", "test"), [(*NO_FLOW, None)]),
    (trees.kitti_stereo, "Kitti2012Stereo", ("{}",), [(*PAIR, None)]),
    (trees.kitti_stereo, "Kitti2015Stereo", ("{}",), [(*PAIR, None)]),
    (trees.kitti_stereo, "Kitti2015Stereo", ("{}", "test"), [(*NO_PAIR, None)]),
    (trees.carla, "CarlaStereo", ("{}",), [PAIR]),
    (trees.middlebury, "Middlebury2014Stereo", ("{}", "train", "both"), [(*PAIR, (5, 6))] * 2),
    (trees.middlebury, "Middlebury2014Stereo", ("{}", "test", None), [(*NO_PAIR, None)]),
    (trees.crestereo, "CREStereo", ("{}",), [(*PAIR, None)] * 4),
    (trees.falling_things, "FallingThingsStereo", ("{}", "both"), [PAIR] * 2),
    (trees.scene_flow, "SceneFlowStereo", ("{}", "Monkaa", "both"), None),
    (trees.scene_flow, "SceneFlowStereo", ("{}", "FlyingThings3D"), [PAIR]),
    (trees.scene_flow, "SceneFlowStereo", ("{}", "Driving", "final"), [PAIR]),
    (trees.sintel, "SintelStereo", ("{}", "both"), [(*PAIR, (5, 6))] * 4),
    (trees.instereo, "InStereo2k", ("{}",), [PAIR]),
    (trees.eth3d, "ETH3DStereo", ("{}",), [(*PAIR, (5, 6))]),
    (trees.eth3d, "ETH3DStereo", ("{}", "test"), [(*NO_PAIR, None)]),
]
IDS = [f"{name}-{i}" for i, (_, name, _, _) in enumerate(CASES)]
# Modules that look at checksums, which small files do not have.
CHECKED = ("fer2013", "lfw", "omniglot", "places365", "sbu")


@pytest.fixture
def unchecked(monkeypatch):
    def allow(package):
        for name in CHECKED:
            module = importlib.import_module(f"{package}.{name}")
            monkeypatch.setattr(
                module, "check_integrity", lambda path, md5=None: os.path.isfile(path)
            )

    return allow


def items(data):
    return [data[i] for i in range(len(data))]


def size(part):
    if isinstance(part, Image.Image):
        return part.size[::-1]
    return part.shape if isinstance(part, np.ndarray) else part


def made(package, case, root):
    _, name, arguments, _ = case
    given = [a.replace("{}", str(root)) if isinstance(a, str) else a for a in arguments]
    return getattr(package, name)(*given)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_reads(case, tmp_path, unchecked):
    if case[0] in (trees.caltech101, trees.stanford_cars, trees.sbd):
        pytest.importorskip("scipy")
    case[0](trees.Tree(tmp_path))
    unchecked("rushlight.vision.datasets")
    found = items(made(datasets, case, tmp_path))
    assert found and all(isinstance(item[0], Image.Image) for item in found)
    expected = case[3]
    if expected is not None and len(found[0]) == 2:
        assert [size(target) for _, target in found] == expected
    elif expected is not None:
        assert [tuple(size(part) for part in item) for item in found] == expected


def plain(value):
    """What two libraries' values are compared by."""
    if isinstance(value, Image.Image):
        return value.mode, value.size, value.tobytes()
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if hasattr(value, "numpy"):
        return plain(value.numpy())
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(part) for part in value]
    return value


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # torchvision leaves files open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_like_torchvision(case, tmp_path, unchecked):
    theirs = pytest.importorskip("torchvision.datasets")
    case[0](trees.Tree(tmp_path))
    unchecked("rushlight.vision.datasets")
    unchecked("torchvision.datasets")
    ours, oracle = made(datasets, case, tmp_path), made(theirs, case, tmp_path)
    assert plain(items(ours)) == plain(items(oracle))
    assert repr(ours) == repr(oracle)
    for name in ("classes", "class_to_idx", "categories", "wnids", "targets", "ids"):
        if hasattr(oracle, name):
            assert plain(getattr(ours, name)) == plain(getattr(oracle, name))


def test_pairs_of_faces(tmp_path, unchecked):
    trees.lfw(trees.Tree(tmp_path))
    unchecked("rushlight.vision.datasets")
    data = datasets.LFWPairs(tmp_path)
    assert data.targets == [1, 0] and data.pair_names == [("Ann_A", "Ann_A"), ("Ann_A", "Bob_B")]
    assert [target for _, _, target in items(datasets.LFWPairs(tmp_path, "test"))] == [1, 0]
    with pytest.raises(ValueError, match="no longer available"):
        datasets.LFWPairs(tmp_path, download=True)


def test_faces_and_objects(tmp_path):
    tree = trees.Tree(tmp_path)
    trees.widerface(tree)
    trees.kitti(tree)
    target = datasets.WIDERFace(tmp_path)[0][1]
    assert target["bbox"].tolist() == [[1, 2, 3, 4], [11, 12, 13, 14]]
    assert target["blur"].tolist() == [5, 0] and target["invalid"].tolist() == [10, 1]
    car, tram = datasets.Kitti(tmp_path)[0][1]
    assert car["type"] == "Car" and tram["type"] == "Tram"
    assert car["bbox"] == [1.0, 2.0, 5.0, 4.0] and car["rotation_y"] == -1.59


def test_films(tmp_path):
    trees.moving_mnist(trees.Tree(tmp_path))
    whole = datasets.MovingMNIST(tmp_path)
    assert len(whole) == 3 and whole[0].shape == (20, 1, 8, 8)
    raw = np.load(tmp_path / "MovingMNIST" / "mnist_test_seq.npy")
    assert np.array_equal(whole[1][:, 0].numpy(), raw[:, 1])
    assert datasets.MovingMNIST(tmp_path, "train", 4)[0].shape[0] == 4
    rest = datasets.MovingMNIST(tmp_path, "test", 4, transform=lambda film: film[0])
    assert np.array_equal(rest[2][0].numpy(), raw[4, 2])
    with pytest.raises(ValueError, match="1 <= split_ratio <= 19"):
        datasets.MovingMNIST(tmp_path, "test", 20)


def test_patches(tmp_path, monkeypatch):
    trees.phototour(trees.Tree(tmp_path))
    monkeypatch.setitem(datasets.PhotoTour.lens, "liberty", 200)
    data = datasets.PhotoTour(tmp_path / "tour", "liberty")
    pixels = np.array(Image.open(tmp_path / "tour/liberty/patches0000.bmp"))
    assert len(data) == 200 and np.array_equal(data[17].numpy(), pixels[64:128, 64:128])
    pairs = datasets.PhotoTour(tmp_path / "tour", "liberty", train=False)  # from what it kept
    first, second, same = pairs[1]
    assert same == 0 and pairs[0][2] == 1
    assert rushlight.equal(first, data[5]) and rushlight.equal(second, data[9])


def test_transforms_of_fields(tmp_path):
    tree = trees.Tree(tmp_path)
    trees.sintel(tree)
    trees.carla(tree)

    def both(first, second, flow, known):
        assert known is None
        return second, first, flow, np.ones((5, 6), bool)

    item = datasets.Sintel(tmp_path, transforms=both)[0]
    assert len(item) == 4 and item[3].all()
    assert len(2 * datasets.Sintel(tmp_path)) == 4
    stereo = datasets.CarlaStereo(
        tmp_path, lambda images, fields, masks: (images[::-1], fields, masks)
    )
    assert stereo[0][0].tobytes() == datasets.CarlaStereo(tmp_path)[0][1].tobytes()


@pytest.mark.parametrize(
    "name", [*dict.fromkeys(name for _, name, _, _ in CASES), "LFWPairs", "MovingMNIST"]
)
def test_nothing_there(name, tmp_path):
    more = {"ann_file": str(tmp_path / "x")} if name.startswith("Flickr") else {}
    if name == "SBU":
        more = {"download": False}
    with pytest.raises((RuntimeError, FileNotFoundError)):
        getattr(datasets, name)(tmp_path / "nothing", **more)
