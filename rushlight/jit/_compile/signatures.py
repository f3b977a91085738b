"""Schemas of Python functions that are not compiled: ignored ones."""

from __future__ import annotations

from .. import _types as T
from .._function_schema import Argument, FunctionSchema
from .functions import _Job
from .resolver import Scope
from .source import parse_definition


class _Declared(_Job):
    """Only the signature of a definition; what Python takes as *args it may have."""

    def schema(self, name: str) -> FunctionSchema:
        """The schema that the annotations give."""
        from .builder import Builder

        b = Builder(self.unit, self.resolver, self.source, name)
        self.node.args.vararg = self.node.args.kwarg = None
        parameters = self.parameters(b)
        result = self.return_type(b, len(parameters)) or T.TensorType.get()
        made = [p.argument() for p in parameters if p.type is not self.self_type]
        return FunctionSchema(name, "", made, [Argument("", result)])


def signature_of(unit, function, at=None, method: bool = False) -> FunctionSchema:
    """The schema of a Python function, or of a method without its object."""
    from .unit import defaults_of

    function = getattr(function, "__func__", function)
    scope = Scope(unit, function)
    own = T.ClassType("__torch__.self") if method else None
    job = _Declared(
        unit, parse_definition(function), scope, own, defaults_of(function),
        function.__annotations__, None,
    )  # fmt: skip
    return job.schema(function.__name__)
