"""Outputs of operations inside a model, by names that say where in the model they are.

A model is traced (torch.fx): an operation is called after the path of the module that it is in and
its own kind, `layer1.0.relu`, and those of the same name are counted, `layer1.0.relu_1`.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from ... import fx, nn
from ...fx.graph_module import _copy_attr

__all__ = ["create_feature_extractor", "get_graph_node_names"]


class LeafModuleAwareTracer(fx.Tracer):
    """A tracer that also leaves calls of modules of certain types as they are."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.leaf_modules = tuple(kwargs.pop("leaf_modules", ()))
        super().__init__(*args, **kwargs)

    def is_leaf_module(self, m: nn.Module, module_qualname: str) -> bool:
        """Whether calls of the module are left as they are."""
        return isinstance(m, self.leaf_modules) or super().is_leaf_module(m, module_qualname)


class NodePathTracer(LeafModuleAwareTracer):
    """A tracer that notes for each node where in the model it is: `node_to_qualname`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.current_module_qualname = ""
        self.node_to_qualname: OrderedDict[fx.Node, str] = OrderedDict()

    def call_module(self, m: nn.Module, forward: Any, args: tuple, kwargs: dict) -> Any:
        """The call, with the module's path noted while it runs."""
        before = self.current_module_qualname
        try:
            self.current_module_qualname = path = self.path_of_module(m)
            if self.is_leaf_module(m, path):
                return self.create_proxy("call_module", path, args, kwargs)
            return forward(*args, **kwargs)
        finally:
            self.current_module_qualname = before

    def create_proxy(
        self, kind: str, target: Any, args: Any, kwargs: Any, name=None, type_expr=None, *_: Any
    ) -> fx.Proxy:
        """A node, with its path noted."""
        proxy = super().create_proxy(kind, target, args, kwargs, name, type_expr)
        self.node_to_qualname[proxy.node] = self._path_of(proxy.node)
        return proxy

    def _path_of(self, node: fx.Node) -> str:
        path = self.current_module_qualname
        if node.op != "call_module":
            path = f"{path}.{node}" if path else str(node)
        path = re.sub(r"(?<=.)_[0-9]+$", "", path)  # nodes count over the whole model
        for known in reversed(self.node_to_qualname.values()):
            same = re.fullmatch(rf"{re.escape(path)}(?:_([0-9]+))?", known)
            if same:
                return f"{path}_{int(same[1] or 0) + 1}"
        return path


class DualGraphModule(fx.GraphModule):
    """A module with one graph for training and one for evaluation."""

    def __init__(
        self,
        root: nn.Module,
        train_graph: fx.Graph,
        eval_graph: fx.Graph,
        class_name: str = "GraphModule",
    ) -> None:
        nn.Module.__init__(self)
        type(self).__name__ = class_name
        for node in (*train_graph.nodes, *eval_graph.nodes):
            if node.op in ("get_attr", "call_module"):
                _copy_attr(root, self, node.target)
        self.train()
        self.__dict__["train_graph"] = train_graph
        self.__dict__["eval_graph"] = eval_graph
        self.meta: dict[str, Any] = {}
        for kind in ("replace", "create_node", "erase_node", "deepcopy"):
            setattr(self, f"_{kind}_hooks", [])
        tracer = eval_graph._tracer_cls
        self._tracer_cls = tracer if tracer and "<locals>" not in tracer.__qualname__ else None
        self._tracer_extras: dict[str, Any] = {}
        self.graph = train_graph

    def train(self, mode: bool = True) -> DualGraphModule:
        """Set the mode, and use the graph that belongs to it."""
        if hasattr(self, "train_graph"):
            self.graph = self.train_graph if mode else self.eval_graph
        return super().train(mode)

    def __deepcopy__(self, memo: dict) -> DualGraphModule:
        parts = nn.Module()
        parts.__dict__.update(copy.deepcopy({**self.__dict__, **dict.fromkeys(_GRAPHS)}, memo))
        graphs = (copy.deepcopy(g, {}) for g in (self.train_graph, self.eval_graph))
        made = DualGraphModule(parts, *graphs, class_name=type(self).__name__)
        return made.train(self.training)


_GRAPHS = ("_graph", "train_graph", "eval_graph")


def _leaf_modules_of_ops() -> list[type]:
    from .. import ops

    found = (getattr(ops, name) for name in ops.__all__)
    return [kind for kind in found if isinstance(kind, type) and issubclass(kind, nn.Module)]


_get_leaf_modules_for_ops = _leaf_modules_of_ops


def _with_defaults(tracer_kwargs: dict[str, Any] | None) -> dict[str, Any]:
    import math

    from .. import ops

    return {
        "autowrap_modules": (math, ops),
        "leaf_modules": _leaf_modules_of_ops(),
        **(tracer_kwargs or {}),
    }


def _traced(
    model: nn.Module, tracer_kwargs: dict[str, Any] | None, concrete_args: dict[str, Any] | None
) -> Iterator[tuple[str, NodePathTracer, fx.Graph]]:
    """The model's graph in training and then in evaluation; its mode comes back after that."""
    training = model.training
    try:
        for mode in ("train", "eval"):
            model.train(mode == "train")
            tracer = NodePathTracer(**_with_defaults(tracer_kwargs))
            yield mode, tracer, tracer.trace(model, concrete_args=concrete_args)
    finally:
        model.train(training)


def _is_subsequence(part: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(name in rest for name in part)


def _warn_graph_differences(train_names: list[str], eval_names: list[str]) -> None:
    """Say how the names differ between training and evaluation, where they do."""
    if train_names == eval_names:
        return
    end = (
        "When choosing nodes for feature extraction, you may need to specify output nodes for "
        "train and eval mode separately."
    )
    note, traced = "NOTE: ", "The nodes obtained by tracing the model in"
    if _is_subsequence(train_names, eval_names):
        what = "train mode are a subsequence of those obtained in eval mode. "
    elif _is_subsequence(eval_names, train_names):
        what = "eval mode are a subsequence of those obtained in train mode. "
    else:
        note, what = "", "train mode are different to those obtained in eval mode. "
    warnings.warn(f"{note}{traced} {what}{end}", stacklevel=3)


def get_graph_node_names(
    model: nn.Module,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> tuple[list[str], list[str]]:
    """The names of all operations of a model, in training and in evaluation.

    `tracer_kwargs` go to the tracer: `leaf_modules`, types of modules not to look into,
    `autowrap_modules`, `autowrap_functions`. `concrete_args` are arguments with fixed values.
    """
    train, evaluation = (
        list(tracer.node_to_qualname.values())
        for _, tracer, _ in _traced(model, tracer_kwargs, concrete_args)
    )
    if not suppress_diff_warning:
        _warn_graph_differences(train, evaluation)
    return train, evaluation


def _as_dict(nodes: list[str] | dict[str, str]) -> dict[str, str]:
    pairs = nodes.items() if isinstance(nodes, dict) else ((n, n) for n in nodes)
    return {str(k): str(v) for k, v in pairs}


def _asked_for(return_nodes, train_return_nodes, eval_return_nodes):
    """Names and new names for either mode."""
    both = "If any of `train_return_nodes` and `eval_return_nodes` are specified, then both should "
    if (train_return_nodes is None) != (eval_return_nodes is None):
        raise ValueError(both + "be specified")
    if return_nodes is None and train_return_nodes is None:
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, "
            "should be specified"
        )
    if return_nodes is not None and train_return_nodes is not None:
        raise ValueError(
            "If `train_return_nodes` and `eval_return_nodes` are specified, then both should be "
            "specified"
        )
    if return_nodes is not None:
        return {"train": _as_dict(return_nodes), "eval": _as_dict(return_nodes)}
    return {"train": _as_dict(train_return_nodes), "eval": _as_dict(eval_return_nodes)}


def _check_names(wanted: dict[str, str], names: list[str]) -> None:
    for query in wanted:
        if not any(name == query or name.startswith(f"{query}.") for name in names):
            raise ValueError(
                f"node: '{query}' is not present in model. Hint: use `get_graph_node_names` to "
                "make sure the `return_nodes` you specified are present. It may even be that you "
                "need to specify `train_return_nodes` and `eval_return_nodes` separately."
            )


def _keep_only(graph: fx.Graph, names: dict[fx.Node, str], wanted: dict[str, str]) -> None:
    """Let a graph return what is wanted: of a module, its last operation."""
    for node in reversed(graph.nodes):
        if node.op == "output":
            graph.erase_node(node)
    found, wanted = {}, dict(wanted)
    for node in reversed(graph.nodes):
        parts = names.get(node, "").split(".")
        for query in wanted:
            if ".".join(parts[: query.count(".") + 1]) == query:
                found[wanted.pop(query)] = node
                break
    last = next(iter(reversed(graph.nodes)))
    with graph.inserting_after(last):
        graph.output(dict(reversed(found.items())))
    graph.eliminate_dead_code()


def create_feature_extractor(
    model: nn.Module,
    return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> fx.GraphModule:
    """A module that gives the outputs of the operations named, under their names or new ones.

    A name is one of `get_graph_node_names`, or the path of a module, of which it is the last
    operation. `train_return_nodes` and `eval_return_nodes` together are for models that differ in
    training. The module shares the model's parameters.
    """
    wanted = _asked_for(return_nodes, train_return_nodes, eval_return_nodes)
    training, graphs, names = model.training, {}, {}
    for mode, tracer, graph in _traced(model, tracer_kwargs, concrete_args):
        names[mode] = list(tracer.node_to_qualname.values())
        _check_names(wanted[mode], names[mode])
        graph.owning_module = tracer.root  # tells which modules the calls are of
        _keep_only(graph, tracer.node_to_qualname, wanted[mode])
        graphs[mode] = graph
    if not suppress_diff_warning:
        _warn_graph_differences(names["train"], names["eval"])
    name = type(model).__name__
    made = DualGraphModule(model, graphs["train"], graphs["eval"], class_name=name)
    return made.train(training)
