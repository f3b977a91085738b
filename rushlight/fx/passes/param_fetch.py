"""Settings and weights of modules as tables."""

from __future__ import annotations

from typing import Any

from ... import nn
from ..graph_module import GraphModule

__all__ = ["default_matching", "extract_attrs_for_lowering", "lift_lowering_attrs_to_nodes"]

_CONV = "weight bias kernel_size stride padding dilation groups padding_mode"
_ATTRIBUTES: dict[type, tuple[int, str]] = {
    nn.Linear: (1, "weight bias"),
    nn.Conv2d: (1, _CONV),
    nn.BatchNorm2d: (2, "weight bias running_mean running_var eps"),
    nn.ReLU: (1, "inplace"),
    nn.MaxPool2d: (1, "kernel_size stride padding dilation return_indices ceil_mode"),
    nn.AvgPool2d: (
        1,
        "kernel_size stride padding ceil_mode count_include_pad divisor_override",
    ),
    nn.AdaptiveAvgPool2d: (1, "output_size"),
}


def default_matching(name: str, target_version: int) -> str:
    """The name itself."""
    return name


def extract_attrs_for_lowering(mod: nn.Module) -> dict[str, Any]:
    """The settings and weights of a module of a known type; RuntimeError for others."""
    attributes: dict[str, Any] = {"name": str(type(mod)).replace("rushlight.", "torch.")}
    if type(mod) not in _ATTRIBUTES:
        raise RuntimeError(
            f"Only support {list(_ATTRIBUTES)} in module_fetch_book, got {type(mod)}"
        )
    version, names = _ATTRIBUTES[type(mod)]
    if getattr(mod, "_version", version) < version:
        raise RuntimeError(f"Fetcher version {version} try to fetch {mod} version {mod._version}")
    attributes.update({name: getattr(mod, name) for name in names.split()})
    return attributes


def lift_lowering_attrs_to_nodes(fx_module: GraphModule) -> None:
    """Note those tables in `attrs_for_lowering` of the nodes that call the modules."""
    children = dict(fx_module.named_modules())
    for node in fx_module.graph.nodes:
        if node.op != "call_module":
            continue
        if isinstance(children[node.target], GraphModule):
            lift_lowering_attrs_to_nodes(children[node.target])
        else:
            node.attrs_for_lowering = extract_attrs_for_lowering(children[node.target])
