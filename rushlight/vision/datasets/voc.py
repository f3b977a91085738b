"""VOCDetection, in the module that torchvision has it in."""

from .annotated import DATASET_YEAR_DICT, VOCDetection, VOCSegmentation

__all__ = ["DATASET_YEAR_DICT", "VOCDetection", "VOCSegmentation"]
