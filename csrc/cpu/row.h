// Row arithmetic shared by softmax, the normalisation layers and the losses: rows are converted
// to the compute type (float for the half types), worked on in the cache, and stored back.
#pragma once
#include <bit>

#include "reduce.h"
#include "vecmath.h"

#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace rl {
namespace {

// exp(x) for x <= 0 (NaN stays NaN), within 1 ULP down to 2^-126 and 0 below.
// x = n ln 2 + r, |r| <= ln 2 / 2; exp(r) is a degree 6 fit at Chebyshev nodes (1.0e-8).
inline float exp_nonpositive(float x) {
  const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const float n = shifted - 12582912.0f;
  float r =
      x - n * 0.693359375f;  // ln 2 in two parts; the first has 9 bits, so n times it is exact
  r = r + n * 2.12194440e-4f;
  float q = 1.3926176e-3f;
  q = q * r + 8.3631731e-3f;
  q = q * r + 4.1666555e-2f;
  q = q * r + 1.6666577e-1f;
  q = q * r + 0.5f;
  const float e = 1.0f + (r + r * r * q);
  const uint32_t bits = std::bit_cast<uint32_t>(e) + (std::bit_cast<uint32_t>(shifted) << 23);
  return x < -87.3365f ? 0.0f : x != x ? x : std::bit_cast<float>(bits);
}
inline double exp_nonpositive(double x) { return exp(x); }

// Half types to float and back, n contiguous elements.
inline void widen_run(const BFloat16* __restrict p, int64_t n, float* __restrict out) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(p[i]);
}
// Written out on the bits, since GCC does not vectorise the constructor.
inline void narrow_run(BFloat16* __restrict p, int64_t n, const float* __restrict x) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t u = std::bit_cast<uint32_t>(x[i]);
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16, quiet = (u >> 16) | 0x40;
    p[i].bits = static_cast<uint16_t>(x[i] != x[i] ? quiet : rounded);
  }
}
inline void widen_run(const Half* p, int64_t n, float* out) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(out + i,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + i))));
#endif
  for (; i < n; ++i) out[i] = static_cast<float>(p[i]);
}
inline void narrow_run(Half* p, int64_t n, const float* x) {
  int64_t i = 0;
#ifdef __F16C__
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p + i),
                     _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
  for (; i < n; ++i) p[i] = Half(x[i]);
}

template <class T>
const compute_t<T>* load_row(const T* p, int64_t n, compute_t<T>* buf) {
  if constexpr (std::is_same_v<T, compute_t<T>>) {
    return p;
  } else {
    widen_run(p, n, buf);
    return buf;
  }
}
// Where to write a row: the memory itself, or a buffer that store_row converts.
template <class T>
compute_t<T>* row_target(T* p, compute_t<T>* buf) {
  if constexpr (std::is_same_v<T, compute_t<T>>)
    return p;
  else
    return buf;
}
template <class T>
void store_row(T* p, int64_t n, const compute_t<T>* buf) {
  if constexpr (!std::is_same_v<T, compute_t<T>>) narrow_run(p, n, buf);
}

constexpr int64_t kPiece = 1024;  // elements summed in the compute type before widening

// The first n < kLanes elements of a vector, so that what is left over of a row costs no more than
// the vectors before it, and short rows (a few classes) go fast. The other lanes are `fill`.
template <class C>
void load_part(typename VecOf<C>::type& v, const C* p, int64_t n, C fill) {
#ifdef __AVX512F__
  if constexpr (sizeof(C) == 4)
    v = typename VecOf<C>::type(
        _mm512_mask_loadu_ps(_mm512_set1_ps(fill), static_cast<__mmask16>((1u << n) - 1), p));
  else
    v = typename VecOf<C>::type(
        _mm512_mask_loadu_pd(_mm512_set1_pd(fill), static_cast<__mmask8>((1u << n) - 1), p));
#else
  alignas(64) C pad[kLanes<C>];
  for (C& x : pad) x = fill;
  for (int64_t i = 0; i < n; ++i) pad[i] = p[i];
  load_vec<C>(v, pad);
#endif
}
template <class C>
void store_part(C* p, int64_t n, const typename VecOf<C>::type& v) {
#ifdef __AVX512F__
  if constexpr (sizeof(C) == 4)
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), __m512(v));
  else
    _mm512_mask_storeu_pd(p, static_cast<__mmask8>((1u << n) - 1), __m512d(v));
#else
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}

// v = exp(v - top). For float on whole vectors, since an array of lanes would go through memory.
inline void exp_lanes(VecOf<float>::type& v, float top) {
  using V = VecOf<float>::type;
  using U = VecOf<uint32_t>::type;
  const V x = v - top, zero{};
  const V shifted = x * 1.44269504f + 12582912.0f, n = shifted - 12582912.0f;
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V q = zero + 1.3926176e-3f;
  q = q * r + 8.3631731e-3f;
  q = q * r + 4.1666555e-2f;
  q = q * r + 1.6666577e-1f;
  q = q * r + 0.5f;
  const V e = 1.0f + (r + r * r * q);
  U bits, shift;
  __builtin_memcpy(&bits, &e, sizeof e);
  __builtin_memcpy(&shift, &shifted, sizeof shifted);
  bits += shift << 23;
  V y;
  __builtin_memcpy(&y, &bits, sizeof y);
  y = x < -87.3365f ? zero : y;
  v = x != x ? x : y;
}
template <class C>
void exp_lanes(typename VecOf<C>::type& v, C top) {
  alignas(64) C lane[kLanes<C>];
  __builtin_memcpy(lane, &v, sizeof lane);
#pragma omp simd
  for (int l = 0; l < kLanes<C>; ++l) lane[l] = exp_nonpositive(lane[l] - top);
  load_vec<C>(v, lane);
}

// exp(x[i] - top) of n < kLanes elements into out.
template <class C>
void exp_tail(const C* x, int64_t n, C top, C* out) {
  typename VecOf<C>::type v;
  load_part<C>(v, x, n, top);
  exp_lanes(v, top);
  store_part<C>(out, n, v);
}

template <class C, int N = kLanes<C>>
C fold_max(const typename VecN<C, N>::type& v) {
  if constexpr (N == 2) {
    return v[0] > v[1] ? v[0] : v[1];
  } else {
    typename VecN<C, N / 2>::type low, high;
    __builtin_memcpy(&low, &v, sizeof low);
    __builtin_memcpy(&high, reinterpret_cast<const char*>(&v) + sizeof low, sizeof low);
    return fold_max<C, N / 2>(low > high ? low : high);
  }
}

// Whether a comparison of vectors held in any lane.
template <class C, class Mask>
bool any_lane(const Mask& odd) {
#ifdef __AVX512F__
  return _mm512_test_epi64_mask(__m512i(odd), __m512i(odd)) != 0;
#else
  const typename VecOf<C>::type zero{};
  return fold_lanes<C>(odd ? zero + 1 : zero) != C(0);
#endif
}

// The largest of n >= 1 elements; a NaN wins.
template <class C>
C row_top(const C* p, int64_t n) {
  constexpr int L = kLanes<C>;
  if (n >= 8 * L) return extreme_run<C, 1>(p, n);
  typename VecOf<C>::type best, v;
  load_part<C>(best, p, std::min<int64_t>(n, L - 1), p[0]);
  auto odd = best != best;
  int64_t i = 0;
  for (; i + L <= n; i += L) {
    load_vec<C>(v, p + i);
    odd |= v != v;
    best = v > best ? v : best;
  }
  if (i < n) {
    load_part<C>(v, p + i, n - i, p[0]);
    odd |= v != v;
    best = v > best ? v : best;
  }
  return any_lane<C>(odd) ? std::numeric_limits<C>::quiet_NaN() : fold_max<C>(best);
}
template <class C>
int64_t whole_vectors(int64_t n) {
  return n / kLanes<C> * kLanes<C>;
}

// Sum of exp(x[i] - top), and the terms themselves when out is not null.
template <class C>
double exp_sum(const C* x, int64_t n, C top, C* out) {
  constexpr int L = kLanes<C>;
  typename VecOf<C>::type v, s{}, zero{};
  double sum = 0;
  const int64_t whole = whole_vectors<C>(n);
  for (int64_t i = 0; i < whole; i += L) {
    load_vec<C>(v, x + i);
    exp_lanes(v, top);
    if (out) __builtin_memcpy(out + i, &v, sizeof v);
    s += v;
    if (i % kPiece == kPiece - L) sum += fold_lanes<C>(s), s = zero;
  }
  if (whole < n) {
    load_part<C>(v, x + whole, n - whole, -std::numeric_limits<C>::infinity());
    exp_lanes(v, top);
    if (out) store_part<C>(out + whole, n - whole, v);
    s += v;
  }
  return sum + fold_lanes<C>(s);
}

// Sum of a[i] b[i].
template <class C>
double dot_row(const C* a, const C* b, int64_t n) {
  constexpr int L = kLanes<C>;
  double sum = 0;
  for (int64_t i = 0; i < n; i += kPiece) {
    const int64_t end = std::min(n, i + kPiece);
    typename VecOf<C>::type s{}, t{}, x, y;
    int64_t k = i;
    for (; k + 2 * L <= end; k += 2 * L) {
      load_vec<C>(x, a + k), load_vec<C>(y, b + k), s += x * y;
      load_vec<C>(x, a + k + L), load_vec<C>(y, b + k + L), t += x * y;
    }
    s += t;
    C rest = 0;
    for (; k < end; ++k) rest += a[k] * b[k];
    sum += fold_lanes<C>(s) + rest;
  }
  return sum;
}

template <class C>
double sum_row(const C* p, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i += 4 * kPiece) sum += sum_run<C>(p + i, std::min(4 * kPiece, n - i));
  return sum;
}

// Rows of `cols` contiguous elements, a fixed stride apart. A gradient expanded from one number
// (what sum().backward() sends) is one row that every row shares.
struct Rows {
  Array array;
  int64_t stride;
  template <class T>
  const T* at(int64_t row) const {
    return array.data<T>() + row * stride;
  }
};
inline Rows rows_of(const Array& a, int64_t cols) {
  if (a.contiguous()) return {a, cols};
  bool constant = a.numel() > 0;
  for (int d = 0; d < a.ndim(); ++d) constant = constant && (a.size(d) == 1 || a.stride(d) == 0);
  if (!constant) return {a.contiguous_copy(), cols};
  const int64_t zero = 0;
  Array row = Array::empty(a.dtype(), {cols});
  copy_into(row,
            Array::over(a.storage_ref(), a.dtype(), a.offset(), Shape(&cols, 1), Shape(&zero, 1)));
  return {row, 0};
}

// Calls f with a value of the type for float dtypes; fails otherwise in PyTorch's words.
template <class F>
void visit_real(const char* what, DType t, F&& f) {
  switch (t) {
    case DType::F16: return f(Half{});
    case DType::BF16: return f(BFloat16{});
    case DType::F32: return f(float{});
    case DType::F64: return f(double{});
    default:
      fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", what,
           dtype_scalar_name(t));
  }
}

// Rows worth a thread, `ns` for each of their elements.
inline int64_t row_grain(int64_t cols, double ns = 0.25) {
  return grain_of(ns * static_cast<double>(std::max<int64_t>(cols, 1)));
}

// One buffer of n compute elements a thread for the half types, nothing for the others.
template <class T>
class ThreadBuffer {
  int64_t n_;
  Scratch<compute_t<T>> memory_;

 public:
  ThreadBuffer(int64_t n, bool always = false)
      : n_(always || !std::is_same_v<T, compute_t<T>> ? (n + 15) / 16 * 16 : 0),
        memory_(n_ * num_threads()) {}
  compute_t<T>* mine() const { return n_ ? memory_.get() + n_ * omp_get_thread_num() : nullptr; }
};

// (outer, n, inner) of a contiguous array around one dim.
struct Split {
  int64_t outer = 1, n = 1, inner = 1;
};
inline Split split_at(const Array& x, int dim) {
  Split s;
  for (int d = 0; d < x.ndim(); ++d) (d < dim ? s.outer : d == dim ? s.n : s.inner) *= x.size(d);
  return s;
}

}  // namespace
}  // namespace rl
