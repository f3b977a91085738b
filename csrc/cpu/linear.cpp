// The linear map of layers and its gradients.
//
//   y (..., n) = x (..., k) @ w (n, k)^T + bias (n)
//   gx = g @ w      gw = g^T @ x      gbias = sum of g's rows
//
// An activation may follow in the same call: it works on the rows that were just made, which are
// in cache where the weights are packed.
#include "../core/op.h"
#include "matmul.h"
#include "packed.h"

namespace rl {
namespace {

constexpr int64_t kRowsToPack = 12;   // below, one pass over the weights as they lie costs the same
constexpr int64_t kRowsAtOnce = 144;  // of y, before the activation goes over them

// What follows the product, in place: a loop of the pointwise engine and its numbers.
struct Activation {
  LoopFn run = nullptr;
  double numbers[2] = {};
  double cost = 0;  // nanoseconds an element

  void over(void* y, int64_t n) const {
    char* const places[2] = {static_cast<char*>(y), static_cast<char*>(y)};
    run(places, n, numbers);
  }
};

void multiply_rows(DType t, GemmArgs g, const Activation& after) {
  const GemmFn fn = find_gemm(t);
  const int64_t item = itemsize(t), a_row = g.a_row * item, c_row = g.c_row * item;
  const int64_t grain = std::max<int64_t>(12, grain_of(product_ns(1, g.n, g.k)));
  parallel_for(g.m, grain, [&](int64_t begin, int64_t end) {
    GemmArgs part = g;
    for (int64_t i = begin; i < end; i += kRowsAtOnce) {
      part.m = std::min(kRowsAtOnce, end - i);
      part.a = static_cast<const char*>(g.a) + i * a_row;
      part.c = static_cast<char*>(g.c) + i * c_row;
      fn(part);
      after.over(part.c, part.m * g.n);
    }
  });
}

// y = g with w packed, where that is kept for the next call.
bool multiply_packed(const Array& w, GemmArgs g, const Activation& after) {
  const DType t = w.dtype();
  if ((t != DType::F32 && t != DType::F64) || g_bf16_passes || g.m < kRowsToPack ||
      g.n * g.k < 4096 || g.a_col != 1)
    return false;
  const GemmKernel& kernel = gemm_kernel(t);
  PackedWeights packed(w, 10 + static_cast<uint64_t>(g.b_row != 1));
  if (!packed.lasting() || (w.stride(0) != 1 && w.stride(1) != 1)) return false;
  void* panels = packed.make(static_cast<size_t>(packed_size(kernel, g.k, g.n) * w.item()));
  NoGil nogil(g.m * g.n * g.k / 16);
  if (!packed.ready()) kernel.pack(panels, g.b, g.k, g.n, g.b_row, g.b_col);
  packed.filled();
  g.b = panels, g.packed = true;
  if (after.run)
    multiply_rows(t, g, after);
  else
    gemm_parallel(t, g);
  return true;
}

Array linear_arrays(const Array& input, const Array& w, const Array* bias,
                    const Activation& after = {}) {
  if (input.ndim() == 0 || w.ndim() == 0)
    fail(ErrorType::Runtime,
         "both arguments to linear need to be at least 1D, but they are %dD and %dD", input.ndim(),
         w.ndim());
  if (w.ndim() > 2)
    fail(ErrorType::Runtime, "t() expects a tensor with <= 2 dimensions, but self is %dD",
         w.ndim());
  if (w.ndim() == 1) {
    if (bias) fail(ErrorType::Runtime, "mat2 must be a matrix, got 1-D tensor");
    return matmul_arrays(input, w);
  }
  const int64_t k = input.size(-1), n = w.size(0);
  const Array x = as_rows(input);
  if (k != w.size(1))
    fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
         long(x.size(0)), long(k), long(w.size(1)), long(n));
  if (bias && bias->dtype() != w.dtype())
    fail(ErrorType::Runtime, "self and mat2 must have the same dtype, but got %s and %s",
         dtype_scalar_name(bias->dtype()), dtype_scalar_name(w.dtype()));
  if (x.dtype() != w.dtype())
    fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
         cpp_name(x.dtype()), cpp_name(w.dtype()));
  need_numbers("addmm_impl_cpu_", w.dtype(), x.numel() * w.numel());
  int64_t sizes[kMaxDims];
  std::copy(input.sizes(), input.sizes() + input.ndim(), sizes);
  sizes[input.ndim() - 1] = n;
  Array y = Array::empty(x.dtype(), Shape(sizes, input.ndim()));
  if (empty_bool(y)) return y;
  GemmArgs g;
  g.m = x.size(0), g.n = n, g.k = k;
  g.a = x.bytes(), g.a_row = x.stride(0), g.a_col = x.stride(1);
  g.b = w.bytes(), g.b_row = w.stride(1), g.b_col = w.stride(0);
  g.c = y.bytes(), g.c_row = n;
  if (bias && bias->ndim() == 1 && bias->size(0) == n && bias->contiguous()) {
    g.bias = bias->bytes();
  } else if (bias) {
    const int64_t rows[2] = {x.size(0), n};
    start_with(bias->ndim() == 1 ? y.view(rows) : y, *bias, 1);
    g.beta = 1;
  }
  if (multiply_packed(w, g, after)) return y;
  multiply(x.dtype(), g);
  if (after.run) {
    NoGil nogil(y.numel());
    parallel_for(y.numel(), grain_of(after.cost), [&](int64_t begin, int64_t end) {
      after.over(static_cast<char*>(y.bytes()) + begin * y.item(), end - begin);
    });
  }
  return y;
}

// A tensor whose elements a kernel may read without asking anyone.
bool open(PyObject* o) { return exact_tensor(o) && plain_tensor(o); }

}  // namespace

// linear(input (..., k), weight (n, k), bias (n) or None)
RL_KERNEL(linear) {
  call.result(linear_arrays(call.tensor(0), call.tensor(1), call.tensor_or_null(2)));
}

// linear_activated(input, weight, bias or None, name of a pointwise operator, its numbers...):
// that operator of linear(input, weight, bias), without a tensor between; None where something
// (a tape, an interpreter, a type that is converted on the way) would want to see that tensor.
RL_FUNCTION(linear_activated) {
  if (nargs < 4 || nargs > 6) fail(ErrorType::Type, "linear_activated: got %zd arguments", nargs);
  const bool biased = args[2] != Py_None;
  const auto taped = [&](PyObject* o) { return modes.grad && as_tensor(o)->requires_grad; };
  if (modes.interpreters || modes.recorder) Py_RETURN_NONE;
  for (int i = 0; i < 2 + biased; ++i)
    if (!open(args[i]) || taped(args[i])) Py_RETURN_NONE;
  const Array &input = array_of(args[0]), &w = array_of(args[1]);
  const LoopTable* loops = find_loops(PyUnicode_AsUTF8(args[3]));
  const Loop loop = loops && (w.dtype() == DType::F32 || w.dtype() == DType::F64)
                        ? loops->by_dtype[static_cast<int>(w.dtype())]
                        : Loop();
  if (!loop.fn || loop.out != w.dtype() || w.ndim() != 2) Py_RETURN_NONE;
  Activation after{loop.fn, {}, loop.cost};
  for (Py_ssize_t i = 4; i < nargs; ++i) after.numbers[i - 4] = number(args[i]);
  PyObject* made = wrap(linear_arrays(input, w, biased ? &array_of(args[2]) : nullptr, after));
  if (modes.inference) as_tensor(made)->flags |= kInference;
  return made;
}

// linear_backward(g (..., n), input (..., k), weight (n, k), needs input, weight, bias):
// the wanted ones of g @ weight, g^T @ input, sum of g's rows.
RL_KERNEL(linear_backward) {
  const Array &gy = call.tensor(0), &input = call.tensor(1), &w = call.tensor(2);
  const DType t = w.dtype();
  const Array gr = with_unit_stride(as_rows(gy)), x = as_rows(input);
  const int64_t m = gr.size(0), n = w.size(0), k = w.size(1);
  if (w.ndim() != 2 || gr.size(1) != n || x.size(1) != k || x.size(0) != m || gr.dtype() != t ||
      x.dtype() != t)
    fail(ErrorType::Runtime,
         "linear_backward: got gradient %s, input %s and weight %s that do not belong together",
         shape_text(gy.shape()).c_str(), shape_text(input.shape()).c_str(),
         shape_text(w.shape()).c_str());
  if (call.boolean(3)) {
    Array gx = Array::empty(t, input.shape());
    GemmArgs g = args_of(matrix(gr), matrix(w), gx);
    multiply(t, g);
    call.result(std::move(gx));
  }
  if (call.boolean(4)) {
    Array gw = Array::empty(t, {n, k});
    const Array gt = gr.transpose(0, 1);
    multiply(t, args_of(matrix(gt), matrix(x), gw));
    call.result(std::move(gw));
  }
  if (call.boolean(5)) {
    Array gb = Array::empty(t, {n});
    const Array one = Array::scalar(1.0, t);
    GemmArgs g;
    g.m = 1, g.n = n, g.k = m;
    g.a = one.bytes(), g.a_row = g.a_col = 0;
    g.b = gr.bytes(), g.b_row = gr.stride(0), g.b_col = gr.stride(1);
    g.c = gb.bytes(), g.c_row = n;
    NoGil nogil(m * n);
    gemm_parallel(t, g);
    call.result(std::move(gb));
  }
}

}  // namespace rl
