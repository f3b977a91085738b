"""Compiled functions that a traced program calls stay what they are: a call in the graph."""

from __future__ import annotations

import sys
from functools import partial

import rushlight

from .. import _C
from . import _types as T
from ._function import FunctionType, ScriptFunction, ScriptMethod
from ._traced_values import CONSTANTS, HOME, current, warn

_watching = [0]
_FROM_DATA = ("tensor", "from_numpy", "as_tensor")
_makers: dict = {}


def watch(on: bool) -> None:
    """Have calls of compiled functions recorded, or no longer."""
    from ..nn.modules.rnn import RNNBase

    _watching[0] += 1 if on else -1
    if on and _watching[0] == 1:
        ScriptFunction.__call__ = _function  # type: ignore[method-assign]
        ScriptMethod.__call__ = _method  # type: ignore[method-assign]
        RNNBase._untraced_forward = RNNBase.forward
        RNNBase.forward = _recurrent
        for name in _FROM_DATA:
            _makers[name] = getattr(rushlight, name)
            setattr(rushlight, name, _said(name, _makers[name]))
    elif not on and _watching[0] == 0:
        del ScriptFunction.__call__, ScriptMethod.__call__
        RNNBase.forward = RNNBase._untraced_forward
        del RNNBase._untraced_forward
        while _makers:
            setattr(rushlight, *_makers.popitem())


def _said(name: str, make):
    """A function that makes tensors of Python data, and says that a trace keeps them."""

    def made(*args, **kwargs):
        if current() is not None and not sys._getframe(1).f_code.co_filename.startswith(HOME):
            warn(CONSTANTS.format(name))
        return make(*args, **kwargs)

    return made


def _recurrent(self, input, hx=None):
    from ..nn.modules.rnn import RNNBase
    from ._trace_special import recurrent

    tracer = current()
    if tracer is None:
        return RNNBase._untraced_forward(self, input, hx)
    return recurrent(tracer, self, RNNBase._untraced_forward, input, hx)


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
