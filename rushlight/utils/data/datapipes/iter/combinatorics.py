"""Where PyTorch has Sampler and Shuffler of pipes."""

from .single import SamplerIterDataPipe, ShufflerIterDataPipe

__all__ = ["SamplerIterDataPipe", "ShufflerIterDataPipe"]
