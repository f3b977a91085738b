"""Types with names of their own: classes and modules, interfaces, enumerations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._plain_types import AnyClassType, AnyEnumType, Type


class ClassType(Type):
    """A class or a module: attributes with types, constants, methods.

    `attributes` maps names to types, in order; `parameters` and `buffers` are the names of those
    that a module registers so; `constants` maps names to values; `methods` maps names to what the
    compiler made of them (each has `.name`, `.graph` and `.schema`).
    """

    __slots__ = (
        "attributes", "buffers", "constants", "forward_hooks", "forward_pre_hooks", "is_module",
        "methods", "name_", "parameters", "properties", "python_class", "static_methods", "unit",
    )  # fmt: skip

    def __init__(self, name: str, is_module: bool = False, unit: Any = None) -> None:
        self.name_ = name
        self.is_module = is_module
        self.unit = unit
        self.attributes: dict[str, Type] = {}
        self.parameters: set[str] = set()
        self.buffers: set[str] = set()
        self.constants: dict[str, Any] = {}
        self.methods: dict[str, Any] = {}
        self.static_methods: dict[str, Any] = {}
        self.properties: dict[str, Any] = {}
        self.forward_hooks: list = []
        self.forward_pre_hooks: list = []
        self.python_class: type | None = None

    def str(self) -> str:
        return self.name_

    def name(self) -> str:
        """The last part of the name."""
        return self.name_.rpartition(".")[2]

    def qualified_name(self) -> str:
        """The whole name: __torch__.package.Name."""
        return self.name_

    def method_names(self) -> list[str]:
        """The names of the methods."""
        return list(self.methods)

    def containedTypes(self) -> list[Type]:
        return list(self.attributes.values())

    def unshaped(self) -> Type:
        return self

    def addAttribute(
        self, name: str, type: Type, is_parameter: bool = False, is_buffer: bool = False
    ) -> int:
        """Add an attribute; its number."""
        if name in self.attributes or name in self.constants:
            raise RuntimeError(
                f"attempting to add attribute '{name}' to {self.name_} but a field of the same "
                "name already exists"
            )
        self.attributes[name] = type
        if is_parameter:
            self.parameters.add(name)
        if is_buffer:
            self.buffers.add(name)
        return len(self.attributes) - 1

    def findAttribute(self, name: str) -> Type | None:
        """The type of an attribute, or None."""
        return self.attributes.get(name)

    def findMethod(self, name: str):
        """A method, or None."""
        return self.methods.get(name)

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other) or isinstance(other, AnyClassType):
            return True
        return isinstance(other, InterfaceType) and not self.lacks(other)

    def lacks(self, interface: InterfaceType) -> str:
        """Why this class does not implement an interface; empty if it does."""
        if interface.is_module and not self.is_module:
            return f"Class '{self.name_}' is not a module, as the interface '{interface}' asks"
        for name, schema in interface.methods.items():
            mine = self.methods.get(name)
            if mine is None:
                return f"Class '{self.name()}' does not have method '{name}' but '{interface}' does"
            own = getattr(mine, "schema", mine)
            if not own.fits(schema):
                return f"Method on class '{self.name_}' is not compatible: {own}, expected {schema}"
        return ""

    def __eq__(self, other) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class InterfaceType(Type):
    """An interface: what methods an object has, whatever its class."""

    __slots__ = ("is_module", "methods", "name_")

    def __init__(self, name: str, is_module: bool = False) -> None:
        self.name_ = name
        self.is_module = is_module
        self.methods: dict[str, Any] = {}

    def str(self) -> str:
        return f"InterfaceType<{self.name()}>"

    @property
    def annotation_str(self) -> str:
        return self.name_

    def name(self) -> str:
        """The last part of the name."""
        return self.name_.rpartition(".")[2]

    def qualified_name(self) -> str:
        """The whole name: __torch__.package.Name."""
        return self.name_

    def is_interface_type(self) -> bool:
        return True

    def getMethod(self, name: str):
        """The schema of a method, or None."""
        return self.methods.get(name)

    def getMethodNames(self) -> list[str]:
        """The names of the methods."""
        return list(self.methods)

    def isSubtypeOf(self, other: Type) -> bool:
        if Type.isSubtypeOf(self, other):
            return True
        if not isinstance(other, InterfaceType) or (other.is_module and not self.is_module):
            return False
        return all(
            name in self.methods and self.methods[name].fits(schema)
            for name, schema in other.methods.items()
        )

    def _key(self):
        return self.name_


class EnumType(Type):
    """An enumeration: its name, the type of its values, its members as (name, value)."""

    __slots__ = ("members", "name_", "python_class", "value")

    def __init__(self, name: str, value: Type, members: Sequence) -> None:
        self.name_ = name
        self.value = value
        self.members = [m if isinstance(m, tuple) else (m.name, m.value) for m in members]
        self.python_class = type(members[0]) if members and hasattr(members[0], "name") else None

    def str(self) -> str:
        return f"Enum<{self.name_}>"

    @property
    def annotation_str(self) -> str:
        return self.name_

    def qualified_name(self) -> str:
        """The whole name: __torch__.package.Name."""
        return self.name_

    def getValueType(self) -> Type:
        """The type of the values."""
        return self.value

    def isSubtypeOf(self, other: Type) -> bool:
        return Type.isSubtypeOf(self, other) or isinstance(other, AnyEnumType)

    def _key(self):
        return self.name_
