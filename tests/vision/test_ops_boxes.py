"""Boxes and suppression: known values, hostile input, and torchvision's numbers where it is."""

from __future__ import annotations

import random

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import ops

BOXES = torch.tensor([[0, 0, 10, 10], [1, 1, 11, 11], [20, 20, 30, 30.0]])
SCORES = torch.tensor([0.5, 0.9, 0.7])
SEED = random.randrange(1 << 30)


@pytest.fixture(scope="module")
def vision():
    pytest.importorskip("torch")
    try:
        import torchvision
        import torchvision.ops as found

        assert torchvision.ops.nms
    except (ImportError, RuntimeError):
        pytest.skip("torchvision is absent or does not load")
    print("seed", SEED)
    return found


def both(array):
    import torch as oracle

    return oracle.from_numpy(array.copy()), torch.from_numpy(array.copy())


def same(want, got, tolerance=1e-5):
    want, got = want.detach().double().numpy(), got.detach().double().numpy()
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)


def test_suppression_keeps_the_best_of_overlapping_boxes():
    assert ops.nms(BOXES, SCORES, 0.5).tolist() == [1, 2]
    assert ops.nms(BOXES, SCORES, 0.7).tolist() == [1, 2, 0]
    assert ops.nms(BOXES[:0], SCORES[:0], 0.5).tolist() == []
    assert ops.batched_nms(BOXES, SCORES, torch.tensor([0, 1, 0]), 0.5).tolist() == [1, 2, 0]


def test_the_threshold_itself_does_not_suppress():
    boxes = torch.tensor([[0, 0, 2, 1], [0, 0, 1, 1.0]])  # they overlap by exactly one half
    scores = torch.tensor([1.0, 0.5])
    assert ops.nms(boxes, scores, 0.5).tolist() == [0, 1]
    assert ops.nms(boxes, scores, 0.4999999).tolist() == [0]


def test_strange_numbers_suppress_nothing():
    boxes = BOXES.clone()
    boxes[0] = float("nan")
    assert sorted(ops.nms(boxes, SCORES, 0.1).tolist()) == [0, 1, 2]
    boxes[0] = float("inf")
    assert sorted(ops.nms(boxes, SCORES, 0.1).tolist()) == [0, 1, 2]
    assert len(ops.nms(BOXES, SCORES, float("nan"))) == 3


@pytest.mark.parametrize(
    ("boxes", "scores", "error", "words"),
    [
        (BOXES[:, :3], SCORES, RuntimeError, "4 elements in dimension 1"),
        (BOXES[0], SCORES, RuntimeError, "2d tensor"),
        (BOXES, SCORES[:2], RuntimeError, "same number of elements"),
        (BOXES, SCORES[:, None], RuntimeError, "1d tensor"),
        (BOXES.double(), SCORES, RuntimeError, "same type"),
        (BOXES.half(), SCORES.half(), NotImplementedError, "not implemented for 'Half'"),
    ],
)
def test_wrong_arguments_of_suppression_are_refused(boxes, scores, error, words):
    with pytest.raises(error, match=words):
        ops.nms(boxes, scores, 0.5)


def test_areas_and_overlaps():
    assert ops.box_area(BOXES).tolist() == [100, 100, 100]
    assert ops.box_area(torch.tensor([[0, 0, 20, 20]], dtype=torch.uint8)).tolist() == [400]
    assert ops.box_iou(BOXES, BOXES)[0, 1].item() == pytest.approx(81 / 119)
    gap = ops.generalized_box_iou(BOXES, BOXES)[0, 2].item()
    assert gap == pytest.approx(-(900 - 200) / 900)
    assert ops.masks_to_boxes(torch.eye(4)[None, :3]).tolist() == [[0, 0, 2, 2]]


def test_gradients_of_the_losses_agree_with_differences():
    a = torch.tensor([[0.1, 0.2, 1.1, 1.3]], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([[0.3, 0.1, 1.5, 1.0]], dtype=torch.float64)
    for name in ("generalized", "distance"):
        loss = getattr(ops, f"{name}_box_iou_loss")
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, b), (a,))
    x = torch.linspace(-2, 2, 6, dtype=torch.float64).requires_grad_()
    target = torch.tensor([0, 1, 0, 1, 0, 1.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: ops.sigmoid_focal_loss(x, target), (x,))


def test_unknown_forms_and_reductions_are_refused():
    with pytest.raises(ValueError, match="Unsupported Bounding Box"):
        ops.box_convert(BOXES, "xyxy", "corners")
    with pytest.raises(NotImplementedError, match="Unsupported Bounding Box"):
        ops.box_convert(BOXES, "xyxy", "xywhr")
    with pytest.raises(ValueError, match="reduction"):
        ops.complete_box_iou_loss(BOXES, BOXES, reduction="median")


def test_a_turned_box_comes_back():
    box = torch.tensor([[10.0, 20, 4, 2, 30]])
    corners = ops.box_convert(box, "cxcywhr", "xyxyxyxy")
    assert corners[0, :4].tolist() == pytest.approx([7.7679, 20.1340, 11.2321, 18.1340], abs=1e-3)
    torch.testing.assert_close(ops.box_convert(corners, "xyxyxyxy", "cxcywhr"), box)


def test_overlaps_of_turned_boxes():
    square = torch.tensor([[5.0, 5, 4, 4, 0], [5, 5, 4, 4, 45], [5, 5, 4, 4, 90], [6, 5, 4, 4, 0]])
    found = ops.box_iou(square[:1], square, fmt="cxcywhr")
    octagon = 2 * (2**0.5 - 1) * 16
    assert found[0].tolist() == pytest.approx([1, octagon / (32 - octagon), 1, 12 / 20], abs=1e-4)
    assert ops.box_iou(square * 0, square, fmt="cxcywhr").abs().sum() == 0
    with pytest.raises(RuntimeError, match="should have shape"):
        ops.box_iou(square[:, :4], square, fmt="cxcywhr")


def test_boxes_have_torchvisions_numbers(vision):
    g = np.random.default_rng(SEED)
    for dtype in ("float32", "float64", "int32", "uint8"):
        a, b = (g.uniform(0, 50, (7, 4)) for _ in "ab")
        a[:4, 2:] += a[:4, :2]
        b[2:, 2:] += b[2:, :2]
        a, b = both(a.astype(dtype)), both(b.astype(dtype))
        for name in ("box_iou", "generalized_box_iou", "distance_box_iou", "complete_box_iou"):
            same(getattr(vision, name)(a[0], b[0]), getattr(ops, name)(a[1], b[1]))
        for f in ("xyxy", "xywh", "cxcywh"):
            same(vision.box_area(a[0], f), ops.box_area(a[1], f))
            for o in ("xyxy", "xywh", "cxcywh"):
                same(vision.box_convert(a[0], f, o), ops.box_convert(a[1], f, o))
        same(vision.clip_boxes_to_image(a[0], (30, 20)), ops.clip_boxes_to_image(a[1], (30, 20)))


def test_suppression_has_torchvisions_numbers(vision):
    g = np.random.default_rng(SEED)
    boxes = g.uniform(0, 100, (400, 4)).astype("f")
    boxes[:, 2:] = boxes[:, :2] + g.uniform(1, 40, (400, 2))
    boxes, scores = both(boxes), both(g.uniform(0, 1, 400).astype("f"))
    kinds = both(g.integers(0, 5, 400))
    for threshold in (0.1, 0.5, 0.7):
        same(vision.nms(boxes[0], scores[0], threshold), ops.nms(boxes[1], scores[1], threshold))
    same(
        vision.batched_nms(boxes[0], scores[0], kinds[0], 0.5),
        ops.batched_nms(boxes[1], scores[1], kinds[1], 0.5),
    )


def test_turned_boxes_have_torchvisions_numbers(vision):
    g = np.random.default_rng(SEED)
    boxes = g.uniform(1, 50, (20, 5))
    boxes[:, 4] = g.uniform(-180, 180, 20)
    boxes = both(boxes)
    for f in ("cxcywhr", "xywhr"):
        same(vision.box_iou(*boxes[:1] * 2, f), ops.box_iou(*boxes[1:] * 2, f), 1e-4)
