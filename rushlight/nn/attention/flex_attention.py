"""Attention with scores that a function changes, and masks that a function gives.

The functions are called once, with indices that broadcast over (B, H, Q, KV).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

import rushlight as torch
from rushlight import Tensor

from ._block_mask import BlockMask, block_sizes, noop_mask, to_ordered

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "FlexKernelOptions",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

_DEFAULT_SPARSE_BLOCK_SIZE = 128


class AuxRequest(NamedTuple):
    """What flex_attention returns beside the output."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """The logarithm of the sum of exponentials of each query's scores, and their maximum."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


class FlexKernelOptions(TypedDict, total=False):
    """Options of kernels that compile the functions; accepted, and without effect here."""

    num_warps: int
    num_stages: int
    BLOCK_M: int
    BLOCK_N: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    WRITE_DQ: bool
    FORCE_USE_FLEX_ATTENTION: bool
    USE_TMA: bool
    BACKEND: str


def _places(batch, heads, queries, keys, device):
    """Indices of the four dimensions that broadcast together."""
    sizes = (batch, heads, queries, keys)
    shapes = ((-1, 1, 1, 1), (-1, 1, 1), (-1, 1), (-1,))
    return [
        torch.arange(size, device=device).view(shape)
        for size, shape in zip(sizes, shapes, strict=True)
    ]


def _positional_count(fn):
    """How many arguments a function needs by position."""
    from inspect import Parameter, signature

    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return sum(
        p.kind in kinds and p.default is Parameter.empty for p in signature(fn).parameters.values()
    )


def create_mask(
    mod_fn: Callable, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device=None
) -> Tensor:
    """The bool mask (B, H, Q_LEN, KV_LEN) of a mask function, or of what a score function hides."""
    if not callable(mod_fn):
        raise TypeError(f"{mod_fn!r} is not a callable object")
    batch, heads = 1 if B is None else B, 1 if H is None else H
    places = _places(batch, heads, Q_LEN, KV_LEN, device)
    shape = (batch, heads, Q_LEN, KV_LEN)
    count = _positional_count(mod_fn)
    if count == 5:
        scores = mod_fn(torch.zeros(shape, device=device), *places)
        mask = ~torch.isneginf(scores)
    elif count == 4:
        mask = mod_fn(*places)
    else:
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return torch.as_tensor(mask, device=places[0].device).expand(shape)


def create_block_mask(
    mask_mod: Callable,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device=None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
    _compile=False,
    separate_full_blocks: bool = True,
    compute_dq_write_order: bool = False,
    dq_kv_order: bool = True,
) -> BlockMask:
    """The mask by blocks of a function of (batch, head, query, key)."""
    size = block_sizes(BLOCK_SIZE)
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    if mask.dtype != torch.bool:
        raise AssertionError(f"mask.dtype must be torch.bool, got {mask.dtype}")
    missing = (-KV_LEN % size[1], -Q_LEN % size[0])
    if any(missing):
        mask = torch.nn.functional.pad(mask, (0, missing[0], 0, missing[1]))
    rows, columns = mask.shape[-2] // size[0], mask.shape[-1] // size[1]
    filled = mask.reshape(*mask.shape[:2], rows, size[0], columns, size[1]).sum((3, 5))
    partial, full = filled > 0, (None, None)
    if separate_full_blocks:
        whole = filled == size[0] * size[1]
        partial, full = partial & ~whole, to_ordered(whole)
    return BlockMask.from_kv_blocks(
        *to_ordered(partial),
        *full,
        BLOCK_SIZE=size,
        mask_mod=mask_mod,
        seq_lengths=(Q_LEN, KV_LEN),
    )


def _joined(mask_mods, combine):
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def mask_mod(b, h, q_idx, kv_idx):
        result = b.new_full((), combine is torch.logical_and, dtype=torch.bool)
        for mod in mask_mods:
            result = combine(result, mod(b, h, q_idx, kv_idx))
        return result

    return mask_mod


def or_masks(*mask_mods: Callable) -> Callable:
    """A mask function that shows what any of the given ones shows."""
    return _joined(mask_mods, torch.logical_or)


def and_masks(*mask_mods: Callable) -> Callable:
    """A mask function that shows what all of the given ones show."""
    return _joined(mask_mods, torch.logical_and)


def _check_inputs(query, key, value, block_mask, enable_gqa):
    if not query.dim() == key.dim() == value.dim() == 4:
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if not query.dtype == key.dtype == value.dtype:
        raise ValueError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype}, key.dtype: {key.dtype}, and value.dtype: {value.dtype} instead."
        )
    heads, own = query.shape[1], key.shape[1]
    if heads != own and not enable_gqa:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={heads} and Hkv={own}. Try setting enable_gqa=True for GQA."
        )
    if own == 0 or heads % own:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={heads} and Hkv={own}."
        )
    if block_mask is None:
        return
    for place, what in enumerate(("batch", "head")):
        size, known = query.shape[place], block_mask.shape[place]
        if known not in (1, size):
            raise ValueError(
                f"flex_attention: block_mask does not fit the {what} dimension: got {known}, "
                f"expected 1 or {size}"
            )
    lengths = (query.shape[2], key.shape[2])
    known = tuple(block_mask.shape[-2:])
    if lengths != known:
        smaller = lengths[0] > known[0] or lengths[1] > known[1]
        raise ValueError(
            f"block_mask was created for block_mask.shape={block_mask.shape} but got "
            f"q_len={lengths[0]} and kv_len={lengths[1]}. "
            + (
                "As the block mask was created for a smaller length than you're using it for, you "
                "likely need to create a new block mask."
                if smaller
                else "As the block mask was created for a larger length than you're using it for, "
                "you can either 1. create a new block mask with the correct length, or 2. 'adjust' "
                "the existing block mask to the correct length by calling "
                "block_mask._adjust(q_len, kv_len)."
            )
        )


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: dict[str, Any] | None = None,
    *,
    return_aux: AuxRequest | None = None,
):
    """Attention (B, Hq, L, Ev) of query (B, Hq, L, E), key (B, H, S, E) and value (B, H, S, Ev).

    score_mod(score, batch, head, query, key) gives the scores that the softmax sees; block_mask
    says which of them take part. scale: 1 / sqrt(E) by default. Queries that see nothing give 0.
    """
    _check_inputs(query, key, value, block_mask, enable_gqa)
    if return_lse and return_aux is not None:
        raise ValueError("Cannot specify both return_lse and return_aux: got both, use return_aux")
    if return_lse:
        _warn_about_lse()
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
    scores = _scores(query, key, score_mod, block_mask, scale)
    highest = scores.amax(-1)
    masked = torch.isneginf(highest).unsqueeze(-1)
    weights = torch.softmax(scores.masked_fill(masked, 0.0), -1).masked_fill(masked, 0.0)
    output = weights.to(query.dtype) @ value
    if return_lse:
        return output, torch.logsumexp(scores, -1)
    if return_aux is None:
        return output
    lse = torch.logsumexp(scores, -1) if return_aux.lse else None
    return output, AuxOutput(lse, highest if return_aux.max_scores else None)


def _scores(query, key, score_mod, block_mask, scale):
    """The scores, at least in float32, with -inf where the mask hides one."""
    precise = torch.float64 if query.dtype == torch.float64 else torch.float32
    scores = query.to(precise) @ key.to(precise).transpose(-2, -1) * scale
    places = _places(*scores.shape, scores.device)
    if score_mod is not None:
        scores = score_mod(scores, *places).to(precise).expand(scores.shape)
    if block_mask is None:
        return scores
    decided = block_mask.mask_mod(*places)
    allowed = block_mask.allowed(places[2], places[3], decided)
    return scores.masked_fill(~allowed, float("-inf"))


def _warn_about_lse():
    import warnings

    warnings.warn(
        "return_lse is deprecated: use return_aux=AuxRequest(lse=True) instead",
        FutureWarning,
        stacklevel=3,
    )
