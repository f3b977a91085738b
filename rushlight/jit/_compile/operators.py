"""`aten`: operators by name, for the functions of the library: compiled, or recorded in a trace."""

from __future__ import annotations

from .python_values import Builtin
from .values import Sugared


class Operators(Sugared):
    """A space of operators: `aten.relu6` is aten::relu6."""

    said = "module"
    fixed = True

    def __init__(self, space: str) -> None:
        self.space = space

    def attr(self, b, at, name: str) -> Sugared:
        return Operator(f"{self.space}::{name}")

    def __getattr__(self, name: str) -> Operator:
        return Operator(f"{self.space}::{name}")


class Operator(Builtin):
    """An operator, whose overloads are its attributes: `aten.add.Tensor`."""

    fixed = True
    overload: str | None = None  # the first that takes the arguments

    def attr(self, b, at, name: str) -> Sugared:
        return Builtin(self.name)

    def __getattr__(self, name: str) -> Operator:
        made = Operator(self.name)
        made.overload = name
        return made

    def __call__(self, *args, **kwargs):
        """Record and run it."""
        from .._operators import run
        from .._trace_rules import assigned, choose, record, schema_named
        from .._traced_values import current

        tracer = current()
        with tracer.paused():
            if self.overload is None:
                schema = choose(self.name, args, kwargs)
            else:
                schema = schema_named(self.name, self.overload)
            given = assigned(schema, args, kwargs)
            values = [given.get(a.name, a.default_value) for a in schema.arguments]
            return record(tracer, schema, args, kwargs, run(schema), values, {})


aten = Operators("aten")
