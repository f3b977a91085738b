"""Where PyTorch has Concater and Zipper of pipes."""

from . import ConcaterMapDataPipe, ZipperMapDataPipe

__all__ = ["ConcaterMapDataPipe", "ZipperMapDataPipe"]
