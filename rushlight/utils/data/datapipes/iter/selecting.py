"""Where PyTorch has Filter of pipes."""

from .single import FilterIterDataPipe

__all__ = ["FilterIterDataPipe"]
