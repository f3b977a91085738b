"""Expressions of functions in an archive, as nodes of a graph."""

from __future__ import annotations

import ast

from . import _types as T
from ._compile.match import call_builtin, call_schema
from ._function import FunctionType
from ._import import dotted, literal
from ._insert import Inserter
from ._ir import Graph
from ._ir_value import Value
from ._schema import schemas_of

_REFUSED = frozenset(("aten::save", "aten::from_file"))
_CASTS = {"int": "aten::Int", "float": "aten::Float", "bool": "aten::Bool", "str": "aten::str",
          "complex": "aten::Complex"}  # fmt: skip
_IMPLICIT = {
    T.IntType: "aten::IntImplicit",
    T.FloatType: "aten::FloatImplicit",
    T.NumberType: "aten::ScalarImplicit",
    T.ComplexType: "aten::ComplexImplicit",
}
_OPERATORS = {
    ast.Add: "aten::add", ast.Sub: "aten::sub", ast.Mult: "aten::mul", ast.Div: "aten::div",
    ast.FloorDiv: "aten::floordiv", ast.Mod: "aten::remainder", ast.Pow: "aten::pow",
    ast.Lt: "aten::lt", ast.Gt: "aten::gt", ast.LtE: "aten::le", ast.GtE: "aten::ge",
    ast.Eq: "aten::eq", ast.NotEq: "aten::ne", ast.Is: "aten::__is__", ast.IsNot: "aten::__isnot__",
    ast.In: "aten::__contains__", ast.Not: "aten::__not__", ast.USub: "aten::neg",
}  # fmt: skip


class _At:
    """A place in the source of an archive."""

    serialized = True
    __slots__ = ("node", "package")

    def __init__(self, package, node) -> None:
        self.package, self.node = package, node

    def __str__(self) -> str:
        return f"{self.package.filename}:{self.node.lineno}:{self.node.col_offset}"

    def highlight(self) -> str:
        """The lines around it, with what it covers underlined."""
        node, lines = self.node, self.package.lines
        shown = [f'  File "{self.package.filename}", line {node.lineno}']
        for number in range(max(node.lineno - 2, 1), min(node.lineno + 2, len(lines)) + 1):
            shown.append(lines[number - 1])
            if number == node.lineno:
                end = (
                    node.end_col_offset
                    if node.end_lineno == node.lineno
                    else len(lines[number - 1])
                )
                mark = "~" * max(end - node.col_offset, 1)
                shown.append(" " * node.col_offset + mark + " <--- HERE")
        return "\n".join(shown)


class Expressions:
    """Reads the expressions of one definition into `graph`."""

    def __init__(self, importer, package, outer: Expressions | None) -> None:
        self.importer, self.package, self.outer = importer, package, outer
        self.graph = Graph()
        self.b = Inserter(self.graph)
        self.names: dict = {}
        self.captured: list[Value] = []  # of the outer definition: what this one reads

    def at(self, node) -> _At:
        """The place of a piece of source."""
        found = _At(self.package, node)
        self.graph.source = found
        return found

    def fail(self, node, text: str):
        """RuntimeError that shows the place."""
        raise RuntimeError(f"{text}:\n{self.at(node).highlight()}")

    def expression(self, node: ast.expr):
        """The value of an expression."""
        reader = _EXPRESSIONS.get(type(node))
        if reader is None:
            self.fail(node, f"{type(node).__name__} is no expression of an archive")
        return reader(self, node)  # type: ignore[misc]

    def constant(self, node) -> Value:
        """A literal."""
        self.at(node)
        return self.graph.insertConstant(literal(node))

    def name(self, node: ast.Name):
        """A variable, or a number that has a name."""
        if node.id in self.names:
            return self.names[node.id]
        if self.outer is not None and node.id in self.outer.names:
            value = self.outer.names[node.id]
            self.captured.append(value)
            self.names[node.id] = self.graph.addInput(node.id).setType(value.type())
            return self.names[node.id]
        if node.id in ("inf", "nan", "infj", "nanj"):
            return self.constant(node)
        self.fail(node, f"undefined value {node.id}")

    def attribute(self, node: ast.Attribute):
        """`CONSTANTS.c0`, a function or a member of the archive, an attribute of an object."""
        name = dotted(node)
        first = name.partition(".")[0]
        if first == "CONSTANTS":
            return self._kept(node)
        if first == "__torch__" and first not in self.names:
            return self._defined(name, node)
        owner = self.expression(node.value)
        return self.get(owner, node.attr, node)

    def _kept(self, node: ast.Attribute) -> Value:
        index = int(node.attr[1:])
        if not 0 <= index < len(self.importer.constants):
            self.fail(node, f"there is no constant {node.attr}")
        self.at(node)
        item = self.importer.constants[index]
        return self.graph.insertConstant(item)

    def _defined(self, name: str, node) -> Value:
        of = self.importer.function_type(name)
        if of is not None:
            made = self.b.node("prim::Constant", [], self.at(node), 1)
            made.s_("name", of.name())
            return made.output().setType(of)
        home, _, leaf = name.rpartition(".")
        found = self.importer.find(home)
        if isinstance(found, T.EnumType):
            if leaf in [name for name, _ in found.members]:
                return self.graph.insertConstant(found.python_class[leaf], found)
        self.fail(node, f"undefined value {name}")
        raise AssertionError

    def get(self, owner: Value, name: str, node) -> Value:
        """An attribute of a value."""
        of = owner.type()
        if isinstance(of, T.ClassType) and name in of.attributes:
            made = self.b.emit1("prim::GetAttr", [owner], of.attributes[name], self.at(node))
            made.node().s_("name", name)
            return made
        if isinstance(of, T.ClassType) and name in of.constants:
            return self.graph.insertConstant(of.constants[name])
        if isinstance(of, T.TupleType) and name in of.fields:
            index = of.fields.index(name)
            inputs = [owner, self.graph.insertConstant(index)]
            return self.b.emit1("prim::TupleIndex", inputs, of.elements()[index], self.at(node))
        if isinstance(of, T.TensorType):
            return call_builtin(self.b, f"prim::{name}", self.at(node), [owner], {})
        if isinstance(of, T.EnumType) and name in ("name", "value"):
            kind = T.StringType.get() if name == "name" else of.getValueType()
            return self.b.emit1(f"prim::Enum{name.title()}", [owner], kind, self.at(node))
        self.fail(node, f"there is no attribute '{name}'")
        raise AssertionError

    def subscript(self, node: ast.Subscript) -> Value:
        """`container[index]`."""
        owner = self.expression(node.value)
        of = owner.type()
        if isinstance(of, T.TupleType):
            index = literal(node.slice)
            count = len(of.elements())
            if not isinstance(index, int) or not -count <= index < count:
                self.fail(node, "a tuple has no such element")
            inputs = [owner, self.graph.insertConstant(index)]
            return self.b.emit1("prim::TupleIndex", inputs, of.elements()[index], self.at(node))
        index_value = self.expression(node.slice)
        return call_builtin(self.b, "aten::__getitem__", self.at(node), [owner, index_value], {})

    def list(self, node: ast.List, of=None) -> Value:
        """`[a, b]`."""
        values = [self.expression(e) for e in node.elts]
        element = of.getElementType() if of is not None else None
        if element is None:
            element = T.unify_type_list([v.type().unshaped() for v in values] or [_TENSOR])
        values = [self.fitted(v, element, node) for v in values]
        self.at(node)
        return self.b.list(values, element, self.at(node))

    def tuple(self, node: ast.Tuple) -> Value:
        """`(a, b)`."""
        values = [self.expression(e) for e in node.elts]
        return self.b.emit1(
            "prim::TupleConstruct", values, T.TupleType([v.type() for v in values]), self.at(node)
        )

    def dict(self, node: ast.Dict, of=None) -> Value:
        """`{a: b}`."""
        inputs = []
        for key, value in zip(node.keys, node.values, strict=True):
            inputs += [self.expression(key), self.expression(value)]  # type: ignore[arg-type]
        if of is None:
            keys = T.unify_type_list([v.type().unshaped() for v in inputs[::2]])
            kinds = T.unify_type_list([v.type().unshaped() for v in inputs[1::2]])
            of = T.DictType(keys, kinds)
        return self.b.emit1("prim::DictConstruct", inputs, of, self.at(node))

    def operation(self, node) -> Value:
        """An operator sign: archives of the first versions have them."""
        if isinstance(node, ast.UnaryOp | ast.BinOp):
            try:
                return self.constant(node)
            except RuntimeError:
                pass
        if isinstance(node, ast.UnaryOp):
            inputs, sign = [node.operand], node.op
        elif isinstance(node, ast.Compare):
            inputs, sign = [node.left, node.comparators[0]], node.ops[0]
        else:
            inputs, sign = [node.left, node.right], node.op
        kind = _OPERATORS.get(type(sign))
        if kind is None:
            self.fail(node, "this operator is not known")
        values = [self.expression(i) for i in inputs]
        return call_builtin(self.b, kind, self.at(node), values, {})

    # -- calls -------------------------------------------------------------------------------

    def call(self, node: ast.Call):
        """A call of an operator, a method, a function, or one of the words of the language."""
        name = dotted(node.func)
        word = _WORDS.get(name)
        if word is not None and name not in self.names:
            return word(self, node)
        first, _, rest = name.partition(".")
        if first not in self.names:
            if first == "torch":
                return self._operator(f"aten::{rest}", node)
            if first == "ops":
                return self._operator(rest.replace(".", "::", 1), node)
            if first == "__torch__":
                return self._defined_call(name, node)
            if name in _CASTS:
                return self._operator(_CASTS[name], node)
        if isinstance(node.func, ast.Attribute):
            return self._method(node)
        return self._function(self.expression(node.func), node)

    def _operator(self, kind: str, node: ast.Call) -> Value:
        values = [self.expression(a) for a in node.args]
        named = {k.arg: self.expression(k.value) for k in node.keywords}
        if kind in _REFUSED:
            self.fail(node, f"{kind} is not run from an archive: it reads or writes files")
        found = schemas_of(kind)
        if found and found[0].is_vararg:
            types = [r.type for r in found[0].returns]
            made = self.b.emit(kind, values, types, self.at(node))
            return made[0] if made else self.b.none(None)
        return call_builtin(self.b, kind, self.at(node), values, named)

    def _defined_call(self, name: str, node: ast.Call) -> Value:
        if name.endswith(".__new__"):
            of = self.importer.type_of(name[: -len(".__new__")])
            return self.b.emit1("prim::CreateObject", [], of, self.at(node))
        found = self.importer.find(name)
        if isinstance(found, T.TupleType):
            values = [self.expression(a) for a in node.args]
            values = [
                self.fitted(v, t, node) for v, t in zip(values, found.elements(), strict=True)
            ]
            return self.b.emit1("prim::TupleConstruct", values, found, self.at(node))
        return self._function(self._defined(name, node), node)

    def _function(self, target, node: ast.Call) -> Value:
        of = target.type() if isinstance(target, Value) else None
        if not isinstance(of, FunctionType):
            self.fail(node, "this cannot be called")
            raise AssertionError
        values = [self.expression(a) for a in node.args]
        named = {k.arg: self.expression(k.value) for k in node.keywords}
        return call_schema(
            self.b, of.function.schema, "prim::CallFunction", self.at(node), values, named, [target]
        )

    def _method(self, node: ast.Call) -> Value:
        func: ast.Attribute = node.func  # type: ignore[assignment]
        owner = self.expression(func.value)
        of = owner.type()
        values = [self.expression(a) for a in node.args]
        named = {k.arg: self.expression(k.value) for k in node.keywords}
        if not isinstance(of, T.ClassType | T.InterfaceType):
            return call_builtin(
                self.b, f"aten::{func.attr}", self.at(node), [owner, *values], named
            )
        found = of.methods.get(func.attr)
        if found is None:
            self.fail(node, f"there is no method '{func.attr}'")
        schema = getattr(found, "schema", found)
        return call_schema(
            self.b, schema, "prim::CallMethod", self.at(node), [owner, *values], named,
            attributes={"name": func.attr},
        )  # fmt: skip

    def annotate(self, node: ast.Call) -> Value:
        """`annotate(type, value)`."""
        of = self.importer.annotation(node.args[0])
        given = node.args[1]
        if isinstance(given, ast.List) and isinstance(of, T.ListType):
            return self.list(given, of)
        if isinstance(given, ast.Dict) and isinstance(of, T.DictType):
            return self.dict(given, of)
        func = given.func if isinstance(given, ast.Call) else None
        if isinstance(func, ast.Attribute) and func.attr == "tolist":
            return self._to_list(func.value, of, node)
        value = self.expression(given)
        kind = _IMPLICIT.get(type(of))
        if kind is not None and isinstance(value.type(), T.TensorType):
            return call_builtin(self.b, kind, self.at(node), [value], {})
        return self.fitted(value, of, node)

    def _to_list(self, source: ast.expr, of, node) -> Value:
        value = self.expression(source)
        depth, element = 0, of
        while isinstance(element, T.ListType):
            depth, element = depth + 1, element.getElementType()
        number = {T.IntType: 0, T.FloatType: 1, T.BoolType: 3, T.ComplexType: 2}[type(element)]
        inputs = [value, self.graph.insertConstant(depth), self.graph.insertConstant(number)]
        return self.b.emit1("prim::tolist", inputs, of, self.at(node))

    def unchecked_cast(self, node: ast.Call) -> Value:
        """`unchecked_cast(type, value)`."""
        of = self.importer.annotation(node.args[0])
        value = self.expression(node.args[1])
        return self.b.emit1("prim::unchecked_cast", [value], of, self.at(node))

    def uninitialized(self, node: ast.Call) -> Value:
        """`uninitialized(type)`."""
        of = self.importer.annotation(node.args[0])
        return self.b.emit1("prim::Uninitialized", [], of, self.at(node))

    def isinstance(self, node: ast.Call) -> Value:
        """`isinstance(value, type)`."""
        value, given = self.expression(node.args[0]), node.args[1]
        several = given.elts if isinstance(given, ast.Tuple) else [given]
        made = self.b.emit1("prim::isinstance", [value], T.BoolType.get(), self.at(node))
        made.node().tys_("types", [self.importer.annotation(t) for t in several])
        return made

    def getattr(self, node: ast.Call) -> Value:
        """`getattr(object, "name")`."""
        return self.get(self.expression(node.args[0]), literal(node.args[1]), node)

    def print(self, node: ast.Call) -> Value:
        """`print(...)`."""
        values = [self.expression(a) for a in node.args]
        self.b.node("prim::Print", values, self.at(node), 0)
        return self.b.none(None)

    def device(self, node: ast.Call) -> Value:
        """`torch.device("cpu")`."""
        if isinstance(node.args[0], ast.Constant):
            return self.constant(node)
        return self._operator("aten::device", node)

    def fork(self, node: ast.Call) -> Value:
        """`fork(function)`: a function within this one."""
        inner = self.names[node.args[0].id]  # type: ignore[attr-defined]
        body = type(self)(self.importer, self.package, inner, outer=self)  # type: ignore[call-arg]
        of = T.FutureType(next(body.graph.outputs()).type())
        made = self.b.emit1("prim::fork", body.captured, of, self.at(node))
        made.node().g_("Subgraph", body.graph)
        return made


_TENSOR = T.TensorType.get()
_EXPRESSIONS = {
    ast.Constant: Expressions.constant,
    ast.Name: Expressions.name,
    ast.Attribute: Expressions.attribute,
    ast.Subscript: Expressions.subscript,
    ast.List: Expressions.list,
    ast.Tuple: Expressions.tuple,
    ast.Dict: Expressions.dict,
    ast.Call: Expressions.call,
    **dict.fromkeys((ast.UnaryOp, ast.BinOp, ast.Compare), Expressions.operation),
}
_WORDS = {
    "annotate": Expressions.annotate,
    "unchecked_cast": Expressions.unchecked_cast,
    "uninitialized": Expressions.uninitialized,
    "isinstance": Expressions.isinstance,
    "getattr": Expressions.getattr,
    "print": Expressions.print,
    "torch.device": Expressions.device,
    "fork": Expressions.fork,
}
