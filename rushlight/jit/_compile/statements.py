"""Statements: if, with, return, raise, assert and the rest; loops and assignments have files."""

from __future__ import annotations

import ast

from .. import _types as T
from .._type_rules import unify_types
from . import assignments, loops
from .branches import merge
from .calling import fail
from .conditions import condition, narrow
from .source import UnsupportedNodeError
from .values import Simple


def statements(b, body: list[ast.stmt]) -> None:
    """Compile statements in order."""
    for node in body:
        statement(b, node)
        if b.frame.leaves:  # what follows is never reached
            return


def statement(b, node: ast.stmt) -> None:
    """Compile one statement."""
    handler = _HANDLERS.get(type(node))
    if handler is None:
        raise UnsupportedNodeError(b.source, node)
    handler(b, node)


def _expression(b, node: ast.Expr) -> None:
    if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return  # a docstring
    found = b.expression(node.value)
    if isinstance(found, Simple):
        found.value(b, b.source.range(node))


def _nothing(b, node) -> None:
    return None


# -- if --------------------------------------------------------------------------------------


def _if(b, node: ast.If) -> None:
    at = b.source.range(node)
    found = condition(b, node.test)
    if found.known is not None:
        narrow(b, found.holds if found.known else found.not_holds, at)
        statements(b, node.body if found.known else node.orelse)
        return
    branch(
        b, at, found,
        lambda: statements(b, node.body), lambda: statements(b, node.orelse),
    )  # fmt: skip


def branch(b, at, found, then, otherwise) -> None:
    """Add a prim::If; variables that both branches leave behind go on."""
    node = b.node("prim::If", [found.value], at)
    frames = []
    for types, run in ((found.holds, then), (found.not_holds, otherwise)):
        block = node.addBlock()
        b.enter(block)
        narrow(b, types, at)
        run()
        frames.append((block, b.frame, b.frame.leaves))
        b.leave()
    merge(b, at, node, frames)


# -- leaving ---------------------------------------------------------------------------------


def _return(b, node: ast.Return) -> None:
    at = b.source.range(node)
    hint = b.declared_return
    if node.value is None:
        value = b.none(at)
    else:
        given, where = b.expression(node.value, hint), b.source.range(node.value)
        value = given.value(b, where) if hint is None else given.value_as(b, where, hint)
    give_back(b, at, value)


def give_back(b, at, value) -> None:
    """Return a value: its type must be the declared one, or fit the other returns."""
    if b.declared_return is not None:
        value = _as_declared(b, at, value)
    else:
        t = value.type()
        known = b.return_type
        if known is not None and t != known:
            unified = unify_types(known, t)
            if unified is None:
                fail(
                    at,
                    f"Previous return statement returned a value of type {known} but this "
                    f"return statement returns a value of type {t}",
                )
            t = unified
        b.return_type = t
    b.node("prim::ReturnStmt", [value], at)
    b.frame.leaves = True


def _as_declared(b, at, value):
    from .match import convert_to

    wanted = b.declared_return
    made = convert_to(b, value, wanted, at, False)
    if made is None:
        fail(
            at,
            f"Return value was annotated as having type {wanted} but is actually of "
            f"type {value.type()}",
        )
    return made()


def _raise(b, node: ast.Raise) -> None:
    at = b.source.range(node)
    if node.exc is None:
        fail(at, "raise: expected an exception to raise: a bare raise isn't supported")
    if node.cause is not None:
        raise UnsupportedNodeError(b.source, node, "from is not supported")
    from .python_values import ExceptionClass

    given = b.expression(node.exc)
    if isinstance(given, ExceptionClass):
        given = given.call(b, at, [], [])
    from .python_values import ExceptionMade

    if isinstance(given, ExceptionMade):
        raise_exception(b, at, given.message, given.qualified_name)
        return
    t = given.value(b, at).type()
    if not isinstance(t, T.ClassType):
        fail(at, f"exceptions must derive from BaseException: got {t}")
    message = b.builtin("aten::str", at, [given.value(b, at)])
    raise_exception(b, at, message, t.qualified_name())


def raise_exception(b, at, message, qualified_name: str | None) -> None:
    """Add a prim::RaiseException; what follows is not reached."""
    name = b.none(None) if qualified_name is None else b.constant(qualified_name, at)
    b.node("prim::RaiseException", [message, name], at)
    b.frame.leaves = True


def _assert(b, node: ast.Assert) -> None:
    at = b.source.range(node)
    found = condition(b, node.test)
    if found.known:
        narrow(b, found.holds, at)
        return

    def refuse() -> None:
        prefix = "AssertionError: "
        if node.msg is None:
            message = b.constant(prefix, at)
        else:
            said = b.expression(node.msg).value(b, at)
            if not isinstance(said.type(), T.StringType):
                said = b.builtin("aten::str", at, [said])
            message = b.builtin("aten::add", at, [b.constant(prefix, at), said])
        raise_exception(b, at, message, None)

    if found.known is False:
        refuse()
        return
    branch(b, at, found, lambda: None, refuse)


# -- with, del, print ------------------------------------------------------------------------


def _with(b, node: ast.With) -> None:
    _with_items(b, node, node.items)


def _with_items(b, node: ast.With, items: list[ast.withitem]) -> None:
    if not items:
        statements(b, node.body)
        return
    item, at = items[0], b.source.range(items[0].context_expr)
    manager = b.expression(item.context_expr).enter(b, at)
    _check_manager(manager, at)
    entered = b.emit1("prim::Enter", [manager], _entered_type(manager), None)
    if item.optional_vars is not None:
        assignments.assign_to(b, item.optional_vars, Simple(entered), at)
    inner = b.node("prim::With", [manager], at)
    block = inner.addBlock()
    b.enter(block)
    _with_items(b, node, items[1:])
    exits = b.frame.leaves
    frame = b.leave()
    if exits:
        b.frame.leaves = True
    for name in sorted(frame.variables()):
        t = frame.names[name]
        b.graph.setInsertPoint(block)
        block.registerOutput(b.uninitialized(t) if exits else b.load(name, t, None))
        b.graph.setInsertPoint(b.block)
        output = inner.addOutput()
        output.setType(t)
        b.store(name, output, t)
    b.frame.missing.update(frame.missing)


def _check_manager(manager, at) -> None:
    t = manager.type()
    if not isinstance(t, T.ClassType):
        fail(at, "With item expression must return an object")
    for name in ("__enter__", "__exit__"):
        if name not in t.methods:
            fail(
                at,
                "Object returned by with item expression does not define __enter__ and "
                "__exit__ methods",
            )


def _entered_type(manager) -> T.Type:
    schema = manager.type().methods["__enter__"].schema
    return schema.returns[0].type


def _delete(b, node: ast.Delete) -> None:
    at = b.source.range(node)
    for target in node.targets:
        if isinstance(target, ast.Subscript):
            from .subscripts import index_value

            container = b.expression(target.value).value(b, at)
            b.builtin("aten::Delete", at, [container, index_value(b, target.slice)])
        elif isinstance(target, ast.Name):
            b.frame.names.pop(target.id, None)
        else:
            fail(at, "del: expected a name or an element of a list or dict")


_HANDLERS = {
    ast.Assign: assignments.assign,
    ast.AnnAssign: assignments.annotated,
    ast.AugAssign: assignments.augmented,
    ast.If: _if,
    ast.For: loops.for_loop,
    ast.While: loops.while_loop,
    ast.Break: loops.leave_loop,
    ast.Continue: loops.leave_loop,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
    ast.With: _with,
    ast.Delete: _delete,
    ast.Expr: _expression,
    ast.Pass: _nothing,
}
