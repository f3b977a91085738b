"""Functions of the second generation: the kinds of input they take, and what is special to some."""

import pytest
from PIL import Image

import rushlight as torch
from rushlight.vision import tv_tensors
from rushlight.vision.transforms import v2
from rushlight.vision.transforms.v2 import functional as F

PICTURE = Image.new("RGB", (4, 5))
IMAGE = tv_tensors.Image(torch.arange(60, dtype=torch.uint8).view(3, 5, 4))
VIDEO = tv_tensors.Video(torch.zeros(2, 3, 5, 4, dtype=torch.uint8))
MASK = tv_tensors.Mask(torch.arange(9, dtype=torch.uint8).view(1, 3, 3))
POINTS = tv_tensors.KeyPoints(torch.tensor([[1.0, 2.0], [3.5, 4.5]]), canvas_size=(5, 4))
BOXES = tv_tensors.BoundingBoxes(
    torch.tensor([[0.0, 0, 2, 2]]), format="XYXY", canvas_size=(5, 4)
)  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: F.rgb_to_grayscale(VIDEO), TypeError, "rgb_to_grayscale supports inputs"),
        (lambda: F.grayscale_to_rgb(VIDEO), TypeError, "grayscale_to_rgb supports inputs"),
        (lambda: F.get_num_frames(IMAGE), TypeError, "get_num_frames supports inputs"),
        (lambda: F.uniform_temporal_subsample(IMAGE, 2), TypeError, "supports inputs"),
        (lambda: F.get_dimensions(BOXES), TypeError, "get_dimensions supports inputs"),
        (lambda: F.get_num_channels(MASK), TypeError, "get_num_channels supports inputs"),
        (lambda: F.get_size(3), TypeError, "get_size supports inputs"),
        (lambda: F.gaussian_noise(PICTURE), ValueError, "not implemented for PIL images"),
        (lambda: F.clamp_bounding_boxes(POINTS), TypeError, "or a bounding box tv_tensor"),
        (lambda: F.clamp_keypoints(BOXES), TypeError, "or a keypoints tv_tensor"),
        (lambda: F.sanitize_bounding_boxes(PICTURE), ValueError, "instance or a pure tensor"),
        (lambda: F.sanitize_keypoints(BOXES), ValueError, "instance or a pure tensor"),
        (lambda: F.pad(POINTS, 1, padding_mode="edge"), ValueError, "not supported with KeyPoints"),
        (lambda: F.elastic(BOXES, torch.zeros(1, 2, 2, 2)), ValueError, "displacement shape"),
        (lambda: F.elastic(POINTS, 3), TypeError, "displacement should be a Tensor"),
        (lambda: F.rotate(IMAGE, 30.0, "bicubic"), ValueError, "unsupported with Tensor"),
    ],
)
def test_what_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_sizes_of_every_kind():
    for inpt in (PICTURE, IMAGE, VIDEO, BOXES, POINTS, IMAGE.as_subclass(torch.Tensor)):
        assert F.get_size(inpt) == [5, 4]
    for inpt in (PICTURE, IMAGE, VIDEO):
        assert F.get_dimensions(inpt) == [3, 5, 4] and F.get_num_channels(inpt) == 3
    assert F.get_size(MASK) == [3, 3] and F.get_num_frames(VIDEO) == 2


def test_flipped_points_may_lie_outside():
    assert F.horizontal_flip(POINTS).tolist() == [[2.0, 2.0], [-0.5, 4.5]]
    assert F.vertical_flip(POINTS).tolist() == [[1.0, 2.0], [3.5, -0.5]]


def test_quarter_turns_take_every_mode():
    plain = IMAGE.as_subclass(torch.Tensor)
    for angle, turns in ((90.0, 1), (-90.0, -1), (450.0, 1)):
        turned = F.rotate(IMAGE, angle, "bicubic", expand=True)
        assert torch.equal(turned, torch.rot90(plain, turns, (-2, -1)))
    assert torch.equal(F.rotate(IMAGE, 180.0, "bicubic"), plain.flip(-1, -2))
    still = F.rotate(IMAGE, 360.0)
    assert torch.equal(still, plain) and still.data_ptr() != IMAGE.data_ptr()


def test_elastic_maps_take_cubic_interpolation():
    still = torch.zeros(1, 5, 4, 2)
    assert torch.equal(F.elastic(IMAGE, still, "bicubic"), IMAGE)
    with pytest.raises(ValueError, match="expected mode to be"):
        F.elastic(IMAGE, still, "lanczos")


def test_masks_keep_the_nearest_values():
    exact = F.resize(MASK, [2, 2], interpolation="nearest-exact")
    assert exact.tolist() == [[[0, 2], [6, 8]]]
    for mode in ("nearest", "bilinear", "bicubic"):
        assert F.resize(MASK, [2, 2], interpolation=mode).tolist() == [[[0, 1], [3, 4]]]


def test_bytes_by_lanczos():
    bytes_ = torch.tensor([[[0, 255, 40, 200, 90]]], dtype=torch.uint8)
    found = F.resize(bytes_, [1, 3], interpolation="lanczos")
    assert found.tolist() == LANCZOS
    with pytest.raises(ValueError, match="antialias=True"):
        F.resize(bytes_, [1, 3], interpolation="lanczos", antialias=False)


LANCZOS = [[[106, 143, 128]]]


def test_unsigned_numbers_are_cut_off():
    for dtype, wanted in ((torch.uint16, 1), (torch.int16, 2)):
        image = torch.tensor([[[1, 2, 2]]], dtype=dtype)
        assert F.resize(image, [1, 1], antialias=True).item() == wanted


def test_unsigned_numbers_get_borders():
    image = torch.tensor([[[1, 60000]]], dtype=torch.uint16)
    assert F.pad(image, [1, 0], fill=7).tolist() == [[[7, 1, 60000, 7]]]


def test_texts_of_containers():
    flips = [v2.RandomHorizontalFlip(1.0), v2.RandomVerticalFlip(1.0)]
    shown = "RandomHorizontalFlip(p=1.0), RandomVerticalFlip(p=1.0)"
    assert repr(v2.RandomChoice(flips, p=[1, 3])) == (
        f"RandomChoice(transforms=[{shown}], p=[0.25, 0.75])"
    )
    assert repr(v2.RandomOrder(flips)) == f"RandomOrder(transforms=[{shown}])"
    lines = "\n".join(f"      {flip}" for flip in flips)
    assert repr(v2.Compose(flips)) == f"Compose(\n{lines}\n)"
    assert repr(v2.SanitizeBoundingBoxes()) == (
        "SanitizeBoundingBoxes(min_size=1.0, min_area=1.0, labels_getter=default)"
    )


def test_whose_labels_are_sought_first():
    with pytest.raises(ValueError, match="When using the default labels_getter"):
        v2.SanitizeBoundingBoxes()(IMAGE)
    with pytest.raises(ValueError, match="No bounding boxes were found"):
        v2.SanitizeBoundingBoxes()(torch.zeros(3, 4, 4))
    with pytest.raises(ValueError, match="'default', a callable, or None, but got labels"):
        v2.SanitizeBoundingBoxes(labels_getter="labels")
