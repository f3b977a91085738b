"""What acts on distributed tensors, in a build without them."""

from .._absent import refused

implicit_replication = refused("implicit_replication")

__all__ = ["implicit_replication"]
