"""Graphs as TorchScript source: what `.code` shows and what archives hold.

A value that is used once, right where the node that makes it stands, is written in place;
others get a variable. Lines that would grow long are broken: a part of 40 columns or more gets a
variable too, and with it everything that runs before it and waits to be written.
"""

from __future__ import annotations

from ._emit_flow import STATEMENTS
from ._emit_kinds import EXPRESSIONS, attribute, kind_of, wants_annotation
from ._emit_values import Names, complex_number, number, quoted

_LONG = 40
_IMPLICIT = {
    "aten::IntImplicit": "int",
    "aten::FloatImplicit": "float",
    "aten::ComplexImplicit": "complex",
    "aten::ScalarImplicit": "number",
}
_CASTS = {
    "aten::Bool": "bool",
    "aten::Int": "int",
    "aten::Float": "float",
    "aten::Complex": "complex",
    "aten::str": "str",
}


class Constants:
    """What the functions of an archive share.

    `values` are the tensors (and objects) that the text calls CONSTANTS.c0, CONSTANTS.c1, ...;
    `needed` the classes and functions that it names, in the order of their first use; `count` the
    number of the next `_0`, `_1`, ...
    """

    def __init__(self):
        self.values: list = []
        self.needed: list = []
        self.count = [0]

    def need(self, of) -> None:
        """Note the classes that a type names, parts first."""
        if _is_named(of):
            if not any(known is of or known == of for known in self.needed):
                self.needed.append(of)
            return
        for inner in of.containedTypes():
            self.need(inner)

    def refer(self, value) -> str:
        """The text for a constant; the same object is kept once."""
        for index, known in enumerate(self.values):
            if known is value or _same_tensor(known, value):
                return f"CONSTANTS.c{index}"
        self.values.append(value)
        return f"CONSTANTS.c{len(self.values) - 1}"


def _same_tensor(a, b) -> bool:
    """Whether two constants are equal tensors on one device."""
    if not (hasattr(a, "dtype") and hasattr(b, "dtype")) or a.dtype != b.dtype:
        return False
    if a.shape != b.shape or a.device != b.device or a.stride() != b.stride():
        return False
    return a.requires_grad == b.requires_grad and bool((a == b).all())


class Writer:
    """The text of one function."""

    def __init__(self, constants: Constants | None = None):
        self.constants = constants if constants is not None else Constants()
        self.lines: list[str] = []
        self.names = Names(self.constants.count)
        self.text: dict[int, str] = {}  # by unique(): what stands for a value
        self.inlined: set[int] = set()  # nodes, by their first output's unique()
        self.pending: list = []  # inlined nodes whose text is not yet part of a line
        self.level = 0

    # -- what is written in place ------------------------------------------------------------

    def scan(self, block) -> None:
        """Choose the nodes of a block that are written in place of their single use."""
        nodes = list(block.nodes())
        order = {_key(node): i for i, node in enumerate(nodes) if _key(node) is not None}
        self._scan_node(block.returnNode(), len(nodes), nodes, order)
        for at in range(len(nodes) - 1, -1, -1):
            self._scan_node(nodes[at], at, nodes, order)

    def _scan_node(self, node, at, nodes, order) -> int:
        """Returns where the part of the text that this node is begins."""
        if _key(node) in self.inlined:
            return at
        for block in node.blocks():
            self.scan(block)
        inputs = list(node.inputs())
        for offset in range(len(inputs) - 1, -1, -1):
            value = inputs[offset]
            made = value.node()
            before = at - 1
            while before >= 0 and nodes[before].kind() == "prim::Constant":
                before -= 1
            if before < 0 or order.get(value.unique()) != before or _key(made) is None:
                continue
            if may_inline(value, node, offset):
                at = self._scan_node(made, before, nodes, order)
                self.inlined.add(_key(made))
        return at

    def long_constants(self, block) -> None:
        """Give variables to the constants whose text is long, in the order of their first use."""
        for node in block.nodes():
            for value in node.inputs():
                self._long_constant(value)
            for inner in node.blocks():
                self.long_constants(inner)
        for value in block.outputs():
            self._long_constant(value)

    def _long_constant(self, value) -> None:
        if value.node().kind() == "prim::Constant" and value.unique() not in self.text:
            text = self.constant(value)
            if len(text) + 2 * self.level >= _LONG:
                text = f"{self.name(value)} = {text}"
                self.line(text)
            else:
                self.text[value.unique()] = text

    # -- statements --------------------------------------------------------------------------

    def line(self, text: str) -> None:
        """Write a statement at the present depth."""
        self.lines.append("  " * self.level + text)

    def use(self, value) -> str:
        """What stands for a value in an expression."""
        key = value.unique()
        text = self.text[key]
        if key in self.inlined:
            self.pending = [n for n in self.pending if _key(n) != key]
        return text

    def name(self, value) -> str:
        """Give a value a variable."""
        text = self.text[value.unique()] = self.names.of(value)
        return text

    def assign(self, names: list[str], values: list, types: list) -> None:
        """Several variables at once; a single one with its type where its value has another."""
        texts = [self.use(v) for v in values]
        if len(names) == 1 and wants_annotation(values[0].type(), types[0]):
            self.line(f"{names[0]} : {self.type(types[0])} = {texts[0]}")
        elif names:
            self.line(f"{', '.join(names)} = {', '.join(texts)}")

    def block(self, block) -> None:
        """The statements of a block, without what it returns."""
        for node in block.nodes():
            self.node(node)

    def node(self, node) -> None:
        """One statement, or the text that its use will hold."""
        kind = node.kind()
        if kind == "prim::Constant":
            return
        statement = STATEMENTS.get(kind)
        if statement is not None:
            statement(self, node)
        elif kind == "prim::SetAttr":
            target, value = [self.use(v) for v in self.inputs(node)]
            self.line(f"{attribute(target, node.s('name'))} = {value}")
        elif kind in ("prim::TupleUnpack", "prim::ListUnpack"):
            source = self.use(self.inputs(node)[0])
            outputs = list(node.outputs())
            if outputs:
                self.line("".join(self.name(v) + ", " for v in outputs) + f"= {source}")
        else:
            self.inputs(node)
            self._define(node, self.expression(node))

    def _define(self, node, text: str) -> None:
        outputs = list(node.outputs())
        if _key(node) in self.inlined:
            self.text[_key(node)] = text
            self.pending.append(node)
            return
        if not outputs:
            self.line(text)
            return
        names = [self.name(v) for v in outputs]
        self.line(f"{', '.join(names)} = {text}")

    def _is_long(self, value) -> bool:
        text = self.text.get(value.unique(), "")
        return value.unique() in self.inlined and len(text) + 2 * self.level >= _LONG

    def inputs(self, node) -> list:
        """The inputs of a node, after variables are given to those of too long a text."""
        inputs = list(node.inputs())
        last = max((i for i, v in enumerate(inputs) if self._is_long(v)), default=-1)
        for value in inputs[: last + 1]:
            if value.unique() in self.inlined:
                self.settle(value)
        return inputs

    def settle(self, value) -> None:
        """Write a variable for a text that waits, after those that run before it."""
        key = value.unique()
        while self.pending and _key(self.pending[0]) != key:
            self.settle(self.pending[0].output())
        text = self.use(value)
        self.inlined.discard(key)
        name = self.name(value)
        self.line(f"{name} = {text}")

    # -- expressions -------------------------------------------------------------------------

    def expression(self, node) -> str:
        """The text of what a node computes."""
        kind = node.kind()
        special = EXPRESSIONS.get(kind)
        if special is not None:
            return special(self, node)
        if kind in _CASTS and len(list(node.inputs())) == 1:
            return f"{_CASTS[kind]}({self.use(node.input())})"
        if kind in _IMPLICIT:
            return f"annotate({_IMPLICIT[kind]}, {self.use(node.input())})"
        return self._operator(node, kind)

    def _operator(self, node, kind) -> str:
        space, _, name = kind.partition("::")
        if kind == "prim::PythonOp":
            scalars = ", ".join(self.literal(item) for item in node.scalars)
            return f"^{node.pyname()}({scalars})({', '.join(self.use(v) for v in node.inputs())})"
        if kind == "aten::__getitem__":
            container, index = [self.use(v) for v in node.inputs()]
            return f"{container}[{index}]"
        parts = self._arguments(node)
        head = f"torch.{name}" if space == "aten" else f"ops.{space}.{name}"
        return f"{head}({', '.join(parts)})"

    def _arguments(self, node) -> list[str]:
        """Arguments by position, then by name; the last ones that equal their default fall away."""
        inputs = list(node.inputs())
        schema = schema_of(node)
        if schema is None:
            return [self.use(v) for v in inputs]
        declared = schema.arguments
        count = len(inputs)
        while 0 < count <= len(declared) and _is_default(inputs[count - 1], declared[count - 1]):
            count -= 1
        parts = []
        for i, value in enumerate(inputs[:count]):
            text = self.use(value)
            named = i < len(declared) and declared[i].kwarg_only
            parts.append(f"{declared[i].name}={text}" if named else text)
        return parts

    def constant(self, value) -> str:
        """A constant as a literal, or as a reference to the table of constants."""
        if kind_of(value.type()) == "FunctionType":
            return self.type(value.type())
        return self.literal(value.toIValue(), value.type())

    def literal(self, item, of=None) -> str:
        """The text of a Python value of a type."""
        if item is None:
            return "None"
        if kind_of(of) == "TensorType":
            return self.constants.refer(item)
        if isinstance(item, int):
            return str(item)
        if isinstance(item, float):
            return number(item)
        if isinstance(item, complex):
            return complex_number(item)
        if isinstance(item, str):
            return (
                f"torch.device({quoted(item)})" if kind_of(of) == "DeviceObjType" else quoted(item)
            )
        if isinstance(item, tuple):
            inner = list(of.elements()) if kind_of(of) == "TupleType" else [None] * len(item)
            texts = [self.literal(i, t) for i, t in zip(item, inner, strict=True)]
            return "(" + ", ".join(texts) + ("," if len(item) == 1 else "") + ")"
        if isinstance(item, list):
            if not item and of is not None:
                return f"annotate({self.type(of)}, [])"
            inner = of.getElementType() if kind_of(of) == "ListType" else None
            return "[" + ", ".join(self.literal(i, inner) for i in item) + "]"
        if isinstance(item, dict):
            if not item and of is not None:
                return f"annotate({self.type(of)}, {{}})"
            pairs = [f"{self.literal(k)}: {self.literal(v)}" for k, v in item.items()]
            return "{" + ", ".join(pairs) + "}"
        if type(item).__name__ == "device":
            return f"torch.device({quoted(str(item))})"
        return self.constants.refer(item)

    def type(self, of) -> str:
        """The annotation of a type; classes in it become dependencies."""
        self.constants.need(of)
        return of.annotation_str


def _key(node):
    outputs = list(node.outputs())
    return outputs[0].unique() if len(outputs) == 1 else None


def may_inline(value, user, offset: int) -> bool:
    """Whether a value's text may stand in place of its use."""
    if len(value.uses()) != 1:
        return False
    if not value.debugName().isdigit() and user.kind() != "prim::Return":
        return False  # it was a variable to its author
    node = value.node()
    if list(node.blocks()) or node.kind() in ("prim::Enter", "prim::TupleUnpack"):
        return False
    if user.kind() == "prim::Loop" and offset >= 2:
        return False
    if user.kind() in ("prim::fork", "prim::rpc_async", "prim::Enter"):
        return False
    return not (node.kind() == "prim::isinstance" and user.kind() == "prim::If")


def _is_default(value, argument) -> bool:
    """Whether a value is a constant that equals an argument's default."""
    if not argument.has_default_value():
        return False
    default = argument.default_value
    node = value.node()
    if node.kind() != "prim::Constant" or kind_of(value.type()) == "TensorType":
        return False
    found = value.toIValue()
    if isinstance(default, (list, tuple)) and isinstance(found, (list, tuple)):
        return list(found) == list(default)
    return type(found) is type(default) and found == default


def schema_of(node):
    """The schema of an operator's node, parsed; None of what has none."""
    from ._schema import parse_schema

    found = node.schema()
    if not found or found == "(no schema)":
        return None
    return parse_schema(found) if isinstance(found, str) else found


def _is_named(of) -> bool:
    kind = kind_of(of)
    return kind in ("ClassType", "InterfaceType", "EnumType", "FunctionType") or (
        kind == "TupleType" and of.annotation_str.startswith("__torch__")
    )


# -- functions and classes ----------------------------------------------------------------------


def function_source(
    graph, name: str, constants=None, defaults=None, method: bool = False, level: int = 0
) -> str:
    """`def name(...)` of a graph, `level` deep in a class whose name is then written.

    `defaults` maps the numbers of parameters to their default values.
    """
    writer = Writer(constants)
    writer.level = level
    parameters = []
    for index, value in enumerate(graph.inputs()):
        if index == 0 and method:
            text = writer.text[value.unique()] = _self_name(writer, value)
            parameters.append(f"{text}: {value.type().annotation_str}" if level else text)
            continue
        if value.debugName().isdigit():
            text = writer.text[value.unique()] = writer.names.take(f"argument_{index}")
        else:
            text = writer.name(value)
        default = (defaults or {}).get(index, NotImplemented)
        ending = "" if default is NotImplemented else f"={writer.literal(default, value.type())}"
        parameters.append(f"{text}: {writer.type(value.type())}{ending}")
    root = graph.return_node().owningBlock()
    writer.scan(root)
    outputs = list(graph.outputs())
    result = writer.type(outputs[0].type()) if outputs else "NoneType"
    writer.line(f"def {name}({(',' + chr(10) + '    ').join(parameters)}) -> {result}:")
    writer.level += 1
    writer.long_constants(root)
    writer.block(root)
    writer.inputs(graph.return_node())
    if outputs:
        writer.line("return " + ", ".join(writer.use(v) for v in outputs))
    return "\n".join(writer.lines) + "\n"


def _self_name(writer: Writer, value) -> str:
    name = value.debugName().partition(".")[0]
    return "self" if name == "self" or name.isdigit() else writer.name(value)
