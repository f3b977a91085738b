"""Where PyTorch has StreamReader of pipes."""

from .files import StreamReaderIterDataPipe

__all__ = ["StreamReaderIterDataPipe"]
