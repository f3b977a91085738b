"""The source in an archive as types and functions; bodies are read when first wanted.

Only definitions are read here. Names beginning with `__torch__` mean what the archive defines, and
nothing else can be named: nothing of Python is looked up.
"""

from __future__ import annotations

import ast

from . import _types as T
from ._class_types import ClassType
from ._function import FunctionType, ScriptFunction
from ._schema import Argument, FunctionSchema

_PLAIN = {
    "Tensor": T.TensorType.get(),
    "int": T.IntType.get(),
    "float": T.FloatType.get(),
    "bool": T.BoolType.get(),
    "str": T.StringType.get(),
    "complex": T.ComplexType.get(),
    "number": T.NumberType.get(),
    "Device": T.DeviceObjType.get(),
    "NoneType": T.NoneType.get(),
    "None": T.NoneType.get(),
    "Any": T.AnyType.get(),
    "Generator": T.GeneratorType.get(),
    "Stream": T.StreamObjType.get(),
    "list": T.AnyListType.get(),
    "tuple": T.AnyTupleType.get(),
}
_MISSING = object()


class Package:
    """One source file: its lines, its definitions by name."""

    def __init__(self, name: str, text: str) -> None:
        self.filename = "code/" + name.replace(".", "/") + ".py"
        self.lines = text.split("\n")
        self.definitions: dict[str, ast.stmt] = {}
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.definitions[node.name] = node


class Importer:
    """What an archive defines, by qualified name."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files
        self.packages: dict[str, Package] = {}
        self.known: dict[str, object] = {}
        self.constants: list = []

    # -- names -------------------------------------------------------------------------------

    def find(self, name: str):
        """The type or the function of a qualified name, or None."""
        if name in self.known:
            return self.known[name]
        home, _, leaf = name.rpartition(".")
        if home not in self.files:
            return None
        if home not in self.packages:
            self.packages[home] = Package(home, self.files[home])
        package = self.packages[home]
        node = package.definitions.get(leaf)
        if node is None:
            return None
        if isinstance(node, ast.FunctionDef):
            self.known[name] = self._function(name, package, node, None)
            return self.known[name]
        return self._class(name, package, node)

    def type_of(self, name: str):
        """The type of a qualified name; RuntimeError where there is none."""
        found = self.find(name)
        if found is None or isinstance(found, ScriptFunction):
            raise RuntimeError(f"Unknown type name '{name}': the archive does not define it")
        return found

    # -- annotations -------------------------------------------------------------------------

    def annotation(self, node: ast.expr):
        """The type that an annotation means."""
        if isinstance(node, ast.Name) and node.id in _PLAIN:
            return _PLAIN[node.id]
        if isinstance(node, ast.Constant) and node.value is None:
            return T.NoneType.get()
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name == "torch.device":
                return T.DeviceObjType.get()
            return self.type_of(name)
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            return self._generic(node.value.id, node.slice)
        raise RuntimeError(f"Unknown type name '{ast.unparse(node)}'")

    def _generic(self, name: str, inside: ast.expr):
        several = inside.elts if isinstance(inside, ast.Tuple) else [inside]
        if name == "Tuple" and isinstance(inside, ast.Tuple) and not inside.elts:
            return T.TupleType([])
        kinds = [self.annotation(n) for n in several]
        made = _GENERIC.get(name)
        if made is None:
            raise RuntimeError(f"Unknown type constructor {name}")
        return made(kinds)

    # -- classes -----------------------------------------------------------------------------

    def _class(self, name: str, package: Package, node: ast.ClassDef):
        bases = [b.id for b in node.bases if isinstance(b, ast.Name)]
        if "NamedTuple" in bases:
            return self._named_tuple(name, node)
        if "Enum" in bases:
            return self._enum(name, node)
        if "Interface" in bases or "ModuleInterface" in bases:
            return self._interface(name, node, "ModuleInterface" in bases)
        of = ClassType(name, is_module="Module" in bases)
        self.known[name] = of
        parameters = buffers = ()
        for item in node.body:
            if isinstance(item, ast.Assign):
                target = item.targets[0]
                if isinstance(target, ast.Name):
                    listed = ast.literal_eval(item.value)
                    if target.id == "__parameters__":
                        parameters = tuple(listed)
                    elif target.id == "__buffers__":
                        buffers = tuple(listed)
                elif isinstance(target, ast.Subscript):  # __annotations__["0"] = type
                    key = ast.literal_eval(target.slice)
                    self._attribute(of, key, item.value, parameters, buffers)
            elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                self._annotated(of, item, parameters, buffers)
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                of.methods[item.name] = self._function(f"{name}.{item.name}", package, item, of)
        self._hooks(of, node)
        return of

    def _attribute(self, of, name: str, annotation, parameters, buffers) -> None:
        of.addAttribute(name, self.annotation(annotation), name in parameters, name in buffers)

    def _annotated(self, of, item: ast.AnnAssign, parameters, buffers) -> None:
        annotation, name = item.annotation, item.target.id  # type: ignore[union-attr]
        final = (
            isinstance(annotation, ast.Subscript)
            and isinstance(annotation.value, ast.Name)
            and annotation.value.id == "Final"
        )
        if final and item.value is not None:
            of.constants[name] = literal(item.value)
        else:
            self._attribute(of, name, annotation, parameters, buffers)

    def _hooks(self, of, node: ast.ClassDef) -> None:
        for item in node.body:
            if not isinstance(item, ast.Assign) or not isinstance(item.targets[0], ast.Name):
                continue
            name = item.targets[0].id
            if name in ("__forward_hooks__", "__forward_pre_hooks__"):
                hooks = [of.methods.pop(n) for n in ast.literal_eval(item.value)]
                kept = of.forward_hooks if name == "__forward_hooks__" else of.forward_pre_hooks
                kept.extend(hooks)

    def _named_tuple(self, name: str, node: ast.ClassDef):
        fields = [i for i in node.body if isinstance(i, ast.AnnAssign)]
        names = [i.target.id for i in fields]  # type: ignore[union-attr]
        of = T.TupleType([self.annotation(i.annotation) for i in fields], name, names)
        self.known[name] = of
        return of

    def _enum(self, name: str, node: ast.ClassDef):
        from enum import Enum

        members = {
            i.targets[0].id: literal(i.value)  # type: ignore[attr-defined]
            for i in node.body
            if isinstance(i, ast.Assign)
        }
        python = Enum(node.name, members)  # type: ignore[misc]
        kind = {int: T.IntType, float: T.FloatType, str: T.StringType}[
            type(next(iter(members.values())))
        ].get()
        of = T.EnumType(name, kind, list(python))
        self.known[name] = of
        return of

    def _interface(self, name: str, node: ast.ClassDef, is_module: bool):
        of = T.InterfaceType(name, is_module)
        self.known[name] = of
        for item in node.body:
            if isinstance(item, ast.FunctionDef):
                of.methods[item.name] = self.schema(item, of)
        return of

    # -- functions ---------------------------------------------------------------------------

    def schema(self, node: ast.FunctionDef, of=None) -> FunctionSchema:
        """The schema of a definition."""
        arguments = []
        given = node.args.args
        defaults = [None] * (len(given) - len(node.args.defaults)) + list(node.args.defaults)
        for i, (argument, default) in enumerate(zip(given, defaults, strict=True)):
            if i == 0 and of is not None:
                arguments.append(Argument(argument.arg, of))
                continue
            kind = self.annotation(argument.annotation)  # type: ignore[arg-type]
            more = {} if default is None else {"default_value": literal(default)}
            arguments.append(Argument(argument.arg, kind, **more))
        result = T.NoneType.get() if node.returns is None else self.annotation(node.returns)
        return FunctionSchema(node.name, "", arguments, [Argument("", result)])

    def _function(self, name: str, package: Package, node: ast.FunctionDef, of):
        from ._import_body import Body

        return _Imported(name, lambda: self.schema(node, of),
                         lambda: Body(self, package, node, of).graph)  # fmt: skip

    def function_type(self, name: str) -> FunctionType | None:
        """The type of a function of the archive, or None."""
        found = self.find(name)
        return FunctionType(found) if isinstance(found, ScriptFunction) else None


class _Imported(ScriptFunction):
    """A function whose schema too is read when first wanted."""

    def __new__(cls, name: str, schema, graph):
        made = super().__new__(cls, name, graph)
        made._define_schema = schema
        return made

    @property
    def schema(self):
        if self._schema is None:
            self._schema = self._define_schema()
        return self._schema


_GENERIC = {
    "List": lambda kinds: T.ListType(kinds[0]),
    "Dict": lambda kinds: T.DictType(*kinds),
    "Tuple": T.TupleType,
    "Optional": lambda kinds: T.OptionalType(kinds[0]),
    "Union": T.UnionType,
    "Future": lambda kinds: T.FutureType(kinds[0]),
    "Await": lambda kinds: T.AwaitType(kinds[0]),
    "RRef": lambda kinds: T.RRefType(kinds[0]),
}


def dotted(node: ast.expr) -> str:
    """The text of a name with points in it; empty if it is none."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([node.id, *reversed(parts)])


_SPELT = {"inf": float("inf"), "nan": float("nan"), "infj": complex(0, float("inf"))}


def literal(node: ast.expr):
    """The value of a literal: numbers, texts, lists, tuples, dicts of them."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in _SPELT:
        return _SPELT[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -literal(node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):  # 3.+4.j
        left, right = literal(node.left), literal(node.right)
        return left + right if isinstance(node.op, ast.Add) else left - right
    if isinstance(node, ast.List):
        return [literal(i) for i in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(literal(i) for i in node.elts)
    if isinstance(node, ast.Dict):
        return {literal(k): literal(v) for k, v in zip(node.keys, node.values, strict=True)}  # type: ignore[arg-type]
    if isinstance(node, ast.Call) and dotted(node.func) == "torch.device":
        from .._device import device

        return device(literal(node.args[0]))
    if isinstance(node, ast.Call) and dotted(node.func) == "annotate":
        return literal(node.args[1])
    raise RuntimeError(f"expected a literal, got {ast.unparse(node)}")
