"""Common mistakes raise PyTorch's exception classes, with the phrases that people search for.

`mistakes.txt` holds an expression, a class and a phrase of PyTorch 2.13's message a line.
"""

import copy
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore")


def twice(T):
    y = (T.ones(2, requires_grad=True) ** 2).sum()
    y.backward()
    y.backward()


def added_to_leaf(T):
    x = T.ones(2, requires_grad=True)
    x += 1


def saved_then_modified(T):
    y = T.ones(2, requires_grad=True).exp()
    y.add_(1)
    y.sum().backward()


def modified_view(T):
    a, _ = T.ones(2, 2, requires_grad=True).clone().unbind(0)
    a.add_(1)


def unused(T):
    x, z = T.ones(1, requires_grad=True), T.ones(1, requires_grad=True)
    T.autograd.grad(x.sum(), z)


def shared_parameter(T):
    p = T.ones(1)
    T.optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)


def set_item(x, index, value):
    x[index] = value


def branch(x):
    return 1 if x else 0


NAMES = {
    f.__name__: f
    for f in (
        twice, added_to_leaf, saved_then_modified, modified_view, unused, shared_parameter,
        set_item, branch, copy.deepcopy,
    )
} | {"np": np}  # fmt: skip
LINES = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8").splitlines()
TABLE = [tuple(part.strip() for part in line.split(" | ")) for line in LINES]


def failure(module, expression: str) -> tuple[str, str]:
    try:
        eval(expression, {"T": module, **NAMES})
    except Exception as error:
        return type(error).__name__, " ".join(str(error).split())
    return "nothing", ""


def test_there_are_many():
    assert len(TABLE) > 300 and len({line[0] for line in TABLE}) == len(TABLE)


@pytest.mark.parametrize("number", range(8))
def test_mistakes_are_told_in_pytorchs_words(number):
    for expression, name, phrase in TABLE[number::8]:
        found, text = failure(torch, expression)
        assert found == name, f"{expression}: {found}: {text}"
        assert phrase in text, f"{expression}: {text}"


def test_the_table_is_pytorchs():
    theirs = pytest.importorskip("torch")
    theirs.distributions.Distribution.set_default_validate_args(True)
    for expression, name, phrase in TABLE:
        found, text = failure(theirs, expression)
        assert found == name and phrase in text, f"{expression}: {found}: {text}"


def test_nothing_is_half_done_after_a_mistake():
    x = torch.arange(4.0)
    model = torch.nn.Linear(2, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for wrong in (
        lambda: set_item(x, slice(0, 2), torch.ones(3)),
        lambda: x.add_(torch.ones(3)),
        lambda: x.scatter_(0, torch.tensor([0, 9]), 5.0),
        lambda: x.index_add_(0, torch.tensor([0, 9]), torch.ones(2)),
        lambda: torch.add(torch.ones(4), torch.ones(3), out=x),
    ):
        with pytest.raises((RuntimeError, IndexError)):
            wrong()
        assert x.tolist() == [0, 1, 2, 3]
    with pytest.raises(RuntimeError, match="size mismatch"):
        model.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.ones(3)})
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


WARNED = [
    ("T.std(T.ones(1))", "degrees of freedom is <= 0"),
    ("T.ones(3, 1).var(1)", "degrees of freedom is <= 0"),
    ("T.ones(2)[T.tensor([1, 0], dtype=T.uint8)]", "indexing with dtype torch.uint8"),
    ("T.where(T.ones(2).byte(), 1.0, 2.0)", "where received a uint8 condition tensor"),
    ("T.tensor(T.ones(2))", "To copy construct from a tensor, it is recommended"),
    ("T.ones(2).new_tensor(T.ones(2))", "To copy construct from a tensor, it is recommended"),
    ("T.ones(2, 2, 2).T", "The use of `x.T` on tensors of dimension other than 2"),
    ("T.tensor(1.0).T", "Tensor.T is deprecated on 0-D tensors"),
    ("T.cross(T.ones(2, 3), T.ones(2, 3))", "Using torch.cross without specifying the dim arg"),
    ("T.set_default_tensor_type(T.FloatTensor)", "torch.set_default_tensor_type() is deprecated"),
    ("T.tensor([np.ones(2)])", "Creating a tensor from a list of numpy.ndarrays is extremely slow"),
    ("T.range(0, 3)", "torch.range is deprecated"),
    ("(T.ones(1, requires_grad=True) * 2).grad", "The .grad attribute of a Tensor that is not"),
    ("T.nn.functional.softmax(T.ones(2, 2))", "Implicit dimension choice for softmax"),
    ("T.nn.functional.mse_loss(T.ones(2, 1), T.ones(2))", "Using a target size"),
    ("T.nn.LSTM(2, 2, 1, dropout=0.5)", "dropout option adds dropout after all but last"),
    ("T.nn.MSELoss(size_average=False)", "size_average and reduce args will be deprecated"),
]  # fmt: skip


@pytest.mark.parametrize("library", ["rushlight", "torch"])
def test_doubtful_uses_are_warned_of(library):
    module = pytest.importorskip(library)
    module.set_warn_always(True)
    try:
        for expression, phrase in WARNED:
            with pytest.warns(UserWarning, match=re.escape(phrase)):
                eval(expression, {"T": module, **NAMES})
    finally:
        module.set_warn_always(False)


def test_some_warnings_come_once(recwarn):
    from rushlight import _warn

    _warn._given.clear()
    warnings.simplefilter("always")
    for _ in range(3):
        torch.ones(2, 2, 2).T  # noqa: B018
    assert len(recwarn) == 1
