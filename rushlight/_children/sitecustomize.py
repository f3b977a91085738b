"""Runs first in the Python processes that a program under `python -m rushlight` starts.

They too find rushlight under the name `torch`, from the moment that they look for it.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))
_NAMES = {"torch", "torchvision", "torchsummary"}


class _Later:
    """Installs the alias when a module or a version of PyTorch is asked for, and passes it on."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.partition(".")[0] not in _NAMES:
            return None
        return self._finder().find_spec(fullname, path, target)

    def find_distributions(self, context=None):
        if getattr(context, "name", None) not in (None, *_NAMES):
            return iter(())
        return self._finder().find_distributions(context)

    def invalidate_caches(self):
        """Nothing is kept."""

    def _finder(self):
        sys.meta_path.remove(self)
        if PathFinder.find_spec("rushlight") is None:
            sys.path.append(os.path.dirname(os.path.dirname(_HERE)))
        from rushlight.alias import install

        install()
        return sys.meta_path[0]


def _run_the_other():
    """The `sitecustomize` that this one hides."""
    places = [p for p in sys.path if os.path.abspath(p or ".") != _HERE]
    spec = PathFinder.find_spec("sitecustomize", places)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(module_from_spec(spec))


sys.meta_path.insert(0, _Later())
_run_the_other()
