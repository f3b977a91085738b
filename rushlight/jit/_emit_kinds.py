"""Kinds of node that have a form of their own in TorchScript source."""

from __future__ import annotations

from ._emit_values import identifier, quoted


def kind_of(of) -> str:
    return of.kind() if of is not None else ""


def attribute(target: str, name: str) -> str:
    return f"{target}.{name}" if identifier(name) else f"getattr({target}, {quoted(name)})"


def _call(head: str, arguments: list[str]) -> str:
    return f"{head}({''.join(a + ', ' for a in arguments)})"


def _list(writer, node) -> str:
    of = node.output().type()
    values = list(node.inputs())
    text = "[" + ", ".join(writer.use(v) for v in values) + "]"
    element = of.getElementType()
    if not values or any(not plainly(v.type(), element) for v in values):
        return f"annotate({writer.type(of)}, {text})"
    return text


def plainly(given, element) -> bool:
    """Whether a list of such values is seen to have this element type without being told."""
    return (
        kind_of(given) == kind_of(element) if kind_of(element) == "TensorType" else given == element
    )


def wants_annotation(given, of) -> bool:
    return kind_of(of) in ("OptionalType", "UnionType") and given != of


def _dict(writer, node) -> str:
    of = node.output().type()
    values = [writer.use(v) for v in node.inputs()]
    pairs = [f"{k}: {v}" for k, v in zip(values[::2], values[1::2], strict=True)]
    text = "{" + ", ".join(pairs) + "}"
    if values and plainly(list(node.inputs())[1].type(), of.getValueType()):
        return text
    return f"annotate({writer.type(of)}, {text})"


def _tuple(writer, node) -> str:
    of = node.output().type()
    values = [writer.use(v) for v in node.inputs()]
    if of.annotation_str.startswith("__torch__"):  # a named tuple
        return f"{writer.type(of)}({', '.join(values)})"
    return "(" + ", ".join(values) + ("," if len(values) == 1 else "") + ")"


def _get_attribute(writer, node) -> str:
    return attribute(writer.use(node.input()), node.s("name"))


def _method(writer, node) -> str:
    target, *rest = list(node.inputs())
    writer.constants.need(target.type())
    texts = [writer.use(v) for v in (target, *rest)]
    return _call(f"({texts[0]}).{node.s('name')}", texts[1:])


def _function(writer, node) -> str:
    target, *rest = [writer.use(v) for v in node.inputs()]
    return _call(target, rest)


def _index(writer, node) -> str:
    container, index = [writer.use(v) for v in node.inputs()]
    return f"({container})[{index}]"


def _cast(writer, node) -> str:
    return f"unchecked_cast({writer.type(node.output().type())}, {writer.use(node.input())})"


def _uninitialized(writer, node) -> str:
    return f"uninitialized({writer.type(node.output().type())})"


def _is_instance(writer, node) -> str:
    types = [writer.type(t) for t in node.tys("types")]
    wanted = types[0] if len(types) == 1 else "(" + ", ".join(types) + ")"
    return f"isinstance({writer.use(node.input())}, {wanted})"


def _create(writer, node) -> str:
    name = writer.type(node.output().type())
    return f"{name}.__new__({name})"


def _to_list(writer, node) -> str:
    return (
        f"annotate({writer.type(node.output().type())}, {writer.use(next(node.inputs()))}.tolist())"
    )


def _print(writer, node) -> str:
    return f"print({', '.join(writer.use(v) for v in node.inputs())})"


EXPRESSIONS = {
    "prim::ListConstruct": _list,
    "prim::DictConstruct": _dict,
    "prim::TupleConstruct": _tuple,
    "prim::GetAttr": _get_attribute,
    "prim::CallMethod": _method,
    "prim::CallFunction": _function,
    "prim::TupleIndex": _index,
    "prim::unchecked_cast": _cast,
    "prim::Uninitialized": _uninitialized,
    "prim::isinstance": _is_instance,
    "prim::CreateObject": _create,
    "prim::tolist": _to_list,
    "prim::Print": _print,
}
