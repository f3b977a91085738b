// Which gemm serves a dtype on this machine, threads around it, and the threads' work buffers.
#include "gemm.h"

#include <algorithm>
#include <cstdlib>

#include "../core/kernel.h"

namespace rl {
namespace {
struct Entry {
  GemmKernel kernel;
  int level = -1;
};
Entry* gemm_table() {
  static Entry table[kDTypes];  // a function's static: registrars run before main in any order
  return table;
}

struct Buffer {
  void* p = nullptr;
  size_t bytes = 0;
  ~Buffer() { std::free(p); }
};
}  // namespace

void register_gemm(int level, DType t, const GemmKernel& kernel) {
  Entry& e = gemm_table()[static_cast<int>(t)];
  if (level <= cpu_level() && level > e.level) e = {kernel, level};
}

const GemmKernel& gemm_kernel(DType t) {
  const GemmKernel& k = gemm_table()[static_cast<int>(t)].kernel;
  if (!k.run) {
    fail(ErrorType::NotImplemented, "\"addmm_impl_cpu_\" not implemented for '%s'",
         dtype_scalar_name(t));
  }
  return k;
}
GemmFn find_gemm(DType t) {
  const GemmFn run = gemm_kernel(t).run;
  return meta_call ? [](const GemmArgs&) {} : run;
}

void* thread_buffer(int slot, size_t bytes) {
  thread_local Buffer buffers[4];
  Buffer& b = buffers[slot];
  if (bytes > b.bytes) {
    std::free(b.p);
    b.bytes = (bytes + 4095) / 4096 * 4096;
    b.p = std::aligned_alloc(64, b.bytes);
    if (!b.p) {
      b.bytes = 0;
      throw Error(ErrorType::Memory, "matmul: out of memory for a work buffer");
    }
  }
  return b.p;
}

void gemm_parallel(DType t, const GemmArgs& g) {
  const GemmFn fn = find_gemm(t);
  const double shares = product_ns(g.m, g.n, g.k) / static_cast<double>(grain_of(1));
  const int64_t most = std::min<int64_t>(free_threads(), static_cast<int64_t>(shares));
  if (most <= 1 || omp_in_parallel()) return fn(g);
  if (g.packed) {  // rows only: a part of the columns would have to start at a panel
    parallel_for(g.m, std::max<int64_t>(12, g.m / most), [&](int64_t begin, int64_t end) {
      GemmArgs part = g;
      part.m = end - begin;
      part.a = static_cast<const char*>(g.a) + begin * g.a_row * itemsize(t);
      part.c = static_cast<char*>(g.c) + begin * g.c_row * itemsize(t);
      fn(part);
    });
    return;
  }
  // A grid of tiles of C as square as the shape allows.
  int64_t down = 1, across = most;
  for (int64_t d = 1; d <= most; ++d) {
    if (most % d) continue;
    const int64_t e = most / d;
    if (g.m / d + g.n / e < g.m / down + g.n / across) down = d, across = e;
  }
  if (g.m >= g.n && g.m / most >= 24) down = most, across = 1;
  const int64_t item = itemsize(t);
  const auto cut = [](int64_t n, int64_t i, int64_t parts, int64_t unit) {
    return std::min(n, (n * i / parts + unit - 1) / unit * unit);
  };
  const auto run_tile = [&](int64_t tile) {
    const int64_t r = tile / across, s = tile % across;
    const int64_t i0 = cut(g.m, r, down, 12), i1 = cut(g.m, r + 1, down, 12);
    const int64_t j0 = cut(g.n, s, across, 32), j1 = cut(g.n, s + 1, across, 32);
    if (i0 >= i1 || j0 >= j1) return;
    GemmArgs part = g;
    part.m = i1 - i0, part.n = j1 - j0;
    part.a = static_cast<const char*>(g.a) + i0 * g.a_row * item;
    part.b = static_cast<const char*>(g.b) + j0 * g.b_col * item;
    part.c = static_cast<char*>(g.c) + (i0 * g.c_row + j0) * item;
    if (g.bias) part.bias = static_cast<const char*>(g.bias) + j0 * item;
    fn(part);
  };
  parallel_for(most, 1, [&](int64_t begin, int64_t end) {
    for (int64_t tile = begin; tile < end; ++tile) run_tile(tile);
  });
}

}  // namespace rl
