"""SEMEION, in the module that torchvision has it in."""

from .small import SEMEION

__all__ = ["SEMEION"]
