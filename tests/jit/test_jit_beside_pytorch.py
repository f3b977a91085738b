"""Beside PyTorch: the same graphs and source for the same programs, archives that go both ways."""

import io
import re
import warnings

import jit_programs as programs
import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")
FUNCTIONS = list(programs.functions(rushlight))
MODULES = list(programs.modules(rushlight))


def plain(graph) -> str:
    """A graph's text without places in the source."""
    return re.sub(r" # .*", "", str(graph))


def leaves(value):
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def close(mine, theirs, **limits):
    mine, theirs = leaves(mine), leaves(theirs)
    assert len(mine) == len(theirs)
    for a, b in zip(mine, theirs, strict=True):
        assert str(a.dtype) == str(b.dtype)
        theirs_here = rushlight.from_numpy(b.detach().numpy())
        rushlight.testing.assert_close(a.detach(), theirs_here, rtol=1e-5, atol=1e-6)


def traced(lib, program, inputs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lib.jit.trace(program, inputs, check_trace=False)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_recorded_alike(name):
    mine, theirs = [traced(lib, *programs.functions(lib)[name]) for lib in (rushlight, torch)]
    assert mine.code == theirs.code
    assert plain(mine.graph) == plain(theirs.graph)


@pytest.mark.parametrize("name", [n for n in MODULES if n != "encoder"])
def test_modules_are_recorded_alike(name):
    made = []
    for lib in (rushlight, torch):
        module, inputs = programs.modules(lib)[name]
        made.append(traced(lib, module, inputs(2)))
    mine, theirs = made
    for (path, one), (_, other) in zip(mine.named_modules(), theirs.named_modules(), strict=True):
        for method in other._c._method_names():
            code, expected = one._c._get_method(method).code, other._c._get_method(method).code
            if path == "lstm":  # how often a size is made a number differs
                code, expected = [c[c.index("torch.lstm(") :] for c in (code, expected)]
                code, expected = [re.sub(r"_\d+", "_", c) for c in (code, expected)]
            assert code == expected, path


def from_pytorch(made):
    buffer = io.BytesIO()
    torch.jit.save(made, buffer)
    buffer.seek(0)
    return rushlight.jit.load(buffer)


def to_pytorch(made):
    return torch.jit.load(io.BytesIO(made.save_to_buffer()))


@pytest.mark.parametrize("way", ["trace", "script"])
@pytest.mark.parametrize("name", MODULES)
def test_archives_go_both_ways(name, way):
    mine, inputs = programs.modules(rushlight)[name]
    theirs, their_inputs = programs.modules(torch)[name]
    if way == "trace":
        mine, theirs = traced(rushlight, mine, inputs(2)), traced(torch, theirs, their_inputs(2))
    else:
        mine, theirs = rushlight.jit.script(mine), torch.jit.script(theirs)
    loaded = from_pytorch(theirs)
    close(loaded(*inputs(3)), theirs(*their_inputs(3)))
    assert list(loaded.state_dict()) == list(theirs.state_dict())
    close(mine(*inputs(3)), to_pytorch(mine)(*their_inputs(3)))
    close(loaded(*inputs(3)), to_pytorch(loaded)(*their_inputs(3)))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_go_both_ways(name):
    program, inputs = programs.functions(rushlight)[name]
    their_program, their_inputs = programs.functions(torch)[name]
    mine, theirs = traced(rushlight, program, inputs), traced(torch, their_program, their_inputs)
    close(mine(*inputs), to_pytorch(mine)(*their_inputs))
    close(from_pytorch(theirs)(*inputs), theirs(*their_inputs))


def test_gradients_agree():
    mine, inputs = programs.modules(rushlight)["net"]
    theirs, their_inputs = programs.modules(torch)["net"]
    mine, theirs = traced(rushlight, mine, inputs(2)), traced(torch, theirs, their_inputs(2))
    mine(*inputs(3))[0].square().sum().backward()
    theirs(*their_inputs(3))[0].square().sum().backward()
    for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
        close(a.grad, b.grad)


def test_loaded_source_is_that_of_pytorch():
    theirs, inputs = programs.modules(torch)["net"]
    made = traced(torch, theirs, inputs(2))
    buffer = io.BytesIO()
    torch.jit.save(made, buffer)
    for again in (
        from_pytorch(made),
        rushlight.jit.load(io.BytesIO(from_pytorch(made).save_to_buffer())),
    ):
        assert again.code == torch.jit.load(io.BytesIO(buffer.getvalue())).code
