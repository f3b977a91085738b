"""Hooks of modules: compiled as methods, called around forward."""

from __future__ import annotations

from .. import _types as T
from .calling import fail
from .functions import compiled
from .values import Arg, Parts, Simple, Sugared


def add_hooks(concrete) -> None:
    """Compile the hooks that a module has."""
    seen: set[str] = set()
    for functions, kept in (
        (concrete.pre_hooks, concrete.type.forward_pre_hooks),
        (concrete.hooks, concrete.type.forward_hooks),
    ):
        for function in functions:
            name = function.__name__
            if name in seen or name in concrete.type.methods:
                known = concrete.type.methods.get(name)
                if known is None or getattr(known, "_original", None) is not function:
                    raise RuntimeError(
                        f"Hook '{name}' on {concrete.type.name()} has the name of another method "
                        "or hook: expected names that differ"
                    )
                kept.append(known)
                continue
            seen.add(name)
            made = concrete.compile(name, function)
            made._original = function
            kept.append(made)


def call_with_hooks(module, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
    """Pre-hooks, forward, hooks."""
    from .python_values import Method

    if kwargs:
        fail(at, "modules with hooks take no keyword arguments")
    given = b.tuple([a.given.value(b, a.at) for a in args], at)
    t = module.concrete.type
    for hook in t.forward_pre_hooks:
        changed = Method(module.ir, compiled(hook, at), hook.name).call(
            b, at, [Arg(Simple(given), at)], []
        )
        given = _pre_result(b, at, changed.value(b, at), given)
    parts = [Arg(p, at) for p in Simple(given).elements(b, at)]
    result = module.attr(b, at, "forward").call(b, at, parts, [])
    for hook in t.forward_hooks:
        both = [Arg(Simple(given), at), Arg(result, at)]
        changed = Method(module.ir, compiled(hook, at), hook.name).call(b, at, both, [])
        value = changed.value(b, at)
        if not isinstance(value.type(), T.NoneType):
            result = Simple(value)
    return result


def _pre_result(b, at, changed, given):
    """What a pre-hook gives becomes the arguments: a tuple, or one value."""
    if isinstance(changed.type(), T.NoneType):
        return given
    if isinstance(changed.type(), T.TupleType):
        return changed
    return Parts([Simple(changed)]).value(b, at)
