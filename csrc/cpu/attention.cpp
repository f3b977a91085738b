// Scaled dot-product attention without the score matrix.
//
//   S = scale * Q K^T + mask   (L, S)      P = softmax(S)      O = P V
//   dV = P^T dO      dP = dO V^T      dS = P * (dP - rowsum(dO * O))
//   dQ = scale * dS K      dK = scale * dS^T Q
//
// Q (B, H, L, E), K (B, Hk, S, E), V (B, Hk, S, Ev); H is a multiple of Hk. Tiles of kQueries x
// kKeys scores live in cache: the forward pass keeps a running maximum and sum per row and
// rescales O; the backward pass recomputes P from the saved log-sum-exp. K^T and V^T are packed
// once per head (and tile), causal tiles above the diagonal are skipped. A row whose every key is
// masked gives zeros. Half types compute in float.
#include <algorithm>
#include <cmath>
#include <limits>

#include "../core/kernel.h"
#include "gemm.h"
#include "vecmath.h"

namespace rl {
namespace {

constexpr int64_t kQueries = 96, kKeys = 256;

struct Geometry {
  int64_t batch, heads, kv_heads, queries, keys, depth, value_depth;
  double scale;
  bool causal;
  int64_t group() const { return heads / kv_heads; }
};

// A (B, H, rows, cols) operand whose last dim is contiguous.
template <class T>
struct Operand {
  T* data;
  int64_t batch, head, row;  // strides
  explicit Operand(const Array& a)
      : data(a.data<T>()), batch(a.stride(0)), head(a.stride(1)), row(a.stride(2)) {}
  T* at(int64_t b, int64_t h, int64_t r) const { return data + b * batch + h * head + r * row; }
};

// An additive or boolean mask, broadcast to (B, H, L, S) by zero strides; null for none.
template <class T>
struct Mask {
  const T* add = nullptr;
  const uint8_t* keep = nullptr;
  int64_t batch = 0, head = 0, row = 0, col = 0;
};

template <class T>
Mask<T> make_mask(const Array* a) {
  Mask<T> m;
  if (!a) return m;
  if (a->dtype() == DType::Bool)
    m.keep = a->data<uint8_t>();
  else
    m.add = a->data<T>();
  m.batch = a->stride(0), m.head = a->stride(1), m.row = a->stride(2), m.col = a->stride(3);
  return m;
}

// Adds n numbers to a row of scores, or takes out those that may not be seen. The stride of a
// mask's last dim is 1 or 0, but for views.
template <class T, class M>
void mask_run(T* s, int64_t n, const M* m, int64_t stride) {
  constexpr T never = -std::numeric_limits<T>::infinity();
  const auto one = [&](int64_t j, M x) {
    if constexpr (std::is_same_v<M, uint8_t>)
      s[j] = x ? s[j] : never;
    else
      s[j] += x;
  };
  if (stride == 1) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) one(j, m[j]);
  } else {
    for (int64_t j = 0; j < n; ++j) one(j, m[j * stride]);
  }
}

// Masks one row of scores for keys [first, first + n); -inf above the diagonal.
template <class T>
void mask_row(T* s, const Geometry& g, const Mask<T>& m, int64_t b, int64_t h, int64_t query,
              int64_t first, int64_t n) {
  const int64_t at = b * m.batch + h * m.head + query * m.row + first * m.col;
  if (m.add)
    mask_run(s, n, m.add + at, m.col);
  else if (m.keep)
    mask_run(s, n, m.keep + at, m.col);
  if (g.causal)
    for (int64_t j = std::max<int64_t>(0, query + 1 - first); j < n; ++j)
      s[j] = -std::numeric_limits<T>::infinity();
}

template <class T>
T row_max(const T* s, int64_t n, T start) {
  T top = start;
  // A NaN loses every comparison here; exp_row carries it into the sum.
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < n; ++j) top = s[j] > top ? s[j] : top;
  return top;
}

template <class T>
T exp_row(T* s, int64_t n, T shift) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; ++j) {
    s[j] = vexp(s[j] - shift);
    sum += s[j];
  }
  return sum;
}

template <class T>
struct Tools {
  const GemmKernel& gemm = gemm_kernel(dtype_of<T>::value);

  // c (m, n) = alpha a b + beta c, where b is packed.
  void packed(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* panels, T* c,
              int64_t c_row, double alpha, double beta = 0, int64_t packed_k = 0) const {
    GemmArgs g;
    g.m = m, g.n = n, g.k = k;
    g.a = a, g.a_row = a_row, g.a_col = 1;
    g.b = panels, g.packed = true, g.packed_k = packed_k;
    g.c = c, g.c_row = c_row, g.alpha = alpha, g.beta = beta;
    gemm.run(g);
  }
  // c (m, n) = alpha a b^T, both as they lie: for few rows.
  void dots(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, const T* b, int64_t b_row,
            T* c, int64_t c_row, double alpha) const {
    GemmArgs g;
    g.m = m, g.n = n, g.k = k;
    g.a = a, g.a_row = a_row, g.a_col = 1;
    g.b = b, g.b_row = 1, g.b_col = b_row;
    g.c = c, g.c_row = c_row, g.alpha = alpha;
    gemm.run(g);
  }
  // c = alpha a b + beta c.
  void multiply(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_col,
                const T* b, int64_t b_row, T* c, int64_t c_row, double alpha,
                double beta = 1) const {
    GemmArgs g;
    g.m = m, g.n = n, g.k = k;
    g.a = a, g.a_row = a_row, g.a_col = a_col;
    g.b = b, g.b_row = b_row, g.b_col = 1;
    g.c = c, g.c_row = c_row, g.alpha = alpha, g.beta = beta;
    gemm.run(g);
  }
};

// -- forward --------------------------------------------------------------------------------------
// K^T and V of one head, packed; null where few queries do not pay for it.
template <class T>
struct Panels {
  T *keys = nullptr, *values = nullptr;

  void fill(const Geometry& g, const Operand<T>& k, const Operand<T>& v, int64_t b,
            int64_t h) const {
    const GemmKernel& gemm = Tools<T>().gemm;
    const int64_t wide = packed_size(gemm, 1, g.value_depth);
    gemm.pack(keys, k.at(b, h, 0), g.depth, g.keys, 1, k.row);
    for (int64_t s = 0; s < g.keys; s += kKeys)
      gemm.pack(values + s * wide, v.at(b, h, s), std::min(kKeys, g.keys - s), g.value_depth, v.row,
                1);
  }
};

template <class T>
void forward_tile(const Geometry& g, const Operand<T>& q, const Operand<T>& k, const Operand<T>& v,
                  const Panels<T>& panels, const Mask<T>& mask, const Operand<T>& out, T* lse,
                  T* scores, int64_t b, int64_t h, int64_t q0, int64_t rows) {
  const Tools<T> tools;
  constexpr T never = -std::numeric_limits<T>::infinity();
  T top[kQueries], sum[kQueries];
  T* o = out.at(b, h, q0);
  const int64_t wide = packed_size(tools.gemm, 1, g.value_depth);
  std::fill_n(top, rows, never);
  std::fill_n(sum, rows, T(0));
  const int64_t end = g.causal ? std::min(g.keys, q0 + rows) : g.keys;
  for (int64_t s0 = 0; s0 < end; s0 += kKeys) {
    const int64_t n = std::min(kKeys, end - s0);
    if (panels.keys)
      tools.packed(rows, n, g.depth, q.at(b, h, q0), q.row, panels.keys + s0 * g.depth, scores,
                   kKeys, g.scale);
    else
      tools.dots(rows, n, g.depth, q.at(b, h, q0), q.row, k.at(b, h / g.group(), s0), k.row, scores,
                 kKeys, g.scale);
    const bool masked = mask.add || mask.keep || (g.causal && s0 + n > q0 + 1);
    // Behind the diagonal only what fills a vector is looked at.
    const auto used_of = [&](int64_t i) {
      const int64_t seen = g.causal ? std::clamp<int64_t>(q0 + i + 1 - s0, 0, n) : n;
      return std::min(n, (seen + 15) / 16 * 16);
    };
    // All rows first: a vector read back at once would wait for the numbers stored in it.
    for (int64_t i = 0; masked && i < rows; ++i)
      mask_row(scores + i * kKeys, g, mask, b, h, q0 + i, s0, used_of(i));
    for (int64_t i = 0; i < rows; ++i) {
      T* s = scores + i * kKeys;
      const int64_t used = used_of(i);
      const T next = row_max(s, used, top[i]);
      // Nothing to see yet: all scores are -inf, and their exponentials 0.
      const T shift = next == never ? T(0) : next;
      const T rescale = vexp(top[i] - shift);
      sum[i] = sum[i] * rescale + exp_row(s, used, shift);
      std::fill(s + used, s + n, T(0));
      top[i] = next;
      if (s0 > 0 && rescale != T(1))
        for (int64_t j = 0; j < g.value_depth; ++j) o[i * out.row + j] *= rescale;
    }
    if (panels.values)
      tools.packed(rows, g.value_depth, n, scores, kKeys, panels.values + s0 * wide, o, out.row, 1,
                   s0 > 0, std::min(kKeys, g.keys - s0));
    else
      tools.multiply(rows, g.value_depth, n, scores, kKeys, 1, v.at(b, h / g.group(), s0), v.row, o,
                     out.row, 1, s0 > 0);
  }
  for (int64_t i = 0; i < rows; ++i) {
    const bool empty = top[i] == never && sum[i] == T(0);
    const T factor = empty ? T(0) : 1 / sum[i];
    for (int64_t j = 0; j < g.value_depth; ++j) o[i * out.row + j] *= factor;
    lse[i] = empty ? std::numeric_limits<T>::infinity() : top[i] + std::log(sum[i]);
  }
}

template <class T>
void forward(const Geometry& g, const Array& qa, const Array& ka, const Array& va, const Array* ma,
             const Array& oa, const Array& la) {
  const Operand<T> q(qa), k(ka), v(va), out(oa);
  const Mask<T> mask = make_mask<T>(ma);
  const Tools<T> tools;
  const int64_t tiles = (g.queries + kQueries - 1) / kQueries;
  const bool packs = g.queries > 8;
  const int64_t key_size = packs ? packed_size(tools.gemm, g.depth, g.keys) : 0;
  const int64_t value_size = packs ? packed_size(tools.gemm, g.keys, g.value_depth) : 0;
  const int64_t rows = std::min(kQueries, g.queries);
  const double tile_ns = product_ns(rows, g.keys, g.depth + g.value_depth + 20);  // exponentials
  parallel_for(g.batch * g.heads * tiles, grain_of(tile_ns), [&](int64_t begin, int64_t end) {
    T* scores =
        static_cast<T*>(thread_buffer(2, (key_size + value_size + kQueries * kKeys) * sizeof(T)));
    T* rest = scores + kQueries * kKeys;
    const Panels<T> panels{packs ? rest : nullptr, packs ? rest + key_size : nullptr};
    int64_t packed = -1;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t tile = i % tiles, h = i / tiles % g.heads, b = i / tiles / g.heads;
      const int64_t kv = b * g.kv_heads + h / g.group();
      if (packs && kv != packed) {  // consecutive tiles and grouped heads share their keys
        panels.fill(g, k, v, b, h / g.group());
        packed = kv;
      }
      const int64_t q0 = tile * kQueries;
      forward_tile(g, q, k, v, panels, mask, out, la.data<T>() + (b * g.heads + h) * g.queries + q0,
                   scores, b, h, q0, std::min(kQueries, g.queries - q0));
    }
  });
}

// -- backward -------------------------------------------------------------------------------------
template <class T>
struct Gradients {
  Operand<T> q, k, v;
};

// One head's tile of queries against one tile of keys, whose K^T and V^T are packed.
template <class T>
void backward_tile(const Geometry& g, const Operand<T>& q, const Operand<T>& k,
                   const Operand<T>& go, const T* delta, const T* lse, const T* key_panels,
                   const T* value_panels, const Mask<T>& mask, const Gradients<T>& grads, T* p,
                   T* dp, int64_t b, int64_t h, int64_t q0, int64_t rows, int64_t s0, int64_t n) {
  const Tools<T> tools;
  const int64_t kv = h / g.group();
  tools.packed(rows, n, g.depth, q.at(b, h, q0), q.row, key_panels, p, kKeys, g.scale);
  tools.packed(rows, n, g.value_depth, go.at(b, h, q0), go.row, value_panels, dp, kKeys, 1);
  const bool masked = mask.add || mask.keep || (g.causal && s0 + n > q0 + 1);
  for (int64_t i = 0; masked && i < rows; ++i)
    mask_row(p + i * kKeys, g, mask, b, h, q0 + i, s0, n);
  for (int64_t i = 0; i < rows; ++i) {
    T *s = p + i * kKeys, *d = dp + i * kKeys;
    const T shift = lse[i], subtract = delta[i];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      s[j] = vexp(s[j] - shift);
      d[j] = s[j] * (d[j] - subtract);
    }
  }
  tools.multiply(n, g.value_depth, rows, p, 1, kKeys, go.at(b, h, q0), go.row,
                 grads.v.at(b, kv, s0), grads.v.row, 1);
  tools.multiply(rows, g.depth, n, dp, kKeys, 1, k.at(b, kv, s0), k.row, grads.q.at(b, h, q0),
                 grads.q.row, g.scale);
  tools.multiply(n, g.depth, rows, dp, 1, kKeys, q.at(b, h, q0), q.row, grads.k.at(b, kv, s0),
                 grads.k.row, g.scale);
}

template <class T>
void backward(const Geometry& g, const Array& qa, const Array& ka, const Array& va, const Array* ma,
              const Array& oa, const Array& la, const Array& goa, const Gradients<T>& grads) {
  const Operand<T> q(qa), k(ka), v(va), out(oa), go(goa);
  const Mask<T> mask = make_mask<T>(ma);
  const Tools<T> tools;
  const int64_t panel_k = packed_size(tools.gemm, g.depth, kKeys),
                panel_v = packed_size(tools.gemm, g.value_depth, kKeys);
  const int64_t deltas = g.group() * g.queries;
  // A thread owns a key head: nobody else adds to its dK, dV and the dQ of its group.
  const double head_ns = product_ns(deltas, g.keys, 3 * g.depth + 2 * g.value_depth + 20);
  parallel_for(g.batch * g.kv_heads, grain_of(head_ns), [&](int64_t begin, int64_t end) {
    T* buffer = static_cast<T*>(
        thread_buffer(2, (panel_k + panel_v + 2 * kQueries * kKeys + deltas) * sizeof(T)));
    T *kp = buffer, *vp = kp + panel_k, *p = vp + panel_v, *dp = p + kQueries * kKeys,
      *delta = dp + kQueries * kKeys;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / g.kv_heads, kv = i % g.kv_heads;
      for (int64_t j = 0; j < deltas; ++j) {
        const int64_t h = kv * g.group() + j / g.queries;
        const T *x = out.at(b, h, j % g.queries), *y = go.at(b, h, j % g.queries);
        T s = 0;
#pragma omp simd reduction(+ : s)
        for (int64_t c = 0; c < g.value_depth; ++c) s += x[c] * y[c];
        delta[j] = s;
      }
      for (int64_t s0 = 0; s0 < g.keys; s0 += kKeys) {
        const int64_t n = std::min(kKeys, g.keys - s0);
        tools.gemm.pack(kp, k.at(b, kv, s0), g.depth, n, 1, k.row);
        tools.gemm.pack(vp, v.at(b, kv, s0), g.value_depth, n, 1, v.row);
        for (int64_t h = kv * g.group(); h < (kv + 1) * g.group(); ++h) {
          const T* lse = la.data<T>() + (b * g.heads + h) * g.queries;
          const T* own = delta + (h - kv * g.group()) * g.queries;
          for (int64_t q0 = g.causal ? s0 / kQueries * kQueries : 0; q0 < g.queries; q0 += kQueries)
            backward_tile(g, q, k, go, own + q0, lse + q0, kp, vp, mask, grads, p, dp, b, h, q0,
                          std::min(kQueries, g.queries - q0), s0, n);
        }
      }
    }
  });
}

// -- operands -------------------------------------------------------------------------------------
Array rows_contiguous(const Array& a, DType t) {
  const Array x = a.to(t);
  return x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous_copy();
}

Geometry geometry(const Array& q, const Array& k, const Array& v, const Array* mask, double scale,
                  bool causal) {
  const auto wrong = [&](const char* what) {
    fail(ErrorType::Runtime, "scaled_dot_product_attention: %s: got query %s, key %s and value %s",
         what, shape_text(q.shape()).c_str(), shape_text(k.shape()).c_str(),
         shape_text(v.shape()).c_str());
  };
  if (q.ndim() != 4 || k.ndim() != 4 || v.ndim() != 4) wrong("expected 4-d tensors");
  if (q.dtype() != k.dtype() || q.dtype() != v.dtype() || !is_real(q.dtype()))
    wrong("expected one real dtype");
  Geometry g{q.size(0), q.size(1), k.size(1), q.size(2), k.size(2),
             q.size(3), v.size(3), scale,     causal};
  if (k.size(0) != g.batch || v.size(0) != g.batch || v.size(1) != g.kv_heads ||
      v.size(2) != g.keys || k.size(3) != g.depth || g.kv_heads == 0 || g.heads % g.kv_heads)
    wrong("sizes do not fit together");
  if (mask && (mask->ndim() != 4 || mask->size(0) != g.batch || mask->size(1) != g.heads ||
               mask->size(2) != g.queries || mask->size(3) != g.keys))
    wrong("the mask does not have the shape of the scores");
  return g;
}

DType compute_type(DType t) { return t == DType::F64 ? DType::F64 : DType::F32; }

// A gradient with the memory order of its tensor's (heads, rows), which is often transposed.
Array gradient_like(const Array& a, DType t, bool zeros) {
  Array y = a.stride(1) < a.stride(2)
                ? Array::empty(t, {a.size(0), a.size(2), a.size(1), a.size(3)}).transpose(1, 2)
                : Array::empty(t, a.shape());
  if (zeros) std::fill(y.bytes(), y.bytes() + y.nbytes(), 0);
  return y;
}

}  // namespace

// (query, key, value, mask (B, H, L, S) or None, is_causal, scale) -> output, logsumexp
RL_KERNEL(sdpa_flash) {
  const Array* m = call.tensor_or_null(3);
  const Geometry g =
      geometry(call.tensor(0), call.tensor(1), call.tensor(2), m, call.real(5), call.boolean(4));
  const DType t = call.tensor(0).dtype(), c = compute_type(t);
  const Array q = rows_contiguous(call.tensor(0), c), k = rows_contiguous(call.tensor(1), c),
              v = rows_contiguous(call.tensor(2), c);
  const Array mask = m ? (m->dtype() == DType::Bool ? *m : m->to(c)) : Array();
  Array out = Array::empty(c, {g.batch, g.heads, g.queries, g.value_depth});
  Array lse = Array::empty(c, {g.batch, g.heads, g.queries});
  {
    NoGil nogil(g.batch * g.heads * g.queries * g.keys);
    if (c == DType::F64)
      forward<double>(g, q, k, v, m ? &mask : nullptr, out, lse);
    else
      forward<float>(g, q, k, v, m ? &mask : nullptr, out, lse);
  }
  call.result(out.to(t));
  call.result(std::move(lse));
}

// (grad, query, key, value, output, logsumexp, mask, is_causal, scale) -> dQ, dK, dV
RL_KERNEL(sdpa_flash_backward) {
  const Array* m = call.tensor_or_null(6);
  const Geometry g =
      geometry(call.tensor(1), call.tensor(2), call.tensor(3), m, call.real(8), call.boolean(7));
  const DType t = call.tensor(1).dtype(), c = compute_type(t);
  const Array go = rows_contiguous(call.tensor(0), c), out = rows_contiguous(call.tensor(4), c),
              lse = call.tensor(5).contiguous_copy();
  const Array q = rows_contiguous(call.tensor(1), c), k = rows_contiguous(call.tensor(2), c),
              v = rows_contiguous(call.tensor(3), c);
  const int64_t out_sizes[4] = {g.batch, g.heads, g.queries, g.value_depth};
  if (!std::equal(out_sizes, out_sizes + 4, go.sizes()) || go.ndim() != 4 || !go.same_shape(out) ||
      lse.dtype() != c || lse.numel() != g.batch * g.heads * g.queries)
    fail(ErrorType::Runtime,
         "scaled_dot_product_attention: the gradient %s does not fit the output %s",
         shape_text(go.shape()).c_str(), shape_text(out.shape()).c_str());
  const Array mask = m ? (m->dtype() == DType::Bool ? *m : m->to(c)) : Array();
  const Array gq = gradient_like(call.tensor(1), c, true),
              gk = gradient_like(call.tensor(2), c, true),
              gv = gradient_like(call.tensor(3), c, true);
  {
    NoGil nogil(g.batch * g.heads * g.queries * g.keys);
    const Array* mp = m ? &mask : nullptr;
    if (c == DType::F64)
      backward<double>(g, q, k, v, mp, out, lse, go,
                       {Operand<double>(gq), Operand<double>(gk), Operand<double>(gv)});
    else
      backward<float>(g, q, k, v, mp, out, lse, go,
                      {Operand<float>(gq), Operand<float>(gk), Operand<float>(gv)});
  }
  call.result(gq.to(t));
  call.result(gk.to(t));
  call.result(gv.to(t));
}

}  // namespace rl
