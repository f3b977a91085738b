"""Detectors in two stages: proposals, then heads for each."""

from __future__ import annotations

from .... import Tensor, nn
from ._detector import Detector
from .image_list import ImageList


class GeneralizedRCNN(Detector):
    """A transform, a backbone, a proposal network and heads, one after the other."""

    def __init__(
        self, backbone: nn.Module, rpn: nn.Module, roi_heads: nn.Module, transform: nn.Module
    ) -> None:
        super().__init__("RCNN")
        self.transform = transform
        self.backbone = backbone
        self.rpn = rpn
        self.roi_heads = roi_heads

    def _found(
        self,
        batch: ImageList,
        features: dict[str, Tensor],
        targets: list[dict[str, Tensor]] | None,
    ) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
        proposals, rpn_losses = self.rpn(batch, features, targets)
        detections, losses = self.roi_heads(features, proposals, batch.image_sizes, targets)
        losses.update(rpn_losses)
        return losses, detections
