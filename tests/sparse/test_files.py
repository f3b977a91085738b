"""Sparse tensors in files, pickles and deep copies."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest
from layouts import LAYOUTS, matrix, scattered

import rushlight as torch


def everything():
    made = {name: matrix().to_sparse(**options) for name, options in LAYOUTS.items()}
    made["scattered"] = scattered()
    made["hybrid"] = torch.sparse_coo_tensor([[0, 2]], [[1, 2], [3, 4]], (3, 2))
    made["parameter"] = torch.nn.Parameter(matrix().to_sparse())
    return made


def written(obj):
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return file


@pytest.mark.parametrize(
    "passed_on",
    [
        copy.deepcopy,
        lambda obj: pickle.loads(pickle.dumps(obj)),
        lambda obj: torch.load(written(obj)),
        lambda obj: torch.load(written(obj), weights_only=False),
    ],
)
def test_what_comes_back(passed_on):
    before = everything()
    after = passed_on(before)
    for name, tensor in before.items():
        assert repr(after[name]) == repr(tensor)
        assert after[name].layout is tensor.layout
    after["coo"]._values().zero_()
    assert repr(before["coo"]) == repr(everything()["coo"])


def test_files_with_indices_outside_are_refused():
    broken = torch.sparse_coo_tensor([[0, 9]], [1.0, 2.0], (3,))
    with pytest.raises(pickle.UnpicklingError, match="size is inconsistent with indices"):
        torch.load(written(broken))
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        torch.load(written(broken), weights_only=False)


def test_a_state_dict_with_a_sparse_buffer():
    layer = torch.nn.Linear(2, 2)
    layer.register_buffer("graph", matrix().to_sparse())
    other = torch.nn.Linear(2, 2)
    other.register_buffer("graph", torch.sparse_coo_tensor((4, 6), dtype=torch.float64))
    other.load_state_dict(torch.load(written(layer.state_dict())))
    assert torch.equal(other.graph.to_dense(), matrix())


def test_exchange_with_pytorch():
    theirs = pytest.importorskip("torch")
    file = written(everything())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # once: that their compressed layouts are in beta state
        got = theirs.load(file)
    for name, tensor in everything().items():
        assert repr(got[name]) == repr(tensor)
    back = io.BytesIO()
    theirs.save(got, back)
    back.seek(0)
    for name, tensor in torch.load(back).items():
        assert repr(tensor) == repr(everything()[name])
