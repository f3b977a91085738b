"""Keypoint R-CNN: Mask R-CNN's way to find the places of joints (He et al. 2017, section 5)."""

from __future__ import annotations

from typing import Any

from .... import nn
from ....nn import functional as F
from ...ops import MultiScaleRoIAlign
from .._api import register_model, weights_enum
from .._utils import _ovewrite_value_param, handle_legacy_interface
from ..resnet import ResNet50_Weights
from .backbone_utils import chosen_weights
from .faster_rcnn import _RESNET, FasterRCNN, load_detector, resnet50_backbone
from .mask_rcnn import check_pool

__all__ = ["KeypointRCNN", "KeypointRCNN_ResNet50_FPN_Weights", "keypointrcnn_resnet50_fpn"]


class KeypointRCNN(FasterRCNN):
    """Faster R-CNN with a head for keypoints; targets have "keypoints" (N, K, 3) too.

    A keypoint is x, y and whether it is visible.
    """

    def __init__(
        self,
        backbone,
        num_classes=None,
        *args,
        keypoint_roi_pool=None,
        keypoint_head=None,
        keypoint_predictor=None,
        num_keypoints=None,
        **kwargs,
    ):
        check_pool("keypoint_roi_pool", keypoint_roi_pool)
        if num_keypoints is not None and keypoint_predictor is not None:
            raise ValueError("num_keypoints should be None when keypoint_predictor is specified")
        num_keypoints = 17 if num_keypoints is None else num_keypoints
        if keypoint_roi_pool is None:
            keypoint_roi_pool = MultiScaleRoIAlign(
                ["0", "1", "2", "3"], output_size=14, sampling_ratio=2
            )
        if keypoint_head is None:
            keypoint_head = KeypointRCNNHeads(backbone.out_channels, (512,) * 8)
        if keypoint_predictor is None:
            keypoint_predictor = KeypointRCNNPredictor(512, num_keypoints)
        super().__init__(backbone, num_classes, *args, **kwargs)
        self.roi_heads.keypoint_roi_pool = keypoint_roi_pool
        self.roi_heads.keypoint_head = keypoint_head
        self.roi_heads.keypoint_predictor = keypoint_predictor


class KeypointRCNNHeads(nn.Sequential):
    """Convolutions over the features of a region."""

    def __init__(self, in_channels, layers):
        blocks: list[nn.Module] = []
        for out in layers:
            blocks += [nn.Conv2d(in_channels, out, 3, stride=1, padding=1), nn.ReLU(inplace=True)]
            in_channels = out
        super().__init__(*blocks)
        for module in self.children():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(module.bias, 0)


class KeypointRCNNPredictor(nn.Module):
    """A heatmap of four times the size for each keypoint."""

    def __init__(self, in_channels, num_keypoints):
        super().__init__()
        self.kps_score_lowres = nn.ConvTranspose2d(
            in_channels, num_keypoints, 4, stride=2, padding=1
        )
        nn.init.kaiming_normal_(self.kps_score_lowres.weight, mode="fan_out", nonlinearity="relu")
        nn.init.constant_(self.kps_score_lowres.bias, 0)
        self.up_scale = 2
        self.out_channels = num_keypoints

    def forward(self, x):
        """The heatmaps (K, num_keypoints, H, W)."""
        return F.interpolate(
            self.kps_score_lowres(x),
            scale_factor=float(self.up_scale),
            mode="bilinear",
            align_corners=False,
            recompute_scale_factor=False,
        )


KeypointRCNN_ResNet50_FPN_Weights = weights_enum("KeypointRCNN_ResNet50_FPN_Weights")


def _meant(kwargs):
    legacy = kwargs["pretrained"] == "legacy"
    return KeypointRCNN_ResNet50_FPN_Weights["COCO_LEGACY" if legacy else "COCO_V1"]


@register_model()
@handle_legacy_interface(weights=("pretrained", _meant), weights_backbone=_RESNET)
def keypointrcnn_resnet50_fpn(
    *,
    weights: KeypointRCNN_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    num_keypoints: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> KeypointRCNN:
    """Keypoint R-CNN over ResNet-50 with a feature pyramid, for persons by default."""
    kind = KeypointRCNN_ResNet50_FPN_Weights
    default = num_classes if num_classes is not None or weights is not None else 2
    weights, weights_backbone, classes = chosen_weights(
        kind, weights, ResNet50_Weights, weights_backbone, default
    )
    if weights is not None:
        count = len(weights.meta["keypoint_names"])
        num_keypoints = _ovewrite_value_param("num_keypoints", num_keypoints, count)
    backbone = resnet50_backbone(weights, weights_backbone, progress, trainable_backbone_layers)
    model = KeypointRCNN(
        backbone, classes, num_keypoints=17 if num_keypoints is None else num_keypoints, **kwargs
    )
    return load_detector(model, kind, weights, progress)
