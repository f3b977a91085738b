"""CocoCaptions, in the module that torchvision has it in."""

from .annotated import CocoCaptions, CocoDetection

__all__ = ["CocoCaptions", "CocoDetection"]
