// Matrix multiplication of our own: every dtype, any strides, no library behind it.
//
//   C (m, n) = alpha * A (m, k) @ B (k, n) + beta * C + bias (n)
#pragma once
#include "../core/dtype.h"

namespace rl {

// Strides are in elements; the rows of C have unit stride. beta == 0 never reads C.
struct GemmArgs {
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_row = 0, b_col = 0;  // unused when packed
  void* c;
  int64_t c_row;
  c128 alpha = 1, beta = 0;
  const void* bias = nullptr;  // one row of C's dtype, added to every row
  bool packed = false;         // b points at panels made by gemm_pack; float and double only
  int64_t packed_k = 0;        // rows of B that were packed, where only the first k are wanted
};

// What a product takes on one thread, about.
inline double product_ns(int64_t m, int64_t n, int64_t k) {
  return 50 + 0.02 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

// Runs on the calling thread. Callable without the GIL.
using GemmFn = void (*)(const GemmArgs& g);
GemmFn find_gemm(DType t);

// A batch of products so small that a call for each would cost more than its work: operands lie
// `step` elements apart.
using TinyFn = void (*)(const GemmArgs& g, int64_t batch, int64_t a_step, int64_t b_step,
                        int64_t c_step);
inline bool is_tiny(const GemmArgs& g) {
  return g.m <= 8 && g.n <= 4 && g.k <= 8 && g.m && g.n && g.k && !g.bias && g.alpha == c128(1) &&
         g.beta == c128(0);
}

// A B that many products share can be packed once: gemm_panel columns side by side, the last
// panel filled up with zeros. packed_size counts elements.
using PackFn = void (*)(void* panels, const void* b, int64_t k, int64_t n, int64_t b_row,
                        int64_t b_col);
struct GemmKernel {
  GemmFn run = nullptr;
  PackFn pack = nullptr;
  int panel = 1;
  TinyFn tiny = nullptr;  // for those that is_tiny() names; float and double only
};
const GemmKernel& gemm_kernel(DType t);
inline int64_t packed_size(const GemmKernel& kernel, int64_t k, int64_t n) {
  return (n + kernel.panel - 1) / kernel.panel * kernel.panel * k;
}
void register_gemm(int level, DType t, const GemmKernel& kernel);

// The same, split over threads when the work pays for them.
void gemm_parallel(DType t, const GemmArgs& g);

// Memory of the calling thread, kept for the next call; 64-byte aligned, contents undefined.
// A second call invalidates the first: one user at a time (gemm uses slot 0).
void* thread_buffer(int slot, size_t bytes);

}  // namespace rl
