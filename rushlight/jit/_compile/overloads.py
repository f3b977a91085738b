"""Functions with several signatures: @torch.jit._overload."""

from __future__ import annotations

from .calling import fail
from .values import Arg, Sugared

_functions: dict[str, list] = {}


def register(function) -> None:
    """Note a signature of the function that is defined next under this name."""
    _functions.setdefault(_key(function), []).append(function)


def _key(function) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def overloads_of(function) -> list:
    """The signatures declared for a function."""
    return _functions.get(_key(function), [])


class Overloaded(Sugared):
    """Several functions: the first that takes the arguments is called."""

    said = "overloaded function"

    def __init__(self, functions: list) -> None:
        self.functions = functions

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .calls import plain_values
        from .functions import compiled
        from .match import Misfit, fit
        from .python_values import Function

        values, named = plain_values(b, args, kwargs)
        reasons = []
        for convert in (False, True):
            for function in self.functions:
                try:
                    fit(b, compiled(function, at).schema, at, values, named, None, convert)
                except Misfit as reason:
                    reasons.append(f"{function.name}: {reason}")
                    continue
                return Function(function).call(b, at, args, kwargs)
        fail(at, "Arguments for call are not valid.\n" + "\n".join(reasons))
        raise AssertionError


def overloaded_method(module, name: str, found, declared: list) -> Sugared:
    """A method with several signatures: one compiled method each."""
    from .python_values import Method

    methods = []
    for i, signature in enumerate(declared):
        key = f"{name}__{i}"
        made = module.concrete.type.methods.get(key)
        if made is None:
            made = module.concrete.compile(key, found, signature)
        methods.append(Method(module.ir, made, key))
    return _OverloadedMethod(methods)


class _OverloadedMethod(Sugared):
    said = "overloaded method"

    def __init__(self, methods: list) -> None:
        self.methods = methods

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .calls import plain_values
        from .functions import compiled
        from .match import Misfit, fit

        values, named = plain_values(b, args, kwargs)
        reasons = []
        for convert in (False, True):
            for method in self.methods:
                schema = compiled(method.function, at).schema
                try:
                    fit(b, schema, at, [method.me, *values], named, None, convert)
                except Misfit as reason:
                    reasons.append(f"{method.name}: {reason}")
                    continue
                return method.call(b, at, args, kwargs)
        fail(at, "Arguments for call are not valid.\n" + "\n".join(reasons))
        raise AssertionError
