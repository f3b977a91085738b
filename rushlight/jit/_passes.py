"""Passes over graphs, each in a file of its own."""

from __future__ import annotations

from ._common import cse
from ._dce import dce
from ._effects import has_side_effects
from ._inline import callee, inline, lower_simple_tuples
from ._peephole import peephole
from ._propagation import constant_propagation, constant_propagation_immutable_types

__all__ = [
    "callee",
    "constant_propagation",
    "constant_propagation_immutable_types",
    "cse",
    "dce",
    "has_side_effects",
    "inline",
    "lower_simple_tuples",
    "peephole",
]
