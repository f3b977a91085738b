"""A module as a graph: one node for each operator that a run on an example calls."""

from __future__ import annotations

from typing import Any

from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.versions_pb2 import VersionDef

from ... import _C, Tensor
from ..._C import pop_interpreter, push_interpreter
from ...nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from ...profiler._names import composite_names, operator_names
from .._pytree import tree_leaves
from ._proto_graph import node_proto


class _Recorder:
    """An interpreter that notes each call: its operator, its scope, whose results go in."""

    functions = True  # composites too: a layer shows what its author wrote, not its parts

    def __init__(self, model):
        self.nodes: list = []
        self.names: dict[int, str] = {}  # of tensors
        self.kept: list = []  # so that no id is used twice
        self.used: dict[str, int] = {}
        self.scopes = [type(model).__name__]
        self.labels = _labels(model)
        self.model = model
        self.calls = 0  # of modules, that are running

    def unique(self, name: str) -> str:
        number = self.used.get(name, 0)
        self.used[name] = number + 1
        return name if number == 0 else f"{name}_{number}"

    def define(self, tensor, name: str, op: str, inputs, attributes: str = "{}") -> str:
        name = self.unique(name)
        self.names[id(tensor)] = name
        self.kept.append(tensor)
        size = tuple(tensor.shape) if isinstance(tensor, Tensor) else None
        self.nodes.append(
            node_proto(name, op, input=inputs, outputsize=size, attributes=attributes)
        )
        return name

    def name_of(self, tensor) -> str:
        """The node that made a tensor; parameters and constants get one when first seen."""
        if id(tensor) not in self.names:
            scope = "/".join(self.scopes)
            leaf = self.labels.get(id(tensor))
            op = "prim::Constant" if leaf is None else "prim::GetAttr"
            words = "{}" if leaf is None else f"{{ name :  {leaf} }}"
            self.define(tensor, f"{scope}/{leaf or 'constant'}", op, [], words)
        return self.names[id(tensor)]

    def process(self, function, args, kwargs):
        if isinstance(function, _C.Op):
            names = operator_names(function.__name__.removesuffix("_"), function.inplace)
        else:
            names = composite_names(function)
        if not names:  # Python in PyTorch too: its parts are shown
            push_interpreter(self)
            try:
                return getattr(function, "__wrapped__", function)(*args, **kwargs)
            finally:
                pop_interpreter()
        values = tree_leaves((args, kwargs))
        inputs = [self.name_of(v) for v in values if isinstance(v, Tensor)]
        plain = [str(v) for v in values if not isinstance(v, Tensor) and v is not None]
        result = function(*args, **kwargs)
        scope, leaf = "/".join(self.scopes), names[0].removeprefix("aten::")
        for out in tree_leaves(result):
            if isinstance(out, Tensor):
                words = "{ " + ", ".join(plain) + "}" if plain else "{}"
                self.define(out, f"{scope}/{leaf}", names[0], inputs, words)
        return result

    def enter(self, module, args) -> None:
        self.calls += 1
        if self.calls > 1:
            self.scopes.append(self.labels.get(id(module), type(module).__name__))

    def leave(self, module, args, output) -> None:
        if self.calls > 1:
            self.scopes.pop()
        self.calls -= 1


def _labels(model) -> dict[int, str]:
    """`Class[attribute]` of each module, and the attribute of each parameter and buffer."""
    labels = {}
    for module in model.modules():
        for name, child in module._modules.items():
            if child is not None:
                labels[id(child)] = f"{type(child).__name__}[{name}]"
        for name, tensor in [*module._parameters.items(), *module._buffers.items()]:
            if tensor is not None:
                labels[id(tensor)] = name
    return labels


def graph(model, args: Any, verbose: bool = False, use_strict_trace: bool = True):
    """The graph of `model(*args)` and what TensorBoard wants beside it: (GraphDef, RunMetadata).

    The model runs once in evaluation mode, without recording gradients.
    """
    args = args if isinstance(args, tuple) else (args,)
    recorder = _Recorder(model)
    given = [t for t in tree_leaves(args) if isinstance(t, Tensor)]
    for number, tensor in enumerate(given):
        leaf = "input/x" if len(given) == 1 else f"input/x_{number + 1}"
        recorder.define(tensor, leaf, "IO Node", [], "")
    training = {module: module.training for module in model.modules()}
    handles = [
        register_module_forward_pre_hook(recorder.enter),
        register_module_forward_hook(recorder.leave, always_call=True),
    ]
    try:
        model.eval()
        with _no_grad():
            push_interpreter(recorder)
            try:
                results = model(*args)
            finally:
                pop_interpreter()
    except Exception as error:
        print(error)
        print("Error occurs, No graph saved")
        raise
    finally:
        for handle in handles:
            handle.remove()
        for module, was in training.items():
            module.training = was
    for number, tensor in enumerate(t for t in tree_leaves(results) if isinstance(t, Tensor)):
        recorder.define(
            tensor, f"output/output.{number + 1}", "IO Node", [recorder.name_of(tensor)], ""
        )
    if verbose:
        print("\n".join(f"{n.name} = {n.op}({', '.join(n.input)})" for n in recorder.nodes))
    stats = RunMetadata(step_stats=StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")]))
    return GraphDef(node=recorder.nodes, versions=VersionDef(producer=22)), stats


def _no_grad():
    from ... import no_grad

    return no_grad()
