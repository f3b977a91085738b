"""torch.jit.script of detectors and of RAFT: the same losses and detections, saved and read."""

import io

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.vision.models import detection
from rushlight.vision.models.detection import ssd
from rushlight.vision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from rushlight.vision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from rushlight.vision.models.detection.keypoint_rcnn import (
    KeypointRCNNHeads,
    KeypointRCNNPredictor,
)
from rushlight.vision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from rushlight.vision.models.optical_flow import raft
from rushlight.vision.ops import MultiScaleRoIAlign

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
CLASSES = 3
SIZES = {"min_size": 64, "max_size": 80}


class TwoMaps(nn.Module):
    """A backbone of two convolutions."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(3, channels, 3, stride=4, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=2, padding=1)
        self.out_channels = channels

    def forward(self, x):
        first = self.first(x).relu()
        return {"0": first, "1": self.second(first)}


class OneMap(TwoMaps):
    def forward(self, x):
        return self.first(x)


def anchors(levels=2):
    return AnchorGenerator(((16,), (32,))[:levels], ((0.5, 1.0),) * levels)


def pool(size, names=("0", "1")):
    return MultiScaleRoIAlign(list(names), size, 2)


def two_stages():
    """Boxes, masks and keypoints."""
    model = detection.KeypointRCNN(
        TwoMaps(8),
        rpn_anchor_generator=anchors(),
        box_roi_pool=pool(3),
        box_head=TwoMLPHead(72, 16),
        box_predictor=FastRCNNPredictor(16, CLASSES),
        keypoint_roi_pool=pool(6),
        keypoint_head=KeypointRCNNHeads(8, (8,)),
        keypoint_predictor=KeypointRCNNPredictor(8, 2),
        box_score_thresh=0.0,
        box_detections_per_img=5,
        **SIZES,
    )
    model.roi_heads.mask_roi_pool = pool(6)
    model.roi_heads.mask_head = MaskRCNNHeads(8, (8,), 1)
    model.roi_heads.mask_predictor = MaskRCNNPredictor(8, 8, CLASSES)
    return model


def one_map():
    return detection.FasterRCNN(
        OneMap(8), CLASSES, rpn_anchor_generator=anchors(1), box_roi_pool=pool(3, "0"), **SIZES
    )


def retina():
    return detection.RetinaNet(
        TwoMaps(8), CLASSES, anchor_generator=anchors(), score_thresh=0.0, detections_per_img=5,
        **SIZES,
    )  # fmt: skip


def fcos():
    places = AnchorGenerator(((8,), (16,)), ((1.0,),) * 2)
    return detection.FCOS(
        TwoMaps(32), CLASSES, anchor_generator=places, score_thresh=0.0, detections_per_img=5,
        **SIZES,
    )  # fmt: skip


def single_shot():
    boxes = DefaultBoxGenerator([[2], [2]])
    head = ssd.SSDHead([8, 8], boxes.num_anchors_per_location(), CLASSES)
    return ssd.SSD(
        TwoMaps(8), boxes, (64, 64), CLASSES, head=head, score_thresh=0.0, detections_per_img=5
    )


def images():
    torch.manual_seed(1)
    return [torch.rand(3, 60, 70), torch.rand(3, 80, 64)]


def targets():
    boxes = torch.tensor([[5.0, 5, 40, 50], [20, 10, 60, 45]])
    points = torch.tensor([[[10.0, 10, 1], [30, 40, 1]], [[30, 20, 1], [70, 70, 0]]])
    full = {"boxes": boxes, "labels": torch.tensor([1, 2]), "keypoints": points}
    full["masks"] = torch.ones(2, 60, 70, dtype=torch.uint8)
    return [full, {k: v[:0] if k != "masks" else v[:0, :, :64] for k, v in full.items()}]


def close(a, b) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    return a.shape == b.shape and torch.allclose(a.float(), b.float(), atol=1e-4)


@pytest.mark.parametrize("make", [two_stages, one_map, retina, fcos, single_shot])
def test_detectors(make):
    torch.manual_seed(0)
    model = make().eval()
    compiled = torch.jit.script(model)
    with torch.no_grad():
        losses, found = compiled(images())
        assert losses == {} and close(model(images()), found)
    model.train()
    compiled.train()
    torch.manual_seed(2)
    losses, found = compiled(images(), targets())
    if make is single_shot:  # compiled, it matches as torchvision's: truths below the threshold go
        model.proposal_matcher = detection._utils.Matcher(0.5, 0.5)
    torch.manual_seed(2)
    assert close(model(images(), targets()), losses)
    assert found == [] or make in (two_stages, one_map)
    sum(losses.values()).backward()
    assert model.backbone.first.weight.grad.abs().sum() > 0


def test_compiled_detectors_are_saved_with_their_objects():
    model = two_stages().eval()
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(model), buffer)
    buffer.seek(0)
    loaded = torch.jit.load(buffer)
    with torch.no_grad():
        assert close(model(images()), loaded(images())[1])
    assert loaded.roi_heads.box_coder.weights == (10.0, 10.0, 5.0, 5.0)


def test_compiled_detectors_refuse_wrong_targets():
    compiled = torch.jit.script(two_stages().train())
    with pytest.raises(Exception, match="targets should not be none"):
        compiled(images())
    with pytest.raises(Exception, match="positive height and width"):
        flat = torch.tensor([[5.0, 5, 5, 9]])
        compiled(images()[:1], [{"boxes": flat, "labels": torch.tensor([1])}])


def small_raft(with_mask):
    kind = raft.ResidualBlock
    corr = raft.CorrBlock(num_levels=2, radius=1)
    encoder = {"block": kind, "layers": (8, 8, 8, 8, 16), "norm_layer": nn.InstanceNorm2d}
    motion = raft.MotionEncoder(
        in_channels_corr=corr.out_channels, corr_layers=(8,), flow_layers=(8, 8), out_channels=10
    )
    update = raft.UpdateBlock(
        motion_encoder=motion,
        recurrent_block=raft.RecurrentBlock(input_size=18, hidden_size=8),
        flow_head=raft.FlowHead(in_channels=8, hidden_size=8),
    )
    return raft.RAFT(
        feature_encoder=raft.FeatureEncoder(**encoder),
        context_encoder=raft.FeatureEncoder(**encoder),
        corr_block=corr,
        update_block=update,
        mask_predictor=raft.MaskPredictor(in_channels=8, hidden_size=8) if with_mask else None,
    )


@pytest.mark.parametrize("with_mask", [False, True])
def test_raft(with_mask):
    torch.manual_seed(0)
    model = small_raft(with_mask).eval()
    compiled = torch.jit.script(model)
    a, b = torch.rand(1, 3, 32, 40), torch.rand(1, 3, 32, 40)
    with torch.no_grad():
        assert close(model(a, b, num_flow_updates=2), compiled(a, b, 2))
    with pytest.raises(Exception, match="divisible by 8"):
        compiled(a[..., :36], b[..., :36])
