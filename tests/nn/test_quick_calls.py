"""Calls of modules without hooks go straight to forward, also once a hook has been there."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import nn


class Counting(nn.Linear):
    slow_calls = 0

    def _call_impl(self, *args, **kwargs):
        self.slow_calls += 1
        return super()._call_impl(*args, **kwargs)


def register(name):
    hooks = {
        "register_forward_hook": lambda module, args, out: None,
        "register_forward_pre_hook": lambda module, args: None,
        "register_full_backward_hook": lambda module, g_in, g_out: None,
        "register_full_backward_pre_hook": lambda module, g_out: None,
    }
    return lambda module: getattr(module, name)(hooks[name])


@pytest.mark.parametrize(
    "name",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
def test_a_removed_hook_costs_nothing(name):
    module, x = Counting(2, 2), torch.ones(1, 2, requires_grad=True)
    module(x)
    assert module.slow_calls == 0
    handle = register(name)(module)
    module(x)
    assert module.slow_calls == 1
    handle.remove()
    module(x)
    assert module.slow_calls == 1
    with register(name)(module):
        module(x)
    assert module.slow_calls == 2


def test_a_patch_of_module_that_is_undone_costs_nothing(monkeypatch):
    module, x = Counting(2, 2), torch.ones(1, 2)
    original = nn.Module.__call__
    monkeypatch.setattr(nn.Module, "__call__", lambda self, *a: ("patched", original(self, *a)))
    assert module(x)[0] == "patched"
    monkeypatch.undo()
    module(x)
    module.register_forward_hook(lambda *_: None).remove()
    module(x)
    assert module.slow_calls == 0


def test_a_hook_put_into_an_emptied_registry_runs():
    module, seen = Counting(2, 2), []
    module.register_forward_hook(lambda *_: None).remove()
    module._forward_hooks[7] = lambda module, args, out: seen.append(out)
    module(torch.ones(1, 2))
    assert len(seen) == 1


def test_a_module_that_was_not_initialized_says_so():
    class Hasty(nn.Module):
        def __init__(self):
            self.__dict__["training"] = True

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match="Hasty' object has no attribute"):
        Hasty()(torch.ones(1))
