"""Where PyTorch has ShardingFilter of pipes."""

from .single import ShardingFilterIterDataPipe

__all__ = ["ShardingFilterIterDataPipe"]
