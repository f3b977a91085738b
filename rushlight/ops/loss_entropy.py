"""Losses of classes: negative log likelihood and cross entropy, by index or by probability."""

from __future__ import annotations

from .. import _C
from .._lazy import np
from ..op import op, public
from .loss import (
    check_reduction,
    chosen_reduction,
)


def _picked(x, target, weight, ignore_index):
    """x (N, C, S), target (N, S): the picked entries and their weights, zero where ignored."""
    keep = target != ignore_index
    safe = np.where(keep, target, 0).astype("int64")
    weights = np.ones(x.shape[1], x.dtype) if weight is None else weight
    return np.take_along_axis(x, safe[:, None], 1)[:, 0], np.where(keep, weights[safe], 0)


def _reduced_nll(x, target, weight, reduction, ignore_index):
    shape = target.shape
    x = x.reshape(*((1,) if x.ndim == 1 else ()), *x.shape)
    flat = x.reshape(x.shape[0], x.shape[1], -1)
    target = target.reshape(flat.shape[0], -1)
    picked, weights = _picked(flat, target, weight, ignore_index)
    total = weights.sum()
    loss = -picked * weights
    if reduction == "none":
        return loss.reshape(shape), total
    return (loss.sum() / total if reduction == "mean" else loss.sum()), total


@op("", name="nll_loss", outputs=("output", "total_weight"), grad_outputs=1)
class _nll_loss:
    """-weight[t] * input[t] for targets t: (loss, sum of the weights)."""

    def forward(input, target, weight=None, reduction="mean", ignore_index=-100):
        return _reduced_nll(input, target, weight, reduction, ignore_index)

    def grad_input(g, input_shape, target, weight, reduction, ignore_index, total_weight):
        return nll_loss_backward(
            g[0], input_shape, target, weight, reduction, ignore_index, total_weight.detach()
        )

    def samples(make):
        target = make(4, low=0, high=4.9, grad=False).long()
        yield make(4, 5), target, None, "mean", -100
        yield make(4, 5), target, make(5, low=0.5, grad=False), "none", 1


@op(
    "",
    name="nll_loss_2d",
    kernel="nll_loss",
    node="NllLoss2D",
    outputs=("output", "total_weight"),
    grad_outputs=1,
)
class _nll_loss_2d:
    """nll_loss of inputs with dims behind the classes."""

    def forward(input, target, weight=None, reduction="mean", ignore_index=-100):
        return _reduced_nll(input, target, weight, reduction, ignore_index)

    def grad_input(g, input_shape, target, weight, reduction, ignore_index, total_weight):
        return nll_loss_backward(
            g[0], input_shape, target, weight, reduction, ignore_index, total_weight.detach()
        )

    def samples(make):
        target = make(2, 3, 3, low=0, high=4.9, grad=False).long()
        yield make(2, 5, 3, 3), target, None, "mean", -100


@op("", name="nll_loss_backward")
class nll_loss_backward:
    """The gradient of nll_loss: -weight[t] * g at the targets, zeros elsewhere."""

    def forward(g, shape, target, weight, reduction, ignore_index, total_weight):
        dx = np.zeros(shape, g.dtype)
        flat = dx.reshape(-1, dx.shape[0] if dx.ndim == 1 else dx.shape[1], dx[:1, :1].size or 1)
        return _put_targets(flat, g, target, weight, reduction, ignore_index).reshape(shape)

    def grad_g(g, target, weight, reduction, ignore_index):
        # It is linear in g, and its transpose is the loss itself.
        front = _nll_loss_2d if g.ndim > 2 else _nll_loss
        return front(g, target, weight, reduction, ignore_index)[0]

    def samples(make):
        target = make(4, low=0, high=4.9, grad=False).long()
        yield make(), (4, 5), target, None, "sum", -100, make(low=4, high=4, grad=False)


def _put_targets(flat, g, target, weight, reduction, ignore_index):
    n, classes, _ = flat.shape
    t = target.reshape(n, -1)
    keep = t != ignore_index
    weights = np.ones(classes, flat.dtype) if weight is None else weight
    safe = np.where(keep, t, 0).astype("int64")
    w = np.where(keep, weights[safe], 0)
    k = g.reshape(t.shape) if reduction == "none" else g
    k = k / w.sum() if reduction == "mean" else k
    out = np.zeros((n, classes, t.shape[1]), flat.dtype)
    np.put_along_axis(out, safe[:, None], (-w * k)[:, None], 1)
    return out


@public("F.nll_loss")
def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """The negative log likelihood of class indices under log-probabilities (N, C, ...)."""
    reduction = chosen_reduction(reduction, size_average, reduce)
    if weight is not None and weight.dtype != input.dtype:
        raise RuntimeError(
            "nll_loss: weight has another dtype than input: expected scalar type "
            f"{input.dtype._scalar_name} but found {weight.dtype._scalar_name}"
        )
    front = _nll_loss_2d if input.ndim > 2 else _nll_loss
    return front(input, target, weight, reduction, ignore_index)[0]


def _entropy_terms(g, input, target, weight, reduction, ignore_index, label_smoothing, total):
    """The gradient of cross_entropy in differentiable operators."""
    dim = 1 if input.ndim > 1 else 0
    classes = input.shape[dim]
    keep = target != ignore_index
    index = target.masked_fill(keep.logical_not(), 0).long()
    k = (g / total if reduction == "mean" else g) * keep
    own = k * (1 - label_smoothing)
    if weight is not None:
        weight = weight.to(input.dtype)
        own = own * weight[index]
    own, index, k = own.unsqueeze(dim), index.unsqueeze(dim), k.unsqueeze(dim)
    p = input.softmax(dim)
    dx = p * own - p.new_zeros(p.shape).scatter(dim, index, own.to(p.dtype))
    if label_smoothing:
        w, whole = 1.0, float(classes)
        if weight is not None:
            w = weight.reshape([-1 if d == dim else 1 for d in range(input.ndim)])
            whole = weight.sum()
        dx = dx + k * (p * whole - w) * (label_smoothing / classes)
    return dx


def _entropy_gradient(
    g, input, target, weight, reduction, ignore_index, label_smoothing, total_weight, log_sums
):
    if _C.differentiates():
        # The sum of weights has no gradient of its own.
        total = total_weight.detach()
        return _entropy_terms(
            g[0], input, target, weight, reduction, ignore_index, label_smoothing, total
        )
    return cross_entropy_backward(
        g[0], input, target, weight, reduction, ignore_index, label_smoothing, total_weight,
        log_sums,
    )  # fmt: skip


def _entropy_forward(input, target, weight, reduction, ignore_index, label_smoothing):
    dim = 1 if input.ndim > 1 else 0
    top = input.max(dim, keepdims=True)
    lse = np.log(np.exp(input - top).sum(dim, keepdims=True)) + top
    x = input - lse
    loss, total = _reduced_nll(x, target, weight, "none", ignore_index)
    if label_smoothing:
        shape = [1] * x.ndim
        shape[dim] = -1
        every = x if weight is None else x * weight.reshape(shape)
        even = -every.sum(dim) * (target != ignore_index) * (label_smoothing / x.shape[dim])
        loss = loss * (1 - label_smoothing) + even
    if reduction != "none":
        loss = loss.sum() / total if reduction == "mean" else loss.sum()
    # The kernel spends nothing on ignored targets.
    log_sums = np.where(target == ignore_index, 0, lse.reshape(target.shape)).astype(input.dtype)
    return np.asarray(loss, input.dtype), np.asarray(total, input.dtype), log_sums.reshape(-1)


def _entropy_samples(make):
    target = make(4, low=0, high=4.9, grad=False).long()
    yield make(4, 5), target, None, "mean", -100, 0.0
    yield make(4, 5), target, make(5, low=0.5, grad=False), "sum", 1, 0.1


_ENTROPY = {"outputs": ("output", "total_weight", "log_sums"), "grad_outputs": 1}


@op("", name="cross_entropy", node="NllLoss", **_ENTROPY)
class _cross_entropy:
    """log_softmax and nll_loss in one pass: (loss, sum of weights, log-sum-exp of each row)."""

    def forward(input, target, weight, reduction, ignore_index, label_smoothing):
        return _entropy_forward(input, target, weight, reduction, ignore_index, label_smoothing)

    grad_input = _entropy_gradient

    samples = _entropy_samples


@op("", name="cross_entropy_2d", kernel="cross_entropy", node="NllLoss2D", **_ENTROPY)
class _cross_entropy_2d:
    """cross_entropy of inputs with dims behind the classes."""

    def forward(input, target, weight, reduction, ignore_index, label_smoothing):
        return _entropy_forward(input, target, weight, reduction, ignore_index, label_smoothing)

    grad_input = _entropy_gradient

    def samples(make):
        target = make(2, 3, 3, low=0, high=4.9, grad=False).long()
        yield make(2, 5, 3, 3), target, None, "mean", -100, 0.0


@op("", name="cross_entropy_backward")
class cross_entropy_backward:
    """The gradient of cross_entropy: softmax minus the smoothed targets, weighted."""

    def forward(g, input, target, weight, reduction, ignore_index, label_smoothing, total, lse):
        dim = 1 if input.ndim > 1 else 0
        classes = input.shape[dim]
        keep = target != ignore_index
        safe = np.where(keep, target, 0).astype("int64")
        weights = np.ones(classes, input.dtype) if weight is None else weight
        k = np.where(keep, g / total if reduction == "mean" else g, 0)
        p = np.exp(input - lse.reshape(np.expand_dims(target, dim).shape))
        shape = [1] * input.ndim
        shape[dim] = classes
        own = np.expand_dims(k * (1 - label_smoothing) * weights[safe], dim)
        dx = p * own
        even = np.expand_dims(k, dim) * (label_smoothing / classes)
        dx = dx + even * (p * weights.sum() - weights.reshape(shape))
        index = np.expand_dims(safe, dim)
        np.put_along_axis(dx, index, np.take_along_axis(dx, index, dim) - own, dim)
        return dx

    def samples(make):
        target = make(4, low=0, high=4.9, grad=False).long()
        x = make(4, 5)
        total = make(low=4, high=4, grad=False)
        yield make(), x, target, None, "mean", -100, 0.1, total, x.detach().logsumexp(1)


def _soft_cross_entropy(input, target, weight, reduction, label_smoothing):
    """Cross entropy against class probabilities."""
    dim = 1 if input.ndim > 1 else 0
    classes = input.shape[dim]
    if not target.is_floating_point():
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = input.log_softmax(dim) * target
    if weight is not None:
        if weight.ndim != 1 or weight.shape[0] != classes:
            raise RuntimeError(
                f"cross_entropy: weight tensor should be defined either for all {classes} "
                f"classes or no classes but got weight tensor of shape: {list(weight.shape)}"
            )
        terms = terms * weight.reshape([-1 if d == dim else 1 for d in range(input.ndim)])
    if reduction == "none":
        return -terms.sum(dim)
    count = input.numel() // classes if classes else 0
    return -terms.sum() / count if reduction == "mean" else -terms.sum()


@public("F.cross_entropy")
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """Cross entropy of logits (N, C, ...) against class indices or class probabilities."""
    if size_average is not None or reduce is not None:
        reduction = chosen_reduction(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    ndim = input.ndim
    if ndim and ndim == target.ndim and input.shape == target.shape:
        if ignore_index >= 0:
            raise RuntimeError("ignore_index is not supported for floating point target")
        return _soft_cross_entropy(
            input, target, weight, check_reduction(reduction), label_smoothing
        )
    front = _cross_entropy_2d if ndim > 2 else _cross_entropy
    return front(input, target, weight, reduction, ignore_index, label_smoothing)[0]
