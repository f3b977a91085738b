"""torch.compile over an eager library, and the marks of torch.jit: programs run as Python."""

from typing import Any

import pytest

import rushlight as torch


def test_with_the_compiler_switched_off_programs_are_themselves(monkeypatch):
    monkeypatch.setattr(torch.jit._state._enabled, "enabled", False)

    @torch.jit.script
    def f(x, flag: bool):
        return x + 1 if flag else x - 1

    x = torch.ones(2)
    assert torch.equal(f(x, True), x + 1) and torch.equal(f(x, False), x - 1)
    net = torch.nn.Linear(2, 2)
    assert torch.jit.script(net) is net and torch.jit.trace(net, x) is net
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()
    assert torch.jit.annotate(int, 3) == 3


def test_marks_are_kept():
    for mark, words in (
        (torch.jit.export, "export"),
        (torch.jit.unused, "unused"),
        (torch.jit.ignore, "ignore"),
        (torch.jit.ignore(drop=True), "unused"),
    ):
        assert mark(lambda: 1)._torchscript_modifier.startswith(words)  # fmt: skip
    with pytest.raises(RuntimeError, match="must be a bool or a function"):
        torch.jit.ignore(3)
    with pytest.raises(RuntimeError, match="must be applied to a class"):
        torch.jit.interface(3)


@pytest.mark.parametrize(
    "value, kind, answer",
    [
        (3, int, True),
        ([1, 2], list[int], True),
        ([1, "a"], list[int], False),
        ({"a": 1}, dict[str, int], True),
        ({"a": "b"}, dict[str, int], False),
        ((1, "a"), tuple[int, str], True),
        ((1,), tuple[int, str], False),
        (None, int | None, True),
        ("a", int | None, False),
        (3.5, (int, float), True),
        (object(), Any, True),
    ],
)
def test_isinstance_looks_into_containers(value, kind, answer):
    assert torch.jit.isinstance(value, kind) is answer


def test_forked_tasks():
    assert torch.jit.wait(torch.jit.fork(lambda x: x + 1, 3)) == 4
    failed = torch.fork(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        torch.wait(failed)


def test_what_is_missing_says_so():
    for space in (torch.jit, torch.distributed):
        with pytest.raises(AttributeError, match=r"docs/gaps.md"):
            _ = space.no_such_name
    assert not torch.distributed.is_available()


def test_compiled_functions_and_modules_compute_what_they_did():
    @torch.compile(mode="reduce-overhead")
    def f(x):
        return x * 2

    assert torch.equal(f(torch.ones(2)), torch.full((2,), 2.0)) and f.__name__ == "f"
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Dropout())
    fast = torch.compile(net)
    assert fast._orig_mod is net
    assert list(fast.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    fast.eval()
    assert not net.training and not net[1].training
    x = torch.randn(4, 2)
    assert torch.equal(fast(x), net(x))
    fast.extra = 5
    assert net.extra == 5
    assert not torch.compiler.is_compiling()


def test_compile_checks_its_arguments():
    with pytest.raises(RuntimeError, match="Unrecognized mode=fast"):
        torch.compile(abs, mode="fast")
    with pytest.raises(RuntimeError, match="Either mode or options"):
        torch.compile(abs, mode="default", options={})
    with pytest.raises(AssertionError, match="A callable function is expected"):
        torch.compile(3)
    with pytest.raises(RuntimeError, match="stance"):
        torch.compiler.set_stance("sitting")
