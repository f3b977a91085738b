"""Settings of CUDA's libraries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any, NamedTuple

_half_sums = False
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether this build can use CUDA."""
    return False


class _Matmul:
    """Which shortcuts matrix products may take; no effect without a GPU."""

    def __init__(self):
        self.allow_tf32 = False
        self.allow_fp16_reduced_precision_reduction = True
        self.allow_bf16_reduced_precision_reduction = True
        self.allow_fp16_accumulation = False
        self.fp32_precision = "none"


matmul = _Matmul()


def _allow(name: str, enabled: bool) -> None:
    from ..ops import attention

    _attention[name] = bool(enabled)
    attention.allow(_attention["flash"] or _attention["math"])  # the others are for GPUs


def flash_sdp_enabled() -> bool:
    """Whether attention may use the flash algorithm."""
    return _attention["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """Whether attention may use the memory-efficient algorithm."""
    return _attention["mem_efficient"]


def math_sdp_enabled() -> bool:
    """Whether attention may be computed from plain operators."""
    return _attention["math"]


def cudnn_sdp_enabled() -> bool:
    """Whether attention may use cuDNN."""
    return _attention["cudnn"]


def enable_flash_sdp(enabled: bool) -> None:
    """Allow or forbid the flash algorithm."""
    _allow("flash", enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow or forbid the memory-efficient algorithm."""
    _allow("mem_efficient", enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Allow or forbid plain operators."""
    _allow("math", enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow or forbid cuDNN."""
    _allow("cudnn", enabled)


def allow_fp16_bf16_reduction_math_sdp(enabled: bool) -> None:
    """Allow sums in half types where attention is plain operators; kept without effect."""
    global _half_sums
    _half_sums = bool(enabled)


def fp16_bf16_reduction_math_sdp_allowed() -> bool:
    """What `allow_fp16_bf16_reduction_math_sdp` said."""
    return _half_sums


def is_flash_attention_available() -> bool:
    """Whether CUDA's flash attention is built in: there is no CUDA."""
    return False


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[dict]:
    """Allow the named algorithms of attention within the block; `nn.attention.sdpa_kernel`."""
    warnings.warn(
        "`torch.backends.cuda.sdp_kernel()` is deprecated. In the future, this context manager "
        "will be removed. Please see `torch.nn.attention.sdpa_kernel()` for the new context "
        "manager, with updated signature.",
        FutureWarning,
        stacklevel=3,
    )
    before = dict(_attention)
    wanted = (enable_flash, enable_mem_efficient, enable_math, enable_cudnn)
    try:
        for name, enabled in zip(before, wanted, strict=True):
            _allow(name, enabled)
        yield {}
    finally:
        for name, enabled in before.items():
            _allow(name, enabled)


class _LinalgBackend(Enum):
    Default = 0
    Cusolver = 1
    Magma = 2


_LIBRARIES = {"default": None, "cusolver": "cuSOLVER", "magma": "MAGMA"}


def preferred_linalg_library(backend: str | _LinalgBackend | None = None) -> _LinalgBackend:
    """The library of CUDA's linear algebra: the default, as neither of them is built in."""
    if isinstance(backend, _LinalgBackend):
        backend = backend.name.lower()
    if not isinstance(backend, (str, type(None))):
        raise RuntimeError("Unknown input value type.")
    if backend is not None and backend not in _LIBRARIES:
        raise RuntimeError("Unknown input value. Choose from: default, cusolver, magma.")
    missing = _LIBRARIES.get(backend or "default")
    if missing:
        raise RuntimeError(
            f"Cannot set preferred backend to {missing} if PyTorch has not been compiled with "
            f"{missing}."
        )
    return _LinalgBackend.Default


class SDPAParams(NamedTuple):
    """The arguments of an attention, to ask which algorithm could run it."""

    query: Any
    key: Any
    value: Any
    attn_mask: Any
    dropout: float
    is_causal: bool
    enable_gqa: bool


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether CUDA's flash attention could run it: there is no CUDA."""
    return False


can_use_cudnn_attention = can_use_efficient_attention = can_use_flash_attention
