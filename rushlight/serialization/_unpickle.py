"""A pickle reader that can only build data.

It is a small stack machine of our own: no opcode can import, look up an attribute or call anything
but the makers it is given, so a hostile file can at worst describe strange data or fail.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from pickle import UnpicklingError, decode_long
from struct import Struct
from struct import error as StructError

_FLOAT = Struct(">d")
_HANDLERS: dict[int, object] = {}
_LISTS = (list,)
_DICTS = (dict, OrderedDict, Counter)
# Hashing recurses in C without a limit, and shared parts are hashed again and again.
_MAX_KEY_PARTS = 1000
_MAX_KEY_DEPTH = 50
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


def _opcode(code: bytes):
    def register(handler):
        _HANDLERS[code[0]] = handler
        return handler

    return register


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

    def load(self, data: bytes, start: int = 0):
        """The object pickled in `data` from `start`; afterwards `position` is behind its end."""
        self.data = data
        self.position = start
        self.stack: list = []
        self.marks: list[list] = []
        self.memo: dict = {}
        handlers = _HANDLERS
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
        except IndexError:
            raise UnpicklingError("the pickle is cut off or takes from an empty stack") from None
        except (StructError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise UnpicklingError(f"malformed pickle: {error}") from error
        except (OverflowError, RecursionError, RuntimeError) as error:
            raise UnpicklingError(f"malformed pickle: {error}") from error

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
                raise UnpicklingError(f"Trying to call reduce for unrecognized function {func}")
        return maker(*args)

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


def _constant(code: bytes, value) -> None:
    _HANDLERS[code[0]] = lambda self: self.stack.append(value)


def _unsigned(code: bytes, size: int) -> None:
    _HANDLERS[code[0]] = lambda self: self.stack.append(self.take_int(size))


def _sized(code: bytes, size: int, decode) -> None:
    """An opcode with a length of `size` bytes and that many bytes of content."""
    _HANDLERS[code[0]] = lambda self: self.stack.append(
        decode(self, self.take(self.take_int(size)))
    )


def _text(self, data):
    return data.decode("utf-8", "surrogatepass")


def _old_string(self, data):
    return data if self._encoding == "bytes" else data.decode(self._encoding)


for _code, _value in ((b"N", None), (b"\x88", True), (b"\x89", False)):
    _constant(_code, _value)
_unsigned(b"M", 2)
for _code, _size, _decode in (
    (b"\x8c", 1, _text),
    (b"X", 4, _text),
    (b"\x8d", 8, _text),
    (b"C", 1, lambda self, data: data),
    (b"B", 4, lambda self, data: data),
    (b"\x8e", 8, lambda self, data: data),
    (b"\x96", 8, lambda self, data: bytearray(data)),
    (b"U", 1, _old_string),
    (b"T", 4, _old_string),
    (b"\x8a", 1, lambda self, data: decode_long(data)),
    (b"\x8b", 4, lambda self, data: decode_long(data)),
):
    _sized(_code, _size, _decode)


@_opcode(b"\x80")
def _protocol(self):
    version = self.take_int(1)
    if version > 5:
        raise UnpicklingError(f"unsupported pickle protocol: {version}")


@_opcode(b"\x95")
def _frame(self):
    self.take_int(8)


@_opcode(b"K")
def _small_int(self):
    self.stack.append(self.data[self.position])
    self.position += 1


@_opcode(b"J")
def _int32(self):
    self.stack.append(int.from_bytes(self.take(4), "little", signed=True))


@_opcode(b"I")
def _decimal(self):
    line = self.take_line()
    self.stack.append({"00": False, "01": True}[line] if line in ("00", "01") else int(line))


@_opcode(b"L")
def _decimal_long(self):
    self.stack.append(int(self.take_line().rstrip("L")))


@_opcode(b"F")
def _decimal_float(self):
    self.stack.append(float(self.take_line()))


@_opcode(b"G")
def _float(self):
    self.stack.append(_FLOAT.unpack(self.take(8))[0])


@_opcode(b"V")
def _escaped_text(self):
    self.stack.append(self.take_line().encode("latin-1").decode("raw-unicode-escape"))


@_opcode(b"(")
def _mark(self):
    self.marks.append(self.stack)
    self.stack = []


@_opcode(b"0")
def _pop(self):
    if self.stack:
        self.stack.pop()
    else:
        self.pop_mark()


@_opcode(b"1")
def _pop_mark(self):
    self.pop_mark()


@_opcode(b"2")
def _duplicate(self):
    self.stack.append(self.stack[-1])


@_opcode(b")")
def _empty_tuple(self):
    self.stack.append(())


@_opcode(b"t")
def _tuple(self):
    items = self.pop_mark()
    self.stack.append(tuple(items))


def _short_tuple(size: int):
    def handler(self):
        items = tuple(self.stack[-size:])
        if len(items) != size:
            raise IndexError
        self.stack[-size:] = [items]

    return handler


for _size in (1, 2, 3):
    _HANDLERS[0x84 + _size] = _short_tuple(_size)


@_opcode(b"]")
def _empty_list(self):
    self.stack.append([])


@_opcode(b"l")
def _list(self):
    items = self.pop_mark()
    self.stack.append(items)


@_opcode(b"a")
def _append(self):
    item = self.stack.pop()
    self.append_items([item])


@_opcode(b"e")
def _appends(self):
    self.append_items(self.pop_mark())


@_opcode(b"}")
def _empty_dict(self):
    self.stack.append({})


@_opcode(b"d")
def _dict(self):
    items = self.pop_mark()
    self.stack.append({})
    self.set_items(items)


@_opcode(b"s")
def _set_item(self):
    value = self.stack.pop()
    key = self.stack.pop()
    self.set_items([key, value])


@_opcode(b"u")
def _set_items(self):
    self.set_items(self.pop_mark())


@_opcode(b"\x8f")
def _empty_set(self):
    self.stack.append(set())


@_opcode(b"\x90")
def _add_items(self):
    items = self.pop_mark()
    if type(self.stack[-1]) is not set:
        raise UnpicklingError("can only add items to a set")
    self.stack[-1].update(self.make_set(frozenset, items))


@_opcode(b"\x91")
def _frozenset(self):
    items = self.pop_mark()
    self.stack.append(self.make_set(frozenset, items))


@_opcode(b"h")
def _get_short(self):
    key = self.data[self.position]
    self.position += 1
    if key not in self.memo:
        raise UnpicklingError(f"Memo value not found at index {key}")
    self.stack.append(self.memo[key])


@_opcode(b"q")
def _put_short(self):
    self.memo[self.data[self.position]] = self.stack[-1]
    self.position += 1


def _memo_operators(get: bytes, put: bytes, index) -> None:
    def fetch(self):
        key = index(self)
        if key not in self.memo:
            raise UnpicklingError(f"Memo value not found at index {key}")
        self.stack.append(self.memo[key])

    def store(self):
        self.memo[index(self)] = self.stack[-1]

    _HANDLERS[get[0]] = fetch
    _HANDLERS[put[0]] = store


_memo_operators(b"g", b"p", lambda self: int(self.take_line()))
_memo_operators(b"j", b"r", lambda self: self.take_int(4))


@_opcode(b"\x94")
def _memoize(self):
    self.memo[len(self.memo)] = self.stack[-1]


@_opcode(b"c")
def _global(self):
    module = self.take_line()
    self.stack.append(self._find_global(module, self.take_line()))


@_opcode(b"\x93")
def _stack_global(self):
    name = self.stack.pop()
    module = self.stack.pop()
    if type(name) is not str or type(module) is not str:
        raise UnpicklingError("the name of a global must be text")
    self.stack.append(self._find_global(module, name))


@_opcode(b"R")
def _reduce(self):
    args = self.stack.pop()
    self.stack[-1] = self.make(self.stack[-1], args)


@_opcode(b"\x81")
def _new_object(self):
    args = self.stack.pop()
    self._new(self.stack.pop(), args, {})


@_opcode(b"\x92")
def _new_object_ex(self):
    kwargs = self.stack.pop()
    args = self.stack.pop()
    self._new(self.stack.pop(), args, kwargs)


def _new(self, cls, args, kwargs):
    if not isinstance(cls, type):
        raise UnpicklingError("only classes make instances")
    if cls in (OrderedDict, Counter, set) and not kwargs:
        self.stack.append(self.make(cls, args))
    elif cls in self._classes:
        self.stack.append(cls.__new__(cls, *args, **kwargs))
    else:
        raise UnpicklingError(f"Trying to make an instance of unrecognized class {cls.__name__}")


DataUnpickler._new = _new


@_opcode(b"b")
def _build(self):
    state = self.stack.pop()
    self.set_state(self.stack[-1], state)


@_opcode(b"Q")
def _persistent(self):
    self.stack[-1] = self._persistent_load(self.stack[-1])
