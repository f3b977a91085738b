"""Groups of tensors of one device and dtype, as optimizers written elsewhere ask for them."""

from __future__ import annotations

import rushlight as torch

from .. import Tensor

TensorListList = list[list[Tensor | None]]
Indices = list[int]


def _get_foreach_kernels_supported_devices() -> list[str]:
    """The types of devices that PyTorch prefers `torch._foreach_*` on."""
    return ["cuda", "xpu", "mtia", "privateuseone"]


def _get_fused_kernels_supported_devices() -> list[str]:
    """The types of devices with fused optimizer steps."""
    return ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]


def _group_tensors_by_device_and_dtype(
    tensorlistlist: TensorListList, with_indices: bool = False
) -> dict[tuple[torch.device, torch.dtype], tuple[TensorListList, Indices]]:
    """Split lists of equal length by the device and dtype of the first list's tensors.

    `with_indices` adds the positions that each group's tensors had.
    """
    groups: dict[tuple[torch.device, torch.dtype], tuple[TensorListList, Indices]] = {}
    for i, first in enumerate(tensorlistlist[0]):
        assert first is not None
        empty: TensorListList = [[] for _ in tensorlistlist]
        lists, indices = groups.setdefault((first.device, first.dtype), (empty, []))
        for group, values in zip(lists, tensorlistlist, strict=True):
            if len(values):
                group.append(values[i])
        if with_indices:
            indices.append(i)
    return groups


def _device_has_foreach_support(device: torch.device) -> bool:
    """Whether `torch._foreach_*` run on a device."""
    return device.type in [*_get_foreach_kernels_supported_devices(), "cpu"]


def _has_foreach_support(tensors: list[Tensor], device: torch.device) -> bool:
    """Whether `torch._foreach_*` run on a device with these, which have to be plain tensors."""
    plain = (Tensor, torch.nn.Parameter)
    return _device_has_foreach_support(device) and all(
        t is None or type(t) in plain for t in tensors
    )
