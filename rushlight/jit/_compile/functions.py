"""Function definitions: their signatures, their bodies, and the finished graph."""

from __future__ import annotations

import ast

from .. import _types as T
from .._function import ScriptFunction
from .._function_schema import Argument, FunctionSchema
from . import annotated, statements
from .builder import Builder
from .calling import compiling, fail
from .cleanup import tidy
from .exits import remove_exits
from .source import NotSupportedError, ParsedDef
from .ssa import remove_variables
from .values import Simple

_NO_DEFAULT = object()


class Parameter:
    """A parameter: its name, type, default, and whether it goes by keyword only."""

    __slots__ = ("count", "default", "inferred", "keyword", "name", "type")

    def __init__(self, name: str, t: T.Type | None, default, keyword: bool, count=None) -> None:
        self.name = name
        self.count = count  # how many a single number stands for: BroadcastingList2
        self.inferred = t is None
        self.type = T.TensorType.getInferred() if t is None else t
        self.default = default
        self.keyword = keyword

    def argument(self) -> Argument:
        """As schemas have it."""
        said = {} if self.default is _NO_DEFAULT else {"default_value": self.default}
        text = in_schema(self.type)
        if self.count is not None:
            text = text.replace("[]", f"[{self.count}]")
        return Argument(
            self.name, self.type, self.count, kwarg_only=self.keyword, text=text, **said
        )


def in_schema(t: T.Type) -> str:
    """A type as schemas write it: a named tuple by its name."""
    if isinstance(t, T.TupleType):
        if t.name:
            return t.name
        return f"({', '.join(map(in_schema, t.elements()))})"
    return t.str()


def define(
    unit, qualified_name: str, parsed: ParsedDef, resolver, self_type=None, defaults=None,
    annotations=None, self_value=None,
) -> ScriptFunction:  # fmt: skip
    """A function whose graph is made when something first asks for it."""
    made = ScriptFunction(qualified_name, doc=ast.get_docstring(parsed.node, clean=False))

    def compile_now():
        job = _Job(unit, parsed, resolver, self_type, defaults or {}, annotations or {}, self_value)
        try:
            made._schema, graph = job.run(made.name)
        except BaseException:
            made._graph = compile_now  # to fail again, not to look like a recursion
            raise
        return graph

    made._graph = compile_now
    return made


def compiled(function: ScriptFunction, at=None) -> ScriptFunction:
    """The function, with its graph and schema made."""
    if function.graph is None:
        fail(
            at,
            f"function '{function.name}' is called recursively. Recursive calls are not supported",
        )
    return function


class _Job:
    """One definition on its way to a graph."""

    def __init__(self, unit, parsed, resolver, self_type, defaults, annotations, self_value):
        self.unit = unit
        self.node: ast.FunctionDef = parsed.node
        self.source = parsed.source
        self.resolver = resolver
        self.self_type = self_type
        self.self_value = self_value
        self.defaults = defaults
        self.annotations = annotations

    def run(self, name: str):
        """The schema and the graph."""
        with compiling(name if self.self_type is None else f"{self.self_type.name()}.{name}"):
            b = Builder(self.unit, self.resolver, self.source, name)
            parameters = self.parameters(b)
            b.making = self.self_type if name == "__init__" else None
            b.declared_return = self.return_type(b, len(parameters))
            self.inputs(b, parameters)
            b.statements(self.node.body)
            self.end(b)
            result = b.declared_return or b.return_type or T.NoneType.get()
            remove_variables(b.graph)
            remove_exits(b.graph, result)
            tidy(b.graph)
        arguments = [p.argument() for p in parameters]
        returns = [Argument("", result, text=in_schema(result))]
        return FunctionSchema(name, "", arguments, returns), b.graph

    def end(self, b) -> None:
        """A body that runs to its end returns None."""
        if b.frame.leaves:
            return
        wanted = b.declared_return
        at = self.source.span(self.node, 3)
        if wanted is not None and not T.NoneType.get().isSubtypeOf(wanted):
            fail(
                at,
                "Function was not annotated as having type None, but does not return along "
                f"all paths: expected {wanted}",
            )
        statements.give_back(b, at, b.none(at))

    def inputs(self, b, parameters: list[Parameter]) -> None:
        """The inputs of the graph, stored as variables."""
        for i, p in enumerate(parameters):
            value = b.graph.block().addInputToBlock()
            value.setType(p.type.unshaped())
            value.setDebugName(p.name)
            if i == 0 and self.self_type is not None:
                b.frame.names[p.name] = (self.self_value or Simple)(value)
                continue
            if not p.inferred:
                b.frame.annotated[p.name] = value.type()
            else:
                value.setType(p.type)
            b.store(p.name, value)

    # -- the signature ---------------------------------------------------------------------

    def parameters(self, b) -> list[Parameter]:
        """What the definition takes."""
        args = self.node.args
        extra = args.vararg or args.kwarg
        if extra is not None:
            at = self.source.range(extra)
            at.column -= len("*" if args.vararg else "**")
            raise NotSupportedError(at, _VARIADIC)
        positional = [*args.posonlyargs, *args.args]
        for default in args.kw_defaults:
            if default is not None:
                raise NotSupportedError(self.source.range(default), _VARIADIC)
        commented = self.commented(b)
        made = []
        for i, arg in enumerate([*positional, *args.kwonlyargs]):
            if i == 0 and self.self_type is not None:
                made.append(Parameter(arg.arg, self.self_type, _NO_DEFAULT, False))
                continue
            t = commented.get(arg.arg) or self.annotation(b, arg)
            default = self.defaults.get(arg.arg, _NO_DEFAULT)
            keyword = i >= len(positional)
            count = annotated.broadcast_count(arg.annotation)
            default = self.fitted(default, t, arg)
            made.append(Parameter(arg.arg, t, default, keyword, count))
        return made

    def annotation(self, b, arg: ast.arg) -> T.Type | None:
        """The type of one argument."""
        if arg.annotation is None:
            return None
        given = self.annotations.get(arg.arg)
        if self.is_image(arg.annotation):
            return None
        at = self.source.range(arg)
        if given is not None and not isinstance(given, str):
            found = annotated.from_object(given, self.unit, at)
            if found is not None:
                return found
        return self.resolver.type_of(b, arg.annotation)

    def is_image(self, annotation: ast.expr) -> bool:
        """Whether this is `Any` in our transforms of images: in programs images are tensors."""
        home = getattr(self.resolver, "globals", {}).get("__name__", "")
        return home.startswith("rushlight.vision.transforms") and ast.unparse(annotation) == "Any"

    def fitted(self, default, t: T.Type | None, arg):
        """A default as its type has it."""
        if default is _NO_DEFAULT or t is None:
            return default
        from .._constants import as_ivalue

        inner = t.getElementType() if isinstance(t, T.OptionalType) else t
        if isinstance(inner, T.FloatType) and type(default) is int:
            return float(default)
        if isinstance(inner, T.ListType) and isinstance(default, tuple):
            return list(default)
        if default is None and not T.NoneType.get().isSubtypeOf(t):
            at = self.source.range(arg)
            fail(at, f'Expected a default value of type {t} on parameter "{arg.arg}".')
        return as_ivalue(default)

    def commented(self, b) -> dict[str, T.Type]:
        """The types that comments give."""
        body = self.node.body[0].lineno
        lines = self.source.lines[self.node.lineno - 1 : body]
        if body > self.node.lineno:
            lines = lines[:-1] if "# type:" not in lines[-1] else lines
        found = annotated.type_comment(lines)
        if found is None:
            return {}
        texts, result = found
        args = [a.arg for a in [*self.node.args.args, *self.node.args.kwonlyargs]]
        args = args[1:] if self.self_type is not None else args
        if len(texts) != len(args):
            at = self.source.span(self.node, 3)
            fail(
                at,
                f"Number of type annotations for function parameters ({len(texts)}) does "
                f"not match the number of parameters on the function ({len(args)})!",
            )
        at = self.source.span(self.node, 3)
        types = {
            a: self.resolver.type_of(b, ast.parse(t, mode="eval").body, at)
            for a, t in zip(args, texts, strict=True)
        }
        if result:
            types["return"] = self.resolver.type_of(b, ast.parse(result, mode="eval").body, at)
        self.comment_return = types.pop("return", None)
        return types

    comment_return: T.Type | None = None

    def return_type(self, b, count: int) -> T.Type | None:
        """The declared type of the result."""
        if self.comment_return is not None:
            return self.comment_return
        if self.node.returns is None:
            return None
        if self.is_image(self.node.returns):
            return None
        given = self.annotations.get("return", "")
        if not isinstance(given, str):
            found = annotated.from_object(given, self.unit, self.source.range(self.node.returns))
            if found is not None:
                return found
        return self.resolver.type_of(b, self.node.returns)


_VARIADIC = (
    "Compiled functions can't take variable number of arguments or use keyword-only arguments "
    "with defaults"
)
