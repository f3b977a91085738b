"""Boxes at an angle under the transforms of images."""

from __future__ import annotations

import math

import pytest

import rushlight as torch
from rushlight.vision import tv_tensors
from rushlight.vision.transforms import v2
from rushlight.vision.transforms.v2 import functional as F

FORMATS = ("CXCYWHR", "XYWHR", "XYXYXYXY")
CANVAS = (48, 64)
ROUND = torch.tensor(
    [
        [20.0, 20.0, 10.0, 6.0, 0.0],
        [20.0, 20.0, 10.0, 6.0, 90.0],
        [30.0, 25.0, 8.0, 6.0, 45.0],
        [20.0, 22.0, 12.0, 6.0, -30.0],
        [33.0, 24.0, 10.0, 6.0, 155.0],
    ]
)
REACHING = torch.tensor([[3.0, 4.0, 10.0, 6.0, 30.0], [60.0, 45.0, 20.0, 10.0, 120.0]])


def boxes(values, format, mode="soft"):
    found = F.convert_bounding_box_format(values, "CXCYWHR", format)
    return tv_tensors.BoundingBoxes(found, format=format, canvas_size=CANVAS, clamping_mode=mode)


def corners(found):
    plain = found.as_subclass(torch.Tensor)
    return F.convert_bounding_box_format(plain, found.format, "XYXYXYXY").reshape(-1, 4, 2)


def close(a, b, tolerance=1e-3):
    return torch.allclose(a, b, atol=tolerance, rtol=0)


@pytest.mark.parametrize("format", FORMATS)
def test_conversions(format):
    found = boxes(ROUND, format)
    back = F.convert_bounding_box_format(found, new_format="CXCYWHR")
    assert close(back.as_subclass(torch.Tensor), ROUND)
    with pytest.raises(ValueError, match="between rotated and unrotated"):
        F.convert_bounding_box_format(found, new_format="XYXY")


@pytest.mark.parametrize("format", FORMATS)
def test_flips(format):
    found = boxes(ROUND, format)
    across = corners(F.horizontal_flip(found))
    expected = corners(found)[:, [1, 0, 3, 2]] * torch.tensor([-1.0, 1.0])
    assert close(across, expected + torch.tensor([64.0, 0.0]))
    assert close(corners(F.vertical_flip(F.vertical_flip(found))), corners(found))
    below = F.convert_bounding_box_format(F.vertical_flip(found), new_format="CXCYWHR")
    below = below.as_subclass(torch.Tensor)
    assert close(below[:, 1], 48 - ROUND[:, 1]) and below.shape == ROUND.shape


@pytest.mark.parametrize("format", FORMATS)
def test_moves(format):
    found = boxes(ROUND, format, None)
    moved = corners(F.crop(found, 5, 7, 30, 40))
    assert close(moved, corners(found) - torch.tensor([7.0, 5.0]))
    padded = F.pad(found, [3, 4, 5, 6])
    assert padded.canvas_size == (58, 72)
    assert close(corners(padded), corners(found) + torch.tensor([3.0, 4.0]))
    turned = F.rotate(found, 30, center=[20, 20])
    turned = F.convert_bounding_box_format(turned, new_format="CXCYWHR").as_subclass(torch.Tensor)
    assert close(turned[0], torch.tensor([20.0, 20.0, 10.0, 6.0, 30.0]))
    assert close(turned[:, 2:4], ROUND[:, 2:4])


@pytest.mark.parametrize("format", FORMATS)
def test_stretched(format):
    """A stretched rectangle is a rectangle again, around the stretched centre."""
    found = F.resize(boxes(ROUND, format, None), [24, 128])
    points = corners(found)
    assert found.canvas_size == (24, 128)
    right, down = points[:, 1] - points[:, 0], points[:, 3] - points[:, 0]
    assert close((right * down).sum(-1), torch.zeros(5), 1e-2)
    assert close(points.mean(1), ROUND[:, :2] * torch.tensor([2.0, 0.5]))
    assert close(points[0, 2] - points[0, 0], torch.tensor([20.0, 3.0]))


@pytest.mark.parametrize("format", FORMATS)
def test_clamped(format):
    inside = boxes(ROUND, format)
    assert torch.equal(
        F.clamp_bounding_boxes(inside).as_subclass(torch.Tensor), inside.as_subclass(torch.Tensor)
    )
    soft, hard = (
        F.convert_bounding_box_format(
            F.clamp_bounding_boxes(boxes(REACHING, format, mode)), new_format="CXCYWHR"
        ).as_subclass(torch.Tensor)
        for mode in ("soft", "hard")
    )
    # As torchvision finds them: around the visible part, and inside of it.
    assert close(soft[0], REACHING[0])
    assert close(soft[1], torch.tensor([58.6495, 42.6609, 14.5981, 10.0, 120.0]))
    assert close(hard[0], torch.tensor([4.4151, 4.8170, 8.3660, 3.1699, 30.0]))
    assert close(hard[1], torch.tensor([57.6828, 41.2994, 11.2731, 7.2769, 120.0]), 0.1)
    away = boxes(torch.tensor([[-30.0, -30.0, 10.0, 6.0, 30.0]]), format)
    assert corners(F.clamp_bounding_boxes(away))[0].tolist() == [[0.0, 48.0]] * 4
    free = F.clamp_bounding_boxes(boxes(REACHING, format, None))
    assert close(corners(free), corners(boxes(REACHING, format)))


@pytest.mark.parametrize("format", FORMATS)
def test_in_transforms(format):
    torch.manual_seed(0)
    steps = v2.Compose([
        v2.RandomHorizontalFlip(1.0),
        v2.RandomAffine(20, translate=(0.1, 0.1), scale=(0.8, 1.2)),
        v2.Resize((96, 128)),
        v2.RandomPerspective(p=1.0),
        v2.ElasticTransform(),
        v2.SanitizeBoundingBoxes(),
    ])  # fmt: skip
    target = {"boxes": boxes(ROUND, format), "labels": torch.arange(5)}
    image, found = steps(tv_tensors.Image(torch.rand(3, *CANVAS)), target)
    assert image.shape == (3, 96, 128) and found["boxes"].canvas_size == (96, 128)
    assert len(found["boxes"]) == len(found["labels"]) > 0
    assert found["boxes"].format.value == format
    assert all(math.isfinite(v) for v in found["boxes"].flatten().tolist())


CASES = [
    ("horizontal_flip", (), {}),
    ("vertical_flip", (), {}),
    ("crop", (5, 7, 30, 40), {}),
    ("center_crop", ([30, 30],), {}),
    ("resize", ([24, 128],), {}),
    ("pad", ([3, 4, 5, 6],), {}),
    ("resized_crop", (5, 7, 30, 40, [20, 25]), {}),
    ("affine", (30, [3, 4], 1.2, [5, 3]), {}),
    ("rotate", (30,), {"expand": True}),
    ("rotate", (-45,), {"center": [10, 10]}),
    ("clamp_bounding_boxes", (), {}),
]


@pytest.mark.parametrize("mode", ("soft", None))
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_like_torchvision(name, args, kwargs, format, mode):
    oracle = pytest.importorskip("torchvision")
    import torch as theirs

    ours = getattr(F, name)(boxes(torch.cat((ROUND, REACHING)), format, mode), *args, **kwargs)
    values = boxes(torch.cat((ROUND, REACHING)), format, mode).as_subclass(torch.Tensor).numpy()
    given = oracle.tv_tensors.BoundingBoxes(
        theirs.from_numpy(values), format=format, canvas_size=CANVAS, clamping_mode=mode
    )
    kernel = getattr(oracle.transforms.v2.functional, name)
    expected = kernel(given, *args, **kwargs)
    assert ours.canvas_size == tuple(expected.canvas_size)
    wanted = torch.from_numpy(expected.as_subclass(theirs.Tensor).numpy())
    found = ours.as_subclass(torch.Tensor)
    if format != "XYXYXYXY":  # angles that differ by a whole turn are the same
        turns = ((found - wanted)[:, 4] / 360).round() * 360
        found = torch.cat((found[:, :4], (found[:, 4] - turns)[:, None]), dim=1)
    assert close(found, wanted, 5e-3)
