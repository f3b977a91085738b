"""Functions of the root namespace that nn makes: the same work under torch's own signatures.

Where torch.nn.functional says a reduction in words, these take its number: 0 none, 1 mean, 2 sum.
As in PyTorch they do not reduce unless told to.
"""

from __future__ import annotations

import rushlight as torch
from rushlight import Tensor

from ..ops.loss import REDUCTIONS
from . import functional as F
from ._functional_rnn import run_network
from .utils.parametrizations import norm_except_dim as _norms

bilinear = F.bilinear
channel_shuffle = F.channel_shuffle
native_channel_shuffle = F.native_channel_shuffle
pixel_shuffle = F.pixel_shuffle
pixel_unshuffle = F.pixel_unshuffle
cosine_similarity = F.cosine_similarity
pairwise_distance = F.pairwise_distance
pdist = F.pdist


def _word(reduction):
    """The name of a reduction given by number."""
    if isinstance(reduction, str) or not 0 <= reduction <= 2:
        raise RuntimeError(f"reduction must be 0, 1 or 2: got {reduction!r}")
    return REDUCTIONS[reduction]


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator=None,
) -> Tensor:
    """Leaky ReLU with a slope drawn per element in training."""
    return F.rrelu(input, lower, upper, training)


def rrelu_(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    generator=None,
) -> Tensor:
    """`rrelu` in place."""
    return F.rrelu(input, lower, upper, training, True)


def constant_pad_nd(input: Tensor, pad: list[int], value: float = 0) -> Tensor:
    """Pad the last dimensions with a value."""
    return F.pad(input, pad, "constant", value)


def kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False):
    """target (log target - input); the mean is over all elements."""
    loss = F.kl_div(input, target, reduction="none", log_target=log_target)
    return {"none": loss, "mean": loss.mean(), "sum": loss.sum()}[_word(reduction)]


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """Minus the log-likelihood of counts under a Poisson rate."""
    return F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=_word(reduction))


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """input for target 1, max(0, margin - input) for target -1."""
    return F.hinge_embedding_loss(input, target, margin, reduction=_word(reduction))


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """1 - cos for target 1, max(0, cos - margin) for target -1."""
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=_word(reduction))


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """max(0, -target (input1 - input2) + margin)."""
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=_word(reduction))


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """max(0, |anchor - positive| - |anchor - negative| + margin)."""
    return F.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap, reduction=_word(reduction)
    )


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """Binary cross entropy of logits."""
    return F.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=_word(reduction)
    )


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification."""
    return F.ctc_loss(
        log_probs,
        targets,
        input_lengths,
        target_lengths,
        blank,
        _word(reduction),
        zero_infinity,
    )


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(bags, bag of each index, size of each bag, sizes again); modes 0 sum, 1 mean, 2 max."""
    out = F.embedding_bag(
        indices,
        weight,
        offsets,
        None,
        2.0,
        scale_grad_by_freq,
        ("sum", "mean", "max")[mode],
        sparse,
        per_sample_weights,
        include_last_offset,
        padding_idx,
    )
    end = offsets.new_full((1,), indices.shape[0])
    bounds = torch.cat((offsets[:-1] if include_last_offset else offsets, end))
    sizes = bounds[1:] - bounds[:-1]
    bags = torch.repeat_interleave(torch.arange(sizes.shape[0]), sizes.to(torch.int64))
    return out, bags.to(indices.dtype), sizes, sizes.clone()


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """Values at given places; modes 0 bilinear, 1 nearest, 2 bicubic."""
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    return F.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Tensor, size: list[int], align_corners: bool) -> Tensor:
    """Sampling places of an affine map."""
    return F.affine_grid(theta, size, align_corners)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """Norms over all dimensions but one."""
    if pow == 2:
        return _norms(v, dim)
    if dim == -1:
        return v.norm(pow)
    others = [d for d in range(v.dim()) if d != dim % v.dim()]
    return torch.linalg.vector_norm(v, pow, others, keepdim=True) if others else v.abs()


def _layers(params, has_biases, mode, hidden_size):
    """Weights of each layer and direction from one flat list."""
    params = list(params)
    per_layer = 4 if has_biases else 2
    projected = mode == "LSTM" and params[1].shape[1] != hidden_size
    per_layer += projected
    for start in range(0, len(params), per_layer):
        group = params[start : start + per_layer]
        biases = group[2:4] if has_biases else [None, None]
        yield (*group[:2], *biases, group[-1] if projected else None)


def _recurrent(mode, args, kwargs):
    """The two forms of the recurrent functions: padded input, or data with batch sizes."""
    names = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
    packed = (
        len(args) > 1
        and isinstance(args[1], Tensor)
        and (len(args) > 3 and not isinstance(args[3], bool))
        or "batch_sizes" in kwargs
    )
    head = ("data", "batch_sizes", "hx", "params") if packed else ("input", "hx", "params")
    tail = () if packed else ("batch_first",)
    given = dict(zip((*head, *names, *tail), args, strict=False)) | kwargs
    states = given["hx"] if mode == "LSTM" else (given["hx"],)
    states = tuple(states)
    directions = 2 if given["bidirectional"] else 1
    layers = list(_layers(given["params"], given["has_biases"], mode, states[-1].shape[-1]))
    input = given["data"] if packed else given["input"]
    sizes = given["batch_sizes"].tolist() if packed else None
    swap = given.get("batch_first", False)
    if swap:
        input = input.transpose(0, 1)
    output, finals = run_network(
        mode, input, states, layers, directions, given["dropout"], given["train"], sizes
    )
    return (output.transpose(0, 1) if swap else output, *finals)


def lstm(*args, **kwargs) -> tuple[Tensor, Tensor, Tensor]:
    """(output, hidden, cell) of an LSTM whose weights come as one list."""
    return _recurrent("LSTM", args, kwargs)


def gru(*args, **kwargs) -> tuple[Tensor, Tensor]:
    """(output, hidden) of a GRU whose weights come as one list."""
    return _recurrent("GRU", args, kwargs)


def rnn_tanh(*args, **kwargs) -> tuple[Tensor, Tensor]:
    """(output, hidden) of an RNN with tanh whose weights come as one list."""
    return _recurrent("RNN_TANH", args, kwargs)


def rnn_relu(*args, **kwargs) -> tuple[Tensor, Tensor]:
    """(output, hidden) of an RNN with relu whose weights come as one list."""
    return _recurrent("RNN_RELU", args, kwargs)
