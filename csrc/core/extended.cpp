// Operators on types that have no loops of their own: uint16 to uint64, complex32, float8, and the
// types that are only bytes.
//
// Three ways, tried in this order:
//   moved    the kernel only moves elements, and says so in the table `kMoves`
//   wider    the operands are brought into a wider type, and the results back (`kWider`)
//   refused  NotImplementedError, as in PyTorch
//
// uint64 has no wider type. Where the bits of a result do not depend on signs, int64 stands in;
// where only the order matters, int64 with the top bit turned.
#include <algorithm>
#include <array>
#include <cmath>

#include "convert.h"
#include "op.h"

namespace rl {
namespace {

constexpr uint8_t kNumbers = kUnsigned | kComplexHalf | kFloat8, kAll = kNumbers | kOpaque;

struct Moves {
  std::string_view kernel;
  uint8_t families;
};
constexpr Moves kMoves[] = {
    {"contiguous", kAll},
    {"clone", kAll},
    {"to_copy", kAll},
    {"copy", kAll},
    {"zero", kAll},
    {"fill", kAll},
    {"cat", kAll},
    {"stack", kAll},
    {"block_diag", kAll},
    {"constant_pad", kNumbers},
    {"flip", kAll},
    {"roll", kAll},
    {"repeat", kAll},
    {"index_select", kAll},
    {"diag_embed", kAll},
    {"where", kAll},
    {"embedding", kAll},
    {"select_backward", kAll},
    {"slice_backward", kAll},
    {"diagonal_backward", kAll},
    {"tril", kNumbers},
    {"triu", kNumbers},
    {"index", kNumbers},
    {"index_put", kNumbers},
    {"index_copy", kNumbers},
    {"index_fill", kNumbers},
    {"take", kNumbers},
    {"put", kNumbers},
    {"gather", kNumbers},
    {"scatter", kNumbers},
    {"scatter_value", kNumbers},
    {"masked_fill", kNumbers},
    {"masked_select", kNumbers},
    {"masked_scatter", kNumbers},
    {"random_fill", kUnsigned},
    {"uniform_fill", kComplexHalf},
    {"normal_fill", kComplexHalf},
};

// What operands are brought into.
enum class Into : uint8_t { Signed, Ordered, Bool };
struct Wider {
  std::string_view kernel;
  uint8_t families;
  Into into;
  bool back;  // the first result gets the operands' type again
};
constexpr Wider kWider[] = {
    {"any", kNumbers, Into::Bool, false},
    {"all", kNumbers, Into::Bool, false},
    {"nonzero", kNumbers, Into::Bool, false},
    {"count_nonzero", kNumbers, Into::Bool, false},
    {"sum", kUnsigned, Into::Signed, false},
    {"prod", kUnsigned, Into::Signed, false},
    {"nansum", kUnsigned, Into::Signed, false},
    {"cumsum", kUnsigned, Into::Signed, false},
    {"cumprod", kUnsigned, Into::Signed, false},
    {"equal", kNumbers, Into::Signed, false},
    {"index_put", kFloat8, Into::Signed, true},
    {"index_add", kUnsigned, Into::Signed, true},
    {"scatter_add", kUnsigned, Into::Signed, true},
    {"mm", kFloat8, Into::Signed, true},
    {"matmul", kFloat8, Into::Signed, true},
    {"addmm", kFloat8, Into::Signed, true},
    {"linear_mm", kFloat8, Into::Signed, true},
    {"sort", kUnsigned, Into::Ordered, true},
    {"row_order", kUnsigned, Into::Ordered, false},
    {"topk", kUnsigned, Into::Ordered, true},
    {"kthvalue", kUnsigned, Into::Ordered, true},
    {"median_dim", kUnsigned, Into::Ordered, true},
    {"median_all", kUnsigned, Into::Ordered, true},
    {"unique_runs", kUnsigned, Into::Signed, true},
    {"cummax", kUnsigned, Into::Ordered, true},
    {"cummin", kUnsigned, Into::Ordered, true},
    {"max_dim", kUnsigned, Into::Ordered, true},
    {"min_dim", kUnsigned, Into::Ordered, true},
    {"max_all", kUnsigned, Into::Ordered, true},
    {"min_all", kUnsigned, Into::Ordered, true},
    {"amax", kUnsigned, Into::Ordered, true},
    {"amin", kUnsigned, Into::Ordered, true},
    {"argmax", kUnsigned, Into::Ordered, false},
    {"argmin", kUnsigned, Into::Ordered, false},
    {"searchsorted", kUnsigned, Into::Ordered, false},
};

// The dtype= argument of a reduction.
std::optional<DType> wanted_type(const OpSpec& s, const Call& call) {
  for (int i = 0; i < s.nparams; ++i)
    if (!PyUnicode_CompareWithASCIIString(s.params[i], "dtype")) return call.dtype(i);
  return std::nullopt;
}

// Null: refused. complex64 does all that is asked of complex32; where a reduction is told what to
// compute in (dtype=), that will do.
const Wider* wider_rule(const OpSpec& s, const Call& call, DType t) {
  static constexpr Wider as_told{"", kNumbers, Into::Signed, true};
  for (const Wider& w : kWider)
    if (w.kernel == s.name && (w.families & family_of(t))) return &w;
  const auto wanted = wanted_type(s, call);
  return t == DType::C32 || (wanted && !is_extended(*wanted)) ? &as_told : nullptr;
}

DType signed_type(DType t) {
  switch (t) {
    case DType::U16: return DType::I32;
    case DType::U32:
    case DType::U64: return DType::I64;
    case DType::C32: return DType::C64;
    default: return DType::F32;
  }
}

// Orders uint64 as int64: the top bit turned.
Array turn_top(const Array& a) {
  const Array y = a.clone();  // dense: strides do not matter to a pass over all elements
  if (y.is_meta()) return y;
  uint64_t* v = y.data<uint64_t>();
  for (int64_t i = 0; i < y.numel(); ++i) v[i] ^= uint64_t{1} << 63;
  return y;
}

Array widened(const Array& a, const Wider& rule, std::optional<DType> wanted) {
  if (rule.into == Into::Bool) return a.to(DType::Bool);
  if (wanted && !is_extended(*wanted)) return a.to(*wanted);
  const Array wide = a.to(signed_type(a.dtype()));
  return rule.into == Into::Ordered && a.dtype() == DType::U64 ? turn_top(wide) : wide;
}

Array narrowed(const Array& a, const Wider& rule, DType t) {
  const DType wide = signed_type(t);
  if (t == DType::C32)
    return a.dtype() == DType::F32 ? a.to(DType::F16) : a.dtype() == wide ? a.to(t) : a;
  if (a.dtype() != wide) return a;
  return rule.into == Into::Ordered && t == DType::U64 ? turn_top(a).to(t) : a.to(t);
}

void plain_kernel(const OpSpec& s, Call& call) {
  if (meta_call) [[unlikely]]
    infer_kernel(s, call);
  else
    s.kernel(call);
}

void run_wider(const OpSpec& s, Call& call, const Wider& rule, DType t) {
  const auto wanted = wanted_type(s, call);
  std::vector<Ref> held;
  const auto replaced = [&](PyObject* o) -> PyObject* {  // new reference
    if (!is_tensor(o) || array_of(o).dtype() != t) return Py_NewRef(o);
    return wrap(widened(array_of(o), rule, wanted));
  };
  std::array<PyObject*, kMaxParams> args;
  for (int i = 0; i < call.nargs; ++i) {
    PyObject* o = call.args[i];
    if (PyList_Check(o) || PyTuple_CheckExact(o)) {
      Ref list(checked(PySequence_List(o)));
      for (Py_ssize_t k = 0; k < PyList_GET_SIZE(list.p); ++k)
        PyList_SetItem(list, k, checked(replaced(PyList_GET_ITEM(list.p, k))));
      held.push_back(std::move(list));
    } else {
      held.emplace_back(checked(replaced(o)));
    }
    args[static_cast<size_t>(i)] = held.back();
  }
  Call inner(call.op, args.data(), call.nargs);
  plain_kernel(s, inner);
  const int n = inner.is_same() ? 0 : inner.result_count();
  for (int i = 0; i < n; ++i) {
    const bool back = rule.back && !wanted && (i == 0 || t == DType::C32);
    call.result(back ? narrowed(inner.output(i), rule, t) : std::move(inner.output(i)));
  }
}

bool has_tensor(PyObject* o, DType t) {
  if (is_tensor(o)) return array_of(o).dtype() == t;
  if (!PyList_Check(o) && !PyTuple_CheckExact(o)) return false;
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); ++k)
    if (has_tensor(PySequence_Fast_GET_ITEM(o, k), t)) return true;
  return false;
}

void check_fits(const ScalarValue& s, DType t) {
  if (is_float8(t)) return;
  bool fits = true;
  if (t == DType::C32) {
    const auto over = [](double v) { return std::abs(v) > 65504 && !std::isinf(v); };
    fits = !over(s.re) && !over(s.im);
  } else if (s.category == Category::Complex) {
    fits = s.im == 0;
  } else {
    fits = fits_unsigned(s, t);
  }
  if (!fits)
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
         t == DType::C32 ? "c10::complex<c10::Half>" : (std::string(dtype_name(t)) + "_t").c_str());
}

template <size_t n>
bool among(const std::string_view (&names)[n], std::string_view name) {
  return std::find(names, names + n, name) != names + n;
}

}  // namespace

// As PyTorch checks: a negative integer may wrap, nothing else.
bool fits_unsigned(const ScalarValue& s, DType t) {
  const double top = std::ldexp(1.0, 8 * itemsize(t));
  if (s.category >= Category::Real) return s.re < top && s.re > -1.0;
  return t == DType::U64 ||
         (s.re < top && s.re > -top);  // all that a ScalarValue holds fits 64 bits
}

Family family_of(DType t) {
  if (is_wide_unsigned(t)) return kUnsigned;
  if (t == DType::C32) return kComplexHalf;
  return is_float8(t) ? kFloat8 : kOpaque;
}

uint8_t moved_families(std::string_view kernel) {
  for (const Moves& m : kMoves)
    if (m.kernel == kernel) return m.families;
  return 0;
}

void run_kernel(const OpSpec& s, Call& call) {
  try {
    plain_kernel(s, call);
  } catch (const UnsupportedDType& e) {
    bool given = false;
    for (int i = 0; i < call.nargs; ++i) given = given || has_tensor(call.args[i], e.dtype);
    const Wider* rule = given && is_number(e.dtype) ? wider_rule(s, call, e.dtype) : nullptr;
    if (!rule) fail(ErrorType::NotImplemented, "\"%s\" %s", s.name.c_str(), e.message.c_str());
    run_wider(s, call, *rule, e.dtype);
  }
}

DType loop_type(const OpSpec& s, DType t) {
  static constexpr std::string_view modular[] = {
      "add",    "sub",      "rsub",        "mul",        "neg",          "eq",          "ne",
      "square", "positive", "bitwise_and", "bitwise_or", "bitwise_xor",  "bitwise_not", "floor",
      "ceil",   "round",    "trunc",       "nan_to_num", "conj_physical"};
  static constexpr std::string_view asked[] = {"isnan",    "isinf",   "isfinite", "isposinf",
                                               "isneginf", "signbit", "isreal",   "isclose"};
  static constexpr std::string_view float8[] = {
      "eq", "ne", "mul", "abs", "isnan", "isinf", "isfinite", "isreal", "isclose", "conj_physical"};
  const bool fits = t == DType::U64 ? among(modular, s.name) || among(asked, s.name)
                    : is_float8(t)  ? among(float8, s.name)
                                    : is_number(t);
  if (!fits)
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", s.name.c_str(),
         dtype_scalar_name(t));
  return t == DType::U64 && among(asked, s.name) ? DType::F64 : signed_type(t);
}

DType stored_result(DType wide, DType t) {
  if (t == DType::C32) return wide == DType::C64 ? t : wide == DType::F32 ? DType::F16 : wide;
  return wide == signed_type(t) ? t : wide;
}

void store_extended(PyObject* o, DType t, char* out) {
  ScalarValue s;
  if (!is_number(t))
    fail(ErrorType::NotImplemented, "\"fill_cpu\" not implemented for '%s'", dtype_scalar_name(t));
  if (!scalar_value(o, &s)) fail(ErrorType::Type, "expected a number, got %s", Py_TYPE(o)->tp_name);
  check_fits(s, t);
  const c128 value(s.re, s.im);
  if (is_wide_unsigned(t) && s.category < Category::Real)
    convert(t, out, DType::I64, &s.i, 1);
  else
    convert(t, out, DType::C128, &value, 1);
}

}  // namespace rl
