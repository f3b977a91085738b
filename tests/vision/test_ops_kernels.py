"""Operators with kernels: their NumPy forward, gradients, hostile input, torchvision."""

from __future__ import annotations

import random

import numpy as np
import pytest
from matrix import Maker, close, reference, run, split_sample
from test_ops_boxes import both, same, vision  # noqa: F401 (a fixture)

import rushlight as torch
from rushlight.vision import ops
from rushlight.vision.ops._kernels import table

SEED = random.randrange(1 << 30)


def cases():
    for name, op in sorted(table.items()):
        for index, _ in enumerate(op.declaration.samples(Maker(0))):
            yield name, index


def sample(name, index, **kind):
    op = table[name]
    found = list(op.declaration.samples(Maker(index, **kind)))[index]
    return op, *split_sample(found)


@pytest.mark.parametrize("layout", ["contiguous", "transposed"])
@pytest.mark.parametrize(("name", "index"), list(cases()))
def test_kernel_agrees_with_numpy(name, index, layout):
    op, args, kwargs = sample(name, index, layout=layout)
    for got, want in zip(run(op, args, kwargs), reference(op, args, kwargs), strict=True):
        close(got, want, 1e-9)


@pytest.mark.parametrize(("name", "index"), list(cases()))
def test_gradients_agree_with_differences(name, index):
    op, args, kwargs = sample(name, index, grad=True)
    if not getattr(op.declaration, "__dict__", {}).keys() & {"grad_input", "grad_g", "backward"}:
        pytest.skip("not differentiable")
    places = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor) and a.requires_grad]

    def function(*inputs):
        full = list(args)
        for i, value in zip(places, inputs, strict=True):
            full[i] = value
        out = op(*full, **kwargs)
        return out[0] if isinstance(out, tuple) else out

    inputs = tuple(args[i] for i in places)
    assert torch.autograd.gradcheck(function, inputs, atol=1e-5)
    if "deform" not in name:
        assert torch.autograd.gradgradcheck(function, inputs, atol=1e-5)


POOLS = {
    "roi_align": {"sampling_ratio": 2},
    "roi_pool": {},
    "ps_roi_align": {"sampling_ratio": 2},
    "ps_roi_pool": {},
}


@pytest.mark.parametrize("name", POOLS)
def test_hostile_regions_do_no_harm(name):
    pool, x = getattr(ops, name), torch.rand(2, 4, 6, 6)
    huge, nan, inf = 3e38, float("nan"), float("inf")
    for image in (-1, 2, 1e9, nan, -inf):
        with pytest.raises(IndexError, match="names image"):
            pool(x, torch.tensor([[image, 0, 0, 5, 5.0]]), 2)
    for box in ([nan] * 4, [-inf, 0, inf, 5], [-huge, -huge, huge, huge], [5, 5, 0, 0]):
        rois = torch.tensor([[0.0, *box]])
        assert pool(x, rois, 2).shape[0] == 1
        assert pool(x, rois, 2, 1e30).shape[0] == 1
    assert pool(x, torch.zeros(0, 5), 2).shape[0] == 0
    for wrong in (torch.zeros(3, 4), [torch.zeros(3, 5)], None):
        with pytest.raises((AssertionError, IndexError)):
            pool(x, wrong, 2)
    with pytest.raises(RuntimeError):
        pool(x, torch.zeros(1, 5), -1)
    with pytest.raises(RuntimeError, match="same type"):
        pool(x, torch.zeros(1, 5).double(), 2)
    with pytest.raises((IndexError, RuntimeError)):
        pool(x[0], torch.zeros(1, 5), 2)


def test_a_huge_region_samples_adaptively_in_reasonable_time():
    x = torch.ones(1, 1, 8, 8)
    out = ops.roi_align(x, torch.tensor([[0, -1e8, -1e8, 1e8, 1e8]]), 1)
    assert 0 <= out.item() < 1e-12


def test_hostile_arguments_of_deform_conv_are_refused():
    x, weight = torch.rand(1, 4, 5, 5), torch.rand(6, 4, 3, 3)
    offset = torch.zeros(1, 18, 3, 3)
    want = torch.nn.functional.conv2d(x, weight)
    torch.testing.assert_close(ops.deform_conv2d(x, offset, weight), want)
    for wrong in ({"stride": 0}, {"dilation": 0}, {"padding": -1}, {"stride": -(2**40)}):
        with pytest.raises(RuntimeError):
            ops.deform_conv2d(x, offset, weight, **wrong)
    for other in (offset[:, :17], offset[:, :, :2], torch.zeros(2, 18, 3, 3), offset.double()):
        with pytest.raises(RuntimeError):
            ops.deform_conv2d(x, other, weight)
    with pytest.raises(RuntimeError):
        ops.deform_conv2d(x, offset, weight, mask=torch.ones(1, 8, 3, 3))
    with pytest.raises(RuntimeError):
        ops.deform_conv2d(x, offset, torch.rand(6, 3, 3, 3))
    far = torch.full_like(offset, float("nan"))
    assert ops.deform_conv2d(x, far, weight).abs().sum() == 0
    assert ops.deform_conv2d(x, far.fill_(1e30), weight).abs().sum() == 0
    assert ops.deform_conv2d(x[:0], offset[:0], weight).shape == (0, 6, 3, 3)


def regions(g, count, size, scale):
    box = g.uniform(-0.2, 1.2, (count, 4)) * size / scale
    box = np.concatenate(
        [np.minimum(box[:, :2], box[:, 2:]), np.maximum(box[:, :2], box[:, 2:])], 1
    )
    return np.concatenate([g.integers(0, 2, (count, 1)), box], 1).astype("f")


@pytest.mark.parametrize("name", POOLS)
def test_pools_have_torchvisions_numbers(vision, name):  # noqa: F811
    g = np.random.default_rng(SEED)
    for scale in (1.0, 0.25):
        x, rois = both(g.standard_normal((2, 8, 9, 11)).astype("f")), both(regions(g, 17, 9, scale))
        for keywords in ({}, POOLS[name]):
            x[0].requires_grad_(), x[1].requires_grad_()
            want = getattr(vision, name)(x[0], rois[0], 2, scale, **keywords)
            got = getattr(ops, name)(x[1], rois[1], 2, scale, **keywords)
            same(want, got)
            if name == "ps_roi_pool":  # torchvision's gradient counts a row that its forward omits
                continue
            x[0].grad = x[1].grad = None
            (want**2).sum().backward(), (got**2).sum().backward()
            same(x[0].grad, x[1].grad, 1e-4)


def test_deform_conv_has_torchvisions_numbers(vision):  # noqa: F811
    g = np.random.default_rng(SEED)
    for groups, offset_groups, masked in ((1, 1, False), (2, 4, True)):
        inputs = [
            both(a.astype("f"))
            for a in (
                g.standard_normal((3, 4, 8, 9)),
                g.standard_normal((3, 2 * offset_groups * 6, 8, 4)) * 2,
                g.standard_normal((6, 4 // groups, 2, 3)),
                g.standard_normal(6),
                g.uniform(0, 1, (3, offset_groups * 6, 8, 4)),
            )
        ]
        for a, b in inputs:
            a.requires_grad_(), b.requires_grad_()
        results = []
        for which, module in enumerate((vision, ops)):
            x, offset, weight, bias, mask = (pair[which] for pair in inputs)
            mask = mask if masked else None
            out = module.deform_conv2d(x, offset, weight, bias, (1, 2), (1, 0), (2, 1), mask)
            (out**2).sum().backward()
            results.append(out)
        same(*results, 1e-4)
        for a, b in inputs[: 5 if masked else 4]:
            same(a.grad / a.grad.abs().max(), b.grad / b.grad.abs().max(), 1e-4)


def test_random_layers_draw_torchvisions_numbers(vision):  # noqa: F811
    import torch as oracle

    g = np.random.default_rng(SEED)
    x = both(g.standard_normal((2, 3, 11, 12)).astype("f"))
    for call in (
        lambda o, x: o.drop_block2d(x, 0.2, 3),
        lambda o, x: o.drop_block3d(x[None], 0.2, 3),
        lambda o, x: o.stochastic_depth(x, 0.4, "row"),
        lambda o, x: o.stochastic_depth(x, 0.4, "batch"),
    ):
        oracle.manual_seed(SEED), torch.manual_seed(SEED)
        same(call(vision, x[0]), call(ops, x[1]))
