"""Running a graph: it becomes one Python function over our operators.

Calls of other compiled functions are written out in place, control flow is Python's, numbers and
lists are Python's too, and every tensor is let go right after its last use. The function is made
once for a graph, at the first call. An error that leaves it names the place in the program.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from . import _run_operators as operators
from . import _types as T
from ._constants import as_ivalue
from ._run_kinds import EXPRESSIONS, STATEMENTS, Frame
from ._run_sizes import Sizes

_SMALL = (T.IntType, T.FloatType, T.BoolType, T.NoneType, T.NumberType, T.DeviceObjType)
_CONVERSIONS = ("aten::Int", "prim::NumToTensor")
_LITERALS = (int, float, bool, str, type(None))


last_run: list = []  # the function that was made last


def entry_of(function) -> Callable:
    """The Python function of a compiled one: it takes what the schema says."""
    made = _Writer(function).finish()
    last_run[:] = [function]
    return made


class _Writer:
    def __init__(self, function) -> None:
        self.function = function
        self.lines: list[str] = []
        self.places: list = []  # of each line, the node that it is for
        self.level = 2
        self.names: dict[str, Any] = {}  # globals of the text
        self.shared: dict[int, str] = {}  # ids of globals: their names
        self.count = 0
        self.free: list[str] = []
        self.small: set[str] = set()  # variables that hold no memory worth letting go
        self.sizes = Sizes()
        self.frame = Frame(function)
        self.running = [function]
        self.node: Any = None

    # -- the text ----------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """One statement."""
        self.lines.append("    " * self.level + text)
        self.places.append((self.node, tuple(self.running)))

    def shared_name(self, item) -> str:
        """A global of the text that stands for an object."""
        name = self.shared.get(id(item))
        if name is None:
            name = self.shared[id(item)] = f"k{len(self.shared)}"
            self.names[name] = item
        return name

    def variable(self) -> str:
        """A local name that holds nothing now."""
        if self.free:
            name = self.free.pop()
            self.small.discard(name)
            return name
        self.count += 1
        return f"v{self.count}"

    def use(self, value) -> str:
        """The expression for a value."""
        value = self.sizes.plain(value)
        name = self.frame.names.get(id(value))
        if name is None:
            name = self.frame.names[id(value)] = self.constant(value)
        return name

    def constant(self, value) -> str:
        """A literal, or a global for what has none."""
        node = value.node()
        if node.kind() != "prim::Constant":
            raise RuntimeError(f"%{value.debugName()} is used before it is computed")
        item = as_ivalue(value.toIValue()) if value.type().kind() != "FunctionType" else None
        return self.literal(item)

    def literal(self, item) -> str:
        """The text of a Python value, or a global that holds it."""
        if type(item) in _LITERALS:
            text = repr(item)
            text = _SPELT.get(text, text)
            return f"({text})" if text[0] == "-" else text
        self.names.setdefault("kept", []).append(item)
        return self.shared_name(item)

    # -- blocks ------------------------------------------------------------------------------

    def block(self, block) -> None:
        """The statements of a block; what is not read after a node is let go."""
        nodes = list(block.nodes())
        last: dict[int, int] = {}
        for i, node in enumerate(nodes):
            self._note_uses(node, i, last)
        for value in block.outputs():
            last[id(self.sizes.plain(value))] = len(nodes)
        own = {id(v) for node in nodes for v in node.outputs()}
        dying: dict[int, list] = {}
        for key, at in last.items():
            if key in own:
                dying.setdefault(at, []).append(key)
        for i, node in enumerate(nodes):
            self.node = node
            self._node(node, dying.get(i, []), last)

    def _note_uses(self, node, at: int, last: dict) -> None:
        for value in node.inputs():
            last[id(self.sizes.plain(value))] = at
        for block in node.blocks():
            for inner in block.nodes():
                self._note_uses(inner, at, last)
            for value in block.outputs():
                last[id(value)] = at

    def _node(self, node, dying: list, last: dict) -> None:
        kind = node.kind()
        if kind == "prim::Constant":
            return
        if kind in _CONVERSIONS and self.sizes.plain(node.output()) is not node.output():
            return
        special = STATEMENTS.get(kind)
        if special is not None:
            special(self, node)
            self._release(dying)
            return
        expression = self.expression(node, kind)
        released = self._released(dying)
        outputs = list(node.outputs())
        wanted = [v for v in outputs if id(v) in last]
        if not wanted:
            self.line(expression)
        elif len(outputs) == 1:
            self.define(outputs[0], expression, released)
        else:
            targets = [self.variable() if id(v) in last else "_" for v in outputs]
            for value, name in zip(outputs, targets, strict=True):
                self.frame.names[id(value)] = name
            self.line(f"{', '.join(targets)} = {expression}")
        self._forget(released)

    def define(self, value, expression: str, released: list | None = None) -> None:
        """Assign an expression to a value; a variable that is let go here may take it."""
        if released:
            name = released.pop()
        else:
            name = self.variable()
        self.frame.names[id(value)] = name
        if isinstance(value.type(), _SMALL):
            self.small.add(name)
        else:
            self.small.discard(name)
        self.line(f"{name} = {expression}")

    def _released(self, dying: list) -> list:
        """Variables that nothing reads after this node."""
        found = []
        for key in dying:
            name = self.frame.names.pop(key, None)
            if name is not None and name[0] == "v" and name not in self.frame.names.values():
                found.append(name)
        return found

    def _release(self, dying: list) -> None:
        self._forget(self._released(dying))

    def _forget(self, released: list) -> None:
        released = list(dict.fromkeys(released))
        large = [name for name in released if name not in self.small]
        if large:
            self.line(f"del {', '.join(large)}")
        self.free.extend(released)

    # -- expressions -------------------------------------------------------------------------

    def operand(self, value) -> str:
        """A value in arithmetic: a constant 0-d tensor is the number that the program wrote."""
        if value.node().kind() == "prim::Constant" and isinstance(value.type(), T.TensorType):
            item = value.toIValue()
            if item.ndim == 0 and not item.is_meta:
                return f"({item.item()!r})" if item.isfinite() else self.use(value)
        return self.use(value)

    def expression(self, node, kind: str) -> str:
        """What a node computes."""
        inputs = list(node.inputs())
        special = EXPRESSIONS.get(kind)
        if special is not None:
            return special(self, node, inputs)
        sizes = self.sizes.template(node)
        template = sizes or operators.template(node, inputs)
        if template is not None:
            read = self.operand if sizes or kind in operators.ARITHMETIC else self.use
            return template.format(self.use(inputs[0]), *[read(v) for v in inputs[1:]])
        return operators.call(node, inputs, self)

    # -- the whole ---------------------------------------------------------------------------

    def finish(self) -> Callable:
        """Compile the text; the function."""
        function = self.function
        graph = function.graph
        parameters, types = [], []
        for i, value in enumerate(graph.inputs()):
            self.frame.names[id(value)] = f"a{i}"
            parameters.append(f"a{i}")
            types.append(value.type())
        self.level = 3
        body = self.lines
        self.block(graph.block())
        outputs = [self.use(v) for v in graph.outputs()]
        self.node = None
        self.line(f"return {', '.join(outputs)}" if outputs else "return None")
        head = self._head(parameters, types, function.schema.arguments)
        tail = [
            "        except Exception as error:",
            "            raise failed(error, places, offset) from None",
        ]
        text = "\n".join([*head, *body, *tail, "    return run"])
        self.names["places"] = self.places
        self.names["offset"] = len(head)
        from ._run_errors import call_failed, failed

        self.names["failed"] = failed
        self.names["call_failed"] = call_failed
        self.names["function"] = function
        self.names["_Tensor"] = _tensor_class()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # constants meet in `1 is None`
            exec(compile(text, f"<{function.qualified_name}>", "exec"), self.names)  # noqa: S102
        made = self.names.pop("make")()
        made.__name__ = function.name
        made.__qualname__ = function.qualified_name
        return made

    def _head(self, parameters: list, types: list, arguments: list) -> list[str]:
        """The lines that take the arguments, by position or by name: checked, converted."""
        self.names["missing"] = _MISSING
        said = [
            f"{p}={self.shared_name(a.default_value) if a.has_default_value() else 'missing'}"
            for p, a in zip(parameters, arguments, strict=True)
        ]
        tests, converted = ["rest", "named"], []
        for name, of in zip(parameters, types, strict=True):
            if isinstance(of, T.TensorType):
                tests.append(f"not isinstance({name}, _Tensor)")
            elif type(of) in _EXACT:
                tests.append(f"type({name}) is not {_EXACT[type(of)]}")
            elif name != "a0" or not self.function._is_method():
                converted.append((name, of))
        targets = "".join(f"{p}, " for p in parameters)
        bind = f"{targets + '= ' if targets else ''}call_failed(function, {targets}rest, named)"
        lines = [
            "def make():",
            f"    def run({', '.join([*said, '*rest', '**named'])}):",
            f"        if {' or '.join(tests)}:",
            f"            {bind}",
        ]
        if converted:
            from ._values import checked

            self.names["checked"] = checked
            lines += ["        else:", "            try:"]
            for name, of in converted:
                lines.append(f"                {name} = checked({name}, {self.shared_name(of)})")
            lines += ["            except TypeError:", f"                {bind}"]
        return [*lines, "        try:"]


class _Missing:
    def __repr__(self) -> str:
        return "missing"


_MISSING = _Missing()
_SPELT = {"inf": "float('inf')", "nan": "float('nan')", "-inf": "float('-inf')"}
_EXACT = {T.IntType: "int", T.FloatType: "float", T.BoolType: "bool", T.StringType: "str"}


def _tensor_class():
    from .. import _C

    return _C.Tensor
