// Recurrent layers, forward (rnn.h says what is computed).
#include "rnn.h"

namespace rl {
namespace {

// -- one step of one row --------------------------------------------------------------------------
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
    parallel_for(g.batch, g.grain(), [&](int64_t begin, int64_t end) {
      const int64_t m = end - begin, side = joined ? g.inputs + n : gh;
      T* buffer = joined || g.mode == kGru ? static_cast<T*>(thread_buffer(3, m * side * sizeof(T)))
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

// -- a layer --------------------------------------------------------------------------------------
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

void run_forward(Call& call, bool reverse, bool keep) {
  const Operands o = read_operands(call, 1, reverse);
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

}  // namespace rl
