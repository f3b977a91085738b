"""What each opcode of a pickle does to the unpickler's stack; importing this fills the table."""

from __future__ import annotations

from pickle import UnpicklingError, decode_long
from struct import Struct

from ._unpickle import HANDLERS

_FLOAT = Struct(">d")


def _opcode(code: bytes):
    def register(handler):
        HANDLERS[code[0]] = handler
        return handler

    return register


def _constant(code: bytes, value) -> None:
    HANDLERS[code[0]] = lambda self: self.stack.append(value)


def _unsigned(code: bytes, size: int) -> None:
    HANDLERS[code[0]] = lambda self: self.stack.append(self.take_int(size))


def _sized(code: bytes, size: int, decode) -> None:
    """An opcode with a length of `size` bytes and that many bytes of content."""
    HANDLERS[code[0]] = lambda self: self.stack.append(decode(self, self.take(self.take_int(size))))


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
    HANDLERS[0x84 + _size] = _short_tuple(_size)


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

    HANDLERS[get[0]] = fetch
    HANDLERS[put[0]] = store


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
    self.new_object(self.stack.pop(), args, {})


@_opcode(b"\x92")
def _new_object_ex(self):
    kwargs = self.stack.pop()
    args = self.stack.pop()
    self.new_object(self.stack.pop(), args, kwargs)


@_opcode(b"b")
def _build(self):
    state = self.stack.pop()
    self.set_state(self.stack[-1], state)


@_opcode(b"Q")
def _persistent(self):
    self.stack[-1] = self._persistent_load(self.stack[-1])
