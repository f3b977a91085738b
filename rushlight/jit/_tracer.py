"""Recording: the calls of one run of a program become nodes of a graph.

The tracer is an interpreter: the gate shows it every public function and operator. What PyTorch has
an operator for (`_trace_rules` says where names or arguments differ) becomes one node and runs
unseen; what PyTorch writes in Python is entered, so that its parts are recorded.
"""

from __future__ import annotations

import sys
from functools import cache
from threading import get_ident

from .. import _C
from ..ops.loss import REDUCTIONS
from . import _trace_rules
from . import _types as T
from ._constants import as_number
from ._ir import Graph
from ._traced_values import HOME, LIBRARY, TracedFloat, TracedInt, TracedSize

_TENSOR = T.TensorType.get()


@cache
def _is_shown(file: str) -> bool:
    """Whether lines of a file are places in a program: those of the library are, as in PyTorch."""
    return not file.startswith(HOME + "/jit/") or file.startswith(LIBRARY)


class Place:
    """A line of a program, as graphs print it; `stack` the calls that led there."""

    __slots__ = ("stack",)

    def __init__(self, stack) -> None:
        self.stack = stack

    def __str__(self) -> str:
        name, line, _ = self.stack[0]
        return f"{name}:{line}:0"

    def highlight(self) -> str:
        """The calls, innermost first."""
        return "\n".join(f"{name}({line}): {function}" for name, line, function in self.stack)


class Tracer:
    """Records into `graph`; `attributes` maps ids of tensors to their paths in the module."""

    functions = True

    def __init__(self, attributes: dict[int, str], force_outplace: bool = False) -> None:
        self.graph = Graph()
        self.attributes = attributes
        self.force_outplace = force_outplace
        self.module_paths: dict[int, str] = {}
        self.values: dict[int, tuple] = {}  # id: (value of the graph, tensor)
        self.active = True
        self.thread = get_ident()
        self.scopes: list[str] = []
        self.state: object = None  # what programs see of this recording
        self.frame = None
        self.through = None  # the function of nn.functional that runs through the library

    # -- values ------------------------------------------------------------------------------

    def define(self, tensor, value) -> None:
        """From here on a tensor is this value of the graph."""
        self.values[id(tensor)] = (value, tensor)
        if isinstance(tensor, _C.Tensor):
            value.setType(T.TensorType.create_from_tensor(tensor))

    def value_of(self, tensor):
        """The value that a tensor is: recorded, an attribute of the module, or a constant."""
        found = self.values.get(id(tensor))
        if found is None:
            path = self.attributes.get(id(tensor))
            made = self._constant(tensor) if path is None else self._attribute(path)
            found = self.values[id(tensor)] = (made, tensor)
        value = found[0]
        if value.debugName().isdigit() and value.node().kind() != "prim::Constant":
            name = self._variable(tensor)
            if name:
                value.setDebugName(name)
        return value

    def _constant(self, tensor):
        if tensor.requires_grad:
            raise RuntimeError(
                "Cannot insert a Tensor that requires grad as a constant. Consider making it a "
                f"parameter or input, or detaching the gradient\nTensor:\n{tensor}"
            )
        kept = tensor.detach()
        return self.graph.insertConstant(kept)

    def _attribute(self, path: str):
        node = self.graph.create("prim::TracedAttr", [], 1).s_("scope", path)
        self.graph.prependNode(node)
        node.scope = ""
        name = path.rpartition(".")[2]
        return node.output().setType(_TENSOR).setDebugName("_" + name if name.isdigit() else name)

    def _variable(self, tensor) -> str:
        """What the program calls a tensor where it is now."""
        known = self.frame.f_locals if self.frame is not None else {}
        for name, value in known.items():
            if value is tensor:
                return "" if name == "self" or not name.isidentifier() else name
        return ""

    def paused(self):
        """A context in which nothing is recorded."""
        return _Switched(self, False)

    def resumed(self):
        """A context in which calls are recorded again."""
        return _Switched(self, True)

    def locate(self) -> None:
        """Find the line of the program that runs."""
        frame = sys._getframe(2)
        self.frame, stack = None, []
        while frame is not None:
            code = frame.f_code
            if _is_shown(code.co_filename):
                self.frame = self.frame or frame
                stack.append((code.co_filename, frame.f_lineno, code.co_name))
            frame = frame.f_back
        self.graph.source = Place(stack) if stack else None

    # -- arguments ---------------------------------------------------------------------------

    def argument(self, of, item, count: int | None = None):
        """The value of the graph that a Python argument of a type becomes."""
        if isinstance(of, T.OptionalType):
            if item is None:
                return self.constant(None)
            of = of.element
        if isinstance(of, T.ListType):
            return self._list(of, item, count)
        if isinstance(item, TracedInt | TracedFloat) and item.value is not None:
            if item.value.debugName().isdigit():
                name = self._variable(item)
                if name:
                    item.value.setDebugName(name)
            return self._number(of, item.value)
        if isinstance(of, T.TensorType):
            if isinstance(item, _C.Tensor):
                return self.value_of(item)
            return self.graph.insertConstant(_tensor(item))
        if isinstance(item, _C.Tensor):
            return self._number(of, self.value_of(item))
        return self.constant(self._plain(of, item))

    def _plain(self, of, item):
        """A Python value as the constant of a type."""
        item = as_number(item)
        if isinstance(of, T.FloatType):
            return float(item)
        if isinstance(of, T.BoolType):
            return bool(item)
        if isinstance(of, T.DeviceObjType) and isinstance(item, str | int):
            from .._device import device

            return device(item)
        if isinstance(of, T.NumberType) and isinstance(item, bool):
            return int(item)
        if isinstance(of, T.IntType):
            return REDUCTIONS.index(item) if isinstance(item, str) else int(item)
        return item

    def constant(self, item):
        """A constant of the graph."""
        value = self.graph.insertConstant(item)
        if item is None:
            value.node().source = None
        return value

    def _list(self, of, item, count: int | None):
        element = of.getElementType()
        if not isinstance(item, list | tuple):
            item = [item] * (count or 1)
        values = [self.argument(element, i) for i in item]
        node = self.graph.insertNode(self.graph.create("prim::ListConstruct", values, 1))
        node.source = None
        return node.output().setType(of)

    def _number(self, of, value):
        """A number out of a 0-d tensor of the graph."""
        if isinstance(of, T.TensorType):
            return value
        kind, of = {
            T.IntType: ("aten::Int", T.IntType.get()),
            T.FloatType: ("aten::Float", T.FloatType.get()),
            T.BoolType: ("aten::Bool", T.BoolType.get()),
        }.get(type(of), ("aten::ScalarImplicit", T.NumberType.get()))
        node = self.graph.create(kind, [value], 1).insertAfter(value.node())
        if kind == "aten::Int":
            node.source = None
        return node.output().setType(of)

    # -- nodes -------------------------------------------------------------------------------

    def node(self, kind: str, given: dict, schema):
        """A node that calls an operator; `given` maps names of the schema to Python values."""
        if self.scopes:
            self.graph.scope = ""
        inputs = []
        for argument in schema.arguments:
            if argument.name in given:
                item = given[argument.name]
            elif argument.name == "pin_memory":
                item = False
            elif argument.has_default_value():
                item = argument.default_value
            else:
                raise TypeError(f"{kind}: missing argument '{argument.name}' while tracing")
            inputs.append(self.argument(argument.type, item, argument.N))
        return self.graph.insertNode(self.graph.create(kind, inputs, len(schema.returns)))

    def result(self, node, schema, result) -> None:
        """Note what came of a node's call."""
        outputs = list(node.outputs())
        results = [result] if len(outputs) == 1 else list(result)
        for value, of, item in zip(outputs, schema.returns, results, strict=False):
            if isinstance(item, _C.Tensor):
                self.define(item, value)
            elif isinstance(of.type, T.ListType) and isinstance(item, list | tuple):
                self._unpack(value.setType(of.type), item)
            else:
                value.setType(of.type)

    def _unpack(self, value, items) -> None:
        node = self.graph.insertNode(self.graph.create("prim::ListUnpack", [value], len(items)))
        node.source = None
        for output, item in zip(node.outputs(), items, strict=True):
            self.define(item, output)

    # -- what the gate shows -----------------------------------------------------------------

    def process(self, function, args, kwargs):
        """One call of a public function or operator."""
        if not self.active or self.thread != get_ident():
            return function(*args, **kwargs)
        with self.paused():
            return _trace_rules.handle(self, function, args, kwargs)

    def enter_function(self, function, args, kwargs):
        """Run a function so that what it calls is recorded."""
        _C.push_interpreter(self)
        try:
            with self.resumed():
                return getattr(function, "__wrapped__", function)(*args, **kwargs)
        finally:
            _C.pop_interpreter()

    def run(self, function, args, kwargs):
        """Run a function on plain numbers."""
        return function(
            *[_unwrapped(a) for a in args], **{k: _unwrapped(v) for k, v in kwargs.items()}
        )

    # -- sizes -------------------------------------------------------------------------------

    def sizes(self, tensor):
        """The shape, every size a value of the graph."""
        plain = tensor.shape
        return TracedSize([self.size(tensor, i, n) for i, n in enumerate(plain)])

    def size(self, tensor, dim: int, number: int):
        """One size as a value of the graph."""
        self.locate()
        value = self.value_of(tensor)
        inputs = [value, self.constant(int(dim))]
        return self._counted("aten::size", inputs, number)

    def count(self, tensor, number: int):
        """The number of elements as a value of the graph."""
        self.locate()
        return self._counted("aten::numel", [self.value_of(tensor)], number)

    def _counted(self, kind: str, inputs, number: int) -> TracedInt:
        from .. import int64

        node = self.graph.insertNode(self.graph.create(kind, inputs, 1))
        node.output().setType(T.IntType.get())
        made = self.graph.insertNode(self.graph.create("prim::NumToTensor", [node.output()], 1))
        made.source = None
        found = TracedInt(number)
        found.value = made.output().setType(T.TensorType(int64, _CPU(), (), ()))
        return found

    def number(self, kind: str, operands, found):
        """Arithmetic on sizes: a 0-d tensor in the graph, a number to the program."""
        self.locate()
        overload = ("", "Tensor", "Tensor_mode")[len(operands) - 1]
        schema = _trace_rules.schema_named(kind, overload)
        given = {a.name: o for a, o in zip(schema.arguments, operands, strict=False)}
        node = self.node(kind, given, schema)
        made = (TracedFloat if isinstance(found, float) else TracedInt)(found)
        kind_of = T.TensorType.create_from_tensor(_default_tensor(found))
        made.value = node.output().setType(kind_of)
        return made

    # -- methods that the gate does not show -------------------------------------------------

    def method(self, name: str, original, args, kwargs):
        """A method of Tensor that is no operator here."""
        return _trace_rules.method(self, name, original, args, kwargs)

    def getitem(self, tensor, index):
        """`tensor[index]`."""
        from ._trace_indexing import getitem

        return getitem(self, tensor, index)

    def setitem(self, tensor, index, value) -> None:
        """`tensor[index] = value`."""
        from ._trace_indexing import setitem

        setitem(self, tensor, index, value)


class _Switched:
    def __init__(self, tracer: Tracer, active: bool) -> None:
        self.tracer, self.active = tracer, active

    def __enter__(self):
        self.was, self.tracer.active = self.tracer.active, self.active

    def __exit__(self, *exc):
        self.tracer.active = self.was


def _CPU():  # noqa: N802
    from .._device import device

    return device("cpu")


def _default_tensor(number):
    from .. import tensor

    return tensor(float(number) if isinstance(number, float) else int(number))


def _tensor(item):
    from .. import complex128, float64, tensor

    if isinstance(item, float):
        return tensor(float(item), dtype=float64)
    if isinstance(item, complex):
        return tensor(item, dtype=complex128)
    return tensor(int(item) if isinstance(item, TracedInt) else item)


def _unwrapped(item):
    """Traced numbers as plain ones, in lists and tuples too."""
    if isinstance(item, TracedInt):
        return int(item)
    if isinstance(item, TracedFloat):
        return float(item)
    if type(item) in (list, tuple):
        return type(item)([_unwrapped(i) for i in item])
    if isinstance(item, TracedSize):
        return tuple(int(i) for i in item)
    return item
