"""What a program sees while it is traced: sizes that remember where they come from.

`x.shape[0]` is a number like any other, and a value of the graph: arithmetic on it is recorded, so
that a trace serves other sizes. Where a value leaves for plain Python (bool, int, len, iteration),
a TracerWarning says that the trace holds what it was this time.
"""

from __future__ import annotations

import sys
import warnings
from threading import get_ident

from .. import _C, Size

_tracers: list = []  # the tracer that is recording, if any, is the last
_COMMON = (
    "might cause the trace to be incorrect. We can't record the data flow of Python values, so "
    "this value will be treated as a constant in the future. This means that the trace might not "
    "generalize to other inputs!"
)
_LENGTH = (
    "Using len to get tensor shape might cause the trace to be incorrect. Recommended usage would "
    "be tensor.shape[0]. Passing a tensor of different shape might lead to errors or silently give "
    "incorrect results."
)
HOME = __file__.rpartition("/jit/")[0]  # our own files: not where a program is
LIBRARY = HOME + "/jit/_compile/library/"  # but for these: they run as programs do
CONSTANTS = (
    "torch.{} results are registered as constants in the trace. You can safely ignore this warning "
    "if you use this function to create tensors out of constant variables that would be the same "
    "every time you call this function. In any other case, this might cause the trace to be "
    "incorrect."
)
_ITERATION = (
    "Iterating over a tensor might cause the trace to be incorrect. Passing a tensor of different "
    "shape won't change the number of iterations executed (and might lead to errors or silently "
    "give incorrect results)."
)


class TracerWarning(Warning):
    """A trace may not do what the program does on other inputs."""

    @staticmethod
    def ignore_lib_warnings() -> None:
        """Say nothing of what happens within the library's own modules."""
        warnings.filterwarnings("ignore", category=TracerWarning, module=r"(torch|rushlight)(\.|$)")


TracerWarning.__module__ = "torch.jit"


def current():
    """The tracer that is recording here and now, or None."""
    if not _tracers:
        return None
    tracer = _tracers[-1]
    return tracer if tracer.active and tracer.thread == get_ident() else None


def warn(text: str, depth: int = 2) -> None:
    """A TracerWarning at the line of the program; the library knows what it does."""
    if sys._getframe(depth).f_code.co_filename.startswith(LIBRARY):
        return
    warnings.warn(text, TracerWarning, stacklevel=depth + 1)


def _arithmetic(name: str, aten: str, reflected: bool = False):
    plain = getattr(int, name)

    def operate(self, other):
        found = plain(self, other)
        tracer = current()
        if tracer is None or found is NotImplemented or not isinstance(other, int | float):
            return found
        if name in ("__floordiv__", "__rfloordiv__") and isinstance(other, float):
            return found
        operands = (other, self) if reflected else (self, other)
        with tracer.paused():
            return tracer.number(aten, operands, found)

    operate.__name__ = name
    return operate


class TracedInt(int):
    """An int that is a value of the graph (a 0-d tensor there)."""

    value = None  # in the graph

    __add__ = _arithmetic("__add__", "aten::add")
    __radd__ = _arithmetic("__radd__", "aten::add", True)
    __sub__ = _arithmetic("__sub__", "aten::sub")
    __rsub__ = _arithmetic("__rsub__", "aten::sub", True)
    __mul__ = _arithmetic("__mul__", "aten::mul")
    __rmul__ = _arithmetic("__rmul__", "aten::mul", True)
    __floordiv__ = _arithmetic("__floordiv__", "aten::floor_divide")
    __rfloordiv__ = _arithmetic("__rfloordiv__", "aten::floor_divide", True)
    __truediv__ = _arithmetic("__truediv__", "aten::div")
    __rtruediv__ = _arithmetic("__rtruediv__", "aten::div", True)
    __mod__ = _arithmetic("__mod__", "aten::remainder")
    __pow__ = _arithmetic("__pow__", "aten::pow")

    def __neg__(self):
        tracer = current()
        found = -int(self)
        if tracer is None:
            return found
        with tracer.paused():
            return tracer.number("aten::neg", (self,), found)

    def div(self, other: int, rounding_mode: str = "trunc") -> int:
        """A part of a size, as of a 0-d tensor."""
        tracer = current()
        with tracer.paused():
            return tracer.number("aten::div", (self, other, rounding_mode), self // other)

    def scaled(self, factor: float) -> int:
        """A size times a factor, rounded down."""
        tracer, found = current(), int(self) * factor
        with tracer.paused():
            product = tracer.number("aten::mul", (self, factor), found)
            return tracer.number("aten::floor", (product,), int(found))

    def __reduce__(self):
        return int, (int(self),)

    def item(self):
        """The number, as of a 0-d tensor."""
        return int(self)


class TracedFloat(float):
    """A float that is a value of the graph: the quotient of sizes."""

    value = None

    def __reduce__(self):
        return float, (float(self),)


class TracedSize(tuple):
    """A shape of such numbers (torch.Size cannot have subclasses)."""

    def __getitem__(self, index):
        found = tuple.__getitem__(self, index)
        return TracedSize(found) if isinstance(index, slice) else found

    def numel(self):
        """The product of all."""
        found = 1
        for number in self:
            found = number * found
        return found

    def __repr__(self) -> str:
        return f"torch.Size({[int(n) for n in self]})"

    def __reduce__(self):
        return Size, ([int(n) for n in self],)


# -- methods of Tensor while a trace runs ------------------------------------------------------


def _shape(tracer, original, self):
    return tracer.sizes(self)


def _size(tracer, original, self, dim=None):
    if dim is None:
        return tracer.sizes(self)
    number = original(self, dim)
    return tracer.size(self, dim, number)


def _numel(tracer, original, self):
    return tracer.count(self, original(self))


def _leaves(kind: str):
    def converted(tracer, original, self, *args, **kwargs):
        warn(f"Converting a tensor to a {kind} {_COMMON}", 3)
        return original(self, *args, **kwargs)

    return converted


def _length(tracer, original, self):
    warn(_LENGTH, 3)
    return original(self)


def _iterate(tracer, original, self):
    if self.ndim == 0:
        return original(self)
    warn(_ITERATION, 3)
    with tracer.resumed():
        return iter(_C.Tensor.unbind(self, 0))


def _recorded(name: str):
    """A method that the interpreters are not shown."""

    def call(tracer, original, self, *args, **kwargs):
        return tracer.method(name, original, (self, *args), kwargs)

    return call


def _getitem(tracer, original, self, index):
    return tracer.getitem(self, index)


def _setitem(tracer, original, self, index, value):
    tracer.setitem(self, index, value)


def _data(tracer, original, self):
    return tracer.method("detach", original, (self,), {})


_METHODS = {
    "shape": _shape,
    "size": _size,
    "numel": _numel,
    "nelement": _numel,
    "__bool__": _leaves("Python boolean"),
    "__int__": _leaves("Python integer"),
    "__index__": _leaves("Python index"),
    "__float__": _leaves("Python float"),
    "__complex__": _leaves("Python complex"),
    "item": _leaves("Python number"),
    "tolist": _leaves("Python list"),
    "numpy": _leaves("NumPy array"),
    "__array__": _leaves("NumPy array"),
    "__len__": _length,
    "__iter__": _iterate,
    "__getitem__": _getitem,
    "__setitem__": _setitem,
    "data": _data,
}
PLAIN = ("detach", "contiguous", "expand_as", "view_as", "reshape_as")  # as their operators
_METHODS |= {
    name: _recorded(name)
    for name in (
        *PLAIN, "to", "float", "double", "half", "bfloat16", "long", "int", "short", "char",
        "byte", "bool", "type_as", "cpu",
    )
}  # fmt: skip
_PROPERTIES = ("shape", "data")
_installed: list[int] = [0]
_originals: dict = {}


def install() -> None:
    """Put the methods above in front of Tensor's own."""
    _installed[0] += 1
    if _installed[0] > 1:
        return
    for name, method in _METHODS.items():
        original = _C.Tensor.__dict__.get(name)
        if original is None:
            continue
        _originals[name] = original
        setattr(_C.Tensor, name, _front(method, original, name in _PROPERTIES))


def uninstall() -> None:
    """Take them away again."""
    _installed[0] -= 1
    if _installed[0] == 0:
        for name, original in _originals.items():
            setattr(_C.Tensor, name, original)
        _originals.clear()
        _no_sequences(_C.Tensor)


def _no_sequences(kind: type) -> None:
    _C.not_a_sequence(kind)
    for inherits in kind.__subclasses__():
        if "__getitem__" not in vars(inherits) and "__len__" not in vars(inherits):
            _no_sequences(inherits)


def _front(method, original, is_property: bool):
    if is_property:

        def get(self):
            tracer = current()
            plain = original.__get__(self)
            if tracer is None:
                return plain
            with tracer.paused():
                return method(tracer, lambda t: original.__get__(t), self)

        return property(get, lambda self, value: original.__set__(self, value))

    def bound(self, *args, **kwargs):
        return original.__get__(self)(*args, **kwargs)

    def call(self, *args, **kwargs):
        tracer = current()
        if tracer is None:
            return bound(self, *args, **kwargs)
        with tracer.paused():
            return method(tracer, bound, self, *args, **kwargs)

    return call
