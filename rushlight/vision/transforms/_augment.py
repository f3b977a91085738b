"""Operations on images that augmentation policies draw from, and the policies of AutoAugment."""

from __future__ import annotations

from typing import Any

import rushlight as torch

# Two operations a line: name, probability, place among ten magnitudes (where it has any). From
# tables 7 to 9 of "AutoAugment: Learning Augmentation Policies from Data" (Cubuk et al., 2019).
POLICIES = {
    "imagenet": """
        Posterize 0.4 8, Rotate 0.6 9
        Solarize 0.6 5, AutoContrast 0.6
        Equalize 0.8, Equalize 0.6
        Posterize 0.6 7, Posterize 0.6 6
        Equalize 0.4, Solarize 0.2 4
        Equalize 0.4, Rotate 0.8 8
        Solarize 0.6 3, Equalize 0.6
        Posterize 0.8 5, Equalize 1
        Rotate 0.2 3, Solarize 0.6 8
        Equalize 0.6, Posterize 0.4 6
        Rotate 0.8 8, Color 0.4 0
        Rotate 0.4 9, Equalize 0.6
        Equalize 0, Equalize 0.8
        Invert 0.6, Equalize 1
        Color 0.6 4, Contrast 1 8
        Rotate 0.8 8, Color 1 2
        Color 0.8 8, Solarize 0.8 7
        Sharpness 0.4 7, Invert 0.6
        ShearX 0.6 5, Equalize 1
        Color 0.4 0, Equalize 0.6
        Equalize 0.4, Solarize 0.2 4
        Solarize 0.6 5, AutoContrast 0.6
        Invert 0.6, Equalize 1
        Color 0.6 4, Contrast 1 8
        Equalize 0.8, Equalize 0.6
    """,
    "cifar10": """
        Invert 0.1, Contrast 0.2 6
        Rotate 0.7 2, TranslateX 0.3 9
        Sharpness 0.8 1, Sharpness 0.9 3
        ShearY 0.5 8, TranslateY 0.7 9
        AutoContrast 0.5, Equalize 0.9
        ShearY 0.2 7, Posterize 0.3 7
        Color 0.4 3, Brightness 0.6 7
        Sharpness 0.3 9, Brightness 0.7 9
        Equalize 0.6, Equalize 0.5
        Contrast 0.6 7, Sharpness 0.6 5
        Color 0.7 7, TranslateX 0.5 8
        Equalize 0.3, AutoContrast 0.4
        TranslateY 0.4 3, Sharpness 0.2 6
        Brightness 0.9 6, Color 0.2 8
        Solarize 0.5 2, Invert 0
        Equalize 0.2, AutoContrast 0.6
        Equalize 0.2, Equalize 0.6
        Color 0.9 9, Equalize 0.6
        AutoContrast 0.8, Solarize 0.2 8
        Brightness 0.1 3, Color 0.7 0
        Solarize 0.4 5, AutoContrast 0.9
        TranslateY 0.9 9, TranslateY 0.7 9
        AutoContrast 0.9, Solarize 0.8 3
        Equalize 0.8, Invert 0.1
        TranslateY 0.7 9, AutoContrast 0.9
    """,
    "svhn": """
        ShearX 0.9 4, Invert 0.2
        ShearY 0.9 8, Invert 0.7
        Equalize 0.6, Solarize 0.6 6
        Invert 0.9, Equalize 0.6
        Equalize 0.6, Rotate 0.9 3
        ShearX 0.9 4, AutoContrast 0.8
        ShearY 0.9 8, Invert 0.4
        ShearY 0.9 5, Solarize 0.2 6
        Invert 0.9, AutoContrast 0.8
        Equalize 0.6, Rotate 0.9 3
        ShearX 0.9 4, Solarize 0.3 3
        ShearY 0.8 8, Invert 0.7
        Equalize 0.9, TranslateY 0.6 6
        Invert 0.9, Equalize 0.6
        Contrast 0.3 3, Rotate 0.8 4
        Invert 0.8, TranslateY 0 2
        ShearY 0.7 6, Solarize 0.4 8
        Invert 0.6, Rotate 0.8 4
        ShearY 0.3 7, TranslateX 0.9 3
        ShearX 0.1 6, Invert 0.6
        Solarize 0.7 2, TranslateY 0.6 7
        ShearY 0.8 4, Invert 0.8
        ShearX 0.7 9, TranslateY 0.8 3
        ShearY 0.8 5, AutoContrast 0.7
        ShearX 0.7 2, Invert 0.1
    """,
}

Step = tuple[str, float, "int | None"]


def policies(name: str) -> list[tuple[Step, Step]]:
    """The pairs of operations of a policy: (name, probability, place of the magnitude)."""

    def step(words: list[str]) -> Step:
        return words[0], float(words[1]), int(words[2]) if words[2:] else None

    rows = (line.split(",") for line in POLICIES[name].strip().splitlines())
    return [tuple(step(part.split()) for part in row) for row in rows]


def _line(last: float):
    """Magnitudes from 0 up, at equal steps."""
    return lambda bins, height, width: torch.linspace(0.0, last, bins)


def _part(share: float, of_width: bool):
    """Magnitudes from 0 to a share of the image's width or height."""

    def magnitudes(bins: int, height: int, width: int) -> Any:
        return torch.linspace(0.0, share * (width if of_width else height), bins)

    return magnitudes


def _bits(most: int, fewer: int):
    """Numbers of bits from `most` down."""

    def magnitudes(bins: int, height: int, width: int) -> Any:
        steps = torch.arange(bins) / ((bins - 1) / fewer)
        return most - steps.round().int()

    return magnitudes


def _none(bins: int, height: int, width: int) -> Any:
    return None


_COLOURS = ("Brightness", "Color", "Contrast", "Sharpness")


def space(kind: str, white: float = 255.0) -> dict[str, tuple[Any, bool]]:
    """By name: the function (bins, height, width) to magnitudes, and whether these have a sign.

    `kind`: "auto", "rand", "trivial", "mix" or "mix all". `white`: where solarizing begins.
    """
    mix, wide = kind.startswith("mix"), kind == "trivial"
    found: dict[str, tuple[Any, bool]] = {}
    if kind in ("rand", "trivial"):
        found["Identity"] = (_none, False)
    found["ShearX"] = found["ShearY"] = (_line(0.99 if wide else 0.3), True)
    for name, of_width in (("TranslateX", True), ("TranslateY", False)):
        share = 1.0 / 3.0 if mix else 150.0 / 331.0
        found[name] = (_line(32.0) if wide else _part(share, of_width), True)
    found["Rotate"] = (_line(135.0 if wide else 30.0), True)
    colours = {name: (_line(0.99 if wide else 0.9), True) for name in _COLOURS}
    if not mix:
        found |= colours
    found["Posterize"] = (_bits(4 if mix else 8, 6 if wide else 4), False)
    found["Solarize"] = (lambda bins, height, width: torch.linspace(white, 0.0, bins), False)
    found["AutoContrast"] = found["Equalize"] = (_none, False)
    if kind == "auto":
        found["Invert"] = (_none, False)
    return found | colours if kind == "mix all" else found
