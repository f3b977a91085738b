"""state_dict and load_state_dict: contents, messages, hooks, and loads that fail."""

from __future__ import annotations

import weakref
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn


def snapshot(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def unchanged(module, before):
    after = module.state_dict()
    return list(after) == list(before) and all(torch.equal(after[k], before[k]) for k in before)


def network():
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Sequential(nn.Linear(3, 1)))


def test_state_shares_memory_is_ordered_and_carries_versions():
    net = network()
    state = net.state_dict()
    assert list(state) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
        "1.num_batches_tracked", "2.0.weight", "2.0.bias",
    ]  # fmt: skip
    assert state._metadata["1"] == {"version": 2} and state._metadata[""] == {"version": 1}
    assert state["0.weight"].data_ptr() == net[0].weight.data_ptr()
    assert not state["0.weight"].requires_grad
    assert net.state_dict(keep_vars=True)["0.weight"] is net[0].weight
    assert list(net[0].state_dict(prefix="p.")) == ["p.weight", "p.bias"]


def test_a_load_copies_and_keeps_the_parameter_objects():
    source, target = network(), network()
    weight = target[0].weight
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert target[0].weight is weight and unchanged(target, snapshot(source))
    with torch.no_grad():
        source[0].weight.zero_()
    assert target[0].weight.any()


def test_assign_adopts_the_tensors():
    net = nn.Linear(2, 3)
    net.weight.requires_grad_(False)
    new = {"weight": torch.ones(3, 2, dtype=torch.float64), "bias": torch.zeros(3)}
    net.load_state_dict(new, assign=True)
    assert net.weight.dtype == torch.float64 and isinstance(net.weight, nn.Parameter)
    assert net.weight.data_ptr() == new["weight"].data_ptr()
    assert not net.weight.requires_grad and net.bias.requires_grad


def test_messages_are_pytorchs():
    net = nn.Linear(2, 3)
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict({"weight": torch.ones(2, 2), "odd": torch.ones(1)})
    assert str(caught.value) == (
        "Error(s) in loading state_dict for Linear:\n"
        '\tMissing key(s) in state_dict: "bias". \n'
        '\tUnexpected key(s) in state_dict: "odd". \n'
        "\tsize mismatch for weight: copying a param with shape torch.Size([2, 2]) from "
        "checkpoint, the shape in current model is torch.Size([3, 2])."
    )
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        net.load_state_dict(3)
    result = net.load_state_dict({"bias": torch.ones(3), "odd": torch.ones(1)}, strict=False)
    assert result.missing_keys == ["weight"] and result.unexpected_keys == ["odd"]
    assert net.bias.sum() == 3


def faults():
    """States of the network, each wrong in one way."""
    good = network().state_dict()

    def without(key):
        return OrderedDict((k, v) for k, v in good.items() if k != key)

    yield "missing first", without("0.weight"), True
    yield "missing last", without("2.0.bias"), True
    yield "unexpected", {**good, "2.0.more": torch.ones(1)}, True
    yield "unexpected module", {**good, "9.weight": torch.ones(1)}, True
    yield "wrong shape at the end", {**good, "2.0.bias": torch.ones(7)}, True
    yield "wrong shape, not strict", {**good, "2.0.bias": torch.ones(7)}, False
    yield "not a tensor", {**good, "2.0.bias": "text"}, True
    yield "wrong number of dims", {**good, "1.running_var": torch.ones(3, 1)}, False


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize(("label", "state", "strict"), list(faults()))
def test_a_failed_load_changes_nothing(label, state, strict, assign):
    net = network()
    before, params = snapshot(net), list(net.parameters())
    with pytest.raises(RuntimeError, match="loading state_dict for Sequential"):
        net.load_state_dict(state, strict=strict, assign=assign)
    assert unchanged(net, before), label
    assert all(a is b for a, b in zip(params, net.parameters(), strict=True))


def test_a_copy_that_fails_midway_is_taken_back():
    net = network()
    before = snapshot(net)

    class Stubborn(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if getattr(func, "__name__", "") in ("copy_", "to_copy", "expand", "detach"):
                raise ValueError("cannot be read")
            return super().__torch_function__(func, types, args, kwargs)

    state = network().state_dict()
    state["2.0.bias"] = torch.ones(1).as_subclass(Stubborn)
    with pytest.raises(RuntimeError, match='While copying the parameter named "2.0.bias"'):
        net.load_state_dict(state)
    assert unchanged(net, before)


def test_post_hooks_see_loaded_values_and_may_forgive():
    net, seen = network(), []

    def forgive(module, keys):
        seen.append(module[0].weight.sum().item())
        keys.missing_keys.clear()

    net.register_load_state_dict_post_hook(forgive)
    state = network().state_dict()
    state["0.weight"] = torch.full((3, 2), 2.0)
    del state["2.0.bias"]
    net.load_state_dict(state)
    assert seen == [12.0]


def test_a_post_hook_that_raises_takes_the_load_back():
    net = network()
    before = snapshot(net)

    def refuse(module, keys):
        raise KeyError("no")

    net.register_load_state_dict_post_hook(refuse)
    with pytest.raises(KeyError):
        net.load_state_dict(network().state_dict())
    assert unchanged(net, before)


def test_pre_hooks_can_rename_keys():
    net = nn.Linear(2, 3)

    def rename(module, state, prefix, *rest):
        assert module is net
        state[prefix + "weight"] = state.pop(prefix + "w")

    net.register_load_state_dict_pre_hook(rename)
    given = {"w": torch.ones(3, 2), "bias": torch.zeros(3)}
    net.load_state_dict(given)
    assert net.weight.sum() == 6 and "w" in given


def test_state_dict_hooks_run_before_and_after():
    net, seen = nn.Linear(1, 1), []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))

    def add(module, state, prefix, metadata):
        state[prefix + "extra"] = torch.ones(1)

    net.register_state_dict_post_hook(add)
    assert list(net.state_dict(prefix="a.")) == ["a.weight", "a.bias", "a.extra"]
    assert seen == ["a."]

    def wrong(module, state, prefix, metadata):
        return state

    net.register_state_dict_post_hook(wrong)
    with pytest.raises(RuntimeError, match="must return None"):
        net.state_dict()


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.n = 0

    def get_extra_state(self):
        return {"n": self.n}

    def set_extra_state(self, state):
        self.n = state["n"]


def test_extra_state_round_trips_and_is_required():
    a, b = nn.Sequential(Counter(), nn.Linear(1, 1)), nn.Sequential(Counter(), nn.Linear(1, 1))
    a[0].n = 5
    state = a.state_dict()
    assert state["0._extra_state"] == {"n": 5}
    bad = {**state, "1.weight": torch.ones(3)}
    with pytest.raises(RuntimeError):
        b.load_state_dict(bad)
    assert b[0].n == 0
    b.load_state_dict(state)
    assert b[0].n == 5
    del state["0._extra_state"]
    with pytest.raises(RuntimeError, match="Missing key"):
        b.load_state_dict(state)


def test_old_batch_norm_states_get_a_batch_count():
    net = nn.BatchNorm1d(2)
    state = OrderedDict((k, v) for k, v in net.state_dict().items() if "num" not in k)
    net.load_state_dict(state)
    state._metadata = {"": {"version": 2}}
    with pytest.raises(RuntimeError, match="num_batches_tracked"):
        net.load_state_dict(state)


def test_old_scalars_of_one_element_fit():
    m = nn.Module()
    m.p = nn.Parameter(torch.tensor(0.0))
    m.load_state_dict({"p": torch.tensor([4.0])})
    assert m.p.item() == 4.0


def test_consume_prefix_strips_keys_and_metadata():
    state = nn.Sequential(OrderedDict(module=nn.Linear(1, 1))).state_dict()
    nn.modules.utils.consume_prefix_in_state_dict_if_present(state, "module.")
    assert list(state) == ["weight", "bias"] and list(state._metadata) == [""]


@pytest.fixture
def future():
    yield torch.__future__
    torch.__future__.set_swap_module_params_on_conversion(False)
    torch.__future__.set_overwrite_module_params_on_conversion(False)


def test_conversions_that_overwrite_parameters(future):
    assert not future.get_overwrite_module_params_on_conversion()
    m = nn.Linear(2, 2)
    before = m.weight
    m(torch.ones(1, 2)).sum().backward()
    future.set_overwrite_module_params_on_conversion(True)
    m.double()
    assert m.weight is not before and before.dtype is torch.float32
    assert m.weight.grad.dtype is torch.float64 and m.weight.requires_grad


def test_conversions_and_loads_that_swap(future):
    assert not future.get_swap_module_params_on_conversion()
    future.set_swap_module_params_on_conversion(True)
    m = nn.Linear(2, 2)
    weight = m.weight
    m(torch.ones(1, 2)).sum().backward()
    grad = weight.grad
    m.double()
    assert m.weight is weight and weight.dtype is torch.float64
    assert weight.grad is grad and grad.dtype is torch.float64
    state = nn.Linear(2, 2).double().state_dict()
    m.load_state_dict(state)
    assert m.weight is weight and torch.equal(weight, state["weight"])
    assert weight.data_ptr() != state["weight"].data_ptr()
    m.load_state_dict(state, assign=True)
    assert m.weight is weight and weight.data_ptr() == state["weight"].data_ptr()
    m.to("meta")
    assert m.weight is weight and weight.is_meta and type(weight) is nn.Parameter


def test_a_swap_that_cannot_be_changes_nothing(future):
    future.set_swap_module_params_on_conversion(True)
    m = nn.Linear(2, 2)
    m(torch.ones(1, 2)).sum().backward()
    held = weakref.ref(m.bias)
    with pytest.raises(RuntimeError, match=r"_apply\(\): Couldn't swap Linear.bias"):
        m._apply(lambda t: t.double())
    assert m.bias is held() and m.bias.dtype is torch.float32 and m.bias.grad is not None
    before = snapshot(m)
    with pytest.raises(RuntimeError, match="weakref"):
        m.load_state_dict(nn.Linear(2, 2).state_dict())
    assert unchanged(m, before)

    class Same(torch.Tensor):
        def module_load(self, other, assign=False):
            return other

    del held
    m.weight = nn.Parameter(m.weight.detach().as_subclass(Same))
    before = snapshot(m)
    with pytest.raises(RuntimeError, match="module_load returned one of self or other"):
        m.load_state_dict(nn.Linear(2, 2).state_dict())
    assert unchanged(m, before)
