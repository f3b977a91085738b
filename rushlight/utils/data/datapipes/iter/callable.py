"""Where PyTorch has Collator and Mapper of pipes."""

from .single import CollatorIterDataPipe, MapperIterDataPipe

__all__ = ["CollatorIterDataPipe", "MapperIterDataPipe"]
