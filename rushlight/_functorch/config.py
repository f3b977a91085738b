"""Settings of how torch.compile splits a graph, which programs set: without effect here."""

from __future__ import annotations

import sys

from ..utils._config_module import install_config_module

activation_memory_budget = 1.0
donated_buffer = True
enable_autograd_cache = True
functionalize_rng_ops = False
recompute_views = False

install_config_module(sys.modules[__name__])
