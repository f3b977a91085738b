"""What PyTorch calls our modules, and the way back: classes say the former under the alias."""

from __future__ import annotations


def in_pytorch(module: str) -> str:
    """The name of one of our modules there; other modules as they are."""
    if module == "rushlight.vision" or module.startswith("rushlight.vision."):
        return "torchvision" + module[len("rushlight.vision") :]
    if module == "rushlight" or module.startswith("rushlight."):
        return "torch" + module[len("rushlight") :]
    return module


def in_rushlight(module: str) -> str:
    """The name here of one of our modules, whether the alias is active or not."""
    for theirs, own in (("torchvision", "rushlight.vision"), ("torch", "rushlight")):
        if module == theirs or module.startswith(f"{theirs}."):
            return own + module[len(theirs) :]
    return module
