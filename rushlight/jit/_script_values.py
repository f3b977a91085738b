"""Lists and dicts that keep one type, and views of what a compiled module holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import _types as T
from ._constants import type_of


def _checked(value: Any, t: T.Type) -> Any:
    from ._values import checked

    return checked(value, t)


class _Walk:
    """An iterator under a name of PyTorch's."""

    __module__ = "torch"

    def __init__(self, items: Iterator) -> None:
        self._items = items

    def __iter__(self):
        return self

    def __next__(self):
        return next(self._items)


class ScriptListIterator(_Walk):
    """Walks over a ScriptList."""


class ScriptDictIterator(_Walk):
    """Walks over the items of a ScriptDict."""


class ScriptDictKeyIterator(_Walk):
    """Walks over the keys of a ScriptDict."""


class ScriptList:
    """A list whose elements have one type; programs change it in place.

    TypeError where an element has another.
    """

    __module__ = "torch"

    def __init__(self, items: list) -> None:
        self._type = type_of(list(items)) if items else T.ListType(T.TensorType.get())
        self._items = [_checked(v, self._type.getElementType()) for v in items]  # type: ignore[attr-defined]

    def _element(self, value: Any) -> Any:
        return _checked(value, self._type.getElementType())  # type: ignore[attr-defined]

    def __getitem__(self, index):
        found = self._items[index]
        if isinstance(index, slice):
            made = ScriptList.__new__(ScriptList)
            made._type, made._items = self._type, found
            return made
        return found

    def __setitem__(self, index, value) -> None:
        if isinstance(index, slice):
            self._items[index] = [self._element(v) for v in value]
        else:
            self._items[index] = self._element(value)

    def __delitem__(self, index) -> None:
        del self._items[index]

    def __iter__(self) -> ScriptListIterator:
        return ScriptListIterator(iter(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, value) -> bool:
        return self._element(value) in self._items

    def __eq__(self, other) -> bool:
        return list(self) == list(other) if isinstance(other, ScriptList | list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def append(self, value) -> None:
        """Add an element at the end."""
        self._items.append(self._element(value))

    def extend(self, values) -> None:
        """Add elements at the end."""
        self._items.extend([self._element(v) for v in values])

    def insert(self, index: int, value) -> None:
        """Put an element before another."""
        self._items.insert(index, self._element(value))

    def pop(self, index: int = -1):
        """Take an element out; it."""
        return self._items.pop(index)

    def remove(self, value) -> None:
        """Take out the first element that is equal."""
        self._items.remove(self._element(value))

    def count(self, value) -> int:
        """How many elements are equal."""
        return self._items.count(self._element(value))

    def clear(self) -> None:
        """Take all elements out."""
        self._items.clear()

    def __repr__(self) -> str:
        return f"[{', '.join(map(str, self._items))}]"


class ScriptDict:
    """A dict whose keys and values have one type each; programs change it in place.

    TypeError where a key or a value has another.
    """

    __module__ = "torch"

    def __init__(self, items: dict) -> None:
        plain = T.DictType(T.StringType.get(), T.TensorType.get())
        self._type = type_of(dict(items)) if items else plain
        self._items: dict = {}
        for key, value in items.items():
            self[key] = value

    def _key(self, key: Any) -> Any:
        return _checked(key, self._type.getKeyType())  # type: ignore[attr-defined]

    def __getitem__(self, key):
        return self._items[self._key(key)]

    def __setitem__(self, key, value) -> None:
        self._items[self._key(key)] = _checked(value, self._type.getValueType())  # type: ignore[attr-defined]

    def __delitem__(self, key) -> None:
        del self._items[self._key(key)]

    def __contains__(self, key) -> bool:
        return self._key(key) in self._items

    def __iter__(self) -> ScriptDictKeyIterator:
        return self.keys()

    def __len__(self) -> int:
        return len(self._items)

    def keys(self) -> ScriptDictKeyIterator:
        """The keys."""
        return ScriptDictKeyIterator(iter(self._items))

    def items(self) -> ScriptDictIterator:
        """Pairs of key and value."""
        return ScriptDictIterator(iter(self._items.items()))

    def __repr__(self) -> str:
        return "{" + ", ".join(f"{k}: {v}" for k, v in self._items.items()) + "}"


class _Slots:
    """What a compiled module holds of one kind, by name."""

    __module__ = "torch"
    _wanted: Callable[[Any, str], bool]

    def __init__(self, module: Any) -> None:
        self._module = module

    def _names(self) -> list[str]:
        of = self._module._type()
        return [n for n in of.attributes if type(self)._wanted(of, n)]

    def contains(self, name: str) -> bool:
        """Whether the module holds it."""
        return name in self._names()

    def items(self) -> list[tuple[str, Any]]:
        """Pairs of name and value."""
        return [(n, self._module.getattr(n)) for n in self._names()]

    def getattr(self, name: str) -> Any:
        """The value of a name."""
        return self._module.getattr(name)

    def setattr(self, name: str, value: Any) -> None:
        """Set the value of a name."""
        self._module.setattr(name, value)


class ParameterDict(_Slots):
    """The parameters of a compiled module."""

    _wanted = staticmethod(lambda of, name: name in of.parameters)  # type: ignore[assignment]


class BufferDict(_Slots):
    """The buffers of a compiled module."""

    _wanted = staticmethod(lambda of, name: name in of.buffers)  # type: ignore[assignment]


class ModuleDict(_Slots):
    """The children of a compiled module."""

    _wanted = staticmethod(  # type: ignore[assignment]
        lambda of, name: getattr(of.attributes[name], "is_module", False)
    )


class ScriptObjectProperty:
    """A property of a compiled class: its name, what reads it, what writes it."""

    __module__ = "torch"

    def __init__(self, name: str, getter: Any, setter: Any = None) -> None:
        self.name = name
        self.getter = getter
        self.setter = setter


class ScriptClassFunction:
    """A static method of a compiled class."""

    __module__ = "torch"

    def __init__(self, function: Any) -> None:
        self._function = function

    def __call__(self, *args, **kwargs):
        return self._function(*args, **kwargs)


class ScriptClass:
    """A compiled class: calling it makes an object."""

    __module__ = "torch"

    def __init__(self, of: T.ClassType) -> None:
        self.__dict__["_type"] = of

    def __call__(self, *args, **kwargs):
        from ._script_objects import ScriptObject

        made = ScriptObject(self._type)
        initialise = self._type.methods.get("__init__")
        if initialise is not None:
            made._get_method("__init__")(*args, **kwargs)
        return made

    def __getattr__(self, name: str):
        found = self.__dict__["_type"].static_methods.get(name)
        if found is None:
            raise AttributeError(f"type object '{self._type.name()}' has no static method '{name}'")
        return ScriptClassFunction(found)
