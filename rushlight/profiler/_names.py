"""What PyTorch's profiler calls the calls that the core records.

PyTorch runs some operators as several of its own, one inside the other; where ours is a single
call, the names of the outer ones are listed in front of it, so that a table of either library is
read in the same way.
"""

from __future__ import annotations

# Operators of ours: the names, from the outermost to the innermost, separated by spaces.
_OPERATORS = {
    "linear_addmm": "addmm",
    "linear_mm": "mm",
    "linear_view": "addmm",
    "linear_unsafe_view": "mm",
    "linear_row": "addmm",
    "matmul_batched": "bmm",
    "matmul_folded": "mm",
    "matmul_row": "mv",
    "conv1d": "conv1d convolution _convolution",
    "conv2d": "conv2d convolution _convolution mkldnn_convolution",
    "conv3d": "conv3d convolution _convolution",
    "conv_transpose1d": "conv_transpose1d convolution _convolution",
    "conv_transpose2d": "conv_transpose2d convolution _convolution",
    "conv_transpose3d": "conv_transpose3d convolution _convolution",
    "layer_norm": "layer_norm native_layer_norm",
    "group_norm": "group_norm native_group_norm",
    "batch_norm": "batch_norm _batch_norm_impl_index native_batch_norm",
    "softmax": "softmax _softmax",
    "log_softmax": "log_softmax _log_softmax",
    "softmax_backward": "_softmax_backward_data",
    "log_softmax_backward": "_log_softmax_backward_data",
    "layer_norm_backward": "native_layer_norm_backward",
    "group_norm_backward": "native_group_norm_backward",
    "batch_norm_backward": "native_batch_norm_backward",
    "cross_entropy": "cross_entropy_loss",
    "cross_entropy_2d": "cross_entropy_loss",
    "nll_loss": "nll_loss nll_loss_forward",
    "nll_loss_2d": "nll_loss2d nll_loss2d_forward",
    "sdpa_flash": "scaled_dot_product_attention _scaled_dot_product_flash_attention_for_cpu",
    "sdpa_flash_backward": "_scaled_dot_product_flash_attention_for_cpu_backward",
    "fused_dropout": "dropout native_dropout",
    "masked_dropout": "native_dropout_backward",
    "relu": "relu clamp_min",
    "max_pool2d": "max_pool2d max_pool2d_with_indices",
    "max_pool3d": "max_pool3d max_pool3d_with_indices",
    "gelu_tanh": "gelu",
    "gelu_tanh_backward": "gelu_backward",
    "prelu_elements": "_prelu_kernel",
    "prelu_backward": "_prelu_kernel_backward",
    "logsigmoid": "log_sigmoid",
    "gated": "glu",
    "div_trunc": "div",
    "div_floor": "div",
    "lerp_number": "lerp",
    "lerp_tensor": "lerp",
    "clamp_number": "clamp",
    "clamp_tensor": "clamp",
    "clamp_min_tensor": "clamp_min",
    "clamp_max_tensor": "clamp_max",
    "pow_scalar": "pow",
    "pow_tensor": "pow",
    "pow_base": "pow",
    "max_all": "max",
    "min_all": "min",
    "median_all": "median",
    "nanmedian_all": "nanmedian",
    "to_copy": "to _to_copy copy_",
    "huber": "huber_loss",
    "constant_pad": "constant_pad_nd",
    "select_by": "index_select",
    "round_decimals": "round",
    "scatter_src": "scatter",
    "scatter_value": "scatter",
    "scatter_old_reduce": "scatter",
    "lstm_layer": "lstm mkldnn_rnn_layer",
    "gru_layer": "gru",
    "rnn_layer": "rnn_tanh",
    "rnn_backward": "mkldnn_rnn_layer_backward",
    "lstm_step": "lstm_cell",
    "gru_step": "gru_cell",
    "tanh_step": "rnn_tanh_cell",
    "relu_step": "rnn_relu_cell",
    "bernoulli_tensor": "bernoulli",
    "bernoulli_sample": "bernoulli_",
    "normal_sample": "normal",
    "fft_c2c": "_fft_c2c",
    "fft_r2c": "_fft_r2c",
    "fft_c2r": "_fft_c2r",
    "ctc_loss_backward": "_ctc_loss_backward",
    "cdist_backward": "_cdist_backward",
    "adaptive_avg_pool2d_backward": "_adaptive_avg_pool2d_backward",
    "max_pool3d_backward": "max_pool3d_with_indices_backward",
    "csr_matmul": "_sparse_csr_mm",
    "lstsq": "linalg_lstsq",
    "solve_triangular": "linalg_solve_triangular",
}
for _name in (
    "i0e i1 i1e bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_k0 modified_bessel_k1 "
    "scaled_modified_bessel_k0 scaled_modified_bessel_k1 spherical_bessel_j0 airy_ai zeta ndtr "
    "log_ndtr ndtri erfcx entr xlog1py"
).split():
    _OPERATORS[_name] = "special_" + _name

# Composites of nn.functional that are operators in PyTorch too, under another name.
_COMPOSITES = {
    "cross_entropy": "cross_entropy_loss",
    "fold": "col2im",
    "unfold": "im2col",
    "grid_sample": "grid_sampler",
    "affine_grid": "affine_grid_generator",
    "max_unpool1d": "max_unpool2d",
    "interpolate": "",
    "upsample": "",
}
# Those that PyTorch writes in Python: what is shown is what they are made of.
_PYTHON = set(
    """
    softsign tanhshrink dropout1d dropout2d dropout3d adaptive_max_pool1d_with_indices
    adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices handle_torch_function
    multi_head_attention_forward linear_cross_entropy normalize softmin assert_int_or_pair
    upsample_bilinear upsample_nearest gaussian_nll_loss multilabel_soft_margin_loss
    triplet_margin_with_distance_loss fractional_max_pool2d_with_indices gumbel_softmax
    fractional_max_pool3d_with_indices local_response_norm lp_pool1d lp_pool2d lp_pool3d
    unravel_index unique _one_hot svd_lowrank pca_lowrank lobpcg new_tensor lu __ipow__
    """.split()
)
_NODES = {
    "AccumulateGrad": "torch::autograd::AccumulateGrad",
    "CopySlices": "torch::autograd::CopySlices",
}


def operator_names(name: str, inplace: bool) -> list[str]:
    """PyTorch's names of one of our operators, outermost first."""
    names = _OPERATORS.get(name, name).split()
    return ["aten::" + n + ("_" if inplace and not n.endswith("_") else "") for n in names]


def composite_names(function) -> list[str]:
    """PyTorch's name of a function made of operators, or none where it is Python there too."""
    name = function.__name__
    space = function.__module__.rpartition(".")[2]
    if name in _PYTHON:
        return []
    if space in ("linalg", "fft", "special"):
        name = f"{space}_{name}"
    elif space == "functional":
        name = _COMPOSITES.get(name, name)
    return ["aten::" + name] if name else []


def node_name(node_type: type) -> str:
    """PyTorch's name of a node of the graph."""
    name = node_type.__name__
    return _NODES.get(name, name)
