"""Where PyTorch has Shuffler of pipes."""

from . import ShufflerIterDataPipe

__all__ = ["ShufflerIterDataPipe"]
