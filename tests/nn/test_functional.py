"""Functions of nn.functional that are written from other operators, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from cases import Feed

import rushlight
from rushlight.nn import functional as F

# name: call of nn.functional with a Feed
CALLS = {
    "pad constant": lambda F, f: F.pad(f.real(2, 3, 4), (1, -1, 2, 0), value=2.5),
    "pad cut": lambda F, f: F.pad(f.real(3, 4), (-1, -2)),
    "pad reflect": lambda F, f: F.pad(f.real(2, 3, 4), (1, 3, 2, 0), "reflect"),
    "pad replicate": lambda F, f: F.pad(f.real(1, 2, 3, 4), (5, -1, 0, 2), "replicate"),
    "pad circular": lambda F, f: F.pad(f.real(1, 2, 3, 4), (-1, 2, 2, -1), "circular"),
    "interpolate nearest": lambda F, f: F.interpolate(f.real(2, 1, 7, 5), (3, 11)),
    "interpolate nearest-exact": lambda F, f: F.interpolate(
        f.real(2, 1, 7), scale_factor=0.61, mode="nearest-exact"
    ),
    "interpolate area": lambda F, f: F.interpolate(f.real(1, 2, 6, 7), (4, 3), mode="area"),
    "interpolate factor": lambda F, f: F.interpolate(
        f.real(1, 2, 5, 5), scale_factor=(1.5, 0.7), mode="bilinear"
    ),
    "interpolate recomputed": lambda F, f: F.interpolate(
        f.real(1, 2, 5, 5), scale_factor=1.55, mode="bilinear", recompute_scale_factor=True
    ),
    "interpolate corners": lambda F, f: F.interpolate(
        f.real(1, 2, 3, 4, 5), (5, 1, 7), mode="trilinear", align_corners=True
    ),
    "interpolate bicubic": lambda F, f: F.interpolate(f.real(1, 2, 5, 6), (9, 4), mode="bicubic"),
    "interpolate antialias": lambda F, f: F.interpolate(
        f.real(1, 2, 11, 9), (4, 5), mode="bilinear", antialias=True
    ),
    "interpolate antialias cubic": lambda F, f: F.interpolate(
        f.real(1, 2, 11, 9), (4, 12), mode="bicubic", antialias=True
    ),
    "affine_grid 2d": lambda F, f: F.affine_grid(f.real(2, 2, 3), (2, 1, 3, 4), False),
    "affine_grid 3d": lambda F, f: F.affine_grid(f.real(1, 3, 4), (1, 2, 2, 3, 4), True),
    "unfold": lambda F, f: F.unfold(f.real(2, 3, 7, 6), (2, 3), (1, 2), (1, 0), (2, 1)),
    "unfold single": lambda F, f: F.unfold(f.real(3, 5, 4), 2),
    "fold": lambda F, f: F.fold(f.real(2, 12, 16), (5, 6), (2, 3)),
    "fold dilated": lambda F, f: F.fold(f.real(4, 12), (5, 6), 2, dilation=2, stride=(1, 1)),
    "max_unpool2d": lambda F, f: F.max_unpool2d(
        *F.max_pool2d(f.real(2, 3, 6, 6), 2, return_indices=True), 2, output_size=(7, 6)
    ),
    "max_unpool1d": lambda F, f: F.max_unpool1d(
        *F.max_pool1d(f.real(3, 8), 2, return_indices=True), 2
    ),
    "lp_pool3d": lambda F, f: F.lp_pool3d(f.real(1, 2, 4, 4, 4), 2, 2),
    "fractional given": lambda F, f: F.fractional_max_pool2d(
        f.real(2, 3, 8, 9), (2, 3), output_size=(3, 4), return_indices=True,
        _random_samples=f.fixed(2, 3, 2),
    ),
    "local_response_norm": lambda F, f: F.local_response_norm(f.real(2, 6, 3, 2), 4, 0.3, 0.6, 2.0),
    "pdist": lambda F, f: F.pdist(f.real(5, 3), 3.0),
    "pdist max": lambda F, f: F.pdist(f.real(4, 3), float("inf")),
    "cosine_similarity": lambda F, f: F.cosine_similarity(f.real(3, 1, 4), f.real(2, 4), -1),
    "normalize": lambda F, f: F.normalize(f.real(3, 4), 3.0, 0),
    "gaussian full": lambda F, f: F.gaussian_nll_loss(
        f.real(3, 4), f.fixed(3, 4), f.fixed(3, 1), full=True
    ),
    "poisson full": lambda F, f: F.poisson_nll_loss(
        f.real(3, 4, low=0.1), f.fixed(3, 4, high=4.0), log_input=False, full=True
    ),
    "kl_div log": lambda F, f: F.kl_div(
        f.real(3, 4), f.real(3, 4), reduction="batchmean", log_target=True
    ),
    "huber weighted": lambda F, f: F.huber_loss(
        f.real(3, 4), f.fixed(3, 4), delta=0.7, weight=f.fixed(3, 4)
    ),
    "smooth_l1 zero": lambda F, f: F.smooth_l1_loss(f.real(3, 4), f.fixed(3, 4), beta=0.0),
    "multi_margin": lambda F, f: F.multi_margin_loss(
        f.real(4, 3), f.ints(4, high=3), p=2, margin=0.7, weight=f.fixed(3)
    ),
    "multi_margin single": lambda F, f: F.multi_margin_loss(f.real(3), f.torch.tensor(1)),
    "triplet swap": lambda F, f: F.triplet_margin_loss(
        f.real(4, 3), f.real(4, 3), f.real(4, 3), swap=True, p=1
    ),
    "ctc joined": lambda F, f: F.ctc_loss(
        f.real(6, 3, 4).log_softmax(-1), f.torch.tensor([1, 1, 2, 3, 2]), (6, 5, 4), (2, 3, 0),
        reduction="none",
    ),
    "ctc impossible": lambda F, f: F.ctc_loss(
        f.real(3, 2, 4).log_softmax(-1), f.torch.tensor([[1, 1, 1], [1, 2, 3]]), (3, 3), (3, 3),
        reduction="sum", zero_infinity=True,
    ),
    "linear_cross_entropy": lambda F, f: F.linear_cross_entropy(
        f.real(5, 3), f.real(4, 3), f.ints(5, high=4), linear_bias=f.real(4)
    ),
    "embedding_bag": lambda F, f: F.embedding_bag(
        f.ints(8, high=6), f.real(6, 3), f.torch.tensor([0, 3, 3, 5]), mode="mean", padding_idx=2
    ),
    "gumbel_softmax": lambda F, f: F.gumbel_softmax(f.real(5, 4), tau=0.7),
    "gumbel hard": lambda F, f: F.gumbel_softmax(f.real(5, 4), hard=True, dim=0),
    "rrelu": lambda F, f: F.rrelu(f.real(6, 5), training=True),
}  # fmt: skip
for _mode in ("bilinear", "nearest", "bicubic"):
    for _padding in ("zeros", "border", "reflection"):
        for _corners in (False, True):
            CALLS[f"grid_sample {_mode} {_padding} {_corners}"] = (
                lambda F, f, mode=_mode, padding=_padding, corners=_corners: F.grid_sample(
                    f.real(2, 3, 4, 5), f.real(2, 3, 6, 2), mode, padding, corners
                )
            )
CALLS["grid_sample 3d"] = lambda F, f: F.grid_sample(
    f.real(1, 2, 3, 4, 5), f.real(1, 2, 3, 2, 3), align_corners=False
)


def outputs_and_gradients(framework, call):
    framework.manual_seed(7)
    feed = Feed(framework)
    result = call(framework.nn.functional, feed)
    tensors = result if isinstance(result, tuple) else (result,)
    real = [t for t in tensors if t.is_floating_point()]
    total = sum((t.sin() * (1 + t.detach())).sum() for t in real)
    if total.requires_grad:
        total.backward()
    grads = [None if t.grad is None else t.grad.numpy() for t in feed.leaves]
    return [t.detach().numpy() for t in tensors], grads


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.filterwarnings("ignore")
def test_function_computes_what_pytorch_computes(name):
    torch = pytest.importorskip("torch")
    got, got_grads = outputs_and_gradients(rushlight, CALLS[name])
    want, want_grads = outputs_and_gradients(torch, CALLS[name])
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-8)
    for g, w in zip(got_grads, want_grads, strict=True):
        if w is None or g is None:
            assert w is None or not w.any()
            assert g is None or not g.any()
        else:
            np.testing.assert_allclose(g, w, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("reduction", "error"), [("foo", ValueError), ("MEAN", ValueError), (None, ValueError)]
)
@pytest.mark.parametrize("loss", ["smooth_l1_loss", "soft_margin_loss", "huber_loss"])
def test_unknown_reductions_are_refused(loss, reduction, error):
    x = rushlight.ones(2)
    with pytest.raises(error, match="is not a valid value for reduction"):
        getattr(F, loss)(x, x, reduction=reduction)


def test_old_reduction_arguments_still_work():
    x, y = rushlight.ones(2, 2), rushlight.zeros(2, 2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.smooth_l1_loss(x, y, size_average=False) == 2
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.smooth_l1_loss(x, y, reduce=False).shape == (2, 2)


def test_unequal_sizes_warn_of_broadcasting():
    with pytest.warns(UserWarning, match="Using a target size"):
        F.huber_loss(rushlight.ones(2, 1), rushlight.ones(2, 2))


def test_padding_gives_new_memory():
    x = rushlight.ones(3)
    y = F.pad(x, (0, 0))
    y[0] = 5
    assert x[0] == 1


def test_hard_samples_are_one_hot_with_soft_gradients():
    logits = rushlight.randn(6, 5, requires_grad=True)
    sample = F.gumbel_softmax(logits, hard=True)
    assert rushlight.allclose(sample.sum(1), rushlight.ones(6))
    assert rushlight.allclose(sample.max(1)[0], rushlight.ones(6))
    (sample * rushlight.arange(5)).sum().backward()
    assert logits.grad.any()


def test_fold_undoes_unfold_up_to_the_count_of_blocks():
    x = rushlight.randn(2, 3, 6, 7)
    count = F.fold(F.unfold(rushlight.ones(2, 3, 6, 7), 3, 1, 1), (6, 7), 3, 1, 1)
    again = F.fold(F.unfold(x, 3, 1, 1), (6, 7), 3, 1, 1)
    assert rushlight.allclose(again, x * count, atol=1e-5)


def test_shuffles_undo_each_other():
    x = rushlight.randn(2, 8, 3, 5)
    assert rushlight.equal(F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2), x)
    assert rushlight.equal(F.channel_shuffle(F.channel_shuffle(x, 2), 4), x)


@pytest.mark.parametrize("sizes", [(3, 1), (1, 2), (5, 5)])
def test_ctc_equals_the_sum_over_all_alignments(sizes):
    """Every path of 4 steps is listed; those that collapse to the labels are added up."""
    from itertools import product

    log_probs = rushlight.randn(4, 1, 3).double().log_softmax(-1)
    labels = [1 + i % 2 for i in range(sizes[0] % 3)]
    total = 0.0
    for path in product(range(3), repeat=4):
        collapsed = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
        if [c for c in collapsed if c] == labels:
            total += sum(log_probs[t, 0, c] for t, c in enumerate(path)).exp().item()
    target = rushlight.tensor([labels], dtype=rushlight.int64).reshape(1, -1)
    loss = F.ctc_loss(log_probs, target, (4,), (len(labels),), reduction="sum")
    assert abs(loss.item() + np.log(total)) < 1e-10


def test_in_place_forms_change_their_input():
    for name in ("relu_", "elu_", "selu_", "celu_", "leaky_relu_", "hardtanh_", "rrelu_"):
        x = rushlight.linspace(-2, 2, 5)
        want = getattr(F, name[:-1])(x.clone())
        assert getattr(F, name)(x) is x and rushlight.equal(x, want)
    x = rushlight.linspace(-2, 2, 5)
    assert F.threshold_(x, 0.5, -3.0) is x and x.tolist() == [-3, -3, -3, 1, 2]


def test_attention_weights_sum_to_one_and_respect_masks():
    mha = rushlight.nn.MultiheadAttention(4, 2, batch_first=True)
    x = rushlight.randn(2, 3, 4)
    padding = rushlight.tensor([[False, False, True], [False, False, False]])
    out, weights = mha(x, x, x, key_padding_mask=padding)
    assert rushlight.allclose(weights.sum(-1), rushlight.ones(2, 3), atol=1e-6)
    assert not weights[0, :, 2].any()
    each = mha(x, x, x, average_attn_weights=False)[1]
    assert each.shape == (2, 2, 3, 3)
    causal = rushlight.nn.Transformer.generate_square_subsequent_mask(3)
    first = mha(x, x, x, attn_mask=causal, is_causal=True, need_weights=False)[0]
    second = mha(x, x, x, attn_mask=causal)[0]
    assert rushlight.allclose(first, second, atol=1e-6)
    with pytest.raises(RuntimeError, match="Need attn_mask if specifying"):
        mha(x, x, x, is_causal=True)


def test_grouped_products_equal_products_of_the_groups():
    a, b = rushlight.randn(16, 8), rushlight.randn(2, 8, 4)
    offs = rushlight.tensor([5, 12], dtype=rushlight.int32)
    out = F.grouped_mm(a, b, offs=offs)
    assert rushlight.allclose(out[:5], a[:5] @ b[0], atol=1e-6)
    assert rushlight.allclose(out[5:12], a[5:12] @ b[1], atol=1e-6)
    assert not out[12:].any()
    summed = F.grouped_mm(a.t(), a, offs=offs)
    assert rushlight.allclose(summed[1], a[5:12].t() @ a[5:12], atol=1e-5)
    stack = rushlight.randn(2, 3, 8)
    assert rushlight.allclose(F.grouped_mm(stack, b), stack @ b, atol=1e-6)
    cut = F.grouped_mm(stack, a.t(), offs=offs)
    assert rushlight.allclose(cut[:, 5:12], stack[1] @ a.t()[:, 5:12], atol=1e-5)
    for wrong in ([12, 5], [5, 17], [5]):
        with pytest.raises(RuntimeError, match="offsets"):
            F.grouped_mm(a, b, offs=rushlight.tensor(wrong, dtype=rushlight.int32))
    with pytest.raises(RuntimeError, match="Have to provide offsets"):
        F.grouped_mm(a, b)


def test_fold_of_an_empty_batch_and_of_integers():
    assert F.fold(rushlight.ones(0, 8, 9), 4, 2).shape == (0, 2, 4, 4)
    assert F.fold(rushlight.ones(1, 8, 9, dtype=rushlight.bool), 4, 2).all()
    with pytest.raises(NotImplementedError, match="not implemented for 'Long'"):
        F.unfold(rushlight.ones(1, 2, 4, 4, dtype=rushlight.int64), 2)
    with pytest.raises(NotImplementedError, match="not implemented for 'Byte'"):
        F.fold(rushlight.ones(1, 8, 9, dtype=rushlight.uint8), 4, 2)


def test_blocks_are_one_node_of_the_graph():
    columns = F.unfold(rushlight.ones(1, 2, 4, 4, requires_grad=True), 2)
    assert type(columns.grad_fn).__name__ == "Im2ColBackward0"
    assert type(F.fold(columns, 4, 2).grad_fn).__name__ == "Col2ImBackward0"
