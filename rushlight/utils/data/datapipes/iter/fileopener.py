"""Where PyTorch has FileOpener of pipes."""

from .files import FileOpenerIterDataPipe

__all__ = ["FileOpenerIterDataPipe"]
