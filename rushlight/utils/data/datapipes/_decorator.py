"""Decorators of pipes: names of methods, determinism, and checks of types while running."""

from __future__ import annotations

from functools import wraps

from .datapipe import IterDataPipe, MapDataPipe


class functional_datapipe:  # noqa: N801
    """Make a class of pipes a method of all pipes of its kind, under `name`."""

    def __init__(self, name: str, enable_df_api_tracing: bool = False) -> None:
        self.name = name
        self.enable_df_api_tracing = enable_df_api_tracing

    def __call__(self, cls):
        for kind in (IterDataPipe, MapDataPipe):
            if isinstance(cls, type) and issubclass(cls, kind):
                kind.register_datapipe_as_function(self.name, cls)
                return cls
        raise TypeError("`functional_datapipe` can only decorate IterDataPipe and MapDataPipe")


_determinism: list[bool] = [False]


class guaranteed_datapipes_determinism:  # noqa: N801
    """Within the block, pipes whose order is not fixed cannot be made."""

    def __init__(self) -> None:
        self._before = _determinism[0]
        _determinism[0] = True

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        _determinism[0] = self._before


class non_deterministic:  # noqa: N801
    """Mark a class of pipes as having no fixed order, always or where a function says so."""

    def __init__(self, arg) -> None:
        self._decide = None
        self._cls = None
        if isinstance(arg, type):
            if not issubclass(arg, IterDataPipe):
                raise TypeError(
                    "Only `IterDataPipe` can be decorated with `non_deterministic`, but "
                    f"{arg.__name__} is found"
                )
            self._cls = arg
        elif callable(arg):
            self._decide = arg
        else:
            raise TypeError(f"{arg} can not be decorated by non_deterministic")

    def __call__(self, *args, **kwargs):
        if self._cls is not None:
            if _determinism[0]:
                raise TypeError(f"{self._cls.__name__} is non-deterministic")
            return self._cls(*args, **kwargs)
        cls, decide = args[0], self._decide

        def make(*given, **named):
            if _determinism[0] and decide(*given, **named):
                raise TypeError(f"{cls.__name__} is non-deterministic with the inputs")
            return cls(*given, **named)

        return make


_validates: list[bool] = [True]


class runtime_validation_disabled:  # noqa: N801
    """Within the block, `runtime_validation` checks nothing."""

    def __init__(self) -> None:
        self._before = _validates[0]
        _validates[0] = False

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc_info) -> None:
        _validates[0] = self._before


def _hints(function) -> dict:
    """Annotations that are plain classes, which can be checked."""
    from typing import get_type_hints

    hints = get_type_hints(function)
    return {name: hint for name, hint in hints.items() if isinstance(hint, type)}


def argument_validation(f):
    """Check arguments that are annotated with classes: TypeError for others."""

    @wraps(f)
    def checked(*args, **kwargs):
        from inspect import signature

        bound = signature(f).bind(*args, **kwargs)
        hints = _hints(f)
        for name, value in bound.arguments.items():
            if name in hints and not isinstance(value, hints[name]):
                raise TypeError(
                    f"Expected argument '{name}' as a {hints[name]}, but found {type(value)}"
                )
        return f(*args, **kwargs)

    return checked


def runtime_validation(f):
    """Check what an `__iter__` annotated with Iterator[kind] yields: RuntimeError for others."""

    @wraps(f)
    def checked(self):
        from typing import get_args, get_type_hints

        kinds = get_args(get_type_hints(f).get("return"))
        kind = kinds[0] if kinds and isinstance(kinds[0], type) else object
        for item in f(self):
            if _validates[0] and not isinstance(item, kind):
                raise RuntimeError(f"Expected an instance as subtype of {kind}, but found {item!r}")
            yield item

    return checked
