// Gradients of recurrent layers (rnn.h says what is computed).
#include "rnn.h"

namespace rl {
namespace {

// -- one step of one row --------------------------------------------------------------------------
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
    parallel_for(g.batch, g.grain(), [&](int64_t begin, int64_t end) { rows(w, begin, end); });
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

// -- a layer --------------------------------------------------------------------------------------
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

}  // namespace

// (mode, g_output, g_hidden, g_cell, input, h0, c0, w_ih, w_hh, b_ih, b_hh, output, gates, reverse,
// needs)
RL_KERNEL(rnn_backward) {
  const Operands o = read_operands(call, 4, call.boolean(13));
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
