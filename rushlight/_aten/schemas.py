"""What PyTorch's own operators take and return, for those that programs meet.

One line an overload: its name, then its parameters, `name:kind=default`, where a parameter without
a kind is a tensor and what follows `*` goes by keyword. `*made` stands for the keywords of what
makes tensors, `*format` for a memory format. What comes after `->` is returned: names of tensors,
how many tensors, or a kind; one tensor where nothing is said.
"""

from __future__ import annotations

from typing import Any, NamedTuple

# Of one tensor, with nothing more to say.
_UNARY = """
abs acos acosh alias all angle any asin asinh atan atanh bitwise_not ceil cos cosh detach
digamma erf erfc erfinv exp exp2 expm1 floor frac hardsigmoid hardswish i0 isfinite isinf isnan
lgamma lift_fresh log log10 log1p log2 logical_not max median min mish neg nonzero reciprocal
relu round rsqrt sgn sigmoid sign signbit silu sin sinc sinh sqrt squeeze t tan tanh trunc
view_as_complex view_as_real zero
"""
_TABLE = """
_adaptive_avg_pool2d self output_size:int[2]
_adaptive_avg_pool3d self output_size:int[3]
_local_scalar_dense self -> Scalar
_log_softmax self dim:int half_to_float:bool
_log_softmax_backward_data grad_output output dim:int input_dtype:ScalarType
_scaled_dot_product_flash_attention_for_cpu query key value dropout_p:float=0.
  is_causal:bool=False * attn_mask:?=None scale:float?=None -> output logsumexp
_softmax self dim:int half_to_float:bool
_softmax_backward_data grad_output output dim:int input_dtype:ScalarType
_to_copy self *made non_blocking:bool=False *format
_unsafe_view self size:int[]
add.Tensor self other * alpha:Scalar=1
addbmm self batch1 batch2 * beta:Scalar=1 alpha:Scalar=1
addcdiv self tensor1 tensor2 * value:Scalar=1
addcmul self tensor1 tensor2 * value:Scalar=1
addmm self mat1 mat2 * beta:Scalar=1 alpha:Scalar=1
addmv self mat vec * beta:Scalar=1 alpha:Scalar=1
addr self vec1 vec2 * beta:Scalar=1 alpha:Scalar=1
all.dim self dim:int keepdim:bool=False
amax self dim:int[1]=[] keepdim:bool=False
amin self dim:int[1]=[] keepdim:bool=False
aminmax self * dim:int?=None keepdim:bool=False -> min max
any.dim self dim:int keepdim:bool=False
arange end:Scalar *made
arange.start start:Scalar end:Scalar *made
arange.start_step start:Scalar end:Scalar step:Scalar=1 *made
argmax self dim:int?=None keepdim:bool=False
argmin self dim:int?=None keepdim:bool=False
as_strided self size:int[] stride:int[] storage_offset:int?=None
atan2 self other
avg_pool2d self kernel_size:int[2] stride:int[2]=[] padding:int[2]=0 ceil_mode:bool=False
  count_include_pad:bool=True divisor_override:int?=None
avg_pool3d self kernel_size:int[3] stride:int[3]=[] padding:int[3]=0 ceil_mode:bool=False
  count_include_pad:bool=True divisor_override:int?=None
baddbmm self batch1 batch2 * beta:Scalar=1 alpha:Scalar=1
bernoulli self * generator:Generator?=None
bernoulli_.float self p:float=0.5 * generator:Generator?=None
binary_cross_entropy self target weight:?=None reduction:int=1
binary_cross_entropy_with_logits self target weight:?=None pos_weight:?=None reduction:int=1
bitwise_and.Scalar self other:Scalar
bitwise_and.Tensor self other
bitwise_or.Scalar self other:Scalar
bitwise_or.Tensor self other
bitwise_xor.Scalar self other:Scalar
bitwise_xor.Tensor self other
bmm self mat2
cat tensors:[] dim:int=0
celu self alpha:Scalar=1.
clamp self min:Scalar?=None max:Scalar?=None
clamp.Tensor self min:?=None max:?=None
clamp_max self max:Scalar
clamp_min self min:Scalar
clone self * *format
constant_pad_nd self pad:int[] value:Scalar=0
convolution input weight bias:? stride:int[] padding:int[] dilation:int[] transposed:bool
  output_padding:int[] groups:int
copy_ self src non_blocking:bool=False
cumprod self dim:int * dtype:ScalarType?=None
cumsum self dim:int * dtype:ScalarType?=None
diagonal self offset:int=0 dim1:int=0 dim2:int=1
div.Tensor self other
div.Tensor_mode self other * rounding_mode:str?
dot self tensor
elu self alpha:Scalar=1 scale:Scalar=1 input_scale:Scalar=1
embedding weight indices padding_idx:int=-1 scale_grad_by_freq:bool=False sparse:bool=False
empty.memory_format size:int[] *made *format
empty_like self *made *format
empty_strided size:int[] stride:int[] *made
eq.Scalar self other:Scalar
eq.Tensor self other
expand self size:int[] * implicit:bool=False
exponential_ self lambd:float=1. * generator:Generator?=None
eye n:int *made
eye.m n:int m:int *made
fill.Scalar self value:Scalar
fill.Tensor self value
flip self dims:int[]
floor_divide self other
fmod.Scalar self other:Scalar
fmod.Tensor self other
full size:int[] fill_value:Scalar *made
full_like self fill_value:Scalar *made *format
gather self dim:int index * sparse_grad:bool=False
ge.Scalar self other:Scalar
ge.Tensor self other
gelu self * approximate:str="none"
gelu_backward grad_output self * approximate:str="none"
glu self dim:int=-1
grid_sampler_2d input grid interpolation_mode:int padding_mode:int align_corners:bool
gt.Scalar self other:Scalar
gt.Tensor self other
hardshrink self lambd:Scalar=0.5
hardtanh self min_val:Scalar=-1 max_val:Scalar=1
huber_loss self target reduction:int=1 delta:float=1.
hypot self other
index.Tensor self indices:?[]
index_add self dim:int index source * alpha:Scalar=1
index_copy self dim:int index source
index_fill.int_Scalar self dim:int index value:Scalar
index_fill.int_Tensor self dim:int index value
index_put self indices:?[] values accumulate:bool=False
index_select self dim:int index
kthvalue self k:int dim:int=-1 keepdim:bool=False -> values indices
le.Scalar self other:Scalar
le.Tensor self other
leaky_relu self negative_slope:Scalar=0.01
lerp.Scalar self end weight:Scalar
lerp.Tensor self end weight
linalg_vector_norm self ord:Scalar=2 dim:int[1]?=None keepdim:bool=False *
  dtype:ScalarType?=None
linspace start:Scalar end:Scalar steps:int *made
logical_and self other
logical_or self other
logical_xor self other
logspace start:Scalar end:Scalar steps:int base:float=10. *made
logsumexp self dim:int[1] keepdim:bool=False
lt.Scalar self other:Scalar
lt.Tensor self other
masked_fill.Scalar self mask value:Scalar
masked_fill.Tensor self mask value
masked_scatter self mask source
masked_select self mask
max.dim self dim:int keepdim:bool=False -> values indices
max_pool2d_with_indices self kernel_size:int[2] stride:int[2]=[] padding:int[2]=0
  dilation:int[2]=1 ceil_mode:bool=False -> 2
max_pool3d_with_indices self kernel_size:int[3] stride:int[3]=[] padding:int[3]=0
  dilation:int[3]=1 ceil_mode:bool=False -> 2
maximum self other
mean self * dtype:ScalarType?=None
mean.dim self dim:int[1]? keepdim:bool=False * dtype:ScalarType?=None
median.dim self dim:int keepdim:bool=False -> values indices
min.dim self dim:int keepdim:bool=False -> values indices
minimum self other
mm self mat2
mse_loss self target reduction:int=1
mul.Tensor self other
multinomial self num_samples:int replacement:bool=False * generator:Generator?=None
mv self vec
nan_to_num self nan:float?=None posinf:float?=None neginf:float?=None
native_batch_norm input weight:? bias:? running_mean:? running_var:? training:bool
  momentum:float eps:float -> 3
native_dropout input p:float train:bool? -> 2
native_group_norm input weight:? bias:? N:int C:int HxW:int group:int eps:float -> 3
native_layer_norm input normalized_shape:int[] weight:? bias:? eps:float -> 3
ne.Scalar self other:Scalar
ne.Tensor self other
new_empty self size:int[] *made
new_empty_strided self size:int[] stride:int[] *made
new_full self size:int[] fill_value:Scalar *made
new_ones self size:int[] *made
new_zeros self size:int[] *made
nll_loss2d_forward self target weight:? reduction:int ignore_index:int -> output total_weight
nll_loss_forward self target weight:? reduction:int ignore_index:int -> output total_weight
normal_ self mean:float=0. std:float=1. * generator:Generator?=None
ones size:int[] *made
ones_like self *made *format
permute self dims:int[]
pow.Scalar self:Scalar exponent
pow.Tensor_Scalar self exponent:Scalar
pow.Tensor_Tensor self exponent
prod self * dtype:ScalarType?=None
prod.dim_int self dim:int keepdim:bool=False * dtype:ScalarType?=None
rand size:int[] *made
rand_like self *made *format
randint high:int size:int[] *made
randint.low low:int high:int size:int[] *made
randint_like self high:int *made *format
randint_like.low_dtype self low:int high:int *made *format
randn size:int[] *made
randn_like self *made *format
randperm n:int *made
remainder.Scalar self other:Scalar
remainder.Tensor self other
repeat self repeats:int[]
roll self shifts:int[1] dims:int[1]=[]
rsub.Scalar self other:Scalar alpha:Scalar=1
rsub.Tensor self other * alpha:Scalar=1
scalar_tensor s:Scalar *made
scatter.src self dim:int index src
scatter.value self dim:int index value:Scalar
scatter_add self dim:int index src
scatter_reduce.two self dim:int index src reduce:str * include_self:bool=True
select.int self dim:int index:int
sigmoid_backward grad_output output
slice.Tensor self dim:int=0 start:int?=None end:int?=None step:int=1
smooth_l1_loss self target reduction:int=1 beta:float=1.
softplus self beta:Scalar=1 threshold:Scalar=20
softshrink self lambd:Scalar=0.5
sort self dim:int=-1 descending:bool=False -> values indices
sort.stable self * stable:bool? dim:int=-1 descending:bool=False -> values indices
split.Tensor self split_size:int dim:int=0 -> Tensor[]
split_with_sizes self split_sizes:int[] dim:int=0 -> Tensor[]
squeeze.dim self dim:int
squeeze.dims self dim:int[]
stack tensors:[] dim:int=0
std.correction self dim:int[1]?=None * correction:Scalar?=None keepdim:bool=False
std_mean.correction self dim:int[1]?=None * correction:Scalar?=None keepdim:bool=False -> 2
sub.Tensor self other * alpha:Scalar=1
sum self * dtype:ScalarType?=None
sum.dim_IntList self dim:int[1]? keepdim:bool=False * dtype:ScalarType?=None
take self index
tanh_backward grad_output output
threshold self threshold:Scalar value:Scalar
threshold_backward grad_output self threshold:Scalar
topk self k:int dim:int=-1 largest:bool=True sorted:bool=True -> values indices
transpose.int self dim0:int dim1:int
tril self diagonal:int=0
triu self diagonal:int=0
unbind.int self dim:int=0 -> Tensor[]
unfold self dimension:int size:int step:int
uniform_ self from:float=0. to:float=1. * generator:Generator?=None
unsqueeze self dim:int
upsample_nearest2d.vec input output_size:int[]? scale_factors:float[]?
var.correction self dim:int[1]?=None * correction:Scalar?=None keepdim:bool=False
var_mean.correction self dim:int[1]?=None * correction:Scalar?=None keepdim:bool=False -> 2
view self size:int[]
view.dtype self dtype:ScalarType
where.Scalar condition self:Scalar other:Scalar
where.ScalarOther condition self other:Scalar
where.ScalarSelf condition self:Scalar other
where.self condition self other
zeros size:int[] *made
zeros_like self *made *format
"""
_MADE = ("dtype:ScalarType?", "layout:Layout?", "device:Device?", "pin_memory:bool?")
# Those whose result shares the memory of their first argument.
VIEWS = frozenset(
    """alias as_strided detach diagonal expand permute select slice split split_with_sizes squeeze
    t transpose unbind unfold unsqueeze view view_as_complex view_as_real""".split()
)
REQUIRED: Any = object()  # marks a parameter without a default


class AliasInfo(NamedTuple):
    """Which memory an argument or a result shares, and whether it is written to."""

    before_set: frozenset
    is_write: bool


class Argument(NamedTuple):
    """A parameter or a result: `type` as PyTorch writes it, "Tensor?" or "int[]"."""

    name: str
    type: str
    default_value: Any
    kwarg_only: bool
    alias_info: AliasInfo | None

    @property
    def is_out(self) -> bool:
        """Whether it is given to be written to."""
        return self.kwarg_only and self.alias_info is not None

    def has_default_value(self) -> bool:
        """Whether a call may leave it out."""
        return self.default_value is not REQUIRED

    def __str__(self) -> str:
        kind = self.type
        if self.alias_info is not None:
            mark = "(a!)" if self.alias_info.is_write else "(a)"
            kind = kind.replace("Tensor", f"Tensor{mark}", 1)
        if self.default_value is REQUIRED:
            return f"{kind} {self.name}".rstrip()
        return f"{kind} {self.name}={self.default_value}"


class FunctionSchema(NamedTuple):
    """An overload of an operator: `torch.ops.aten.<name>.<overload>._schema`."""

    name: str
    overload_name: str
    arguments: tuple[Argument, ...]
    returns: tuple[Argument, ...]

    @property
    def is_mutable(self) -> bool:
        """Whether it writes to an argument."""
        return any(a.alias_info is not None and a.alias_info.is_write for a in self.arguments)

    def __str__(self) -> str:
        parts = [str(a) for a in self.arguments]
        first = next((i for i, a in enumerate(self.arguments) if a.kwarg_only), None)
        if first is not None:
            parts.insert(first, "*")
        returned = ", ".join(str(r) for r in self.returns)
        if len(self.returns) != 1:
            returned = f"({returned})"
        dot = "." if self.overload_name else ""
        return f"{self.name}{dot}{self.overload_name}({', '.join(parts)}) -> {returned}"


_lines: dict[str, dict[str, str]] = {}  # name: overload: the rest of its line
_read: dict[tuple[str, str], FunctionSchema] = {}


def _table() -> dict[str, dict[str, str]]:
    if not _lines:
        for name in _UNARY.split():
            _lines[name] = {"default": "self"}
        for line in _TABLE.strip().replace("\n  ", " ").splitlines():
            whole, _, rest = line.partition(" ")
            name, _, overload = whole.partition(".")
            _lines.setdefault(name, {})[overload or "default"] = rest
    return _lines


def names() -> list[str]:
    """The operators that are described here."""
    return list(_table())


def overloads(name: str) -> list[str]:
    """The overloads that are described here, of an in-place name too; none of unknown names."""
    return list(_table().get(name) or _table().get(_functional(name), ()))


def schema(name: str, overload: str) -> FunctionSchema | None:
    """The description of an overload; None of unknown ones."""
    key = name, overload
    if key not in _read:
        lines = _table()
        own = lines.get(name, {}).get(overload)
        line = own or lines.get(_functional(name), {}).get(overload)
        if line is None:
            return None
        _read[key] = _parse(name, overload, line, name.endswith("_"))
    return _read[key]


def _functional(name: str) -> str:
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _parse(name: str, overload: str, line: str, writes: bool) -> FunctionSchema:
    given, _, returned = line.partition(" -> ")
    shared = AliasInfo(frozenset({"alias::a"}), writes) if writes or name in VIEWS else None
    arguments: list[Argument] = []
    keywords = False
    for word in _spelt_out(given.split()):
        if word == "*":
            keywords = True
            continue
        front, equals, default = word.partition("=")
        parameter, _, kind = front.partition(":")
        kind = f"Tensor{kind}" if kind[:1] in ("", "?", "[") else kind
        value = _value(default, kind) if equals else REQUIRED
        arguments.append(Argument(parameter, kind, value, keywords, None if arguments else shared))
    words = returned.split()
    if returned.isdigit():
        kinds = [("", "Tensor")] * int(returned)
    elif words and words[0][0].isupper():
        kinds = [("", returned)]
    else:
        kinds = [(w, "Tensor") for w in words] or [("", "Tensor")]
    results = [Argument(n, kind, REQUIRED, False, shared) for n, kind in kinds]
    label = "" if overload == "default" else overload
    return FunctionSchema(f"aten::{name}", label, tuple(arguments), tuple(results))


def _spelt_out(words: list[str]) -> list[str]:
    spelt: list[str] = []
    for word in words:
        if word == "*made":
            spelt += ["*", *(f"{m}=None" for m in _MADE)]
        elif word == "*format":
            spelt += ["*", "memory_format:MemoryFormat?=None"]
        else:
            spelt.append(word)
    return spelt


def _value(text: str, kind: str) -> Any:
    if text in ("None", "True", "False"):
        return {"None": None, "True": True, "False": False}[text]
    if text == "[]":
        return []
    if text.startswith('"'):
        return text.strip('"')
    return float(text) if "." in text or kind.startswith("float") else int(text)
