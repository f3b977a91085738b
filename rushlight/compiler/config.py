"""Settings of torch.compiler, which programs set: kept, and without effect here."""

from __future__ import annotations

import sys

from ..utils._config_module import install_config_module

cache_key_tag = ""
dynamic_sources = ""
force_disable_caches = False
job_id = None
unbacked_sources = ""

install_config_module(sys.modules[__name__])
