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

template <class T> T fold_lanes(const typename VecOf<T>::type& v) {
  T lane[kLanes<T>];
  __builtin_memcpy(lane, &v, 64);
  for (int w = kLanes<T> / 2; w; w /= 2)
    for (int l = 0; l < w; ++l) lane[l] += lane[l + w];
  return lane[0];
}

constexpr int64_t kRun = 4096;  // elements that are read twice from the cache

// Adds a contiguous run of n <= kRun to acc. The sum of the deviations from the rounded mean
// corrects both results, so that a constant run has variance 0.
template <class T> void moment_run(Moments& acc, const T* p, int64_t n) {
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
template <class C> Moments moments_of(const C* p, int64_t n) {
  Moments acc{0, 0, 0};
  for (int64_t i = 0; i < n; i += kRun) moment_run<C>(acc, p + i, std::min(kRun, n - i));
  return acc;
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
