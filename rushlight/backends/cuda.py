"""Settings of CUDA's libraries."""

from __future__ import annotations

from typing import Any, NamedTuple

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
