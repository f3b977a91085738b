"""Sizes in a running graph: arithmetic that graphs do on 0-d tensors is done on numbers.

A traced size is a number, made a tensor, calculated with, and made a number again for the operator
that takes it. Where nothing else reads such tensors they are never made.
"""

from __future__ import annotations

from . import _types as T

_TEMPLATES = {
    "aten::add": "({0} + {1})",
    "aten::sub": "({0} - {1})",
    "aten::mul": "({0} * {1})",
    "aten::floor_divide": "({0} // {1})",
    "aten::div": "int({0} / {1})",
}
_LAST = {"aten::add": [1], "aten::sub": [1], "aten::div": ["trunc"]}  # what has to follow


class Sizes:
    """Which tensors of the graphs that a function is made of are only numbers."""

    def __init__(self) -> None:
        self._known: dict[int, set[int]] = {}

    def is_number(self, value) -> bool:
        """Whether a 0-d tensor is a number in the text."""
        graph = value.node().graph
        if id(graph) not in self._known:
            self._known[id(graph)] = _numbers(graph)
        return id(value) in self._known[id(graph)]

    def plain(self, value):
        """The number that a value was before it was made a tensor, or the value itself."""
        node = value.node()
        kind = node.kind()
        if kind == "prim::NumToTensor" and self.is_number(value):
            return node.input()
        if kind == "aten::Int":
            made = node.input()
            if made.node().kind() == "prim::NumToTensor":
                return made.node().input()
            if made.node().kind() in _TEMPLATES and self.is_number(made):
                return made
        return value

    def template(self, node) -> str | None:
        """The text of arithmetic on sizes; None of what is on tensors."""
        found = _TEMPLATES.get(node.kind())
        return found if found and self.is_number(node.output()) else None


def _numbers(graph) -> set[int]:
    """The tensors that come from numbers alone and go only into numbers."""
    found: dict[int, object] = {}
    for node in graph.all_nodes():
        if _comes_from_numbers(node, found):
            found[id(node.output())] = node.output()
    while True:
        left = {k: v for k, v in found.items() if _stays(v, found)}
        if len(left) == len(found):
            return set(found)
        found = left


def _comes_from_numbers(node, known) -> bool:
    kind = node.kind()
    if kind == "prim::NumToTensor":
        return isinstance(node.input().type(), T.IntType)
    if kind not in _TEMPLATES:
        return False
    first, second, *last = node.inputs()
    if [v.toIValue() for v in last] != _LAST.get(kind, []):
        return False
    return all(id(v) in known or _is_whole(v) for v in (first, second))


def _is_whole(value) -> bool:
    """Whether a value is a constant of one whole number that is positive."""
    if value.node().kind() != "prim::Constant" or not isinstance(value.type(), T.TensorType):
        return False
    item = value.toIValue()
    return item.ndim == 0 and not item.is_meta and str(item.dtype) == "torch.int64" and item > 0


def _stays(value, known) -> bool:
    """Whether all that reads a tensor does with a number, and all that it is made of is one."""
    made = value.node()
    operands = list(made.inputs())[:2] if made.kind() in _TEMPLATES else []
    return all(id(v) in known or _is_whole(v) for v in operands) and all(
        use.user.kind() == "aten::Int" or id(_output(use.user)) in known for use in value.uses()
    )


def _output(node):
    outputs = list(node.outputs())
    return outputs[0] if len(outputs) == 1 else None
