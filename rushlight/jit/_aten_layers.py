"""The forms in graphs of layers, losses, linear algebra and transforms (see _aten_table)."""

from __future__ import annotations

TABLE = """
linear: (input, weight, bias)
conv1d: (input, weight, bias, stride:SymInt[1]=1, padding:SymInt[1]=0, dilation:SymInt[1]=1, \
groups=1) | padding(input, weight, bias, stride:SymInt[1]=1, padding:str="valid", \
dilation:SymInt[1]=1, groups=1)
conv2d: (input, weight, bias, stride:SymInt[2]=1, padding:SymInt[2]=0, dilation:SymInt[2]=1, \
groups=1) | padding(input, weight, bias, stride:SymInt[2]=1, padding:str="valid", \
dilation:SymInt[2]=1, groups=1)
conv3d: (input, weight, bias, stride:SymInt[3]=1, padding:SymInt[3]=0, dilation:SymInt[3]=1, \
groups=1) | padding(input, weight, bias, stride:SymInt[3]=1, padding:str="valid", \
dilation:SymInt[3]=1, groups=1)
conv_transpose1d: (input, weight, bias, stride:SymInt[1]=1, padding:SymInt[1]=0, \
output_padding:SymInt[1]=0, groups=1, dilation:SymInt[1]=1)
conv_transpose2d: input(input, weight, bias, stride:SymInt[2]=1, padding:SymInt[2]=0, \
output_padding:SymInt[2]=0, groups=1, dilation:SymInt[2]=1)
conv_transpose3d: input(input, weight, bias, stride:SymInt[3]=1, padding:SymInt[3]=0, \
output_padding:SymInt[3]=0, groups=1, dilation:SymInt[3]=1)
convolution: (input, weight, bias:Tensor?, stride, padding:SymInt[], dilation:SymInt[], \
transposed, output_padding:SymInt[], groups)
_convolution: (input, weight, bias:Tensor?, stride, padding:SymInt[], dilation:SymInt[], \
transposed, output_padding:SymInt[], groups, benchmark, deterministic, cudnn_enabled, \
allow_tf32) | deprecated(input, weight, bias:Tensor?, stride, padding:int[], dilation:int[], \
transposed, output_padding:int[], groups:int, benchmark, deterministic, cudnn_enabled)
batch_norm: (input, weight:Tensor?, bias:Tensor?, running_mean:Tensor?, running_var:Tensor?, \
training, momentum, eps, cudnn_enabled)
instance_norm: (input, weight:Tensor?, bias:Tensor?, running_mean:Tensor?, running_var:Tensor?, \
use_input_stats:bool, momentum, eps, cudnn_enabled)
layer_norm: (input, normalized_shape, weight:Tensor?=None, bias, eps=1e-05, cudnn_enable=True)
group_norm: (input, num_groups, weight:Tensor?=None, bias, eps=1e-05, cudnn_enabled=True)
rms_norm: (input, normalized_shape, weight:Tensor?=None, eps:float?=None)
dropout feature_dropout alpha_dropout feature_alpha_dropout: (input, p:float, train)
embedding: (weight, indices, padding_idx:SymInt=-1, scale_grad_by_freq=False, sparse=False)
embedding_bag: (weight, indices, offsets, scale_grad_by_freq=False, mode:int=0, sparse=False, \
per_sample_weights, include_last_offset=False) -> Tensor Tensor Tensor Tensor | \
padding_idx(weight, indices, offsets, scale_grad_by_freq, mode:int, sparse, \
per_sample_weights:Tensor?, include_last_offset, padding_idx:int?) -> Tensor Tensor Tensor \
Tensor
relu relu6 selu silu mish hardsigmoid hardswish sigmoid tanh log_sigmoid: (self)
gelu: (self, *, approximate="none")
elu: (self, alpha:Scalar=1, scale:Scalar=1, input_scale:Scalar=1)
celu: (self, alpha:Scalar=1)
threshold: (self, threshold, value:Scalar)
hardtanh: (self, min_val=-1, max_val=1)
leaky_relu: (self, negative_slope=0.01)
hardshrink softshrink: (self, lambd=0.5)
softplus: (self, beta=1, threshold=20)
prelu: (self, weight)
rrelu: (self, lower=0.125, upper:Scalar=0.33333333333333331, training=False, generator)
glu: (self, dim=-1)
softmax log_softmax: int(self, dim, dtype)
max_pool1d: (self, kernel_size:int[1], stride:int[1]=[], padding:int[1]=0, dilation:int[1]=1, \
ceil_mode=False)
max_pool2d: (self, kernel_size:int[2], stride:int[2]=[], padding:int[2]=0, dilation:int[2]=1, \
ceil_mode=False)
max_pool3d: (self, kernel_size:int[3], stride:int[3]=[], padding:int[3]=0, dilation:int[3]=1, \
ceil_mode=False)
max_pool1d_with_indices: (self, kernel_size:int[1], stride:int[1]=[], padding:int[1]=0, \
dilation:int[1]=1, ceil_mode=False) -> Tensor Tensor
max_pool2d_with_indices: (self, kernel_size:int[2], stride:int[2]=[], padding:int[2]=0, \
dilation:int[2]=1, ceil_mode=False) -> Tensor Tensor
max_pool3d_with_indices: (self, kernel_size:int[3], stride:int[3]=[], padding:int[3]=0, \
dilation:int[3]=1, ceil_mode=False) -> Tensor Tensor
avg_pool1d: (self, kernel_size:int[1], stride:int[1]=[], padding:int[1]=0, ceil_mode=False, \
count_include_pad=True)
avg_pool2d: (self, kernel_size:int[2], stride:int[2]=[], padding:int[2]=0, ceil_mode=False, \
count_include_pad=True, divisor_override)
avg_pool3d: (self, kernel_size:int[3], stride:int[3]=[], padding:int[3]=0, ceil_mode=False, \
count_include_pad=True, divisor_override)
adaptive_avg_pool1d: (self, output_size:int[1])
adaptive_avg_pool2d: (self, output_size:SymInt[2])
adaptive_avg_pool3d: (self, output_size:SymInt[3])
adaptive_max_pool1d: (self, output_size:int[1]) -> Tensor Tensor
adaptive_max_pool2d: (self, output_size:int[2]) -> Tensor Tensor
adaptive_max_pool3d: (self, output_size:int[3]) -> Tensor Tensor
fractional_max_pool2d: (self, kernel_size:int[2], output_size:int[2], random_samples) -> Tensor \
Tensor
fractional_max_pool3d: (self, kernel_size:int[3], output_size:int[3], random_samples) -> Tensor \
Tensor
max_unpool2d: (self, indices, output_size:SymInt[2])
max_unpool3d: (self, indices, output_size:SymInt[3], stride:int[3], padding:int[3])
pad: (self, pad, mode="constant", value:float?=None)
constant_pad_nd: (self, pad, value:Scalar=0)
reflection_pad1d replication_pad1d: (self, padding:SymInt[2])
reflection_pad2d replication_pad2d: (self, padding:SymInt[4])
reflection_pad3d replication_pad3d: (self, padding:SymInt[6])
im2col: (self, kernel_size:int[2], dilation:int[2], padding:int[2], stride:int[2])
col2im: (self, output_size:SymInt[2], kernel_size:int[2], dilation:int[2], padding:int[2], \
stride:int[2])
upsample_nearest1d: (self, output_size:SymInt[1], scales) | vec(input, output_size, \
scale_factors:float[]?)
upsample_nearest2d: (self, output_size:SymInt[2], scales_h, scales_w) | vec(input, output_size, \
scale_factors:float[]?)
upsample_nearest3d: (self, output_size:SymInt[3], scales_d, scales_h, scales_w) | vec(input, \
output_size, scale_factors:float[]?)
_upsample_nearest_exact1d: (self, output_size:SymInt[1], scales) | vec(input, output_size, \
scale_factors:float[]?)
_upsample_nearest_exact2d: (self, output_size:SymInt[2], scales_h, scales_w) | vec(input, \
output_size, scale_factors:float[]?)
_upsample_nearest_exact3d: (self, output_size:SymInt[3], scales_d, scales_h, scales_w) | \
vec(input, output_size, scale_factors:float[]?)
upsample_linear1d: (self, output_size:SymInt[1], align_corners, scales) | vec(input, \
output_size, align_corners, scale_factors:float[]?)
upsample_bilinear2d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa: (self, \
output_size:SymInt[2], align_corners, scales_h, scales_w) | vec(input, output_size, \
align_corners, scale_factors:float[]?)
upsample_trilinear3d: (self, output_size:SymInt[3], align_corners, scales_d, scales_h, scales_w) \
| vec(input, output_size, align_corners, scale_factors:float[]?)
grid_sampler grid_sampler_2d grid_sampler_3d: (input, grid, interpolation_mode, padding_mode, \
align_corners)
affine_grid_generator: (theta, size, align_corners)
pixel_shuffle: (self, upscale_factor)
pixel_unshuffle: (self, downscale_factor)
channel_shuffle: (self, groups)
one_hot: (self, num_classes=-1)
cosine_similarity: (x1, x2, dim=1, eps=1e-08)
pairwise_distance: (x1, x2, p:float=2, eps=1e-06, keepdim=False)
bilinear: (input1, input2, weight, bias)
scaled_dot_product_attention: (query, key, value, attn_mask, dropout_p=0., is_causal=False, *, \
scale:float?=None, enable_gqa=False)
rnn_relu rnn_tanh gru: input(input, hx:Tensor, params, has_biases, num_layers, dropout, train, \
bidirectional, batch_first) -> Tensor Tensor | data(data, batch_sizes, hx:Tensor, params, \
has_biases, num_layers, dropout, train, bidirectional) -> Tensor Tensor
lstm: input(input, hx:Tensor[], params, has_biases, num_layers, dropout, train, bidirectional, \
batch_first) -> Tensor Tensor Tensor | data(data, batch_sizes, hx:Tensor[], params, has_biases, \
num_layers, dropout, train, bidirectional) -> Tensor Tensor Tensor
lstm_cell: (input, hx:Tensor[], w_ih, w_hh, b_ih, b_hh) -> Tensor Tensor
gru_cell rnn_tanh_cell rnn_relu_cell: (input, hx:Tensor, w_ih, w_hh, b_ih, b_hh)
_pack_padded_sequence: (input, lengths:Tensor, batch_first) -> Tensor Tensor
_pad_packed_sequence: (data, batch_sizes, batch_first, padding_value:Scalar, total_length:int) \
-> Tensor Tensor

cross_entropy_loss: (self, target, weight:Tensor?=None, reduction=1, ignore_index=-100, \
label_smoothing=0.)
nll_loss nll_loss2d nll_loss_nd: (self, target, weight:Tensor?=None, reduction=1, \
ignore_index=-100)
binary_cross_entropy: (self, target, weight:Tensor?=None, reduction=1)
binary_cross_entropy_with_logits: (self, target, weight:Tensor?=None, pos_weight, reduction=1)
l1_loss mse_loss soft_margin_loss multilabel_margin_loss: (self, target, reduction=1)
smooth_l1_loss: (self, target, reduction=1, beta:float=1.)
huber_loss: (self, target, reduction=1, delta=1.)
kl_div: (self, target, reduction=1, *, log_target=False)
poisson_nll_loss: (input, target, log_input, full, eps, reduction)
multi_margin_loss: (self, target, p:Scalar=1, margin:Scalar=1, weight:Tensor?=None, reduction=1)
hinge_embedding_loss: (self, target, margin=1., reduction=1)
margin_ranking_loss cosine_embedding_loss: (input1, input2, target, margin=0., reduction=1)
triplet_margin_loss: (anchor, positive, negative, margin=1., p:float=2, eps=1e-06, swap=False, \
reduction=1)
ctc_loss: IntList(log_probs, targets, input_lengths:int[], target_lengths:int[], blank=0, \
reduction=1, zero_infinity=False) | Tensor(log_probs, targets, input_lengths:Tensor, \
target_lengths:Tensor, blank=0, reduction=1, zero_infinity=False)

mm bmm: (self, mat2) | dtype(self, mat2, out_dtype)
addmm: (self, mat1, mat2, *, beta, alpha) | dtype(self, mat1, mat2, out_dtype, *, beta, alpha)
baddbmm: (self, batch1, batch2, *, beta, alpha) | dtype(self, batch1, batch2, out_dtype, *, \
beta, alpha)
det inverse: (self)
orgqr: (self, input2)
linalg_norm: (self, ord:Scalar?=None, dim:int[1]?=None, keepdim=False, *, dtype) | ord_str(self, \
ord:str, dim:int[1]?=None, keepdim=False, *, dtype)
linalg_matrix_norm: (self, ord:Scalar, dim:int[]=[-2, -1], keepdim=False, *, dtype) | \
str_ord(self, ord:str="fro", dim:int[]=[-2, -1], keepdim=False, *, dtype)
linalg_vector_norm: (self, ord:Scalar=2, dim:int[1]?=None, keepdim=False, *, dtype)
linalg_cond: (self, p:Scalar?=None) | p_str(self, p:str)
linalg_pinv: (self, rcond, hermitian=False) | atol_rtol_float(self, *, atol, rtol, \
hermitian=False) | atol_rtol_tensor(self, *, atol:Tensor?=None, rtol:Tensor?=None, \
hermitian=False) | rcond_tensor(self, rcond:Tensor, hermitian=False)
linalg_matrix_rank: (self, tol, hermitian=False) | tol_tensor(input, tol:Tensor, \
hermitian=False) | atol_rtol_tensor(input, *, atol:Tensor?=None, rtol:Tensor?=None, \
hermitian=False) | atol_rtol_float(self, *, atol, rtol, hermitian=False)
linalg_solve_triangular: (self, B, *, upper, left=True, unitriangular=False)
linalg_eig: (self) -> eigenvalues eigenvectors
linalg_eigh: (self, UPLO="L") -> eigenvalues eigenvectors
linalg_qr: (A, mode="reduced") -> Q R
linalg_svd: (A, full_matrices=True, *, driver) -> U S Vh
linalg_slogdet: (A) -> sign logabsdet
slogdet: (self) -> sign logabsdet
svd: (self, some=True, compute_uv=True) -> U S V
qr: (self, some=True) -> Q R
stft: (self, n_fft, hop_length, win_length, window, normalized=False, onesided, return_complex, \
align_to_window) | center(self, n_fft, hop_length, win_length, window, center=True, \
pad_mode="reflect", normalized=False, onesided, return_complex, align_to_window)
fake_quantize_per_tensor_affine: (self, scale:float, zero_point:int, quant_min, quant_max) | \
tensor_qparams(self, scale, zero_point, quant_min, quant_max)
polygamma special_polygamma: (n:int, self)
_weight_norm: (v:Tensor, g:Tensor, dim=0)
"""
