"""Which algorithms scaled_dot_product_attention may use."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from enum import IntEnum

from rushlight import Tensor

from ...backends import cuda as _flags

__all__ = [
    "SDPBackend",
    "WARN_FOR_UNFUSED_KERNELS",
    "activate_flash_attention_impl",
    "current_flash_attention_impl",
    "list_flash_attention_impls",
    "register_flash_attention_impl",
    "restore_flash_attention_impl",
    "sdpa_kernel",
]

WARN_FOR_UNFUSED_KERNELS = False


class SDPBackend(IntEnum):
    """The algorithms; all give the same attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4

    def __repr__(self) -> str:
        return f"<SDPBackend.{self.name}: {int(self)}>"

    def __str__(self) -> str:
        return f"SDPBackend.{self.name}"


_SWITCHES = {
    SDPBackend.MATH: (_flags.math_sdp_enabled, _flags.enable_math_sdp),
    SDPBackend.FLASH_ATTENTION: (_flags.flash_sdp_enabled, _flags.enable_flash_sdp),
    SDPBackend.EFFICIENT_ATTENTION: (
        _flags.mem_efficient_sdp_enabled, _flags.enable_mem_efficient_sdp,
    ),
    SDPBackend.CUDNN_ATTENTION: (_flags.cudnn_sdp_enabled, _flags.enable_cudnn_sdp),
}  # fmt: skip


@contextmanager
def sdpa_kernel(backends: list[SDPBackend] | SDPBackend, set_priority: bool = False):
    """Allow only these algorithms within the block."""
    wanted = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(wanted, Iterable) or not all(isinstance(b, SDPBackend) for b in wanted):
        raise AssertionError(
            "Backend must be an instance of SDPBackend or a list of SDPBackend instances, got "
            f"{type(backends).__name__}"
        )
    wanted = set(wanted)
    before = {backend: enabled() for backend, (enabled, _) in _SWITCHES.items()}
    try:
        for backend, (_, enable) in _SWITCHES.items():
            enable(backend in wanted)
        yield {}
    finally:
        for backend, (_, enable) in _SWITCHES.items():
            enable(before[backend])


def _cur_sdpa_kernel_backends(with_priority: bool = False) -> list[SDPBackend]:
    """The algorithms allowed now; with priority in the order in which they are tried."""
    order = (
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
        SDPBackend.CUDNN_ATTENTION,
    )
    order = order if with_priority else (order[-1], *order[:-1])
    return [backend for backend in order if _SWITCHES[backend][0]()]


class SDPAParams:
    """The arguments of one call of scaled_dot_product_attention, for `can_use_...`."""

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None,
        dropout: float,
        is_causal: bool,
        enable_gqa: bool,
    ) -> None:
        self.query, self.key, self.value = query, key, value
        self.attn_mask = attn_mask
        self.dropout = dropout
        self.is_causal = is_causal
        self.enable_gqa = enable_gqa


def can_use_flash_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether the flash kernel for GPUs takes these arguments."""
    return params.query.is_cuda and _flags.flash_sdp_enabled()


def can_use_efficient_attention(params: SDPAParams, debug: bool = False) -> bool:
    """Whether the memory-efficient kernel for GPUs takes these arguments."""
    return params.query.is_cuda and _flags.mem_efficient_sdp_enabled()


_registered: dict[str, Callable] = {}
_active: list = []


def register_flash_attention_impl(impl: str, *, register_fn: Callable) -> None:
    """Note how another flash implementation is switched on."""
    _registered[impl] = register_fn


def activate_flash_attention_impl(impl: str) -> None:
    """Switch a registered flash implementation on."""
    if impl not in _registered:
        raise ValueError(
            f"Unknown flash attention impl '{impl}'. Available implementations: "
            f"{sorted(_registered)}"
        )
    restore_flash_attention_impl(False)
    _active.append((impl, _registered[impl]()))


def current_flash_attention_impl() -> str | None:
    """The flash implementation switched on, if any."""
    return _active[-1][0] if _active else None


def list_flash_attention_impls() -> list[str]:
    """The names of the registered flash implementations."""
    return sorted(_registered)


def restore_flash_attention_impl(_raise_warn: bool = True) -> None:
    """Go back to the implementation that comes with this package."""
    if not _active:
        if _raise_warn:
            warnings.warn("No flash attention implementation is active", stacklevel=2)
        return
    _, handle = _active.pop()
    if handle is not None:
        handle.remove()
