"""NVIDIA's collective communication library, which a build without CUDA does not have."""

from __future__ import annotations

from ._refused import refusing

SUM = 0


def is_available(tensors) -> bool:
    """Whether the library could work on `tensors`."""
    return False


version = refusing("version", "Version of the library")
unique_id = refusing("unique_id", "A name for a group of processes")
init_rank = refusing("init_rank", "Join a group of processes")
all_reduce = refusing("all_reduce", "Sum over GPUs, for all of them")
reduce = refusing("reduce", "Sum over GPUs, for one of them")
broadcast = refusing("broadcast", "Copy from one GPU to all")
all_gather = refusing("all_gather", "Join parts from all GPUs, for all of them")
reduce_scatter = refusing("reduce_scatter", "Sum over GPUs, a part for each")
