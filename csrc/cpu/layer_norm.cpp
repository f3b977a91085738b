// layer_norm and rms_norm over rows of `cols` elements (the normalised dims, flattened).
//
//   layer   xh = (x - mean) / sqrt(var + eps)       y = xh w + b
//   rms     xh = x / sqrt(mean(x^2) + eps)          y = xh w
//   a = g w,  c1 = mean(a) (0 for rms),  c2 = mean(a xh)
//   dx = (a - c1 - xh c2) / sqrt(...)               dw = sum_rows g xh      db = sum_rows g
//
// Forward reads x once and writes y; backward reads x and g once and writes dx. All further passes
// over a row run in the cache, which is why the statistics are recomputed and not saved.
#include "moments.h"
#include "row.h"

namespace rl {
namespace {

template <class C>
struct RowStats {
  C mean, scale;
};

template <class C>
RowStats<C> row_stats(const C* x, int64_t n, double eps, bool rms) {
  if (rms) {
    const double square = dot_row<C>(x, x, n) / static_cast<double>(n);
    return {C(0), static_cast<C>(1 / std::sqrt(square + eps))};
  }
  C mean, var;
  row_moments<C>(x, n, mean, var);
  return {mean, C(1) / std::sqrt(var + static_cast<C>(eps))};
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
    const ThreadBuffer<T> buffer(cols);
    NoGil nogil(x.numel(), 20000);
    parallel_for(x.numel() / cols, row_grain(cols), [&](int64_t r0, int64_t r1) {
      C* buf = buffer.mine();
      for (int64_t r = r0; r < r1; ++r) {
        const C* row = load_row(xp + r * cols, cols, buf);
        C* out = row_target(yp + r * cols, buf);
        const auto [mean, scale] = row_stats<C>(row, cols, eps, rms);
#pragma omp simd
        for (int64_t i = 0; i < cols; ++i) out[i] = (row[i] - mean) * scale * w[i] + b[i];
        store_row(yp + r * cols, cols, out);
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

  void step() {
    if (++rows == 64) flush();
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

template <class T>
void backward_rows(const BackwardWork& work, const T* xp, const Rows& g, const compute_t<T>* w,
                   T* dxp, compute_t<T>* buf, ColumnSums<compute_t<T>>& sums, int64_t r0,
                   int64_t r1) {
  using C = compute_t<T>;
  const int64_t n = work.cols;
  C *dw = sums.part, *db = sums.part + n;
  for (int64_t r = r0; r < r1; ++r) {
    const C* x = load_row(xp + r * n, n, buf);
    const C* gr = load_row(g.at<T>(r), n, buf + n);
    const auto [mean, scale] = row_stats<C>(x, n, work.eps, work.rms);
    double c1 = 0, c2 = 0;
    for (int64_t i = 0; i < n; i += kPiece) {
      C s = 0, t = 0;
      const int64_t end = std::min(n, i + kPiece);
      if (work.affine) {
#pragma omp simd reduction(+ : s, t)
        for (int64_t k = i; k < end; ++k) {
          const C xh = (x[k] - mean) * scale, a = gr[k] * w[k];
          dw[k] += gr[k] * xh;
          db[k] += gr[k];
          s += a;
          t += a * xh;
        }
      } else {
#pragma omp simd reduction(+ : s, t)
        for (int64_t k = i; k < end; ++k) {
          const C a = gr[k] * w[k];
          s += a;
          t += a * ((x[k] - mean) * scale);
        }
      }
      c1 += s, c2 += t;
    }
    if (work.affine) sums.step();
    if (!work.input) continue;
    const C m1 = work.rms ? C(0) : static_cast<C>(c1 / static_cast<double>(n));
    const C m2 = static_cast<C>(c2 / static_cast<double>(n));
    C* dx = row_target(dxp + r * n, buf);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i)
      dx[i] = scale * (gr[i] * w[i] - m1 - (x[i] - mean) * scale * m2);
    store_row(dxp + r * n, n, dx);
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
    const int threads = num_threads();
    const ThreadBuffer<T> buffer(2 * cols);
    const Scratch<C> parts(work.affine ? threads * 2 * cols : 0);
    const bool many = cols && x.numel() / cols > 64;
    const Scratch<double> totals(work.affine && many ? threads * 2 * cols : 0);
    if (work.affine) std::fill_n(parts.get(), threads * 2 * cols, C(0));
    if (totals.get()) std::fill_n(totals.get(), threads * 2 * cols, 0.0);
    NoGil nogil(x.numel(), 20000);
    if (cols)
      parallel_for(x.numel() / cols, row_grain(cols), [&](int64_t r0, int64_t r1) {
        const int64_t at = work.affine ? omp_get_thread_num() * 2 * cols : 0;
        ColumnSums<C> sums{parts.get() + at, many ? totals.get() + at : nullptr, 2 * cols};
        backward_rows<T>(work, x.data<T>(), g, w.data<C>(), dx.data<T>(), buffer.mine(), sums, r0,
                         r1);
        if (work.affine) sums.flush();
      });
    if (!work.affine) return;
    for (int64_t i = 0; i < 2 * cols; ++i) {
      double s = 0;
      for (int64_t t = i; t < threads * 2 * cols; t += 2 * cols) s += many ? totals[t] : parts[t];
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
