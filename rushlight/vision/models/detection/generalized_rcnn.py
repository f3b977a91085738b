"""Detectors in two stages: proposals, then heads for each."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from typing import Any

from .... import Tensor, jit, nn
from . import _utils as det_utils


class GeneralizedRCNN(nn.Module):
    """A transform, a backbone, a proposal network and heads, one after the other."""

    def __init__(
        self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module
    ) -> None:
        super().__init__()
        self.transform = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads
        self._has_warned = False  # compiled programs say once that they return both

    @jit.unused
    def eager_outputs(self, losses: dict[str, Tensor], detections: list[dict[str, Tensor]]) -> Any:
        """The losses in training, else the detections."""
        return losses if self.training else detections

    def forward(self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None):
        """Losses by name in training, else boxes, labels, scores, ... of each image.

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
        proposals, rpn_losses = self.rpn(batch, features, targets)
        detections, losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        detections = self.transform.postprocess(detections, batch.image_sizes, originals)
        losses.update(rpn_losses)
        if jit.is_scripting():
            if not self._has_warned:
                warnings.warn(
                    "RCNN always returns a (Losses, Detections) tuple in scripting", stacklevel=2
                )
                self._has_warned = True
            return losses, detections
        return self.eager_outputs(losses, detections)
