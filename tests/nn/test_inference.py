"""optimize_for_inference, and weights that stay packed between calls."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import nn


class Block(nn.Module):
    """A residual block whose first convolution is read twice when `twice` is set."""

    def __init__(self, channels, twice=False):
        super().__init__()
        self.first, self.second = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))
        self.norm, self.after = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
        self.twice = twice

    def forward(self, x):
        between = self.first(x)
        y = self.after(self.second(torch.relu(self.norm(between))))
        return torch.relu(x + y + between) if self.twice else torch.relu(x + y)


def trained(model):
    """The model in evaluation mode, its norms with statistics of their own."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return model.eval()


def norms(model):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in model.modules())


def plain_cnn():
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), Block(32),
        nn.ConvTranspose2d(32, 16, 2, stride=2), nn.BatchNorm2d(16), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(64, 20, bias=False), nn.BatchNorm1d(20), nn.Linear(20, 5),
    )  # fmt: skip


@pytest.mark.parametrize("given", [False, True])
def test_norms_are_folded_and_the_original_is_unchanged(given):
    model, x = trained(plain_cnn()), torch.randn(4, 3, 20, 20)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with torch.no_grad():
        expected = model(x)
        fast = torch.optimize_for_inference(model, x if given else None)
        for _ in range(3):  # packed at the first call, read at the next
            torch.testing.assert_close(fast(x), expected, rtol=1e-4, atol=1e-5)
    assert norms(fast) == 0 and norms(model) == 5
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters())
    assert not any(p.requires_grad for p in fast.parameters())


def test_what_lies_between_must_not_be_read_by_others():
    model, x = trained(Block(32, twice=True)), torch.randn(2, 32, 9, 9)
    fast = torch.optimize_for_inference(model, (x,))
    assert isinstance(fast.norm, nn.BatchNorm2d) and isinstance(fast.after, nn.Identity)
    torch.testing.assert_close(fast(x), model(x), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_folded_stays():
    layer = nn.Linear(8, 8)
    shared = trained(nn.Sequential(layer, nn.BatchNorm1d(8), layer))
    channels = trained(nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(4)))  # (N, C, L): over dim 1
    batch = trained(nn.Sequential(nn.Conv1d(4, 4, 1), nn.BatchNorm1d(4, track_running_stats=False)))
    hooked = trained(nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8)))
    hooked[0].register_forward_hook(lambda module, args, output: output * 2)
    cases = (shared, (5, 8)), (channels, (5, 4, 8)), (batch, (5, 4, 7)), (hooked, (5, 8))
    for model, shape in cases:
        x = torch.randn(*shape)
        fast = torch.optimize_for_inference(model, x)
        assert norms(fast) == 1
        torch.testing.assert_close(fast(x), model(x))


def activated(model):
    return [m for m in model.modules() if type(m).__name__ == "_ActivatedLinear"]


ACTIVATIONS = [nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Tanh(),
               nn.Sigmoid(), nn.ReLU6(), nn.Hardtanh(-0.5, 0.25), nn.Hardswish()]  # fmt: skip


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
def test_activations_are_done_with_the_linear_before_them(activation):
    torch.manual_seed(0)
    model = trained(
        nn.Sequential(nn.Linear(70, 96), nn.BatchNorm1d(96), activation, nn.Linear(96, 9))
    )
    for dtype, rows in ((torch.float32, 300), (torch.float32, 1), (torch.float64, 40)):
        model, x = model.to(dtype), torch.randn(rows, 70, dtype=dtype)
        with torch.no_grad():
            expected, fast = model(x), torch.optimize_for_inference(model, (x,))
            for _ in range(3):
                torch.testing.assert_close(fast(x), expected, rtol=1e-4, atol=1e-5)
    assert len(activated(fast)) == 1 and isinstance(fast[2], nn.Identity)
    leaf = x.clone().requires_grad_()  # recorded, so the ordinary way
    fast(leaf).sum().backward()
    wanted = x.clone().requires_grad_()
    model(wanted).sum().backward()
    torch.testing.assert_close(leaf.grad, wanted.grad, rtol=1e-4, atol=1e-6)
    with torch.inference_mode():
        assert fast(x).is_inference() and activated(fast)[0](x).is_inference()


def test_activations_that_others_read_past_stay():
    class Reads(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.layer, self.act, self.kind = nn.Linear(8, 8), nn.ReLU(kind == "inplace"), kind

        def forward(self, x):
            y = self.layer(x)
            if self.kind == "before":
                return y.sigmoid() + self.act(y)
            z = self.act(y)
            return self.act(z - 0.5) if self.kind == "twice" else z + y

    for kind, count in (("before", 0), ("after", 0), ("inplace", 1), ("twice", 0)):
        model, x = Reads(kind).eval(), torch.randn(5, 8)
        fast = torch.optimize_for_inference(model, (x,))
        assert len(activated(fast)) == count
        with torch.no_grad():
            torch.testing.assert_close(fast(x), model(x), rtol=1e-5, atol=1e-6)


def test_whoever_watches_sees_the_linear_and_its_activation():
    x, model = torch.randn(3, 8), nn.Sequential(nn.Linear(8, 8), nn.ReLU()).eval()
    fast = torch.optimize_for_inference(model, (x,))
    with torch.no_grad():
        fast(x)
        with torch.autocast("cpu", torch.bfloat16):
            assert fast(x).dtype is torch.bfloat16
        lanes = torch.func.vmap(fast)(x)
        torch.testing.assert_close(lanes, model(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(RuntimeError, match="mat1 and mat2 shapes cannot be multiplied"):
        with torch.no_grad():
            fast(torch.randn(3, 7))


def test_the_first_call_leaves_no_hook_behind():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU()).eval()
    fast = torch.optimize_for_inference(model)
    fast(torch.randn(2, 8))
    assert "_unhooked" in vars(fast) and not fast._forward_pre_hooks


def test_training_mode_is_refused():
    model = trained(plain_cnn())
    model[3].norm.train()
    with pytest.raises(RuntimeError, match=r"evaluation mode: got '3.norm' in training mode"):
        torch.optimize_for_inference(model)


def count():
    return torch._C.packed_weights()


LAYERS = [
    (lambda: nn.Conv2d(32, 32, 3, padding=1), (2, 32, 16, 16)),
    (lambda: nn.Conv2d(32, 64, 1), (2, 32, 16, 16)),
    (lambda: nn.Linear(64, 96), (40, 64)),
]


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_packed_weights_follow_what_is_written(make, shape):
    layer, x, before = make(), torch.randn(*shape), count()
    packs = torch.backends.mkldnn.is_available() or not isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        first = layer(x)
        assert count() == before  # seen once: it may be written before the next call
        assert torch.equal(layer(x), first) or (layer(x) - first).abs().max() < 1e-5
        kept = count()
        assert kept == before + 1 or not packs
        layer.weight.mul_(2)
        changed = layer(x) - layer.bias.reshape(-1, *(1,) * (x.ndim - 2))
        exact = first - layer.bias.reshape(-1, *(1,) * (x.ndim - 2))
        torch.testing.assert_close(changed, 2 * exact, rtol=1e-4, atol=1e-5)
        array = layer.weight.numpy()  # others may write: nothing is kept meanwhile
        layer(x), layer(x), layer(x)
        array[:] = 0
        assert (layer(x) - layer.bias.reshape(-1, *(1,) * (x.ndim - 2))).abs().max() < 1e-6
        assert count() == before
    del layer, array
    assert count() == before


@pytest.mark.parametrize(("make", "shape"), LAYERS)
def test_packed_weights_follow_what_is_written_to_their_data(make, shape):
    layer, x = make(), torch.randn(*shape)
    torch.nn.init.zeros_(layer.bias)
    alias = layer.weight.data
    with torch.no_grad():
        first = layer(x)
        for write in (
            lambda: layer.weight.data.mul_(2),
            lambda: layer.weight.data.copy_(alias * 2),
            lambda: alias.view(-1)[:].mul_(2),
            lambda: torch.mul(alias, 2, out=alias),
        ):
            layer(x), layer(x)
            write()
            first = first * 2
            torch.testing.assert_close(layer(x), first, rtol=1e-4, atol=1e-4)


def test_training_keeps_nothing():
    layer, x, before = nn.Linear(64, 64), torch.randn(32, 64), count()
    for _ in range(3):
        layer(x).sum().backward()
    assert count() == before


def test_packed_weights_go_with_their_tensor():
    layer, x, before = nn.Linear(64, 64), torch.randn(32, 64), count()
    with torch.inference_mode():
        layer(x), layer(x)
    assert count() == before + 1
    del layer
    assert count() == before
