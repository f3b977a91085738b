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

// x less tau v times its part along v, whose element k is 1 and which is 0 before.
template <class T>
void reflect(T* x, const T* v, T tau, int k, int n) {
  T along = x[k];
  for (int i = k + 1; i < n; ++i) along += v[i] * x[i];
  along *= tau;
  x[k] -= along;
  for (int i = k + 1; i < n; ++i) x[i] -= along * v[i];
}

// The sum of squares of x, NaN where it leaves the range.
template <class T>
double sum_of_squares(const T* x, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum < 1e300 && (sum > 1e-280 || sum == 0) ? sum : std::nan("");
}

// a (n, n) becomes R, and q the product of the reflections that make it, by LAPACK's choice of
// signs (Householder 1958). False, and a as it was or half done: some column's squares leave the
// range.
template <int N, class T>
bool small_qr(T* a, int size, T* q) {
  const int n = N ? N : size;
  T v[kSmallMatrix][kSmallMatrix], tau[kSmallMatrix];
  for (int k = 0; k < n; ++k) {
    T* column = a + k * n;
    const double rest = sum_of_squares(column + k + 1, n - k - 1);
    const double top = static_cast<double>(column[k]), size_of = std::sqrt(top * top + rest);
    if (!(size_of < 1e150)) return false;
    const double beta = rest == 0 ? top : top < 0 || std::signbit(top) ? size_of : -size_of;
    tau[k] = rest == 0 ? T(0) : static_cast<T>((beta - top) / beta);
    const T scale = rest == 0 ? T(0) : static_cast<T>(1 / (top - beta));
    for (int i = k + 1; i < n; ++i) v[k][i] = column[i] * scale;
    column[k] = static_cast<T>(beta);
    for (int i = k + 1; i < n; ++i) column[i] = T(0);
    for (int j = k + 1; j < n; ++j) reflect(a + j * n, v[k], tau[k], k, n);
  }
  for (int j = 0; j < n; ++j)
    for (int i = 0; i < n; ++i) q[j * n + i] = T(i == j);
  for (int k = n - 1; k >= 0; --k)
    for (int j = k; j < n; ++j) reflect(q + j * n, v[k], tau[k], k, n);
  return true;
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
