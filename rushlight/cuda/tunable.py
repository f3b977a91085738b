"""Choosing among GPU kernels by trying them, which needs a build with CUDA."""

from __future__ import annotations

from ._refused import refusing

enable = refusing("enable", "Switch tuned kernels on")
is_enabled = refusing("is_enabled", "Whether tuned kernels are on")
tuning_enable = refusing("tuning_enable", "Switch tuning on")
tuning_is_enabled = refusing("tuning_is_enabled", "Whether tuning is on")
get_results = refusing("get_results", "What tuning has found")
get_validators = refusing("get_validators", "What results are valid for")
get_filename = refusing("get_filename", "Where results are kept")
set_filename = refusing("set_filename", "Choose where results are kept")
read_file = refusing("read_file", "Read results")
write_file = refusing("write_file", "Write results")
