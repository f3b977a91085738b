// Resampling of bytes along one dim: y[i, o, j] = clamp((half + sum over k in [starts[o],
// starts[o + 1]) of weight[k] x[i, index[k], j]) >> bits), with x (outer, n, inner) and whole
// weights below 2^15 that stand for weight / 2^bits. Rows are added up two at a time: a multiply
// of 16 bits takes a pair of bytes and a pair of weights. Where the rows are short, the dim goes
// first for a while: turning bytes round costs less than short rows.
#include "../core/kernel.h"
#include "walk.h"
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace rl {
namespace {

constexpr int kVectorBytes = RL_LEVEL == 2 ? 64 : RL_LEVEL == 1 ? 32 : 16;
constexpr int64_t kLanes = kVectorBytes / 4, kShort = 2 * kVectorBytes;
typedef int32_t Lanes __attribute__((vector_size(kVectorBytes)));
typedef uint8_t Bytes __attribute__((vector_size(kLanes), aligned(1), may_alias));

#if defined(__AVX512BW__)
constexpr __mmask16 kAll = 0xffff;  // GCC 12 warns of what the plain forms leave undefined
#endif

struct ByteTaps {
  int64_t rows = 0;
  const int64_t *starts = nullptr, *index = nullptr;
  const int32_t* weight = nullptr;
  int bits = 0;
};

// In each lane the products of the lower and of the upper 16 bits, added up.
inline Lanes pair_sums(Lanes a, Lanes b) {
#if defined(__AVX512BW__)
  return reinterpret_cast<Lanes>(
      _mm512_madd_epi16(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Lanes>(
      _mm256_madd_epi16(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#else
  return ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
}

inline Lanes load(const uint8_t* from) {
#if defined(__AVX512BW__)
  return reinterpret_cast<Lanes>(
      _mm512_maskz_cvtepu8_epi32(kAll, _mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
#elif defined(__AVX2__)
  return reinterpret_cast<Lanes>(
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
#else
  return __builtin_convertvector(*reinterpret_cast<const Bytes*>(from), Lanes);
#endif
}

inline void store(uint8_t* to, Lanes sum, int bits) {
  sum >>= bits;
#if defined(__AVX512BW__)
  sum = sum < 0 ? Lanes{} : sum;
  const __m128i bytes = _mm512_maskz_cvtusepi32_epi8(kAll, reinterpret_cast<__m512i>(sum));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
#elif defined(__AVX2__)
  const auto all = reinterpret_cast<__m256i>(sum);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(words, words));
#else
  sum = sum < 0 ? Lanes{} : sum;
  sum = sum > 255 ? Lanes{} + 255 : sum;
  *reinterpret_cast<Bytes*>(to) = __builtin_convertvector(sum, Bytes);
#endif
}

// Output o in columns [j, j + kBlock lanes).
template <int kBlock>
void sum_columns(const uint8_t* x, uint8_t* y, int64_t inner, int64_t j, int64_t o,
                 const ByteTaps& t) {
  Lanes sum[kBlock];
  for (Lanes& each : sum) each = Lanes{} + (t.bits ? 1 << (t.bits - 1) : 0);
  for (int64_t k = t.starts[o], end = t.starts[o + 1]; k < end; k += 2) {
    const bool pair = k + 1 < end;
    const uint8_t *one = x + t.index[k] * inner + j, *two = x + t.index[k + pair] * inner + j;
    const Lanes weights = Lanes{} + ((t.weight[k] & 65535) | (pair ? t.weight[k + 1] << 16 : 0));
    for (int b = 0; b < kBlock; ++b)
      sum[b] += pair_sums(load(one + b * kLanes) | (load(two + b * kLanes) << 16), weights);
  }
  for (int b = 0; b < kBlock; ++b) store(y + o * inner + j + b * kLanes, sum[b], t.bits);
}

void sum_column(const uint8_t* x, uint8_t* y, int64_t inner, int64_t j, int64_t o,
                const ByteTaps& t) {
  int32_t sum = t.bits ? 1 << (t.bits - 1) : 0;
  for (int64_t k = t.starts[o]; k < t.starts[o + 1]; ++k)
    sum += t.weight[k] * x[t.index[k] * inner + j];
  y[o * inner + j] = static_cast<uint8_t>(std::clamp(sum >> t.bits, 0, 255));
}

void resample_rows(const uint8_t* x, uint8_t* y, int64_t outer, int64_t n, int64_t inner,
                   const ByteTaps& t) {
  const int64_t work = std::max<int64_t>(1, inner);
  NoGil nogil(outer * t.rows * inner);
  parallel_for(outer * t.rows, grain_of(0.05 * static_cast<double>(work)),
               [&](int64_t r0, int64_t r1) {
                 for (int64_t r = r0; r < r1; ++r) {
                   const int64_t i = r / t.rows, o = r % t.rows;
                   const uint8_t* from = x + i * n * inner;
                   uint8_t* to = y + i * t.rows * inner;
                   int64_t j = 0;
                   for (; j + 4 * kLanes <= inner; j += 4 * kLanes)
                     sum_columns<4>(from, to, inner, j, o, t);
                   for (; j + kLanes <= inner; j += kLanes)
                     sum_columns<1>(from, to, inner, j, o, t);
                   for (; j < inner; ++j) sum_column(from, to, inner, j, o, t);
                 }
               });
}

// (a, b, c), contiguous, as (b, a, c).
Array exchanged(const Array& x, int64_t a, int64_t b, int64_t c) {
  return x.as_strided(IntList{b, a, c}, IntList{c, b * c, 1}, x.offset()).contiguous_copy();
}

}  // namespace

RL_KERNEL(resample_bytes) {  // input, dim, starts, index, weight, bits
  const Array x = call.tensor(0).contiguous_copy();
  const int dim = call.dim(1, x.ndim());
  const Array starts = call.tensor(2).contiguous_copy(), index = call.tensor(3).contiguous_copy();
  const Array weight = call.tensor(4).contiguous_copy();
  const int64_t bits = call.integer(5);
  if (x.ndim() == 0 || x.dtype() != DType::U8 || weight.dtype() != DType::I32 ||
      starts.dtype() != DType::I64 || index.dtype() != DType::I64 || starts.ndim() != 1 ||
      starts.numel() < 1 || index.ndim() != 1 || index.numel() != weight.numel() || bits < 0 ||
      bits > 22)
    fail(ErrorType::Runtime,
         "resample_bytes: got %s of %s, expected bytes of one or more dims and tables of int64, "
         "int64 and int32",
         shape_text(x.shape()).c_str(), dtype_scalar_name(x.dtype()));
  const int64_t n = x.size(dim), entries = index.numel();
  const ByteTaps t{starts.numel() - 1, starts.data<int64_t>(), index.data<int64_t>(),
                   weight.data<int32_t>(), static_cast<int>(bits)};
  bool good = meta_call || (t.starts[0] == 0 && t.starts[t.rows] == entries && n <= INT32_MAX);
  for (int64_t o = 0; o < t.rows && !meta_call; ++o) good = good && t.starts[o + 1] >= t.starts[o];
  for (int64_t k = 0; k < entries && !meta_call; ++k)
    good = good && t.index[k] >= 0 && t.index[k] < n && std::abs(t.weight[k]) < 1 << 15;
  if (!good)
    fail(ErrorType::Index,
         "resample_bytes: the table reaches outside of %lld elements or has weights above 2^15",
         static_cast<long long>(n));
  IntList shape(x.shape().begin(), x.shape().end());
  shape[dim] = t.rows;
  if (meta_call || product(shape) == 0) return call.result(Array::empty(DType::U8, shape));
  int64_t outer = 1, inner = 1;
  for (int d = 0; d < dim; ++d) outer *= x.size(d);
  for (int d = dim + 1; d < x.ndim(); ++d) inner *= x.size(d);
  if (inner >= kShort || outer == 1) {
    const Array y = Array::empty(DType::U8, shape);
    resample_rows(x.data<uint8_t>(), y.data<uint8_t>(), outer, n, inner, t);
    return call.result(y);
  }
  const Array turned = exchanged(x, outer, n, inner);
  const Array made = Array::empty(DType::U8, IntList{t.rows, outer, inner});
  resample_rows(turned.data<uint8_t>(), made.data<uint8_t>(), 1, n, outer * inner, t);
  call.result(
      exchanged(made, t.rows, outer, inner).as_strided(shape, contiguous_strides(shape), 0));
}

}  // namespace rl
