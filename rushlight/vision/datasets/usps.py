"""USPS, in the module that torchvision has it in."""

from .small import USPS

__all__ = ["USPS"]
