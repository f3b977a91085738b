"""Tensors over several processes: types that nothing is an instance of, in a build without them."""

from .._absent import absent, refused

DTensor = absent("DTensor", __name__)
DeviceMesh = absent("DeviceMesh", __name__)
Placement = absent("Placement", __name__)
Replicate = absent("Replicate", __name__)
Shard = absent("Shard", __name__)
Partial = absent("Partial", __name__)
distribute_module = refused("distribute_module")
distribute_tensor = refused("distribute_tensor")

__all__ = [
    "DTensor",
    "DeviceMesh",
    "Partial",
    "Placement",
    "Replicate",
    "Shard",
    "distribute_module",
    "distribute_tensor",
]
