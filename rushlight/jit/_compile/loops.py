"""Loops: for, while, comprehensions; loops over what is known while compiling are written out."""

from __future__ import annotations

import ast

from .. import _types as T
from .builder import MAX_INT, Frame
from .calling import fail
from .conditions import Condition, condition, narrow
from .source import NotSupportedError
from .values import Simple, Sugared


def for_loop(b, node: ast.For) -> None:
    """`for target in iterable: body`."""
    at = b.source.span(node, 3)
    if node.orelse:
        fail(at, "else branches of for loops aren't supported")
    over = b.expression(node.iter).iterated(b, b.source.range(node.iter))
    if over.unrolls():
        _written_out(b, node, over, at)
        return

    def begin(index) -> None:
        assign_loop_target(b, node.target, over.item(b, at, index), at)

    loop(b, at, node.body, trips=over.length(b, at), begin=begin)


def assign_loop_target(b, target: ast.expr, given: Sugared, at) -> None:
    """Give the target of a loop its value for this turn."""
    from .assignments import assign_to

    assign_to(b, target, given, at)


def _written_out(b, node: ast.For, over: Sugared, at) -> None:
    for element in over.elements(b, at):
        b.unrolled += 1
        assign_loop_target(b, node.target, element, at)
        b.statements(node.body)
        b.unrolled -= 1


def while_loop(b, node: ast.While) -> None:
    """`while condition: body`."""
    at = b.source.span(node, 5)
    if node.orelse:
        fail(at, "else branches of while loops aren't supported")
    loop(b, at, node.body, test=node.test)


class LoopScope:
    """What `continue` needs to know of the loop around it."""

    __slots__ = ("exits", "test")

    def __init__(self, test: ast.expr | None) -> None:
        self.test = test
        self.exits: list = []


def loop(b, at, body: list[ast.stmt], trips=None, begin=None, test=None) -> None:
    """Add a prim::Loop; `begin(index)` sets the target, `test` is a while condition."""
    limit = b.constant(MAX_INT, at) if trips is None else trips
    first = Condition(b.constant(True, at), True) if test is None else turn_condition(b, test)
    node = b.node("prim::Loop", [limit, first.value], at)
    block = node.addBlock()
    index = block.addInputToBlock()
    index.setType(T.IntType.get())
    scope = LoopScope(test)
    unrolled, b.unrolled = b.unrolled, 0
    b.enter(block, scope)
    if begin is not None:
        begin(index)
    narrow(b, first.holds, at)
    b.statements(body)
    again = b.constant(True, at) if test is None else turn_condition(b, test).value
    block.registerOutput(again)
    frame = b.leave()
    b.unrolled = unrolled
    carry(b, node, block, frame, scope, at)


def turn_condition(b, test: ast.expr) -> Condition:
    """The condition of a turn: what it finds out about variables ends with it."""
    before = set(b.block.nodes())
    b.frame = Frame(b.block, b.frame, b.frame.loop)
    found = condition(b, test)
    b.frame = b.frame.parent
    for node in b.block.nodes():
        if node not in before and node.kind() == "prim::Store":
            node.destroy()
    return found


def carry(b, node, block, frame, scope: LoopScope, at) -> None:
    """Variables of the scope around that the body assigns go in and out of the loop."""
    names = [n for n in frame.variables() if isinstance(b.frame.find(n), T.Type)]
    body_nodes = list(block.nodes())
    for name in names:
        t = b.frame.find(name)
        value = _load_before(b, node, name, t)
        node.addInput(value)
        inner = block.addInputToBlock()
        inner.setType(t)
        inner.setDebugName(name)
        _store_at_start(b, block, body_nodes, name, inner)
        b.graph.setInsertPoint(block)
        block.registerOutput(b.load(name, frame.names[name], None))
        for statement in scope.exits:
            b.graph.setInsertPoint(statement)
            statement.addInput(b.load(name, t, None))
    b.graph.setInsertPoint(b.block)
    for name in names:
        output = node.addOutput()
        output.setType(b.frame.find(name))
        output.setDebugName(name)
        b.store(name, output, b.frame.find(name))
    for name in frame.variables():
        if b.frame.find(name) is None:
            b.frame.missing[name] = (
                f"{name} is not defined before the loop, or may not be after it:\n{at.highlight()}"
            )


def _load_before(b, node, name: str, t):
    b.graph.setInsertPoint(node)
    value = b.load(name, t, None)
    b.graph.setInsertPoint(b.block)
    return value


def _store_at_start(b, block, body_nodes, name: str, value) -> None:
    if body_nodes:
        b.graph.setInsertPoint(body_nodes[0])
    else:
        b.graph.setInsertPoint(block)
    store = b.graph.create("prim::Store", [value], 0)
    store.s_("name", name)
    b.graph.insertNode(store)


def leave_loop(b, node: ast.Break | ast.Continue) -> None:
    """`break` and `continue`: the condition of the next turn and the carried variables follow."""
    is_break = isinstance(node, ast.Break)
    word = "break" if is_break else "continue"
    at = b.source.span(node, len(word))
    scope = b.frame.loop
    if b.unrolled:
        fail(
            at,
            "Because we emit iteration over Modulelists or Tuples as unrolled loops, "
            "we do not support break or continue inside the body of these loops",
        )
    if scope is None:
        fail(
            at,
            "SyntaxError: 'break' outside loop"
            if is_break
            else "SyntaxError: 'continue' not properly in loop",
        )
    if is_break:
        again = b.constant(False, at)
    elif scope.test is not None:
        again = turn_condition(b, scope.test).value
    else:
        again = b.constant(True, at)
    scope.exits.append(b.node("prim::LoopExit", [again], at))
    b.frame.leaves = True


# -- comprehensions --------------------------------------------------------------------------


def list_comprehension(b, node: ast.ListComp | ast.GeneratorExp, hint: T.Type | None) -> Sugared:
    """`[element for target in iterable]`."""
    at = b.source.range(node)
    generator = _only(b, node, at)
    over = b.expression(generator.iter).iterated(b, b.source.range(generator.iter))
    if over.unrolls():
        return Simple(_listed(b, node, generator, over, at, hint))
    hint = hint.getElementType() if isinstance(hint, T.OptionalType) else hint
    known = hint if isinstance(hint, T.ListType) else None
    made = b.emit1("prim::ListConstruct", [], known or T.ListType(T.TensorType.get()), at)

    def turn() -> None:
        element = b.expression(node.elt, known and known.getElementType()).value(b, at)
        if known is None:
            made.setType(T.ListType(element.type()))
        b.builtin("aten::append", at, [made, element])

    _for_each(b, at, generator, over, turn)
    return Simple(made)


def dict_comprehension(b, node: ast.DictComp, hint: T.Type | None) -> Sugared:
    """`{key: value for target in iterable}`."""
    at = b.source.range(node)
    generator = _only(b, node, at)
    over = b.expression(generator.iter).iterated(b, b.source.range(generator.iter))
    if over.unrolls():
        fail(at, "Dict comprehension: it is not supported over tuples and module lists")
    known = hint if isinstance(hint, T.DictType) else None
    plain = known or T.DictType(T.StringType.get(), T.TensorType.get())
    made = b.emit1("prim::DictConstruct", [], plain, at)

    def turn() -> None:
        key = b.expression(node.key).value(b, at)
        value = b.expression(node.value, known and known.getValueType()).value(b, at)
        if known is None:
            made.setType(T.DictType(key.type(), value.type()))
        b.builtin("aten::_set_item", at, [made, key, value])

    _for_each(b, at, generator, over, turn)
    return Simple(made)


def _only(b, node, at) -> ast.comprehension:
    if len(node.generators) != 1:
        raise NotSupportedError(at, "Only a single generator is currently supported")
    if node.generators[0].ifs:
        raise NotSupportedError(at, "Comprehension ifs are not supported yet")
    return node.generators[0]


def _for_each(b, at, generator, over, turn) -> None:
    """A loop whose body only fills a container."""
    node = b.node("prim::Loop", [over.length(b, at), b.constant(True, at)], at)
    block = node.addBlock()
    index = block.addInputToBlock()
    index.setType(T.IntType.get())
    b.enter(block)
    assign_loop_target(b, generator.target, over.item(b, at, index), at)
    turn()
    block.registerOutput(b.constant(True, at))
    b.leave()


def list_of(b, at, over: Sugared, hint: T.Type | None = None):
    """`list(iterable)` as a value of the graph."""
    over = over.iterated(b, at)
    if over.unrolls():
        parts = [p.value(b, at) for p in over.elements(b, at)]
        return b.list(parts, element_of(parts, hint, at), at)
    made = b.emit1("prim::ListConstruct", [], T.ListType(T.TensorType.get()), at)
    node = b.node("prim::Loop", [over.length(b, at), b.constant(True, at)], at)
    block = node.addBlock()
    index = block.addInputToBlock()
    index.setType(T.IntType.get())
    b.enter(block)
    element = over.item(b, at, index).value(b, at)
    made.setType(T.ListType(element.type()))
    b.builtin("aten::append", at, [made, element])
    block.registerOutput(b.constant(True, at))
    b.leave()
    return made


def element_of(values, hint, at) -> T.Type:
    """The type of the elements of a list that holds these values."""
    from .expressions import element_type

    inner = hint.getElementType() if isinstance(hint, T.ListType) else None
    return element_type(values, inner, at)


def _listed(b, node, generator, over, at, hint):
    """Over what is known while compiling: one element after the other."""
    inner = hint.getElementType() if isinstance(hint, T.ListType) else None
    made = b.emit1("prim::ListConstruct", [], T.ListType(inner or T.TensorType.get()), at)
    for element in over.elements(b, at):
        with b.bound():
            assign_loop_target(b, generator.target, element, at)
            value = b.expression(node.elt, inner).value(b, at)
        if inner is None:
            inner = value.type()
            made.setType(T.ListType(inner))
        b.builtin("aten::append", at, [made, value])
    return made
