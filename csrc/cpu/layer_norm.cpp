// layer_norm and rms_norm over rows of `cols` elements (the normalised dims, flattened).
//
//   layer   xh = (x - mean) / sqrt(var + eps)       y = xh w + b
//   rms     xh = x / sqrt(mean(x^2) + eps)          y = xh w
//   a = g w,  c1 = mean(a) (0 for rms),  c2 = mean(a xh)
//   dx = (a - c1 - xh c2) / sqrt(...)               dw = sum_rows g xh      db = sum_rows g
//
// Forward reads x once and writes y; backward reads x and g once and writes dx. All further passes
// over a row run in the cache, which is why the statistics are recomputed and not saved. Short rows
// go in groups: one row's steps wait for each other.
#include "moments.h"
#include "short_rows.h"

namespace rl {
namespace {

constexpr int64_t kGroup = 16;  // short rows

template <class C>
int64_t group_of(int64_t cols) {
  return cols <= kShortRow<C> ? kGroup : 1;
}

// Means (0 for rms) and 1 / deviations of a group of rows of n.
template <class C>
void group_stats(const C* x, int64_t rows, int64_t n, double eps, bool rms, C* mean, C* scale) {
  if (n > kShortRow<C> && rms) {
    mean[0] = 0;
    scale[0] = static_cast<C>(1 / std::sqrt(dot_row<C>(x, x, n) / static_cast<double>(n) + eps));
    return;
  }
  if (n > kShortRow<C>) {
    C var;
    row_moments<C>(x, n, mean[0], var);
    scale[0] = C(1) / std::sqrt(var + static_cast<C>(eps));
    return;
  }
  const C each = C(1) / static_cast<C>(n);
  if (rms)
    std::fill_n(mean, rows, C(0));
  else
    fold_each<C>(
        rows, n, [&](int64_t r, int64_t i) { return load_some<C>(x + r * n + i, n - i, C(0)); },
        add_lanes<C>, mean);
  for (int64_t r = 0; r < rows; ++r) mean[r] *= each;
  fold_each<C>(
      rows, n,
      [&](int64_t r, int64_t i) {
        const auto d = load_some<C>(x + r * n + i, n - i, mean[r]) - mean[r];
        return d * d;
      },
      add_lanes<C>, scale);
#pragma omp simd
  for (int64_t r = 0; r < rows; ++r)
    scale[r] = C(1) / std::sqrt(scale[r] * each + static_cast<C>(eps));
}

// The affine parameters in the compute type; ones and zeros when absent.
template <class C>
Array affine(const Array* p, int64_t cols, double absent) {
  if (p) return p->to(dtype_of<C>::value).contiguous_copy();
  Array a = Array::empty(dtype_of<C>::value, {cols});
  std::fill_n(a.data<C>(), cols, static_cast<C>(absent));
  return a;
}

int64_t check_shapes(const Call& call, const Array& x, int shape, const Array* weight,
                     const Array* bias) {
  const IntList normalized = call.ints(shape);
  const int n = static_cast<int>(normalized.size());
  if (n < 1)
    fail(ErrorType::Runtime,
         "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
         "element, but got normalized_shape = []");
  for (const auto& [p, name] : {std::pair{weight, "weight"}, std::pair{bias, "bias"}})
    if (p && !std::ranges::equal(p->shape(), normalized))
      fail(ErrorType::Runtime,
           "Expected %s to be of same shape as normalized_shape, but got %s of shape %s and "
           "normalized_shape = %s",
           name, name, shape_text(p->shape()).c_str(), shape_text(normalized).c_str());
  bool same = x.ndim() >= n;
  for (int d = 0; same && d < n; ++d) same = x.size(x.ndim() - n + d) == normalized[d];
  if (!same)
    fail(ErrorType::Runtime,
         "Given normalized_shape=%s, expected input with shape ending in it, but got input of "
         "size%s",
         shape_text(normalized).c_str(), shape_text(x.shape()).c_str());
  return product(normalized);
}

// input, normalized_shape, weight, [bias,] eps
void forward_kernel(Call& call, bool rms) {
  const Array& input = call.tensor(0);
  const Array* weight = call.tensor_or_null(2);
  const Array* bias = rms ? nullptr : call.tensor_or_null(3);
  const int eps_at = rms ? 3 : 4;
  const int64_t cols = check_shapes(call, input, 1, weight, bias);
  const Array x = input.contiguous_copy();
  Array y = Array::empty(x.dtype(), x.shape());
  visit_real(rms ? "rms_norm" : "LayerNormKernelImpl", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    if (x.numel() == 0) return;
    const double eps = call.none(eps_at) ? std::numeric_limits<C>::epsilon() : call.real(eps_at);
    const Array w_array = affine<C>(weight, cols, 1), b_array = affine<C>(bias, cols, 0);
    const C *w = w_array.data<C>(), *b = b_array.data<C>();
    const T* xp = x.data<T>();
    T* yp = y.data<T>();
    const int64_t group = group_of<C>(cols);
    const ThreadBuffer<T> buffer(group * cols);
    NoGil nogil(x.numel(), 20000);
    parallel_for(x.numel() / cols, row_grain(cols, 0.2), [&](int64_t r0, int64_t r1) {
      C *buf = buffer.mine(), mean[kGroup], scale[kGroup];
      for (int64_t r = r0; r < r1; r += group) {
        const int64_t rows = std::min(group, r1 - r), at = r * cols;
        const C* in = load_row(xp + at, rows * cols, buf);
        C* out = row_target(yp + at, buf);
        group_stats<C>(in, rows, cols, eps, rms, mean, scale);
        for (int64_t k = 0; k < rows; ++k, in += cols, out += cols) {
          const C center = mean[k], factor = scale[k];
#pragma omp simd
          for (int64_t i = 0; i < cols; ++i) out[i] = (in[i] - center) * factor * w[i] + b[i];
        }
        store_row(yp + at, rows * cols, row_target(yp + at, buf));
      }
    });
  });
  call.result(std::move(y));
}

// Column sums over the rows of one thread: 64 rows in the compute type, then in float64. Without
// `sum` there are no more than 64.
template <class C>
struct ColumnSums {
  C* part;
  double* sum;
  int64_t n, rows = 0;

  void step(int64_t count) {
    if ((rows += count) >= 64) flush();
  }
  void flush() {
    if (!sum) return;
    for (int64_t i = 0; i < n; ++i) sum[i] += part[i], part[i] = 0;
    rows = 0;
  }
};

struct BackwardWork {
  int64_t cols;
  double eps;
  bool rms, input, affine;
};

// The sums of g w and of g w xh of one row; g xh and g are added to dw and db.
template <class C>
void row_sums(const BackwardWork& work, const C* x, const C* g, const C* w, C mean, C scale, C* dw,
              C* db, double& c1, double& c2) {
  c1 = c2 = 0;
  for (int64_t i = 0; i < work.cols; i += kPiece) {
    C s = 0, t = 0;
    const int64_t end = std::min(work.cols, i + kPiece);
    if (work.affine) {
#pragma omp simd reduction(+ : s, t)
      for (int64_t k = i; k < end; ++k) {
        const C xh = (x[k] - mean) * scale, a = g[k] * w[k];
        dw[k] += g[k] * xh;
        db[k] += g[k];
        s += a;
        t += a * xh;
      }
    } else {
#pragma omp simd reduction(+ : s, t)
      for (int64_t k = i; k < end; ++k) {
        const C a = g[k] * w[k];
        s += a;
        t += a * ((x[k] - mean) * scale);
      }
    }
    c1 += s, c2 += t;
  }
}

// The same of a group of short rows; g_step elements from one row of g to the next.
template <class C>
void group_sums(const BackwardWork& work, const C* x, const C* g, int64_t g_step, const C* w,
                int64_t rows, const C* mean, const C* scale, C* dw, C* db, C* c1, C* c2) {
  const int64_t n = work.cols;
  const auto weighted = [&](int64_t r, int64_t i) {
    return load_some<C>(g + r * g_step + i, n - i, C(0)) * load_some<C>(w + i, n - i, C(0));
  };
  const auto normal = [&](int64_t r, int64_t i) {
    return (load_some<C>(x + r * n + i, n - i, mean[r]) - mean[r]) * scale[r];
  };
  if (!work.rms) fold_each<C>(rows, n, weighted, add_lanes<C>, c1);
  fold_each<C>(
      rows, n, [&](int64_t r, int64_t i) { return weighted(r, i) * normal(r, i); }, add_lanes<C>,
      c2);
  if (!work.affine) return;
  each_vector<C>(n, [&](int64_t i, int64_t left) {
    auto own_dw = load_some<C>(dw + i, left, C(0)), own_db = load_some<C>(db + i, left, C(0));
    for (int64_t r = 0; r < rows; ++r) {
      const auto v = load_some<C>(g + r * g_step + i, left, C(0));
      own_dw += v * normal(r, i);
      own_db += v;
    }
    store_some<C>(dw + i, left, own_dw);
    store_some<C>(db + i, left, own_db);
  });
}

template <class T>
void backward_rows(const BackwardWork& work, const T* xp, const Rows& g, const compute_t<T>* w,
                   T* dxp, compute_t<T>* buf, ColumnSums<compute_t<T>>& sums, int64_t r0,
                   int64_t r1) {
  using C = compute_t<T>;
  const int64_t n = work.cols, group = group_of<C>(n);
  C *dw = sums.part, *db = sums.part + n;
  C mean[kGroup], scale[kGroup], c1[kGroup] = {}, c2[kGroup];
  for (int64_t r = r0; r < r1; r += group) {
    const int64_t rows = std::min(group, r1 - r), g_step = g.stride ? n : 0;
    const C* x = load_row(xp + r * n, rows * n, buf);
    const C* gr = load_row(g.at<T>(r), g_step ? rows * n : n, buf + group * n);
    group_stats<C>(x, rows, n, work.eps, work.rms, mean, scale);
    if (group > 1) {
      group_sums<C>(work, x, gr, g_step, w, rows, mean, scale, dw, db, c1, c2);
    } else {
      double s, t;
      row_sums<C>(work, x, gr, w, mean[0], scale[0], dw, db, s, t);
      c1[0] = work.rms ? C(0) : static_cast<C>(s), c2[0] = static_cast<C>(t);
    }
    if (work.affine) sums.step(rows);
    if (!work.input) continue;
    C* dx = row_target(dxp + r * n, buf);
    for (int64_t k = 0; k < rows; ++k) {
      const C m1 = c1[k] / static_cast<C>(n), m2 = c2[k] / static_cast<C>(n);
      const C center = mean[k], factor = scale[k];
      const C *in = x + k * n, *up = gr + k * g_step;
      C* out = dx + k * n;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i)
        out[i] = factor * (up[i] * w[i] - m1 - (in[i] - center) * factor * m2);
    }
    store_row(dxp + r * n, rows * n, dx);
  }
}

// g, input, normalized_shape, weight, eps, rms, need_input, need_affine; results: dx if wanted,
// then dw and db if wanted.
void backward_kernel(Call& call) {
  const Array x = call.tensor(1).contiguous_copy();
  const Array g_input = call.tensor(0).to(x.dtype());
  const Array* weight = call.tensor_or_null(3);
  BackwardWork work{check_shapes(call, x, 2, weight, nullptr), 0, call.boolean(5), call.boolean(6),
                    call.boolean(7)};
  if (!g_input.same_shape(x))
    fail(ErrorType::Runtime, "%s: g has shape %s, expected that of input, %s", call.name(),
         shape_text(g_input.shape()).c_str(), shape_text(x.shape()).c_str());
  const int64_t cols = work.cols;
  const Rows g = rows_of(g_input, cols);
  Array dx = Array::empty(x.dtype(), x.shape()), dw, db;
  visit_real("layer_norm_backward", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    work.eps = call.none(4) ? std::numeric_limits<C>::epsilon() : call.real(4);
    const Array w = affine<C>(weight, cols, 1);
    dw = Array::empty(dtype_of<C>::value, Shape(call.ints(2)));
    db = Array::empty(dtype_of<C>::value, Shape(call.ints(2)));
    const int64_t rows = cols ? x.numel() / cols : 0, sums_size = 2 * cols;
    // As many parts as threads would be worth it: the sums are the same whoever comes.
    const int64_t parts = std::clamp<int64_t>(rows / row_grain(cols, 0.4), 1, num_threads());
    const ThreadBuffer<T> buffer(2 * cols * group_of<C>(cols));
    const Scratch<C> partial(work.affine ? parts * sums_size : 0);
    const bool many = rows > 64;
    const Scratch<double> totals(work.affine && many ? parts * sums_size : 0);
    if (work.affine) std::fill_n(partial.get(), parts * sums_size, C(0));
    if (totals.get()) std::fill_n(totals.get(), parts * sums_size, 0.0);
    NoGil nogil(x.numel(), 20000);
    parallel_for(rows ? parts : 0, 1, [&](int64_t p0, int64_t p1) {
      for (int64_t p = p0; p < p1; ++p) {
        const int64_t at = work.affine ? p * sums_size : 0;
        ColumnSums<C> sums{partial.get() + at, many ? totals.get() + at : nullptr, sums_size};
        backward_rows<T>(work, x.data<T>(), g, w.data<C>(), dx.data<T>(), buffer.mine(), sums,
                         rows * p / parts, rows * (p + 1) / parts);
        if (work.affine) sums.flush();
      }
    });
    if (!work.affine) return;
    for (int64_t i = 0; i < sums_size; ++i) {
      double s = 0;
      for (int64_t t = i; t < parts * sums_size; t += sums_size) s += many ? totals[t] : partial[t];
      (i < cols ? dw.data<C>()[i] : db.data<C>()[i - cols]) = static_cast<C>(s);
    }
  });
  if (work.input) call.result(std::move(dx));
  if (work.affine) call.result(std::move(dw)), call.result(std::move(db));
}

}  // namespace

RL_KERNEL(layer_norm) { forward_kernel(call, false); }
RL_KERNEL(rms_norm) { forward_kernel(call, true); }
RL_KERNEL(layer_norm_backward) { backward_kernel(call); }

}  // namespace rl
