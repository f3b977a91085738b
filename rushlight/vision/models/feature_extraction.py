"""Outputs of layers inside a model, by the layers' names.

torchvision traces the model for this, so that single operations have names too; here only layers
do. `get_graph_node_names`, which lists the traced names, needs torch.fx and is not here.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ... import nn

__all__ = ["create_feature_extractor"]


class _Enough(Exception):
    """Everything that was asked for is there: the rest of the model need not run."""


class FeatureExtractor(nn.Module):
    """Runs a model until the named layers have given their outputs; shares its parameters."""

    def __init__(
        self, model: nn.Module, train_nodes: dict[str, str], eval_nodes: dict[str, str]
    ) -> None:
        super().__init__()
        for name, child in model.named_children():
            self.add_module(name, child)
        self._model = [model]  # in a list, so that it is no child
        self._nodes = {True: train_nodes, False: eval_nodes}
        self.training = model.training

    def train(self, mode: bool = True) -> FeatureExtractor:
        """Set the model's mode as well."""
        self._model[0].train(mode)
        return super().train(mode)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The outputs by the names that were asked for."""
        nodes, found, handles = self._nodes[self.training], {}, []
        layers = dict(self._model[0].named_modules())

        def keeper(name):
            def keep(module, args, output):
                found[name] = output
                if len(found) == len(nodes):
                    raise _Enough

            return keep

        try:
            for name in nodes:
                handles.append(layers[name].register_forward_hook(keeper(name)))
            self._model[0](*args, **kwargs)
        except _Enough:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return OrderedDict((new, found[name]) for name, new in nodes.items())


def _as_dict(nodes: list[str] | dict[str, str]) -> dict[str, str]:
    return {
        str(k): str(v)
        for k, v in (nodes if isinstance(nodes, dict) else {n: n for n in nodes}).items()
    }


def create_feature_extractor(
    model: nn.Module,
    return_nodes: list[str] | dict[str, str] | None = None,
    train_return_nodes: list[str] | dict[str, str] | None = None,
    eval_return_nodes: list[str] | dict[str, str] | None = None,
    tracer_kwargs: dict[str, Any] | None = None,
    suppress_diff_warning: bool = False,
    concrete_args: dict[str, Any] | None = None,
) -> FeatureExtractor:
    """A module that gives the outputs of the layers named, under their names or new ones.

    `train_return_nodes` and `eval_return_nodes` together are for models that differ in training.
    Names of operations that are no layers are a ValueError: they would need torch.fx.
    """
    if (train_return_nodes is None) != (eval_return_nodes is None):
        raise ValueError(
            "If any of `train_return_nodes` and `eval_return_nodes` are specified, then both "
            "should be specified"
        )
    if (return_nodes is None) == (train_return_nodes is None):
        raise ValueError(
            "Either `return_nodes` or `train_return_nodes` and `eval_return_nodes` together, "
            "should be specified"
        )
    train_nodes = _as_dict(return_nodes if return_nodes is not None else train_return_nodes)
    eval_nodes = _as_dict(return_nodes if return_nodes is not None else eval_return_nodes)
    layers = dict(model.named_modules())
    for name in {**train_nodes, **eval_nodes}:
        if name not in layers or not name:
            raise ValueError(
                f"node: '{name}' is not present in model as a layer. Layers are "
                f"{[n for n in layers if n and '.' not in n]} and those inside of them"
            )
    return FeatureExtractor(model, train_nodes, eval_nodes)
