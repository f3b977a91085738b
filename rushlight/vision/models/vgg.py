"""VGG: very deep convolutional networks for large-scale recognition (Simonyan, Zisserman 2014)."""

from __future__ import annotations

from typing import Any

from ... import Tensor, flatten, nn
from ._api import load_into, model_builder, weights_enum
from ._utils import _ovewrite_named_param

_SIZES = (11, 13, 16, 19)
_VARIANTS = [f"{n}{bn}" for n in _SIZES for bn in ("", "_bn")]
__all__ = ["VGG", *(f"VGG{v.upper()}_Weights" for v in _VARIANTS), *(f"vgg{v}" for v in _VARIANTS)]


class VGG(nn.Module):
    """Convolutional `features`, then three linear layers."""

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        if not init_weights:
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, num_classes)."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def make_layers(cfg: list[str | int], batch_norm: bool = False) -> nn.Sequential:
    """Convolutions of these numbers of channels, with pooling at each "M"."""
    layers: list[nn.Module] = []
    channels = 3
    for item in cfg:
        if item == "M":
            layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
            continue
        layers.append(nn.Conv2d(channels, int(item), kernel_size=3, padding=1))
        if batch_norm:
            layers.append(nn.BatchNorm2d(int(item)))
        layers.append(nn.ReLU(inplace=True))
        channels = int(item)
    return nn.Sequential(*layers)


def _stages(*depths: int) -> list[str | int]:
    """As many convolutions in each stage, pooling after it."""
    layers: list[str | int] = []
    for depth, channels in zip(depths, (64, 128, 256, 512, 512)):
        layers += [channels] * depth + ["M"]
    return layers


cfgs: dict[str, list[str | int]] = {
    "A": _stages(1, 1, 2, 2, 2),
    "B": _stages(2, 2, 2, 2, 2),
    "D": _stages(2, 2, 3, 3, 3),
    "E": _stages(2, 2, 4, 4, 4),
}


def _vgg(cfg: str, batch_norm: bool, weights: Any, progress: bool, **kwargs: Any) -> VGG:
    if weights is not None:
        kwargs["init_weights"] = False
        if weights.meta["categories"] is not None:
            _ovewrite_named_param(kwargs, "num_classes", len(weights.meta["categories"]))
    model = VGG(make_layers(cfgs[cfg], batch_norm=batch_norm), **kwargs)
    return load_into(model, weights, progress)  # type: ignore[return-value]


def _define(layers: int, cfg: str, batch_norm: bool) -> None:
    suffix = "_bn" if batch_norm else ""
    kind = weights_enum(f"VGG{layers}{suffix.upper()}_Weights")

    def make(weights, progress, **kwargs: Any) -> VGG:
        return _vgg(cfg, batch_norm, weights, progress, **kwargs)

    make.__name__ = make.__qualname__ = f"vgg{layers}{suffix}"
    make.__doc__ = f"VGG-{layers} ({cfg}){' with batch normalisation' if batch_norm else ''}."
    globals()[kind.__name__] = kind
    globals()[make.__name__] = model_builder(kind, loads=True)(make)


for _layers, _cfg in zip(_SIZES, "ABDE"):
    for _batch_norm in (False, True):
        _define(_layers, _cfg, _batch_norm)
