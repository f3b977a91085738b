"""The place of `torch.distributed.tensor.experimental` in versions before."""

from ..tensor.experimental import implicit_replication

__all__ = ["implicit_replication"]
