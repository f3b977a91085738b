"""Which overloads of PyTorch's operators a mode below the tape sees; `jit._schema` describes them.

An overload that is not here is one that PyTorch composes of these.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..jit._function_schema import Argument, FunctionSchema

_SEEN = """
_adaptive_avg_pool2d _adaptive_avg_pool3d _local_scalar_dense _log_softmax
_log_softmax_backward_data _scaled_dot_product_flash_attention_for_cpu _softmax
_softmax_backward_data _to_copy _unsafe_view abs acos acosh add.Tensor addbmm addcdiv addcmul
addmm addmv addr alias all all.dim amax amin aminmax angle any any.dim arange arange.start
arange.start_step argmax argmin as_strided asin asinh atan atan2 atanh avg_pool2d avg_pool3d
baddbmm bernoulli bernoulli_.float binary_cross_entropy binary_cross_entropy_with_logits
bitwise_and.Scalar bitwise_and.Tensor bitwise_not bitwise_or.Scalar bitwise_or.Tensor
bitwise_xor.Scalar bitwise_xor.Tensor bmm cat ceil celu clamp clamp.Tensor clamp_max clamp_min
clone constant_pad_nd convolution copy_ cos cosh cumprod cumsum detach diagonal digamma div.Tensor
div.Tensor_mode dot elu embedding empty.memory_format empty_like empty_strided eq.Scalar eq.Tensor
erf erfc erfinv exp exp2 expand expm1 exponential_ eye eye.m fill.Scalar fill.Tensor flip floor
floor_divide fmod.Scalar fmod.Tensor frac full full_like gather ge.Scalar ge.Tensor gelu
gelu_backward glu grid_sampler_2d gt.Scalar gt.Tensor hardshrink hardsigmoid hardswish hardtanh
huber_loss hypot i0 index.Tensor index_add index_copy index_fill.int_Scalar index_fill.int_Tensor
index_put index_select isfinite isinf isnan kthvalue le.Scalar le.Tensor leaky_relu lerp.Scalar
lerp.Tensor lgamma lift_fresh linalg_vector_norm linspace log log10 log1p log2 logical_and
logical_not logical_or logical_xor logspace logsumexp lt.Scalar lt.Tensor masked_fill.Scalar
masked_fill.Tensor masked_scatter masked_select max max.dim max_pool2d_with_indices
max_pool3d_with_indices maximum mean mean.dim median median.dim min min.dim minimum mish mm
mse_loss mul.Tensor multinomial mv nan_to_num native_batch_norm native_dropout native_group_norm
native_layer_norm ne.Scalar ne.Tensor neg new_empty new_empty_strided new_full new_ones new_zeros
nll_loss2d_forward nll_loss_forward nonzero normal_ ones ones_like permute pow.Scalar
pow.Tensor_Scalar pow.Tensor_Tensor prod prod.dim_int rand rand_like randint randint.low
randint_like randint_like.low_dtype randn randn_like randperm reciprocal relu remainder.Scalar
remainder.Tensor repeat roll round rsqrt rsub.Scalar rsub.Tensor scalar_tensor scatter.src
scatter.value scatter_add scatter_reduce.two select.int sgn sigmoid sigmoid_backward sign signbit
silu sin sinc sinh slice.Tensor smooth_l1_loss softplus softshrink sort sort.stable split.Tensor
split_with_sizes sqrt squeeze squeeze.dim squeeze.dims stack std.correction std_mean.correction
sub.Tensor sum sum.dim_IntList t take tan tanh tanh_backward threshold threshold_backward topk
transpose.int tril triu trunc unbind.int unfold uniform_ unsqueeze upsample_nearest2d.vec
var.correction var_mean.correction view view.dtype view_as_complex view_as_real where.Scalar
where.ScalarOther where.ScalarSelf where.self zero zeros zeros_like
"""
REQUIRED: Any = object()  # stands for the default of a parameter without one


@cache
def _table() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for whole in _SEEN.split():
        name, _, overload = whole.partition(".")
        found.setdefault(name, []).append(overload or "default")
    return found


def names() -> list[str]:
    """The operators that are seen."""
    return list(_table())


def overloads(name: str) -> list[str]:
    """The overloads that are seen, of an in-place name too; none of unknown names."""
    return _table().get(name) or _table().get(_functional(name), [])


def seen(name: str, overload: str) -> bool:
    """Whether it is an operator by itself, below the tape."""
    return overload in overloads(name)


@cache
def schema(name: str, overload: str) -> FunctionSchema | None:
    """The description of an overload, seen or not; None of unknown ones."""
    from ..jit._schema import schemas_of

    wanted = "" if overload == "default" else overload
    return next((s for s in schemas_of(f"aten::{name}") if s.overload_name == wanted), None)


def _functional(name: str) -> str:
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def default_of(argument: Argument) -> Any:
    """The default of a parameter; REQUIRED where there is none."""
    return argument.default_value if argument.has_default_value() else REQUIRED


def kind_of(argument: Argument) -> str:
    """What a parameter takes: "Tensor?", "int[2]"."""
    kind = argument.real_type.str().replace("SymInt", "int")
    return kind if argument.N is None else kind.replace("[]", f"[{argument.N}]")
