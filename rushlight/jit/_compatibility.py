"""Whether a schema may take the place of an older one, and the other way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._function_schema import Argument, FunctionSchema


def breaks_old_calls(new: FunctionSchema, old: FunctionSchema) -> bool:
    """Whether a call that the old schema takes is not taken by the new one."""
    if not _alike(new, old) or len(new.arguments) < len(old.arguments):
        return True
    if any(not _result_fits(a, b) for a, b in zip(new.returns, old.returns, strict=True)):
        return True
    mine, mine_out = _parts(new)
    theirs, theirs_out = _parts(old)
    if len(mine) < len(theirs) or len(mine_out) < len(theirs_out):
        return True
    pairs = [*zip(mine, theirs, strict=False), *zip(mine_out, theirs_out, strict=False)]
    if any(not _takes(a, b) for a, b in pairs):
        return True
    return any(not a.has_default_value() for a in mine[len(theirs) :])


def why_not_forward(new: FunctionSchema, old: FunctionSchema) -> str | None:
    """Why the old schema does not take calls as the new one writes them; None if it does."""
    if not _alike(new, old):
        return ""
    mine, mine_out = _parts(new)
    theirs, theirs_out = _parts(old)
    if len(mine_out) != len(theirs_out):
        return "Function schema should have the same number of out arguments"
    for a, b in zip(mine, theirs, strict=False):
        if not _written_alike(a, b):
            return f"'{a.name}' is not forward compatible with the older version of the schema"
    for a in mine[len(theirs) :]:
        if not a.has_default_value():
            return (
                f"Function schema is not forward compatible since the new argument '{a.name}' of "
                f"type {a.type.str()} did not provide a default value."
            )
        if isinstance(a.default_value, list | dict):
            return (
                f"Function schema is not forward compatible since the new argument '{a.name}' of "
                f"type {a.type.str()} has a container type as its default value."
            )
    for a, b in zip(mine_out, theirs_out, strict=True):
        if not _written_alike(a, b):
            return f"Out argument ''{a.name} is not FC with the older version of the schema"
    return None


def _alike(new: FunctionSchema, old: FunctionSchema) -> bool:
    return (
        (new.name, new.overload_name) == (old.name, old.overload_name)
        and (new.is_vararg, new.is_varret) == (old.is_vararg, old.is_varret)
        and len(new.returns) == len(old.returns)
    )


def _parts(schema: FunctionSchema) -> tuple[list[Argument], list[Argument]]:
    """The arguments that go in, and from the first that is written on, the others."""
    written = [i for i, a in enumerate(schema.arguments) if a.is_out]
    end = written[0] if written else len(schema.arguments)
    return schema.arguments[:end], schema.arguments[end:]


def _result_fits(new: Argument, old: Argument) -> bool:
    return new.name == old.name and new.type.isSubtypeOf(old.type)


def _takes(new: Argument, old: Argument) -> bool:
    if (new.name, new.N, _alias(new)) != (old.name, old.N, _alias(old)):
        return False
    if new.kwarg_only and not old.kwarg_only:
        return False
    if old.has_default_value() and not (
        new.has_default_value() and new.default_value == old.default_value
    ):
        return False
    return old.type.isSubtypeOf(new.type)


def _written_alike(new: Argument, old: Argument) -> bool:
    if (new.name, new.N, _alias(new)) != (old.name, old.N, _alias(old)):
        return False
    if new.kwarg_only and not old.kwarg_only:
        return False
    if new.has_default_value() != old.has_default_value():
        return False
    if new.has_default_value() and new.default_value != old.default_value:
        return False
    return new.type.isSubtypeOf(old.type)


def _alias(argument: Argument) -> str:
    return "" if argument.alias_info is None else argument.alias_info.text
