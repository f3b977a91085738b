// Blocked matrix multiplication.
//
//   C (m, n) = alpha * A (m, k) @ B (k, n) + beta * C + bias (n)
//
// A tile of C (kRows x kCols) stays in registers while one column of A and one row of B stream
// past. Big products copy blocks of A and B into panels (one extra pass over each, converting
// half types and small integers on the way), so that the inner loop reads contiguous memory;
// small ones read A, and B when its rows are contiguous, where they lie. A single row or column
// is a row of dot products or a sum of scaled rows: one pass over the matrix.
#include "gemm_rows.h"
#include "gemm_tile.h"
#include "gemm_tiny.h"

namespace rl {
namespace {

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

// A whole tile of C, straight from the registers: c = or += a b, and bias where the last block of k
// adds it. C's lines are asked for while the sums are made.
template <class R, int Rows, int Vectors>
[[gnu::noinline]] void whole_tile(int64_t k, const R* a, int64_t a_row, int64_t a_col, const R* b,
                                  int64_t b_row, R* c, int64_t c_row, bool add, const R* bias) {
  using V = typename Vector<R>::type;
  constexpr int lanes = Vector<R>::lanes;
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < Vectors; ++v) __builtin_prefetch(c + i * c_row + v * lanes, 1);
  V acc[Rows][kVectors];
  micro_kernel<R, Rows, Vectors>(k, a, a_row, a_col, b, b_row, acc);
  V more[Vectors];
  for (int v = 0; v < Vectors; ++v) more[v] = bias ? load<R>(bias + v * lanes) : V{};
#pragma GCC unroll 16
  for (int i = 0; i < Rows; ++i)
    for (int v = 0; v < Vectors; ++v) {
      R* to = c + i * c_row + v * lanes;
      V y = acc[i][v];
      if (add) y += load<R>(to);
      if (bias) y += more[v];
      store<R>(to, y);
    }
}
template <class R>
bool simple(const Finish<R>& f) {
  return f.plain && (f.beta == R(0) || f.beta == R(1));
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

// Half types keep the whole depth in one block: a partial sum in C would be rounded.
template <class T, class R>
constexpr bool kExactBlocks = std::is_same_v<T, R> || std::is_integral_v<T>;

// On its own, so that the accumulators have all registers to themselves.
template <class R, int Rows, int Vectors>
[[gnu::noinline]] void packed_tile(int64_t k, const R* a, const R* b,
                                   typename Vector<R>::type (&acc)[Rows][kVectors]) {
  micro_kernel<R, Rows, Vectors>(k, a, 1, kRows, b, kTileCols<R>, acc);
}

// f<Rows>() with the fewest rows that a tile has and that hold `rows`.
template <class F>
void with_rows(int64_t rows, const F& f) {
  if constexpr (kRows > 4)
    if (rows <= 4) return f.template operator()<4>();
  if constexpr (kRows > 8)
    if (rows <= 8) return f.template operator()<8>();
  f.template operator()<kRows>();
}

// One tile of C from a panel of A and one of B, `rows` and `cols` of it wanted.
template <class T, class R>
void finish_tile(int64_t k, const R* a, const R* b, T* c, int64_t c_row, int64_t rows, int64_t cols,
                 const Finish<R>& f, const T* bias) {
  with_rows(rows, [&]<int Rows>() {
    if constexpr (std::is_same_v<T, R>) {
      if (simple(f) && rows == Rows && cols == kTileCols<R>)
        return whole_tile<R, Rows, kVectors>(k, a, 1, kRows, b, cols, c, c_row, f.beta == R(1),
                                             bias);
    }
    typename Vector<R>::type acc[Rows][kVectors] = {};
    if (cols <= Vector<R>::lanes)
      packed_tile<R, Rows, 1>(k, a, b, acc);
    else
      packed_tile<R, Rows, kVectors>(k, a, b, acc);
    store_tile<T, R>(acc, c, c_row, rows, cols, f, bias);
  });
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
        for (int64_t j = 0; j < nj; j += cols)
          for (int64_t i = 0; i < ni; i += kRows)
            finish_tile<T, R>(np, pa + i * np, pb + j * np, c + (i0 + i) * g.c_row + j0 + j,
                              g.c_row, std::min<int64_t>(kRows, ni - i),
                              std::min<int64_t>(cols, nj - j), f, bias ? bias + j : nullptr);
      }
    }
  }
}

// Where the rows of A lie: in place, or in panels of kRows rows.
template <class R>
struct Left {
  const R* a;
  int64_t row, col;
  int64_t panel = 0;  // elements of a panel; 0: in place
  const R* at(int64_t i) const { return panel ? a + i / kRows * panel + i % kRows : a + i * row; }
};

template <class R, int Rows, int Vectors>
inline void small_rows(const GemmArgs& g, const Left<R>& left, int64_t& i, const R* b,
                       int64_t b_row, int64_t j, int64_t nj, const Finish<R>& f) {
  R* c = static_cast<R*>(g.c);
  const R* bias = g.bias ? static_cast<const R*>(g.bias) + j : nullptr;
  if (simple(f) && nj == Vectors * Vector<R>::lanes) {
    for (; i + Rows <= g.m; i += Rows)
      whole_tile<R, Rows, Vectors>(g.k, left.at(i), left.row, left.col, b, b_row,
                                   c + i * g.c_row + j, g.c_row, f.beta == R(1), bias);
    return;
  }
  for (; i + Rows <= g.m; i += Rows) {
    typename Vector<R>::type acc[Rows][kVectors];
    if constexpr (Vectors < kVectors)
      for (int r = 0; r < Rows; ++r) acc[r][1] = typename Vector<R>::type{};
    micro_kernel<R, Rows, Vectors>(g.k, left.at(i), left.row, left.col, b, b_row, acc);
    store_tile<R, R>(acc, c + i * g.c_row + j, g.c_row, Rows, nj, f, bias);
  }
}

// All rows against one tile's width of columns.
template <class R, int Vectors>
void small_columns(const GemmArgs& g, const Left<R>& left, const R* b, int64_t b_row, int64_t j,
                   int64_t nj, const Finish<R>& f) {
  int64_t i = 0;
  small_rows<R, kRows, Vectors>(g, left, i, b, b_row, j, nj, f);
  if constexpr (kRows > 8) small_rows<R, 8, Vectors>(g, left, i, b, b_row, j, nj, f);
  if constexpr (kRows > 4) small_rows<R, 4, Vectors>(g, left, i, b, b_row, j, nj, f);
  small_rows<R, 2, Vectors>(g, left, i, b, b_row, j, nj, f);
  small_rows<R, 1, Vectors>(g, left, i, b, b_row, j, nj, f);
}

// A is read in place; B too, except where its rows are strided or a tile would overrun them.
template <class R>
void gemm_small(const GemmArgs& g, const Left<R>& left) {
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
      bj = b + j * (g.packed_k ? g.packed_k : g.k);
      b_row = cols;
    } else if (g.b_col != 1 || (nj < cols && nj != lanes)) {
      const int width = nj <= lanes ? lanes : cols;
      if (!panel) panel = static_cast<R*>(thread_buffer(0, cols * g.k * sizeof(R)));
      pack<R, R>(panel, bj, nj, g.k, g.b_col, g.b_row, width);
      bj = panel;
      b_row = width;
    }
    if (nj <= lanes)
      small_columns<R, 1>(g, left, bj, b_row, j, nj, f);
    else
      small_columns<R, kVectors>(g, left, bj, b_row, j, nj, f);
  }
}
template <class R>
void gemm_small(const GemmArgs& g) {
  gemm_small<R>(g, {static_cast<const R*>(g.a), g.a_row, g.a_col});
}

// B is packed. Rows of A that would crowd into few sets of the cache are packed too, when enough
// columns share the cost.
template <class R>
void gemm_prepacked(GemmArgs g) {
  if (g.m < kRows || g.k < 64 || g.n < 4 * kTileCols<R>) return gemm_small<R>(g);
  const int64_t rows = g.m,
                most = std::min<int64_t>(kBlockRows, (rows + kRows - 1) / kRows * kRows);
  R* panels = static_cast<R*>(thread_buffer(0, most * g.k * sizeof(R)));
  for (int64_t i = 0; i < rows; i += kBlockRows) {
    g.m = std::min(kBlockRows, rows - i);
    pack<R, R>(panels, static_cast<const R*>(g.a), g.m, g.k, g.a_row, g.a_col, kRows);
    gemm_small<R>(g, {panels, 1, kRows, kRows * g.k});
    g.a = static_cast<const R*>(g.a) + g.m * g.a_row;
    g.c = static_cast<R*>(g.c) + g.m * g.c_row;
  }
}

// k == 1: every row of C is B's only one, scaled.
template <class R>
void gemm_outer(const GemmArgs& g) {
  const R *a = static_cast<const R*>(g.a), *b = static_cast<const R*>(g.b);
  const R* bias = static_cast<const R*>(g.bias);
  const R alpha = static_cast<R>(g.alpha.real()), beta = static_cast<R>(g.beta.real());
  for (int64_t i = 0; i < g.m; ++i) {
    R* c = static_cast<R*>(g.c) + i * g.c_row;
    const R x = alpha * a[i * g.a_row];
    if (beta == R(0) && !bias) {
#pragma omp simd
      for (int64_t j = 0; j < g.n; ++j) c[j] = x * b[j];
    } else if (!bias) {
#pragma omp simd
      for (int64_t j = 0; j < g.n; ++j) c[j] = x * b[j] + beta * c[j];
    } else {
      for (int64_t j = 0; j < g.n; ++j)
        put<R, R>(c + j, x * b[j], {R(1), beta, beta == R(0)}, bias ? bias + j : nullptr);
    }
  }
}

template <class T>
void gemm_real(const GemmArgs& g) {
  if (g.m <= 0 || g.n <= 0) return;
  if (g.k <= 0) return scale_only<T>(g);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (g.packed) return gemm_prepacked<T>(g);
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
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (g.k == 1 && g.b_col == 1 && g.n >= 2 * Vector<T>::lanes) return gemm_outer<T>(g);
  }
  if (g.a_col == 1 && g.b_row == 1 && (g.m == 1 || g.n == 1 || (g.m <= 8 && g.k >= 64)))
    return gemm_dots<T>(g);
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double>) {
    if (g.m == 1 && g.b_col == 1) return gemv_rows<T>(g);
    // Above this size the panels pay for themselves, where more than one tile reads A.
    if (g.m * g.n * g.k <= 96 * 96 * 96 || g.m < 4 * kRows ||
        (g.n <= kTileCols<T> && g.k <= kDepth && g.a_col == 1))
      return gemm_small<T>(g);
  }
  return gemm_packed<T>(g);
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
    register_gemm(RL_LEVEL, dtype_of<T>::value,
                  {gemm_real<T>, pack_columns<T>, kTileCols<T>, tiny_batch<T>});
  }
  Registrar() {
    packing<float>(), packing<double>(), real<Half>(), real<BFloat16>();
    real<uint8_t>(), real<int8_t>(), real<int16_t>(), real<int32_t>(), real<int64_t>();
  }
} const registrar;

}  // namespace

}  // namespace rl
