# ruff: noqa: F403
"""Models that give every pixel a class."""

from .deeplabv3 import *
from .fcn import *
from .lraspp import *
