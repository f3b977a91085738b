"""Settings of torch.compile's code generator, which programs set: kept, and without effect here.

The values are PyTorch's own.
"""

from __future__ import annotations

import os as _os
import sys as _sys

from ..utils._config_module import install_config_module as _install

aggressive_fusion = False
allow_buffer_reuse = True
autotune_in_subproc = False
benchmark_kernel = False
compile_threads = _os.cpu_count() or 1
conv_1x1_as_mm = False
coordinate_descent_tuning = False
cpp_wrapper = False
dce = False
debug = False
disable_cpp_codegen = False
epilogue_fusion = True
fallback_random = False
force_disable_caches = False
force_fuse_int_mm_with_mul = False
freezing = False
fx_graph_cache = True
fx_graph_remote_cache = None
graph_partition = True
group_fusion = False
inplace_buffers = True
layout_optimization = True
max_autotune = False
max_autotune_gemm = False
max_autotune_gemm_backends = "ATEN,TRITON,CPP"
max_autotune_pointwise = False
permute_fusion = False
search_autotune_cache = False
shape_padding = True
size_asserts = True
split_reductions = True
static_weight_shapes = True
unroll_reductions_threshold = 8
use_mixed_mm = True


class cpp:  # noqa: N801 (PyTorch spells it so)
    """Of code for processors."""

    threads = -1
    simdlen = None


class triton:  # noqa: N801 (PyTorch spells it so)
    """Of code for graphics processors."""

    cudagraphs = False
    cudagraph_support_input_mutation = True
    cudagraph_trees = True
    multi_kernel = 0
    unique_kernel_names = True


class trace:  # noqa: N801 (PyTorch spells it so)
    """Of what is written down while code is made."""

    enabled = False


_install(_sys.modules[__name__])
