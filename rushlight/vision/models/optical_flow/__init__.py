# ruff: noqa: F403
"""Models that find how pixels move between two images."""

from .raft import *
