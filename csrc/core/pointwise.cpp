// The element-wise engine: promote, broadcast, split into chunks, convert, thread, run a loop.
//
// Iteration space: the broadcast shape, coalesced and ordered by the output's memory. A chunk is a
// run of its linear order. An operand that lies in that order with the loop's own dtype is passed
// by pointer; any other is first brought into a small buffer (dtype and stride conversion happen
// there, in cache, never as a copy of the whole operand).
#include <cstring>
#include <optional>

#include "convert.h"
#include "layout.h"
#include "pointwise_checks.h"
#include "pointwise_plan.h"
#include "promote.h"

namespace rl {
namespace {

constexpr double kQuick = 8000;  // ns; less than two threads' shares of work is done on the spot

struct Operand {
  const Array* array = nullptr;  // null: a Python number
  ScalarValue scalar;
};

// Strides of an input over the broadcast shape, in bytes.
void broadcast_strides(const Array& a, Shape shape, int64_t* out) {
  const int lead = static_cast<int>(shape.size()) - a.ndim();
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    const int own = d - lead;
    out[d] = own < 0 || a.sizes()[own] == 1 ? 0 : a.strides()[own] * a.item();
  }
}

// A shape that grows by broadcasting.
class Extent {
  int64_t sizes_[kMaxDims];  // at its end
  size_t ndim_ = 0;

 public:
  Shape shape() const { return {sizes_ + kMaxDims - ndim_, ndim_}; }
  void widen(const char* op, Shape other) {
    for (size_t i = 1; i <= other.size(); ++i) {  // from the last dim
      const int64_t x = i <= ndim_ ? sizes_[kMaxDims - i] : 1, y = other[other.size() - i];
      if (x != y && x != 1 && y != 1) broadcast_shapes(op, shape(), other);  // throws
      sizes_[kMaxDims - i] = x == 1 ? y : x;
    }
    ndim_ = std::max(ndim_, other.size());
  }
};

// One past the last byte of an array that has elements, from the start of its storage.
int64_t end_of(const Array& a) {
  int64_t last = a.offset();
  for (int d = 0; d < a.ndim(); ++d) last += (a.sizes()[d] - 1) * a.strides()[d];
  return (last + 1) * a.item();
}

// Two operands share memory but not element on element: writing one would spoil the other.
bool conflicts(const Array& out, const Array& in) {
  if (out.storage() != in.storage() || !out.numel() || !in.numel()) return false;
  if (out.offset() == in.offset() && out.dtype() == in.dtype() && out.same_shape(in) &&
      std::equal(out.strides(), out.strides() + out.ndim(), in.strides()))
    return false;
  return out.offset() * out.item() < end_of(in) && in.offset() * in.item() < end_of(out);
}

bool repeats_elements(const Array& a) {
  for (int d = 0; a.numel() && d < a.ndim(); ++d)
    if (a.sizes()[d] > 1 && a.strides()[d] == 0) return true;
  return false;
}

[[noreturn]] void not_implemented(const OpSpec& spec, DType t) {
  fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", spec.name.c_str(),
       dtype_scalar_name(t));
}

// Bits of `numbers` above those of the operands; rushlight/op.py says what they mean.
constexpr uint32_t kExactNumbers = 1u << 29, kLoneNumbers = 1u << 30;
bool takes_exact_numbers(const OpSpec& spec) { return spec.numbers & kExactNumbers; }
bool takes_numbers_alone(const OpSpec& spec) { return spec.numbers & kLoneNumbers; }

// One call of an operator: its operands and types, then the plan.
class Calculation {
  const OpSpec& spec_;
  PyObject* const* args_;
  const int count_;  // of operands
  Operand operands_[kMaxOperands];
  std::optional<Array> number_;   // what the first of numbers alone becomes
  const Array* first_ = nullptr;  // the first tensor operand
  bool uniform_ = !meta_call;     // all tensors contiguous with one shape and dtype
  DType promoted_, compute_, result_;
  const Loop* loop_;
  double params_[kMaxParams];
  Plan p_;

 public:
  Calculation(const OpSpec& spec, PyObject* const* args)
      : spec_(spec), args_(args), count_(spec.pointwise) {
    choose_types(read_operands());
    read_params();
    p_.n = count_ + 1;
    p_.fn = loop_->fn;
    p_.grid = loop_->grid;
    p_.params = params_;
    p_.splat[0] = false;
    p_.item[0] = itemsize(loop_->out);
    for (int k = 1; k < p_.n; ++k) {
      p_.item[k] = itemsize(compute_);
      p_.splat[k] = !operands_[k - 1].array;
      if (p_.splat[k]) place_number(k);
    }
  }

  Array run(const Array* destination, bool offered) {
    if (offered && !suits(*destination)) destination = nullptr;
    const bool straight = uniform_ && result_ == loop_->out && first_->dtype() == compute_ &&
                          (!destination || fits(*destination));
    return straight ? run_uniform(destination) : run_broadcast(destination);
  }

 private:
  DType read_operands() {
    ResultType kind;
    for (int k = 0; k < count_; ++k) {
      PyObject* o = args_[k];
      if (tensor_check(o)) {
        const Array& a = as_tensor(o)->array;
        operands_[k].array = &a;
        kind.tensor(a);
        if (!first_) first_ = &a;
        uniform_ = uniform_ && a.contiguous() && a.dtype() == first_->dtype() &&
                   (&a == first_ || a.same_shape(*first_));
      } else if ((spec_.numbers >> k & 1) && scalar_value(o, &operands_[k].scalar)) {
        kind.scalar(operands_[k].scalar);
      } else {
        fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Tensor, not %s",
             spec_.name.c_str(), PyUnicode_AsUTF8(spec_.params[k]), k + 1, Py_TYPE(o)->tp_name);
      }
    }
    if (!first_ && takes_numbers_alone(spec_)) {
      number_ = Array::empty(kind.result(), {});
      store_scalar(operands_[0].scalar, number_->dtype(), number_->data<char>());
      operands_[0].array = first_ = &*number_;
    } else if (!first_) {
      fail(ErrorType::Type,
           "%s() received an invalid combination of arguments: argument '%s' (position 1) must be "
           "Tensor, not %s",
           spec_.name.c_str(), PyUnicode_AsUTF8(spec_.params[0]), Py_TYPE(args_[0])->tp_name);
    }
    return kind.result();
  }

  // The loop, what it computes in, and the dtype of the results.
  void choose_types(DType kind) {
    promoted_ = spec_.promote == Promote::Float && is_integral(kind) ? default_dtype() : kind;
    compute_ = is_extended(promoted_) ? loop_type(spec_, promoted_) : promoted_;
    loop_ = &spec_.loops->by_dtype[static_cast<int>(compute_)];
    if (is_extended(promoted_)) [[unlikely]] {
      if (!loop_->fn) not_implemented(spec_, promoted_);
      result_ = stored_result(loop_->out, promoted_);
    } else if (loop_->fn && !(is_half(compute_) && rounds_numbers())) {
      result_ = loop_->out;
    } else {
      if (!is_half(compute_)) not_implemented(spec_, compute_);
      loop_ = &spec_.loops->by_dtype[static_cast<int>(DType::F32)];
      if (!loop_->fn) not_implemented(spec_, compute_);
      result_ = loop_->out == DType::F32 ? compute_ : loop_->out;
      compute_ = DType::F32;
    }
  }

  // Whether a half type's own loop would round a number that the operator takes as it is.
  bool rounds_numbers() const {
    if (!takes_exact_numbers(spec_)) return false;
    for (int k = 0; k < count_; ++k) {
      const Array* a = operands_[k].array;
      if (!a || (a->numel() == 1 && a->dtype() != compute_)) return true;
    }
    return false;
  }

  void read_params() {
    for (int i = count_; i < spec_.nparams; ++i) {
      params_[i - count_] = param_value(spec_, args_[i], i);
      check_param(spec_, promoted_, params_[i - count_]);
    }
    if (count_ == 2 && spec_.nparams == 3 &&
        (spec_.name == "add" || spec_.name == "sub" || spec_.name == "rsub"))
      check_bools(spec_, args_, promoted_);
    if (is_half(promoted_) && spec_.name == "pow_scalar")
      params_[0] = promoted_ == DType::BF16
                       ? static_cast<float>(BFloat16(static_cast<float>(params_[0])))
                       : static_cast<float>(Half(static_cast<float>(params_[0])));
  }

  // Python number k - 1 as an element of the loop's dtype.
  void place_number(int k) {
    const ScalarValue& number = operands_[k - 1].scalar;
    p_.base[k] = p_.scalars[k];
    if (compute_ != promoted_ && (is_half(promoted_) || is_extended(promoted_)) &&
        (is_wide_unsigned(promoted_) || !takes_exact_numbers(spec_))) {  // rounded, as in PyTorch
      char rounded[kMaxItem];
      store_wrapped(number, promoted_, rounded);
      convert(compute_, p_.scalars[k], promoted_, rounded, 1);
    } else if (spec_.name == "where" || spec_.name == "masked_fill") {
      store_scalar(number, compute_, p_.scalars[k]);
    } else {
      store_wrapped(number, compute_, p_.scalars[k]);
    }
  }

  // A tensor of one element is a number whose value is in memory.
  void place_element(int k, const Array& a) {
    p_.splat[k] = true;
    p_.base[k] = p_.scalars[k];
    if (a.dtype() == compute_) {
      std::memcpy(p_.scalars[k], a.bytes(), static_cast<size_t>(p_.item[k]));
    } else if (is_half(promoted_) && compute_ != promoted_ && !takes_exact_numbers(spec_)) {
      char rounded[kMaxItem];
      convert(promoted_, rounded, a.dtype(), a.bytes(), 1);
      convert(compute_, p_.scalars[k], promoted_, rounded, 1);
    } else {
      convert(compute_, p_.scalars[k], a.dtype(), a.bytes(), 1);
    }
  }

  Extent extent() const {
    Extent e;
    for (int k = 0; k < count_; ++k)
      if (operands_[k].array) e.widen(spec_.name.c_str(), operands_[k].array->shape());
    return e;
  }

  bool overwrites_operand(const Array& out) const {
    for (int k = 0; k < count_; ++k)
      if (operands_[k].array && conflicts(out, *operands_[k].array)) return true;
    return false;
  }

  // Whether results may go straight into a tensor given as out=.
  bool suits(const Array& out) const {
    if (meta_call || out.dtype() != result_ || repeats_elements(out) || overwrites_operand(out))
      return false;
    const Extent e = extent();
    return std::ranges::equal(e.shape(), out.shape());
  }

  // Whether a destination is laid out as uniform operands are.
  bool fits(const Array& out) const {
    return out.contiguous() && out.dtype() == loop_->out && out.same_shape(*first_) &&
           !overwrites_operand(out);
  }

  // The usual case: one shape, one dtype, contiguous.
  Array run_uniform(const Array* destination) {
    Array fresh;
    if (!destination) fresh = Array::empty(result_, first_->shape());
    const Array& out = destination ? *destination : fresh;
    p_.numel = out.numel();
    if (p_.numel == 0) return fresh;
    p_.base[0] = out.bytes();
    unsigned held = 0;
    for (int k = 1; k < p_.n; ++k) {
      if (p_.splat[k])
        held |= 1u << k;
      else
        p_.base[k] = operands_[k - 1].array->bytes();
    }
    if (static_cast<double>(p_.numel) * loop_->cost < kQuick && (!held || p_.grid)) {
      if (held)
        p_.grid(p_.base, Grid{1, p_.numel, {}, held}, params_);
      else
        p_.fn(p_.base, p_.numel, params_);
      return fresh;
    }
    p_.ndim = 1;
    p_.sizes[0] = p_.numel;
    for (int k = 0; k < p_.n; ++k) {
      p_.strides[k][0] = p_.splat[k] ? 0 : p_.item[k];
      p_.load[k] = nullptr;
    }
    execute(p_, loop_->cost);
    return fresh;
  }

  void check_destination(const Array& out, Shape shape) const {
    if (!std::ranges::equal(shape, out.shape())) {
      fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
           shape_text(out.shape()).c_str(), shape_text(shape).c_str());
    }
    if (!can_cast(result_, out.dtype())) {
      fail(ErrorType::Runtime, "result type %s can't be cast to the desired output type %s",
           dtype_scalar_name(result_), dtype_scalar_name(out.dtype()));
    }
    if (repeats_elements(out)) {
      fail(ErrorType::Runtime,
           "unsupported operation: more than one element of the written-to tensor refers to a "
           "single memory location. Please clone() the tensor before performing the operation.");
    }
  }

  Array run_broadcast(const Array* destination) {
    const Extent e = extent();
    const Shape shape = e.shape();
    Array fresh;
    if (destination) {
      check_destination(*destination, shape);
      result_ = destination->dtype();
    } else {
      const Array* operands[kMaxOperands];
      for (int k = 0; k < count_; ++k) operands[k] = operands_[k].array;
      fresh = output_like(operands, count_, shape, result_);
    }
    const Array& out = destination ? *destination : fresh;
    p_.numel = out.numel();
    if (p_.numel == 0 || meta_call) return fresh;
    std::vector<Array> copies;  // that stand in for inputs
    broadcast_strides(out, shape, p_.strides[0]);
    p_.base[0] = out.bytes();
    p_.load[0] = result_ == loop_->out ? nullptr : find_convert(result_, loop_->out);
    for (int k = 1; k < p_.n; ++k) place_operand(k, destination, shape, copies);
    coalesce(p_, shape);
    execute(p_, loop_->cost);
    return fresh;
  }

  void place_operand(int k, const Array* destination, Shape shape, std::vector<Array>& copies) {
    const Array* a = operands_[k - 1].array;
    const auto stand_in = [&](Array copy) {
      copies.reserve(2 * kMaxOperands);
      a = &copies.emplace_back(std::move(copy));
    };
    if (a && destination && conflicts(*destination, *a)) {
      check_partial_overlap(*destination, *a);
      stand_in(a->clone());
    }
    if (a && a->numel() == 1) place_element(k, *a);
    p_.load[k] = nullptr;
    if (p_.splat[k]) {
      std::fill_n(p_.strides[k], shape.size(), 0);
      return;
    }
    if (is_half(promoted_) && itemsize(a->dtype()) > 1 && is_integral(a->dtype()))
      stand_in(a->to(promoted_));  // big integers are rounded before they are used
    broadcast_strides(*a, shape, p_.strides[k]);
    p_.base[k] = a->bytes();
    if (a->dtype() != compute_) p_.load[k] = find_convert(compute_, a->dtype());
  }
};

}  // namespace

Array run_pointwise(const OpSpec& spec, PyObject* const* args, const Array* destination,
                    bool offered) {
  return Calculation(spec, args).run(destination, offered);
}

}  // namespace rl
