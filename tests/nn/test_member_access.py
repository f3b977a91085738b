"""Reaching tensors by dotted names, and calling a module with other tensors."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn.utils import prune
from rushlight.nn.utils._named_member_accessor import NamedMemberAccessor
from rushlight.nn.utils.stateless import _functional_call


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def test_tensors_are_read_set_swapped_and_removed():
    module = model()
    access = NamedMemberAccessor(module)
    weight = module[0].weight
    assert "0.weight" in access and "0.nothing" not in access and "7.weight" not in access
    assert access.get_tensor("0.weight") is weight
    assert access.swap_tensor("0.weight", torch.zeros(3, 2)) is weight
    assert module[0].weight.eq(0).all()
    access.set_tensors(["0.weight", "1.running_mean"], [weight, torch.ones(3)])
    assert module[0].weight is weight and module[1].running_mean.eq(1).all()
    access.del_tensor("0.bias")
    assert "bias" not in module[0]._parameters
    assert access.check_keys(["0.weight", "odd"])[1] == ["odd"]


def test_wrong_places_are_refused():
    access = NamedMemberAccessor(model())
    with pytest.raises(AttributeError, match="has no attribute `9`"):
        access.get_tensor("9.weight")
    with pytest.raises(TypeError, match="not an instance of torch.Tensor"):
        access.get_tensor("0")
    with pytest.raises(TypeError, match="not an instance of torch.nn.Module"):
        access.get_tensor("0.weight.x")
    with pytest.raises(AttributeError, match="has no attribute `new`"):
        access.swap_tensor("0.new", torch.ones(1))
    with pytest.raises(TypeError, match="not an instance of torch.Tensor"):
        access.set_tensor("0.weight", 3)


def test_a_swap_of_several_happens_whole_or_not_at_all():
    module = model()
    access, before = NamedMemberAccessor(module), dict(module.state_dict(keep_vars=True))
    with pytest.raises(RuntimeError, match="Missing key"):
        access.swap_tensors_dict({"0.weight": torch.zeros(3, 2), "0.new": torch.ones(1)})
    with pytest.raises(TypeError):
        access.swap_tensors_dict({"0.weight": torch.zeros(3, 2), "1": torch.ones(1)})
    after = module.state_dict(keep_vars=True)
    assert all(after[name] is tensor for name, tensor in before.items())
    assert not hasattr(module[0], "new")


def test_what_a_call_assigns_stands_in_the_dictionary_not_in_the_module():
    module = model()
    given = {"1.running_mean": torch.zeros(3), "1.num_batches_tracked": torch.tensor(5)}
    _functional_call(module, given, torch.randn(4, 2))
    assert given["1.num_batches_tracked"].item() == 6
    assert module[1].num_batches_tracked.item() == 0
    assert not given["1.running_mean"].eq(0).all() and module[1].running_mean.eq(0).all()


def test_an_error_in_the_call_restores_the_module():
    module = model()
    weight = module[0].weight
    with pytest.raises(RuntimeError):
        _functional_call(module, {"0.weight": torch.zeros(3, 5)}, torch.randn(4, 2))
    assert module[0].weight is weight


def test_a_method_that_fails_leaves_the_module_as_it_was():
    class Fails(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t, default_mask):
            raise ArithmeticError("no mask")

    module = nn.Linear(2, 3)
    for pruned in (False, True):
        before = list(module.state_dict()), list(module._forward_pre_hooks)
        with pytest.raises(ArithmeticError):
            Fails.apply(module, "weight")
        assert (list(module.state_dict()), list(module._forward_pre_hooks)) == before
        if not pruned:
            prune.l1_unstructured(module, "weight", 2)
    assert module.weight_mask.sum() == 4


def test_a_recurrent_layer_runs_on_pruned_weights():
    torch.manual_seed(0)
    layer = nn.GRU(2, 3, batch_first=True)
    prune.l1_unstructured(layer, "weight_ih_l0", 5)
    x = torch.randn(2, 4, 2)
    layer(x)[0].sum().backward()
    assert layer.weight_ih_l0_orig.grad[layer.weight_ih_l0_mask == 0].eq(0).all()
    prune.remove(layer, "weight_ih_l0")
    assert (layer.weight_ih_l0 == 0).sum() == 5


def test_a_recurrent_layer_takes_weights_set_as_a_list():
    torch.manual_seed(0)
    layer, x = nn.LSTM(2, 3), torch.randn(4, 1, 2)
    want = layer(x)[0]
    layer._flat_weights = [w * 1.0 for w in layer._flat_weights]
    torch.testing.assert_close(layer(x)[0], want)
    layer._flat_weights = [w * 0.0 for w in layer._flat_weights]
    assert layer(x)[0].eq(0).all()
    layer._flat_weights = [getattr(layer, name) for name in layer._flat_weights_names]
    torch.testing.assert_close(layer(x)[0], want)
