"""Operators with several forms, or whose form in graphs is not that of the Python function.

One line gives the forms of one or more names: `overload(parameter:type=default, ...) -> results`.
A parameter without a type has the one that `PARAMETERS` gives its name; a form without results
gives a Tensor. `opts` stands for dtype, layout, device and pin_memory. Everything that is not here
is read from the signature of the function itself.
"""

from __future__ import annotations

# What a parameter is, and its default where it nearly always has one.
PARAMETERS = {
    name: said.strip()
    for said, names in (
        line.split(" : ")
        for line in """
Tensor : self other input weight x y tensor target mask index indices values src mat1 mat2 batch1
Tensor : batch2 vec vec1 vec2 source grid end A B tensor1 tensor2 q noise offsets mat exponent
Tensor : input1 input2 x1 x2 anchor positive negative log_probs targets condition query key value
Tensor : LU_data LU_pivots LD pivots tau real imag abs angle boundaries sorted_sequence elements
Tensor : test_elements crow_indices col_indices ccol_indices row_indices start a b theta prob
Tensor : compressed_indices plain_indices data batch_sizes w_ih w_hh qtensor mask the_template
Tensor : fake_quant_on observer_on scale zero_point random_samples gate repeats mean std n LU
Tensor[] : tensors matrices params sequences
Tensor?[] : indices_
Tensor?=None : bias running_mean running_var weight_ sorter window b_ih b_hh pos_weight weights
Tensor?=None : per_sample_weights attn_mask fweights aweights prepend append lengths
Scalar : p fill_value threshold value_ negative_slope lambd min_val max_val spacing lower upper_
Scalar=1 : alpha beta
Scalar?=None : min max correction initial
float : eps margin momentum delta dropout rcond lower_ tol dropout_p padding_value label_smoothing
float : timeout max_norm norm_type d base
float?=None : scales scales_h scales_w scales_d rtol atol nan posinf neginf
float[]?=None : range scale_factors
int : dim0 dim1 dim2 dim steps num_layers n_bins chunks sections dimension window_length axis0 axis1
int : destination_ groups_ k decimals r num_classes reduction n_fft bins axis blank num_groups
int : diagonal offset start_dim end_dim edge_order quant_min quant_max upscale_factor
int : downscale_factor split_size_ row col sparse_dim_ bit_width numel interpolation_mode
int : padding_mode i compute_mode_ group ch_axis divisor
int?=None : dense_dim hop_length win_length divisor_override compute_mode seed
SymInt : length ignore_index split_size groups minlength high low num_samples
SymInt? : storage_offset
SymInt[] : size stride split_sizes pad normalized_shape sizes shape
SymInt[]? : output_size
int[] : dims kernel_size dilation padding dims_self dims_other physical_layout
bool : keepdim training train descending unbiased upper left hermitian sorted accumulate sparse
bool : has_biases bidirectional batch_first full align_corners ceil_mode count_include_pad
bool : return_inverse return_counts largest replacement log_input log_target swap is_causal
bool : non_blocking copy requires_grad scale_grad_by_freq include_last_offset zero_infinity
bool : full_matrices unitriangular transpose pivot equal_nan out_int32 right normalized center
bool : check_errors compute_uv adjoint unpack_data unpack_pivots density increasing periodic
bool : cudnn_enabled enable_gqa assume_unique invert include_self sparse_grad some transposed
bool : return_complex_ cudnn_enable benchmark deterministic allow_tf32 reverse with_replacement
bool?=None : pin_memory align_to_window onesided return_complex is_coalesced shared masked_grad
str : reduce equation interpolation indexing approximate UPLO pad_mode mode filename
str?=None : norm rounding_mode driver side
ScalarType?=None : dtype
ScalarType : out_dtype
Layout?=None : layout
Device?=None : device
MemoryFormat?=None : memory_format
Generator?=None : generator
""".strip().splitlines()
    )
    for name in names.split()
}

TABLE = """
add sub subtract rsub: Tensor(self, other, *, alpha) | Scalar(self, other:Scalar, alpha)
mul multiply eq ne lt le gt ge less less_equal greater greater_equal not_equal fmod copysign \
true_divide: Tensor(self, other) | Scalar(self, other:Scalar)
div divide: Tensor(self, other) | Scalar(self, other:Scalar) | Tensor_mode(self, other, *, \
rounding_mode:str?) | Scalar_mode(self, other:Scalar, *, rounding_mode:str?)
floor_divide: (self, other) | Scalar(self, other:Scalar)
remainder bitwise_and bitwise_or bitwise_xor: Tensor(self, other) | Scalar(self, other:Scalar) | \
Scalar_Tensor(self:Scalar, other)
bitwise_left_shift bitwise_right_shift: Tensor(self, other) | Tensor_Scalar(self, other:Scalar) \
| Scalar_Tensor(self:Scalar, other)
__and__ __or__ __xor__ __lshift__ __rshift__ __iand__ __ior__ __ixor__ __ilshift__ __irshift__: \
Scalar(self, other:Scalar) | Tensor(self, other)
pow: Tensor_Tensor(self, exponent) | Tensor_Scalar(self, exponent:Scalar) | Scalar(self:Scalar, \
exponent)
float_power: Tensor_Tensor(self, exponent) | Tensor_Scalar(self, exponent:Scalar) | \
Scalar(self:Scalar, exponent)
xlogy: Tensor(self, other) | Scalar_Other(self, other:Scalar) | Scalar_Self(self:Scalar, other)
special_xlogy special_xlog1py special_zeta: (self, other) | other_scalar(self, other:Scalar) | \
self_scalar(self:Scalar, other)
special_chebyshev_polynomial_t special_chebyshev_polynomial_u special_chebyshev_polynomial_v \
special_chebyshev_polynomial_w special_shifted_chebyshev_polynomial_t \
special_shifted_chebyshev_polynomial_u special_shifted_chebyshev_polynomial_v \
special_shifted_chebyshev_polynomial_w special_hermite_polynomial_h \
special_hermite_polynomial_he special_laguerre_polynomial_l special_legendre_polynomial_p: (x, \
n) | x_scalar(x:Scalar, n) | n_scalar(x, n:Scalar)
special_airy_ai special_spherical_bessel_j0 special_scaled_modified_bessel_k0 \
special_scaled_modified_bessel_k1: (x)
lerp: Scalar(self, end, weight:Scalar) | Tensor(self, end, weight)
clamp clip: (self, min, max) | Tensor(self, min:Tensor?=None, max:Tensor?=None)
clamp_max: (self, max:Scalar) | Tensor(self, max:Tensor)
clamp_min: (self, min:Scalar) | Tensor(self, min:Tensor)
where: self(condition, self, other) | ScalarOther(condition, self, other:Scalar) | \
ScalarSelf(condition, self:Scalar, other) | Scalar(condition, self:Scalar, other:Scalar) | \
(condition) -> Tensor[]
isin: Tensor_Tensor(elements, test_elements, *, assume_unique=False, invert=False) | \
Tensor_Scalar(elements, test_element:Scalar, *, assume_unique=False, invert=False) | \
Scalar_Tensor(element:Scalar, test_elements, *, assume_unique=False, invert=False)
masked_fill: Scalar(self, mask, value:Scalar) | Tensor(self, mask, value)
fill: Scalar(self, value:Scalar) | Tensor(self, value)
index_fill: int_Tensor(self, dim, index, value) | int_Scalar(self, dim, index, value:Scalar)
scatter: value(self, dim, index, value:Scalar) | src(self, dim, index, src) | reduce(self, dim, \
index, src, *, reduce) | value_reduce(self, dim, index, value:Scalar, *, reduce)
index: Tensor(self, indices:Tensor?[]) | Tensor_hacked_twin(self, indices:Tensor[])
index_put: (self, indices:Tensor?[], values, accumulate=False) | hacked_twin(self, \
indices:Tensor[], values, accumulate=False)
round: (self) | decimals(self, *, decimals)
bucketize: Tensor(self, boundaries, *, out_int32=False, right=False) | Scalar(self:Scalar, \
boundaries, *, out_int32=False, right=False)
searchsorted: Tensor(sorted_sequence, self, *, out_int32=False, right=False, side, sorter) | \
Scalar(sorted_sequence, self:Scalar, *, out_int32=False, right=False, side, sorter)

sum: dim_IntList(self, dim:int[1]?, keepdim=False, *, dtype) | (self, *, dtype)
mean: (self, *, dtype) | dim(self, dim:int[1]?, keepdim=False, *, dtype)
nansum: (self, dim:int[1]?=None, keepdim=False, *, dtype)
prod: (self, *, dtype) | dim_int(self, dim, keepdim=False, *, dtype)
all any: (self) | dim(self, dim, keepdim=False) | dims(self, dim:int[]?=None, keepdim=False)
max min: other(self, other) | (self) | dim(self, dim, keepdim=False) -> values indices
median nanmedian: (self) | dim(self, dim, keepdim=False) -> values indices
amax amin: (self, dim:int[1]=[], keepdim=False)
aminmax: (self, *, dim:int?=None, keepdim=False) -> min max
argmax argmin: (self, dim:int?=None, keepdim=False)
std var: (self, unbiased=True) | dim(self, dim:int[1]?, unbiased=True, keepdim=False) | \
correction(self, dim:int[1]?=None, *, correction, keepdim=False)
std_mean var_mean: (self, unbiased=True) -> Tensor Tensor | dim(self, dim:int[1]?, \
unbiased=True, keepdim=False) -> Tensor Tensor | correction(self, dim:int[1]?=None, *, \
correction, keepdim=False) -> Tensor Tensor
norm: Scalar(self, p:Scalar=2) | ScalarOpt_dim(self, p:Scalar?, dim:int[1], keepdim=False) | \
ScalarOpt_dim_dtype(self, p:Scalar?, dim:int[1], keepdim:bool, *, dtype:ScalarType) | \
ScalarOpt_dtype(self, p:Scalar?, *, dtype:ScalarType)
nuclear_norm: (self, keepdim=False) | dim(self, dim:int[2], keepdim=False)
quantile nanquantile: (self, q, dim:int?=None, keepdim=False, *, interpolation="linear") | \
scalar(self, q:float, dim:int?=None, keepdim=False, *, interpolation="linear")
count_nonzero: (self, dim:int?=None) | dim_IntList(self, dim:int[])
cumulative_trapezoid trapezoid: x(y, x, *, dim=-1) | dx(y, *, dx:Scalar=1, dim=-1)
trapz: x(y, x, *, dim=-1) | dx(y, *, dx:float=1., dim=-1)
sort: (self, dim=-1, descending=False) -> values indices | stable(self, *, stable:bool?, dim=-1, \
descending=False) -> values indices
argsort: (self, dim=-1, descending=False) | stable(self, *, stable:bool, dim=-1, descending=False)
topk: (self, k:SymInt, dim=-1, largest=True, sorted=True) -> values indices
kthvalue: (self, k:SymInt, dim=-1, keepdim=False) -> values indices
mode: (self, dim=-1, keepdim=False) -> values indices
cummax cummin: (self, dim) -> values indices
unique_consecutive: (self, return_inverse=False, return_counts=False, dim:int?=None) -> Tensor \
Tensor Tensor
_unique2: (self, sorted=True, return_inverse=False, return_counts=False) -> Tensor Tensor Tensor
unique_dim: (self, dim, sorted=True, return_inverse=False, return_counts=False) -> Tensor Tensor \
Tensor
histogram: bins_tensor(self, bins:Tensor, *, weight:Tensor?=None, density=False) -> hist \
bin_edges | bin_ct(self, bins=100, *, range, weight:Tensor?=None, density=False) -> hist \
bin_edges
nonzero: (self)
nonzero_numpy: (self) -> Tensor[]

view: (self/a, size) -> Tensor(a) | dtype(self/a, dtype:ScalarType) -> Tensor(a)
reshape: (self/a, shape) -> Tensor(a)
expand: (self/a, size, *, implicit:bool=False) -> Tensor(a)
permute: (self/a, dims) -> Tensor(a)
squeeze: (self/a) -> Tensor(a) | dim(self/a, dim) -> Tensor(a) | dims(self/a, dim:int[]) -> \
Tensor(a)
select: int(self/a, dim, index:SymInt) -> Tensor(a)
slice: Tensor(self/a, dim=0, start:SymInt?=None, end:SymInt?=None, step:SymInt=1) -> Tensor(a)
narrow: (self/a, dim, start:SymInt, length) -> Tensor(a) | Tensor(self/a, dim, start, length) -> \
Tensor(a)
transpose: int(self/a, dim0, dim1) -> Tensor(a)
swapdims: (self/a, dim0, dim1) -> Tensor(a)
unsqueeze: (self/a, dim) -> Tensor(a)
expand_as view_as reshape_as: (self/a, other) -> Tensor(a)
broadcast_to: (self/a, size) -> Tensor(a)
as_strided: (self/a, size, stride, storage_offset:SymInt?=None) -> Tensor(a)
swapaxes: (self/a, axis0, axis1) -> Tensor(a)
flatten: using_ints(self/a, start_dim=0, end_dim=-1) -> Tensor(a)
unflatten: int(self/a, dim, sizes) -> Tensor(a)
movedim: int(self/a, source:int, destination:int) -> Tensor(a) | intlist(self/a, source:int[], \
destination:int[]) -> Tensor(a)
moveaxis: intlist(self/a, source:int[], destination:int[]) -> Tensor(a) | int(self/a, \
source:int, destination:int) -> Tensor(a)
numpy_T mT mH matrix_H: (self/a) -> Tensor(a) | a(self/a) -> Tensor(a)
conj lift_fresh t adjoint detach real imag view_as_real view_as_complex alias: (self/a) -> \
Tensor(a)
diagonal: (self/a, offset=0, dim1=0, dim2=1) -> Tensor(a)
unfold: (self/a, dimension, size:int, step:int) -> Tensor(a)
split: Tensor(self/a -> *, split_size, dim=0) -> Tensor(a)[] | sizes(self/a -> *, \
split_size:SymInt[], dim=0) -> Tensor(a)[] | (self/a -> *, split_sizes:int[], dim=0) -> \
Tensor(a)[]
unbind: int(self/a -> *, dim=0) -> Tensor(a)[]
chunk: (self/a -> *, chunks, dim=0) -> Tensor(a)[]
split_with_sizes: (self/a -> *, split_sizes, dim=0) -> Tensor(a)[]
tensor_split: sections(self/a -> *, sections:SymInt, dim=0) -> Tensor(a)[] | indices(self/a -> \
*, indices:SymInt[], dim=0) -> Tensor(a)[] | tensor_indices_or_sections(self/a -> *, \
tensor_indices_or_sections:Tensor, dim=0) -> Tensor(a)[]
dsplit hsplit vsplit: int(self/a -> *, sections:int) -> Tensor(a)[] | array(self/a -> *, \
indices:int[]) -> Tensor(a)[]
unsafe_chunk: (self, chunks, dim=0) -> Tensor[]
unsafe_split: Tensor(self, split_size, dim=0) -> Tensor[]
unsafe_split_with_sizes: (self, split_sizes, dim=0) -> Tensor[]
to: device(self/a, device:Device, dtype:ScalarType, non_blocking=False, copy=False, \
memory_format) -> Tensor(a) | dtype(self/a, dtype:ScalarType, non_blocking=False, copy=False, \
memory_format) -> Tensor(a) | other(self/a, other, non_blocking=False, copy=False, \
memory_format) -> Tensor(a) | dtype_layout(self/a, *, opts, non_blocking=False, copy=False, \
memory_format) -> Tensor(a) | prim_Device(self/a, device:Device?, dtype:int?=None, \
non_blocking=False, copy=False) -> Tensor(b|a) | prim_dtype(self/a, dtype:int?=None, \
non_blocking=False, copy=False) -> Tensor(b|a) | prim_other(self/a, non_blocking=False, \
copy=False) -> Tensor(b|a)
type_as: (self, other)
contiguous: (self/a, *, memory_format:MemoryFormat=contiguous_format) -> Tensor(a)
is_contiguous: (self) -> bool | memory_format(self, memory_format:MemoryFormat) -> bool
size stride: int(self, dim) -> int | (self) -> int[]
dim get_device element_size storage_offset numel output_nr _version: (self) -> int
is_complex is_floating_point is_nonzero is_leaf is_same_size is_signed is_conj is_neg \
is_inference is_coalesced retains_grad is_distributed is_non_overlapping_and_dense: (self) -> \
bool
is_pinned: (self, device) -> bool
is_set_to: (self, tensor) -> bool
is_same_size: (self, other) -> bool
item: (self) -> Scalar
equal: (self, other) -> bool
allclose: (self, other, rtol:float=1e-05, atol:float=1e-08, equal_nan=False) -> bool
repeat_interleave: Tensor(repeats, *, output_size:SymInt?=None) | self_Tensor(self, repeats, \
dim:int?=None, *, output_size:SymInt?=None) | self_int(self, repeats:SymInt, dim:int?=None, *, \
output_size:SymInt?=None)
repeat: (self, repeats:SymInt[])
roll: (self, shifts:SymInt[1], dims:int[1]=[])
meshgrid: (tensors) -> Tensor[] | indexing(tensors, *, indexing) -> Tensor[]
broadcast_tensors: (tensors) -> Tensor[]
cartesian_prod block_diag: (tensors)
chain_matmul: (matrices)
atleast_1d atleast_2d atleast_3d: (self) | Sequence(tensors) -> Tensor[]
cat concat concatenate: (tensors, dim=0)
einsum: (equation, tensors, *, path:int[]?=None)
tensordot: (self, other, dims_self, dims_other)
gradient: scalarint(self, *, spacing:Scalar?=None, dim:int?=None, edge_order=1) -> Tensor[] | \
scalararray(self, *, spacing, dim:int[], edge_order=1) -> Tensor[] | array(self, *, dim:int[], \
edge_order=1) -> Tensor[] | scalarrayint(self, *, spacing:Scalar[], dim:int?=None, edge_order=1) \
-> Tensor[] | scalarrayarray(self, *, spacing:Scalar[], dim:int[], edge_order=1) -> Tensor[] | \
tensorarrayint(self, *, spacing:Tensor[], dim:int?=None, edge_order=1) -> Tensor[] | \
tensorarray(self, *, spacing:Tensor[], dim:int[], edge_order=1) -> Tensor[]

zeros ones: (size, *, opts)
empty: memory_format(size, *, opts, memory_format)
full: (size, fill_value, *, opts)
rand randn: (size, *, opts) | generator(size, *, generator:Generator?, opts)
randint: (high, size, *, dtype:ScalarType?=long, layout, device, pin_memory) | generator(high, \
size, *, generator:Generator?, dtype:ScalarType?=long, layout, device, pin_memory) | low(low, \
high, size, *, dtype:ScalarType?=long, layout, device, pin_memory) | low_generator(low, high, \
size, *, generator:Generator?, dtype:ScalarType?=long, layout, device, pin_memory)
randperm: (n:SymInt, *, dtype:ScalarType?=long, layout, device, pin_memory) | \
generator(n:SymInt, *, generator:Generator?, dtype:ScalarType?=long, layout, device, pin_memory)
zeros_like ones_like empty_like: (self, *, opts, memory_format)
rand_like randn_like: (self, *, opts, memory_format) | generator(self, *, generator:Generator?, \
opts, memory_format)
full_like: (self, fill_value, *, opts, memory_format)
randint_like: (self, high, *, opts, memory_format) | Tensor(self, high:Tensor, *, opts, \
memory_format) | low_dtype(self, low, high, *, opts, memory_format) | generator(self, high, *, \
generator:Generator?, opts, memory_format) | Tensor_generator(self, high:Tensor, *, \
generator:Generator?, opts, memory_format) | low_generator_dtype(self, low, high, *, \
generator:Generator?, opts, memory_format)
new_zeros new_ones new_empty: (self, size, *, opts)
new_full: (self, size, fill_value, *, opts)
new_empty_strided: (self, size, stride, *, opts)
empty_strided: (size, stride, *, opts)
empty_permuted: (size, physical_layout, *, opts)
arange: (end:Scalar, *, opts) | start(start:Scalar, end:Scalar, *, opts) | \
start_step(start:Scalar, end:Scalar, step:Scalar=1, *, opts)
range: step(start:Scalar, end:Scalar, step:Scalar=1, *, opts) | (start:Scalar, end:Scalar, *, \
opts)
linspace: Tensor_Tensor(start, end, steps, *, opts) | Tensor_Scalar(start, end:Scalar, steps, *, \
opts) | Scalar_Tensor(start:Scalar, end, steps, *, opts) | (start:Scalar, end:Scalar, steps, *, \
opts)
logspace: Tensor_Tensor(start, end, steps, base=10., *, opts) | Tensor_Scalar(start, end:Scalar, \
steps, base=10., *, opts) | Scalar_Tensor(start:Scalar, end, steps, base=10., *, opts) | \
(start:Scalar, end:Scalar, steps, base=10., *, opts)
eye: (n:SymInt, *, opts) | m(n:SymInt, m:SymInt, *, opts)
bartlett_window blackman_window hann_window: (window_length, *, opts) | periodic(window_length, \
periodic, *, opts)
hamming_window: (window_length, *, opts) | periodic(window_length, periodic, *, opts) | \
periodic_alpha(window_length, periodic, alpha:float, *, opts) | \
periodic_alpha_beta(window_length, periodic, alpha:float, beta:float, *, opts)
kaiser_window: (window_length, *, opts) | periodic(window_length, periodic, *, opts) | \
beta(window_length, periodic, beta:float, *, opts)
scalar_tensor: (s:Scalar, *, opts)
tril_indices triu_indices: (row, col, offset=0, *, dtype:ScalarType?=long, layout, device, \
pin_memory)
fft_fftfreq fft_rfftfreq: (n:int, d=1., *, opts)
tensor: bool(t:bool, *, dtype, device, requires_grad=False) | float(t:float, *, dtype, device, \
requires_grad=False) | int(t:int, *, dtype, device, requires_grad=False) | complex(t:complex, *, \
dtype, device, requires_grad=False) | (data:t[], *, dtype, device, requires_grad=False)
as_tensor: bool(t:bool, *, dtype, device) | float(t:float, *, dtype, device) | int(t:int, *, \
dtype, device) | complex(t:complex, *, dtype, device) | (data/a, *, dtype, device) -> \
Tensor(b|a) | list(data:t[], *, dtype, device)
bernoulli: (self, *, generator) | p(self, p:float, *, generator) | Tensor(self, p:Tensor, *, \
generator)
normal: Tensor_float(mean, std:float=1., *, generator) | float_Tensor(mean:float, std, *, \
generator) | Tensor_Tensor(mean, std, *, generator) | float_float(mean:float, std:float, size, \
*, generator, opts)
result_type: Tensor(tensor, other) -> ScalarType | Scalar(tensor, other:Scalar) -> ScalarType | \
Scalar_Tensor(scalar:Scalar, tensor) -> ScalarType | Scalar_Scalar(scalar1:Scalar, \
scalar2:Scalar) -> ScalarType
pin_memory: (self/a, device) -> Tensor(a)
data lift: (self)
chalf: (self, *, memory_format)
copy: (self, src, non_blocking=False)
uniform: (self, from:float=0., to:float=1., *, generator)
exponential: (self, lambd:float=1., *, generator)
cauchy: (self, median:float=0., sigma:float=1., *, generator)
log_normal: (self, mean:float=1., std:float=2., *, generator)
geometric: (self, p:float, *, generator)
squeeze_copy: (self) | dim(self, dim) | dims(self, dim:int[])
norm_except_dim: (v:Tensor, pow:int=2, dim=0)
hspmm: (mat1, mat2)
sspaddmm: (self, mat1, mat2, *, beta, alpha)
indices_copy values_copy crow_indices_copy col_indices_copy ccol_indices_copy row_indices_copy \
lift_fresh_copy: (self)
unsqueeze_copy: (self, dim)
t_copy detach_copy alias_copy: (self)
transpose_copy: int(self, dim0, dim1)
select_copy: int(self, dim, index:SymInt)
slice_copy: Tensor(self, dim=0, start:SymInt?=None, end:SymInt?=None, step:SymInt=1)
permute_copy: (self, dims)
diagonal_copy: (self, offset=0, dim1=0, dim2=1)
as_strided_copy: (self, size, stride, storage_offset:SymInt?=None)
unfold_copy: (self, dimension, size:int, step:int)
view_copy: (self, size) | dtype(self, dtype:ScalarType)
split_copy: Tensor(self, split_size, dim=0) -> Tensor[]
split_with_sizes_copy: (self, split_sizes, dim=0) -> Tensor[]
unbind_copy: int(self, dim=0) -> Tensor[]
uniform_: (self/a!, from:float=0., to:float=1., *, generator) -> Tensor(a!)
normal_: (self/a!, mean:float=0., std:float=1., *, generator) -> Tensor(a!)
exponential_: (self/a!, lambd:float=1., *, generator) -> Tensor(a!)
cauchy_: (self/a!, median:float=0., sigma:float=1., *, generator) -> Tensor(a!)
log_normal_: (self/a!, mean:float=1., std:float=2., *, generator) -> Tensor(a!)
geometric_: (self/a!, p:float, *, generator) -> Tensor(a!)
random_: from(self/a!, from:int, to:int?, *, generator) -> Tensor(a!) | to(self/a!, to:int, *, \
generator) -> Tensor(a!) | (self/a!, *, generator) -> Tensor(a!)
bernoulli_: Tensor(self/a!, p:Tensor, *, generator) -> Tensor(a!) | float(self/a!, p:float=0.5, \
*, generator) -> Tensor(a!)
zero_ detach_ t_: (self/a!) -> Tensor(a!)
transpose_ swapdims_: (self/a!, dim0, dim1) -> Tensor(a!)
resize_: (self/a!, size, *, memory_format) -> Tensor(a!)
resize_as_: (self/a!, the_template, *, memory_format) -> Tensor(a!)
fill_diagonal_: (self/a!, fill_value, wrap:bool=False) -> Tensor(a!)
set_: source_Storage(self/a!, source:Storage) -> Tensor(a!) | source_Tensor(self/a!, source) -> \
Tensor(a!) | (self/a!) -> Tensor(a!)
pow_ float_power_: Scalar(self/a!, exponent:Scalar) -> Tensor(a!) | Tensor(self/a!, exponent) -> \
Tensor(a!)
floor_divide_: Scalar(self/a!, other:Scalar) -> Tensor(a!) | Tensor(self/a!, other) -> Tensor(a!)
polygamma_: (self/a!, n:int) -> Tensor(a!)
copy_: (self/a!, src, non_blocking=False) -> Tensor(a!) | Tensor(self/a!, other) -> Tensor(a!) | \
int(self/a!, other:int) -> Tensor(a!) | float(self/a!, other:float) -> Tensor(a!)
multinomial: (self, num_samples, replacement=False, *, generator)
"""
