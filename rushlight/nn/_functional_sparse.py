"""Sums, means and maxima of bags of table rows."""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from .. import _C
from ..ops._lanes import all_lanes, some
from ..ops.embedding import embedding_bags
from . import functional as F

__all__ = ["embedding_bag"]


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Reduce the rows of `weight` picked by each bag: a row of a 2-d `input`, or the part of a
    1-d `input` from one offset to the next."""
    if weight.dtype == torch.int64 and input.is_floating_point():
        input, weight = weight, input  # the arguments came in the old order
    _check_weights(per_sample_weights, input, mode)
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a "
                "mini-batch of fixed length sequences. However, found offsets of type "
                f"{type(offsets)}"
            )
        rows, width = input.shape
        counts = torch.full((rows,), width, dtype=torch.int64, device=input.device)
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        counts = _bag_sizes(input, offsets, include_last_offset)
    else:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    _check_mode(mode, scale_grad_by_freq, sparse)
    if input.dtype not in (torch.int64, torch.int32):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar "
            f"types: Long, Int; but got {input.type()} instead (while checking arguments for "
            "embedding_bag)"
        )
    rows = weight.shape[0]
    plain = mode != "max" and max_norm is None and not (scale_grad_by_freq or sparse)
    plain &= per_sample_weights is None or weight.is_floating_point()
    if plain and not _in_lanes(input, weight, offsets, per_sample_weights):
        bounds = torch.cat((counts.new_zeros(1), counts.cumsum(0)))
        whole = counts.is_meta or int(all_lanes(counts.sum())) == input.shape[0]
        if weight.dim() == 2 and whole:
            if padding_idx is not None and padding_idx < 0:
                padding_idx %= rows
            mean = mode == "mean"
            return embedding_bags(input, weight, bounds, mean, padding_idx, per_sample_weights)
    _check_range(input, rows)
    bags = torch.arange(counts.shape[0], device=input.device)
    bags = torch.repeat_interleave(bags, counts, output_size=input.shape[0])
    input = input.to(torch.int64)
    picked = F.embedding(
        input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
    )
    keep = None
    if padding_idx is not None:
        keep = input != (padding_idx % rows if padding_idx < 0 else padding_idx)
    if mode == "max":
        return _largest(picked, bags, counts, keep)
    return _summed(picked, bags, counts, keep, per_sample_weights, mode == "mean")


def _in_lanes(*tensors):
    return any(isinstance(t, Tensor) and _C.level_of(t) is not None for t in tensors)


def _check_weights(per_sample_weights, input, mode):
    if per_sample_weights is None:
        return
    if input.size() != per_sample_weights.size():
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}')."
        )


def _check_mode(mode, scale_grad_by_freq, sparse):
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")


def _check_range(input, rows):
    wrong = (input < 0) | (input >= rows)
    if input.numel() and some(wrong):
        input, wrong = all_lanes(input), all_lanes(wrong)
        place = int(wrong.nonzero()[0, 0])
        raise RuntimeError(
            f"Index {place} of input takes value {int(input[place])} which is not in the valid "
            f"range [0, {rows})"
        )


def _bag_sizes(input, offsets, include_last_offset):
    """How many indices each bag has."""
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    offsets = offsets.to(torch.int64)
    total = input.shape[0]
    if include_last_offset and offsets.shape[0] < 1:
        raise RuntimeError("include_last_offset: number of offset should be at least 1")
    if offsets.shape[0] and some(offsets[0] != 0):
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {int(all_lanes(offsets[0]).max())}"
        )
    if offsets.shape[0] and some(offsets[-1] > total):
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {total} but got offsets[-1] of "
            f"{int(all_lanes(offsets[-1]).max())}"
        )
    end = torch.full((1,), total, dtype=torch.int64, device=offsets.device)
    bounds = torch.cat((offsets[:-1] if include_last_offset else offsets, end))
    sizes = bounds[1:] - bounds[:-1]
    if sizes.numel() and some(sizes < 0):
        raise RuntimeError("embedding_bag: offsets must not fall")
    return sizes


def _summed(picked, bags, counts, keep, weights, mean):
    if weights is not None:
        picked = picked * weights.unsqueeze(1)
    if keep is not None:
        picked = picked.masked_fill(~keep.unsqueeze(1), 0)
        if mean:
            counts = torch.zeros_like(counts).index_add(0, bags, keep.to(counts.dtype))
    total = picked.new_zeros((counts.shape[0], picked.shape[1])).index_add(0, bags, picked)
    return total / counts.clamp_min(1).to(picked.dtype).unsqueeze(1) if mean else total


def _largest(picked, bags, counts, keep):
    """Maximum of each bag, the first where several are equal; 0 for an empty bag."""
    if picked.is_meta:
        return picked.new_empty((counts.shape[0], picked.shape[1]))
    if keep is not None:
        kept = keep.nonzero().squeeze(1)
        picked, bags = picked.index_select(0, kept), bags.index_select(0, kept)
        counts = torch.bincount(bags, minlength=counts.shape[0])
    width = int(all_lanes(counts).max()) if counts.numel() else 0
    shape = (counts.shape[0], picked.shape[1])
    if width == 0:
        return picked.new_zeros(shape)
    starts = counts.cumsum(0) - counts
    places = bags * width + torch.arange(bags.shape[0], device=bags.device) - starts[bags]
    table = picked.new_full((shape[0] * width, shape[1]), float("-inf"))
    table = table.index_copy(0, places, picked).reshape(shape[0], width, shape[1])
    largest = table.max(1)[0]
    return largest.masked_fill((counts == 0).unsqueeze(1), 0.0)
