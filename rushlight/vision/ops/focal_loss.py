"""The focal loss for classes of very different frequency (Lin et al. 2017)."""

from __future__ import annotations

from ... import Tensor
from ...nn import functional as F
from ._utils import reduced


def sigmoid_focal_loss(
    inputs: Tensor,
    targets: Tensor,
    alpha: float = 0.25,
    gamma: float = 2,
    reduction: str = "none",
) -> Tensor:
    """Binary cross entropy of logits, with easy examples weighing little.

    `alpha` in [0, 1] balances positive and negative examples, -1 does not.
    """
    if not (0 <= alpha <= 1) and alpha != -1:
        raise ValueError(
            f"Invalid alpha value: {alpha}. alpha must be in the range [0,1] or -1 for ignore."
        )
    p = inputs.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    likely = p * targets + (1 - p) * (1 - targets)
    loss = entropy * (1 - likely) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction == "mean":
        return loss.mean()
    return reduced(loss, reduction)
