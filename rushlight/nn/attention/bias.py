"""Causal masks as objects: scaled_dot_product_attention knows them and need not build them."""

from __future__ import annotations

import warnings
from enum import IntEnum

import rushlight as torch
from rushlight import Tensor

from .. import functional as F

__all__ = ["CausalBias", "CausalVariant", "causal_lower_right", "causal_upper_left"]


class CausalVariant(IntEnum):
    """Which corner of the scores the diagonal starts from."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


class CausalBias(Tensor):
    """A mask of seq_len_q by seq_len_kv that hides what lies above the diagonal.

    UPPER_LEFT: query i sees keys up to i. LOWER_RIGHT: the last query sees all keys, the one
    before it all but one, and so on.
    """

    def __new__(cls, variant: CausalVariant, seq_len_q: int, seq_len_kv: int):
        if not isinstance(variant, CausalVariant):
            raise AssertionError(f"variant must be a CausalVariant, got {type(variant).__name__}")
        return Tensor._make_subclass(cls, torch.empty(int(variant), seq_len_q, seq_len_kv))

    def __init__(self, variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> None:
        self.variant = variant
        self.seq_len_q = seq_len_q
        self.seq_len_kv = seq_len_kv
        if seq_len_q > seq_len_kv and variant is CausalVariant.LOWER_RIGHT:
            warnings.warn(
                "Lower right causal bias will produce NaNs in the output when seq_len_q > "
                "seq_len_kv!",
                stacklevel=2,
            )

    def _materialize(self, device=None) -> Tensor:
        """The mask as a bool tensor, True where a key is seen."""
        shift = self.seq_len_kv - self.seq_len_q
        diagonal = shift if self.variant is CausalVariant.LOWER_RIGHT else 0
        ones = torch.ones(self.seq_len_q, self.seq_len_kv, device=device, dtype=torch.bool)
        return torch.tril(ones, diagonal=diagonal)

    @staticmethod
    def _dispatch(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: CausalBias,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        if is_causal:
            raise ValueError("CausalBias should not be used with causal=True")
        if attn_mask.seq_len_q == attn_mask.seq_len_kv or (
            attn_mask.variant is CausalVariant.UPPER_LEFT
        ):
            mask, is_causal = None, True
        else:
            mask, is_causal = attn_mask._materialize(query.device), False
        return F.scaled_dot_product_attention(
            query, key, value, mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        kwargs = {} if kwargs is None else kwargs
        if func is F.scaled_dot_product_attention:
            return cls._dispatch(*args, **kwargs)
        return super().__torch_function__(func, types, args, kwargs)

    def __repr__(self) -> str:
        return self._materialize().__repr__()


def _sizes(size):
    if len(size) != 2:
        raise AssertionError("causal_upper_left only supports 2D tensors")
    return size


def causal_upper_left(*size) -> CausalBias:
    """The mask of `torch.tril`: query i sees keys up to i."""
    return CausalBias(CausalVariant.UPPER_LEFT, *_sizes(size))


def causal_lower_right(*size) -> CausalBias:
    """The mask whose last query sees all keys."""
    return CausalBias(CausalVariant.LOWER_RIGHT, *_sizes(size))
