"""Settings of torch.compile's front, which programs set: kept, and without effect here.

The values are PyTorch's own.
"""

from __future__ import annotations

import sys

from ..utils._config_module import install_config_module

accumulated_cache_size_limit = accumulated_recompile_limit = 256
allow_ignore_mark_dynamic = False
allow_rnn = False
assume_static_by_default = True
automatic_dynamic_shapes = True
cache_size_limit = recompile_limit = 8
capture_dynamic_output_shape_ops = False
capture_func_transforms = True
capture_scalar_outputs = False
compiled_autograd = False
disable = False
dont_skip_tracing = False
dynamic_shapes = True
enable_cpp_guard_manager = True
error_on_recompile = False
fail_on_recompile_limit_hit = False
guard_nn_modules = True
inline_inbuilt_nn_modules = True
log_compilation_metrics = True
numpy_default_float = "float64"
optimize_ddp = True
replay_record_enabled = False
report_guard_failures = True
specialize_float = False
specialize_int = False
suppress_errors = False
trace_numpy = True
verbose = False
verify_correctness = False

install_config_module(sys.modules[__name__])
