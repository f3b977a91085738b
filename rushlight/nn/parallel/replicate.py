"""Copies of a module on several devices."""

from __future__ import annotations

from ..modules.module import Module

__all__ = ["replicate"]


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
