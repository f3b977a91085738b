// Real matrices of a few rows, where calling LAPACK costs more than its work. Column order; pivots
// and infos are LAPACK's. N is the size where it is known when compiling, else 0.
#pragma once
#include <cmath>
#include <cstdint>
#include <utility>

namespace rl {
namespace {

constexpr int64_t kSmallMatrix = 8;

template <int N, class T>
int64_t small_lu(T* a, int size, int32_t* pivots) {
  const int n = N ? N : size;
  int64_t info = 0;
  for (int k = 0; k < n; ++k) {
    int p = k;
    for (int i = k + 1; i < n; ++i)
      if (std::abs(a[k * n + i]) > std::abs(a[k * n + p])) p = i;
    pivots[k] = p + 1;
    if (a[k * n + p] == T(0)) {
      if (!info) info = k + 1;
      continue;
    }
    if (p != k)
      for (int j = 0; j < n; ++j) std::swap(a[j * n + k], a[j * n + p]);
    const T scale = T(1) / a[k * n + k];
    for (int i = k + 1; i < n; ++i) a[k * n + i] *= scale;
    for (int j = k + 1; j < n; ++j) {
      const T t = a[j * n + k];
      for (int i = k + 1; i < n; ++i) a[j * n + i] -= a[k * n + i] * t;
    }
  }
  return info;
}

// x (n, columns) becomes the answer of A X = x, from the factors of A.
template <int N, class T>
void small_solve(const T* lu, int size, const int32_t* pivots, T* x, int64_t columns) {
  const int n = N ? N : size;
  T reciprocal[kSmallMatrix];
  for (int k = 0; k < n; ++k) reciprocal[k] = T(1) / lu[k * n + k];
  for (int64_t c = 0; c < columns; ++c, x += n) {
    for (int k = 0; k < n; ++k) std::swap(x[k], x[pivots[k] - 1]);
    for (int k = 0; k < n; ++k)
      for (int i = k + 1; i < n; ++i) x[i] -= lu[k * n + i] * x[k];
    for (int k = n - 1; k >= 0; --k) {
      x[k] *= reciprocal[k];
      for (int i = 0; i < k; ++i) x[i] -= lu[k * n + i] * x[k];
    }
  }
}

// The lower factor, in place; what lies above the diagonal is not read.
template <int N, class T>
int64_t small_cholesky(T* a, int size) {
  const int n = N ? N : size;
  for (int k = 0; k < n; ++k) {
    const T d = a[k * n + k];
    if (!(d > T(0))) return k + 1;
    const T root = std::sqrt(d), scale = T(1) / root;
    a[k * n + k] = root;
    for (int i = k + 1; i < n; ++i) a[k * n + i] *= scale;
    for (int j = k + 1; j < n; ++j)
      for (int i = j; i < n; ++i) a[j * n + i] -= a[k * n + i] * a[k * n + j];
  }
  return 0;
}

// f(std::integral_constant<int, N>) with the N for this size.
template <class F>
void with_size(int64_t n, F&& f) {
  switch (n) {
    case 2: return f(std::integral_constant<int, 2>());
    case 3: return f(std::integral_constant<int, 3>());
    case 4: return f(std::integral_constant<int, 4>());
    case 6: return f(std::integral_constant<int, 6>());
    case 8: return f(std::integral_constant<int, 8>());
    default: return f(std::integral_constant<int, 0>());
  }
}

}  // namespace
}  // namespace rl
