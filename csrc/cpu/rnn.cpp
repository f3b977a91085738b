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
#include <algorithm>

#include "../core/kernel.h"
#include "gemm.h"
#include "vecmath.h"

namespace rl {
namespace {

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

GemmArgs shape(int64_t m, int64_t n, int64_t k, double beta = 0) {
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

// -- one step of one row, forward -----------------------------------------------------------------
template <class T>
void lstm_row(T* gates, const T* cell, T* hidden, int64_t n) {
  T *i = gates, *f = gates + n, *g = gates + 2 * n, *o = gates + 3 * n, *c = gates + 4 * n;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    i[j] = vsigmoid(i[j]);
    f[j] = vsigmoid(f[j]);
    g[j] = vtanh(g[j]);
    o[j] = vsigmoid(o[j]);
    c[j] = f[j] * cell[j] + i[j] * g[j];
    hidden[j] = o[j] * vtanh(c[j]);
  }
}

// `side` is W_hh h + b_hh, (3 n); its last third is kept behind the gates.
template <class T>
void gru_row(T* gates, const T* side, const T* before, T* hidden, int64_t n) {
  T *r = gates, *z = gates + n, *c = gates + 2 * n, *keep = gates + 3 * n;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    r[j] = vsigmoid(r[j] + side[j]);
    z[j] = vsigmoid(z[j] + side[n + j]);
    keep[j] = side[2 * n + j];
    c[j] = vtanh(c[j] + r[j] * keep[j]);
    hidden[j] = c[j] + z[j] * (before[j] - c[j]);
  }
}

template <class T>
void plain_row(Mode mode, const T* sums, T* hidden, int64_t n) {
  if (mode == kTanh) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) hidden[j] = vtanh(sums[j]);
  } else {
    for (int64_t j = 0; j < n; ++j) hidden[j] = sums[j] < T(0) ? T(0) : sums[j];
  }
}

template <class T>
struct Forward {
  Geometry g;
  const T *x, *h0, *c0, *w_ih, *w_hh, *b_ih, *b_hh;
  T *gates, *output, *panels, *bias;  // gates (rows, width) or (B, width), output (rows, H)
  bool joined, kept;

  // What a row computes at time t: kept for the gradient, or written over by the next step.
  T* own(int64_t t, int64_t b) const { return gates + (kept ? g.row(t, b) : b) * g.width; }

  // In a GRU the hidden bias sits inside the reset gate's product; elsewhere both join.
  const T* input_bias() const {
    if (g.mode == kGru || !b_hh) return b_ih;
    if (!b_ih) return b_hh;
    for (int64_t j = 0; j < g.gh(); ++j) bias[j] = b_ih[j] + b_hh[j];
    return bias;
  }

  // (W_ih | W_hh), for products with (x | h).
  StepWeights<T> joined_weights() const {
    const GemmKernel& kernel = gemm_kernel(dtype_of<T>::value);
    T* to = panels;
    for (int64_t j = 0; j < g.gh(); j += kernel.panel) {
      const int64_t wide = std::min<int64_t>(kernel.panel, g.gh() - j);
      kernel.pack(to, w_ih + j * g.inputs, g.inputs, wide, 1, g.inputs);
      to += g.inputs * kernel.panel;
      kernel.pack(to, w_hh + j * g.hidden, g.hidden, wide, 1, g.hidden);
      to += g.hidden * kernel.panel;
    }
    return {panels, 0, 0, true};
  }

  void run() const {
    const int64_t n = g.hidden, gh = g.gh();
    GemmArgs all = shape(g.rows(), gh, g.inputs);
    all.bias = input_bias();
    if (!joined) product<T>(all, x, g.inputs, 1, w_ih, 1, g.inputs, gates, g.width);
    const StepWeights<T> w = joined ? joined_weights() : step_weights(w_hh, n, gh, 1, n, panels);
    const int64_t work = std::max<int64_t>(1, g.steps * (gh * n + gh * 10));
    parallel_for(g.batch, std::max<int64_t>(g.batch >= 8 ? 4 : 1, 300000 / work),
                 [&](int64_t begin, int64_t end) {
                   const int64_t m = end - begin, side = joined ? g.inputs + n : gh;
                   T* buffer = joined || g.mode == kGru
                                   ? static_cast<T*>(thread_buffer(3, m * side * sizeof(T)))
                                   : nullptr;
                   for (int64_t s = 0; s < g.steps; ++s) {
                     multiply(w, static_cast<const T*>(all.bias), buffer, s, begin, m);
                     for (int64_t b = 0; b < m; ++b) finish(buffer + b * gh, s, begin + b);
                   }
                 });
  }

  const T* before(int64_t s, int64_t b) const {  // the hidden state that step s starts from
    return s ? output + g.row(g.time(s - 1), b) * g.hidden : h0 + b * g.hidden;
  }

  // The products of step s. buffer: (x | h) when joined, the hidden part's product in a GRU.
  void multiply(const StepWeights<T>& w, const T* both, T* buffer, int64_t s, int64_t begin,
                int64_t m) const {
    const int64_t n = g.hidden, gh = g.gh(), t = g.time(s);
    const int64_t h_row = s ? g.row_batch * n : n, own_row = kept ? g.row_batch * g.width : g.width;
    if (joined) {
      const int64_t wide = g.inputs + n;
      for (int64_t b = 0; b < m; ++b) {
        std::copy_n(x + g.row(t, begin + b) * g.inputs, g.inputs, buffer + b * wide);
        std::copy_n(before(s, begin + b), n, buffer + b * wide + g.inputs);
      }
      GemmArgs args = shape(m, gh, wide);
      args.bias = both;
      w.multiply(args, buffer, wide, own(t, begin), own_row);
    } else if (g.mode == kGru) {
      GemmArgs args = shape(m, gh, n);
      args.bias = b_hh;
      w.multiply(args, before(s, begin), h_row, buffer, gh);
    } else {
      w.multiply(shape(m, gh, n, 1), before(s, begin), h_row, own(t, begin), own_row);
    }
  }

  void finish(const T* side, int64_t s, int64_t b) const {
    const int64_t n = g.hidden, t = g.time(s);
    T *row = own(t, b), *out = output + g.row(t, b) * n;
    if (g.mode == kGru)
      gru_row(row, side, before(s, b), out, n);
    else if (g.mode == kLstm)
      lstm_row(row, s ? own(g.time(s - 1), b) + 4 * n : c0 + b * n, out, n);
    else
      plain_row(g.mode, row, out, n);
  }
};

// -- one step of one row, backward
// -----------------------------------------------------------------
template <class T>
void lstm_row_back(const T* gates, const T* cell, const T* dh, T* dc, T* out, int64_t n) {
  const T *i = gates, *f = gates + n, *g = gates + 2 * n, *o = gates + 3 * n, *c = gates + 4 * n;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    const T tc = vtanh(c[j]);
    const T d = dc[j] + dh[j] * o[j] * (1 - tc * tc);
    out[j] = d * g[j] * i[j] * (1 - i[j]);
    out[n + j] = d * cell[j] * f[j] * (1 - f[j]);
    out[2 * n + j] = d * i[j] * (1 - g[j] * g[j]);
    out[3 * n + j] = dh[j] * tc * o[j] * (1 - o[j]);
    dc[j] = d * f[j];
  }
}

// out: gradients of the input's part (r z n); side: of the hidden part. dh becomes what h keeps.
template <class T>
void gru_row_back(const T* gates, const T* before, T* dh, T* out, T* side, int64_t n) {
  const T *r = gates, *z = gates + n, *c = gates + 2 * n, *keep = gates + 3 * n;
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    const T d = dh[j];
    const T dn = d * (1 - z[j]) * (1 - c[j] * c[j]);
    const T dr = dn * keep[j] * r[j] * (1 - r[j]);
    const T dz = d * (before[j] - c[j]) * z[j] * (1 - z[j]);
    out[j] = side[j] = dr;
    out[n + j] = side[n + j] = dz;
    out[2 * n + j] = dn;
    side[2 * n + j] = dn * r[j];
    dh[j] = d * z[j];
  }
}

template <class T>
struct Backward {
  Geometry g;
  const T *x, *h0, *c0, *w_ih, *w_hh, *gates, *output;
  Sequence<T> g_output;
  T *dh, *dc;           // (B, H): the final states' gradients on entry, the initial states' on exit
  T *d_gates, *d_side;  // (rows, G H); d_side is d_gates but for a GRU
  T* previous;          // (rows, H): h before each step; null for a single step
  T* panels;

  void run() const {
    const StepWeights<T> w = step_weights(w_hh, g.gh(), g.hidden, g.hidden, 1, panels);
    const int64_t work = std::max<int64_t>(1, g.steps * (g.gh() * g.hidden + g.gh() * 10));
    parallel_for(g.batch, std::max<int64_t>(g.batch >= 8 ? 4 : 1, 300000 / work),
                 [&](int64_t begin, int64_t end) { rows(w, begin, end); });
  }

  void row(int64_t s, int64_t b) const {
    const int64_t n = g.hidden, at = g.row(g.time(s), b);
    const int64_t before = s ? g.row(g.time(s - 1), b) : 0;
    T *h = dh + b * n, *out = d_gates + at * g.gh();
    if (g_output.data) {
      const T* more = g_output.at(g.time(s), b);
      for (int64_t j = 0; j < n; ++j) h[j] += more[j];
    }
    const T* last = s ? output + before * n : h0 + b * n;
    if (previous) std::copy(last, last + n, previous + at * n);
    const T* y = output + at * n;
    if (g.mode == kLstm) {
      const T* cell = s ? gates + before * g.width + 4 * n : c0 + b * n;
      lstm_row_back(gates + at * g.width, cell, h, dc + b * n, out, n);
    } else if (g.mode == kGru) {
      gru_row_back(gates + at * g.width, last, h, out, d_side + at * g.gh(), n);
    } else if (g.mode == kTanh) {
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) out[j] = h[j] * (1 - y[j] * y[j]);
    } else {
      for (int64_t j = 0; j < n; ++j) out[j] = y[j] > T(0) ? h[j] : T(0);
    }
  }

  void rows(const StepWeights<T>& w, int64_t begin, int64_t end) const {
    const int64_t n = g.hidden, m = end - begin;
    for (int64_t s = g.steps - 1; s >= 0; --s) {
      for (int64_t b = begin; b < end; ++b) row(s, b);
      const T* side = (d_side ? d_side : d_gates) + g.row(g.time(s), begin) * g.gh();
      // A GRU's h also reaches the next step directly: dh holds that part already.
      w.multiply(shape(m, n, g.gh(), g.mode == kGru ? 1 : 0), side, g.row_batch * g.gh(),
                 dh + begin * n, n);
    }
  }
};

template <class T>
void sum_rows(const T* a, int64_t rows, int64_t cols, T* out) {
  const T one = 1;
  product<T>(shape(1, cols, rows), &one, 0, 0, a, cols, 1, out, cols);
}

// -- operands -------------------------------------------------------------------------------------
struct Operands {
  Geometry g;
  Array x, h0, c0, w_ih, w_hh, b_ih, b_hh;
  bool sequence;  // false: a single step on (B, I)
  bool batch_major;
  DType type, compute;
};

// Arguments from `first` on: input, h0, c0 or None, w_ih, w_hh, b_ih or None, b_hh or None.
Operands read_operands(const Call& call, int first, int64_t mode, bool reverse) {
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

// (T, B, H) in the memory order of the input, or (B, H) for a single step.
Array output_array(const Operands& o) {
  const Geometry& g = o.g;
  if (!o.sequence) return Array::empty(o.compute, {g.batch, g.hidden});
  if (o.batch_major) return Array::empty(o.compute, {g.batch, g.steps, g.hidden}).transpose(0, 1);
  return Array::empty(o.compute, {g.steps, g.batch, g.hidden});
}

template <class T>
void forward(Call& call, const Operands& o, bool keep) {
  const Geometry& g = o.g;
  // Enough rows a step to share weights that the cache holds: one product for input and state.
  const bool joined =
      g.mode != kGru && g.steps > 1 && g.batch >= 24 && g.inputs * g.gh() <= int64_t{1} << 20;
  keep = keep || !joined;
  Array out = output_array(o),
        gates = Array::empty(o.compute, {keep ? g.rows() : g.batch, g.width});
  const int64_t depth = g.hidden + (joined ? g.inputs : 0);
  Scratch<T> panels(static_cast<size_t>(panels_needed<T>(g, depth, g.gh()))),
      bias(static_cast<size_t>(g.gh()));
  const Forward<T> f{g,
                     o.x.data<T>(),
                     o.h0.data<T>(),
                     pointer<T>(o.c0),
                     o.w_ih.data<T>(),
                     o.w_hh.data<T>(),
                     pointer<T>(o.b_ih),
                     pointer<T>(o.b_hh),
                     gates.data<T>(),
                     out.data<T>(),
                     panels.get(),
                     bias.get(),
                     joined,
                     keep};
  if (g.rows() * g.hidden > 0 && !meta_call) {
    NoGil nogil(g.rows() * g.gh() * (g.inputs + g.hidden) / 8);
    f.run();
  }
  Array h_last = o.h0, c_last = o.c0;
  if (o.sequence && g.steps) {
    h_last = out.select(0, g.time(g.steps - 1)).clone();
  } else if (!o.sequence) {
    h_last = out;
  }
  if (g.mode == kLstm) {
    const int64_t sizes[2] = {g.batch, g.hidden},
                  strides[2] = {keep ? g.row_batch * g.width : g.width, 1};
    c_last = Array::empty(o.compute, {g.batch, g.hidden});
    if (g.steps)
      copy_into(c_last,
                gates.as_strided(Shape(sizes, 2), Shape(strides, 2),
                                 f.own(g.time(g.steps - 1), 0) - gates.data<T>() + 4 * g.hidden));
    else
      copy_into(c_last, o.c0);
  } else {
    c_last = Array::empty(o.compute, {0});
  }
  if (!g.steps) h_last = o.h0.clone();
  if (o.sequence) call.result(out.to(o.type));
  call.result(h_last.to(o.type));
  call.result(c_last.to(o.type));
  call.result(keep ? gates : Array::empty(o.compute, {0}));
}

// The order of the wanted gradients: input, h0, c0, w_ih, w_hh, b_ih, b_hh.
template <class T>
void backward(Call& call, const Operands& o, const Array* g_out, const Array* g_hidden,
              const Array* g_cell, const Array& output, const Array& gates,
              const bool (&needs)[7]) {
  const Geometry& g = o.g;
  const int64_t n = g.hidden, gh = g.gh(), rows = g.rows();
  const auto start = [&](const Array* a) {
    Array s = Array::empty(o.compute, {g.batch, n});
    if (a)
      copy_into(s, *a);
    else
      fill(s, 0.0);
    return s;
  };
  Array dh = start(g_hidden), dc = g.mode == kLstm ? start(g_cell) : Array();
  const Array go = g_out ? (g_out->stride(-1) == 1 ? g_out->to(o.compute)
                                                   : g_out->to(o.compute).contiguous_copy())
                         : Array();
  Array dx = needs[0] ? Array::empty(o.compute, {rows, g.inputs}) : Array();
  const Array dw_ih = needs[3] ? Array::empty(o.compute, {gh, g.inputs}) : Array();
  const Array dw_hh = needs[4] ? Array::empty(o.compute, {gh, n}) : Array();
  const Array db_ih = needs[5] ? Array::empty(o.compute, {gh}) : Array(),
              db_hh = needs[6] ? Array::empty(o.compute, {gh}) : Array();
  const bool gru = g.mode == kGru;
  Scratch<T> d_gates(static_cast<size_t>(rows * gh)),
      d_side(static_cast<size_t>(gru ? rows * gh : 0));
  Scratch<T> previous(static_cast<size_t>(g.steps > 1 && needs[4] ? rows * n : 0));
  Scratch<T> panels(static_cast<size_t>(panels_needed<T>(g, gh, n)));
  if (!meta_call) {
    NoGil nogil(rows * gh * (g.inputs + n) / 8);
    const T* side = gru ? d_side.get() : d_gates.get();
    if (rows * n > 0) {
      Sequence<T> sequence;
      if (go.defined()) sequence = {go.data<T>(), o.sequence ? go.stride(0) : 0, go.stride(-2)};
      const Backward<T> b{g,
                          o.x.data<T>(),
                          o.h0.data<T>(),
                          pointer<T>(o.c0),
                          o.w_ih.data<T>(),
                          o.w_hh.data<T>(),
                          gates.data<T>(),
                          output.data<T>(),
                          sequence,
                          dh.data<T>(),
                          pointer<T>(dc) ? dc.data<T>() : nullptr,
                          d_gates.get(),
                          gru ? d_side.get() : nullptr,
                          previous.get(),
                          panels.get()};
      b.run();
    }
    const T *x = o.x.data<T>(), *h = previous.get() ? previous.get() : o.h0.data<T>();
    if (needs[0])
      product<T>(shape(rows, g.inputs, gh), d_gates.get(), gh, 1, o.w_ih.data<T>(), g.inputs, 1,
                 dx.data<T>(), g.inputs);
    if (needs[3])
      product<T>(shape(gh, g.inputs, rows), d_gates.get(), 1, gh, x, g.inputs, 1, dw_ih.data<T>(),
                 g.inputs);
    if (needs[4]) product<T>(shape(gh, n, rows), side, 1, gh, h, n, 1, dw_hh.data<T>(), n);
    if (needs[5]) sum_rows(d_gates.get(), rows, gh, db_ih.data<T>());
    if (needs[6]) sum_rows(side, rows, gh, db_hh.data<T>());
  }
  if (needs[0]) {
    if (o.batch_major)
      dx = dx.view(std::vector<int64_t>{g.batch, g.steps, g.inputs}).transpose(0, 1);
    else if (o.sequence)
      dx = dx.view(std::vector<int64_t>{g.steps, g.batch, g.inputs});
  }
  const Array* made[7] = {&dx, &dh, &dc, &dw_ih, &dw_hh, &db_ih, &db_hh};
  for (int i = 0; i < 7; ++i)
    if (needs[i]) call.result(made[i]->to(o.type));
}

void run_forward(Call& call, bool reverse, bool keep) {
  const int64_t mode = call.integer(0);
  if (mode < kTanh || mode > kGru)
    fail(ErrorType::Value, "%s: unknown mode %ld", call.name(), long(mode));
  const Operands o = read_operands(call, 1, mode, reverse);
  if (o.compute == DType::F64)
    forward<double>(call, o, keep);
  else
    forward<float>(call, o, keep);
}

}  // namespace

// (mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse, keep) -> output, hidden, cell, gates;
// the gates may be empty without keep
RL_KERNEL(rnn_layer) {
  if (call.tensor(1).ndim() != 3)
    fail(ErrorType::Runtime, "%s: expected a 3-d input, got %s", call.name(),
         shape_text(call.tensor(1).shape()).c_str());
  run_forward(call, call.boolean(8), call.boolean(9));
}

// (mode, input, h0, c0, w_ih, w_hh, b_ih, b_hh) -> hidden, cell, gates
RL_KERNEL(rnn_cell) {
  if (call.tensor(1).ndim() != 2)
    fail(ErrorType::Runtime, "%s: expected a 2-d input, got %s", call.name(),
         shape_text(call.tensor(1).shape()).c_str());
  run_forward(call, false, true);
}

// (mode, g_output, g_hidden, g_cell, input, h0, c0, w_ih, w_hh, b_ih, b_hh, output, gates, reverse,
// needs)
RL_KERNEL(rnn_backward) {
  const int64_t mode = call.integer(0);
  if (mode < kTanh || mode > kGru)
    fail(ErrorType::Value, "%s: unknown mode %ld", call.name(), long(mode));
  const Operands o = read_operands(call, 4, mode, call.boolean(13));
  const Geometry& g = o.g;
  const IntList wanted = call.ints(14);
  if (wanted.size() != 7)
    fail(ErrorType::Value, "%s: needs must have 7 entries, got %zu", call.name(), wanted.size());
  bool needs[7];
  for (size_t i = 0; i < 7; ++i) needs[i] = wanted[i] != 0;
  const Array output0 = call.tensor(11).to(o.compute);
  const Array output =
      o.batch_major ? output0.transpose(0, 1).contiguous_copy() : output0.contiguous_copy();
  const Array gates = call.tensor(12).contiguous_copy();
  const Array *g_out = call.tensor_or_null(1), *g_hidden = call.tensor_or_null(2),
              *g_cell = call.tensor_or_null(3);
  const auto state = [&](const Array* a) {
    return !a || (a->ndim() == 2 && a->size(0) == g.batch && a->size(1) == g.hidden);
  };
  if (output.numel() != g.rows() * g.hidden || gates.numel() != g.rows() * g.width ||
      gates.dtype() != o.compute || !state(g_hidden) || !state(g_cell) ||
      (g_out && (g_out->ndim() != (o.sequence ? 3 : 2) || !g_out->same_shape(output0))))
    fail(ErrorType::Runtime, "%s: gradients and saved tensors do not fit the layer", call.name());
  if (o.compute == DType::F64)
    backward<double>(call, o, g_out, g_hidden, g_cell, output, gates, needs);
  else
    backward<float>(call, o, g_out, g_hidden, g_cell, output, gates, needs);
}

}  // namespace rl
