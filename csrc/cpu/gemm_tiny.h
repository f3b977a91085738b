// Many products of matrices of up to four columns: no call, no panel, all sums in registers.
#pragma once
#include "gemm.h"

namespace rl {
namespace {  // one copy per ISA level

// C (m, N) of every product = A (m, k) @ B (k, N); K is k where it is known, else 0.
template <class T, int N, int K>
void tiny_products(const GemmArgs& g, int64_t batch, int64_t a_step, int64_t b_step,
                   int64_t c_step) {
  const T *a = static_cast<const T*>(g.a), *b = static_cast<const T*>(g.b);
  T* c = static_cast<T*>(g.c);
  const int64_t depth = K ? K : g.k;
  for (int64_t q = 0; q < batch; ++q, a += a_step, b += b_step, c += c_step) {
    T kept[(K ? K : 8) * N];
    for (int64_t p = 0; p < depth; ++p)
      for (int j = 0; j < N; ++j) kept[p * N + j] = b[p * g.b_row + j * g.b_col];
    for (int64_t i = 0; i < g.m; ++i) {
      T sum[N] = {};
      for (int64_t p = 0; p < depth; ++p) {
        const T x = a[i * g.a_row + p * g.a_col];
        for (int j = 0; j < N; ++j) sum[j] += x * kept[p * N + j];
      }
      for (int j = 0; j < N; ++j) c[i * g.c_row + j] = sum[j];
    }
  }
}

template <class T>
void tiny_batch(const GemmArgs& g, int64_t batch, int64_t a_step, int64_t b_step, int64_t c_step) {
  const auto run = [&]<int N>() {
    if (g.k == N)
      tiny_products<T, N, N>(g, batch, a_step, b_step, c_step);
    else if (N == 1 && g.k == 3)
      tiny_products<T, N, 3>(g, batch, a_step, b_step, c_step);
    else if (N == 1 && g.k == 4)
      tiny_products<T, N, 4>(g, batch, a_step, b_step, c_step);
    else
      tiny_products<T, N, 0>(g, batch, a_step, b_step, c_step);
  };
  if (g.n == 1)
    run.template operator()<1>();
  else if (g.n == 2)
    run.template operator()<2>();
  else if (g.n == 3)
    run.template operator()<3>();
  else
    run.template operator()<4>();
}

}  // namespace
}  // namespace rl
