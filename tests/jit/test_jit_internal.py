"""torch._jit_internal: marks, dispatch by a flag, questions about annotations, names of a place."""

from typing import Final, Optional, Union  # noqa: UP035

import pytest

import rushlight as torch
from rushlight import _jit_internal as internal
from rushlight.jit.annotations import BroadcastingList2

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")


def test_marks_are_read_back():
    @torch.jit.ignore
    def left(x):
        return x

    @torch.jit.unused
    def never(x):
        return x

    def plain(x):
        return x

    assert internal.is_ignored_fn(left) and not internal.should_drop(left)
    assert internal.should_drop(never) and not internal.is_ignored_fn(plain)
    internal.copy_torchscript_modifier(never, plain)
    assert internal.should_drop(plain)
    assert internal.get_torchscript_modifier(len) == internal.FunctionModifiers.DEFAULT
    copied = internal._copy_to_script_wrapper(lambda self: 0)
    assert "copy the python method" in internal.get_torchscript_modifier(copied)


def test_a_flag_chooses_the_function():
    def both(x, with_both=False):
        """Two."""
        return x, x

    def one(x, with_both=False):
        return x

    chosen = internal.boolean_dispatch("with_both", 1, False, both, one, __name__, "chosen")
    assert chosen(3) == 3 and chosen(3, True) == (3, 3) == chosen(3, with_both=True)
    assert (chosen.__name__, chosen.__doc__) == ("chosen", "Two.")
    assert internal.boolean_dispatched[chosen]["if_true"] is both
    one.__doc__ = "One."
    with pytest.raises(RuntimeError, match="only one function can have a docstring"):
        internal.boolean_dispatch("with_both", 1, False, both, one, __name__, "chosen")


def test_annotations_are_told_apart():
    assert internal.is_optional(Optional[int])  # noqa: UP045
    assert not internal.is_optional(Union[int, str])  # noqa: UP007
    assert internal.is_union(int | str) and internal.is_list(list[int])
    assert internal.is_dict(dict[str, int]) and internal.is_tuple(tuple[int, str])
    assert internal.is_final(Final[int]) and not internal.is_list(dict[str, int])
    with pytest.raises(RuntimeError, match="Attempted to use List without a contained type"):
        internal.is_list(list)


def test_one_number_stands_for_two():
    def doubled(size: BroadcastingList2[int]) -> int:
        return size[0] + size[1]

    compiled = torch.jit.script(doubled)
    assert compiled([2, 3]) == 5
    assert compiled.schema.arguments[0].type == torch.ListType.ofInts()


def test_names_of_a_place_are_found():
    here = 5
    find = internal.createResolutionCallbackFromFrame()
    assert find("here") == here and find("torch.nn.Linear") is torch.nn.Linear
    assert find("len") is len and find("no_such_name") is None

    def closes():
        return here

    assert internal.createResolutionCallbackFromClosure(closes)("here") == here
    assert internal.get_callable_argument_names(lambda a, b: a) == ["a", "b"]
    assert internal.get_callable_argument_names(lambda *a: a) == []
    assert internal._qualified_name(torch.nn.Linear) == "__torch__.torch.nn.modules.linear.Linear"
    assert internal.can_compile_class(torch.nn.Linear)
    assert not internal.can_compile_class(tuple)


def test_the_compiler_is_switched_off_and_on():
    def program(x):
        return x + 1

    state = torch.jit._state
    assert state._enabled.enabled
    state.disable()
    try:
        assert torch.jit.script(program) is program
    finally:
        state._enabled.enabled = None  # as the environment says again
    compiled = torch.jit.script(program)
    assert isinstance(compiled, torch.jit.ScriptFunction)
    assert "program" in [f.name for f in state._python_cu.get_functions()]


@pytest.mark.parametrize(("said", "on"), [("0", False), ("1", True), ("0v", False), ("1v", True)])
def test_the_environment_says_it(said, on, monkeypatch, capsys):
    monkeypatch.setenv("PYTORCH_JIT", said)
    assert torch.jit._state.EnabledProxy().enabled is on
    assert ("JIT" in capsys.readouterr().out) == said.endswith("v")
    monkeypatch.setenv("PYTORCH_JIT", "maybe")
    with pytest.raises(ValueError, match="Try using 0 or 1"):
        bool(torch.jit._state.EnabledProxy())


def test_a_recording_is_known_while_it_goes_on():
    seen = []

    def program(x):
        state = torch._C._get_tracing_state()
        seen.append((torch._C._is_tracing(), state is not None and state.graph()))
        return x + 1

    traced = torch.jit.trace(program, (torch.ones(2),), check_trace=False)
    assert seen[0][0] and seen[0][1].findNode("aten::add") is not None
    assert traced.graph is not None
    assert torch._C._get_tracing_state() is None and not torch._C._is_tracing()
