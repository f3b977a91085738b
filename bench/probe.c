/* What this machine can do at most, for roofline.py: memory bandwidth and arithmetic, in seconds.
   Compiled where it runs (-O3 -march=native -fopenmp). Sums are given back so that nothing is
   optimised away. */
#include <omp.h>
#include <stdint.h>
#include <string.h>
#if defined(__AVX512BF16__) || defined(__AMX_BF16__)
#include <immintrin.h>
#endif
#ifdef __AMX_BF16__
#include <sys/syscall.h>
#include <unistd.h>
#endif

typedef float vec __attribute__((vector_size(64), aligned(4), may_alias)); /* in memory */
typedef float reg __attribute__((vector_size(64)));
typedef double dreg __attribute__((vector_size(64)));

/* what: 0 read, 1 write, 2 copy, 3 triad; n floats, a multiple of 128 for each thread. */
double memory(int what, float* a, float* b, float* c, int64_t n, int threads, float* sum) {
  double seconds = 0;
  float total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
  {
    const int64_t part = n / threads, from = part * omp_get_thread_num(), to = from + part;
#pragma omp barrier
    const double start = omp_get_wtime();
    vec s0 = {0}, s1 = s0, s2 = s0, s3 = s0;
    switch (what) {
      case 0:
        for (int64_t i = from; i + 64 <= to; i += 64) {
          s0 += *(vec*)(a + i), s1 += *(vec*)(a + i + 16);
          s2 += *(vec*)(a + i + 32), s3 += *(vec*)(a + i + 48);
        }
        break;
      case 1: memset(a + from, 1, (size_t)part * 4); break;
      case 2: memcpy(a + from, b + from, (size_t)part * 4); break;
      default:
        for (int64_t i = from; i + 16 <= to; i += 16)
          *(vec*)(a + i) = *(vec*)(b + i) + 3 * *(vec*)(c + i);
    }
#pragma omp barrier
    const double took = omp_get_wtime() - start;
    s0 += s1 + s2 + s3;
    for (int i = 0; i < 16; ++i) total += s0[i];
#pragma omp master
    seconds = took;
  }
  *sum = total;
  return seconds;
}

/* Sixteen chains of their own, so that no addition waits for the one before. */
#define CHAINS(X) \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

/* Multiply-adds in registers: 16 chains of 64 bytes, two flops an element, a round. The empty
   assembly keeps the compiler from merging them. */
#define FMA_PROBE(NAME, TYPE, LANES)                                    \
  double NAME(int64_t rounds, int threads, float* sum) {                \
    double seconds = 0, total = 0;                                      \
    _Pragma("omp parallel num_threads(threads) reduction(+ : total)") { \
      TYPE x, y;                                                        \
      for (int l = 0; l < LANES; ++l) x[l] = 1, y[l] = 1e-7f * l;       \
      CHAINS(FMA_START)                                                 \
      _Pragma("omp barrier") const double start = omp_get_wtime();      \
      for (int64_t i = 0; i < rounds; ++i) {                            \
        CHAINS(FMA_STEP)                                                \
      }                                                                 \
      _Pragma("omp barrier") const double took = omp_get_wtime() - start; \
      y = y CHAINS(FMA_SUM);                                            \
      for (int l = 0; l < LANES; ++l) total += y[l];                    \
      _Pragma("omp master") seconds = took;                             \
    }                                                                   \
    *sum = (float)total;                                                \
    return seconds;                                                     \
  }
#define FMA_START(K) __typeof__(x) a##K = y;
#define FMA_STEP(K) a##K = a##K * x + y, ({ __asm__ volatile("" : "+v"(a##K)); });
#define FMA_SUM(K) +a##K
FMA_PROBE(fma32, reg, 16)
FMA_PROBE(fma64, dreg, 8)

/* Flops of one round of bf16, 0 where the processor has no products of it; see bf16(). */
int64_t bf16_flops(void) {
#if defined(__AMX_BF16__)
  return 4LL * 2 * 16 * 16 * 32;
#elif defined(__AVX512BF16__)
  return 16LL * 2 * 32;
#else
  return 0;
#endif
}

#define BF16_START(K) __m512 a##K = _mm512_set1_ps(K);
#define BF16_STEP(K) a##K = _mm512_dpbf16_ps(a##K, x, x), ({ __asm__ volatile("" : "+v"(a##K)); });

/* Products of bf16: four AMX tiles, or sixteen AVX-512 chains, a round. Negative on failure. */
double bf16(int64_t rounds, int threads, float* sum) {
#if defined(__AMX_BF16__)
  if (syscall(SYS_arch_prctl, 0x1023, 18)) return -1; /* permission for the tiles' state */
  double seconds = 0;
#pragma omp parallel num_threads(threads)
  {
    _Alignas(64) uint8_t config[64] = {1};
    for (int t = 0; t < 8; ++t) config[16 + 2 * t] = 64, config[48 + t] = 16;
    _tile_loadconfig(config);
    _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3), _tile_zero(4), _tile_zero(5);
#pragma omp barrier
    const double start = omp_get_wtime();
    for (int64_t i = 0; i < rounds; ++i) {
      _tile_dpbf16ps(0, 4, 5), _tile_dpbf16ps(1, 4, 5);
      _tile_dpbf16ps(2, 4, 5), _tile_dpbf16ps(3, 4, 5);
    }
#pragma omp barrier
    const double took = omp_get_wtime() - start;
    _tile_release();
#pragma omp master
    seconds = took;
  }
  *sum = 0;
  return seconds;
#elif defined(__AVX512BF16__)
  double seconds = 0;
  float total = 0;
#pragma omp parallel num_threads(threads) reduction(+ : total)
  {
    const __m512bh x = (__m512bh)_mm512_set1_epi16(0x3f80);
    CHAINS(BF16_START)
#pragma omp barrier
    const double start = omp_get_wtime();
    for (int64_t i = 0; i < rounds; ++i) {
      CHAINS(BF16_STEP)
    }
#pragma omp barrier
    const double took = omp_get_wtime() - start;
    total += _mm512_reduce_add_ps(a0 CHAINS(FMA_SUM));
#pragma omp master
    seconds = took;
  }
  *sum = total;
  return seconds;
#else
  (void)rounds, (void)threads, (void)sum;
  return -1;
#endif
}
