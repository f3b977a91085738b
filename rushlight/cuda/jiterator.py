"""GPU kernels from C++ text, which need a build with CUDA."""

from __future__ import annotations

from ._refused import refusing

_create_jit_fn = refusing("_create_jit_fn", "A kernel with one output")
_create_multi_output_jit_fn = refusing(
    "_create_multi_output_jit_fn", "A kernel with several outputs"
)
