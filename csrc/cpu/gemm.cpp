// Blocked matrix multiplication.
//
//   C (m, n) = alpha * A (m, k) @ B (k, n) + beta * C + bias (n)
//
// A tile of C (kRows x kCols) stays in registers while one column of A and one row of B stream
// past. Big products copy blocks of A and B into panels (one extra pass over each, converting
// half types and small integers on the way), so that the inner loop reads contiguous memory;
// small ones read A, and B when its rows are contiguous, where they lie. A single row or column
// is a row of dot products or a sum of scaled rows: one pass over the matrix.
#include "gemm.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "../core/kernel.h"

namespace rl {
namespace {

#if RL_LEVEL >= 2
constexpr int kVectorBytes = 64, kRows = 12;
#elif RL_LEVEL == 1
constexpr int kVectorBytes = 32, kRows = 6;
#else
constexpr int kVectorBytes = 16, kRows = 4;
#endif
constexpr int kVectors = 2;          // vectors across a tile
constexpr int64_t kDepth = 256;      // k of one block of panels
constexpr int64_t kBlockRows = 144;  // rows of A in one block: a multiple of every kRows
constexpr int64_t kBlockColBytes = 4096;

// What products of T accumulate in.
template <class T>
struct accumulator {
  using type = T;
};
template <>
struct accumulator<Half> {
  using type = float;
};
template <>
struct accumulator<BFloat16> {
  using type = float;
};
template <>
struct accumulator<uint8_t> {
  using type = int32_t;
};
template <>
struct accumulator<int8_t> {
  using type = int32_t;
};
template <>
struct accumulator<int16_t> {
  using type = int32_t;
};

template <class T>
constexpr bool is_complex_type = std::is_same_v<T, c64> || std::is_same_v<T, c128>;

template <class R>
struct Vector {
  typedef R type __attribute__((vector_size(kVectorBytes)));
  typedef R unaligned __attribute__((vector_size(kVectorBytes), aligned(alignof(R)), may_alias));
  static constexpr int lanes = kVectorBytes / sizeof(R);
};
template <class R>
constexpr int kTileCols = kVectors * Vector<R>::lanes;

template <class R>
inline typename Vector<R>::type load(const R* p) {
  return *reinterpret_cast<const typename Vector<R>::unaligned*>(p);
}
template <class R>
inline void store(R* p, typename Vector<R>::type v) {
  *reinterpret_cast<typename Vector<R>::unaligned*>(p) = v;
}

// acc[i][:] = sum over p of a[i, p] * b[p, :], into a tile of Rows x (Vectors vectors).
template <class R, int Rows, int Vectors = kVectors>
inline void micro_kernel(int64_t k, const R* a, int64_t a_row, int64_t a_col, const R* b,
                         int64_t b_row, typename Vector<R>::type (&acc)[Rows][kVectors]) {
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes;
  V sum[Rows][Vectors];
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < Vectors; ++v) sum[i][v] = V{};
  for (int64_t p = 0; p < k; ++p) {
    V row[Vectors];
    for (int v = 0; v < Vectors; ++v) row[v] = load<R>(b + v * lanes);
#pragma GCC unroll 16
    for (int i = 0; i < Rows; ++i) {
      const R x = a[i * a_row];
      for (int v = 0; v < Vectors; ++v) sum[i][v] += row[v] * x;
    }
    a += a_col;
    b += b_row;
  }
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < Vectors; ++v) acc[i][v] = sum[i][v];
}

// How a finished tile goes into C.
template <class R>
struct Finish {
  R alpha, beta;
  bool plain;  // alpha == 1 and beta == 0
};

template <class T, class R>
inline void put(T* c, R sum, const Finish<R>& f, const T* bias) {
  R y = f.plain ? sum : f.alpha * sum;
  if (f.beta != R(0)) y += f.beta * static_cast<R>(*c);
  if (bias) y += static_cast<R>(*bias);
  *c = static_cast<T>(y);
}

template <class T, class R>
[[gnu::noinline]] void store_tile(const typename Vector<R>::type (*acc)[kVectors], T* c,
                                  int64_t c_row, int64_t rows, int64_t cols, const Finish<R>& f,
                                  const T* bias) {
  constexpr int lanes = Vector<R>::lanes;
  if constexpr (std::is_same_v<T, R>) {
    if (cols == kTileCols<R>) {
      for (int64_t i = 0; i < rows; ++i) {
        T* row = c + i * c_row;
        for (int v = 0; v < kVectors; ++v) {
          auto y = acc[i][v];
          if (!f.plain) y *= f.alpha;
          if (f.beta == R(1))
            y += load<R>(row + v * lanes);
          else if (f.beta != R(0))
            y += f.beta * load<R>(row + v * lanes);
          if (bias) y += load<R>(bias + v * lanes);
          store<R>(row + v * lanes, y);
        }
      }
      return;
    }
  }
  alignas(kVectorBytes) R line[kTileCols<R>];
  for (int64_t i = 0; i < rows; ++i) {
    for (int v = 0; v < kVectors; ++v) store<R>(line + v * lanes, acc[i][v]);
    for (int64_t j = 0; j < cols; ++j)
      put<T, R>(c + i * c_row + j, line[j], f, bias ? bias + j : nullptr);
  }
}

// dst[p * width + i] = src[i * across + p] for four i and four p at a time.
template <class R>
inline void transpose_4x4(R* dst, int64_t width, const R* src, int64_t across) {
  typedef R V __attribute__((vector_size(4 * sizeof(R))));
  typedef R U __attribute__((vector_size(4 * sizeof(R)), aligned(alignof(R)), may_alias));
  const V a = *reinterpret_cast<const U*>(src), b = *reinterpret_cast<const U*>(src + across);
  const V c = *reinterpret_cast<const U*>(src + 2 * across),
          d = *reinterpret_cast<const U*>(src + 3 * across);
  const V ab = __builtin_shufflevector(a, b, 0, 4, 1, 5),
          cd = __builtin_shufflevector(c, d, 0, 4, 1, 5);
  const V ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7),
          cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  *reinterpret_cast<U*>(dst) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
  *reinterpret_cast<U*>(dst + width) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  *reinterpret_cast<U*>(dst + 2 * width) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
  *reinterpret_cast<U*>(dst + 3 * width) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
}

// Panels: `width` columns side by side, one group after another; the last is filled with zeros.
// dst[group][p][i] = src[(group * width + i) * across + p * along].
template <class T, class R>
void pack(R* dst, const T* src, int64_t count, int64_t depth, int64_t across, int64_t along,
          int width) {
  for (int64_t g = 0; g < count; g += width, dst += width * depth) {
    const int64_t w = std::min<int64_t>(width, count - g);
    const T* s = src + g * across;
    if (w < width) std::fill(dst, dst + width * depth, R(0));
    if (across == 1) {
      for (int64_t p = 0; p < depth; ++p) {
        const T* from = s + p * along;
        R* to = dst + p * width;
        for (int64_t i = 0; i < w; ++i) to[i] = static_cast<R>(from[i]);
      }
    } else if (std::is_floating_point_v<T> && along == 1 && w >= 4) {
      if constexpr (std::is_floating_point_v<T>) {
        const int64_t whole = depth / 4 * 4, side = w / 4 * 4;
        // A cache line of each row is used up at once: rows a power of two apart share few sets.
        for (int64_t p0 = 0; p0 < whole; p0 += 16)
          for (int64_t i = 0; i < side; i += 4)
            for (int64_t p = p0; p < std::min(p0 + 16, whole); p += 4)
              transpose_4x4(dst + p * width + i, width, s + i * across + p, across);
        for (int64_t p = whole; p < depth; ++p)
          for (int64_t i = 0; i < side; ++i) dst[p * width + i] = s[i * across + p];
        for (int64_t i = side; i < w; ++i)
          for (int64_t p = 0; p < depth; ++p) dst[p * width + i] = s[i * across + p];
      }
    } else {
      // Short runs along p, so that the panel's lines stay in cache while they fill up.
      for (int64_t p0 = 0; p0 < depth; p0 += 16) {
        const int64_t p1 = std::min<int64_t>(p0 + 16, depth);
        for (int64_t i = 0; i < w; ++i) {
          const T* from = s + i * across;
          for (int64_t p = p0; p < p1; ++p) dst[p * width + i] = static_cast<R>(from[p * along]);
        }
      }
    }
  }
}

template <class T>
void scale_only(const GemmArgs& g) {  // k == 0: no product, the rest remains
  using R = typename accumulator<T>::type;
  T* c = static_cast<T*>(g.c);
  const T* bias = static_cast<const T*>(g.bias);
  R beta;
  if constexpr (is_complex_type<R>)
    beta = R(g.beta);
  else
    beta = static_cast<R>(g.beta.real());
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j)
      put<T, R>(c + i * g.c_row + j, R(0), {R(1), beta, true}, bias ? bias + j : nullptr);
}

// Half types keep the whole depth in one block: a partial sum in C would be rounded.
template <class T, class R>
constexpr bool kExactBlocks = std::is_same_v<T, R> || std::is_integral_v<T>;

// On its own, so that the accumulators have all registers to themselves.
template <class R>
[[gnu::noinline]] void packed_tile(int64_t k, const R* a, const R* b,
                                   typename Vector<R>::type (&acc)[kRows][kVectors]) {
  micro_kernel<R, kRows>(k, a, 1, kRows, b, kTileCols<R>, acc);
}

template <class T>
void gemm_packed(const GemmArgs& g) {
  using R = typename accumulator<T>::type;
  constexpr int cols = kTileCols<R>;
  const int64_t depth = kExactBlocks<T, R> ? kDepth : g.k;
  const int64_t block_cols = std::max<int64_t>(cols, kBlockColBytes / sizeof(R) / cols * cols);
  const int64_t most = std::min(depth, g.k);
  const int64_t panel_rows = std::min<int64_t>(kBlockRows, (g.m + kRows - 1) / kRows * kRows);
  const int64_t panel_cols = std::min<int64_t>(block_cols, (g.n + cols - 1) / cols * cols);
  R* pa = static_cast<R*>(thread_buffer(0, (panel_rows + panel_cols) * most * sizeof(R)));
  R* pb = pa + panel_rows * most;
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  const R alpha = static_cast<R>(g.alpha.real()), beta = static_cast<R>(g.beta.real());
  for (int64_t j0 = 0; j0 < g.n; j0 += block_cols) {
    const int64_t nj = std::min(block_cols, g.n - j0);
    for (int64_t p0 = 0; p0 < g.k; p0 += depth) {
      const int64_t np = std::min(depth, g.k - p0);
      const bool first = p0 == 0, last = p0 + np == g.k;
      const Finish<R> f{alpha, first ? beta : R(1), alpha == R(1)};
      const T* bias = g.bias && last ? static_cast<const T*>(g.bias) + j0 : nullptr;
      pack<T, R>(pb, b + p0 * g.b_row + j0 * g.b_col, nj, np, g.b_col, g.b_row, cols);
      for (int64_t i0 = 0; i0 < g.m; i0 += kBlockRows) {
        const int64_t ni = std::min<int64_t>(kBlockRows, g.m - i0);
        pack<T, R>(pa, a + i0 * g.a_row + p0 * g.a_col, ni, np, g.a_row, g.a_col, kRows);
        for (int64_t j = 0; j < nj; j += cols) {
          for (int64_t i = 0; i < ni; i += kRows) {
            typename Vector<R>::type acc[kRows][kVectors];
            packed_tile<R>(np, pa + i * np, pb + j * np, acc);
            store_tile<T, R>(acc, c + (i0 + i) * g.c_row + j0 + j, g.c_row,
                             std::min<int64_t>(kRows, ni - i), std::min<int64_t>(cols, nj - j), f,
                             bias ? bias + j : nullptr);
          }
        }
      }
    }
  }
}

template <class R, int Rows, int Vectors>
inline void small_rows(const GemmArgs& g, int64_t& i, const R* b, int64_t b_row, int64_t j,
                       int64_t nj, const Finish<R>& f) {
  const R* a = static_cast<const R*>(g.a);
  R* c = static_cast<R*>(g.c);
  const R* bias = g.bias ? static_cast<const R*>(g.bias) + j : nullptr;
  for (; i + Rows <= g.m; i += Rows) {
    typename Vector<R>::type acc[Rows][kVectors];
    if constexpr (Vectors < kVectors)
      for (int r = 0; r < Rows; ++r) acc[r][1] = typename Vector<R>::type{};
    micro_kernel<R, Rows, Vectors>(g.k, a + i * g.a_row, g.a_row, g.a_col, b, b_row, acc);
    store_tile<R, R>(acc, c + i * g.c_row + j, g.c_row, Rows, nj, f, bias);
  }
}

// All rows against one tile's width of columns.
template <class R, int Vectors>
void small_columns(const GemmArgs& g, const R* b, int64_t b_row, int64_t j, int64_t nj,
                   const Finish<R>& f) {
  int64_t i = 0;
  small_rows<R, kRows, Vectors>(g, i, b, b_row, j, nj, f);
  if constexpr (kRows > 8) small_rows<R, 8, Vectors>(g, i, b, b_row, j, nj, f);
  if constexpr (kRows > 4) small_rows<R, 4, Vectors>(g, i, b, b_row, j, nj, f);
  small_rows<R, 2, Vectors>(g, i, b, b_row, j, nj, f);
  small_rows<R, 1, Vectors>(g, i, b, b_row, j, nj, f);
}

// A is read in place; B too, except where its rows are strided or a tile would overrun them.
template <class R>
void gemm_small(const GemmArgs& g) {
  constexpr int cols = kTileCols<R>, lanes = Vector<R>::lanes;
  const R* b = static_cast<const R*>(g.b);
  const R alpha = static_cast<R>(g.alpha.real()), beta = static_cast<R>(g.beta.real());
  const Finish<R> f{alpha, beta, alpha == R(1)};
  R* panel = nullptr;
  for (int64_t j = 0; j < g.n; j += cols) {
    const int64_t nj = std::min<int64_t>(cols, g.n - j);
    const R* bj = b + j * g.b_col;
    int64_t b_row = g.b_row;
    if (g.packed) {
      bj = b + j * g.k;
      b_row = cols;
    } else if (g.b_col != 1 || (nj < cols && nj != lanes)) {
      const int width = nj <= lanes ? lanes : cols;
      if (!panel) panel = static_cast<R*>(thread_buffer(0, cols * g.k * sizeof(R)));
      pack<R, R>(panel, bj, nj, g.k, g.b_col, g.b_row, width);
      bj = panel;
      b_row = width;
    }
    if (nj <= lanes)
      small_columns<R, 1>(g, bj, b_row, j, nj, f);
    else
      small_columns<R, kVectors>(g, bj, b_row, j, nj, f);
  }
}

// sum over p of x[p] * y[p], both contiguous.
template <class T, class R>
inline R dot_run(const T* x, const T* y, int64_t k) {
  R s = 0;
#pragma omp simd reduction(+ : s)
  for (int64_t p = 0; p < k; ++p) s += static_cast<R>(x[p]) * static_cast<R>(y[p]);
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

template <class T>
void gemm_real(const GemmArgs& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return scale_only<T>(g);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (g.packed) return gemm_small<T>(g);
  }
  // A product with few columns is the transposed one with few rows, if C can be written so.
  if (g.n < g.m && g.n == 1 && !g.bias && g.c_row == 1) {
    GemmArgs t = g;
    t.m = 1, t.n = g.m;
    t.a = g.b, t.a_row = g.b_col, t.a_col = g.b_row;
    t.b = g.a, t.b_row = g.a_col, t.b_col = g.a_row;
    t.c_row = g.m;
    return gemm_real<T>(t);
  }
  if (g.a_col == 1 && g.b_row == 1 && (g.m == 1 || g.n == 1 || (g.m <= 8 && g.k >= 64)))
    return gemm_dots<T>(g);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (g.m == 1 && g.b_col == 1) return gemv_rows<T>(g);
    // Above this size the panels pay for themselves.
    if (g.m * g.n * g.k <= 96 * 96 * 96 || g.m < 4 * kRows) return gemm_small<T>(g);
  }
  return gemm_packed<T>(g);
}

// -- complex: real and imaginary parts in separate panels ----------------------------------------
template <class T>
void gemm_complex(const GemmArgs& g) {
  using R = typename T::value_type;
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes, rows = 4;
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return scale_only<T>(g);
  const T* a = static_cast<const T*>(g.a);
  const T* b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  const Finish<T> base{T(g.alpha), T(g.beta), g.alpha == c128(1)};
  const int64_t groups = (g.m + rows - 1) / rows;
  R* pa = static_cast<R*>(thread_buffer(0, (groups * rows + lanes) * 2 * kDepth * sizeof(R)));
  R* pb = pa + groups * rows * 2 * kDepth;
  for (int64_t p0 = 0; p0 < g.k; p0 += kDepth) {
    const int64_t np = std::min(kDepth, g.k - p0);
    const Finish<T> f{base.alpha, p0 == 0 ? base.beta : T(1), base.plain};
    std::fill(pa, pa + groups * rows * 2 * np, R(0));
    for (int64_t i = 0; i < g.m; ++i)
      for (int64_t p = 0; p < np; ++p) {
        const T x = a[i * g.a_row + (p0 + p) * g.a_col];
        R* to = pa + (i / rows * np + p) * 2 * rows + i % rows;
        to[0] = x.real(), to[rows] = x.imag();
      }
    for (int64_t j = 0; j < g.n; j += lanes) {
      const int64_t nj = std::min<int64_t>(lanes, g.n - j);
      if (nj < lanes) std::fill(pb, pb + np * 2 * lanes, R(0));
      for (int64_t p = 0; p < np; ++p)
        for (int64_t l = 0; l < nj; ++l) {
          const T x = b[(p0 + p) * g.b_row + (j + l) * g.b_col];
          pb[p * 2 * lanes + l] = x.real(), pb[p * 2 * lanes + lanes + l] = x.imag();
        }
      for (int64_t i = 0; i < g.m; i += rows) {
        V re[rows] = {}, im[rows] = {};
        const R *x = pa + i * np * 2, *y = pb;
        for (int64_t p = 0; p < np; ++p, x += 2 * rows, y += 2 * lanes) {
          const V yr = load<R>(y), yi = load<R>(y + lanes);
#pragma GCC unroll 4
          for (int r = 0; r < rows; ++r) {
            re[r] += yr * x[r];
            re[r] -= yi * x[rows + r];
            im[r] += yi * x[r];
            im[r] += yr * x[rows + r];
          }
        }
        const T* bias = g.bias && p0 + np == g.k ? static_cast<const T*>(g.bias) + j : nullptr;
        for (int64_t r = 0; r < std::min<int64_t>(rows, g.m - i); ++r)
          for (int64_t l = 0; l < nj; ++l)
            put<T, T>(c + (i + r) * g.c_row + j + l, T(re[r][l], im[r][l]), f,
                      bias ? bias + l : nullptr);
      }
    }
  }
}

template <class R>
void pack_columns(void* panels, const void* b, int64_t k, int64_t n, int64_t b_row, int64_t b_col) {
  pack<R, R>(static_cast<R*>(panels), static_cast<const R*>(b), n, k, b_col, b_row, kTileCols<R>);
}

struct Registrar {
  template <class T>
  static void real() {
    register_gemm(RL_LEVEL, dtype_of<T>::value, {gemm_real<T>});
  }
  template <class T>
  static void packing() {
    register_gemm(RL_LEVEL, dtype_of<T>::value, {gemm_real<T>, pack_columns<T>, kTileCols<T>});
  }
  Registrar() {
    packing<float>(), packing<double>(), real<Half>(), real<BFloat16>();
    real<uint8_t>(), real<int8_t>(), real<int16_t>(), real<int32_t>(), real<int64_t>();
    register_gemm(RL_LEVEL, DType::C64, {gemm_complex<c64>});
    register_gemm(RL_LEVEL, DType::C128, {gemm_complex<c128>});
  }
} const registrar;

}  // namespace

}  // namespace rl
