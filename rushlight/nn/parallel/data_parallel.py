"""One process, several GPUs: split the batch, run copies in threads, join the outputs.

Without a GPU the module just runs.
"""

from __future__ import annotations

import rushlight as torch

from ..modules.module import Module
from .parallel_apply import parallel_apply
from .replicate import replicate
from .scatter_gather import as_device, gather, scatter_kwargs

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(Module):
    """Splits each batch over the GPUs; with none, or one, it only calls the module."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.dim = dim
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        ids = list(range(count)) if device_ids is None else list(device_ids)
        self.device_ids = [d.index if isinstance(d, torch.device) else int(d) for d in ids]
        if not count:
            self.device_ids = []
            return
        if output_device is None:
            output_device = self.device_ids[0]
        self.output_device = output_device
        self.src_device_obj = torch.device("cuda", self.device_ids[0])
        if len(self.device_ids) == 1:
            self.module.to(self.src_device_obj)

    def forward(self, *inputs, **kwargs):
        if not self.device_ids:
            return self.module(*inputs, **kwargs)
        for tensor in (*self.module.parameters(), *self.module.buffers()):
            if tensor.device != self.src_device_obj:
                raise RuntimeError(
                    "module must have its parameters and buffers on device "
                    f"{self.src_device_obj} (device_ids[0]) but found one of them on device: "
                    f"{tensor.device}"
                )
        return data_parallel(
            self.module, inputs, self.device_ids, self.output_device, self.dim, kwargs
        )


def data_parallel(
    module: Module, inputs, device_ids=None, output_device=None, dim: int = 0, module_kwargs=None
):
    """Run a module once on a batch split over devices."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    kwargs = module_kwargs or {}
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    device_ids = list(range(count)) if device_ids is None else list(device_ids)
    if not device_ids:
        return module(*inputs, **kwargs)
    parts, keywords = scatter_kwargs(inputs, kwargs, device_ids, dim)
    if not parts:
        parts, keywords = ((),), ({},)
    if len(device_ids) == 1:
        return module(*parts[0], **keywords[0])
    used = device_ids[: len(parts)]
    devices = [as_device(d) for d in used]
    outputs = parallel_apply(replicate(module, devices), parts, keywords[: len(parts)], used)
    target = used[0] if output_device is None else output_device
    return gather(outputs, as_device(target), dim)
