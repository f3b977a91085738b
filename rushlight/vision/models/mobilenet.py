# ruff: noqa: F403
"""MobileNets: the second and the third version."""

from .mobilenetv2 import *
from .mobilenetv2 import __all__ as _v2
from .mobilenetv3 import *
from .mobilenetv3 import __all__ as _v3

__all__ = _v2 + _v3
