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
_convolution_mode: (input, weight, bias:Tensor?, stride, padding:str, dilation:SymInt[], groups)
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
celu: (self, alpha:Scalar=1.)
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
linalg_lu: (A, *, pivot=True) -> P L U
linalg_lu_factor: (A, *, pivot=True) -> LU pivots
linalg_lu_factor_ex: (A, *, pivot=True, check_errors=False) -> LU pivots info
linalg_ldl_factor: (self, *, hermitian=False) -> LD pivots
linalg_ldl_factor_ex: (self, *, hermitian=False, check_errors=False) -> LD pivots info
linalg_cholesky_ex: (self, *, upper=False, check_errors=False) -> L info
linalg_inv_ex: (A, *, check_errors=False) -> inverse info
linalg_solve_ex: (A, B, *, left=True, check_errors=False) -> result info
linalg_solve: (A, B, *, left=True)
linalg_det linalg_inv: (A)
linalg_svdvals: (A, *, driver)
linalg_lstsq: (self, b, rcond:float?=None, *, driver) -> solution residuals rank singular_values
linalg_householder_product: (input, tau)
linalg_matrix_power matrix_power: (self, n:int)
linalg_vander: (x, *, N:SymInt?=None)
linalg_vecdot: (x, y, *, dim=-1)
linalg_diagonal: (A/a, *, offset=0, dim1=-2, dim2=-1) -> Tensor(a)
triangular_solve: (self, A, upper=True, transpose=False, unitriangular=False) -> solution \
cloned_coefficient
lu_unpack: (LU_data, LU_pivots, unpack_data=True, unpack_pivots=True) -> P L U
geqrf: (self) -> a tau
frexp: Tensor(self) -> mantissa exponent
ldexp: Tensor(self, other)
vander: (x, N:int?=None, increasing=False)
diff: (self, n:int=1, dim=-1, prepend, append)
cdist: (x1, x2, p:float=2, compute_mode)
pdist: (self, p:float=2)
renorm: (self, p, dim, maxnorm:Scalar)
logsumexp special_logsumexp: (self, dim:int[1], keepdim=False)
special_softmax: (self, dim, dtype)
special_log_softmax: (self, dim, *, dtype)
mvlgamma special_multigammaln: (self, p:int)
addcmul addcdiv: (self, tensor1, tensor2, *, value:Scalar=1)
histc: (self, bins=100, min:Scalar=0, max:Scalar=0)
histogramdd: (self, bins:int[], range, weight:Tensor?=None, density=False) -> hist \
Tensor[]@bin_edges | int_bins(self, bins, range, weight:Tensor?=None, density=False) -> hist \
Tensor[]@bin_edges | TensorList_bins(self, bins:Tensor[], range, weight:Tensor?=None, \
density=False) -> hist Tensor[]@bin_edges
tril triu: (self, diagonal:SymInt=0)
tile: (self, dims:SymInt[])
nanmean: (self, dim:int[1]?=None, keepdim=False, *, dtype)
frobenius_norm: dim(self, dim:int[1], keepdim=False)
sum_to_size: (self, size)
isclose: (self, other, rtol:float=1e-05, atol:float=1e-08, equal_nan=False)
nonzero_static: (self, *, size:SymInt, fill_value:int=-1)
scatter_reduce: two(self, dim, index, src, reduce, *, include_self=True)
slice_scatter: (self, src, dim=0, start:SymInt?=None, end:SymInt?=None, step:SymInt=1)
select_scatter: (self, src, dim, index:SymInt)
narrow_copy: (self, dim, start:SymInt, length)
index_add: (self, dim, index, source, *, alpha=1)
conv_tbc: (self, weight, bias:Tensor, pad:int=0)
native_layer_norm: (input, normalized_shape, weight:Tensor?, bias:Tensor?, eps) -> Tensor Tensor \
Tensor
native_group_norm: (input, weight:Tensor?, bias:Tensor?, N:SymInt, C:SymInt, HxW:SymInt, group, \
eps) -> Tensor Tensor Tensor
native_batch_norm: (input, weight:Tensor?, bias:Tensor?, running_mean:Tensor?, \
running_var:Tensor?, training, momentum, eps) -> Tensor Tensor Tensor
native_dropout: (input, p:float, train:bool?) -> Tensor Tensor
fft_fft fft_ifft fft_rfft fft_irfft fft_hfft fft_ihfft: (self, n:SymInt?=None, dim=-1, norm)
fft_fft2 fft_ifft2 fft_rfft2 fft_irfft2 fft_hfft2 fft_ihfft2: (self, s:SymInt[1]?=None, \
dim:int[1]=[-2, -1], norm)
fft_fftn fft_ifftn fft_rfftn fft_irfftn fft_hfftn fft_ihfftn: (self, s:SymInt[1]?=None, \
dim:int[1]?=None, norm)
fft_fftshift fft_ifftshift: (self, dim:int[1]?=None)
istft: (self, n_fft, hop_length, win_length, window, center=True, normalized=False, onesided, \
length:int?=None, return_complex:bool=False)
to_dense: (self, dtype, *, masked_grad)
to_sparse: sparse_dim(self, sparse_dim:int) | (self, *, layout, blocksize:int[2]?=None, dense_dim)
to_sparse_csr to_sparse_csc: (self, dense_dim)
to_sparse_bsr to_sparse_bsc: (self, blocksize:int[2], dense_dim)
sparse_mask: (self, mask)
sparse_dim dense_dim: (self) -> int
coalesce values indices crow_indices col_indices ccol_indices row_indices resolve_conj \
resolve_neg positive ravel: (self/a) -> Tensor(a)
_sparse_mm: (sparse:Tensor, dense:Tensor) | reduce(sparse:Tensor, dense:Tensor, reduce:str)
sparse_csr_tensor: crow_col_value_size(crow_indices:Tensor, col_indices:Tensor, values:Tensor, \
size:int[], *, dtype, layout, device, pin_memory=False) | crow_col_value(crow_indices:Tensor, \
col_indices:Tensor, values:Tensor, *, dtype, layout, device, pin_memory=False)
sparse_csc_tensor: ccol_row_value_size(ccol_indices:Tensor, row_indices:Tensor, values:Tensor, \
size:int[], *, dtype, layout, device, pin_memory=False) | ccol_row_value(ccol_indices:Tensor, \
row_indices:Tensor, values:Tensor, *, dtype, layout, device, pin_memory=False)
sparse_coo_tensor: size(size:int[], *, dtype, layout, device, pin_memory=False) | \
indices(indices, values, *, opts, is_coalesced) | indices_size(indices, values, size:int[], *, \
opts, is_coalesced)
pad_sequence: (sequences, batch_first=False, padding_value=0., padding_side:str="right")
flatten_dense_tensors: (tensors)
unflatten_dense_tensors: (flat:Tensor, tensors) -> Tensor[]
smm: (self, mat2)
cov: (self, *, correction:int=1, fweights, aweights)
unique_dim_consecutive: (self, dim, return_inverse=False, return_counts=False) -> Tensor Tensor \
Tensor
native_norm: (self, p:Scalar=2) | ScalarOpt_dim_dtype(self, p:Scalar?, dim:int[1], keepdim:bool, \
dtype:ScalarType?)
embedding_renorm_: (self/a!, indices, max_norm, norm_type) -> Tensor(a!)
dropout_ feature_dropout_ alpha_dropout_ feature_alpha_dropout_: (self/a!, p:float, train) -> \
Tensor(a!)
gelu_: (self/a!, *, approximate="none") -> Tensor(a!)
ldexp_: (self/a!, other) -> Tensor(a!)
_weight_norm: (v:Tensor, g:Tensor, dim=0)
"""
