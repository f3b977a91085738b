"""What decides whether two modules share one compiled class: their concrete types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import _types as T
from ._compile.modules import Concrete
from ._compile.unit import python_unit, qualified_name


class ConcreteModuleType:
    """All that programs may know of a module: attributes, constants, children."""

    __module__ = "torch"

    def __init__(self, concrete: Concrete, ignored: Sequence[str] = ()) -> None:
        self._concrete = concrete
        self._ignored = set(ignored)

    @classmethod
    def from_jit_type(cls, of: T.ClassType) -> ConcreteModuleType:
        """What a compiled class says by itself."""
        made = Concrete(of, of.python_class or object, of.unit or python_unit())
        for name, inner in of.attributes.items():
            if isinstance(inner, T.ClassType) and inner.is_module:
                made.children[name] = cls.from_jit_type(inner)._concrete
        return cls(made)

    @property
    def py_class(self) -> Any:
        """The Python class."""
        return self._concrete.cls

    @property
    def jit_type(self) -> T.ClassType:
        """The compiled class."""
        return self._concrete.type

    def get_attributes(self) -> dict[str, tuple[T.Type, bool]]:
        """The types of the attributes, and which are parameters."""
        of = self._concrete.type
        return {
            name: (t, name in of.parameters)
            for name, t in of.attributes.items()
            if name not in self._concrete.children
        }

    def get_constants(self) -> dict[str, Any]:
        """The constants."""
        return dict(self._concrete.type.constants)

    def get_modules(self) -> list[tuple[str, ConcreteModuleType]]:
        """The children."""
        return [(n, ConcreteModuleType(c)) for n, c in self._concrete.children.items()]

    def is_ignored_attribute(self, name: str) -> bool:
        """Whether programs do not see an attribute."""
        return name in self._ignored

    def equals(self, other: ConcreteModuleType | ConcreteModuleTypeBuilder) -> bool:
        """Whether modules of both may share one compiled class."""
        from ._recursive import _alike

        return self._concrete.cls is other._concrete.cls and _alike(self._concrete, other._concrete)

    def dump(self) -> None:
        """Print what it knows."""
        print(f"ConcreteModuleType for: {self.py_class}")
        print(f"Constants: {list(self.get_constants())}")
        for name, (t, is_parameter) in self.get_attributes().items():
            print(f"\t{name}: {t}{' (parameter)' if is_parameter else ''}")
        print(f"Submodules: {[name for name, _ in self.get_modules()]}")


class ConcreteModuleTypeBuilder:
    """Puts together a concrete type, attribute by attribute."""

    __module__ = "torch"

    def __init__(self, py_class: Any) -> None:
        of = T.ClassType(qualified_name(py_class), True, python_unit())
        of.python_class = py_class
        self._concrete = Concrete(of, py_class, python_unit())
        self._ignored: set[str] = set()
        self._overloads: dict[str, list[str]] = {}
        self._poisoned = False

    def add_attribute(self, name: str, type: T.Type, is_parameter: bool, is_buffer: bool) -> None:
        """An attribute of a type."""
        self._concrete.type.addAttribute(name, type, is_parameter, is_buffer)

    def add_constant(self, name: str, value: Any) -> None:
        """A constant."""
        self._concrete.type.constants[name] = value

    def add_module(self, name: str, meta: ConcreteModuleType) -> None:
        """A child."""
        self._concrete.children[name] = meta._concrete
        self._concrete.type.addAttribute(name, meta.jit_type)

    def add_function_attribute(self, name: str, type: T.Type, function: Any) -> None:
        """A function that is called as an attribute."""
        self._concrete.functions[name] = function

    def add_builtin_function(self, name: str, symbol: str) -> None:
        """An operator that is called as an attribute."""
        self._concrete.functions[name] = symbol

    def add_failed_attribute(self, name: str, reason: str) -> None:
        """An attribute that cannot be compiled, and why."""
        self._concrete.failed[name] = reason

    def add_ignored_attribute(self, name: str) -> None:
        """An attribute that programs do not see."""
        self._ignored.add(name)

    def add_ignored_attributes(self, names: Sequence[str]) -> None:
        """Attributes that programs do not see."""
        self._ignored.update(names)

    def add_overload(self, name: str, overloads: Sequence[str]) -> None:
        """The names of the overloads of a method."""
        self._overloads[name] = list(overloads)

    def add_forward_hook(self, hook: Any) -> None:
        """A hook that runs after forward."""
        self._concrete.hooks.append(hook)

    def add_forward_pre_hook(self, hook: Any) -> None:
        """A hook that runs before forward."""
        self._concrete.pre_hooks.append(hook)

    def set_module_list(self) -> None:
        """Modules of this type are walked like a list."""
        self._concrete.kind = "list"

    def set_module_dict(self) -> None:
        """Modules of this type are walked like a dict."""
        self._concrete.kind = "dict"

    def set_parameter_list(self) -> None:
        """Modules of this type hold a list of parameters."""
        self._concrete.kind = "parameters"

    def set_parameter_dict(self) -> None:
        """Modules of this type hold a dict of parameters."""
        self._concrete.kind = "parameters"

    def set_poisoned(self) -> None:
        """Modules of this type share their class with no others."""
        self._poisoned = True

    def build(self) -> ConcreteModuleType:
        """The concrete type."""
        return ConcreteModuleType(self._concrete, tuple(self._ignored))

    def equals(self, other: ConcreteModuleTypeBuilder) -> bool:
        """Whether modules of both may share one compiled class."""
        if self._poisoned or other._poisoned or self._overloads != other._overloads:
            return False
        return self.build().equals(other.build())
