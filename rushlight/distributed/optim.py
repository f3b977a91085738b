"""Distributed optimizers: types that nothing is an instance of, in a build without them."""

from ._absent import absent

ZeroRedundancyOptimizer = absent("ZeroRedundancyOptimizer", __name__)
DistributedOptimizer = absent("DistributedOptimizer", __name__)
PostLocalSGDOptimizer = absent("PostLocalSGDOptimizer", __name__)

__all__ = ["DistributedOptimizer", "PostLocalSGDOptimizer", "ZeroRedundancyOptimizer"]
