"""Kinds of node that become statements or expressions of their own in a running graph."""

from __future__ import annotations

from . import _run_operators as operators

_FOREVER = 9223372036854775807


class Frame:
    """One function that is being written out: what its values are called in the text."""

    __slots__ = ("function", "names")

    def __init__(self, function) -> None:
        self.function = function
        self.names: dict[int, str] = {}


def _list(w, node, inputs) -> str:
    return f"[{', '.join(w.use(v) for v in inputs)}]"


def _tuple(w, node, inputs) -> str:
    of = node.output().type()
    if getattr(of, "fields", None):
        from ._values import named_tuple

        return f"{w.shared_name(named_tuple(of))}({', '.join(w.use(v) for v in inputs)})"
    return f"({''.join(w.use(v) + ', ' for v in inputs)})"


def _dict(w, node, inputs) -> str:
    pairs = zip(inputs[::2], inputs[1::2], strict=True)
    return "{" + ", ".join(f"{w.use(k)}: {w.use(v)}" for k, v in pairs) + "}"


def attribute(of, target: str, name: str) -> str:
    """The place of an attribute of an object of a type."""
    if not getattr(of, "is_module", False):
        return f"{target}.{name}"
    if name in of.parameters:
        return f"{target}._parameters[{name!r}]"
    if name in of.buffers:
        return f"{target}._buffers[{name!r}]"
    kind = of.attributes.get(name)
    if getattr(kind, "is_module", False):
        return f"{target}._modules[{name!r}]"
    return f"{target}.__dict__[{name!r}]"


def _get(w, node, inputs) -> str:
    return attribute(inputs[0].type(), w.use(inputs[0]), node.s("name"))


def _set(w, node) -> None:
    target, value = list(node.inputs())
    place = attribute(target.type(), w.use(target), node.s("name"))
    w.line(f"{place} = {w.use(value)}")


def _index(w, node, inputs) -> str:
    return f"{w.use(inputs[0])}[{w.use(inputs[1])}]"


def _same(w, node) -> None:
    """A value that is known under another type."""
    source = next(node.inputs())
    w.frame.names[id(node.output())] = w.use(source)


def _create(w, node, inputs) -> str:
    from ._script_objects import ScriptObject

    of = node.output().type()
    return f"{w.shared_name(ScriptObject)}({w.shared_name(of)})"


def _isinstance(w, node, inputs) -> str:
    types = tuple(node.tys("types"))
    return f"{w.shared_name(operators.is_instance)}({w.use(inputs[0])}, {w.shared_name(types)})"


def _uninitialized(w, node) -> None:
    w.frame.names[id(node.output())] = "None"


def _unpack(w, node) -> None:
    source = w.use(next(node.inputs()))
    outputs = list(node.outputs())
    if not outputs:
        return
    names = []
    for value in outputs:
        name = w.variable()
        w.frame.names[id(value)] = name
        names.append(name)
    if node.kind() == "prim::ListUnpack":
        w.line(f"{''.join(n + ', ' for n in names)} = "
               f"{w.shared_name(operators.unpacked)}({source}, {len(names)})")  # fmt: skip
    else:
        w.line(f"{''.join(n + ', ' for n in names)} = {source}")


def _print(w, node) -> None:
    given = ", ".join(w.use(v) for v in node.inputs())
    w.line(f"{w.shared_name(operators.print_values)}({given})")


def _raise(w, node) -> None:
    given = ", ".join(w.use(v) for v in node.inputs())
    w.line(f"raise {w.shared_name(operators.raised)}({given})")


def _if(w, node) -> None:
    condition = w.use(next(node.inputs()))
    outputs = list(node.outputs())
    names = [w.variable() for _ in outputs]
    for keyword, block in zip((f"if {condition}:", "else:"), node.blocks(), strict=True):
        if keyword == "else:" and not names and not list(block.nodes()):
            continue
        w.line(keyword)
        w.level += 1
        start, free = len(w.lines), list(w.free)
        w.block(block)
        w.node = node
        _assign(w, names, [w.use(v) for v in block.outputs()])
        if len(w.lines) == start:
            w.line("pass")
        w.level -= 1
        w.free = free  # what one branch let go may hold something in the other
    for value, name in zip(outputs, names, strict=True):
        w.frame.names[id(value)] = name


def _assign(w, names: list, values: list) -> None:
    pairs = [(n, v) for n, v in zip(names, values, strict=True) if n != v]
    if pairs:
        w.line(f"{', '.join(n for n, _ in pairs)} = {', '.join(v for _, v in pairs)}")


def _loop(w, node) -> None:
    trips, condition, *carried = list(node.inputs())
    body = next(node.blocks())
    counter, *inner = list(body.inputs())
    going, *results = list(body.outputs())
    names = [w.variable() for _ in carried]
    _assign(w, names, [w.use(v) for v in carried])
    for value, name in zip(inner, names, strict=True):
        w.frame.names[id(value)] = name
    index = w.variable()
    w.frame.names[id(counter)] = index
    counted = _constant_is(condition, True) and _constant_is(going, True)
    endless = _constant_is(trips, _FOREVER)
    test = None
    if counted:
        w.line(f"for {index} in range({w.use(trips)}):")
    else:
        test = w.variable()
        _assign(w, [test], [w.use(condition)])
        bound = "" if endless else f" and {index} < {w.use(trips)}"
        w.line(f"{index} = 0")
        w.line(f"while {test}{bound}:")
    w.level += 1
    start, free = len(w.lines), list(w.free)
    w.free = []  # the body may not overwrite what a later turn reads
    w.block(body)
    w.node = node
    values = [w.use(v) for v in results]
    if test is None:
        _assign(w, names, values)
    else:
        _assign(w, [*names, test], [*values, w.use(going)])
        w.line(f"{index} += 1")
    if len(w.lines) == start:
        w.line("pass")
    w.level -= 1
    w.free = free
    for value, name in zip(node.outputs(), names, strict=True):
        w.frame.names[id(value)] = name


def _constant_is(value, item) -> bool:
    if value.node().kind() != "prim::Constant":
        return False
    found = value.toIValue()
    return type(found) is type(item) and found == item


def _call_method(w, node) -> None:
    target, *_ = inputs = list(node.inputs())
    of, name = target.type(), node.s("name")
    if of.kind() == "ClassType":
        _call(w, node, of.methods[name], inputs)
        return
    given = ", ".join(w.use(v) for v in inputs[1:])
    run = w.shared_name(operators.call_by_name)
    more = f", {given}" if given else ""
    w.define(node.output(), f"{run}({w.use(target)}, {name!r}{more})")


def _call_function(w, node) -> None:
    target, *inputs = list(node.inputs())
    _call(w, node, target.type().function, inputs)


def _call(w, node, function, inputs) -> None:
    """Another function's statements in place of its call."""
    names = [w.use(v) for v in inputs]
    if function in w.running or len(w.lines) > 20_000:
        w.define(node.output(), f"{w.shared_name(function)}({', '.join(names)})")
        return
    outer, w.frame = w.frame, Frame(function)
    w.running.append(function)
    graph = function.graph
    for value, name in zip(graph.inputs(), names, strict=True):
        w.frame.names[id(value)] = name
    protected, w.free = w.free, []  # arguments must stay what they are in here
    w.block(graph.block())
    w.node = node
    outputs = [w.use(v) for v in graph.outputs()]
    w.running.pop()
    inner, w.frame = w.frame, outer
    result = outputs[0] if outputs else "None"
    if list(node.outputs()):
        w.frame.names[id(node.output())] = result
    held = {n for n in inner.names.values() if n[0] == "v"} - set(names) - {result}
    left = [n for n in held if n not in w.free]
    w.free = protected + w.free
    if left:
        w.line(f"{' = '.join(sorted(left))} = None")
        w.free.extend(sorted(left))


def _enter(w, node) -> None:
    source = w.use(next(node.inputs()))
    name = w.variable()
    w.line(f"with {w.shared_name(operators.Entered)}({source}) as {name}:")
    w.frame.names[id(node.output())] = name
    w.level += 1
    w.line("pass")


def _leave(w, node) -> None:
    w.level -= 1
    for value in node.outputs():
        w.frame.names[id(value)] = "None"


def _fork(w, node, inputs) -> str:
    from ._function import ScriptFunction

    inner = ScriptFunction("__torch__.forked", node.g("Subgraph"))
    w.names.setdefault("kept", []).append(inner)
    given = "".join(", " + w.use(v) for v in inputs)
    return f"{w.shared_name(operators.fork)}({w.shared_name(inner)}{given})"


def _python(w, node, inputs) -> str:
    """A call of a function that stays Python; what it gives has to be what it says."""
    from ._values import checked

    call = f"{w.shared_name(node.callable_)}({', '.join(w.use(v) for v in inputs)})"
    return f"{w.shared_name(checked)}({call}, {w.shared_name(node.output().type())})"


EXPRESSIONS = {
    "prim::PythonOp": _python,
    "prim::ListConstruct": _list,
    "prim::TupleConstruct": _tuple,
    "prim::DictConstruct": _dict,
    "prim::GetAttr": _get,
    "prim::TupleIndex": _index,
    "prim::CreateObject": _create,
    "prim::isinstance": _isinstance,
    "prim::fork": _fork,
}
STATEMENTS = {
    "prim::If": _if,
    "prim::Loop": _loop,
    "prim::SetAttr": _set,
    "prim::CallMethod": _call_method,
    "prim::CallFunction": _call_function,
    "prim::TupleUnpack": _unpack,
    "prim::ListUnpack": _unpack,
    "prim::unchecked_cast": _same,
    "prim::unchecked_unwrap_optional": _same,
    "prim::Uninitialized": _uninitialized,
    "prim::Print": _print,
    "prim::RaiseException": _raise,
    "prim::Enter": _enter,
    "prim::Exit": _leave,
}
