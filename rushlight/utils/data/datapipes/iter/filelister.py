"""Where PyTorch has FileLister of pipes."""

from .files import FileListerIterDataPipe

__all__ = ["FileListerIterDataPipe"]
