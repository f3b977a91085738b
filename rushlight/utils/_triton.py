"""Whether kernels in Triton can run: they need a graphics processor."""

from __future__ import annotations

import functools
from importlib.util import find_spec


@functools.cache
def has_triton_package() -> bool:
    """Whether the package is there."""
    return find_spec("triton") is not None


def has_triton() -> bool:
    """Whether it has a device to run on: no."""
    return False


has_triton_tma = has_triton_tma_device = has_triton_stable_tma_api = has_triton
has_triton_experimental_host_tma = has_triton_tensor_descriptor_host_tma = has_triton
