"""The second stage of detectors: classes, boxes, masks and keypoints of proposals."""

from __future__ import annotations

import rushlight as torch

from .... import Tensor, arange, cat, nn, where, zeros
from ....nn import functional as F
from ... import ops
from . import _utils as det_utils
from ._mask_keypoint import (
    expand_boxes,
    expand_masks,
    heatmaps_to_keypoints,
    keypointrcnn_inference,
    keypointrcnn_loss,
    keypoints_to_heatmap,
    maskrcnn_inference,
    maskrcnn_loss,
    paste_mask_in_image,
    paste_masks_in_image,
    project_masks_on_boxes,
)

__all__ = [
    "RoIHeads", "expand_boxes", "expand_masks", "fastrcnn_loss", "heatmaps_to_keypoints",
    "keypointrcnn_inference", "keypointrcnn_loss", "keypoints_to_heatmap", "maskrcnn_inference",
    "maskrcnn_loss", "paste_mask_in_image", "paste_masks_in_image", "project_masks_on_boxes",
]  # fmt: skip


def fastrcnn_loss(
    class_logits: Tensor,
    box_regression: Tensor,
    labels: list[Tensor],
    regression_targets: list[Tensor],
) -> tuple[Tensor, Tensor]:
    """The losses of the classes and of the boxes of positive proposals (Girshick 2015)."""
    label = cat(labels, dim=0)
    targets = cat(regression_targets, dim=0)
    classification = F.cross_entropy(class_logits, label)
    positive = where(label > 0)[0]
    codes = box_regression.reshape(class_logits.shape[0], box_regression.size(-1) // 4, 4)
    box = F.smooth_l1_loss(
        codes[positive, label[positive]], targets[positive], beta=1 / 9, reduction="sum"
    )
    return classification, box / label.numel()


class RoIHeads(nn.Module):
    """Heads on the features of proposals; those for masks and keypoints may be absent."""

    def __init__(
        self,
        box_roi_pool,
        box_head,
        box_predictor,
        fg_iou_thresh,
        bg_iou_thresh,
        batch_size_per_image,
        positive_fraction,
        bbox_reg_weights,
        score_thresh,
        nms_thresh,
        detections_per_img,
        mask_roi_pool=None,
        mask_head=None,
        mask_predictor=None,
        keypoint_roi_pool=None,
        keypoint_head=None,
        keypoint_predictor=None,
    ):
        super().__init__()
        self.box_similarity = ops.box_iou
        self.proposal_matcher = det_utils.Matcher(
            fg_iou_thresh, bg_iou_thresh, allow_low_quality_matches=False
        )
        self.fg_bg_sampler = det_utils.BalancedPositiveNegativeSampler(
            batch_size_per_image, positive_fraction
        )
        self.box_coder = det_utils.BoxCoder(bbox_reg_weights or (10.0, 10.0, 5.0, 5.0))
        self.box_roi_pool = box_roi_pool
        self.box_head = box_head
        self.box_predictor = box_predictor
        self.score_thresh = score_thresh
        self.nms_thresh = nms_thresh
        self.detections_per_img = detections_per_img
        self.mask_roi_pool = mask_roi_pool
        self.mask_head = mask_head
        self.mask_predictor = mask_predictor
        self.keypoint_roi_pool = keypoint_roi_pool
        self.keypoint_head = keypoint_head
        self.keypoint_predictor = keypoint_predictor

    def has_mask(self) -> bool:
        """Whether masks are predicted."""
        if self.mask_roi_pool is None or self.mask_head is None:
            return False
        return self.mask_predictor is not None

    def has_keypoint(self) -> bool:
        """Whether keypoints are predicted."""
        if self.keypoint_roi_pool is None or self.keypoint_head is None:
            return False
        return self.keypoint_predictor is not None

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """For each proposal the index of its truth, and the label: 0 none, -1 unclear."""
        matched_idxs, labels = [], []
        for boxes, truth, truth_labels in zip(proposals, gt_boxes, gt_labels):
            if truth.numel() == 0:
                matched = zeros((boxes.shape[0],), dtype=torch.int64, device=boxes.device)
                matched_idxs.append(matched)
                labels.append(matched.clone())
                continue
            found = self.proposal_matcher(self.box_similarity(truth, boxes))
            matched = found.clamp(min=0)
            label = truth_labels[matched].to(dtype=torch.int64)
            label[found == self.proposal_matcher.BELOW_LOW_THRESHOLD] = 0
            label[found == self.proposal_matcher.BETWEEN_THRESHOLDS] = -1
            matched_idxs.append(matched)
            labels.append(label)
        return matched_idxs, labels

    def subsample(self, labels: list[Tensor]) -> list[Tensor]:
        """The proposals of each image that are trained on."""
        positive, negative = self.fg_bg_sampler(labels)
        return [where(p | n)[0] for p, n in zip(positive, negative)]

    def add_gt_proposals(self, proposals: list[Tensor], gt_boxes: list[Tensor]) -> list[Tensor]:
        """The proposals, and the truth's boxes behind them."""
        return [cat((boxes, truth)) for boxes, truth in zip(proposals, gt_boxes)]

    def check_targets(self, targets: list[dict[str, Tensor]] | None) -> None:
        """ValueError unless the targets have what the heads want."""
        if targets is None:
            raise ValueError("targets should not be None")
        wanted = ["boxes", "labels"]
        if self.has_mask():
            wanted.append("masks")
        for name in wanted:
            for target in targets:
                if name not in target:
                    raise ValueError(f"Every element of targets should have a {name} key")

    def select_training_samples(
        self, proposals: list[Tensor], targets: list[dict[str, Tensor]] | None
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """Sampled proposals, their truths' indices, labels and the codes of their boxes."""
        self.check_targets(targets)
        assert targets is not None
        dtype = proposals[0].dtype
        gt_boxes = [t["boxes"].to(dtype) for t in targets]
        gt_labels = [t["labels"] for t in targets]
        proposals = self.add_gt_proposals(proposals, gt_boxes)
        matched, labels = self.assign_targets_to_proposals(proposals, gt_boxes, gt_labels)
        truths = []
        for i, sampled in enumerate(self.subsample(labels)):
            proposals[i] = proposals[i][sampled]
            labels[i] = labels[i][sampled]
            matched[i] = matched[i][sampled]
            boxes = gt_boxes[i]
            if boxes.numel() == 0:
                boxes = zeros((1, 4), dtype=dtype, device=proposals[i].device)
            truths.append(boxes[matched[i]])
        return proposals, matched, labels, self.box_coder.encode(truths, proposals)

    def postprocess_detections(
        self,
        class_logits: Tensor,
        box_regression: Tensor,
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """The best boxes, scores and labels of each image, after suppression in each class."""
        classes = class_logits.shape[-1]
        counts = [len(boxes) for boxes in proposals]
        all_boxes = self.box_coder.decode(box_regression, proposals).split(counts, 0)
        all_scores = F.softmax(class_logits, -1).split(counts, 0)
        found_boxes: list[Tensor] = []
        found_scores: list[Tensor] = []
        found_labels: list[Tensor] = []
        for boxes, scores, shape in zip(all_boxes, all_scores, image_shapes):
            boxes = ops.clip_boxes_to_image(boxes, shape)
            labels = arange(classes, device=boxes.device).view(1, -1).expand_as(scores)
            # Class 0 is the background.
            boxes, scores = boxes[:, 1:].reshape(-1, 4), scores[:, 1:].reshape(-1)
            labels = labels[:, 1:].reshape(-1)
            keep = where(scores > self.score_thresh)[0]
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = ops.remove_small_boxes(boxes, min_size=1e-2)
            boxes, scores, labels = boxes[keep], scores[keep], labels[keep]
            keep = ops.batched_nms(boxes, scores, labels, self.nms_thresh)
            keep = keep[: self.detections_per_img]
            found_boxes.append(boxes[keep])
            found_scores.append(scores[keep])
            found_labels.append(labels[keep])
        return found_boxes, found_scores, found_labels

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """The detections of each image (empty in training), and the losses (in training)."""
        if targets is not None:
            self._check_dtypes(targets)
        matched: list[Tensor] = []
        labels: list[Tensor] = []
        codes: list[Tensor] = []
        if self.training:
            proposals, matched, labels, codes = self.select_training_samples(proposals, targets)
        hidden = self.box_head(self.box_roi_pool(features, proposals, image_shapes))
        class_logits, box_regression = self.box_predictor(hidden)
        result: list[dict[str, Tensor]] = []
        losses: dict[str, Tensor] = {}
        if self.training:
            cls, box = fastrcnn_loss(class_logits, box_regression, labels, codes)
            losses = {"loss_classifier": cls, "loss_box_reg": box}
        else:
            found = self.postprocess_detections(
                class_logits, box_regression, proposals, image_shapes
            )
            for boxes, scores, label in zip(found[0], found[1], found[2]):
                result.append({"boxes": boxes, "labels": label, "scores": scores})
        if self.has_mask() or self.has_keypoint():
            if self.training:
                boxes, truths = self._positives(proposals, labels, matched)
            else:
                boxes, truths = [r["boxes"] for r in result], matched
            losses.update(self._masks(features, image_shapes, targets, boxes, truths, result))
            losses.update(self._keypoints(features, image_shapes, targets, boxes, truths, result))
        return result, losses

    def _check_dtypes(self, targets: list[dict[str, Tensor]]) -> None:
        for target in targets:
            if not target["boxes"].is_floating_point():
                raise TypeError(
                    f"target boxes must of float type, instead got {target['boxes'].dtype}"
                )
            if target["labels"].dtype != torch.int64:
                raise TypeError(
                    f"target labels must of int64 type, instead got {target['labels'].dtype}"
                )
            if self.has_keypoint() and target["keypoints"].dtype != torch.float32:
                raise TypeError(
                    f"target keypoints must of float type, instead got {target['keypoints'].dtype}"
                )

    def _positives(
        self, proposals: list[Tensor], labels: list[Tensor], matched: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """The boxes that masks and keypoints are trained on, and their truths' indices."""
        positive = [where(label > 0)[0] for label in labels]
        boxes = [b[p] for b, p in zip(proposals, positive)]
        return boxes, [m[p] for m, p in zip(matched, positive)]

    def _masks(
        self,
        features: dict[str, Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None,
        boxes: list[Tensor],
        truths: list[Tensor],
        result: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """The loss of the masks; without targets they are added to `result`."""
        losses: dict[str, Tensor] = {}
        if (
            self.mask_roi_pool is not None
            and self.mask_head is not None
            and self.mask_predictor is not None
        ):
            hidden = self.mask_head(self.mask_roi_pool(features, boxes, image_shapes))
            logits = self.mask_predictor(hidden)
            if self.training:
                assert targets is not None
                masks = [t["masks"] for t in targets]
                labels = [t["labels"] for t in targets]
                losses["loss_mask"] = maskrcnn_loss(logits, boxes, masks, labels, truths)
            else:
                chances = maskrcnn_inference(logits, [r["labels"] for r in result])
                for mask, found in zip(chances, result):
                    found["masks"] = mask
        return losses

    def _keypoints(
        self,
        features: dict[str, Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[dict[str, Tensor]] | None,
        boxes: list[Tensor],
        truths: list[Tensor],
        result: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """The loss of the keypoints; without targets they are added to `result`."""
        losses: dict[str, Tensor] = {}
        if (
            self.keypoint_roi_pool is not None
            and self.keypoint_head is not None
            and self.keypoint_predictor is not None
        ):
            hidden = self.keypoint_head(self.keypoint_roi_pool(features, boxes, image_shapes))
            logits = self.keypoint_predictor(hidden)
            if self.training:
                assert targets is not None
                keypoints = [t["keypoints"] for t in targets]
                losses["loss_keypoint"] = keypointrcnn_loss(logits, boxes, keypoints, truths)
            else:
                keypoints, scores = keypointrcnn_inference(logits, boxes)
                for keypoint, score, found in zip(keypoints, scores, result):
                    found["keypoints"] = keypoint
                    found["keypoints_scores"] = score
        return losses
