"""Functions with several signatures: @torch.jit._overload."""

from __future__ import annotations

from typing import Any

from .. import _types as T
from .calling import fail
from .values import Arg, Simple, Sugared


def overloads_of(function) -> list:
    """The signatures declared for a function."""
    from .._marks import _overloads

    return _overloads.get(f"{function.__module__}.{function.__qualname__}", [])


class Overloaded(Sugared):
    """Several functions, or methods of one value: the first that takes the arguments is called."""

    def __init__(self, forms: list) -> None:
        self.forms = forms
        self.said = f"overloaded {forms[0].said}"

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .calls import plain_values
        from .functions import compiled
        from .match import Misfit, fit
        from .python_values import Method

        values, named = plain_values(b, args, kwargs)
        reasons = []
        for convert in (False, True):
            for form in self.forms:
                given = [form.me, *values] if isinstance(form, Method) else values
                try:
                    fit(b, compiled(form.function, at).schema, at, given, named, None, convert)
                except Misfit as reason:
                    reasons.append(f"{form.function.name}: {reason}")
                    continue
                return form.call(b, at, args, kwargs)
        fail(at, "Arguments for call are not valid.\n" + "\n".join(reasons))
        raise AssertionError


class Widened(Sugared):
    """A function that takes one number where it takes a list, a whole one for a float."""

    said = "function"

    def __init__(self, function, names: tuple[str, ...]) -> None:
        self.function = function
        self.names = names

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .functions import compiled
        from .python_values import Function

        schema = compiled(self.function, at).schema
        for i, arg in enumerate(args):
            if i < len(schema.arguments) and schema.arguments[i].name in self.names:
                args[i] = self._listed(b, arg, schema.arguments[i])
        kwargs = [
            self._listed(b, k, schema.argument(k.name)) if k.name in self.names else k
            for k in kwargs
        ]
        return Function(self.function).call(b, at, args, kwargs)

    def _listed(self, b, arg: Arg, formal) -> Arg:
        value = arg.given.value(b, arg.at)
        wanted = formal.type
        if isinstance(wanted, T.OptionalType):
            wanted = wanted.getElementType()
        if isinstance(wanted, T.FloatType) and isinstance(value.type(), T.IntType):
            return Arg(Simple(self._float(b, value, arg.at)), arg.at, arg.name)
        if not isinstance(wanted, T.ListType):
            return arg
        element = wanted.getElementType()
        if isinstance(value.type(), T.OptionalType):
            return self._listed_if_given(b, arg, value, element)
        values = [value]
        if isinstance(value.type(), T.TupleType):
            values = b.emit("prim::TupleUnpack", [value], value.type().elements(), arg.at)
        elif not isinstance(value.type(), T.IntType | T.FloatType):
            return arg
        if isinstance(element, T.FloatType):
            values = [self._float(b, v, arg.at) for v in values]
        return Arg(Simple(b.list(values, element, arg.at)), arg.at, arg.name)

    def _listed_if_given(self, b, arg: Arg, value, element) -> Arg:
        """A list of the number, or None where there is none."""
        from .library import images
        from .python_values import Function
        from .unit import python_unit

        if not isinstance(value.type().getElementType(), T.IntType | T.FloatType):
            return arg
        name = "one_float" if isinstance(element, T.FloatType) else "one_int"
        function = Function(python_unit().function(getattr(images, name)))
        return Arg(function.call(b, arg.at, [Arg(Simple(value), arg.at)], []), arg.at, arg.name)

    def _float(self, b, value, at):
        return (
            value
            if isinstance(value.type(), T.FloatType)
            else b.builtin("aten::Float", at, [value])
        )


class Dispatched(Sugared):
    """A function whose result's type depends on flags that are known while compiling."""

    said = "function"

    def __init__(self, flags: tuple[str, ...], forms: dict[tuple[bool, ...], Any]) -> None:
        self.flags = flags
        self.forms = forms  # the function for each setting of the flags

    def call(self, b, at, args: list[Arg], kwargs: list[Arg]) -> Sugared:
        from .functions import compiled
        from .python_values import Function

        schema = compiled(next(iter(self.forms.values())), at).schema
        names = [a.name for a in schema.arguments]
        setting = tuple(self._flag(b, at, flag, names, args, kwargs) for flag in self.flags)
        return Function(self.forms[setting]).call(b, at, args, kwargs)

    @staticmethod
    def _flag(b, at, flag: str, names: list[str], args: list[Arg], kwargs: list[Arg]) -> bool:
        place = names.index(flag)
        given = args[place] if place < len(args) else None
        given = next((k for k in kwargs if k.name == flag), given)
        chosen = False if given is None else given.given.value(b, given.at).toIValue()
        if chosen is None:
            fail(at, f"{flag}: expected a value that is known while compiling")
        return bool(chosen)


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
    return Overloaded(methods)
