"""What a process tells its launcher about an error."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


def record(fn: Callable[..., Any], error_handler: Any = None) -> Callable[..., Any]:
    """A program's main function that tells of its errors: `error_handler` gets them first.

    Without a launcher there is nobody to tell: they only pass on.
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if error_handler is not None:
            error_handler.initialize()
        try:
            return fn(*args, **kwargs)
        except SystemExit:
            raise
        except Exception as error:
            if error_handler is not None:
                error_handler.record_exception(error)
            raise

    return wrapper


__all__ = ["record"]
