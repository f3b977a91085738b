"""Tensors without data, on devices that need not exist."""

from __future__ import annotations

import copy

import pytest

import rushlight as torch
from rushlight._subclasses import DynamicOutputShapeException, FakeTensor, FakeTensorMode
from rushlight._subclasses import fake_tensor as fakes
from rushlight.utils._mode_utils import no_dispatch

F = torch.nn.functional


@pytest.fixture
def mode():
    with FakeTensorMode() as entered:
        yield entered


def test_what_is_made_is_fake(mode):
    x = torch.empty(2, 3, device="cuda")
    assert type(x) is FakeTensor and x.fake_mode is mode
    assert x.device == torch.device("cuda", 0) and x.is_cuda and not x.is_meta
    assert repr(x) == "FakeTensor(..., device='cuda:0', size=(2, 3))"
    assert repr(torch.arange(3)) == "FakeTensor(..., size=(3,), dtype=torch.int64)"
    for made in (torch.zeros_like(x), x.new_ones(2), torch.cat([x, x]), x * 2, x.clone(), x[0]):
        assert made.device == x.device
    assert x.cpu().device.type == "cpu" and x.to(torch.float16).dtype is torch.float16
    assert torch.tensor([1, 2], device="cuda").device.type == "cuda"


def test_devices_may_not_mix(mode):
    x, y = torch.ones(3, device="cuda"), torch.ones(3)
    with pytest.raises(fakes.FakeTensorDeviceMismatchError, match="same device.*cuda:0 and cpu"):
        x + y
    assert (x + torch.tensor(2.0)).device == x.device


def test_what_needs_elements_raises(mode):
    x = torch.randn(3)
    for ask in (lambda: x.sum().item(), x.tolist, lambda: bool(x[0] > 0), lambda: float(x[0])):
        with pytest.raises(fakes.DataDependentOutputException) as caught:
            ask()
        assert str(caught.value) == "aten._local_scalar_dense.default"
    with pytest.raises(RuntimeError, match="not supported for tensor subclasses"):
        x.numpy()
    for ask in (x.nonzero, lambda: x[x > 0]):
        with pytest.raises(DynamicOutputShapeException, match="aten.nonzero.default"):
            ask()
    assert (torch.tensor(3) + 1).item() == 4  # a number that the program itself wrote


def test_models_train_without_data(mode):
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(144, 5),
    )  # fmt: skip
    assert isinstance(net[0].weight, torch.nn.Parameter) and type(net[0].weight) is FakeTensor
    optimizer = torch.optim.Adam(net.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(torch.randn(2, 3, 8, 8)), torch.tensor([0, 1]))
        loss.backward()
        optimizer.step()
    assert net[0].weight.grad.shape == net[0].weight.shape and loss.dim() == 0
    assert copy.deepcopy(net)[0].weight.shape == (4, 3, 3, 3)
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, device="cuda")
    assert layer(torch.randn(3, 1, 8, device="cuda")).device.type == "cuda"


def test_standing_for_real_tensors():
    mode, real = FakeTensorMode(), torch.randn(2, 3).t()
    fake = mode.from_tensor(real)
    assert mode.from_tensor(real) is fake and fake.stride() == (1, 3) and fake.shape == (3, 2)
    assert type(fake * 2) is FakeTensor and fakes.is_fake(fake) and not fakes.is_fake(real)
    with pytest.raises(AssertionError, match="convert all Tensors to FakeTensors first"):
        fake + real
    parameter = mode.from_tensor(torch.nn.Parameter(torch.ones(2)))
    assert isinstance(parameter, torch.nn.Parameter) and parameter.requires_grad
    with FakeTensorMode(allow_non_fake_inputs=True):
        assert type(real + 1) is FakeTensor
    with pytest.raises(AssertionError, match="Mixing fake modes"), FakeTensorMode():
        fake + torch.ones(3, 2)


def test_leaving_for_a_while(mode):
    with fakes.unset_fake_temporarily() as left:
        assert left is mode and type(torch.ones(2)) is torch.Tensor
    with no_dispatch():
        assert type(torch.ones(2)) is torch.Tensor
    assert type(torch.ones(2)) is FakeTensor
    with mode:
        assert type(torch.ones(2)) is FakeTensor
    assert fakes.maybe_get_fake_mode(torch.ones(2)) is mode


@pytest.mark.parametrize("bounds", [{"min": 1}, {"max": 3}, {"min": 0, "max": 2}])
def test_clamped_integers_stay_integers(bounds):
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(torch.arange(4))
        assert fake.clamp(**bounds).dtype == torch.int64
        assert fake.clamp_(**bounds) is fake
