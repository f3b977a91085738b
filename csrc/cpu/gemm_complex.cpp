// Complex matrix multiplication.
//
//   C (m, n) = alpha * A (m, k) @ B (k, n) + beta * C + bias (n)
//
// Real and imaginary parts go into separate panels (one pass over A and B each), so that the inner
// loop is four real multiply-adds a vector. A single row is one pass over B as it lies: its numbers
// are multiplied with the real and the imaginary part of A's apart, and joined at the end.
#include <utility>

#include "gemm_tile.h"

namespace rl {
namespace {

constexpr int kComplexRows = 4;         // of a tile
constexpr int64_t kComplexBlock = 192;  // rows of A in one block of panels
constexpr int64_t kComplexDepth = 192;  // of one block: a column of panels stays in L1
constexpr int64_t kFewColumns = 8;      // dot products are as good as tiles
constexpr int64_t kColumns = 512;       // of a row's sums, which stay in L1

template <class R, int... I>
inline typename Vector<R>::type pairs_swapped(typename Vector<R>::type v,
                                              std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I ^ 1)...);
}

template <class R>
constexpr std::make_integer_sequence<int, Vector<R>::lanes> kLanesOf{};

template <class R, int First, int... I>
inline typename Vector<R>::type every_second(typename Vector<R>::type u, typename Vector<R>::type v,
                                             std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(u, v, (2 * I + First)...);
}

// Real and imaginary parts side by side again, from lane First on.
template <class R, int First, int... I>
inline typename Vector<R>::type joined(typename Vector<R>::type re, typename Vector<R>::type im,
                                       std::integer_sequence<int, I...>) {
  constexpr int lanes = Vector<R>::lanes;
  return __builtin_shufflevector(re, im, (First + I / 2 + I % 2 * lanes)...);
}

// Rows x Cols sums over p of a[p] * b[p], all contiguous: each number loaded serves several.
template <class T, int Rows, int Cols>
void dot_tile(const GemmArgs& g, const T* x, const T* y, T* c, const Finish<T>& f, const T* bias) {
  using R = typename T::value_type;
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes;
  const R *a = reinterpret_cast<const R*>(x), *b = reinterpret_cast<const R*>(y);
  V same[Rows][Cols] = {}, cross[Rows][Cols] = {};
  int64_t p = 0;
  for (; p + lanes <= 2 * g.k; p += lanes)
#pragma GCC unroll 2
    for (int j = 0; j < Cols; ++j) {
      const V v = load<R>(b + 2 * j * g.b_col + p), w = pairs_swapped<R>(v, kLanesOf<R>);
#pragma GCC unroll 4
      for (int i = 0; i < Rows; ++i) {
        const V u = load<R>(a + 2 * i * g.a_row + p);
        same[i][j] += u * v, cross[i][j] += u * w;
      }
    }
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Cols; ++j) {
      R re = 0, im = 0;
      for (int l = 0; l < lanes; l += 2)
        re += same[i][j][l] - same[i][j][l + 1], im += cross[i][j][l] + cross[i][j][l + 1];
      const R *u = a + 2 * i * g.a_row, *v = b + 2 * j * g.b_col;
      for (int64_t q = p; q < 2 * g.k; q += 2) {
        re += u[q] * v[q] - u[q + 1] * v[q + 1];
        im += u[q] * v[q + 1] + u[q + 1] * v[q];
      }
      put<T, T>(c + i * g.c_row + j, T(re, im), f, bias ? bias + j : nullptr);
    }
}

template <class T, int Rows>
void dot_rows(const GemmArgs& g, int64_t& i, const Finish<T>& f) {
  const T *b = static_cast<const T*>(g.b), *bias = static_cast<const T*>(g.bias);
  for (; i + Rows <= g.m; i += Rows) {
    const T* a = static_cast<const T*>(g.a) + i * g.a_row;
    T* c = static_cast<T*>(g.c) + i * g.c_row;
    int64_t j = 0;
    for (; j + 2 <= g.n; j += 2)
      dot_tile<T, Rows, 2>(g, a, b + j * g.b_col, c + j, f, bias ? bias + j : nullptr);
    if (j < g.n) dot_tile<T, Rows, 1>(g, a, b + j * g.b_col, c + j, f, bias ? bias + j : nullptr);
  }
}

// Few rows or columns, contiguous along k (B's columns in a copy, where they are not).
template <class T>
void gemm_dots(GemmArgs g, const Finish<T>& f) {
  if (g.b_row != 1) {
    T* columns = static_cast<T*>(thread_buffer(0, static_cast<size_t>(g.n * g.k) * sizeof(T)));
    const T* b = static_cast<const T*>(g.b);
    for (int64_t p = 0; p < g.k; ++p)
      for (int64_t j = 0; j < g.n; ++j) columns[j * g.k + p] = b[p * g.b_row + j * g.b_col];
    g.b = columns, g.b_row = 1, g.b_col = g.k;
  }
  int64_t i = 0;
  if constexpr (kVectorBytes == 64) dot_rows<T, 4>(g, i, f);
  dot_rows<T, 2>(g, i, f);
  dot_rows<T, 1>(g, i, f);
}

// One row times a B with contiguous rows.
template <class T>
void row_times(const GemmArgs& g, const T* a, T* c, const Finish<T>& f) {
  using R = typename T::value_type;
  R by_re[2 * kColumns], by_im[2 * kColumns];
  const T* bias = static_cast<const T*>(g.bias);
  for (int64_t j0 = 0; j0 < g.n; j0 += kColumns) {
    const int64_t nj = std::min(kColumns, g.n - j0);
    std::fill(by_re, by_re + 2 * nj, R(0)), std::fill(by_im, by_im + 2 * nj, R(0));
    for (int64_t p = 0; p < g.k; ++p) {
      const T x = a[p * g.a_col];
      const R re = x.real(), im = x.imag();
      const R* b = reinterpret_cast<const R*>(static_cast<const T*>(g.b) + p * g.b_row + j0);
#pragma omp simd
      for (int64_t j = 0; j < 2 * nj; ++j) by_re[j] += re * b[j], by_im[j] += im * b[j];
    }
    for (int64_t j = 0; j < nj; ++j)
      put<T, T>(c + j0 + j, T(by_re[2 * j] - by_im[2 * j + 1], by_re[2 * j + 1] + by_im[2 * j]), f,
                bias ? bias + j0 + j : nullptr);
  }
}

// (rows in groups, depth, 2, kComplexRows)
template <class T, class R>
void pack_rows(const T* a, int64_t rows, int64_t depth, int64_t a_row, int64_t a_col, R* to) {
  for (int64_t i0 = 0; i0 < rows; i0 += kComplexRows, to += 2 * kComplexRows * depth)
    for (int64_t p = 0; p < depth; ++p)
      for (int r = 0; r < kComplexRows; ++r) {
        const T x = i0 + r < rows ? a[(i0 + r) * a_row + p * a_col] : T(0);
        to[p * 2 * kComplexRows + r] = x.real();
        to[p * 2 * kComplexRows + kComplexRows + r] = x.imag();
      }
}

// (depth, 2, lanes)
template <class T, class R>
void pack_columns(const T* b, int64_t columns, int64_t depth, int64_t b_row, int64_t b_col, R* to) {
  constexpr int lanes = Vector<R>::lanes;
  if (columns < lanes) std::fill(to, to + depth * 2 * lanes, R(0));
  if (b_row == 1) {  // read along the depth, which is contiguous
    for (int64_t l = 0; l < columns; ++l)
      for (int64_t p = 0; p < depth; ++p) {
        const T x = b[l * b_col + p];
        to[p * 2 * lanes + l] = x.real(), to[p * 2 * lanes + lanes + l] = x.imag();
      }
    return;
  }
  if (b_col == 1 && columns == lanes) {
    using V = typename Vector<R>::type;
    for (int64_t p = 0; p < depth; ++p) {
      const R* from = reinterpret_cast<const R*>(b + p * b_row);
      const V u = load<R>(from), v = load<R>(from + lanes);
      store<R>(to + p * 2 * lanes, every_second<R, 0>(u, v, kLanesOf<R>));
      store<R>(to + p * 2 * lanes + lanes, every_second<R, 1>(u, v, kLanesOf<R>));
    }
    return;
  }
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t l = 0; l < columns; ++l) {
      const T x = b[p * b_row + l * b_col];
      to[p * 2 * lanes + l] = x.real(), to[p * 2 * lanes + lanes + l] = x.imag();
    }
}

template <class T, class R>
void tile(const R* x, const R* y, int64_t depth, T* c, int64_t c_row, int64_t rows, int64_t columns,
          const Finish<T>& f, const T* bias) {
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes;
  // C's lines are asked for while the sums are made.
  for (int64_t r = 0; r < rows; ++r) {
    __builtin_prefetch(c + r * c_row, 1);
    __builtin_prefetch(c + r * c_row + lanes / 2, 1);
  }
  V re[kComplexRows] = {}, im[kComplexRows] = {};
  for (int64_t p = 0; p < depth; ++p, x += 2 * kComplexRows, y += 2 * lanes) {
    const V yr = load<R>(y), yi = load<R>(y + lanes);
#pragma GCC unroll 4
    for (int r = 0; r < kComplexRows; ++r) {
      re[r] += yr * x[r];
      re[r] -= yi * x[kComplexRows + r];
      im[r] += yi * x[r];
      im[r] += yr * x[kComplexRows + r];
    }
  }
  if (f.plain && columns == lanes && (f.beta == T(0) || f.beta == T(1)) && !bias) {
    for (int64_t r = 0; r < rows; ++r) {
      R* to = reinterpret_cast<R*>(c + r * c_row);
      V low = joined<R, 0>(re[r], im[r], kLanesOf<R>),
        high = joined<R, lanes / 2>(re[r], im[r], kLanesOf<R>);
      if (f.beta == T(1)) low += load<R>(to), high += load<R>(to + lanes);
      store<R>(to, low), store<R>(to + lanes, high);
    }
    return;
  }
  for (int64_t r = 0; r < rows; ++r) {
    alignas(kVectorBytes) R line[2][lanes];
    store<R>(line[0], re[r]), store<R>(line[1], im[r]);
    for (int64_t l = 0; l < columns; ++l)
      put<T, T>(c + r * c_row + l, T(line[0][l], line[1][l]), f, bias ? bias + l : nullptr);
  }
}

template <class T>
void gemm_panels(const GemmArgs& g, const Finish<T>& base) {
  using R = typename T::value_type;
  constexpr int lanes = Vector<R>::lanes;
  const T *a = static_cast<const T*>(g.a), *b = static_cast<const T*>(g.b);
  const T* bias = static_cast<const T*>(g.bias);
  T* c = static_cast<T*>(g.c);
  const int64_t depth = std::min(kComplexDepth, g.k),
                block = std::min(kComplexBlock, g.m + kComplexRows - 1);
  R* pa = static_cast<R*>(thread_buffer(0, (block + kComplexRows + lanes) * 2 * depth * sizeof(R)));
  R* pb = pa + (block + kComplexRows) * 2 * depth;
  for (int64_t p0 = 0; p0 < g.k; p0 += kComplexDepth) {
    const int64_t np = std::min(kComplexDepth, g.k - p0);
    const Finish<T> f{base.alpha, p0 == 0 ? base.beta : T(1), base.plain};
    const bool last = p0 + np == g.k;
    for (int64_t i0 = 0; i0 < g.m; i0 += kComplexBlock) {
      const int64_t ni = std::min(kComplexBlock, g.m - i0);
      pack_rows<T, R>(a + i0 * g.a_row + p0 * g.a_col, ni, np, g.a_row, g.a_col, pa);
      for (int64_t j = 0; j < g.n; j += lanes) {
        const int64_t nj = std::min<int64_t>(lanes, g.n - j);
        pack_columns<T, R>(b + p0 * g.b_row + j * g.b_col, nj, np, g.b_row, g.b_col, pb);
        for (int64_t i = 0; i < ni; i += kComplexRows)
          tile<T, R>(pa + i * np * 2, pb, np, c + (i0 + i) * g.c_row + j, g.c_row,
                     std::min<int64_t>(kComplexRows, ni - i), nj, f,
                     bias && last ? bias + j : nullptr);
      }
    }
  }
}

template <class T>
void gemm_complex(const GemmArgs& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return scale_only<T>(g);
  const Finish<T> f{T(g.alpha), T(g.beta), g.alpha == c128(1)};
  if (g.n == 1 && g.m > 1 && !g.bias && g.c_row == 1) {  // the transposed product, of one row
    GemmArgs t = g;
    t.m = 1, t.n = g.m, t.c_row = g.m;
    t.a = g.b, t.a_row = g.b_col, t.a_col = g.b_row;
    t.b = g.a, t.b_row = g.a_col, t.b_col = g.a_row;
    return gemm_complex<T>(t);
  }
  const T* a = static_cast<const T*>(g.a);
  T* c = static_cast<T*>(g.c);
  if (g.a_col == 1 && (g.b_row == 1 ? g.m <= 2 || g.n <= kFewColumns
                                    : g.m >= 4 * kFewColumns && g.n <= kFewColumns))
    return gemm_dots<T>(g, f);
  if (g.b_col == 1 && g.m <= 2) {
    for (int64_t i = 0; i < g.m; ++i) row_times<T>(g, a + i * g.a_row, c + i * g.c_row, f);
    return;
  }
  gemm_panels<T>(g, f);
}

const struct ComplexRegistrar {
  ComplexRegistrar() {
    register_gemm(RL_LEVEL, DType::C64, {gemm_complex<c64>});
    register_gemm(RL_LEVEL, DType::C128, {gemm_complex<c128>});
  }
} registrar;

}  // namespace
}  // namespace rl
