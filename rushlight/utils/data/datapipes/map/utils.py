"""Where PyTorch has SequenceWrapper of pipes."""

from . import SequenceWrapperMapDataPipe

__all__ = ["SequenceWrapperMapDataPipe"]
