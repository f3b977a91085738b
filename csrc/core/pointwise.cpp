// The element-wise engine: promote, broadcast, split into chunks, convert, thread, run a loop.
//
// Iteration space: the broadcast shape, coalesced and ordered by the output's memory. A chunk is a
// run of its linear order. An operand that lies in that order with the loop's own dtype is passed
// by pointer; any other is first brought into a small buffer (dtype and stride conversion happen
// there, in cache, never as a copy of the whole operand).
#include <cstring>

#include "convert.h"
#include "layout.h"
#include "pointwise_checks.h"
#include "pointwise_plan.h"
#include "promote.h"

namespace rl {
namespace {

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

// Orders dims by the output's strides (outermost first) and joins those that lie end to end in
// every operand.
void coalesce(Plan& p, Shape shape) {
  int order[kMaxDims], n = 0;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    if (shape[d] != 1) order[n++] = d;
  }
  for (int i = 1; i < n; ++i) {  // insertion sort: nearly always in order already
    for (int j = i; j > 0 && p.strides[0][order[j - 1]] < p.strides[0][order[j]]; --j)
      std::swap(order[j - 1], order[j]);
  }
  int64_t strides[kMaxOperands][kMaxDims];
  int m = 0;
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool join = m > 0;
    for (int k = 0; k < p.n && join; ++k) join = strides[k][m - 1] == p.strides[k][d] * shape[d];
    if (join) {
      p.sizes[m - 1] *= shape[d];
    } else {
      p.sizes[m++] = shape[d];
    }
    for (int k = 0; k < p.n; ++k) strides[k][m - 1] = p.strides[k][d];
  }
  if (m == 0) {
    p.sizes[0] = 1;
    for (int k = 0; k < p.n; ++k) strides[k][0] = 0;
    m = 1;
  }
  p.ndim = m;
  for (int k = 0; k < p.n; ++k) std::copy(strides[k], strides[k] + m, p.strides[k]);
}

bool linear(const Plan& p, int k, int item) {
  int64_t expected = item;
  for (int d = p.ndim - 1; d >= 0; --d) {
    if (p.sizes[d] != 1 && p.strides[k][d] != expected) return false;
    expected *= p.sizes[d];
  }
  return true;
}

// Two operands over the same storage but not element on element: writing one would spoil the other.
bool conflicts(const Array& out, const Array& in) {
  if (out.storage() != in.storage()) return false;
  if (out.offset() == in.offset() && out.same_shape(in) &&
      std::equal(out.strides(), out.strides() + out.ndim(), in.strides()) &&
      out.dtype() == in.dtype())
    return false;
  return true;
}

[[noreturn]] void not_implemented(const OpSpec& spec, DType t) {
  fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", spec.name.c_str(),
       dtype_scalar_name(t));
}

}  // namespace

Array run_pointwise(const OpSpec& spec, PyObject* const* args, const Array* destination) {
  const int nin = spec.pointwise;
  Operand ops[kMaxOperands];
  ResultType kind;
  const Array* first = nullptr;  // the first tensor operand
  bool uniform = !meta_call;     // all tensors contiguous with one shape and dtype
  for (int k = 0; k < nin; ++k) {
    PyObject* o = args[k];
    if (tensor_check(o)) {
      const Array& a = as_tensor(o)->array;
      ops[k].array = &a;
      kind.tensor(a);
      if (!first) {
        first = &a;
        uniform = uniform && a.contiguous();
      } else {
        uniform = uniform && a.contiguous() && a.dtype() == first->dtype() && a.same_shape(*first);
      }
    } else if ((spec.numbers >> k & 1) && scalar_value(o, &ops[k].scalar)) {
      kind.scalar(ops[k].scalar);
    } else {
      fail(ErrorType::Type, "%s(): argument '%s' (position %d) must be Tensor, not %s",
           spec.name.c_str(), PyUnicode_AsUTF8(spec.params[k]), k + 1, Py_TYPE(o)->tp_name);
    }
  }
  if (!first) {
    fail(ErrorType::Type,
         "%s() received an invalid combination of arguments: argument '%s' (position 1) must be "
         "Tensor, not %s",
         spec.name.c_str(), PyUnicode_AsUTF8(spec.params[0]), Py_TYPE(args[0])->tp_name);
  }
  DType compute = kind.result();
  if (spec.promote == Promote::Float && is_integral(compute)) compute = default_dtype();
  const DType promoted = compute;
  if (is_extended(compute)) [[unlikely]]
    compute = loop_type(spec, compute);
  const bool exact_scalars =
      spec.name == "mul" || spec.name == "floor_divide" || spec.name.starts_with("div");
  const Loop* loop = &spec.loops->by_dtype[static_cast<int>(compute)];
  if (is_half(compute) && exact_scalars && loop->fn) {  // this loop would round the numbers
    for (int k = 0; k < nin; ++k) {
      const Array* a = ops[k].array;
      if (!a || (a->numel() == 1 && a->dtype() != compute)) {
        static const Loop none{};
        loop = &none;
      }
    }
  }
  DType result = loop->out;
  if (is_extended(promoted)) {
    if (!loop->fn) not_implemented(spec, promoted);
    result = stored_result(loop->out, promoted);
  } else if (!loop->fn) {
    if (!is_half(compute)) not_implemented(spec, compute);
    loop = &spec.loops->by_dtype[static_cast<int>(DType::F32)];
    if (!loop->fn) not_implemented(spec, compute);
    result = loop->out == DType::F32 ? compute : loop->out;
    compute = DType::F32;
  }
  double params[kMaxParams];
  for (int i = nin; i < spec.nparams; ++i) {
    params[i - nin] = param_value(spec, args[i], i);
    check_param(spec, promoted, params[i - nin]);
  }
  if (nin == 2 && spec.nparams == 3 &&
      (spec.name == "add" || spec.name == "sub" || spec.name == "rsub"))
    check_bools(spec, args, promoted);
  if (is_half(promoted) && spec.name == "pow_scalar")
    params[0] = promoted == DType::BF16
                    ? static_cast<float>(BFloat16(static_cast<float>(params[0])))
                    : static_cast<float>(Half(static_cast<float>(params[0])));

  Plan p;
  p.n = nin + 1;
  p.fn = loop->fn;
  p.params = params;
  for (int k = 1; k < p.n; ++k) {
    const Operand& o = ops[k - 1];
    p.item[k] = itemsize(compute);
    p.splat[k] = !o.array;
    if (o.array) continue;
    if (compute != promoted && (is_wide_unsigned(promoted) || !exact_scalars) &&
        (is_half(promoted) || is_extended(promoted))) {  // rounded, as in PyTorch
      char rounded[kMaxItem];
      store_wrapped(o.scalar, promoted, rounded);
      convert(compute, p.scalars[k], promoted, rounded, 1);
    } else if (spec.name == "where" || spec.name == "masked_fill") {
      store_scalar(o.scalar, compute, p.scalars[k]);
    } else {
      store_wrapped(o.scalar, compute, p.scalars[k]);
    }
  }
  p.splat[0] = false;
  p.item[0] = itemsize(loop->out);

  // The usual case: one shape, one dtype, contiguous.
  if (uniform && first && first->dtype() == compute &&
      (!destination || (destination->contiguous() && destination->dtype() == loop->out &&
                        destination->same_shape(*first)))) {
    bool aliased = false;
    if (destination) {
      for (int k = 0; k < nin; ++k)
        aliased = aliased || (ops[k].array && conflicts(*destination, *ops[k].array));
    }
    if (!aliased && result == loop->out) {
      Array fresh;
      if (!destination) fresh = Array::empty(result, first->shape());
      const Array& out = destination ? *destination : fresh;
      p.numel = out.numel();
      p.base[0] = out.bytes();
      p.direct[0] = true;
      p.ndim = 0;
      bool splat = false;
      for (int k = 1; k < p.n; ++k) {
        p.direct[k] = !p.splat[k];
        splat = splat || p.splat[k];
        if (ops[k - 1].array) p.base[k] = ops[k - 1].array->bytes();
      }
      if (p.numel == 0) return fresh;
      if (!splat && static_cast<double>(p.numel) * loop->cost < 20000) {
        p.fn(p.base, p.numel, params);
      } else if (splat && p.numel <= 64) {
        alignas(64) char buffers[kMaxOperands][64 * kMaxItem];
        for (int k = 1; k < p.n; ++k) {
          if (p.splat[k]) {
            splat_fill(buffers[k], p.scalars[k], p.item[k], p.numel);
            p.base[k] = buffers[k];
          }
        }
        p.fn(p.base, p.numel, params);
      } else {
        execute(p, loop->cost);
      }
      return fresh;
    }
  }

  std::vector<int64_t> shape;
  for (int k = 0; k < nin; ++k) {
    if (!ops[k].array) continue;
    shape = ops[k].array == first
                ? std::vector<int64_t>(first->shape().begin(), first->shape().end())
                : broadcast_shapes(spec.name.c_str(), shape, ops[k].array->shape());
  }
  Array fresh;
  if (destination) {
    if (!std::equal(shape.begin(), shape.end(), destination->sizes(),
                    destination->sizes() + destination->ndim())) {
      fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
           shape_text(destination->shape()).c_str(), shape_text(shape).c_str());
    }
    if (!can_cast(result, destination->dtype())) {
      fail(ErrorType::Runtime, "result type %s can't be cast to the desired output type %s",
           dtype_scalar_name(result), dtype_scalar_name(destination->dtype()));
    }
    for (int d = 0; destination->numel() && d < destination->ndim(); ++d) {
      if (destination->sizes()[d] > 1 && destination->strides()[d] == 0) {
        fail(ErrorType::Runtime,
             "unsupported operation: more than one element of the written-to tensor refers to a "
             "single memory location. Please clone() the tensor before performing the operation.");
      }
    }
    result = destination->dtype();
  } else {
    const Array* operands[kMaxOperands];
    for (int k = 0; k < nin; ++k) operands[k] = ops[k].array;
    fresh = output_like(operands, nin, shape, result);
  }
  const Array& out = destination ? *destination : fresh;
  p.numel = out.numel();
  if (p.numel == 0 || meta_call) return fresh;
  Array copies[kMaxOperands];  // of inputs that the output would overwrite
  broadcast_strides(out, shape, p.strides[0]);
  p.base[0] = out.bytes();
  for (int k = 1; k < p.n; ++k) {
    const Array* a = ops[k - 1].array;
    if (!a) {
      std::fill(p.strides[k], p.strides[k] + shape.size(), 0);
      p.base[k] = p.scalars[k];
      continue;
    }
    if (destination && conflicts(out, *a)) {
      check_partial_overlap(out, *a);
      copies[k] = a->clone();
      a = &copies[k];
      // Keep reading through the copy: same shape, its own strides.
    }
    if (a->numel() == 1) {  // a 0-d tensor is a number whose value is in memory
      p.splat[k] = true;
      if (a->dtype() == compute) {
        std::memcpy(p.scalars[k], a->bytes(), static_cast<size_t>(p.item[k]));
      } else if (is_half(promoted) && compute != promoted && !exact_scalars) {
        char rounded[kMaxItem];
        convert(promoted, rounded, a->dtype(), a->bytes(), 1);
        convert(compute, p.scalars[k], promoted, rounded, 1);
      } else {
        convert(compute, p.scalars[k], a->dtype(), a->bytes(), 1);
      }
      std::fill(p.strides[k], p.strides[k] + shape.size(), 0);
      p.base[k] = p.scalars[k];
      continue;
    }
    if (is_half(promoted) && itemsize(a->dtype()) > 1 && is_integral(a->dtype())) {
      copies[k] = a->to(promoted);  // big integers are rounded before they are used
      a = &copies[k];
    }
    broadcast_strides(*a, shape, p.strides[k]);
    p.base[k] = a->bytes();
    p.load[k] = a->dtype() == compute ? nullptr : find_convert(compute, a->dtype());
  }
  p.load[0] = result == loop->out ? nullptr : find_convert(result, loop->out);
  coalesce(p, shape);
  for (int k = 0; k < p.n; ++k) p.direct[k] = !p.splat[k] && !p.load[k] && linear(p, k, p.item[k]);
  execute(p, loop->cost);
  return fresh;
}

}  // namespace rl
