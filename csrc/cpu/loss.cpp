// The loss over class indices of scores: cross_entropy.
//
// x is (N, C, S): S the trailing dims, 1 mostly; t (N, S) holds class indices.
//
//   l         (1 - e) w[t] (lse - x[t]) + e / C sum_c w[c] (lse - x[c])
//             lse = log sum_c exp x[c],  e = label_smoothing
//   mean      sum l / sum w[t] over the targets that are not ignore_index
//   backward  dx[c] = k ((1 - e) w[t] (p[c] - [c = t]) + e / C (p[c] sum w - w[c]))
//             p = exp(x - lse),  k = g / sum w[t] for mean
//
// The forward pass reads x once, writes one lse a target and no probabilities; backward reads x
// again and writes dx.
#include "loss.h"

namespace rl {
namespace {

// -- cross entropy over rows, S == 1 ----------------------------------------------------------
struct Smoothing {
  double amount, weights;
};  // label_smoothing and sum_c w[c]

// Rows [i0, i1), at most kRows: first the sums of each, then their logarithms side by side. Long
// rows whose target is ignored are left out.
constexpr int64_t kRows = 64;
int64_t group_of(int64_t n) {
  return std::clamp<int64_t>(4096 / std::max<int64_t>(n, 1), 1, kRows);
}

template <class T>
void entropy_rows(const Problem& p, const T* x_, int64_t i0, int64_t i1, const compute_t<T>* w,
                  const Smoothing& s, compute_t<T>* buf, double* lse, double* loss) {
  using C = compute_t<T>;
  const int64_t n = p.classes, rows = i1 - i0;
  C top[kRows];
  double sum[kRows];
  if (rows == 1 && p.at(i0) == p.ignore) {
    lse[i0] = loss[i0] = 0;
    return;
  }
  const C* x = load_row(x_ + i0 * n, rows * n, buf);
  exp_sums<C>(x, rows, n, top, nullptr, sum);
#pragma omp simd
  for (int64_t k = 0; k < rows; ++k) sum[k] = log(sum[k]);
  for (int64_t k = 0; k < rows; ++k, x += n) {
    const int64_t i = i0 + k, t = p.at(i);
    lse[i] = loss[i] = 0;
    if (t == p.ignore) continue;
    lse[i] = sum[k] + static_cast<double>(top[k]);
    loss[i] = (1 - s.amount) * w[t] * (sum[k] + (static_cast<double>(top[k]) - x[t]));
    if (s.amount > 0)
      loss[i] += s.amount / static_cast<double>(n) * (lse[i] * s.weights - dot_row<C>(w, x, n));
  }
}

// exp of what the rounding of a log sum to C left over: next to 0, or not finite where that is not.
inline double small_exp(double x) {
  if (std::abs(x) < 1e-3) return 1 + x * (1 + x * (0.5 + x / 6));
  return std::isfinite(x) ? std::exp(x) : 1;
}

template <class T>
void entropy_gradient_row(const T* x_, int64_t t, int64_t n, const compute_t<T>* w,
                          const Smoothing& s, double log_sum, compute_t<T> k, compute_t<T>* buf,
                          T* dx_) {
  using C = compute_t<T>;
  const C* x = load_row(x_, n, buf);
  C* dx = row_target(dx_, buf);
  const double even = s.amount / static_cast<double>(n);
  const C own = static_cast<C>(k * (1 - s.amount) * w[t]);
  // exp(x - log_sum) in two factors: a float log_sum would be far from exact when both are big.
  const C lse = static_cast<C>(log_sum);
  const C scale = static_cast<C>((own + k * even * s.weights) * small_exp(lse - log_sum));
  const int64_t whole = whole_vectors<C>(n);
  C at_target = exp_nonpositive(x[t] - lse) * scale - own;  // before dx, which may be x's buffer
#pragma omp simd
  for (int64_t i = 0; i < whole; ++i) dx[i] = exp_nonpositive(x[i] - lse) * scale;
  if (whole < n) {
    typename VecOf<C>::type v;
    load_part<C>(v, x + whole, n - whole, lse);
    exp_lanes(v, lse);
    v *= scale;
    store_part<C>(dx + whole, n - whole, v);
  }
  if (s.amount > 0) {
    const C each = static_cast<C>(k * even);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) dx[i] -= each * w[i];
    at_target -= each * w[t];
  }
  dx[t] = at_target;
  store_row(dx_, n, dx);
}

// -- and over columns, S > 1: blocks of neighbouring positions --------------------------------
constexpr int64_t kColumns = 64;

template <class T>
void entropy_columns(const Problem& p, const T* x, int64_t first, int64_t width,
                     const compute_t<T>* w, const Smoothing& s, double* lse, double* loss) {
  using C = compute_t<T>;
  C top[kColumns], sum[kColumns] = {}, plain[kColumns] = {};
  double log_rest[kColumns];
  for (int64_t j = 0; j < width; ++j) top[j] = static_cast<C>(x[j]);
  for (int64_t c = 1; c < p.classes; ++c)
#pragma omp simd
    for (int64_t j = 0; j < width; ++j)
      top[j] = extreme<C, 1>(top[j], static_cast<C>(x[c * p.spatial + j]));
  for (int64_t c = 0; c < p.classes; ++c) {
#pragma omp simd
    for (int64_t j = 0; j < width; ++j)
      sum[j] += exp_nonpositive(static_cast<C>(x[c * p.spatial + j]) - top[j]);
    if (s.amount > 0)
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) plain[j] += w[c] * static_cast<C>(x[c * p.spatial + j]);
  }
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) log_rest[j] = log(static_cast<double>(sum[j]));
  for (int64_t j = 0; j < width; ++j) {
    const double log_sum = log_rest[j] + top[j];
    const int64_t t = p.at(first + j);
    loss[j] = lse[j] = 0;
    if (t == p.ignore) continue;
    lse[j] = log_sum;
    const double below = static_cast<double>(top[j]) - static_cast<C>(x[t * p.spatial + j]);
    loss[j] = (1 - s.amount) * w[t] * (log_rest[j] + below);
    if (s.amount > 0)
      loss[j] += s.amount / static_cast<double>(p.classes) * (log_sum * s.weights - plain[j]);
  }
}

template <class T>
void entropy_gradient_columns(const Problem& p, const T* x, int64_t first, int64_t width,
                              const compute_t<T>* w, const Smoothing& s, const double* log_sum,
                              const Factors<compute_t<T>>& factors, T* dx) {
  using C = compute_t<T>;
  C own[kColumns], scale[kColumns], each[kColumns], lse[kColumns];
  const double even = s.amount / static_cast<double>(p.classes);
  for (int64_t j = 0; j < width; ++j) {
    const int64_t t = p.at(first + j);
    const double k = t == p.ignore ? 0 : static_cast<double>(factors.at(first + j));
    own[j] = t == p.ignore ? C(0) : static_cast<C>(k * (1 - s.amount) * w[t]);
    lse[j] = static_cast<C>(log_sum[j]);
    scale[j] = static_cast<C>((own[j] + k * even * s.weights) * small_exp(lse[j] - log_sum[j]));
    each[j] = static_cast<C>(k * even);
  }
  C wide[kColumns];
  for (int64_t c = 0; c < p.classes; ++c) {
    const C wc = w[c];
    const C* row = load_row(x + c * p.spatial, width, wide);
    C* out = row_target(dx + c * p.spatial, wide);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const C e = exp_nonpositive(row[j] - lse[j]) * scale[j] - each[j] * wc;
      out[j] = scale[j] == 0 && each[j] == 0 ? C(0) : e;
    }
    store_row(dx + c * p.spatial, width, out);
  }
  for (int64_t j = 0; j < width; ++j) {
    const int64_t t = p.at(first + j);
    if (t == p.ignore) continue;
    T& d = dx[t * p.spatial + j];
    d = T(static_cast<C>(d) - own[j]);
  }
}

// rows(i0, i1) for S == 1, else columns(n * S + first, width, offset into x); `ns` an element.
template <class R, class K>
void each_target(const Problem& p, double ns, R&& rows, K&& columns) {
  if (p.spatial == 1) {
    const int64_t group = group_of(p.classes);
    parallel_for(p.n, row_grain(p.classes, ns), [&](int64_t i0, int64_t i1) {
      for (int64_t i = i0; i < i1; i += group) rows(i, std::min(i + group, i1));
    });
    return;
  }
  const int64_t blocks = (p.spatial + kColumns - 1) / kColumns;
  const int64_t most = std::min(kColumns, p.spatial);
  parallel_for(p.n * blocks, row_grain(p.classes * most, ns), [&](int64_t b0, int64_t b1) {
    for (int64_t b = b0; b < b1; ++b) {
      const int64_t n = b / blocks, j = b % blocks * kColumns;
      columns(n * p.spatial + j, std::min(kColumns, p.spatial - j), n * p.classes * p.spatial + j);
    }
  });
}

template <class C>
Smoothing smoothing_of(double amount, const C* w, int64_t classes) {
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += w[c];
  return {amount, sum};
}

}  // namespace

// input, target, weight, reduction, ignore_index, label_smoothing; results: loss, sum w[t], lse.
RL_KERNEL(cross_entropy) {
  const Array x = call.tensor(0).contiguous_copy();
  const Array* weight = call.tensor_or_null(2);
  const Problem p =
      check_problem(x.shape(), call.tensor(1), weight, reduction_of(call, 3), call.integer(4));
  const double amount = call.real(5);
  const Array& target = call.tensor(1);
  visit_real("log_softmax_lastdim_kernel_impl", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const Array w = class_weights<C>(weight, p.classes);
    const C* wp = w.data<C>();
    const Smoothing s = smoothing_of<C>(amount, wp, p.classes);
    Array lse = Array::empty(DType::F64, {p.count()});
    const Scratch<double> losses(p.count());
    const ThreadBuffer<T> buffer(p.classes * group_of(p.classes));
    const T* xp = x.data<T>();
    double* lp = lse.data<double>();
    if (p.count() && p.classes) {
      NoGil nogil(x.numel(), 20000);
      each_target(
          p, 0.4,
          [&](int64_t i0, int64_t i1) {
            entropy_rows<T>(p, xp, i0, i1, wp, s, buffer.mine(), lp, losses.get());
          },
          [&](int64_t i, int64_t width, int64_t at) {
            entropy_columns<T>(p, xp + at, i, width, wp, s, lp + i, losses.get() + i);
          });
    }
    finish_loss<T>(call, p, losses.get(), total_weight<C>(p, wp, weight), target.shape());
    call.result(std::move(lse));
  });
}

// g, input, target, weight, reduction, ignore_index, label_smoothing, total, lse
RL_KERNEL(cross_entropy_backward) {
  const Array x = call.tensor(1).contiguous_copy();
  const Array* weight = call.tensor_or_null(3);
  const Problem p =
      check_problem(x.shape(), call.tensor(2), weight, reduction_of(call, 4), call.integer(5));
  const double amount = call.real(6);
  const Array lse = call.tensor(8).contiguous_copy();
  if (lse.numel() != p.count())
    fail(ErrorType::Runtime, "cross_entropy_backward: got %lld log sums, expected %lld",
         static_cast<long long>(lse.numel()), static_cast<long long>(p.count()));
  Array dx = Array::empty(x.dtype(), x.shape());
  visit_real("cross_entropy_backward", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const Array w = class_weights<C>(weight, p.classes);
    const C* wp = w.data<C>();
    const Smoothing s = smoothing_of<C>(amount, wp, p.classes);
    const Factors<C> factors =
        loss_factors<C>(call.tensor(0), p, call.tensor(7).to(dtype_of<C>::value));
    const ThreadBuffer<T> buffer(p.classes);
    const T* xp = x.data<T>();
    const Array sums = lse.to(DType::F64);
    const double* lp = sums.data<double>();
    T* dp = dx.data<T>();
    if (x.numel() == 0) return;
    NoGil nogil(x.numel(), 20000);
    each_target(
        p, 0.3,
        [&](int64_t i0, int64_t i1) {
          for (int64_t i = i0; i < i1; ++i) {
            if (p.at(i) == p.ignore)
              std::fill_n(dp + i * p.classes, p.classes, T(0.0f));
            else
              entropy_gradient_row<T>(xp + i * p.classes, p.at(i), p.classes, wp, s, lp[i],
                                      factors.at(i), buffer.mine(), dp + i * p.classes);
          }
        },
        [&](int64_t i, int64_t width, int64_t at) {
          entropy_gradient_columns<T>(p, xp + at, i, width, wp, s, lp + i, factors, dp + at);
        });
  });
  call.result(std::move(dx));
}

}  // namespace rl
