"""Modules whose attributes are checked settings, with a `flags` context that changes several."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType


def settings_module(name: str, *, changed=None, **settings) -> None:
    """Turn module `name` into one whose attributes `settings` may be set, to their default's type.

    A default is the initial value, or a pair of it and the types that are accepted. `changed` is
    called with the name and value of what is set, and may refuse it by raising.
    """
    notify = changed or (lambda key, value: None)
    values = {}
    accepted = {}
    for key, default in settings.items():
        values[key], accepted[key] = (
            default if isinstance(default, tuple) else (default, (type(default),))
        )

    class Settings(ModuleType):
        def __getattr__(self, key):
            if key in values:
                return values[key]
            raise AttributeError(f"module {name!r} has no attribute {key!r}")

        def __setattr__(self, key, value):
            if key not in values:
                super().__setattr__(key, value)
                return
            if type(value) not in accepted[key]:
                short = name.rpartition(".")[2]
                expected = accepted[key][0].__name__
                raise RuntimeError(
                    f"set_{key}_{short} expects a {expected}, but got {type(value).__name__}"
                )
            notify(key, value)
            values[key] = value

    module = sys.modules[name]

    @contextmanager
    def flags(**changed):
        """Change settings within a `with` block."""
        saved = dict(values)
        try:
            for key, value in changed.items():
                if key not in values:
                    raise TypeError(
                        f"flags: unknown setting {key!r}, expected one of {list(values)}"
                    )
                if value is not None:
                    setattr(module, key, value)
            yield
        finally:
            for key in [key for key in saved if saved[key] != values[key]]:
                notify(key, saved[key])
            values.update(saved)

    def set_flags(**changed):
        """Change settings; the old values, as a tuple."""
        saved = tuple([values[key] for key in changed])
        for key, value in changed.items():
            if value is not None:
                setattr(module, key, value)
        return saved

    module.flags = flags
    module.set_flags = set_flags
    module.__class__ = Settings
