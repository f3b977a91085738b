"""Common mistakes raise PyTorch's exception classes, with the phrases that people search for.

`mistakes.txt` holds an expression, a class and a phrase of PyTorch 2.13's message a line.
"""

import copy
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
