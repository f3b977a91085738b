"""SVHN, in the module that torchvision has it in."""

from .small import SVHN

__all__ = ["SVHN"]
