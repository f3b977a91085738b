"""Training in several processes, as a build without `torch.distributed` has it."""

from __future__ import annotations

from ..modules.module import Module


class DistributedDataParallel(Module):
    """A module whose gradients processes share: no module is one here, and none can be made.

    Programs ask `isinstance(model, DistributedDataParallel)` in one process too.
    """

    def __init__(self, module: Module, *args, **kwargs) -> None:
        raise RuntimeError(
            "DistributedDataParallel: this build has no distributed package "
            "(torch.distributed.is_available() is False; docs/gaps.md): use the module itself"
        )
