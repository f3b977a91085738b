"""Detection, segmentation and flow models: losses and detections, with torchvision's figures."""

from __future__ import annotations

import numpy as np
import pytest

import rushlight as torch
from rushlight.vision import models
from rushlight.vision.models import detection
from rushlight.vision.models.detection._utils import BoxCoder, Matcher


def images():
    g = np.random.default_rng(0)
    return [g.uniform(0, 1, s).astype("f") for s in ((3, 100, 90), (3, 80, 120))]


def targets():
    g = np.random.default_rng(1)
    found = []
    for h, w in ((100, 90), (80, 120)):
        boxes = g.uniform(0, 0.5, (3, 4)) * [w, h, w, h]
        boxes[:, 2:] += boxes[:, :2] + 5
        found.append({"boxes": boxes.astype("f"), "labels": g.integers(1, 4, 3)})
    return found


def small_detector(library=detection, kind="fasterrcnn_mobilenet_v3_large_320_fpn", **keywords):
    return getattr(library, kind)(weights=None, weights_backbone=None, num_classes=4, **keywords)


# What torchvision 0.28 gives for these images with seeds 0 and 1.
LOSSES = {
    "loss_classifier": 1.4109757,
    "loss_box_reg": 0.0815619,
    "loss_objectness": 0.6902145,
    "loss_rpn_box_reg": 0.017793,
}


def test_losses_are_torchvisions():
    torch.manual_seed(0)
    model = small_detector(min_size=96, max_size=128).train()
    torch.manual_seed(1)
    losses = model(
        [torch.from_numpy(i) for i in images()],
        [{k: torch.from_numpy(v) for k, v in t.items()} for t in targets()],
    )
    assert {k: v.item() for k, v in losses.items()} == pytest.approx(LOSSES, rel=1e-3)
    sum(losses.values()).backward()
    assert model.roi_heads.box_predictor.cls_score.weight.grad.abs().sum() > 0


def test_detections_have_the_images_coordinates():
    model = small_detector(min_size=96, max_size=128, box_score_thresh=0.0).eval()
    with torch.no_grad():
        found = model([torch.from_numpy(i) for i in images()])
    for image, each in zip(images(), found, strict=True):
        assert sorted(each) == ["boxes", "labels", "scores"]
        assert each["boxes"].shape == (len(each["labels"]), 4)
        assert 0 <= each["boxes"].min() and each["boxes"][:, 0::2].max() <= image.shape[2] + 1e-3
        assert each["boxes"][:, 1::2].max() <= image.shape[1] + 1e-3


def test_wrong_targets_are_refused():
    model = small_detector().train()
    x = [torch.rand(3, 64, 64)]
    with pytest.raises(AssertionError, match="targets should not be none"):
        model(x)
    with pytest.raises(AssertionError, match="of type Tensor"):
        model(x, [{"boxes": [[0, 0, 1, 1]], "labels": torch.tensor([1])}])
    with pytest.raises(AssertionError, match=r"shape \[N, 4\]"):
        model(x, [{"boxes": torch.rand(2, 5), "labels": torch.tensor([1, 1])}])
    with pytest.raises(AssertionError, match="positive height and width"):
        flat = torch.tensor([[5.0, 5, 5, 9]])
        model(x, [{"boxes": flat, "labels": torch.tensor([1])}])
    with pytest.raises(ValueError, match="list of 3d tensors"):
        model.eval()([torch.rand(1, 3, 64, 64)])


def test_codes_of_boxes_come_back():
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    anchors = torch.tensor([[0.0, 0, 10, 10], [5, 5, 25, 15]])
    boxes = torch.tensor([[1.0, 2, 12, 9], [4, 8, 20, 16]])
    codes = coder.encode_single(boxes, anchors)
    torch.testing.assert_close(coder.decode_single(codes, anchors), boxes)


def test_matches_between_the_thresholds_are_unclear():
    overlaps = torch.tensor([[0.9, 0.2, 0.5, 0.1], [0.0, 0.3, 0.4, 0.35]])
    assert Matcher(0.7, 0.3)(overlaps).tolist() == [0, -2, -2, -2]
    assert Matcher(0.7, 0.36)(overlaps).tolist() == [0, -1, -2, -1]
    assert Matcher(0.7, 0.3, allow_low_quality_matches=True)(overlaps).tolist() == [0, -2, 0, -2]
    with pytest.raises(ValueError, match="No ground-truth boxes"):
        Matcher(0.7, 0.3)(torch.zeros(0, 4))


def test_segmentation_gives_maps_of_the_images_size():
    model = models.segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=5
    ).eval()
    with torch.no_grad():
        out = model(torch.rand(1, 3, 70, 90))
    assert list(out) == ["out"] and out["out"].shape == (1, 5, 70, 90)


def test_flow_is_refined_step_by_step():
    model = models.optical_flow.raft_small().eval()
    a, b = torch.rand(2, 1, 3, 128, 136)
    with torch.no_grad():
        flows = model(a, b, num_flow_updates=2)
    assert [tuple(f.shape) for f in flows] == [(1, 2, 128, 136)] * 2
    with pytest.raises(ValueError, match="divisible by 8"):
        model(a[..., :130], b[..., :130])
    with pytest.raises(ValueError, match="too small"):
        model(a[..., :64], b[..., :64])


def test_videos_are_classified():
    model = models.video.mc3_18(num_classes=7).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 4, 32, 32)).shape == (1, 7)
