"""The region proposal network (Ren et al. 2015)."""

from __future__ import annotations

import rushlight as torch

from .... import Tensor, arange, cat, full, nn, where, zeros
from ....nn import functional as F
from ...ops import batched_nms, box_iou, clip_boxes_to_image, remove_small_boxes
from ...ops.misc import Conv2dNormActivation
from . import _utils as det_utils
from .anchor_utils import AnchorGenerator
from .image_list import ImageList


class RPNHead(nn.Module):
    """Whether there is an object, and the box's codes, for each anchor of each element."""

    _version = 2

    def __init__(self, in_channels: int, num_anchors: int, conv_depth=1) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            *(
                Conv2dNormActivation(in_channels, in_channels, kernel_size=3, norm_layer=None)
                for _ in range(conv_depth)
            )
        )
        self.cls_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1, stride=1)
        self.bbox_pred = nn.Conv2d(in_channels, num_anchors * 4, kernel_size=1, stride=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                if layer.bias is not None:
                    nn.init.constant_(layer.bias, 0)

    def _load_from_state_dict(
        self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
    ):
        version = local_metadata.get("version", None)
        if version is None or version < 2:  # there was one convolution, by itself
            for kind in ("weight", "bias"):
                if f"{prefix}conv.{kind}" in state_dict:
                    state_dict[f"{prefix}conv.0.0.{kind}"] = state_dict.pop(f"{prefix}conv.{kind}")
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits and codes of each map."""
        hidden = [self.conv(feature) for feature in x]
        return [self.cls_logits(t) for t in hidden], [self.bbox_pred(t) for t in hidden]


def permute_and_flatten(layer: Tensor, N: int, A: int, C: int, H: int, W: int) -> Tensor:
    """(N, A * C, H, W) as (N, H * W * A, C)."""
    return layer.view(N, -1, C, H, W).permute(0, 3, 4, 1, 2).reshape(N, -1, C)


def concat_box_prediction_layers(
    box_cls: list[Tensor], box_regression: list[Tensor]
) -> tuple[Tensor, Tensor]:
    """The outputs of all maps one after the other, in the order of the anchors."""
    logits, codes = [], []
    for cls, regression in zip(box_cls, box_regression):
        n, ac, h, w = cls.shape
        anchors = regression.shape[1] // 4
        logits.append(permute_and_flatten(cls, n, anchors, ac // anchors, h, w))
        codes.append(permute_and_flatten(regression, n, anchors, 4, h, w))
    return cat(logits, dim=1).flatten(0, -2), cat(codes, dim=1).reshape(-1, 4)


class RegionProposalNetwork(nn.Module):
    """Boxes that may hold an object.

    `pre_nms_top_n` and `post_nms_top_n` say how many are kept before and after suppression, under
    "training" and "testing".
    """

    def __init__(
        self,
        anchor_generator: AnchorGenerator,
        head: nn.Module,
        fg_iou_thresh: float,
        bg_iou_thresh: float,
        batch_size_per_image: int,
        positive_fraction: float,
        pre_nms_top_n: dict[str, int],
        post_nms_top_n: dict[str, int],
        nms_thresh: float,
        score_thresh: float = 0.0,
    ) -> None:
        super().__init__()
        self.anchor_generator = anchor_generator
        self.head = head
        self.box_coder = det_utils.BoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.box_similarity = box_iou
        self.proposal_matcher = det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=True
        )
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self._pre_nms_top_n = pre_nms_top_n
        self._post_nms_top_n = post_nms_top_n
        self.nms_thresh = nms_thresh
        self.score_thresh = score_thresh
        self.min_size = 1e-3

    def pre_nms_top_n(self) -> int:
        """How many boxes of each map go into suppression."""
        return self._pre_nms_top_n["training" if self.training else "testing"]

    def post_nms_top_n(self) -> int:
        """How many boxes of an image come out."""
        return self._post_nms_top_n["training" if self.training else "testing"]

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """For each anchor: 1 (object), 0 (none), -1 (unclear), and the truth's box."""
        labels, matched_boxes = [], []
        for boxes, target in zip(anchors, targets):
            truth = target["boxes"]
            if truth.numel() == 0:
                matched_boxes.append(zeros(boxes.shape, dtype=torch.float32, device=boxes.device))
                labels.append(zeros((boxes.shape[0],), dtype=torch.float32, device=boxes.device))
                continue
            matched = self.proposal_matcher(self.box_similarity(truth, boxes))
            matched_boxes.append(truth[matched.clamp(min=0)])
            label = (matched >= 0).to(dtype=torch.float32)
            label[matched == self.proposal_matcher.BELOW_LOW_THRESHOLD] = 0.0
            label[matched == self.proposal_matcher.BETWEEN_THRESHOLDS] = -1.0
            labels.append(label)
        return labels, matched_boxes

    def _get_top_n_idx(self, objectness: Tensor, num_anchors_per_level: list[int]) -> Tensor:
        """The best boxes of each map."""
        found, offset = [], 0
        for part in objectness.split(num_anchors_per_level, 1):
            count = det_utils._topk_min(part, self.pre_nms_top_n(), 1)
            found.append(part.topk(count, dim=1)[1] + offset)
            offset += part.shape[1]
        return cat(found, dim=1)

    def filter_proposals(
        self,
        proposals: Tensor,
        objectness: Tensor,
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The best boxes of each image after suppression on each map, and their scores."""
        images, device = proposals.shape[0], proposals.device
        objectness = objectness.detach().reshape(images, -1)
        levels = cat(
            [
                full((n,), i, dtype=torch.int64, device=device)
                for i, n in enumerate(num_anchors_per_level)
            ]
        )
        levels = levels.reshape(1, -1).expand_as(objectness)
        best = self._get_top_n_idx(objectness, num_anchors_per_level)
        row = arange(images, device=device)[:, None]
        proposals, levels = proposals[row, best], levels[row, best]
        chances = objectness[row, best].sigmoid()
        final_boxes, final_scores = [], []
        for boxes, scores, level, shape in zip(proposals, chances, levels, image_shapes):
            boxes = clip_boxes_to_image(boxes, shape)
            keep = remove_small_boxes(boxes, self.min_size)
            boxes, scores, level = boxes[keep], scores[keep], level[keep]
            keep = where(scores >= self.score_thresh)[0]
            boxes, scores, level = boxes[keep], scores[keep], level[keep]
            keep = batched_nms(boxes, scores, level, self.nms_thresh)[: self.post_nms_top_n()]
            final_boxes.append(boxes[keep])
            final_scores.append(scores[keep])
        return final_boxes, final_scores

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """The losses of objectness and of the boxes, over a sample of the anchors."""
        positives, negatives = self.fg_bg_sampler(labels)
        positive = where(cat(positives, dim=0))[0]
        sampled = cat([positive, where(cat(negatives, dim=0))[0]], dim=0)
        truth, targets = cat(labels, dim=0), cat(regression_targets, dim=0)
        box_loss = F.smooth_l1_loss(
            pred_bbox_deltas[positive], targets[positive], beta=1 / 9, reduction="sum"
        ) / (sampled.numel())
        objectness = objectness.flatten()
        loss = F.binary_cross_entropy_with_logits(objectness[sampled], truth[sampled])
        return loss, box_loss

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """The boxes of each image; in training also the losses."""
        maps = list(features.values())
        objectness, deltas = self.head(maps)
        anchors = self.anchor_generator(images, maps)
        counts = [o[0].numel() for o in objectness]
        objectness, deltas = concat_box_prediction_layers(objectness, deltas)
        proposals = self.box_coder.decode(deltas.detach(), anchors).view(len(anchors), -1, 4)
        boxes, _ = self.filter_proposals(proposals, objectness, images.image_sizes, counts)
        losses: dict[str, Tensor] = {}
        if self.training:
            if targets is None:
                raise ValueError("targets should not be None")
            labels, matched = self.assign_targets_to_anchors(anchors, targets)
            codes = self.box_coder.encode(matched, anchors)
            loss, box_loss = self.compute_loss(objectness, deltas, labels, codes)
            losses = {"loss_objectness": loss, "loss_rpn_box_reg": box_loss}
        return boxes, losses
