// Runs of equal neighbours, and membership in a few values.
//
// unique_runs: x (n) becomes its runs: values (runs), for each element the number of its run, the
// length of each run. Two passes: the runs of each block are counted, then written, so that blocks
// go to threads. isin_few: y_i = any over k of x_i == t_k, block by block.
#include <atomic>
#include <bit>

#include "walk.h"

#if RL_LEVEL == 2 && defined(__AVX512F__)
#include <immintrin.h>
#define RL_COMPRESS 1
#endif

namespace rl {
namespace {

constexpr int64_t kBlock = 8192;

template <class T>
inline bool differ(T a, T b) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return static_cast<float>(a) != static_cast<float>(b);
  else
    return a != b;
}

template <class T>
int64_t count_starts(const T* x, int64_t begin, int64_t end) {
  int64_t count = begin == 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = std::max<int64_t>(begin, 1); i < end; ++i) count += differ(x[i], x[i - 1]);
  return count;
}

#ifdef RL_COMPRESS
// First elements of the runs that begin in [i, end), 16 or 8 at a time; returns where it stopped.
template <class T>
int64_t write_starts(const T* x, T*& to, const T* room, int64_t i, int64_t end) {
  constexpr int64_t lanes = 64 / sizeof(T);
  for (; i + lanes <= end && to + lanes <= room; i += lanes) {
    if constexpr (std::is_same_v<T, float>) {
      const __m512 v = _mm512_loadu_ps(x + i);
      const __mmask16 m = _mm512_cmp_ps_mask(v, _mm512_loadu_ps(x + i - 1), _CMP_NEQ_UQ);
      _mm512_storeu_ps(to, _mm512_maskz_compress_ps(m, v));
      to += std::popcount(static_cast<unsigned>(m));
    } else if constexpr (std::is_same_v<T, double>) {
      const __m512d v = _mm512_loadu_pd(x + i);
      const __mmask8 m = _mm512_cmp_pd_mask(v, _mm512_loadu_pd(x + i - 1), _CMP_NEQ_UQ);
      _mm512_storeu_pd(to, _mm512_maskz_compress_pd(m, v));
      to += std::popcount(static_cast<unsigned>(m));
    } else if constexpr (sizeof(T) == 4) {
      const __m512i v = _mm512_loadu_si512(x + i);
      const __mmask16 m = _mm512_cmpneq_epi32_mask(v, _mm512_loadu_si512(x + i - 1));
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi32(m, v));
      to += std::popcount(static_cast<unsigned>(m));
    } else {
      const __m512i v = _mm512_loadu_si512(x + i);
      const __mmask8 m = _mm512_cmpneq_epi64_mask(v, _mm512_loadu_si512(x + i - 1));
      _mm512_storeu_si512(to, _mm512_maskz_compress_epi64(m, v));
      to += std::popcount(static_cast<unsigned>(m));
    }
  }
  return i;
}
#endif

struct Outputs {
  char* values;
  int64_t *inverse, *starts;  // null where nobody asked
  const int64_t* order;       // where the elements came from; null: from their own places
};

// The runs that begin in [begin, end); `run` is the number of the first of them.
template <class T>
void write_runs(const T* x, int64_t begin, int64_t end, int64_t run, int64_t last,
                const Outputs& out) {
  T* values = reinterpret_cast<T*>(out.values);
  int64_t i = begin;
  T* to = values + run;
  if (!out.inverse && !out.starts) {
    if (i == 0) *to++ = x[i++];
#ifdef RL_COMPRESS
    if constexpr ((sizeof(T) == 4 || sizeof(T) == 8) && std::is_arithmetic_v<T>)
      i = write_starts<T>(x, to, values + last, i, end);
#endif
    for (const T* stop = values + last; i < end && to < stop; ++i) {
      *to = x[i];  // overwritten until a run begins here
      to += differ(x[i], x[i - 1]);
    }
    return;
  }
  // Backwards, so that the first element of a run is the last one written, without branches.
  int64_t k = last - 1;
  i = end - 1;
  for (; i > 0 && k >= run; --i) {
    values[k] = x[i];
    if (out.starts) out.starts[k] = i;
    if (out.inverse) out.inverse[out.order ? out.order[i] : i] = k;
    k -= differ(x[i], x[i - 1]);
  }
  if (i == 0 && k >= run) {
    values[k] = x[0];
    if (out.starts) out.starts[k] = 0;
  }
  if (out.inverse)  // what belongs to the last run of the block before
    for (; i >= begin; --i) out.inverse[out.order ? out.order[i] : i] = k;
}

void check_order(const Array& order, int64_t n) {
  const int64_t* v = order.data<int64_t>();
  int64_t low = 0, high = -1;
#pragma omp simd reduction(min : low) reduction(max : high)
  for (int64_t i = 0; i < order.numel(); ++i) {
    low = std::min(low, v[i]);
    high = std::max(high, v[i]);
  }
  if (order.numel() != n || low < 0 || high >= n)
    fail(ErrorType::Index, "unique: order must hold the positions of %lld elements",
         static_cast<long long>(n));
}

}  // namespace

RL_KERNEL(unique_runs) {  // input (1-d), order or None, return_inverse, return_counts
  call.need_elements();
  const Array x = call.tensor(0).contiguous_copy();
  const int64_t n = x.numel(), blocks = (n + kBlock - 1) / kBlock;
  const Array order = call.none(1) ? Array() : index_values(call.tensor(1));
  if (order.defined()) check_order(order, n);
  const Array inverse = Array::empty(DType::I64, {call.boolean(2) ? n : 0});
  Array values, counts;
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* v = x.data<T>();
    Scratch<int64_t> first(static_cast<size_t>(blocks) + 1);
    {
      NoGil nogil(n);
      parallel_for(blocks, grain_of(0.1 * kBlock), [&](int64_t b0, int64_t b1) {
        for (int64_t b = b0; b < b1; ++b)
          first[b + 1] = count_starts(v, b * kBlock, std::min(n, (b + 1) * kBlock));
      });
    }
    first[0] = 0;
    for (int64_t b = 0; b < blocks; ++b) first[b + 1] += first[b];
    const int64_t runs = first[blocks];
    values = Array::empty(x.dtype(), {runs});
    counts = Array::empty(DType::I64, {call.boolean(3) ? runs : 0});
    Outputs out{values.bytes(), call.boolean(2) ? inverse.data<int64_t>() : nullptr,
                call.boolean(3) ? counts.data<int64_t>() : nullptr,
                order.defined() ? order.data<int64_t>() : nullptr};
    NoGil nogil(n);
    parallel_for(blocks, grain_of(0.5 * kBlock), [&](int64_t b0, int64_t b1) {
      for (int64_t b = b0; b < b1; ++b)
        write_runs(v, b * kBlock, std::min(n, (b + 1) * kBlock), first[b], first[b + 1], out);
    });
    if (!out.starts) return;
    for (int64_t k = 0; k < runs; ++k)
      out.starts[k] = (k + 1 < runs ? out.starts[k + 1] : n) - out.starts[k];
  });
  call.result(values);
  call.result(inverse);
  call.result(counts);
}

RL_KERNEL(isin_few) {  // input, values (1-d, same dtype), invert
  const Array x = call.tensor(0).contiguous_copy(), tests = call.tensor(1).contiguous_copy();
  if (x.dtype() != tests.dtype())
    fail(ErrorType::Runtime, "isin: expected one dtype, got %s and %s", dtype_name(x.dtype()),
         dtype_name(tests.dtype()));
  const bool invert = call.boolean(2);
  const Array y = Array::empty(DType::Bool, x.shape());
  const int64_t n = x.numel(), count = tests.numel();
  NoGil nogil(n);
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *v = x.data<T>(), *t = tests.data<T>();
    uint8_t* out = y.data<uint8_t>();
    parallel_for(n, grain_of(0.1 * static_cast<double>(count + 1)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i0 = begin; i0 < end; i0 += 1024) {
                     const int64_t i1 = std::min(end, i0 + 1024);
                     std::memset(out + i0, invert, static_cast<size_t>(i1 - i0));
                     for (int64_t k = 0; k < count; ++k) {
                       const T one = t[k];
                       if (invert) {
#pragma omp simd
                         for (int64_t i = i0; i < i1; ++i) out[i] &= differ(v[i], one);
                       } else {
#pragma omp simd
                         for (int64_t i = i0; i < i1; ++i) out[i] |= !differ(v[i], one);
                       }
                     }
                   }
                 });
  });
  call.result(y);
}

// equal_elements(a, b): whether two plain tensors hold the same; None where dtypes or layouts
// differ.
RL_FUNCTION(equal_elements) {
  if (nargs != 2) fail(ErrorType::Type, "equal: expected 2 tensors");
  if (!plain_tensor(args[0]) || !plain_tensor(args[1])) Py_RETURN_NONE;
  const Array &a = array_of(args[0]), &b = array_of(args[1]);
  if (!a.same_shape(b)) Py_RETURN_FALSE;
  if (a.dtype() != b.dtype() || is_extended(a.dtype()) || !a.contiguous() || !b.contiguous())
    Py_RETURN_NONE;
  std::atomic<bool> same{true};
  {
    NoGil nogil(a.numel());
    visit_all(a.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T *x = a.data<T>(), *y = b.data<T>();
      parallel_for(a.numel(), grain_of(0.03 * sizeof(T)), [&](int64_t begin, int64_t end) {
        for (int64_t i0 = begin; i0 < end && same; i0 += 4096) {
          const int64_t i1 = std::min(end, i0 + 4096);
          int64_t count = 0;
#pragma omp simd reduction(+ : count)
          for (int64_t i = i0; i < i1; ++i) count += differ(x[i], y[i]);
          if (count) same = false;
        }
      });
    });
  }
  return PyBool_FromLong(same);
}

}  // namespace rl
