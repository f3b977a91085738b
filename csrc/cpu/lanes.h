// Vectors of the width that this ISA level has, and what folds runs of elements with them: sums,
// extremes, and the types that elements are computed in.
//
// Everything here has internal linkage, because each file is compiled once per ISA.
#pragma once
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "core/kernel.h"

namespace rl {
namespace {

// Vectors of the width that this ISA level has: wider ones would be split through the stack.
#if defined(__AVX512F__)
constexpr int kVecBytes = 64;
#elif defined(__AVX__)
constexpr int kVecBytes = 32;
#else
constexpr int kVecBytes = 16;
#endif
template <class T, int N>
struct VecN {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <class T>
constexpr int kLanes = kVecBytes / sizeof(T);
template <class T>
using VecOf = VecN<T, kLanes<T>>;

// The type a reduction computes in: float for the half types, itself otherwise.
template <class T>
struct compute_of {
  using type = T;
};
template <>
struct compute_of<Half> {
  using type = float;
};
template <>
struct compute_of<BFloat16> {
  using type = float;
};
template <class T>
using compute_t = typename compute_of<T>::type;

// The type that terms of C are added or multiplied up in.
template <class C>
struct acc_of {
  using type = C;
};
template <>
struct acc_of<float> {
  using type = double;
};
template <>
struct acc_of<c64> {
  using type = c128;
};

template <class T>
void load_vec(typename VecOf<T>::type& v, const T* p) {
  __builtin_memcpy(&v, p, kVecBytes);
}
// The sum of a vector's lanes, by halves: by shuffles, since a half read back from memory waits for
// the whole vector's store.
template <class T, int N = kLanes<T>>
T fold_lanes(const typename VecN<T, N>::type& v) {
  if constexpr (N == 2) {
    return v[0] + v[1];
  } else {
    const auto halves = [&v]<int... I>(std::integer_sequence<int, I...>) {
      return __builtin_shufflevector(v, v, I...) + __builtin_shufflevector(v, v, (N / 2 + I)...);
    };
    const typename VecN<T, N / 2>::type sums = halves(std::make_integer_sequence<int, N / 2>());
    return fold_lanes<T, N / 2>(sums);
  }
}

// A run of n <= kChunk elements as contiguous T: the memory itself, or gathered into buf.
constexpr int64_t kChunk = 512;
template <class T>
const T* gather(const T* p, int64_t n, int64_t stride, T* buf) {
  if (stride == 1) return p;
  for (int64_t i = 0; i < n; ++i) buf[i] = p[i * stride];
  return buf;
}

// Sum of f(x) over a contiguous run with 4 vectors of partial sums, folded pairwise; f changes a
// vector or a number in place.
template <class T, class F>
T sum_run(const T* p, int64_t n, F f) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  T s = 0;
  if (n >= L) {
    typename VecOf<T>::type a{}, b{}, c{}, d{}, t;
    for (; i + 4 * L <= n; i += 4 * L) {
      load_vec<T>(t, p + i), f(t), a += t;
      load_vec<T>(t, p + i + L), f(t), b += t;
      load_vec<T>(t, p + i + 2 * L), f(t), c += t;
      load_vec<T>(t, p + i + 3 * L), f(t), d += t;
    }
    for (; i + L <= n; i += L) load_vec<T>(t, p + i), f(t), a += t;
    a = (a + b) + (c + d);
    s = fold_lanes<T>(a);
  }
  for (; i < n; ++i) {
    T x = p[i];
    f(x);
    s += x;
  }
  return s;
}
template <class T>
T sum_run(const T* p, int64_t n) {
  return sum_run<T>(p, n, [](auto&) {});
}

// A vector of bfloat16 as two of floats: the elements with even and those with odd places.
using FloatVec = VecOf<float>::type;
inline void widen_pairs(const BFloat16* p, FloatVec& even, FloatVec& odd) {
  VecOf<uint32_t>::type bits;
  __builtin_memcpy(&bits, p, kVecBytes);
  const VecOf<uint32_t>::type low = bits << 16, high = bits & 0xffff0000u;
  __builtin_memcpy(&even, &low, kVecBytes);
  __builtin_memcpy(&odd, &high, kVecBytes);
}
template <class F>
float sum_run(const BFloat16* p, int64_t n, F f) {
  constexpr int L = 2 * kLanes<float>;
  int64_t i = 0;
  float s = 0;
  if (n >= L) {
    FloatVec a{}, b{}, c{}, d{}, even, odd;
    for (; i + 2 * L <= n; i += 2 * L) {
      widen_pairs(p + i, even, odd), f(even), f(odd), a += even, b += odd;
      widen_pairs(p + i + L, even, odd), f(even), f(odd), c += even, d += odd;
    }
    for (; i + L <= n; i += L) widen_pairs(p + i, even, odd), f(even), f(odd), a += even, b += odd;
    a = (a + b) + (c + d);
    s = fold_lanes<float>(a);
  }
  for (; i < n; ++i) {
    float x = p[i];
    f(x);
    s += x;
  }
  return s;
}

// Largest (Sign = 1) or smallest (-1) of a contiguous run of n >= 1; a NaN wins.
template <class T, int Sign>
T extreme(T best, T x) {
  if constexpr (std::is_floating_point_v<T>)
    return ((Sign > 0 ? x > best : x < best) || x != x) ? x : best;
  else
    return (Sign > 0 ? x > best : x < best) ? x : best;
}

// The largest or smallest lane, by halves.
template <class T, int Sign, int N = kLanes<T>>
T extreme_lanes(const typename VecN<T, N>::type& v) {
  if constexpr (N == 2) {
    return Sign > 0 ? (v[1] > v[0] ? v[1] : v[0]) : (v[1] < v[0] ? v[1] : v[0]);
  } else {
    using Half = typename VecN<T, N / 2>::type;
    const auto better = [&v]<int... I>(std::integer_sequence<int, I...>) {
      const Half a = __builtin_shufflevector(v, v, I...);
      const Half b = __builtin_shufflevector(v, v, (N / 2 + I)...);
      return Half(Sign > 0 ? (b > a ? b : a) : (b < a ? b : a));
    };
    return extreme_lanes<T, Sign, N / 2>(better(std::make_integer_sequence<int, N / 2>()));
  }
}

// Four vectors of candidates, since each step waits for the one before it. load(i, ...) gives
// vectors. A NaN shows in their sum, as infinities of both signs do: true asks for a closer look.
template <class T, int Sign, class Load>
bool extreme_vectors(int64_t n, T& best, Load load) {
  using Vec = typename VecOf<T>::type;
  const auto better = [](Vec& a, const Vec& x) {
    a = Sign > 0 ? (x > a ? x : a) : (x < a ? x : a);
  };
  Vec a, b, c, d, w, x, y, z;
  load(0, a, b, c, d);
  Vec seen = a + b, more = c + d;
  for (int64_t i = 1; i < n; ++i) {
    load(i, w, x, y, z);
    better(a, w), better(b, x), better(c, y), better(d, z);
    seen += w, more += x, seen += y, more += z;
  }
  better(a, b), better(c, d), better(a, c);
  const T top = extreme_lanes<T, Sign>(a);
  best = Sign > 0 ? (top > best ? top : best) : (top < best ? top : best);
  const T sum = fold_lanes<T>(seen + more);
  return sum != sum;
}

template <class T, int Sign>
T extreme_run(const T* p, int64_t n) {
  T best = p[0];
  if constexpr (std::is_floating_point_v<T>) {
    constexpr int L = kLanes<T>;
    const int64_t steps = n / (4 * L);
    if (steps > 1) {
      const bool odd = extreme_vectors<T, Sign>(steps, best, [p](int64_t i, auto&... v) {
        const T* q = p + i * 4 * L;
        ((load_vec<T>(v, q), q += L), ...);
      });
      if (!odd) p += steps * 4 * L, n -= steps * 4 * L;
      if (n == 0) return best;
    }
  }
  uint32_t nan = 0;
  // NaN is looked for apart, so that the comparison is a plain vector maximum.
  if constexpr (Sign > 0) {
#pragma omp simd reduction(max : best) reduction(| : nan)
    for (int64_t i = 0; i < n; ++i) {
      best = p[i] > best ? p[i] : best;
      if constexpr (std::is_floating_point_v<T>) nan |= p[i] != p[i];
    }
  } else {
#pragma omp simd reduction(min : best) reduction(| : nan)
    for (int64_t i = 0; i < n; ++i) {
      best = p[i] < best ? p[i] : best;
      if constexpr (std::is_floating_point_v<T>) nan |= p[i] != p[i];
    }
  }
  if constexpr (std::is_floating_point_v<T>)
    if (nan) return std::numeric_limits<T>::quiet_NaN();
  return best;
}

}  // namespace
}  // namespace rl
