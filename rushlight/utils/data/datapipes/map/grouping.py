"""Where PyTorch has Batcher of pipes."""

from . import BatcherMapDataPipe

__all__ = ["BatcherMapDataPipe"]
