"""The forms of operators that only appear where calls are seen below the tape (see _aten_table)."""

from __future__ import annotations

TABLE = """
zero: (self)
_unsafe_view: (self, size)
_local_scalar_dense: (self) -> Scalar
_to_copy: (self, *, opts, non_blocking=False, memory_format)
_adaptive_avg_pool2d: (self, output_size:SymInt[2])
_adaptive_avg_pool3d: (self, output_size:SymInt[3])
_softmax _log_softmax: (self, dim:int, half_to_float:bool)
_softmax_backward_data _log_softmax_backward_data: (grad_output:Tensor, output:Tensor, dim:int, \
input_dtype:ScalarType)
sigmoid_backward tanh_backward: (grad_output:Tensor, output:Tensor)
threshold_backward: (grad_output:Tensor, self, threshold:Scalar)
gelu_backward: (grad_output:Tensor, self, *, approximate="none")
nll_loss_forward nll_loss2d_forward: (self, target, weight:Tensor?, reduction, \
ignore_index:SymInt) -> output total_weight
_scaled_dot_product_flash_attention_for_cpu: (query, key, value, dropout_p:float=0., \
is_causal=False, *, attn_mask:Tensor?=None, scale:float?=None) -> output logsumexp
"""
