// The linear map of layers and its gradients.
//
//   y (..., n) = x (..., k) @ w (n, k)^T + bias (n)
//   gx = g @ w      gw = g^T @ x      gbias = sum of g's rows
#include "matmul.h"
#include "packed.h"

namespace rl {
namespace {

constexpr int64_t kRowsToPack = 12;  // below, one pass over the weights as they lie costs the same

// y = g with w packed, where that is kept for the next call.
bool multiply_packed(const Array& w, GemmArgs g) {
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
  gemm_parallel(t, g);
  return true;
}

}  // namespace

// linear(input (..., k), weight (n, k), bias (n) or None)
RL_KERNEL(linear) {
  const Array &input = call.tensor(0), &w = call.tensor(1);
  const Array* bias = call.tensor_or_null(2);
  if (input.ndim() == 0 || w.ndim() == 0)
    fail(ErrorType::Runtime,
         "both arguments to linear need to be at least 1D, but they are %dD and %dD", input.ndim(),
         w.ndim());
  if (w.ndim() > 2)
    fail(ErrorType::Runtime, "t() expects a tensor with <= 2 dimensions, but self is %dD",
         w.ndim());
  if (w.ndim() == 1) {
    if (bias) fail(ErrorType::Runtime, "mat2 must be a matrix, got 1-D tensor");
    call.result(matmul_arrays(input, w));
    return;
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
  if (empty_bool(y)) {
    call.result(std::move(y));
    return;
  }
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
  if (!multiply_packed(w, g)) multiply(x.dtype(), g);
  call.result(std::move(y));
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
