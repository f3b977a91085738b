"""Sequential, ModuleList, ModuleDict, ParameterList and ParameterDict."""

from __future__ import annotations

import copy
import pickle
from collections import OrderedDict

import pytest

import rushlight as torch
from rushlight import nn


def named(module):
    return [n for n, _ in module.named_children()]


def test_sequential_is_a_list_of_steps():
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    net = nn.Sequential(a, b)
    assert net.append(c) is net and len(net) == 3 and net[-1] is c and list(net) == [a, b, c]
    x = torch.ones(1, 2)
    assert torch.equal(net(x), c(b(a(x))))
    assert isinstance(net[:2], nn.Sequential) and list(net[:2]) == [a, b]
    net[1] = nn.Tanh()
    assert isinstance(net[1], nn.Tanh)
    del net[1]
    assert named(net) == ["0", "1"] and list(net) == [a, c]
    net.insert(1, b)
    assert list(net) == [a, b, c] and net.pop(0) is a and named(net) == ["0", "1"]
    assert list(net + nn.Sequential(a)) == [b, c, a]
    net.extend([a])
    net *= 2
    assert list(net) == [b, c, a] * 2 and len(nn.Sequential(a) * 3) == 3


def test_sequential_takes_names():
    net = nn.Sequential(OrderedDict(one=nn.ReLU(), two=nn.Tanh()))
    assert named(net) == ["one", "two"] and isinstance(net.one, nn.ReLU)
    assert isinstance(net[1], nn.Tanh)


@pytest.mark.parametrize(
    ("do", "error"),
    [
        (lambda: nn.Sequential(1), TypeError),
        (lambda: nn.Sequential(nn.ReLU())[1], IndexError),
        (lambda: nn.Sequential(nn.ReLU()) * 0, ValueError),
        (lambda: nn.Sequential(nn.ReLU()) * "a", TypeError),
        (lambda: nn.Sequential(nn.ReLU()) + 3, ValueError),
        (lambda: nn.Sequential().insert(4, nn.ReLU()), IndexError),
        (lambda: nn.ModuleList(3), TypeError),
        (lambda: nn.ModuleList([3]), TypeError),
        (lambda: nn.ModuleList([nn.ReLU()])(1), NotImplementedError),
        (lambda: nn.ModuleDict(3), TypeError),
        (lambda: nn.ModuleDict([["a"]]), ValueError),
        (lambda: nn.ModuleDict({"clear": nn.ReLU()}), KeyError),
        (lambda: nn.ModuleDict({})["a"], KeyError),
        (lambda: nn.ParameterList(3), TypeError),
        (lambda: nn.ParameterDict(3), TypeError),
        (lambda: nn.ParameterDict({1: torch.ones(1)}), TypeError),
    ],
)
def test_misuse_raises_what_pytorch_raises(do, error):
    with pytest.raises(error):
        do()


def test_module_list_edits_keep_numbers_in_step():
    items = [nn.Linear(1, 1) for _ in range(4)]
    net = nn.ModuleList(items)
    del net[1]
    net.insert(0, nn.ReLU())
    assert named(net) == ["0", "1", "2", "3"] and net[1] is items[0]
    assert list(net[1:]) == [items[0], items[2], items[3]]
    net += [nn.Tanh()]
    assert net.pop(-1) is not None and len(net) == 4
    assert len(net + [nn.ReLU()]) == 5
    del net[1:3]
    assert len(net) == 2


def test_module_list_prints_runs_once():
    net = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])
    assert repr(net) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"
    assert repr(nn.ModuleList()) == "ModuleList()"


def test_module_dict_is_a_dictionary():
    net = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Tanh()})
    net.update([("c", nn.Linear(1, 1))])
    assert list(net) == ["b", "a", "c"] and "a" in net and len(net) == 3
    assert [k for k, _ in net.items()] == list(net.keys())
    assert isinstance(net.pop("a"), nn.Tanh) and "a" not in net
    assert [n for n, _ in net.named_parameters()] == ["c.weight", "c.bias"]
    net.clear()
    assert not len(net)


def test_parameter_list_registers_tensors_and_keeps_the_rest():
    params = nn.ParameterList([torch.ones(2), "text"])
    params.append(nn.Parameter(torch.zeros(1)))
    assert len(params) == 3 and isinstance(params[0], nn.Parameter) and params[1] == "text"
    assert [n for n, _ in params.named_parameters()] == ["0", "2"]
    params[1] = torch.ones(1)
    assert len(list(params.parameters())) == 3 and params[-1] is params[2]
    assert repr(nn.ParameterList([torch.ones(2), 3])) == (
        "ParameterList(\n"
        "    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Object of type: int\n"
        ")"
    )


def test_parameter_dict_registers_tensors():
    params = nn.ParameterDict({"a": torch.ones(2)})
    params["b"] = torch.ones(1)
    assert isinstance(params["b"], nn.Parameter) and list(params) == ["a", "b"]
    assert params.get("z", 5) == 5 and params.setdefault("a") is params["a"]
    both = params | nn.ParameterDict({"c": torch.ones(3)})
    assert list(both) == ["a", "b", "c"] and list(params) == ["a", "b"]
    assert params.popitem()[0] == "b" and [n for n, _ in params.named_parameters()] == ["a"]
    assert list(nn.ParameterDict().fromkeys(["x", "y"], 3).values()) == [3, 3]
    assert repr(params) == (
        "ParameterDict(  (a): Parameter containing: [torch.FloatTensor of size 2])"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU()),
        lambda: nn.ModuleList([nn.Linear(2, 2)]),
        lambda: nn.ModuleDict({"a": nn.Linear(2, 2)}),
        lambda: nn.ParameterList([torch.ones(2), 3]),
        lambda: nn.ParameterDict({"a": torch.ones(2)}),
    ],
)
def test_containers_copy_and_pickle(make):
    original = make()
    for twin in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert repr(twin) == repr(original)
        for p, q in zip(twin.parameters(), original.parameters(), strict=True):
            assert torch.equal(p, q) and p is not q
