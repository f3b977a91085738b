"""Whether a trace does what its program does: on the same inputs, and recorded once more."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .. import Tensor
from ..random import fork_rng
from ..utils._pytree import tree_leaves, tree_map
from ._schema import draws
from ._traced_values import TracerWarning


class TracingCheckError(Exception):
    """A program whose graph differs from one run to the next."""

    def __init__(self, graph_diff_error, tensor_compare_error, extra_msg=None) -> None:
        self.message = "Tracing failed sanity checks!\n"
        if extra_msg is not None:
            self.message += extra_msg + "\n"
        if graph_diff_error is not None:
            self.message += "ERROR: Graphs differed across invocations!\n"
            self.message += _indented(graph_diff_error) + "\n"
        if tensor_compare_error is not None:
            self.message += (
                "ERROR: Tensor-valued Constant nodes differed in value across invocations. This "
                "often indicates that the tracer has encountered untraceable code.\n"
            )
            self.message += _indented(tensor_compare_error) + "\n"
        super().__init__(self.message)


TracingCheckError.__module__ = "torch.jit"


def _indented(text: str) -> str:
    return "\n".join("\t" + line for line in text.splitlines())


def check_traced(
    retrace: Callable, traced: Any, program: Callable, graph: Any, inputs: list, tolerance: float
) -> None:
    """Compare a trace with its program on several (args, kwargs); warns, or TracingCheckError."""
    from . import _trace

    _trace._checking.append(True)
    graph = _whole(graph)
    try:
        with fork_rng():
            for args, kwargs in inputs:
                again = retrace(*_cloned((args, kwargs)))
                _compare_graphs(graph, _whole(again.graph))
                _compare_outputs(traced, program, args, kwargs, graph, tolerance)
    finally:
        _trace._checking.pop()


def _whole(graph):
    """A graph with those of what it calls in it."""
    from ._passes import inline

    graph = graph.copy()
    inline(graph)
    return graph


def _cloned(value):
    return tree_map(_clone, value)


def _clone(item):
    if not isinstance(item, Tensor):
        return item
    made = item.detach().clone()
    return made.requires_grad_(item.requires_grad) if made.is_floating_point() else made


def _plain_text(graph) -> list[str]:
    """The graph without shapes, numbers of constants' places and sources."""
    names: dict[int, str] = {}
    lines = []

    def name(value) -> str:
        return names.setdefault(id(value), f"%{len(names)}")

    lines.append(f"graph({', '.join(name(v) for v in graph.inputs())}):")
    for node in graph.nodes():
        kept = []
        for key, (_, item) in node.attributes.items():
            kept.append(key if isinstance(item, Tensor) else f"{key}={item}")
        outputs = ", ".join(name(v) for v in node.outputs())
        given = ", ".join(name(v) for v in node.inputs())
        lines.append(f"  {outputs} = {node.kind()}[{', '.join(kept)}]({given})")
    lines.append(f"  return ({', '.join(name(v) for v in graph.outputs())})")
    return lines


def _compare_graphs(graph, again) -> None:
    mine, theirs = _plain_text(graph), _plain_text(again)
    if mine != theirs:
        from difflib import ndiff

        shown = "Graph diff:\n" + _indented("\n".join(ndiff(mine, theirs)))
        raise TracingCheckError(shown, None)


def _compare_outputs(traced, program, args, kwargs, graph, tolerance: float) -> None:
    from ..testing import assert_close

    found = _run(traced, args, kwargs)
    expected = _run(program, args, kwargs)
    different = []
    for i, (mine, theirs) in enumerate(zip(found, expected, strict=False)):
        try:
            if mine.is_quantized or mine.is_sparse:
                continue
            assert_close(
                _double(mine),
                _double(theirs),
                rtol=tolerance,
                atol=1e-5,
                equal_nan=True,
            )
        except AssertionError as error:
            different.append(
                f"Output nr {i + 1}. of the traced function does not match the corresponding "
                f"output of the Python function. Detailed error:\n{error}"
            )
    random = [n for n in graph.all_nodes() if draws(n)]
    if random and different:
        shown = "".join(f"\t{node}" for node in random[:20])
        warnings.warn(
            "Trace had nondeterministic nodes. Did you forget call .eval() on your model? Nodes:\n"
            f"{shown}This may cause errors in trace checking. To disable trace checking, pass "
            "check_trace=False to torch.jit.trace()",
            TracerWarning,
            stacklevel=5,
        )
    for message in different:
        warnings.warn(message, TracerWarning, stacklevel=5)


def _double(tensor):
    tensor = tensor.detach()
    return tensor.double() if not tensor.is_complex() else tensor


def _run(program, args, kwargs) -> list:
    """The tensors that a program gives for copies of the inputs."""
    args, kwargs = _cloned((args, kwargs))
    kept = _module_state(program)
    try:
        result = program(*args, **kwargs)
    except Exception as error:
        raise TracingCheckError(
            None,
            None,
            "ERROR: encountered an exception while running the program on these inputs:\n"
            + _indented(str(error)),
        ) from error
    finally:
        for tensor, value in kept:
            tensor.data.copy_(value)
    return [t for t in tree_leaves(result) if isinstance(t, Tensor)]


def _module_state(program) -> list:
    """The buffers of a module that runs in training mode: a check leaves them as they are."""
    owner = getattr(program, "owner", program)
    named = getattr(owner, "buffers", None)
    if named is None or not getattr(owner, "training", False):
        return []
    return [(b, b.detach().clone()) for b in named()]
