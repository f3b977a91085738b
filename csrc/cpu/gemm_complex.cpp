// Complex matrix multiplication.
//
//   C (m, n) = alpha * A (m, k) @ B (k, n) + beta * C + bias (n)
//
// Real and imaginary parts go into separate panels (one pass over A and B each), so that the inner
// loop is four real multiply-adds a vector.
#include "gemm_tile.h"

namespace rl {
namespace {

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

const struct ComplexRegistrar {
  ComplexRegistrar() {
    register_gemm(RL_LEVEL, DType::C64, {gemm_complex<c64>});
    register_gemm(RL_LEVEL, DType::C128, {gemm_complex<c128>});
  }
} registrar;

}  // namespace
}  // namespace rl
