"""What torch.jit.script refuses, and how it says so: with the place, in PyTorch's words."""

import pytest
from script_tools import load

import rushlight as torch

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
OURS = load("script_mistakes", torch)


def message(library, programs, name) -> str:
    with pytest.raises((RuntimeError, library.jit.frontend.NotSupportedError)) as caught:
        library.jit.script(getattr(programs, name))
    return f"{caught.type.__name__}: {caught.value}"


@pytest.mark.parametrize("name", OURS.CASES)
def test_key_phrase_and_place(name):
    said = message(torch, OURS, name)
    assert OURS.CASES[name] in said
    assert "script_mistakes.py" in said and "<--- HERE" in said
    again = message(torch, OURS, name)
    assert again == said  # a failure leaves nothing behind


@pytest.mark.parametrize("name", OURS.CASES)
def test_words_are_those_of_pytorch(name):
    oracle = pytest.importorskip("torch")
    theirs = load("script_mistakes", oracle)
    wanted, found = message(oracle, theirs, name), message(torch, OURS, name)
    assert OURS.CASES[name] in wanted
    # The class, the file and the line.
    assert wanted.partition(":")[0] == found.partition(":")[0]
    place = next(line for line in wanted.splitlines() if "File" in line)
    assert place in found


def test_modules_that_are_not_ready():
    class Bare(torch.nn.Module):
        def __init__(self):
            pass

    with pytest.raises(RuntimeError, match=r"did you forget to call 'super\(\)'"):
        torch.jit.script(Bare())
    with pytest.raises(RuntimeError, match="uninitialized parameters weight"):
        torch.jit.script(torch.nn.LazyLinear(3))
    with pytest.raises(RuntimeError, match="inherits from nn.Module"):
        torch.jit.script(torch.nn.Linear)
    with pytest.raises(TypeError, match="is a built-in class"):
        torch.jit.script(3)


def test_attributes_without_a_type():
    class Holder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.what = object()

        def forward(self, x: torch.Tensor):
            return self.what

    with pytest.raises(RuntimeError, match="failed to convert Python type: 'object'"):
        torch.jit.script(Holder())


def test_it_can_be_off():
    torch.jit._state.disable()
    try:
        assert torch.jit.script(OURS.helper) is OURS.helper
    finally:
        torch.jit._state.enable()
