"""What a node says besides its inputs: attributes by kind, its operator, where it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _types as T

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._ir_value import Value


class Attributes:
    """The part of a node that does not depend on where it stands."""

    __slots__ = ("_inputs", "_outputs", "attributes", "callable_", "kind_", "scalars", "scope",
                 "source")  # fmt: skip
    _inputs: list[Value]
    _outputs: list[Value]
    attributes: dict[str, tuple[str, Any]]
    callable_: Any
    kind_: str
    scalars: list
    scope: str
    source: Any

    def attributeNames(self) -> list[str]:
        """The names of the attributes."""
        return list(self.attributes)

    def hasAttributes(self) -> bool:
        """Whether there are attributes."""
        return bool(self.attributes)

    def hasAttribute(self, name: str) -> bool:
        """Whether there is an attribute of this name."""
        return name in self.attributes

    def kindOf(self, name: str) -> str:
        """What an attribute is: i, is, f, fs, s, ss, t, ts, g, gs, ty, tys, c, cs, ival."""
        return self._attribute(name)[0]

    def removeAttribute(self, name: str) -> Self:
        """Take an attribute away; itself."""
        self._attribute(name)
        del self.attributes[name]
        return self

    def copyAttributes(self, other: Attributes) -> Self:
        """Take the attributes of another node; itself."""
        self.attributes = dict(other.attributes)
        return self

    def copyMetadata(self, other: Attributes) -> Self:
        """Take the source range and the scope of another node; itself."""
        self.source, self.scope = other.source, other.scope
        return self

    def _attribute(self, name: str) -> tuple[str, Any]:
        if name not in self.attributes:
            raise RuntimeError(f"required keyword attribute '{name}' is undefined")
        return self.attributes[name]

    def _get(self, name: str, kind: str) -> Any:
        found, value = self._attribute(name)
        if found != kind:
            raise RuntimeError(f"required keyword attribute '{name}' has the wrong type")
        return list(value) if isinstance(value, list) else value

    # -- what it means -----------------------------------------------------------------------

    def mustBeNone(self) -> bool:
        """Whether the output is None and nothing else."""
        outputs = self._outputs
        if self.kind_ == "prim::Constant":
            return "value" not in self.attributes and isinstance(outputs[0]._type, T.NoneType)
        return len(outputs) == 1 and isinstance(outputs[0]._type, T.NoneType)

    def schema(self) -> str:
        """The schema of the operator that it calls, or `(no schema)`."""
        from ._schema import schema_of

        return str(schema_of(self) or "(no schema)")

    def matches(self, schema: str) -> bool:
        """Whether it calls the operator of this schema."""
        from ._schema import find_schema, schema_of

        return schema_of(self) is find_schema(schema)

    def namedInput(self, name: str) -> Value:
        """The input that the schema calls so."""
        from ._schema import schema_of

        schema = schema_of(self)
        if schema is None:
            raise RuntimeError("Schema not found for node. File a bug report.\nNode: " + str(self))
        for i, argument in enumerate(schema.arguments):
            if argument.name == name:
                return self._inputs[i]
        raise RuntimeError(f"Couldn't find an argument called {name} in {schema}")

    def isNondeterministic(self) -> bool:
        """Whether it draws random numbers."""
        from ._schema import draws

        return draws(self)

    def sourceRange(self) -> str:
        """The piece of source that it comes from, shown."""
        show = getattr(self.source, "highlight", None)
        return (show() + "\n") if show is not None else str(self.source or "")

    def scopeName(self) -> str:
        """The scope that it was traced in: __module.layer.0."""
        return self.scope

    def getModuleHierarchy(self) -> str:
        """The modules that it comes from: layer(Linear)."""
        return self.attributes.get("hierarchy", ("s", ""))[1]

    def pyobj(self) -> Any:
        """What a PythonOp calls."""
        return self._python().callable_

    def pyname(self) -> str:
        """The name of what a PythonOp calls."""
        return getattr(self._python().callable_, "__name__", "")

    def scalar_args(self) -> list:
        """The arguments of a PythonOp that are no values of the graph."""
        return list(self._python().scalars)

    def cconv(self) -> str:
        """Of a PythonOp, which arguments are values: `d` each, else `c`."""
        self._python()
        return "d" * len(self._inputs) + "c" * len(self.scalars)

    def _python(self) -> Self:
        if self.kind_ != "prim::PythonOp":
            raise RuntimeError(f"expected a prim::PythonOp but found a {self.kind_}")
        return self


def _accessors() -> None:
    """node.i(name) and node.i_(name, value) of every kind of attribute."""
    converters = {"i": int, "f": float, "c": complex, "s": str}
    for kind in "i is f fs c cs s ss t ts z zs g gs ty tys ival".split():
        stored = {"z": "t", "zs": "ts"}.get(kind, kind)

        def get(self, name: str, stored=stored):
            return self._get(name, stored)

        def put(self, name: str, value, stored=stored, convert=converters.get(stored[0])):
            if stored in converters:
                value = convert(value)
            elif stored[0] in converters and stored != "ival":
                value = [convert(v) for v in value]
            elif stored in ("ts", "gs", "tys"):
                value = list(value)
            self.attributes[name] = (stored, value)
            return self

        get.__name__, put.__name__ = kind, kind + "_"
        get.__doc__ = f"The attribute `name`, of kind {kind}."
        put.__doc__ = f"Set the attribute `name`, of kind {kind}; the node."
        setattr(Attributes, kind, get)
        setattr(Attributes, kind + "_", put)


_accessors()
