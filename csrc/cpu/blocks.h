// Loops of special functions over blocks of doubles: what a whole block does not need is skipped.
#pragma once
#include <algorithm>
#include <cstdint>

namespace rl {
namespace {

constexpr int kBlock = 64;

// out[i] = f(x[i]): `f` turns kBlock doubles into kBlock doubles; the last block is filled up with
// ones. The output may lie over the input.
template <class T, class F>
void by_blocks(char* const* p, int64_t n, F f) {
  T* out = reinterpret_cast<T*>(p[0]);
  const T* in = reinterpret_cast<const T*>(p[1]);
  alignas(64) double x[kBlock], y[kBlock];
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = std::min<int64_t>(kBlock, n - start);
    for (int64_t i = 0; i < count; ++i) x[i] = static_cast<double>(in[start + i]);
    std::fill(x + count, x + kBlock, 1.0);
    f(x, y);
    for (int64_t i = 0; i < count; ++i) out[start + i] = static_cast<T>(y[i]);
  }
}
template <class T, class F>
void by_blocks2(char* const* p, int64_t n, F f) {
  T* out = reinterpret_cast<T*>(p[0]);
  const T *in = reinterpret_cast<const T*>(p[1]), *other = reinterpret_cast<const T*>(p[2]);
  alignas(64) double a[kBlock], b[kBlock], y[kBlock];
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t count = std::min<int64_t>(kBlock, n - start);
    for (int64_t i = 0; i < count; ++i) {
      a[i] = static_cast<double>(in[start + i]);
      b[i] = static_cast<double>(other[start + i]);
    }
    std::fill(a + count, a + kBlock, 1.0);
    std::fill(b + count, b + kBlock, 1.0);
    f(a, b, y, static_cast<int>(count));
    for (int64_t i = 0; i < count; ++i) out[start + i] = static_cast<T>(y[i]);
  }
}

// Whether `test` holds for some of a block.
template <class F>
bool any_of_block(const double* x, F test) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (int i = 0; i < kBlock; ++i) found |= test(x[i]) ? 1 : 0;
  return found != 0;
}

template <class F>
void each_of_block(const double* x, double* y, F f) {
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) y[i] = f(x[i]);
}

}  // namespace
}  // namespace rl
