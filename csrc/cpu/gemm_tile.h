// What the files of gemm share: the register tile, accumulators, and how a sum goes into C.
#pragma once
#include <algorithm>
#include <type_traits>

#include "../core/kernel.h"
#include "gemm.h"

namespace rl {
namespace {  // one copy per ISA level

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
  bool plain;  // alpha == 1
};

template <class T, class R>
inline void put(T* c, R sum, const Finish<R>& f, const T* bias) {
  R y = f.plain ? sum : f.alpha * sum;
  if (f.beta != R(0)) y += f.beta * static_cast<R>(*c);
  if (bias) y += static_cast<R>(*bias);
  *c = static_cast<T>(y);
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

}  // namespace
}  // namespace rl
