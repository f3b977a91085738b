"""Interfaces: @torch.jit.interface classes as types."""

from __future__ import annotations

import ast

from .. import _types as T
from .classes import ClassScope
from .signatures import _Declared
from .source import ParsedDef, parse_class
from .unit import qualified_name


def interface_type(cls: type, unit, at=None) -> T.InterfaceType:
    """The type of an interface: the schemas of its methods."""
    from ...nn import Module

    made = T.InterfaceType(unit.free_name(qualified_name(cls)), issubclass(cls, Module))
    unit.of_class[cls] = made
    unit.types[made.qualified_name()] = made
    tree, source = parse_class(cls)
    scope = ClassScope(unit, cls)
    add_methods(made, tree, source, unit, scope)
    return made


def add_methods(made: T.InterfaceType, tree: ast.ClassDef, source, unit, scope) -> None:
    """Note the schemas of the methods that a class definition declares."""
    from .._function_schema import Argument, FunctionSchema

    own = T.ClassType("__torch__.self")
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        job = _Declared(unit, ParsedDef(node, source), scope, own, {}, {}, None)
        schema = job.schema(node.name)
        arguments = [Argument("self", made), *schema.arguments]
        made.methods[node.name] = FunctionSchema(node.name, "", arguments, schema.returns)
