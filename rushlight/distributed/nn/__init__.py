"""Exchanges between processes that have gradients: their names, in a build without them."""

from .functional import *  # noqa: F403
