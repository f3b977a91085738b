// Recurrent layers: one layer in one direction over a whole sequence, and its gradient.
//
//   RNN   h' = act(W_ih x + b_ih + W_hh h + b_hh)
//   LSTM  i, f, o = sigmoid, g = tanh of (W_ih x + b_ih + W_hh h + b_hh), in the order i f g o
//         c' = f c + i g        h' = o tanh(c')
//   GRU   r, z = sigmoid(W_ih x + b_ih + W_hh h + b_hh)       (order r z n)
//         n = tanh(W_in x + b_in + r (W_hn h + b_hn))         h' = n + z (h - n)
//
// x (T, B, I), h (B, H), W_ih (G H, I), W_hh (G H, H). The input's part of all steps is one
// product, or joins the state's where the weights stay in the cache: (x | h) (W_ih | W_hh)^T; then
// each step is one product and one pass over its gates. Rows of the batch never meet, so a thread
// takes some rows through all time without waiting for others. The forward pass keeps,
// per step, LSTM: i f g o c' (5 H), GRU: r z n and W_hn h + b_hn (4 H), RNN: nothing but its
// output. The gradient fills (T, B, G H) gate gradients the same way; weights' gradients are
// products of those with x and the previous h. Both (T, B) and (B, T) memory orders are used as
// they are.
#pragma once
#include <algorithm>

#include "../core/kernel.h"
#include "gemm.h"
#include "vecmath.h"

namespace rl {
namespace {  // one copy per ISA level

enum Mode : int64_t { kTanh, kRelu, kLstm, kGru };

struct Geometry {
  Mode mode;
  int64_t steps, batch, inputs, hidden, gates, width;  // width: floats kept per row and step
  int64_t row_step, row_batch;                         // row of (t, b) in x's memory order
  bool reverse;
  int64_t gh() const { return gates * hidden; }
  int64_t rows() const { return steps * batch; }
  int64_t row(int64_t t, int64_t b) const { return t * row_step + b * row_batch; }
  int64_t time(int64_t s) const { return reverse ? steps - 1 - s : s; }
  // Rows of the batch worth a thread; fewer than four would read the weights too often.
  int64_t grain() const {
    const double row_ns = static_cast<double>(steps) * (product_ns(1, gh(), hidden) + 1.0 * gh());
    return std::max<int64_t>(batch >= 8 ? 4 : 1, grain_of(row_ns));
  }
};

// A (T, B, H) gradient read through its strides; null for none.
template <class T>
struct Sequence {
  const T* data = nullptr;
  int64_t step = 0, batch = 0;
  const T* at(int64_t t, int64_t b) const { return data + t * step + b * batch; }
};

template <class T>
void product(const GemmArgs& base, const T* a, int64_t a_row, int64_t a_col, const T* b,
             int64_t b_row, int64_t b_col, T* c, int64_t c_row) {
  GemmArgs g = base;
  g.a = a, g.a_row = a_row, g.a_col = a_col;
  g.b = b, g.b_row = b_row, g.b_col = b_col;
  g.c = c, g.c_row = c_row;
  gemm_parallel(dtype_of<T>::value, g);
}

[[maybe_unused]] GemmArgs shape(int64_t m, int64_t n, int64_t k, double beta = 0) {
  GemmArgs g;
  g.m = m, g.n = n, g.k = k, g.beta = beta;
  return g;
}

// A matrix every step multiplies by: packed when enough steps share the cost of packing.
template <class T>
struct StepWeights {
  const T* data;
  int64_t b_row, b_col;
  bool packed;
  void multiply(GemmArgs g, const T* a, int64_t a_row, T* c, int64_t c_row) const {
    g.a = a, g.a_row = a_row, g.a_col = 1;
    g.b = data, g.b_row = b_row, g.b_col = b_col, g.packed = packed;
    g.c = c, g.c_row = c_row;
    find_gemm(dtype_of<T>::value)(g);
  }
};

template <class T>
int64_t panels_needed(const Geometry& g, int64_t k, int64_t n) {
  return g.rows() >= 24 ? packed_size(gemm_kernel(dtype_of<T>::value), k, n) : 0;
}
template <class T>
StepWeights<T> step_weights(const T* w, int64_t k, int64_t n, int64_t b_row, int64_t b_col,
                            T* panels) {
  if (!panels) return {w, b_row, b_col, false};
  gemm_kernel(dtype_of<T>::value).pack(panels, w, k, n, b_row, b_col);
  return {panels, 0, 0, true};
}

// -- operands -------------------------------------------------------------------------------------
struct Operands {
  Geometry g;
  Array x, h0, c0, w_ih, w_hh, b_ih, b_hh;
  bool sequence;  // false: a single step on (B, I)
  bool batch_major;
  DType type, compute;
};

// The mode comes first, and from `first` on: input, h0, c0 or None, w_ih, w_hh, b_ih or None, b_hh
// or None.
[[maybe_unused]] Operands read_operands(const Call& call, int first, bool reverse) {
  const int64_t mode = call.integer(0);
  if (mode < kTanh || mode > kGru)
    fail(ErrorType::Value, "%s: unknown mode %ld", call.name(), long(mode));
  Operands o;
  const Array& x = call.tensor(first);
  o.type = x.dtype();
  o.compute = o.type == DType::F64 ? DType::F64 : DType::F32;
  const auto read = [&](int i) {
    const Array* a = call.tensor_or_null(first + i);
    if (!a) return Array();
    if (a->dtype() != o.type)
      fail(ErrorType::Runtime,
           "%s: expected all tensors to have the dtype of the input, %s, but got %s", call.name(),
           dtype_scalar_name(o.type), dtype_scalar_name(a->dtype()));
    return a->to(o.compute).contiguous_copy();
  };
  if (!is_real(o.type))
    fail(ErrorType::Runtime, "%s: expected a real dtype, got %s", call.name(),
         dtype_scalar_name(o.type));
  o.h0 = read(1), o.c0 = read(2), o.w_ih = read(3), o.w_hh = read(4), o.b_ih = read(5),
  o.b_hh = read(6);
  o.sequence = x.ndim() == 3;
  if ((x.ndim() != 2 && x.ndim() != 3) || o.h0.ndim() != 2 || o.w_ih.ndim() != 2 ||
      o.w_hh.ndim() != 2)
    fail(ErrorType::Runtime,
         "%s: expected an input of 2 or 3 dims and matrices for state and weights, got input %s "
         "and state %s",
         call.name(), shape_text(x.shape()).c_str(), shape_text(o.h0.shape()).c_str());
  Geometry& g = o.g;
  g.mode = static_cast<Mode>(mode), g.reverse = reverse;
  g.gates = mode == kLstm ? 4 : mode == kGru ? 3 : 1;
  g.steps = o.sequence ? x.size(0) : 1, g.batch = x.size(-2), g.inputs = x.size(-1),
  g.hidden = o.h0.size(1);
  g.width = g.hidden * (mode == kLstm ? 5 : mode == kGru ? 4 : 1);
  const int64_t gh = g.gh();
  const auto vector = [&](const Array& b) {
    return !b.defined() || (b.ndim() == 1 && b.size(0) == gh);
  };
  if (o.h0.size(0) != g.batch || o.w_ih.size(0) != gh || o.w_ih.size(1) != g.inputs ||
      o.w_hh.size(0) != gh || o.w_hh.size(1) != g.hidden || !vector(o.b_ih) || !vector(o.b_hh) ||
      (mode == kLstm) != o.c0.defined() || (o.c0.defined() && !o.c0.same_shape(o.h0)))
    fail(ErrorType::Runtime,
         "%s: shapes do not fit together: input %s, state %s, weights %s and %s", call.name(),
         shape_text(x.shape()).c_str(), shape_text(o.h0.shape()).c_str(),
         shape_text(o.w_ih.shape()).c_str(), shape_text(o.w_hh.shape()).c_str());
  const Array wide = x.to(o.compute);
  o.batch_major = o.sequence && !wide.contiguous() && wide.transpose(0, 1).contiguous();
  o.x = o.batch_major ? wide : wide.contiguous_copy();
  g.row_step = o.batch_major ? 1 : g.batch;
  g.row_batch = o.batch_major ? g.steps : 1;
  return o;
}

template <class T>
const T* pointer(const Array& a) {
  return a.defined() ? a.data<T>() : nullptr;
}

}  // namespace
}  // namespace rl
