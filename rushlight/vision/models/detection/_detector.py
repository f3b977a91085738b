"""What detectors share: the way from images to losses or detections, and dense outputs."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict
from typing import Any

from .... import Tensor, cat, jit, nn, where
from ...ops import batched_nms, box_iou, clip_boxes_to_image
from . import _utils as det_utils
from .image_list import ImageList
from .transform import GeneralizedRCNNTransform


class Detector(nn.Module):
    """A transform, a backbone, and what a subclass finds in the features.

    In training the model returns losses, else boxes, scores and labels of each image.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._has_warned = False  # compiled programs say once that they return both

    @jit.unused
    def eager_outputs(self, losses: dict[str, Tensor], detections: list[dict[str, Tensor]]) -> Any:
        """The losses in training, else the detections."""
        return losses if self.training else detections

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None):
        """Losses by name in training, else boxes, scores, labels, ... of each image.

        `images` are tensors (C, H, W) in [0, 1]; `targets` have "boxes" (N, 4) as x1, y1, x2, y2
        and "labels", and what the heads want besides.
        """
        if self.training:
            det_utils.check_targets(targets)
        originals = det_utils.image_sizes(images)
        batch, targets = self.transform(images, targets)
        det_utils.check_degenerate(targets)
        features = self.backbone(batch.tensors)
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        losses, detections = self._found(batch, features, targets)
        detections = self.transform.postprocess(detections, batch.image_sizes, originals)
        if jit.is_scripting():
            if not self._has_warned:
                warnings.warn(
                    f"{self._kind} always returns a (Losses, Detections) tuple in scripting",
                    stacklevel=2,
                )
                self._has_warned = True
            return losses, detections
        return self.eager_outputs(losses, detections)


def check_backbone(backbone: Any, anchor_generator: Any, kind: type) -> None:
    """ValueError or TypeError where a detector's parts do not go together."""
    if not hasattr(backbone, "out_channels"):
        raise ValueError(
            "backbone should contain an attribute out_channels specifying the number of output "
            "channels (assumed to be the same for all the levels)"
        )
    if not isinstance(anchor_generator, (kind, type(None))):
        raise TypeError(
            f"anchor_generator should be of type {kind.__name__} or None, instead got "
            f"{type(anchor_generator)}"
        )


def by_anchor(maps: Tensor, values: int) -> Tensor:
    """(N, A * values, H, W) as (N, H * W * A, values)."""
    n, _, height, width = maps.shape
    maps = maps.view(n, -1, values, height, width).permute(0, 3, 4, 1, 2)
    return maps.reshape(n, -1, values)


def best_of_level(scores: Tensor, threshold: float, candidates: int) -> tuple[Tensor, Tensor]:
    """The scores above the threshold, at most so many, and where they stand."""
    keep = scores > threshold
    at = where(keep)[0]
    scores = scores[keep]
    count = det_utils._topk_min(at, candidates, 0)
    scores, order = scores.topk(count)
    return scores, at[order]


class OneStage(Detector):
    """A detector without proposals: a head on the features, and anchors."""

    def _make_transform(self, sizes, image_mean, image_std, kwargs) -> None:
        self.transform = GeneralizedRCNNTransform(
            *sizes,
            image_mean or [0.485, 0.456, 0.406],
            image_std or [0.229, 0.224, 0.225],
            **kwargs,
        )

    def _found(
        self,
        batch: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None,
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        maps = list(features.values())
        outputs = self.head(maps)
        anchors = self.anchor_generator(batch, maps)
        losses: dict[str, Tensor] = {}
        detections: list[dict[str, Tensor]] = []
        if self.training:
            assert targets is not None
            losses = self._losses(targets, outputs, anchors, maps)
        else:
            detections = self._detections(outputs, anchors, batch.image_sizes, maps)
        return losses, detections

    def _match_by_overlap(
        self, targets: list[dict[str, Tensor]], anchors: list[Tensor]
    ) -> list[Tensor]:
        """For each anchor of each image the index of its truth, or a negative number."""
        matched = []
        for boxes, target in zip(anchors, targets):
            if target["boxes"].numel() == 0:
                matched.append(det_utils.unmatched(boxes))
            else:
                matched.append(self.proposal_matcher(box_iou(target["boxes"], boxes)))
        return matched

    def _by_level(
        self, outputs: dict[str, Tensor], anchors: list[Tensor], maps: list[Tensor]
    ) -> tuple[dict[str, list[Tensor]], list[list[Tensor]]]:
        """Outputs and anchors cut into the levels of the maps."""
        places = [m.size(2) * m.size(3) for m in maps]
        per_place = outputs["cls_logits"].size(1) // sum(places)
        counts = [n * per_place for n in places]
        cut: dict[str, list[Tensor]] = {}
        for name, value in outputs.items():
            cut[name] = list(value.split(counts, dim=1))
        return cut, [list(a.split(counts)) for a in anchors]

    def _detections(
        self,
        outputs: dict[str, Tensor],
        anchors: list[Tensor],
        image_shapes: list[tuple[int, int]],
        maps: list[Tensor],
    ) -> list[dict[str, Tensor]]:
        cut, cut_anchors = self._by_level(outputs, anchors, maps)
        return self.postprocess_detections(cut, cut_anchors, image_shapes)

    def postprocess_detections(
        self,
        head_outputs: dict[str, list[Tensor]],
        anchors: list[list[Tensor]],
        image_shapes: list[tuple[int, int]],
    ) -> list[dict[str, Tensor]]:
        """The best boxes of each image, after suppression in each class."""
        found: list[dict[str, Tensor]] = []
        for i, shape in enumerate(image_shapes):
            boxes, scores, labels = [], [], []
            for level, anchor in enumerate(anchors[i]):
                chances = self._chances(head_outputs, level, i)
                classes = chances.shape[-1]
                score, at = best_of_level(
                    chances.flatten(), self.score_thresh, self.topk_candidates
                )
                place = at // classes
                codes = head_outputs["bbox_regression"][level][i]
                box = self._decoded(codes[place], anchor[place])
                boxes.append(clip_boxes_to_image(box, shape))
                scores.append(score)
                labels.append(at % classes)
            found.append(self._suppressed(boxes, scores, labels))
        return found

    def _suppressed(
        self, boxes: list[Tensor], scores: list[Tensor], labels: list[Tensor]
    ) -> dict[str, Tensor]:
        """The best of the boxes of one image."""
        box, score, label = cat(boxes, dim=0), cat(scores, dim=0), cat(labels, dim=0)
        keep = batched_nms(box, score, label, self.nms_thresh)[: self.detections_per_img]
        return {"boxes": box[keep], "scores": score[keep], "labels": label[keep]}


def rare_logits(channels: int, num_anchors: int, num_classes: int, prior: float) -> nn.Conv2d:
    """The last layer of a classification head: at first each class has the probability `prior`."""
    layer = nn.Conv2d(channels, num_anchors * num_classes, kernel_size=3, stride=1, padding=1)
    nn.init.normal_(layer.weight, std=0.01)
    nn.init.constant_(layer.bias, -math.log((1 - prior) / prior))
    return layer
