"""Where PyTorch has Mapper of pipes."""

from . import MapperMapDataPipe

__all__ = ["MapperMapDataPipe"]
