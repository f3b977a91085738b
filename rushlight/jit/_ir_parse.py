"""Reading the text of a graph: what `torch._C.parse_ir` takes.

Names of inputs are kept, other values are numbered anew, places in the source are left out.
"""

from __future__ import annotations

from typing import Any

from . import _types as T
from ._function_schema import read_literal, read_string
from ._ir import Block, Graph, Node, Value
from ._type_rules import Scanner, read_type

_BLANK = " \n\t"


def parse_ir(input: str, parse_tensor_constants: bool = False) -> Graph:
    """The graph of a text; RuntimeError points at what cannot be read.

    Tensor constants are refused unless asked for: the text holds one element of them at most, and
    the others are made uninitialised, of the shape that their type says.
    """
    return _Reader(input, parse_tensor_constants).graph()


class _Scanner(Scanner):
    """Passes over comments too."""

    def space(self) -> None:
        super().space()
        while self.text.startswith("#", self.at):
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
            super().space()


class _Reader:
    def __init__(self, text: str, tensors: bool) -> None:
        self.s = _Scanner(text, _BLANK)
        self.tensors = tensors
        self.made = Graph()
        self.known: dict[str, Value] = {}

    def graph(self) -> Graph:
        """The whole text."""
        s = self.s
        if s.word() != "graph":
            s.at = max(s.at - 1, 0)
            raise s.error("expected ident but found 'eof' here" if not s.text.strip() else
                          "expected 'graph' here")  # fmt: skip
        self._inputs(self.made.block())
        self._nodes(self.made.block(), "return")
        for value in self._values("("):
            self.made.registerOutput(value)
        return self.made

    def _inputs(self, block: Block) -> None:
        s = self.s
        s.need("(")
        while not s.take(")"):
            name, t = self._declared()
            value = block.addInputToBlock().setType(t)
            if not name.isdigit():
                value.setDebugName(name)
            self.known[name] = value
            if not s.peek(")"):
                s.need(",")
        s.need(":")

    def _declared(self) -> tuple[str, T.Type]:
        """`%name : type`; a Tensor where no type stands."""
        self.s.need("%")
        name = self.s.word("_.")
        t = self._type() if self.s.take(":") else T.TensorType.get()
        return name, t

    def _type(self) -> T.Type:
        return read_type(self.s, _class_named)

    def _nodes(self, block: Block, end: str) -> None:
        """Nodes until `end`, which is passed over."""
        while True:
            self.s.space()
            if self.s.take(end):
                return
            self._node(block)

    def _node(self, block: Block) -> None:
        s = self.s
        outputs = []
        while s.peek("%"):
            outputs.append(self._declared())
            if not s.take(","):
                break
        if outputs:
            s.need("=")
        else:
            s.take("=")
        kind = s.word("_:")
        if not kind:
            raise s.error(f"expected ident but found '{s.text[s.at : s.at + 1] or 'eof'}' here")
        node = self.made.create(kind, (), len(outputs))
        if s.take("["):
            self._attributes(node, outputs)
        for value in self._values("("):
            node.addInput(value)
        if s.take(", scope: "):
            start = s.at
            while s.at < len(s.text) and s.text[s.at] not in " \n":
                s.at += 1
            node.scope = s.text[start : s.at]
        for (name, t), value in zip(outputs, node.outputs(), strict=True):
            self.known[name] = value.setType(t)
        node.insertBefore(block.returnNode())
        while s.peek("block"):
            s.word()
            inner = node.addBlock()
            self._inputs(inner)
            self._nodes(inner, "->")
            for value in self._values("("):
                inner.registerOutput(value)

    def _values(self, opening: str) -> list[Value]:
        s = self.s
        s.need(opening)
        found = []
        while not s.take(")"):
            s.need("%")
            start = s.at
            name = s.word("_.")
            if name not in self.known:
                s.at = start
                raise s.error(f"\nCannot find a variable with name '{name}'")
            found.append(self.known[name])
            if not s.peek(")") and not s.take(","):
                s.space()
                got = s.word() or s.text[s.at : s.at + 1] or "eof"
                s.at -= len(got) if got != "eof" else 0
                raise s.error(f"expected ) but found '{got}' here")
        return found

    # -- attributes --------------------------------------------------------------------------

    def _attributes(self, node: Node, outputs: list) -> None:
        s = self.s
        while not s.take("]"):
            name = s.word("_")
            s.need("=")
            self._attribute(node, name, outputs)
            if not s.peek("]"):
                s.need(",")

    def _attribute(self, node: Node, name: str, outputs: list) -> None:
        s = self.s
        s.space()
        at = s.at
        if s.peek('"'):
            node.s_(name, read_string(s))
        elif s.peek("[") and _names_a_type(s.text[s.at + 1 :]):
            s.need("[")
            types = [self._type()]
            while s.take(","):
                types.append(self._type())
            s.need("]")
            node.tys_(name, types)
        elif s.peek("[") or s.peek("("):
            node.ival_(name, self._sequence())
        elif s.peek("{") or s.peek("<"):
            node.t_(name, self._tensor(outputs))
        elif _names_a_type(s.text[at:]):
            node.ty_(name, self._type())
        else:
            value = read_literal(s)
            put = {int: node.i_, float: node.f_, complex: node.c_}.get(type(value), node.ival_)
            put(name, value)

    def _sequence(self) -> Any:
        if not self.s.take("("):
            return read_literal(self.s)
        items = []
        while not self.s.take(")"):
            items.append(self._sequence() if self.s.peek("(") else read_literal(self.s))
            self.s.take(",")
        return tuple(items)

    def _tensor(self, outputs: list):
        import rushlight as torch

        s = self.s
        single = s.peek("{")
        if not self.tensors:
            raise s.error(
                "\nSingle-element tensor constant encountered but `parse_tensor_constants` is set "
                "to false {" if single else
                "\nTensor constant encountered but `parse_tensor_constants` set to false<"
            )  # fmt: skip
        t = outputs[0][1]
        dtype = t.dtype() if isinstance(t, T.TensorType) else None
        if s.take("{"):
            value = read_literal(s)
            s.need("}")
            return torch.tensor(value, dtype=dtype)
        s.need("<Tensor>")
        sizes = t.sizes() if isinstance(t, T.TensorType) else None
        if sizes is None:
            raise s.error("parse_ir: a tensor constant needs the shape in its type")
        strides = t.strides() or t.contiguous().strides()
        return torch.empty_strided(sizes, strides, dtype=dtype, device=t.device())


def _names_a_type(text: str) -> bool:
    """Whether a type comes next, and no constant that is a word."""
    word = text.lstrip()[:5]
    return word[:1].isalpha() and not word.startswith(("inf", "nan", "True", "False", "None"))


def _class_named(name: str) -> T.Type | None:
    if name.startswith("__torch__.torch.classes."):
        return T.ClassType(name)
    raise RuntimeError(f"\nExpected classes namespace but got {name.split('.')[1]}")
