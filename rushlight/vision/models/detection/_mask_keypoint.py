"""Masks and keypoints of regions: from the truth to targets, and from heads to images."""

from __future__ import annotations

import rushlight as torch

from .... import Tensor, arange, cat, stack, where, zeros
from ....nn import functional as F
from ...ops import roi_align


def maskrcnn_inference(x: Tensor, labels: list[Tensor]) -> list[Tensor]:
    """The probabilities (N, 1, M, M) of each image, of the predicted classes only."""
    counts = [label.shape[0] for label in labels]
    label = cat(labels)
    chosen = x.sigmoid()[arange(x.shape[0], device=label.device), label][:, None]
    return chosen.split(counts, dim=0)


def project_masks_on_boxes(gt_masks: Tensor, boxes: Tensor, matched_idxs: Tensor, M: int) -> Tensor:
    """The truth's masks inside boxes, as (N, M, M)."""
    rois = cat([matched_idxs.to(boxes)[:, None], boxes], dim=1)
    return roi_align(gt_masks[:, None].to(rois), rois, (M, M), 1.0)[:, 0]


def maskrcnn_loss(
    mask_logits: Tensor,
    proposals: list[Tensor],
    gt_masks: list[Tensor],
    gt_labels: list[Tensor],
    mask_matched_idxs: list[Tensor],
) -> Tensor:
    """The mean cross entropy of the masks of the true classes (He et al. 2017)."""
    size = mask_logits.shape[-1]
    labels = cat([label[i] for label, i in zip(gt_labels, mask_matched_idxs)], dim=0)
    targets = cat(
        [
            project_masks_on_boxes(m, p, i, size)
            for m, p, i in zip(gt_masks, proposals, mask_matched_idxs)
        ],
        dim=0,
    )
    if targets.numel() == 0:
        return mask_logits.sum() * 0
    rows = arange(labels.shape[0], device=labels.device)
    return F.binary_cross_entropy_with_logits(mask_logits[rows, labels], targets)


def keypoints_to_heatmap(
    keypoints: Tensor, rois: Tensor, heatmap_size: int
) -> tuple[Tensor, Tensor]:
    """The element of a heatmap that each keypoint falls in, and whether it does."""
    x1, y1 = rois[:, 0, None], rois[:, 1, None]
    scale_x = heatmap_size / (rois[:, 2] - rois[:, 0])
    scale_y = heatmap_size / (rois[:, 3] - rois[:, 1])
    x, y = keypoints[..., 0], keypoints[..., 1]
    right, bottom = x == rois[:, 2, None], y == rois[:, 3, None]
    x = ((x - x1) * scale_x[:, None]).floor().long()
    y = ((y - y1) * scale_y[:, None]).floor().long()
    x[right] = heatmap_size - 1
    y[bottom] = heatmap_size - 1
    inside = (x >= 0) & (y >= 0) & (x < heatmap_size) & (y < heatmap_size)
    valid = (inside & (keypoints[..., 2] > 0)).long()
    return (y * heatmap_size + x) * valid, valid


def heatmaps_to_keypoints(maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    """Where each keypoint's heatmap is largest, as (N, keypoints, 3), and its value there."""
    widths = (rois[:, 2] - rois[:, 0]).clamp(min=1)
    heights = (rois[:, 3] - rois[:, 1]).clamp(min=1)
    count = maps.shape[1]
    points = zeros((len(rois), 3, count), dtype=torch.float32, device=maps.device)
    scores = zeros((len(rois), count), dtype=torch.float32, device=maps.device)
    for i in range(len(rois)):
        wide, tall = int(widths[i].ceil().item()), int(heights[i].ceil().item())
        image = F.interpolate(
            maps[i][:, None], size=(tall, wide), mode="bicubic", align_corners=False
        )[:, 0]
        at = image.reshape(count, -1).argmax(dim=1)
        column, row = at % wide, (at - at % wide) // wide
        points[i, 0] = (column.float() + 0.5) * (widths[i] / wide) + rois[i, 0]
        points[i, 1] = (row.float() + 0.5) * (heights[i] / tall) + rois[i, 1]
        points[i, 2] = 1
        scores[i] = image[arange(count, device=maps.device), row, column]
    return points.permute(0, 2, 1), scores


def keypointrcnn_loss(
    keypoint_logits: Tensor,
    proposals: list[Tensor],
    gt_keypoints: list[Tensor],
    keypoint_matched_idxs: list[Tensor],
) -> Tensor:
    """The mean cross entropy of the places of visible keypoints (He et al. 2017)."""
    boxes, points, height, width = keypoint_logits.shape
    if height != width:
        raise ValueError(
            f"keypoint_logits height and width (last two elements of shape) should be equal. "
            f"Instead got H = {height} and W = {width}"
        )
    heatmaps, valid = [], []
    for proposal, truth, matched in zip(proposals, gt_keypoints, keypoint_matched_idxs):
        at, seen = keypoints_to_heatmap(truth[matched], proposal, height)
        heatmaps.append(at.view(-1))
        valid.append(seen.view(-1))
    targets = cat(heatmaps, dim=0)
    visible = where(cat(valid, dim=0).bool())[0]
    if targets.numel() == 0 or len(visible) == 0:
        return keypoint_logits.sum() * 0
    logits = keypoint_logits.view(boxes * points, height * width)
    return F.cross_entropy(logits[visible], targets[visible])


def keypointrcnn_inference(x: Tensor, boxes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """The keypoints of each image's boxes, and their scores."""
    counts = [box.size(0) for box in boxes]
    found = [heatmaps_to_keypoints(maps, box) for maps, box in zip(x.split(counts, dim=0), boxes)]
    return [f[0] for f in found], [f[1] for f in found]


def expand_boxes(boxes: Tensor, scale: float) -> Tensor:
    """Boxes (N, 4) scaled around their centres."""
    half_w, half_h = (boxes[:, 2] - boxes[:, 0]) * 0.5, (boxes[:, 3] - boxes[:, 1]) * 0.5
    x, y = (boxes[:, 2] + boxes[:, 0]) * 0.5, (boxes[:, 3] + boxes[:, 1]) * 0.5
    half_w, half_h = half_w * scale, half_h * scale
    sides = [x - half_w, y - half_h, x + half_w, y + half_h]
    return stack(sides, dim=1).to(boxes.dtype)


def expand_masks(mask: Tensor, padding: int) -> tuple[Tensor, float]:
    """Masks with a border of zeros, and how much larger they are."""
    size = mask.shape[-1]
    return F.pad(mask, [padding] * 4), float(size + 2 * padding) / size


def paste_mask_in_image(mask: Tensor, box: Tensor, im_h: int, im_w: int) -> Tensor:
    """A mask (M, M) at its box of an image (im_h, im_w), zeros elsewhere."""
    x1, y1, x2, y2 = int(box[0]), int(box[1]), int(box[2]), int(box[3])
    w, h = max(x2 - x1 + 1, 1), max(y2 - y1 + 1, 1)
    mask = F.interpolate(
        mask.expand((1, 1, -1, -1)), size=(h, w), mode="bilinear", align_corners=False
    )[0][0]
    image = zeros((im_h, im_w), dtype=mask.dtype, device=mask.device)
    left, right = max(x1, 0), min(x2 + 1, im_w)
    top, bottom = max(y1, 0), min(y2 + 1, im_h)
    image[top:bottom, left:right] = mask[top - y1 : bottom - y1, left - x1 : right - x1]
    return image


def paste_masks_in_image(
    masks: Tensor, boxes: Tensor, img_shape: tuple[int, int], padding: int = 1
) -> Tensor:
    """Masks (N, 1, M, M) at their boxes of images (N, 1, *img_shape)."""
    masks, scale = expand_masks(masks, padding=padding)
    boxes = expand_boxes(boxes, scale).to(dtype=torch.int64)
    height, width = img_shape
    found = [paste_mask_in_image(mask[0], box, height, width) for mask, box in zip(masks, boxes)]
    if len(found) == 0:
        return masks.new_empty((0, 1, height, width))
    return stack(found, dim=0)[:, None]
