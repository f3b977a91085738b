"""Passes over graphs: shapes, splitting, matching, drawing."""

from __future__ import annotations

_MODULES = (
    "annotate_getitem_nodes fake_tensor_prop graph_drawer graph_manipulation "
    "graph_transform_observer infra operator_support param_fetch pass_manager shape_prop "
    "split_module split_utils tools_common utils"
).split()


def __getattr__(name: str):
    if name in _MODULES:
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.fx.passes' has no attribute '{name}'")
