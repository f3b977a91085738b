"""Where PyTorch has IterableWrapper of pipes."""

from .single import IterableWrapperIterDataPipe

__all__ = ["IterableWrapperIterDataPipe"]
