"""One process, several GPUs: split the batch, run copies in threads, join the outputs.

Without a GPU the module just runs.
"""

from __future__ import annotations

from threading import Thread

import rushlight as torch
from rushlight import Tensor

from ..modules.module import Module


def scatter(inputs, target_gpus, dim: int = 0):
    """Split the tensors of a structure into one chunk for each device; copy the rest."""
    devices = [torch.device(d) if not isinstance(d, int) else torch.device("cuda", d)
               for d in target_gpus]  # fmt: skip

    def split(value):
        if isinstance(value, Tensor):
            chunks = value.chunk(len(devices), dim)
            return [c.to(d) for c, d in zip(chunks, devices, strict=False)]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return [type(value)(*parts) for parts in zip(*map(split, value), strict=False)]
        if isinstance(value, (list, tuple)) and value:
            return [type(value)(parts) for parts in zip(*map(split, value), strict=False)]
        if isinstance(value, dict) and value:
            parts = zip(*map(split, value.values()), strict=False)
            return [type(value)(zip(value, part, strict=True)) for part in parts]
        return [value] * len(devices)

    return split(inputs)


def gather(outputs, target_device, dim: int = 0):
    """Join structures of the same form: tensors along `dim`, on one device."""
    first = outputs[0]
    if isinstance(first, Tensor):
        parts = [out.to(target_device) for out in outputs]
        return (
            torch.cat([p.reshape(1) for p in parts]) if first.dim() == 0 else torch.cat(parts, dim)
        )
    if first is None:
        return None
    if isinstance(first, dict):
        if any(len(out) != len(first) for out in outputs):
            raise ValueError("All dicts must have the same number of keys")
        return type(first)((k, gather([o[k] for o in outputs], target_device, dim)) for k in first)
    joined = [gather(list(part), target_device, dim) for part in zip(*outputs, strict=True)]
    return type(first)(*joined) if hasattr(first, "_fields") else type(first)(joined)


def replicate(network: Module, devices, detach: bool = False) -> list[Module]:
    """Copies of a module on the devices; gradients flow back to its parameters."""

    def copy(module, device):
        replica = module._replicate_for_data_parallel()
        for name, child in module._modules.items():
            replica._modules[name] = None if child is None else copy(child, device)
        for name, param in module._parameters.items():
            moved = None if param is None else param.to(device)
            if moved is not None and detach:
                moved = moved.detach()
            replica._parameters.pop(name, None)
            # A moved parameter is no leaf, so it is a plain attribute of the copy.
            replica.__dict__[name] = moved
        for name, buffer in module._buffers.items():
            replica._buffers[name] = None if buffer is None else buffer.to(device)
        return replica

    return [copy(network, device) for device in devices]


def parallel_apply(modules, inputs, kwargs_tup=None, devices=None) -> list:
    """Call each module with its inputs, each in a thread of its own."""
    kwargs_tup = kwargs_tup or ({},) * len(modules)
    if not len(modules) == len(inputs) == len(kwargs_tup):
        raise AssertionError(
            f"parallel_apply: got {len(modules)} modules, {len(inputs)} inputs and "
            f"{len(kwargs_tup)} kwargs, expected equal numbers"
        )
    results = [None] * len(modules)
    enabled = torch.is_grad_enabled()

    def work(i):
        try:
            args = inputs[i] if isinstance(inputs[i], (list, tuple)) else (inputs[i],)
            with torch.set_grad_enabled(enabled):
                results[i] = (modules[i](*args, **kwargs_tup[i]), None)
        except BaseException as error:
            results[i] = (None, error)

    threads = [Thread(target=work, args=(i,)) for i in range(len(modules))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _, error in results:
        if error is not None:
            raise error
    return [output for output, _ in results]


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
    parts = scatter(inputs, device_ids, dim) if inputs else [()] * len(device_ids)
    keywords = scatter(kwargs, device_ids, dim) if kwargs else [{}] * len(parts)
    if len(device_ids) == 1:
        return module(*parts[0], **keywords[0])
    used = device_ids[: len(parts)]
    devices = [torch.device("cuda", d) if isinstance(d, int) else d for d in used]
    outputs = parallel_apply(replicate(module, devices), parts, keywords[: len(parts)], used)
    target = used[0] if output_device is None else output_device
    return gather(outputs, torch.device("cuda", target) if isinstance(target, int) else target, dim)
