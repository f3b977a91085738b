"""FakeData, in the module that torchvision has it in."""

from .small import FakeData

__all__ = ["FakeData"]
