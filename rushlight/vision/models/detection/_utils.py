"""What detectors share: coding of boxes, matching with the truth, sampling, the box losses."""

from __future__ import annotations

import math
import warnings
from collections import OrderedDict

import rushlight as torch

from .... import (
    Tensor,
    arange,
    cat,
    full_like,
    nn,
    no_grad,
    randperm,
    stack,
    tensor,
    where,
    zeros,
    zeros_like,
)
from ....nn import functional as F
from ...ops import (
    FrozenBatchNorm2d,
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
)


class BalancedPositiveNegativeSampler:
    """Draws at most `batch_size_per_image` boxes, at most a share `positive_fraction` positive."""

    def __init__(self, batch_size_per_image: int, positive_fraction: float) -> None:
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Masks of the drawn positive and negative boxes of each image.

        Values of at least 1 are positive, 0 negative, others neither.
        """
        positives: list[Tensor] = []
        negatives: list[Tensor] = []
        for matched in matched_idxs:
            positive, negative = where(matched >= 1)[0], where(matched == 0)[0]
            wanted = int(self.batch_size_per_image * self.positive_fraction)
            count = min(positive.numel(), wanted)
            positives.append(_drawn(matched, positive, count))
            count = min(negative.numel(), self.batch_size_per_image - count)
            negatives.append(_drawn(matched, negative, count))
        return positives, negatives


def _drawn(matched: Tensor, group: Tensor, count: int) -> Tensor:
    """The mask of `count` boxes of a group."""
    mask = zeros_like(matched, dtype=torch.uint8)
    mask[group[randperm(group.numel(), device=group.device)[:count]]] = 1
    return mask


def _centres(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(widths, heights, centres x, centres y) of boxes (N, 4)."""
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return w, h, boxes[:, 0] + 0.5 * w, boxes[:, 1] + 0.5 * h


def encode_boxes(reference_boxes: Tensor, proposals: Tensor, weights: Tensor) -> Tensor:
    """What takes each proposal to its reference box (Girshick et al. 2014, appendix C)."""
    w, h, x, y = _centres(proposals)
    ref_w, ref_h, ref_x, ref_y = _centres(reference_boxes)
    wx, wy, ww, wh = weights.unbind()
    deltas = (
        wx * (ref_x - x) / w,
        wy * (ref_y - y) / h,
        ww * (ref_w / w).log(),
        wh * (ref_h / h).log(),
    )
    return stack(deltas, dim=1)


class BoxCoder:
    """Boxes as differences to others, with a weight for each of the four numbers."""

    def __init__(
        self,
        weights: tuple[float, float, float, float],
        bbox_xform_clip: float = math.log(1000.0 / 16),
    ) -> None:
        self.weights = weights
        self.bbox_xform_clip = bbox_xform_clip

    def encode(self, reference_boxes: list[Tensor], proposals: list[Tensor]) -> list[Tensor]:
        """The codes of each image's boxes."""
        sizes = [len(b) for b in reference_boxes]
        found = self.encode_single(cat(reference_boxes, dim=0), cat(proposals, dim=0))
        return found.split(sizes, 0)

    def encode_single(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """The codes (N, 4) of boxes (N, 4)."""
        dtype, device = reference_boxes.dtype, reference_boxes.device
        weights = tensor(self.weights, dtype=dtype, device=device)
        return encode_boxes(reference_boxes, proposals, weights)

    def decode(self, rel_codes: Tensor, boxes: list[Tensor]) -> Tensor:
        """The boxes (N, classes, 4) of all images' codes (N, classes * 4)."""
        count = sum([b.size(0) for b in boxes])
        if count > 0:
            rel_codes = rel_codes.reshape(count, -1)
        found = self.decode_single(rel_codes, cat(boxes, dim=0))
        return found.reshape(count, -1, 4) if count > 0 else found

    def decode_single(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """The boxes (N, classes * 4) of codes of that shape, relative to `boxes` (N, 4)."""
        w, h, x, y = _centres(boxes.to(rel_codes.dtype))
        w, h, x, y = w[:, None], h[:, None], x[:, None], y[:, None]
        wx, wy, ww, wh = self.weights
        dw = (rel_codes[:, 2::4] / ww).clamp(max=self.bbox_xform_clip)
        dh = (rel_codes[:, 3::4] / wh).clamp(max=self.bbox_xform_clip)
        mid_x, mid_y = rel_codes[:, 0::4] / wx * w + x, rel_codes[:, 1::4] / wy * h + y
        half_w, half_h = 0.5 * (dw.exp() * w), 0.5 * (dh.exp() * h)
        corners = (mid_x - half_w, mid_y - half_h, mid_x + half_w, mid_y + half_h)
        return stack(corners, dim=2).flatten(1)


class BoxLinearCoder:
    """Boxes as distances of their sides from the centres of others, over their size if asked."""

    def __init__(self, normalize_by_size: bool = True) -> None:
        self.normalize_by_size = normalize_by_size

    def _scale(self, boxes: Tensor) -> Tensor:
        w, h = boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]
        return stack((w, h, w, h), dim=-1)

    def encode(self, reference_boxes: Tensor, proposals: Tensor) -> Tensor:
        """The codes (..., 4) of `proposals` from the centres of `reference_boxes`."""
        x = 0.5 * (reference_boxes[..., 0] + reference_boxes[..., 2])
        y = 0.5 * (reference_boxes[..., 1] + reference_boxes[..., 3])
        x1, y1, x2, y2 = proposals.unbind(-1)
        codes = stack((x - x1, y - y1, x2 - x, y2 - y), dim=-1)
        return codes / self._scale(reference_boxes) if self.normalize_by_size else codes

    def decode(self, rel_codes: Tensor, boxes: Tensor) -> Tensor:
        """The boxes (..., 4) of codes from the centres of `boxes`."""
        boxes = boxes.to(dtype=rel_codes.dtype)
        x, y = 0.5 * (boxes[..., 0] + boxes[..., 2]), 0.5 * (boxes[..., 1] + boxes[..., 3])
        if self.normalize_by_size:
            rel_codes = rel_codes * self._scale(boxes)
        left, top, right, bottom = rel_codes.unbind(-1)
        return stack((x - left, y - top, x + right, y + bottom), dim=-1)


class Matcher:
    """Gives each box the truth that it overlaps most, if it does enough.

    Below `low_threshold` a box gets -1, up to `high_threshold` -2. `allow_low_quality_matches`
    gives every truth the boxes that overlap it most all the same.
    """

    BELOW_LOW_THRESHOLD = -1
    BETWEEN_THRESHOLDS = -2

    def __init__(
        self,
        high_threshold: float,
        low_threshold: float,
        allow_low_quality_matches: bool = False,
    ) -> None:
        if low_threshold > high_threshold:
            raise AssertionError("low_threshold should be <= high_threshold")
        self.BELOW_LOW_THRESHOLD = -1  # of the instance too, which compiled programs read
        self.BETWEEN_THRESHOLDS = -2
        self.high_threshold = high_threshold
        self.low_threshold = low_threshold
        self.allow_low_quality_matches = allow_low_quality_matches

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        """The truth's index for each box, from overlaps (truths, boxes)."""
        if match_quality_matrix.numel() == 0:
            what = "ground-truth" if match_quality_matrix.shape[0] == 0 else "proposal"
            raise ValueError(f"No {what} boxes available for one of the images during training")
        values, matches = match_quality_matrix.max(dim=0)
        every = matches.clone() if self.allow_low_quality_matches else None
        matches[values < self.low_threshold] = self.BELOW_LOW_THRESHOLD
        between = (values >= self.low_threshold) & (values < self.high_threshold)
        matches[between] = self.BETWEEN_THRESHOLDS
        if every is not None:
            self.set_low_quality_matches_(matches, every, match_quality_matrix)
        return matches

    def set_low_quality_matches_(
        self, matches: Tensor, all_matches: Tensor, match_quality_matrix: Tensor
    ) -> None:
        """Put back the matches of the boxes that overlap some truth most, ties included."""
        best, _ = match_quality_matrix.max(dim=1)
        boxes = where(match_quality_matrix == best[:, None])[1]
        matches[boxes] = all_matches[boxes]


class SSDMatcher(Matcher):
    """Gives every truth the box that overlaps it most, whatever the threshold."""

    def __init__(self, threshold: float) -> None:
        super().__init__(threshold, threshold, allow_low_quality_matches=False)

    def __call__(self, match_quality_matrix: Tensor) -> Tensor:
        """The truth's index for each box, from overlaps (truths, boxes)."""
        matches = super().__call__(match_quality_matrix)
        _, best = match_quality_matrix.max(dim=1)
        matches[best] = arange(best.size(0), dtype=torch.int64, device=best.device)
        return matches


def overwrite_eps(model: nn.Module, eps: float) -> None:
    """Set eps of all frozen batch normalisations: old weights were trained with 0."""
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps


def retrieve_out_channels(model: nn.Module, size: tuple[int, int]) -> list[int]:
    """The channels of a backbone's maps, found by running it on an image of `size`."""
    training = model.training
    model.eval()
    with no_grad():
        device = next(model.parameters()).device
        features = model(zeros((1, 3, size[1], size[0]), device=device))
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        channels = [x.size(1) for x in features.values()]
    model.train(training)
    return channels


def _validate_trainable_layers(
    is_trained: bool, trainable_backbone_layers: int | None, max_value: int, default_value: int
) -> int:
    """How many layers of a backbone to train: all where it has no weights."""
    if not is_trained:
        if trainable_backbone_layers is not None:
            warnings.warn(
                "Changing trainable_backbone_layers has no effect if neither pretrained nor "
                "pretrained_backbone have been set to True, falling back to "
                f"trainable_backbone_layers={max_value} so that all layers are trainable",
                stacklevel=2,
            )
        trainable_backbone_layers = max_value
    if trainable_backbone_layers is None:
        trainable_backbone_layers = default_value
    if not 0 <= trainable_backbone_layers <= max_value:
        raise ValueError(
            f"Trainable backbone layers should be in the range [0,{max_value}], got "
            f"{trainable_backbone_layers} "
        )
    return trainable_backbone_layers


def _topk_min(input: Tensor, orig_kval: int, axis: int) -> int:
    """k, or the size along `axis` where that is smaller."""
    return min(orig_kval, input.size(axis))


def _box_loss(
    type: str,
    box_coder: BoxCoder,
    anchors_per_image: Tensor,
    matched_gt_boxes_per_image: Tensor,
    bbox_regression_per_image: Tensor,
    cnf: dict[str, float] | None = None,
) -> Tensor:
    """The summed loss of boxes: "l1" or "smooth_l1" of the codes, "ciou", "diou", "giou"."""
    if type in ["l1", "smooth_l1"]:
        target = box_coder.encode_single(matched_gt_boxes_per_image, anchors_per_image)
        if type == "l1":
            return F.l1_loss(bbox_regression_per_image, target, reduction="sum")
        beta = cnf["beta"] if cnf is not None and "beta" in cnf else 1.0
        return F.smooth_l1_loss(bbox_regression_per_image, target, reduction="sum", beta=beta)
    truth = matched_gt_boxes_per_image
    boxes = box_coder.decode_single(bbox_regression_per_image, anchors_per_image)
    eps = cnf["eps"] if cnf is not None and "eps" in cnf else 1e-7
    if type == "ciou":
        return complete_box_iou_loss(boxes, truth, reduction="sum", eps=eps)
    if type == "diou":
        return distance_box_iou_loss(boxes, truth, reduction="sum", eps=eps)
    if type == "giou":
        return generalized_box_iou_loss(boxes, truth, reduction="sum", eps=eps)
    raise ValueError(f"Unsupported loss {type}")


def check_targets(targets: list[dict[str, Tensor]] | None) -> None:
    """AssertionError unless there are boxes (N, 4) for each image."""
    if targets is None:
        raise AssertionError("targets should not be none when in training mode")
    for target in targets:
        boxes = target["boxes"]
        if not isinstance(boxes, Tensor):
            raise AssertionError(
                f"Expected target boxes to be of type Tensor, got {boxes.__class__}."
            )
        if boxes.dim() != 2 or boxes.shape[-1] != 4:
            raise AssertionError(
                f"Expected target boxes to be a tensor of shape [N, 4], got {boxes.shape}."
            )


def check_degenerate(targets: list[dict[str, Tensor]] | None) -> None:
    """AssertionError where a box of the truth has no area."""
    if targets is None:
        return
    for index, target in enumerate(targets):
        boxes = target["boxes"]
        degenerate = boxes[:, 2:] <= boxes[:, :2]
        if degenerate.any():
            row = where(degenerate.any(dim=1))[0][0]
            corners: list[float] = boxes[row].tolist()
            raise AssertionError(
                "All bounding boxes should have positive height and width. Found invalid box "
                f"{corners} for target at index {index}."
            )


def image_sizes(images: list[Tensor]) -> list[tuple[int, int]]:
    """Height and width of each image."""
    for image in images:
        if len(image.shape[-2:]) != 2:
            raise AssertionError(
                "expecting the last two dimensions of the Tensor to be H and W instead got "
                f"{image.shape[-2:]}"
            )
    return [(image.shape[-2], image.shape[-1]) for image in images]


def unmatched(anchors: Tensor) -> Tensor:
    """-1 for every anchor: the matches of an image without any truth."""
    return full_like(anchors[:, 0], -1, dtype=torch.int64)
