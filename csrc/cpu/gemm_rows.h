// Products with one row or few: rows of dot products, and sums of scaled rows. One pass over B.
#pragma once
#include <utility>

#include "gemm_tile.h"

namespace rl {
namespace {  // one copy per ISA level

// sum over p of x[p] * y[p], both contiguous.
template <class T, class R>
inline R dot_run(const T* x, const T* y, int64_t k) {
  R s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t p = 0; p < k; ++p) s += static_cast<R>(x[p]) * static_cast<R>(y[p]);
  return s;
}

// Two bfloat16 lie in each 32 bits: both are floats after a shift or a mask.
template <>
[[maybe_unused]] inline float dot_run<BFloat16, float>(const BFloat16* x, const BFloat16* y,
                                                       int64_t k) {
  typedef uint32_t U __attribute__((vector_size(kVectorBytes)));
  typedef uint32_t Loose __attribute__((vector_size(kVectorBytes), aligned(2), may_alias));
  using V = typename Vector<float>::type;
  constexpr int pairs = kVectorBytes / 4;
  V low[2] = {}, high[2] = {};
  int64_t p = 0;
  for (; p + 4 * pairs <= k; p += 4 * pairs)
    for (int h = 0; h < 2; ++h) {
      const U a = *reinterpret_cast<const Loose*>(x + p + 2 * h * pairs);
      const U b = *reinterpret_cast<const Loose*>(y + p + 2 * h * pairs);
      low[h] += reinterpret_cast<V>(a << 16) * reinterpret_cast<V>(b << 16);
      high[h] += reinterpret_cast<V>(a & 0xffff0000u) * reinterpret_cast<V>(b & 0xffff0000u);
    }
  low[0] += low[1] + (high[0] + high[1]);
  float s = 0;
  for (int l = 0; l < pairs; ++l) s += low[0][l];
  for (; p < k; ++p) s += static_cast<float>(x[p]) * static_cast<float>(y[p]);
  return s;
}

template <int Shift, class V, int... I>
inline V rotated(V v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, ((I + Shift) % static_cast<int>(sizeof...(I)))...);
}

// The sum of a vector's lanes, in log2(lanes) additions.
template <class R>
inline R lane_sum(typename Vector<R>::type v) {
  constexpr std::make_integer_sequence<int, Vector<R>::lanes> all{};
  if constexpr (Vector<R>::lanes >= 16) v += rotated<8>(v, all);
  if constexpr (Vector<R>::lanes >= 8) v += rotated<4>(v, all);
  if constexpr (Vector<R>::lanes >= 4) v += rotated<2>(v, all);
  v += rotated<1>(v, all);
  return v[0];
}

// Rows x Cols dot products at once: each vector loaded serves several of them.
template <class R, int Rows, int Cols>
inline void dot_tile(const GemmArgs& g, const R* a, const R* b, R (&sums)[Rows][Cols]) {
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes;
  V acc[Rows][Cols];
#pragma GCC unroll 4
  for (int i = 0; i < Rows; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < Cols; ++j) acc[i][j] = V{};
  int64_t p = 0;
  for (; p + lanes <= g.k; p += lanes) {
    V y[Cols];
#pragma GCC unroll 4
    for (int j = 0; j < Cols; ++j) y[j] = load<R>(b + j * g.b_col + p);
#pragma GCC unroll 4
    for (int i = 0; i < Rows; ++i) {
      const V x = load<R>(a + i * g.a_row + p);
#pragma GCC unroll 4
      for (int j = 0; j < Cols; ++j) acc[i][j] += x * y[j];
    }
  }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Cols; ++j) {
      R s = lane_sum<R>(acc[i][j]);
      for (int64_t q = p; q < g.k; ++q) s += a[i * g.a_row + q] * b[j * g.b_col + q];
      sums[i][j] = s;
    }
}

constexpr int kDotCols = RL_LEVEL >= 2 ? 4 : 2;  // what the registers hold

template <class R, int Rows>
void dot_rows(const GemmArgs& g, int64_t& i, const Finish<R>& f) {
  const R* b = static_cast<const R*>(g.b);
  const R* bias = static_cast<const R*>(g.bias);
  for (; i + Rows <= g.m; i += Rows) {
    const R* a = static_cast<const R*>(g.a) + i * g.a_row;
    R* c = static_cast<R*>(g.c) + i * g.c_row;
    int64_t j = 0;
    for (; j + kDotCols <= g.n; j += kDotCols) {
      R sums[Rows][kDotCols];
      dot_tile<R, Rows, kDotCols>(g, a, b + j * g.b_col, sums);
      for (int r = 0; r < Rows; ++r)
        for (int q = 0; q < kDotCols; ++q)
          put<R, R>(c + r * g.c_row + j + q, sums[r][q], f, bias ? bias + j + q : nullptr);
    }
    for (; j < g.n; ++j) {
      R sums[Rows][1];
      dot_tile<R, Rows, 1>(g, a, b + j * g.b_col, sums);
      for (int r = 0; r < Rows; ++r)
        put<R, R>(c + r * g.c_row + j, sums[r][0], f, bias ? bias + j : nullptr);
    }
  }
}

// Few rows against a B that is contiguous along k: c[i, j] = dot(a[i], b[:, j]).
template <class T>
void gemm_dots(const GemmArgs& g) {
  using R = typename accumulator<T>::type;
  const R alpha = static_cast<R>(g.alpha.real()), beta = static_cast<R>(g.beta.real());
  const Finish<R> f{alpha, beta, alpha == R(1)};
  if constexpr (std::is_floating_point_v<T>) {
    int64_t i = 0;
    dot_rows<R, 4>(g, i, f);
    dot_rows<R, 2>(g, i, f);
    dot_rows<R, 1>(g, i, f);
  } else {
    const T* a = static_cast<const T*>(g.a);
    const T* b = static_cast<const T*>(g.b);
    const T* bias = static_cast<const T*>(g.bias);
    for (int64_t j = 0; j < g.n; ++j)
      for (int64_t i = 0; i < g.m; ++i)
        put<T, R>(static_cast<T*>(g.c) + i * g.c_row + j,
                  dot_run<T, R>(a + i * g.a_row, b + j * g.b_col, g.k), f,
                  bias ? bias + j : nullptr);
  }
}

// One row times a B with contiguous rows: c = sum over p of a[p] * b[p, :], four rows a pass. Sums
// are kept at three levels (256 rows, 16384 rows, all), which keeps rounding small.
template <class R>
void gemv_rows(const GemmArgs& g) {
  const R* a = static_cast<const R*>(g.a);
  const R* b = static_cast<const R*>(g.b);
  R* c = static_cast<R*>(g.c);
  const R* bias = static_cast<const R*>(g.bias);
  const R alpha = static_cast<R>(g.alpha.real()), beta = static_cast<R>(g.beta.real());
  const Finish<R> f{alpha, beta, alpha == R(1)};
  constexpr int64_t kWide = 1024;  // columns whose sums stay in L1
  constexpr int64_t kRun = 256, kRuns = 64 * kRun;
  R sum[3][kWide];
  const auto carry = [&](int level, int64_t n) {
    for (int64_t j = 0; j < n; ++j) sum[level + 1][j] += sum[level][j], sum[level][j] = R(0);
  };
  const int levels = g.k <= kRun ? 1 : 3;
  for (int64_t j0 = 0; j0 < g.n; j0 += kWide) {
    const int64_t nj = std::min(kWide, g.n - j0);
    for (int level = 0; level < levels; ++level) std::fill(sum[level], sum[level] + nj, R(0));
    R* s = sum[0];
    int64_t p = 0;
    for (; p + 4 <= g.k; p += 4) {
      if (p && p % kRun == 0) {
        carry(0, nj);
        if (p % kRuns == 0) carry(1, nj);
      }
      const R *b0 = b + p * g.b_row + j0, *b1 = b0 + g.b_row, *b2 = b1 + g.b_row,
              *b3 = b2 + g.b_row;
      const R a0 = a[p * g.a_col], a1 = a[(p + 1) * g.a_col], a2 = a[(p + 2) * g.a_col],
              a3 = a[(p + 3) * g.a_col];
#pragma omp simd
      for (int64_t j = 0; j < nj; ++j)
        s[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j]);
    }
    for (; p < g.k; ++p) {
      const R* row = b + p * g.b_row + j0;
      const R x = a[p * g.a_col];
#pragma omp simd
      for (int64_t j = 0; j < nj; ++j) s[j] += x * row[j];
    }
    if (levels > 1) carry(0, nj), carry(1, nj);
    for (int64_t j = 0; j < nj; ++j)
      put<R, R>(c + j0 + j, sum[levels - 1][j], f, bias ? bias + j0 + j : nullptr);
  }
}

}  // namespace
}  // namespace rl
