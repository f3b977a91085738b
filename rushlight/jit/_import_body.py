"""The body of a function in an archive, as a graph.

The text has one form for everything: variables are assigned once in a block (what a branch or a
loop changes is assigned at its end), operators are calls of `torch.` and `ops.` names.
"""

from __future__ import annotations

import ast

from . import _types as T
from ._compile.match import convert_to
from ._import_expressions import Expressions
from ._ir_value import Value

_FOREVER = 9223372036854775807


class Body(Expressions):
    """Reads one definition into `graph`."""

    def __init__(self, importer, package, node: ast.FunctionDef, of=None, outer=None) -> None:
        super().__init__(importer, package, outer)
        self.returned = None
        if outer is None:
            schema = importer.schema(node, of)
            for argument in schema.arguments:
                value = self.graph.addInput(argument.name)
                self.names[argument.name] = value.setType(argument.type)
            self.result = schema.returns[0].type
        self.statements(node.body)
        value = self.returned if self.returned is not None else self.b.none(None)
        value = value if outer is not None else self.fitted(value, self.result, node)
        self.graph.registerOutput(value)
        from ._passes import dce

        dce(self.graph)

    # -- statements --------------------------------------------------------------------------

    def statements(self, body) -> None:
        """Several statements in order."""
        for node in body:
            reader = _STATEMENTS.get(type(node))
            if reader is None:
                self.fail(node, f"{type(node).__name__} is no statement of an archive")
            reader(self, node)  # type: ignore[misc]

    def assign(self, node: ast.Assign) -> None:
        """`name = value`, `a, b = value`, `a, b = x, y`, `object.name = value`."""
        target = node.targets[0]
        if isinstance(target, ast.Tuple):
            self._assign_several(target, node.value)
            return
        value = self.expression(node.value)
        if isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Attribute):
            self._set_attribute(target, value)
        else:
            self.fail(target, "cannot assign to this")

    def bind(self, name: str, value) -> None:
        """Give a name a value."""
        self.names[name] = value
        temporary = name[0] == "_" and name[1:].isdigit()
        if isinstance(value, Value) and not temporary and value.debugName().isdigit():
            value.setDebugName(name)

    def _assign_several(self, target: ast.Tuple, source: ast.expr) -> None:
        names = [t.id for t in target.elts]  # type: ignore[attr-defined]
        if isinstance(source, ast.Tuple) and len(source.elts) == len(names):
            values = [self.expression(e) for e in source.elts]
        else:
            values = self.parts(self.expression(source), len(names), source)
        for name, value in zip(names, values, strict=True):
            self.bind(name, value)

    def parts(self, value: Value, count: int, node) -> list:
        """The elements of a tuple or a list."""
        of, made = value.type(), value.node()
        if isinstance(of, T.TupleType) and len(of.elements()) == count:
            if made.kind() == "prim::TupleConstruct":
                return list(made.inputs())
            return self.b.emit("prim::TupleUnpack", [value], of.elements(), self.at(node))
        if isinstance(of, T.ListType):
            kinds = [of.getElementType()] * count
            return self.b.emit("prim::ListUnpack", [value], kinds, self.at(node))
        self.fail(node, f"a {of} does not have {count} parts")
        raise AssertionError

    def _set_attribute(self, target: ast.Attribute, value: Value) -> None:
        owner = self.expression(target.value)
        of = owner.type().attributes.get(target.attr)
        if of is None:
            self.fail(target, f"there is no attribute '{target.attr}'")
        value = self.fitted(value, of, target)
        node = self.b.node("prim::SetAttr", [owner, value], self.at(target), 0)
        node.s_("name", target.attr)

    def annotated(self, node: ast.AnnAssign) -> None:
        """`name : type = value`."""
        of = self.importer.annotation(node.annotation)
        value = self.fitted(self.expression(node.value), of, node)  # type: ignore[arg-type]
        self.bind(node.target.id, value)  # type: ignore[union-attr]

    def fitted(self, value: Value, of, node) -> Value:
        """A value as a type asks: lists of tuples, numbers of tensors."""
        make = convert_to(self.b, value, of, self.at(node), True)
        return value if make is None else make()

    def if_(self, node: ast.If) -> None:
        """A branch; what both sides assign comes out of it."""
        condition = self.expression(node.test)
        made = self.b.node("prim::If", [condition], self.at(node), 0)
        before = dict(self.names)
        after = []
        for body in (node.body, node.orelse):
            self.names = dict(before)
            block = made.addBlock()
            with self.graph.insert_point_guard(block):
                self.statements(body)
            after.append(self.names)
        self.names = before
        first, second = made.blocks()
        for name in after[0]:
            one, other = after[0][name], after[1].get(name)
            if other is None or (one is other and before.get(name) is one):
                continue
            if not isinstance(one, Value) or not isinstance(other, Value):
                self.names[name] = one
                continue
            first.registerOutput(one)
            second.registerOutput(other)
            output = made.addOutput()
            output.setType(self._joined(one, other, node))
            self.bind(name, output)

    def _joined(self, one: Value, other: Value, node):
        found = T.unify_types(one.type(), other.type(), True)
        if found is None:
            self.fail(
                node, f"a variable is {one.type()} on one side and {other.type()} on the other"
            )
        return found

    def for_(self, node: ast.For) -> None:
        """`for i in range(n)`."""
        bound = self.expression(node.iter.args[0])  # type: ignore[attr-defined]
        self._loop(node, bound, self.graph.insertConstant(True), node.target.id)  # type: ignore[attr-defined]

    def while_(self, node: ast.While) -> None:
        """`while condition`; the condition is a variable that the body assigns."""
        self._loop(node, self.graph.insertConstant(_FOREVER), self.expression(node.test), None)

    def _loop(self, node, bound: Value, condition: Value, counter: str | None) -> None:
        test = node.test.id if counter is None and isinstance(node.test, ast.Name) else None
        carried = [n for n in _assigned(node.body) if n in self.names and n != test]
        carried = [n for n in carried if isinstance(self.names[n], Value)]
        inputs = [bound, condition, *(self.names[n] for n in carried)]
        made = self.b.node("prim::Loop", inputs, self.at(node), 0)
        block = made.addBlock()
        index = block.addInputToBlock().setType(T.IntType.get())
        before = dict(self.names)
        if counter is not None:
            self.bind(counter, index)
        for name in carried:
            self.names[name] = block.addInputToBlock().setType(before[name].type())
        with self.graph.insert_point_guard(block):
            self.statements(node.body)
            going = self.names[test] if test else self.graph.insertConstant(True)
            if counter is None and not test:
                going = self.expression(node.test)
        block.registerOutput(going)
        results = [self.names[n] for n in carried]
        self.names = before
        for name, result in zip(carried, results, strict=True):
            block.registerOutput(result)
            output = made.addOutput().setType(before[name].type())
            self.names[name] = output
            if output.debugName().isdigit() and not (name[0] == "_" and name[1:].isdigit()):
                output.setDebugName(name)

    def return_(self, node: ast.Return) -> None:
        """The end of the function."""
        self.returned = self.b.none(None) if node.value is None else self.expression(node.value)

    def expression_statement(self, node: ast.Expr) -> None:
        """A call for what it does."""
        self.expression(node.value)

    def with_(self, node: ast.With) -> None:
        """`with object:`."""
        item = node.items[0]
        value = self.expression(item.context_expr)
        at = self.at(node)
        of = value.type()
        enter = of.methods["__enter__"].schema.returns[0].type
        entered = self.b.emit1("prim::Enter", [value], enter, at)
        if item.optional_vars is not None:
            self.bind(item.optional_vars.id, entered)  # type: ignore[attr-defined]
        self.statements(node.body)
        leave = of.methods["__exit__"].schema.returns[0].type
        self.b.emit1("prim::Exit", [value], leave, at)

    def nested(self, node: ast.FunctionDef) -> None:
        """A function within: what `fork` runs."""
        self.names[node.name] = node

    def pass_(self, node) -> None:
        """Nothing."""


def _assigned(body) -> list[str]:
    """The names that statements assign, in order."""
    found: dict[str, None] = {}
    for node in body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                found[inner.id] = None
    return list(found)


_STATEMENTS = {
    ast.Assign: Body.assign, ast.AnnAssign: Body.annotated, ast.If: Body.if_, ast.For: Body.for_,
    ast.While: Body.while_, ast.Return: Body.return_, ast.Expr: Body.expression_statement,
    ast.With: Body.with_, ast.FunctionDef: Body.nested, ast.Pass: Body.pass_,
}  # fmt: skip
