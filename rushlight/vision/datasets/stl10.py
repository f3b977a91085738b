"""STL10, in the module that torchvision has it in."""

from .small import STL10

__all__ = ["STL10"]
