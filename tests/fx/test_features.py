"""Outputs of operations inside a model."""

from __future__ import annotations

import copy

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.vision.models import resnet18
from rushlight.vision.models.feature_extraction import (
    create_feature_extractor,
    get_graph_node_names,
)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(3, 3)

    def forward(self, x):
        return torch.relu(self.lin(x)) + x


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.drop = Block(), Block(), nn.Dropout()

    def forward(self, x):
        x = self.b(self.a(self.a(x)))
        return self.drop(x) if self.training else x


def test_names():
    train, evaluation = get_graph_node_names(Model(), suppress_diff_warning=True)
    assert evaluation == [
        "x", "a.lin", "a.relu", "a.add", "a.lin_1", "a.relu_1", "a.add_1", "b.lin", "b.relu",
        "b.add",
    ]  # fmt: skip
    assert train == [*evaluation, "drop"]
    with pytest.warns(UserWarning, match="eval mode are a subsequence of those obtained in train"):
        get_graph_node_names(Model())
    whole, _ = get_graph_node_names(Model(), {"leaf_modules": [Block]}, True)
    assert whole == ["x", "a", "a_1", "b", "drop"]


def test_outputs_by_names():
    torch.manual_seed(0)
    model = Model().eval()
    found = create_feature_extractor(
        model, {"a.relu": "first", "a": "second", "b.lin": "last"}, suppress_diff_warning=True
    )
    x = torch.randn(2, 3)
    out = found(x)
    one = torch.relu(model.a.lin(x))
    assert list(out) == ["first", "second", "last"]
    assert torch.equal(out["first"], one)
    assert torch.equal(out["second"], model.a(model.a(x)))
    assert torch.equal(out["last"], model.b.lin(model.a(model.a(x))))
    assert found.a.lin.weight is model.a.lin.weight and not hasattr(found, "drop")
    assert not model.training and not found.training


def test_training_and_evaluation_have_graphs_of_their_own():
    model = Model()
    nodes = {"train_return_nodes": {"drop": "out"}, "eval_return_nodes": {"b.add": "out"}}
    found = create_feature_extractor(model, **nodes, suppress_diff_warning=True)
    assert found.training and "self.drop" in found.code
    assert "self.drop" not in found.eval().code and "self.drop" in found.train().code
    again = copy.deepcopy(found).eval()
    x = torch.ones(1, 3)
    assert torch.equal(again(x)["out"], model.eval()(x))
    assert again.a.lin.weight is not found.a.lin.weight


def test_a_real_model():
    model = resnet18().eval()
    names = {"layer1.0.relu": "a", "layer2": "b", "flatten": "c"}
    out = create_feature_extractor(model, names)(torch.randn(1, 3, 32, 32))
    assert {k: tuple(v.shape) for k, v in out.items()} == {
        "a": (1, 64, 8, 8), "b": (1, 128, 4, 4), "c": (1, 512),
    }  # fmt: skip


def test_wrong_requests():
    model = Model()
    with pytest.raises(ValueError, match="node: 'c' is not present in model"):
        create_feature_extractor(model, ["c"], suppress_diff_warning=True)
    with pytest.raises(ValueError, match="should be specified"):
        create_feature_extractor(model)
    with pytest.raises(ValueError, match="then both should be specified"):
        create_feature_extractor(model, train_return_nodes=["a"])
