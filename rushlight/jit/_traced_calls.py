"""Compiled functions that a traced program calls stay what they are: a call in the graph."""

from __future__ import annotations

import sys
from functools import cache, partial
from types import MethodType, ModuleType

import rushlight

from .. import _C
from ..nn import modules
from ..nn.utils.rnn import PackedSequence
from . import _types as T
from ._compile import library
from ._function import FunctionType, ScriptFunction, ScriptMethod
from ._traced_values import CONSTANTS, HOME, current, warn

_watching = [0]
_FROM_DATA = ("tensor", "from_numpy", "as_tensor")
_replaced: list[tuple] = []  # (owner, name, what it was, or None if it was inherited)


def watch(on: bool) -> None:
    """Have calls of compiled functions and of the library's layers recorded, or no longer."""
    _watching[0] += 1 if on else -1
    if on and _watching[0] == 1:
        ScriptFunction.__call__ = _function  # type: ignore[method-assign]
        ScriptMethod.__call__ = _method  # type: ignore[method-assign]
        for cls, lent in _lent_layers():
            _put(cls, "forward", _layer(cls, lent))
        for name in _FROM_DATA:
            _put(rushlight, name, _said(name, getattr(rushlight, name)))
    elif not on and _watching[0] == 0:
        del ScriptFunction.__call__, ScriptMethod.__call__
        while _replaced:
            owner, name, before = _replaced.pop()
            delattr(owner, name) if before is None else setattr(owner, name, before)


def _put(owner, name: str, made) -> None:
    _replaced.append((owner, name, vars(owner).get(name)))
    setattr(owner, name, made)


def _said(name: str, make):
    """A function that makes tensors of Python data, and says that a trace keeps them."""

    def made(*args, **kwargs):
        if current() is not None and not sys._getframe(1).f_code.co_filename.startswith(HOME):
            warn(CONSTANTS.format(name))
        return make(*args, **kwargs)

    return made


@cache
def _lent_layers() -> list[tuple[type, type]]:
    """The classes of layers whose forward stands in the library, each with that which has it."""
    found = {}
    for home in vars(modules).values():
        if isinstance(home, ModuleType):
            found |= {n: c for n, c in vars(home).items() if isinstance(c, type)}
    return [(found[name], lent) for name, lent in library.forwards().items()]


def _layer(cls: type, lent: type):
    """The forward of a class of layers, which runs the library's while a trace does."""
    own = cls.forward  # type: ignore[attr-defined]

    def forward(self, *args, **kwargs):
        if current() is None or any(isinstance(a, PackedSequence) for a in args):
            return own(self, *args, **kwargs)
        return lent.forward(_Lent(self), *args, **kwargs)  # type: ignore[attr-defined]

    return forward


_method_lent = cache(library.method)


class _Lent:
    """A layer as methods of the library see it: theirs first, then its own attributes."""

    def __init__(self, module) -> None:
        self._module = module

    def __getattr__(self, name: str):
        lent = _method_lent(type(self._module), name)
        return getattr(self._module, name) if lent is None else MethodType(lent, self)

    def __iter__(self):
        return iter(self._module)


def _function(self, *args, **kwargs):
    tracer = current()
    if tracer is None:
        return partial.__call__(self, *args, **kwargs)
    graph = tracer.graph
    constant = graph.create("prim::Constant", [], 1).s_("name", self.name)
    target = graph.insertNode(constant).output().setType(FunctionType(self))
    with tracer.paused():
        return _record(tracer, "prim::CallFunction", self, target, args, kwargs, None)


def _method(self, *args, **kwargs):
    tracer = current()
    path = None if tracer is None else _path(tracer, self.owner)
    if path is None:
        return partial.__call__(self, *args, **kwargs)
    graph = tracer.graph
    node = graph.create("prim::TracedAttr", [], 1).s_("scope", path)
    target = graph.prependNode(node).output().setType(self.owner._jit_type)
    with tracer.paused():
        return _record(tracer, "prim::CallMethod", self, target, args, kwargs, self.name)


def _path(tracer, owner) -> str | None:
    return tracer.module_paths.get(id(owner))


def _record(tracer, kind: str, called, target, args, kwargs, name):
    """A node for the call; its result as values of the graph."""
    tracer.locate()
    arguments = called.schema.arguments[(1 if name else 0) :]
    given = {a.name: v for a, v in zip(arguments, args, strict=False)} | kwargs
    inputs = [target]
    for argument in arguments:
        item = given.get(argument.name, argument.default_value)
        inputs.append(tracer.argument(argument.type, item, argument.N))
    node = tracer.graph.insertNode(tracer.graph.create(kind, inputs, 1))
    if name:
        node.s_("name", name)
    result = partial.__call__(called, *args, **kwargs)
    of = called.schema.returns[0].type if called.schema.returns else T.NoneType.get()
    _define(tracer, node.output().setType(of), result)
    return result


def _define(tracer, value, result) -> None:
    if isinstance(result, _C.Tensor):
        tracer.values[id(result)] = (value, result)
    elif isinstance(result, tuple | list) and result:
        kind = "prim::TupleUnpack" if isinstance(result, tuple) else "prim::ListUnpack"
        node = tracer.graph.insertNode(tracer.graph.create(kind, [value], len(result)))
        of = value.type()
        kinds = (
            of.elements() if isinstance(of, T.TupleType) else [of.getElementType()] * len(result)
        )
        for output, kind_of, item in zip(node.outputs(), kinds, result, strict=True):
            _define(tracer, output.setType(kind_of), item)
    elif isinstance(result, dict):
        for key, item in result.items():
            index = tracer.constant(key)
            node = tracer.graph.create("aten::__getitem__", [value, index], 1)
            tracer.graph.insertNode(node)
            _define(tracer, node.output().setType(value.type().getValueType()), item)
