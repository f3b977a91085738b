"""LeNet-5: gradient-based learning applied to document recognition (LeCun et al. 1998)."""

from __future__ import annotations

from typing import Any

from ... import Tensor, flatten, nn

__all__ = ["LeNet", "lenet"]


class LeNet(nn.Module):
    """Two convolutions and three linear layers, for images (N, `in_channels`, 32, 32)."""

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        )  # fmt: skip
        self.classifier = nn.Sequential(
            nn.Linear(16 * 5 * 5, 120), nn.ReLU(inplace=True),
            nn.Linear(120, 84), nn.ReLU(inplace=True),
            nn.Linear(84, num_classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self.classifier(flatten(self.features(x), 1))


def lenet(**kwargs: Any) -> LeNet:
    """LeNet-5, which torchvision lacks; there are no published weights."""
    return LeNet(**kwargs)
