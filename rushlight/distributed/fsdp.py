"""Sharded parameters: types that nothing is an instance of, in a build without them."""

from ._absent import absent, refused

FullyShardedDataParallel = absent("FullyShardedDataParallel", __name__)
FSDPModule = absent("FSDPModule", __name__)
MixedPrecision = absent("MixedPrecision", __name__)
MixedPrecisionPolicy = absent("MixedPrecisionPolicy", __name__)
CPUOffload = absent("CPUOffload", __name__)
CPUOffloadPolicy = absent("CPUOffloadPolicy", __name__)
fully_shard = refused("fully_shard")

__all__ = [
    "CPUOffload",
    "CPUOffloadPolicy",
    "FSDPModule",
    "FullyShardedDataParallel",
    "MixedPrecision",
    "MixedPrecisionPolicy",
    "fully_shard",
]
