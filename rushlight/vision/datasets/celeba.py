"""CelebA, in the module that torchvision has it in."""

from .annotated import CelebA

__all__ = ["CelebA"]
