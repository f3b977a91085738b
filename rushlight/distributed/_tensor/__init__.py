"""The place of `torch.distributed.tensor` in versions before."""

from ..tensor import DeviceMesh, DTensor, Replicate, Shard, distribute_module, distribute_tensor

__all__ = ["DTensor", "DeviceMesh", "Replicate", "Shard", "distribute_module", "distribute_tensor"]
