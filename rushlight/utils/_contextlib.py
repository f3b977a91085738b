"""Context managers that also decorate functions, as PyTorch's own switches do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.grad_mode import _wrap_generator, context_decorator

__all__ = [
    "_DecoratorContextManager", "_NoParamDecoratorContextManager", "_wrap_generator",
    "context_decorator",
]  # fmt: skip


class _DecoratorContextManager:
    """Base of context managers that decorate: every call runs within a clone."""

    def __call__(self, orig_func: Callable) -> Callable:
        return context_decorator(self.clone, orig_func)

    def __enter__(self) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __enter__")

    def __exit__(self, exc_type: Any, exc_value: Any, traceback: Any) -> None:
        raise NotImplementedError(f"{type(self).__name__} has no __exit__")

    def clone(self):
        """Another of the same kind; classes that take arguments have their own."""
        return self.__class__()


class _NoParamDecoratorContextManager(_DecoratorContextManager):
    """Base of those that decorate without being called: `@no_grad`."""

    def __new__(cls, orig_func: Callable | None = None):
        if orig_func is None:
            return super().__new__(cls)
        return cls()(orig_func)
