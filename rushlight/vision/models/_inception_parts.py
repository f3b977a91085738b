"""What GoogLeNet, Inception v3 and their relatives share."""

from __future__ import annotations

from typing import Any

from ... import Tensor, cat, nn, unsqueeze
from ...nn import functional as F


class BasicConv2d(nn.Module):
    """A convolution without bias, batch normalisation, relu."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        """The activated maps."""
        return F.relu(self.bn(self.conv(x)), inplace=True)


def draw_weights(model: nn.Module, std: float) -> None:
    """Truncated normal weights of deviation `std`, or the module's own `stddev`."""
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            own = float(getattr(module, "stddev", std))
            nn.init.trunc_normal_(module.weight, mean=0.0, std=own, a=-2, b=2)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.weight, 1)
            nn.init.constant_(module.bias, 0)


def imagenet_input(x: Tensor) -> Tensor:
    """Input normalised with ImageNet's mean and deviation, as if by 0.5 and 0.5."""
    channels = [
        unsqueeze(x[:, i], 1) * (std / 0.5) + (mean - 0.5) / 0.5
        for i, (mean, std) in enumerate(zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    ]
    return cat(channels, 1)
