"""Losses: element by element over all lanes, then reduced lane by lane."""

from __future__ import annotations

import rushlight as torch

from ._lanes import Lanes, Tensor, full, has_lanes, plain, rule
from .fallback import loop
from .pointwise import lined_up


def _reduced(loss, reduction):
    """Averages or sums of every lane."""
    if reduction == "none":
        return loss
    if loss.ndim == 1:
        return loss
    dims = tuple(range(1, loss.ndim))
    return loss.mean(dims) if reduction == "mean" else loss.sum(dims)


def _count(sizes):
    n = 1
    for s in sizes:
        n *= s
    return n


def _spread(g, size, shape, reduction):
    """The gradients of single elements, (B, ...), from those of the lanes' losses."""
    g = full(g, size)
    if reduction != "none":
        g = g.reshape((size,) + (1,) * (len(shape) - 1))
    if reduction == "mean":
        g = g / _count(shape[1:])
    return g.expand(shape)


def _same_shape(operands):
    """The operands broadcast, None where there is none; one at least has lanes."""
    found = iter(torch.broadcast_tensors(*[x for x in lined_up(operands) if x is not None]))
    return [None if x is None else next(found) for x in operands]


@rule("mse_loss", "binary_cross_entropy", "binary_cross_entropy_with_logits")
def elements(op, size, *args):
    *operands, reduction = args
    return _reduced(op(*_same_shape(operands), "none"), reduction)


@rule("mse_loss_backward", "binary_cross_entropy_backward",
      "binary_cross_entropy_with_logits_backward")  # fmt: skip
def elements_backward(op, size, g, *args):
    *operands, reduction = args
    operands = _same_shape([Lanes(full(operands[0], size)), *operands[1:]])
    return op(_spread(g, size, operands[0].shape, reduction), *operands, "none")


# -- class indices -----------------------------------------------------------------------------


def _joined(x, whole):
    """Lanes' samples one after another; lanes of a single sample are samples already."""
    return x.reshape((x.shape[0] * x.shape[1], *x.shape[2:])) if whole else x


def _totals(dtype, target, weight, ignore_index):
    """The sums of the weights that count, of every lane."""
    keep = target != ignore_index
    dims = tuple(range(1, target.ndim))
    if weight is None:
        counts = keep.to(dtype)
    else:
        counts = weight[torch.where(keep, target, 0).long()].to(dtype) * keep
    return counts.sum(dims) if dims else counts


def _class_loss(op, size, input, target, weight, reduction, ignore_index, *rest):
    """nll_loss and cross_entropy: (loss, sum of weights, what else the operator returns)."""
    if type(weight) is Lanes:
        return loop(op, size, input, target, weight, reduction, ignore_index, *rest)
    x, t = full(input, size), full(target, size)
    whole = x.ndim > 2
    made = op(_joined(x, whole), _joined(t, whole), weight, "none", ignore_index, *rest)
    loss = made[0].reshape(t.shape)
    total = _totals(made[1].dtype, t, weight, ignore_index)
    if reduction != "none" and t.ndim > 1:
        loss = loss.sum(tuple(range(1, t.ndim)))
    if reduction == "mean":
        loss = (loss / total).to(x.dtype)
    others = [o.reshape((size, o.numel() // size if size else 0)) for o in made[2:]]
    return type(made)((loss, total, *others))


@rule("nll_loss", "nll_loss_2d")
def nll_loss(op, size, input, target, weight=None, reduction="mean", ignore_index=-100):
    return _class_loss(op, size, input, target, weight, reduction, ignore_index)


@rule("cross_entropy", "cross_entropy_2d")
def cross_entropy(op, size, input, target, weight, reduction, ignore_index, label_smoothing):
    return _class_loss(op, size, input, target, weight, reduction, ignore_index, label_smoothing)


def _each_gradient(g, size, target, reduction, total):
    """The gradient of every target's loss."""
    g = full(g, size)
    if reduction == "mean":
        g = g / full(total, size)
    if reduction != "none":
        g = g.reshape((size,) + (1,) * (target.ndim - 1))
    return g.expand(target.shape)


@rule("nll_loss_backward")
def nll_loss_backward(op, size, g, shape, target, weight, reduction, ignore_index, total_weight):
    if type(weight) is Lanes:
        return loop(op, size, g, shape, target, weight, reduction, ignore_index, total_weight)
    t = full(target, size)
    whole = len(shape) > 1
    k = _each_gradient(g, size, t, reduction, total_weight)
    lead = (size * shape[0], *shape[1:]) if whole else (size, *shape)
    one = torch.ones((), dtype=k.dtype)
    made = op(_joined(k, whole), lead, _joined(t, whole), weight, "none", ignore_index, one)
    return made.reshape((size, *shape))


@rule("cross_entropy_backward")
def cross_entropy_backward(
    op, size, g, input, target, weight, reduction, ignore_index, label_smoothing, total, lse
):
    if type(weight) is Lanes:
        return loop(op, size, g, input, target, weight, reduction, ignore_index, label_smoothing,
                    total, lse)  # fmt: skip
    x, t = full(input, size), full(target, size)
    whole = x.ndim > 2
    k = _each_gradient(g, size, t, reduction, total)
    one = torch.ones((), dtype=k.dtype)
    made = op(
        _joined(k, whole), _joined(x, whole), _joined(t, whole), weight, "none", ignore_index,
        label_smoothing, one, full(lse, size).reshape(-1),
    )  # fmt: skip
    return made.reshape(x.shape)


# -- CTC ---------------------------------------------------------------------------------------


def _sequences(x, size):
    """(B, T, N, C) as (T, B N, C)."""
    x = full(x, size).transpose(0, 1)
    return x.reshape((x.shape[0], size * x.shape[2], x.shape[3]))


def _lengths(lengths, size):
    """One number for each sample of each lane; lanes may have lengths of their own."""
    if not has_lanes(lengths):
        return list(lengths) * size
    columns = [full(n, size) if isinstance(n, (Lanes, Tensor)) else torch.tensor([n] * size)
               for n in lengths]  # fmt: skip
    return torch.stack(columns, 1).flatten().tolist()


def _targets(target, size, samples):
    """Rows of labels, or all of them in one row when that is how the lanes have them."""
    target = full(target, size)
    if target.ndim == 2 and samples == 1:
        return target
    return target.reshape((size * target.shape[1], *target.shape[2:]))


@rule("ctc_loss")
def ctc_loss(
    op, size, log_probs, targets, input_lengths, target_lengths, blank=0, zero_infinity=False
):
    n = plain(log_probs).shape[-2]
    made = op(
        _sequences(log_probs, size), _targets(targets, size, n), _lengths(input_lengths, size),
        _lengths(target_lengths, size), blank, zero_infinity,
    )  # fmt: skip
    return type(made)([t.reshape((size, n, *t.shape[1:])) for t in made])


@rule("ctc_loss_backward")
def ctc_loss_backward(
    op, size, grad, log_probs, targets, input_lengths, target_lengths, losses, log_alpha, blank,
    zero_infinity,
):  # fmt: skip
    n = plain(log_probs).shape[-2]
    flat = lambda x: full(x, size).flatten(0, 1)  # noqa: E731
    made = op(
        flat(grad), _sequences(log_probs, size), _targets(targets, size, n),
        _lengths(input_lengths, size), _lengths(target_lengths, size), flat(losses),
        flat(log_alpha), blank, zero_infinity,
    )  # fmt: skip
    return made.reshape((made.shape[0], size, n, made.shape[2])).transpose(0, 1)
