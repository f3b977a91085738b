"""nn.utils: clipping, vectors of parameters, fusion, parametrizations, functional calls."""

from __future__ import annotations

import copy

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import utils
from rushlight.nn.utils import parametrizations, parametrize
from rushlight.nn.utils.stateless import _functional_call as functional_call


def with_grads(*values):
    params = [nn.Parameter(torch.zeros(len(v))) for v in values]
    for p, v in zip(params, values, strict=True):
        p.grad = torch.tensor(v)
    return params


def test_clipping_by_norm_scales_all_gradients_alike():
    params = with_grads([3.0, 0.0], [4.0])
    total = utils.clip_grad_norm_(params, 1.0)
    assert total.item() == 5
    assert torch.allclose(params[0].grad, torch.tensor([0.6, 0.0]))
    assert torch.allclose(params[1].grad, torch.tensor([0.8]))
    small = with_grads([0.1])
    utils.clip_grad_norm_(small, 1.0)
    assert small[0].grad.item() == pytest.approx(0.1)


@pytest.mark.parametrize(("kind", "expected"), [(1, 7.0), (float("inf"), 4.0), (2.0, 5.0)])
def test_norms_of_every_order(kind, expected):
    assert utils.clip_grad_norm_(with_grads([3.0], [4.0]), 100, kind).item() == expected
    assert utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])], kind) == expected


def test_infinite_norms_raise_when_asked():
    params = with_grads([float("inf")])
    with pytest.raises(RuntimeError, match="non-finite"):
        utils.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    assert params[0].grad.item() == float("inf")
    assert utils.clip_grad_norm_([], 1.0).item() == 0


def test_clipping_by_value():
    params = with_grads([3.0, -5.0])
    utils.clip_grad_value_(params, 2)
    assert params[0].grad.tolist() == [2, -2]


def test_parameters_to_vector_and_back():
    net = nn.Linear(2, 3)
    vector = utils.parameters_to_vector(net.parameters())
    assert vector.shape == (9,)
    utils.vector_to_parameters(torch.arange(9.0), net.parameters())
    assert net.weight.tolist() == [[0, 1], [2, 3], [4, 5]] and net.bias.tolist() == [6, 7, 8]
    with pytest.raises(TypeError):
        utils.vector_to_parameters([1.0], net.parameters())


@pytest.mark.parametrize(
    ("layer", "norm", "shape", "fuse"),
    [
        (lambda: nn.Conv2d(2, 3, 2, bias=False), nn.BatchNorm2d, (2, 2, 4, 4), "conv"),
        (lambda: nn.Linear(2, 3), nn.BatchNorm1d, (4, 2), "linear"),
    ],
)
def test_fused_layers_compute_the_same(layer, norm, shape, fuse):
    net = nn.Sequential(layer(), norm(3))
    net(torch.randn(shape))
    nn.init.uniform_(net[1].weight)
    net.eval()
    fused = getattr(utils, f"fuse_{fuse}_bn_eval")(*net)
    x = torch.randn(shape)
    assert torch.allclose(fused(x), net(x), atol=1e-5)
    with pytest.raises(AssertionError, match="only for eval"):
        getattr(utils, f"fuse_{fuse}_bn_eval")(*net.train())


def test_skip_init_draws_nothing():
    state = torch.get_rng_state()
    net = utils.skip_init(nn.Linear, 3, 4)
    assert net.weight.shape == (4, 3) and torch.equal(torch.get_rng_state(), state)
    assert nn.init.uniform_.__name__ == "uniform_"
    with pytest.raises(RuntimeError, match="Expected a Module"):
        utils.skip_init(int)


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)

    def right_inverse(self, x):
        return x.triu()


def test_parametrized_tensors_are_computed_and_assignable():
    net = nn.Linear(3, 3)
    parametrize.register_parametrization(net, "weight", Symmetric())
    assert parametrize.is_parametrized(net, "weight") and not parametrize.is_parametrized(net, "x")
    assert torch.equal(net.weight, net.weight.t())
    assert type(net).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(net) is nn.Linear
    assert list(net.state_dict()) == ["bias", "parametrizations.weight.original"]
    net(torch.ones(1, 3)).sum().backward()
    assert net.parametrizations.weight.original.grad is not None
    target = torch.tensor([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    net.weight = target
    assert torch.equal(net.weight, target)
    with parametrize.cached():
        assert net.weight is net.weight
    assert net.weight is not net.weight
    assert torch.equal(copy.deepcopy(net).weight, target)
    parametrize.remove_parametrizations(net, "weight")
    assert type(net) is nn.Linear and torch.equal(net.weight, target)


def test_parametrizations_that_change_the_shape_are_refused():
    class Flat(nn.Module):
        def forward(self, x):
            return x.reshape(-1)

    net = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(net, "weight", Flat())
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(net, "nothing", Flat())


def test_weight_norm_splits_magnitude_and_direction():
    net = nn.Linear(3, 2)
    before = net.weight.detach().clone()
    parametrizations.weight_norm(net)
    names = [n for n, _ in net.named_parameters()]
    assert names == [
        "bias", "parametrizations.weight.original0", "parametrizations.weight.original1",
    ]  # fmt: skip
    assert torch.allclose(net.weight, before)
    with torch.no_grad():
        net.parametrizations.weight.original0.fill_(2.0)
    assert torch.allclose(net.weight.norm(dim=1), torch.full((2,), 2.0))
    old = {"bias": torch.zeros(2), "weight_g": torch.ones(2, 1), "weight_v": torch.ones(2, 3)}
    net.load_state_dict(old)
    assert torch.allclose(net.weight.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("split", [lambda m: parametrizations.spectral_norm(m),
                                   lambda m: utils.spectral_norm(m)])  # fmt: skip
def test_spectral_norm_brings_the_largest_singular_value_to_one(split):
    net = split(nn.Linear(5, 4))
    for _ in range(60):
        net(torch.ones(1, 5))
    assert torch.linalg.matrix_norm(net.eval().weight, 2).item() == pytest.approx(1, abs=1e-3)


def test_the_older_norms_can_be_removed():
    with pytest.warns(FutureWarning, match="deprecated"):
        net = utils.weight_norm(nn.Linear(3, 2))
    assert [n for n, _ in net.named_parameters()] == ["bias", "weight_g", "weight_v"]
    value = net.weight.detach().clone()
    utils.remove_weight_norm(net)
    assert torch.allclose(net.weight, value) and isinstance(net.weight, nn.Parameter)
    net = utils.remove_spectral_norm(utils.spectral_norm(net))
    assert sorted(net.state_dict()) == ["bias", "weight"]
    for remove in (utils.remove_weight_norm, utils.remove_spectral_norm):
        with pytest.raises(ValueError, match="not found"):
            remove(net)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2)])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_weights_stay_orthogonal(kind, shape):
    net = parametrizations.orthogonal(nn.Linear(*shape), orthogonal_map=kind)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.ones(1, shape[0])).pow(2).sum().backward()
        optimizer.step()
    w = net.weight
    gram = w @ w.t() if w.shape[0] <= w.shape[1] else w.t() @ w
    assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)


def test_functional_call_uses_other_tensors_and_restores():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    weight = net[0].weight
    zeros = {"0.weight": torch.zeros(2, 2), "0.bias": torch.ones(2)}
    out = functional_call(net.eval(), zeros, (torch.randn(3, 2),))
    assert torch.allclose(out, torch.ones(3, 2), atol=1e-4) and net[0].weight is weight
    with pytest.raises(ZeroDivisionError):
        net.forward = lambda x: 1 / 0
        functional_call(net, zeros, (1,))
    assert net[0].weight is weight
    with pytest.raises(RuntimeError, match="Missing key"):
        functional_call(net, zeros, (1,), strict=True)
    with pytest.raises(AttributeError):
        functional_call(net, {"9.weight": torch.ones(1)}, (1,))
