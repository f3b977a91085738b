"""Types of values by what signatures say."""

from __future__ import annotations

import inspect
from typing import Any

import rushlight as torch

from ..graph_module import GraphModule, _get_attr
from ..interpreter import Transformer
from ..node import Argument, Target
from ..operator_schemas import get_signature_for_torch_op


class AnnotateTypesWithSchema(Transformer):
    """Notes the types of what functions, modules and attributes give."""

    def __init__(
        self,
        module: GraphModule,
        annotate_functionals: bool = True,
        annotate_modules: bool = True,
        annotate_get_attrs: bool = True,
    ) -> None:
        super().__init__(module)
        self.annotate_functionals = annotate_functionals
        self.annotate_modules = annotate_modules
        self.annotate_get_attrs = annotate_get_attrs

    def call_function(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call, with the type that it returns."""
        made = super().call_function(target, args, kwargs)
        if self.annotate_functionals and getattr(target, "__module__", None) != "_operator":
            kind = self._extract_python_return_type(target)
            made.node.type = made.node.type or kind
        return made

    def call_module(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The call, with the type that forward states."""
        made = super().call_module(target, args, kwargs)
        if self.annotate_modules:
            forward = self.fetch_attr(target).forward
            kind = inspect.signature(forward).return_annotation
            if kind is not inspect.Signature.empty and not isinstance(kind, str):
                made.node.type = made.node.type or kind
        return made

    def get_attr(self, target: Target, args: tuple[Argument, ...], kwargs: dict) -> Any:
        """The reading, with the type of what is there."""
        made = super().get_attr(target, args, kwargs)
        if self.annotate_get_attrs:
            found = _get_attr(self.module, target)
            kind = torch.Tensor if isinstance(found, torch.Tensor) else type(found)
            made.node.type = made.node.type or kind
        return made

    def _extract_python_return_type(self, target: Target) -> Any | None:
        """What a function returns, where its signature says so."""
        if not callable(target):
            raise AssertionError(f"Expected callable target, got {type(target)}")
        if get_signature_for_torch_op(target):
            return None
        try:
            kind = inspect.signature(target).return_annotation
        except (TypeError, ValueError):
            return None
        return None if kind is inspect.Signature.empty or isinstance(kind, str) else kind
