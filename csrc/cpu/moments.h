// Means and sums of squared deviations, for var and the normalisation layers.
//
// Runs that fit the L1 cache get both in two passes; runs are merged by Chan, Golub and
// LeVeque's update ("Updating formulae and a pairwise algorithm for computing sample variances",
// 1979), in float64.
#pragma once
#include "reduce.h"

namespace rl {
namespace {

struct Moments {
  double count, mean, m2;

  void merge(double n, double other_mean, double other_m2) {
    const double all = count + n, d = other_mean - mean;
    mean += d * (n / all);
    m2 += other_m2 + d * d * (count * n / all);
    count = all;
  }
};

constexpr int64_t kRun = 4096;  // elements that are read twice from the cache

// Adds a contiguous run of n <= kRun to acc. The sum of the deviations from the rounded mean
// corrects both results, so that a constant run has variance 0.
template <class T>
void moment_run(Moments& acc, const T* p, int64_t n) {
  constexpr int L = kLanes<T>;
  typedef typename VecOf<T>::type V;
  if (n == 1) {  // an infinite element has itself as its mean
    acc.merge(1, p[0], p[0] - p[0]);
    return;
  }
  const T mean = sum_run<T>(p, n) / static_cast<T>(n);
  V s{}, a{}, b{}, t;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    load_vec<T>(t, p + i), t -= mean, s += t, a += t * t;
    load_vec<T>(t, p + i + L), t -= mean, s += t, b += t * t;
  }
  for (; i + L <= n; i += L) load_vec<T>(t, p + i), t -= mean, s += t, a += t * t;
  a += b;
  T sum = fold_lanes<T>(s), squares = fold_lanes<T>(a);
  for (; i < n; ++i) sum += p[i] - mean, squares += (p[i] - mean) * (p[i] - mean);
  const double count = static_cast<double>(n), shift = sum / count;
  acc.merge(count, mean + shift, std::max(squares - sum * shift, 0.0));
}
template <class C>
Moments moments_of(const C* p, int64_t n) {
  Moments acc{0, 0, 0};
  for (int64_t i = 0; i < n; i += kRun) moment_run<C>(acc, p + i, std::min(kRun, n - i));
  return acc;
}

// Mean and variance (over n) of a row, for the normalisation layers: a row of one run needs no
// merging, and the rounding of its mean is far below any eps.
template <class T>
void row_moments(const T* p, int64_t n, T& mean, T& var) {
  if (n > kRun) {
    const Moments m = moments_of<T>(p, n);
    mean = static_cast<T>(m.mean), var = static_cast<T>(m.m2 / m.count);
    return;
  }
  constexpr int L = kLanes<T>;
  typedef typename VecOf<T>::type V;
  const T scale = T(1) / static_cast<T>(n), center = sum_run<T>(p, n) * scale;
  V a{}, b{}, t;
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    load_vec<T>(t, p + i), t -= center, a += t * t;
    load_vec<T>(t, p + i + L), t -= center, b += t * t;
  }
  for (; i + L <= n; i += L) load_vec<T>(t, p + i), t -= center, a += t * t;
  a += b;
  T squares = fold_lanes<T>(a);
  for (; i < n; ++i) squares += (p[i] - center) * (p[i] - center);
  mean = center, var = squares * scale;
}

// Moments of each of width <= kBlock columns, in groups of 32 rows that the cache holds for the
// second pass.
template <class T>
void moment_columns(Moments* acc, const T* p, int64_t width, int64_t rows, int64_t stride) {
  using C = compute_t<T>;
  C mean[kBlock], m2[kBlock];
  for (int64_t r = 0; r < rows; r += 32) {
    const int64_t m = std::min<int64_t>(32, rows - r);
    const T* q = p + r * stride;
    std::fill_n(mean, width, C(0));
    std::fill_n(m2, width, C(0));
    for (int64_t k = 0; k < m; ++k)
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) mean[j] += static_cast<C>(q[k * stride + j]);
    for (int64_t j = 0; j < width; ++j) mean[j] /= static_cast<C>(m);
    for (int64_t k = 0; k < m; ++k)
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) {
        const C d = static_cast<C>(q[k * stride + j]) - mean[j];
        m2[j] += d * d;
      }
    for (int64_t j = 0; j < width; ++j) acc[j].merge(static_cast<double>(m), mean[j], m2[j]);
  }
}

}  // namespace
}  // namespace rl
