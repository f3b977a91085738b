"""Faster R-CNN (Ren et al. 2015), its improved form (Li et al. 2021) and small ones for phones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .... import Tensor, nn
from ....nn import functional as F
from ...ops import MultiScaleRoIAlign
from ...ops import misc as misc_nn_ops
from .._api import load_into, register_model, weights_enum
from .._utils import handle_legacy_interface
from ..mobilenetv3 import MobileNet_V3_Large_Weights, mobilenet_v3_large
from ..resnet import ResNet50_Weights, resnet50
from ._utils import _validate_trainable_layers, overwrite_eps
from .anchor_utils import AnchorGenerator
from .backbone_utils import _mobilenet_extractor, _resnet_fpn_extractor, chosen_weights
from .generalized_rcnn import GeneralizedRCNN
from .roi_heads import RoIHeads
from .rpn import RegionProposalNetwork, RPNHead
from .transform import GeneralizedRCNNTransform

__all__ = [
    "FasterRCNN", "FasterRCNN_ResNet50_FPN_Weights", "FasterRCNN_ResNet50_FPN_V2_Weights",
    "FasterRCNN_MobileNet_V3_Large_FPN_Weights", "FasterRCNN_MobileNet_V3_Large_320_FPN_Weights",
    "fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
]  # fmt: skip


def _default_anchorgen():
    return AnchorGenerator(((32,), (64,), (128,), (256,), (512,)), ((0.5, 1.0, 2.0),) * 5)


class FasterRCNN(GeneralizedRCNN):
    """A proposal network and heads for classes and boxes over `backbone`.

    The backbone gives a map or a dict of maps and has `out_channels`. In training the model
    returns losses, else boxes, labels and scores of each image.
    """

    def __init__(
        self,
        backbone,
        num_classes=None,
        min_size=800,
        max_size=1333,
        image_mean=None,
        image_std=None,
        rpn_anchor_generator=None,
        rpn_head=None,
        rpn_pre_nms_top_n_train=2000,
        rpn_pre_nms_top_n_test=1000,
        rpn_post_nms_top_n_train=2000,
        rpn_post_nms_top_n_test=1000,
        rpn_nms_thresh=0.7,
        rpn_fg_iou_thresh=0.7,
        rpn_bg_iou_thresh=0.3,
        rpn_batch_size_per_image=256,
        rpn_positive_fraction=0.5,
        rpn_score_thresh=0.0,
        box_roi_pool=None,
        box_head=None,
        box_predictor=None,
        box_score_thresh=0.05,
        box_nms_thresh=0.5,
        box_detections_per_img=100,
        box_fg_iou_thresh=0.5,
        box_bg_iou_thresh=0.5,
        box_batch_size_per_image=512,
        box_positive_fraction=0.25,
        bbox_reg_weights=None,
        **kwargs,
    ):
        channels = _checked_channels(
            backbone, rpn_anchor_generator, box_roi_pool, num_classes, box_predictor
        )
        anchors = rpn_anchor_generator or _default_anchorgen()
        head = rpn_head or RPNHead(channels, anchors.num_anchors_per_location()[0])
        rpn = RegionProposalNetwork(
            anchors,
            head,
            rpn_fg_iou_thresh,
            rpn_bg_iou_thresh,
            rpn_batch_size_per_image,
            rpn_positive_fraction,
            {"training": rpn_pre_nms_top_n_train, "testing": rpn_pre_nms_top_n_test},
            {"training": rpn_post_nms_top_n_train, "testing": rpn_post_nms_top_n_test},
            rpn_nms_thresh,
            score_thresh=rpn_score_thresh,
        )
        if box_roi_pool is None:
            box_roi_pool = MultiScaleRoIAlign(["0", "1", "2", "3"], output_size=7, sampling_ratio=2)
        if box_head is None:
            box_head = TwoMLPHead(channels * box_roi_pool.output_size[0] ** 2, 1024)
        if box_predictor is None:
            box_predictor = FastRCNNPredictor(1024, num_classes)
        roi_heads = RoIHeads(
            box_roi_pool, box_head, box_predictor, box_fg_iou_thresh, box_bg_iou_thresh,
            box_batch_size_per_image, box_positive_fraction, bbox_reg_weights, box_score_thresh,
            box_nms_thresh, box_detections_per_img,
        )  # fmt: skip
        transform = GeneralizedRCNNTransform(
            min_size,
            max_size,
            image_mean or [0.485, 0.456, 0.406],
            image_std or [0.229, 0.224, 0.225],
            **kwargs,
        )
        super().__init__(backbone, rpn, roi_heads, transform)


def _checked_channels(backbone, anchors, box_roi_pool, num_classes, box_predictor) -> int:
    """The backbone's channels; ValueError or TypeError where arguments do not go together."""
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output "
            "channels (assumed to be the same for all the levels)"
        )
    if not isinstance(anchors, (AnchorGenerator, type(None))):
        raise TypeError(
            "rpn_anchor_generator should be of type AnchorGenerator or None instead of "
            f"{type(anchors)}"
        )
    if not isinstance(box_roi_pool, (MultiScaleRoIAlign, type(None))):
        raise TypeError(
            "box_roi_pool should be of type MultiScaleRoIAlign or None instead of "
            f"{type(box_roi_pool)}"
        )
    if (num_classes is None) == (box_predictor is None):
        if num_classes is None:
            raise ValueError("num_classes should not be None when box_predictor is not specified")
        raise ValueError("num_classes should be None when box_predictor is specified")
    return backbone.out_channels


class TwoMLPHead(nn.Module):
    """Two linear layers over the features of a region."""

    def __init__(self, in_channels, representation_size):
        super().__init__()
        self.fc6 = nn.Linear(in_channels, representation_size)
        self.fc7 = nn.Linear(representation_size, representation_size)

    def forward(self, x):
        """`x` (K, ...) as (K, representation_size)."""
        return F.relu(self.fc7(F.relu(self.fc6(x.flatten(start_dim=1)))))


class FastRCNNConvFCHead(nn.Sequential):
    """Convolutions, then linear layers, over the features of a region."""

    def __init__(
        self,
        input_size: tuple[int, int, int],
        conv_layers: list[int],
        fc_layers: list[int],
        norm_layer: Callable[..., nn.Module] | None = None,
    ):
        channels, height, width = input_size
        blocks: list[nn.Module] = []
        for out in conv_layers:
            blocks.append(misc_nn_ops.Conv2dNormActivation(channels, out, norm_layer=norm_layer))
            channels = out
        blocks.append(nn.Flatten())
        channels *= height * width
        for out in fc_layers:
            blocks += [nn.Linear(channels, out), nn.ReLU(inplace=True)]
            channels = out
        super().__init__(*blocks)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


class FastRCNNPredictor(nn.Module):
    """Logits of the classes, and codes of a box for each."""

    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.cls_score = nn.Linear(in_channels, num_classes)
        self.bbox_pred = nn.Linear(in_channels, num_classes * 4)

    def forward(self, x: Tensor):
        """(logits, codes) of features (K, in_channels)."""
        if x.dim() == 4 and list(x.shape[2:]) != [1, 1]:
            raise AssertionError(
                f"x has the wrong shape, expecting the last two dimensions to be [1,1] instead of "
                f"{list(x.shape[2:])}"
            )
        x = x.flatten(start_dim=1)
        return self.cls_score(x), self.bbox_pred(x)


FasterRCNN_ResNet50_FPN_Weights = weights_enum("FasterRCNN_ResNet50_FPN_Weights")
FasterRCNN_ResNet50_FPN_V2_Weights = weights_enum("FasterRCNN_ResNet50_FPN_V2_Weights")
FasterRCNN_MobileNet_V3_Large_FPN_Weights = weights_enum(
    "FasterRCNN_MobileNet_V3_Large_FPN_Weights"
)
FasterRCNN_MobileNet_V3_Large_320_FPN_Weights = weights_enum(
    "FasterRCNN_MobileNet_V3_Large_320_FPN_Weights"
)
_RESNET = ("pretrained_backbone", ResNet50_Weights.IMAGENET1K_V1)
_MOBILENET = ("pretrained_backbone", MobileNet_V3_Large_Weights.IMAGENET1K_V1)


def resnet50_backbone(
    weights: Any, weights_backbone: Any, progress: bool, trainable_layers: int | None, **extractor
) -> nn.Module:
    """ResNet-50 with a feature pyramid; its norms are frozen where there are weights."""
    trained = weights is not None or weights_backbone is not None
    count = _validate_trainable_layers(trained, trainable_layers, 5, 3)
    norm = misc_nn_ops.FrozenBatchNorm2d if trained else nn.BatchNorm2d
    backbone = resnet50(weights=weights_backbone, progress=progress, norm_layer=norm)
    return _with_pyramid(backbone, count, **extractor)


def resnet50_backbone_v2(
    weights: Any, weights_backbone: Any, progress: bool, trainable_layers: int | None, **extractor
) -> nn.Module:
    """ResNet-50 with a feature pyramid; its norms are trained."""
    trained = weights is not None or weights_backbone is not None
    count = _validate_trainable_layers(trained, trainable_layers, 5, 3)
    backbone = resnet50(weights=weights_backbone, progress=progress)
    return _with_pyramid(backbone, count, **extractor)


def _with_pyramid(backbone, trainable_layers: int, extra_blocks=None, **extractor) -> nn.Module:
    """`extra_blocks` makes them: their weights are drawn after the backbone's."""
    extra = None if extra_blocks is None else extra_blocks()
    return _resnet_fpn_extractor(backbone, trainable_layers, extra_blocks=extra, **extractor)


def load_detector(model: nn.Module, kind: Any, weights: Any, progress: bool, eps: float = 0.0):
    """Load a detector's weights; the first ones of COCO were trained with another eps."""
    load_into(model, weights, progress)
    if weights is not None and weights is kind.__members__.get("COCO_V1"):
        overwrite_eps(model, eps)
    return model


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FasterRCNN_ResNet50_FPN_Weights.COCO_V1), weights_backbone=_RESNET
)
def fasterrcnn_resnet50_fpn(
    *,
    weights: FasterRCNN_ResNet50_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = ResNet50_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN over ResNet-50 with a feature pyramid."""
    kind = FasterRCNN_ResNet50_FPN_Weights
    weights, weights_backbone, classes = chosen_weights(
        kind, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone(weights, weights_backbone, progress, trainable_backbone_layers)
    return load_detector(
        FasterRCNN(backbone, num_classes=classes, **kwargs), kind, weights, progress
    )


def box_head_v2(channels: int) -> FastRCNNConvFCHead:
    """The heads of the improved form: four convolutions and a linear layer."""
    return FastRCNNConvFCHead((channels, 7, 7), [256] * 4, [1024], norm_layer=nn.BatchNorm2d)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1), weights_backbone=_RESNET
)
def fasterrcnn_resnet50_fpn_v2(
    *,
    weights: FasterRCNN_ResNet50_FPN_V2_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: ResNet50_Weights | None = None,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """The improved Faster R-CNN over ResNet-50 with a feature pyramid."""
    weights, weights_backbone, classes = chosen_weights(
        FasterRCNN_ResNet50_FPN_V2_Weights, weights, ResNet50_Weights, weights_backbone, num_classes
    )
    backbone = resnet50_backbone_v2(
        weights, weights_backbone, progress, trainable_backbone_layers, norm_layer=nn.BatchNorm2d
    )
    anchors = _default_anchorgen()
    head = RPNHead(backbone.out_channels, anchors.num_anchors_per_location()[0], conv_depth=2)
    model = FasterRCNN(
        backbone,
        num_classes=classes,
        rpn_anchor_generator=anchors,
        rpn_head=head,
        box_head=box_head_v2(backbone.out_channels),
        **kwargs,
    )
    return load_into(model, weights, progress)


def _fasterrcnn_mobilenet_v3_large_fpn(
    *,
    weights: Any,
    progress: bool,
    num_classes: int | None,
    weights_backbone: Any,
    trainable_backbone_layers: int | None,
    **kwargs: Any,
) -> FasterRCNN:
    trained = weights is not None or weights_backbone is not None
    count = _validate_trainable_layers(trained, trainable_backbone_layers, 6, 3)
    norm = misc_nn_ops.FrozenBatchNorm2d if trained else nn.BatchNorm2d
    backbone = mobilenet_v3_large(weights=weights_backbone, progress=progress, norm_layer=norm)
    backbone = _mobilenet_extractor(backbone, True, count)
    anchors = AnchorGenerator(((32, 64, 128, 256, 512),) * 3, ((0.5, 1.0, 2.0),) * 3)
    model = FasterRCNN(backbone, num_classes, rpn_anchor_generator=anchors, **kwargs)
    return load_into(model, weights, progress)


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1),
    weights_backbone=_MOBILENET,
)
def fasterrcnn_mobilenet_v3_large_320_fpn(
    *,
    weights: FasterRCNN_MobileNet_V3_Large_320_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN over MobileNet v3 for small images."""
    weights, weights_backbone, classes = chosen_weights(
        FasterRCNN_MobileNet_V3_Large_320_FPN_Weights, weights, MobileNet_V3_Large_Weights,
        weights_backbone, num_classes,
    )  # fmt: skip
    own = {
        "min_size": 320,
        "max_size": 640,
        "rpn_pre_nms_top_n_test": 150,
        "rpn_post_nms_top_n_test": 150,
        "rpn_score_thresh": 0.05,
    }
    return _fasterrcnn_mobilenet_v3_large_fpn(
        weights=weights,
        progress=progress,
        num_classes=classes,
        weights_backbone=weights_backbone,
        trainable_backbone_layers=trainable_backbone_layers,
        **{**own, **kwargs},
    )


@register_model()
@handle_legacy_interface(
    weights=("pretrained", FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1),
    weights_backbone=_MOBILENET,
)
def fasterrcnn_mobilenet_v3_large_fpn(
    *,
    weights: FasterRCNN_MobileNet_V3_Large_FPN_Weights | None = None,
    progress: bool = True,
    num_classes: int | None = None,
    weights_backbone: MobileNet_V3_Large_Weights | None = MobileNet_V3_Large_Weights.IMAGENET1K_V1,
    trainable_backbone_layers: int | None = None,
    **kwargs: Any,
) -> FasterRCNN:
    """Faster R-CNN over MobileNet v3."""
    weights, weights_backbone, classes = chosen_weights(
        FasterRCNN_MobileNet_V3_Large_FPN_Weights, weights, MobileNet_V3_Large_Weights,
        weights_backbone, num_classes,
    )  # fmt: skip
    return _fasterrcnn_mobilenet_v3_large_fpn(
        weights=weights,
        progress=progress,
        num_classes=classes,
        weights_backbone=weights_backbone,
        trainable_backbone_layers=trainable_backbone_layers,
        **{"rpn_score_thresh": 0.05, **kwargs},
    )
