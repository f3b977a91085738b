"""Compiled functions and methods: a graph, its schema, and the Python function made of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ._plain_types import Type


class FunctionType(Type):
    """The type of one compiled function."""

    __slots__ = ("function",)

    def __init__(self, function: ScriptFunction) -> None:
        self.function = function

    def str(self) -> str:
        return "Function"

    @property
    def annotation_str(self) -> str:
        return self.function.qualified_name

    def name(self) -> str:
        """The last part of the name."""
        return self.function.name

    def qualified_name(self) -> str:
        """The whole name: __torch__.package.name."""
        return self.function.qualified_name

    def _key(self):
        return id(self.function)


class ScriptFunction(partial):
    """A compiled function: call it, or look at `.graph`, `.code` and `.schema`.

    As the value of a class's method it takes the object first; `ScriptMethod` binds it. `graph` may
    be a function that makes the graph when it is first wanted, so that functions can be recursive.
    """

    def __new__(cls, qualified_name: str, graph: Any = None, schema: Any = None, doc: Any = None):
        made = partial.__new__(cls, lambda *args, **kwargs: made._compiled()(*args, **kwargs))
        made.qualified_name = qualified_name
        made._graph = graph
        made._schema = schema
        made._entry = None
        made.__doc__ = doc
        made.__name__ = made.name
        return made

    __module__ = "torch.jit"
    __qualname__ = "ScriptFunction"

    def _compiled(self) -> Callable:
        """The Python function; from now on calls of this object go straight to it."""
        if self._entry is None:
            from ._run import entry_of

            self._entry = entry_of(self)
            # Methods have no function of their own: each object binds the entry.
            self.__setstate__((self._entry, (), {}, self.__dict__))
        return self._entry

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self.qualified_name.rpartition(".")[2]

    @property
    def graph(self):
        """What it computes, with the calls of other functions as they are."""
        if callable(self._graph):
            define, self._graph = self._graph, None
            self._graph = define()
        return self._graph

    @graph.setter
    def graph(self, graph) -> None:
        self._graph = graph
        self._entry = None

    @property
    def inlined_graph(self):
        """The graph with the graphs of what it calls in it."""
        from ._passes import inline

        graph = self.graph.copy()
        inline(graph)
        return graph

    @property
    def schema(self):
        """Names, types and default values of arguments and results."""
        if self._schema is None:
            from ._schema import Argument, FunctionSchema

            arguments = [
                Argument(_argument_name(v, i), v.type().unshaped())
                for i, v in enumerate(self.graph.inputs())
            ]
            returns = [Argument("", v.type().unshaped()) for v in self.graph.outputs()]
            self._schema = FunctionSchema(self.name, "", arguments, returns)
        return self._schema

    @property
    def code(self) -> str:
        """The graph as source."""
        return self.code_with_constants[0]

    @property
    def code_with_constants(self):
        """The source, and the tensors that it refers to as CONSTANTS.c0, ..."""
        from ._emit import Constants, function_source

        constants = Constants()
        arguments = self.schema.arguments
        defaults = {i: a.spread_default for i, a in enumerate(arguments) if a.has_default_value()}
        text = function_source(self.graph, self.name, constants, defaults, method=self._is_method())
        return text, ConstMap(constants.values)

    def _is_method(self) -> bool:
        inputs = list(self.graph.inputs())
        return (
            bool(inputs)
            and inputs[0].type().kind() == "ClassType"
            and (inputs[0].type().methods.get(self.name) is self)
        )

    def graph_for(self, *args, **kwargs):
        """The graph that runs for these arguments: the one that is inlined."""
        return self.inlined_graph

    def get_debug_state(self):
        """What is known of how it runs: the graph."""
        from ._execution import GraphExecutorState

        return GraphExecutorState(self.inlined_graph)

    def save(self, filename: Any, _extra_files: dict | None = None) -> None:
        """Write an archive that PyTorch reads too."""
        from ._archive import save

        save(self, filename, _extra_files)

    def save_to_buffer(self, _extra_files: dict | None = None) -> bytes:
        """The archive as bytes."""
        from ._archive import to_bytes

        return to_bytes(self, _extra_files)

    def _debug_flush_compilation_cache(self) -> None:
        """Forget the function that was made of the graph; the next call makes it anew."""
        self._entry = None
        self.__setstate__((lambda *a, **k: self._compiled()(*a, **k), (), {}, self.__dict__))

    def __repr__(self) -> str:
        return f"<torch.jit.ScriptFunction object at {id(self):#x}>"

    def __eq__(self, other) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        from pickle import PickleError

        raise PickleError("ScriptFunction cannot be pickled")


def _argument_name(value, index: int) -> str:
    name = value.debugName().partition(".")[0]
    return f"argument_{index}" if name.isdigit() else name


class ConstMap:
    """The constants of a source, by name: `.c0`, `["c0"]`."""

    def __init__(self, constants) -> None:
        self.const_mapping = {f"c{i}": value for i, value in enumerate(constants)}

    def __getattr__(self, name: str):
        if name == "const_mapping":
            raise AttributeError(name)
        try:
            return self.const_mapping[name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str):
        return self.const_mapping[name]


class ScriptMethod(partial):
    """A compiled method of one object."""

    def __new__(cls, owner, function: ScriptFunction):
        made = partial.__new__(
            cls, lambda *args, **kwargs: made._compiled()(owner, *args, **kwargs)
        )
        made.owner = owner
        made._function = function
        made.__doc__ = function.__doc__
        made.__name__ = function.name
        return made

    __module__ = "torch"
    __qualname__ = "ScriptMethod"

    def _compiled(self) -> Callable:
        entry = self._function._compiled()
        self.__setstate__((entry, (self.owner,), {}, self.__dict__))
        return entry

    @property
    def raw_owner(self):
        """The object."""
        return self.owner

    name = property(lambda self: self._function.name)
    graph = property(lambda self: self._function.graph)
    inlined_graph = property(lambda self: self._function.inlined_graph)
    schema = property(lambda self: self._function.schema)
    code = property(lambda self: self._function.code)
    code_with_constants = property(lambda self: self._function.code_with_constants)

    def graph_for(self, *args, **kwargs):
        """The graph that runs for these arguments: the one that is inlined."""
        return self.inlined_graph

    def get_debug_state(self):
        """What is known of how it runs: the graph."""
        return self._function.get_debug_state()

    def _debug_flush_compilation_cache(self) -> None:
        """Forget the function that was made of the graph; the next call makes it anew."""
        self._function._debug_flush_compilation_cache()
        self.__setstate__(
            (lambda *a, **k: self._compiled()(self.owner, *a, **k), (), {}, self.__dict__)
        )

    def __repr__(self) -> str:
        return f"<torch.ScriptMethod object at {id(self):#x}>"

    def __eq__(self, other) -> bool:
        return (
            isinstance(other, ScriptMethod)
            and self.owner is other.owner
            and self._function is other._function
        )

    def __hash__(self) -> int:
        return hash((id(self.owner), id(self._function)))

    def __reduce__(self):
        from pickle import PickleError

        raise PickleError("ScriptMethod cannot be pickled")
