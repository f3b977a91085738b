"""Operators of the language itself: properties of tensors, assertions, printing, classes."""

from __future__ import annotations

TENSOR_FLAGS = (
    "is_cuda is_cpu is_xpu is_xla is_mtia is_maia is_ipu is_mps is_vulkan is_mkldnn is_meta "
    "is_quantized is_nested is_sparse is_sparse_csr requires_grad"
).split()

FORMS: dict[str, list[str]] = {
    f"prim::{name}": [f"prim::{name}(Tensor a) -> bool"] for name in TENSOR_FLAGS
}
for _text in """
prim::grad(Tensor a) -> Tensor(*)
prim::data(Tensor(a) a) -> Tensor(a)
prim::dtype(Tensor a) -> int
prim::device(Tensor a) -> Device
prim::layout(Tensor a) -> Layout
prim::itemsize(Tensor a) -> int
prim::nbytes(Tensor a) -> int
prim::name(Tensor a) -> str?
prim::index(Device self) -> int?
prim::type(Device self) -> str
prim::id(AnyClassType? x) -> int
prim::Print(...) -> ()
prim::RaiseException(str msg, str? cls=None) -> ()
prim::NumToTensor.Scalar(Scalar a) -> Tensor
prim::NumToTensor.bool(bool a) -> Tensor
prim::Uninitialized() -> Any
prim::unchecked_cast(t x) -> t
prim::unchecked_unwrap_optional(t(a)? optional) -> t(a)
prim::TupleIndex(Any tup, int i) -> Any
prim::TupleUnpack(Any tup) -> ...
prim::IfThenElse(bool cond, Any(a) x, Any(b) y) -> Any(b|a)
prim::EnumName(AnyEnumType enum) -> str
prim::EnumValue.int(AnyEnumType enum) -> int
prim::EnumValue.float(AnyEnumType enum) -> float
prim::EnumValue.str(AnyEnumType enum) -> str
prim::StringIndex(str string, int index) -> str
prim::ModuleContainerIndex.list(Any self, int ind) -> Any
prim::ModuleContainerIndex.dict(Any self, str ind) -> Any
prim::PythonOp(...) -> ...
prim::tolist(...) -> ...
prim::VarConcat(...) -> Tensor
prim::VarStack(...) -> Tensor
prim::TimePoint() -> int
prim::awaitable_nowait(t self) -> Await(t)
prim::awaitable_wait(Await(t) self) -> t
aten::_unwrap_optional(t(a)? optional) -> t(a)
aten::wait(Future(t) self) -> t
aten::warn(str message, int stacklevel=2) -> ()
aten::device(str a) -> Device
aten::device.with_index(str type, int index) -> Device
aten::manual_seed(int seed) -> ()
aten::manual_seed.generator(Generator(a!) self, int seed) -> Generator(a!)
aten::is_scripting() -> bool
aten::is_grad_enabled() -> bool
aten::set_grad_enabled(bool val) -> ()
aten::_get_tracing_state() -> bool
aten::has_torch_function(...) -> bool
aten::promote_types(ScalarType type1, ScalarType type2) -> ScalarType
aten::can_cast(ScalarType from_, ScalarType to) -> bool
aten::get_autocast_dtype(str device_type) -> ScalarType
aten::is_autocast_enabled() -> bool
aten::is_autocast_cpu_enabled() -> bool
aten::broadcast_shapes(int[] a, int[] b) -> int[]
aten::_infer_size(int[] a, int[] b) -> int[]
aten::_size_if_not_equal(int[] self_size, int[] other_size) -> int[]?
aten::save(t item, str filename) -> ()
aten::backward(Tensor self, Tensor? gradient=None, bool? retain_graph=None, \
bool create_graph=False) -> ()
aten::Generator(*, Device? device=None, int? seed=None) -> Generator
aten::initial_seed(Generator self) -> int
aten::seed(Generator(a!) self) -> int
aten::requires_grad_(Tensor(a!) self, bool requires_grad=True) -> Tensor(a!)
aten::cpu(Tensor(a) self) -> Tensor(b|a)
aten::cuda(Tensor(a) self) -> Tensor(b|a)
aten::retain_grad(Tensor(a!) self) -> ()
""".strip().splitlines():
    FORMS.setdefault(_text.partition("(")[0].partition(".")[0], []).append(_text)
