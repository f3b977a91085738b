"""A pickle reader that can only build data.

It is a small stack machine of our own: no opcode can import, look up an attribute or call anything
but the makers it is given, so a hostile file can at worst describe strange data or fail.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from pickle import UnpicklingError
from struct import error as StructError

HANDLERS: dict[int, object] = {}
_LISTS = (list,)
_DICTS = (dict, OrderedDict, Counter)
# Hashing recurses in C without a limit, and shared parts are hashed again and again.
_MAX_KEY_PARTS = 1000
_MAX_KEY_DEPTH = 50
_COPIED = (str, bytes, bytearray, list, tuple, dict, set, frozenset, OrderedDict, Counter)
_SCALARS = (str, int, float, bool, bytes, complex, type(None))


def check_key(key, depth: int = 0, parts: int = 0) -> int:
    """Refuse dict keys and set items that could not be hashed quickly; the number of parts seen."""
    parts += 1
    if type(key) in (tuple, frozenset):
        if depth > _MAX_KEY_DEPTH or parts > _MAX_KEY_PARTS:
            raise UnpicklingError("a key is nested too deeply")
        for item in key:
            parts = check_key(item, depth + 1, parts)
    return parts


def brief(obj) -> str:
    """A few words about an object of unknown size and depth, for messages."""
    if isinstance(obj, type):
        return f"{obj.__module__}.{obj.__qualname__}"
    if type(obj) in (bool, type(None), float):
        return repr(obj)
    if type(obj) is int:
        return str(obj) if abs(obj) < 1 << 64 else "an int of many digits"
    if type(obj) in (str, bytes):
        return repr(obj[:100])
    name = getattr(obj, "__qualname__", None)
    return name if type(name) is str else f"an object of type {type(obj).__name__}"


class Passed(Exception):
    """Carries an error of the caller's own functions past the unpickler, which wraps all others."""


class DataUnpickler:
    """Rebuilds the object of a pickle from `makers`.

    `find_global(module, name)` returns the object that a global name stands for or raises;
    `makers` maps such objects to the functions that REDUCE may call in their place;
    `classes` holds the classes whose instances may be made and given state.
    """

    def __init__(self, find_global, makers: dict, classes: set, persistent_load, encoding="utf-8"):
        self._find_global = find_global
        self._makers = makers
        self._classes = classes
        self._persistent_load = persistent_load
        self._encoding = encoding
        self.position = 0
        self.budget = 0

    def load(self, data: bytes, start: int = 0):
        """The object pickled in `data` from `start`; afterwards `position` is behind its end."""
        self.data = data
        self.position = start
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict = {}
        # What pickles call copies its argument, which a file that was saved also contains.
        self.budget = len(data)
        handlers = HANDLERS
        try:
            while True:
                code = data[self.position]
                self.position += 1
                if code == 46:  # STOP
                    return self.stack.pop()
                handler = handlers.get(code)
                if handler is None:
                    raise UnpicklingError(f"Unsupported operand {code}")
                handler(self)
        except UnpicklingError:
            raise
        except Passed as carried:
            raise carried.args[0] from None
        except IndexError:
            raise UnpicklingError("the pickle is cut off or takes from an empty stack") from None
        except (StructError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnpicklingError(f"malformed pickle: {error}") from error
        except (ArithmeticError, RecursionError, RuntimeError, MemoryError) as error:
            raise UnpicklingError(f"malformed pickle: {error}") from error

    def charge(self, size: int) -> None:
        """Count what a call is about to copy; an error when a file asks for more than it holds."""
        self.budget -= size
        if self.budget < 0:
            raise UnpicklingError("the file describes more than it contains")

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self.position + size
        if end > len(self.data):
            raise UnpicklingError(f"the pickle is cut off: {size} bytes expected")
        part = self.data[self.position : end]
        self.position = end
        return part

    def take_int(self, size: int) -> int:
        """The next unsigned little-endian integer."""
        return int.from_bytes(self.take(size), "little")

    def take_line(self) -> str:
        """Text up to the next newline."""
        end = self.data.index(b"\n", self.position)
        line = self.data[self.position : end].decode()
        self.position = end + 1
        return line

    def pop_mark(self) -> list:
        """What was pushed since the last mark."""
        items = self.stack
        self.stack = self.marks.pop()
        return items

    def append_items(self, items: list) -> None:
        """Extend the list on top of the stack."""
        target = self.stack[-1]
        if type(target) not in _LISTS and type(target) not in self._classes:
            raise UnpicklingError(f"can only append to a list, got {type(target).__name__}")
        target.extend(items)

    def set_items(self, items: list) -> None:
        """Fill the dict on top of the stack from alternating keys and values."""
        target = self.stack[-1]
        if type(target) not in _DICTS and type(target) not in self._classes:
            raise UnpicklingError(f"can only set items of a dict, got {type(target).__name__}")
        for i in range(0, len(items) - 1, 2):
            key = items[i]
            if type(key) not in _SCALARS:
                check_key(key)
            target[key] = items[i + 1]

    def make_set(self, kind, items):
        """A set or frozenset of items that are safe to hash."""
        for item in items:
            check_key(item)
        return kind(items)

    def make(self, func, args):
        """What REDUCE does."""
        if type(args) is not tuple:
            raise UnpicklingError(f"arguments must be a tuple, got {type(args).__name__}")
        maker = self._makers.get(func) if _hashable(func) else None
        if maker is None:
            if isinstance(func, type) and func in self._classes:
                maker = func
            else:
                raise UnpicklingError(
                    f"Trying to call reduce for unrecognized function {brief(func)}"
                )
        for part in args:
            if type(part) in _COPIED:
                self.charge(len(part))
        return maker(*args)

    def new_object(self, cls, args, kwargs) -> None:
        """What NEWOBJ does."""
        if not isinstance(cls, type):
            raise UnpicklingError("only classes make instances")
        if cls in (OrderedDict, Counter, set, frozenset) and not kwargs:
            self.stack.append(self.make(cls, args))
        elif cls in self._classes:
            self.stack.append(cls.__new__(cls, *args, **kwargs))
        else:
            raise UnpicklingError(
                f"Trying to make an instance of unrecognized class {cls.__name__}"
            )

    def set_state(self, obj, state) -> None:
        """What BUILD does."""
        kind = type(obj)
        if kind is OrderedDict:
            state = _attributes(state)
            if any(hasattr(OrderedDict, name) for name in state):
                raise UnpicklingError("the methods of an OrderedDict cannot be replaced")
            obj.__dict__.update(state)
        elif kind not in self._classes:
            raise UnpicklingError(
                f"Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, got {kind.__name__}"
            )
        elif hasattr(obj, "__setstate__"):
            obj.__setstate__(state)
        else:
            values, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
            if values:
                obj.__dict__.update(_attributes(values))
            for name, value in _attributes(slots or {}).items():
                setattr(obj, name, value)


def _hashable(func) -> bool:
    return isinstance(func, type) or callable(func)


def _attributes(state) -> dict:
    if type(state) is not dict or not all(type(name) is str for name in state):
        raise UnpicklingError("state must be a dict with names as keys")
    return state
