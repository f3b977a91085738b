// Casts between every pair of dtypes, and transposes of raw blocks, and moves of short rows.
//
//   cast       dst[i] = (To) src[i], one pass; strided, broadcast (stride 0) or contiguous
//   transpose  dst[i][j] = src[j][i], one pass, 8x8 tiles turned in registers
//
// Real to integer truncates toward zero; bool is `!= 0`; complex to real drops the imaginary
// part. Half types go through float in chunks, so that only float <-> half has loops of its own.
#include "../core/convert.h"

#include <type_traits>
#include <utility>

#include "../core/kernel.h"
#include "move.h"

#ifdef __F16C__
#include <immintrin.h>
#endif

namespace rl {
namespace {

template <class T>
constexpr bool is_complex_type = std::is_same_v<T, c64> || std::is_same_v<T, c128>;

template <class To, class From>
inline To cast(From x) {
  if constexpr (std::is_same_v<To, From>) {
    return x;
  } else if constexpr (is_complex_type<From>) {
    if constexpr (std::is_same_v<To, bool>)
      return x.real() != 0 || x.imag() != 0;
    else if constexpr (is_complex_type<To>)
      return To(static_cast<typename To::value_type>(x.real()),
                static_cast<typename To::value_type>(x.imag()));
    else
      return cast<To>(x.real());
  } else if constexpr (is_complex_type<To>) {
    return To(static_cast<typename To::value_type>(x), 0);
  } else if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To> && sizeof(To) < 4) {
    // Small integers wrap around instead of saturating.
    return static_cast<To>(static_cast<int32_t>(x));
  } else {
    return static_cast<To>(x);
  }
}

template <class To, class From>
void copy_run(To* dst, const From* src, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dst[i] = cast<To>(src[i]);
}

#ifdef __F16C__
inline void copy_run(float* dst, const Half* src, int64_t n) {
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(dst + i,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(src + i))));
  for (; i < n; ++i) dst[i] = static_cast<float>(src[i]);
}

inline void copy_run(Half* dst, const float* src, int64_t n) {
  constexpr int kRound = _MM_FROUND_TO_NEAREST_INT;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(src + i), kRound));
  for (; i < n; ++i) dst[i] = Half(src[i]);
}
#endif

template <class To, class From>
void convert_loop(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  if (ds == sizeof(To) && ss == sizeof(From)) {
    To* __restrict d = reinterpret_cast<To*>(dst);
    const From* __restrict s = reinterpret_cast<const From*>(src);
    if constexpr (std::is_same_v<To, From>)
      copy_bytes(dst, src, n * static_cast<int64_t>(sizeof(To)));
    else
      copy_run(d, s, n);
  } else if (ss == 0 && n > 0) {
    const To value = cast<To>(*reinterpret_cast<const From*>(src));
    if (ds == sizeof(To)) {
      To* __restrict d = reinterpret_cast<To*>(dst);
      for (int64_t i = 0; i < n; ++i) d[i] = value;
    } else {
      for (int64_t i = 0; i < n; ++i) *reinterpret_cast<To*>(dst + i * ds) = value;
    }
  } else {
#pragma GCC unroll 4
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<To*>(dst + i * ds) = cast<To>(*reinterpret_cast<const From*>(src + i * ss));
  }
}

constexpr int64_t kChunk = 512;

// From or To is a half type: through a small float buffer.
template <class To, class From>
void convert_by_float(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  alignas(64) float buffer[kChunk];
  for (int64_t i = 0; i < n; i += kChunk) {
    const int64_t m = std::min(kChunk, n - i);
    char* middle = reinterpret_cast<char*>(buffer);
    convert_loop<float, From>(middle, sizeof(float), src + i * ss, ss, m);
    convert_loop<To, float>(dst + i * ds, ds, middle, sizeof(float), m);
  }
}

template <class T>
constexpr bool is_half_type = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <class To, class From>
constexpr ConvertFn choose() {
  if constexpr (std::is_same_v<To, From>) {
    if constexpr (sizeof(To) == 1)
      return convert_loop<uint8_t, uint8_t>;
    else if constexpr (sizeof(To) == 2)
      return convert_loop<uint16_t, uint16_t>;
    else if constexpr (sizeof(To) == 4)
      return convert_loop<uint32_t, uint32_t>;
    else if constexpr (sizeof(To) == 8)
      return convert_loop<uint64_t, uint64_t>;
    else
      return convert_loop<Bytes16, Bytes16>;
  } else if constexpr (std::is_same_v<From, bool>) {
    return choose<To, uint8_t>();  // a stored bool is a byte that holds 0 or 1
  } else if constexpr ((is_half_type<To> && !std::is_same_v<From, float>) ||
                       (is_half_type<From> && !std::is_same_v<To, float>)) {
    return convert_by_float<To, From>;
  } else {
    return convert_loop<To, From>;
  }
}

// -- transposes -------------------------------------------------------------------------------
// Single bytes go 16 x 16, wider elements 8 x 8, the widest one by one.
template <class T>
constexpr int kTile = sizeof(T) == 1   ? 16
                      : sizeof(T) <= 8 ? 8
                                       : 0;

// Rows i and i + n / 2 of n interleaved, for every i: one round of turning a tile.
template <class V, int... J>
inline void interleave_halves(const V* x, V* y, std::integer_sequence<int, J...>) {
  constexpr int n = sizeof...(J);
  for (int i = 0; i < n / 2; ++i) {
    y[2 * i] = __builtin_shufflevector(x[i], x[i + n / 2], (J / 2 + (J & 1) * n)...);
    y[2 * i + 1] = __builtin_shufflevector(x[i], x[i + n / 2], (n / 2 + J / 2 + (J & 1) * n)...);
  }
}

template <class T>
inline void transpose_tile(char* dst, int64_t dst_row, const char* src, int64_t src_col) {
  constexpr int n = kTile<T>;
  constexpr auto lanes = std::make_integer_sequence<int, n>();
  typedef T V __attribute__((vector_size(n * sizeof(T))));
  V a[n], b[n];
  for (int i = 0; i < n; ++i) std::memcpy(&a[i], src + i * src_col, sizeof(V));
  interleave_halves(a, b, lanes);
  interleave_halves(b, a, lanes);
  interleave_halves(a, b, lanes);
  if constexpr (n == 16) interleave_halves(b, a, lanes);
  const V* turned = n == 16 ? a : b;
  for (int i = 0; i < n; ++i) std::memcpy(dst + i * dst_row, &turned[i], sizeof(V));
}

template <class T>
inline void transpose_plain(char* dst, int64_t dst_row, const char* src, int64_t src_col,
                            int64_t rows, int64_t cols) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j)
      *reinterpret_cast<T*>(dst + i * dst_row + j * sizeof(T)) =
          *reinterpret_cast<const T*>(src + i * sizeof(T) + j * src_col);
}

// Blocks of 32 x 32 keep both sides in L1 even when rows lie a power of two apart.
template <class T>
void transpose_loop(char* dst, int64_t dst_row, const char* src, int64_t src_col, int64_t rows,
                    int64_t cols) {
  constexpr int64_t kBlock = 32, kItem = sizeof(T), tile = kTile<T>;
  for (int64_t j0 = 0; j0 < cols; j0 += kBlock)
    for (int64_t i0 = 0; i0 < rows; i0 += kBlock) {
      const int64_t i1 = std::min(rows, i0 + kBlock), j1 = std::min(cols, j0 + kBlock);
      char* d = dst + i0 * dst_row + j0 * kItem;
      const char* s = src + i0 * kItem + j0 * src_col;
      if constexpr (tile > 0) {
        const int64_t m = (i1 - i0) / tile * tile, k = (j1 - j0) / tile * tile;
        for (int64_t i = 0; i < m; i += tile)
          for (int64_t j = 0; j < k; j += tile)
            transpose_tile<T>(d + i * dst_row + j * kItem, dst_row, s + i * kItem + j * src_col,
                              src_col);
        transpose_plain<T>(d + k * kItem, dst_row, s + k * src_col, src_col, m, j1 - j0 - k);
        transpose_plain<T>(d + m * dst_row, dst_row, s + m * kItem, src_col, i1 - i0 - m, j1 - j0);
      } else {
        transpose_plain<T>(d, dst_row, s, src_col, i1 - i0, j1 - j0);
      }
    }
}

// -- short rows -------------------------------------------------------------------------------
// Bytes [0, n) where n is at least one chunk and at most two: two moves that may overlap.
template <int kBytes>
inline void move_ends(char* dst, const char* src, int64_t n) {
  struct Chunk {
    char bytes[kBytes];
  } first, last;
  std::memcpy(&first, src, kBytes);
  std::memcpy(&last, src + n - kBytes, kBytes);
  std::memcpy(dst, &first, kBytes);
  std::memcpy(dst + n - kBytes, &last, kBytes);
}

template <class F>
inline void each_row(char* dst, int64_t dst_row, const char* src, int64_t src_row, int64_t rows,
                     F f) {
  for (int64_t i = 0; i < rows; ++i) f(dst + i * dst_row, src + i * src_row);
}

template <class T>
void rows_loop(char* dst, int64_t dr, int64_t dc, const char* src, int64_t sr, int64_t sc,
               int64_t rows, int64_t cols) {
  constexpr int64_t w = sizeof(T);
  const int64_t n = cols * w;
  if (dc == w && sc == w && n <= 64) {
    if (n >= 32)
      each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) { move_ends<32>(d, s, n); });
    else if (n >= 16)
      each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) { move_ends<16>(d, s, n); });
    else if (n >= 8)
      each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) { move_ends<8>(d, s, n); });
    else if (n >= 4)
      each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) { move_ends<4>(d, s, n); });
    else
      each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) {
        for (int64_t j = 0; j < n; ++j) d[j] = s[j];
      });
  } else if (dc == w && sc == w) {
    each_row(dst, dr, src, sr, rows, [n](char* d, const char* s) { std::memcpy(d, s, n); });
  } else {
    each_row(dst, dr, src, sr, rows, [=](char* d, const char* s) {
      for (int64_t j = 0; j < cols; ++j)
        *reinterpret_cast<T*>(d + j * dc) = *reinterpret_cast<const T*>(s + j * sc);
    });
  }
}

template <class To>
void register_row(DType to) {
  const auto add = [&](auto from) {
    using From = decltype(from);
    register_convert(RL_LEVEL, to, dtype_of<From>::value, choose<To, From>());
  };
  for (int from = 0; from < kComputeTypes; ++from) visit_all(static_cast<DType>(from), add);
}

const struct Registrar {
  Registrar() {
    for (int to = 0; to < kComputeTypes; ++to)
      visit_all(static_cast<DType>(to),
                [&](auto tag) { register_row<decltype(tag)>(static_cast<DType>(to)); });
    register_rows(RL_LEVEL, 1, rows_loop<uint8_t>);
    register_rows(RL_LEVEL, 2, rows_loop<uint16_t>);
    register_rows(RL_LEVEL, 4, rows_loop<uint32_t>);
    register_rows(RL_LEVEL, 8, rows_loop<uint64_t>);
    register_rows(RL_LEVEL, 16, rows_loop<Bytes16>);
    register_transpose(RL_LEVEL, 1, transpose_loop<uint8_t>);
    register_transpose(RL_LEVEL, 2, transpose_loop<uint16_t>);
    register_transpose(RL_LEVEL, 4, transpose_loop<uint32_t>);
    register_transpose(RL_LEVEL, 8, transpose_loop<uint64_t>);
    register_transpose(RL_LEVEL, 16, transpose_loop<Bytes16>);
  }
} registrar;

}  // namespace
}  // namespace rl
