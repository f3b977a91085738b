// Fourier transforms of W signals at once, one in each lane of a vector.
//
//   X[k] = sum over j of x[j] exp(-2 pi i j k / n)
//
// A buffer holds element after element, each as a vector of real and one of imaginary parts. The
// transform is Stockham's (no bit reversal: a stage reads one buffer and writes another); stages
// have radix 8, 4, 2 or a prime up to 31. Backward transforms swap real and imaginary parts on the
// way in and out. `load` and `store` gather lanes from any strides; adjacent lanes and adjacent
// elements go by whole vectors.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <utility>

namespace rl {
namespace {

constexpr int kVectorBytes = RL_LEVEL == 2 ? 64 : RL_LEVEL == 1 ? 32 : 16;
constexpr int kMostPrime = 31;

template <class T>
struct VectorOf {
  static constexpr int kWidth = kVectorBytes / static_cast<int>(sizeof(T));
  typedef T type __attribute__((vector_size(kVectorBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;
template <class T>
constexpr int kWidth = VectorOf<T>::kWidth;
template <class T>
constexpr int64_t kSpan = kWidth<T> / 2;  // complex numbers in a vector

// Nanoseconds for each element of transforms of n elements in full lanes.
template <class T>
double element_cost(int64_t n) {
  return 0.025 * sizeof(T) * (3 + std::log2(static_cast<double>(n)));
}

// Complex numbers in memory: `element` and `lane` are strides in numbers of T, `imaginary` the
// distance from a real part to its imaginary part, kNone when there is none.
constexpr int64_t kNone = INT64_MIN;
template <class T>
struct Strided {
  T* base;
  int64_t element, lane, imaginary;
};

template <class T>
inline Vec<T> vector_at(const T* p) {
  Vec<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline void put_vector(T* p, Vec<T> v) {
  std::memcpy(p, &v, sizeof v);
}

// -- shuffles ---------------------------------------------------------------------------------
template <class T, int H, size_t... J>
inline void exchange(Vec<T>& a, Vec<T>& b, std::index_sequence<J...>) {
  constexpr int W = kWidth<T>;
  const Vec<T> first = __builtin_shufflevector(a, b, ((J & H) ? W + int(J) - H : int(J))...);
  b = __builtin_shufflevector(a, b, ((J & H) ? W + int(J) : int(J) + H)...);
  a = first;
}
template <class T, int H = kWidth<T> / 2>
inline void transpose(Vec<T>* rows) {
  constexpr int W = kWidth<T>;
  for (int i = 0; i < W; ++i)
    if (!(i & H)) exchange<T, H>(rows[i], rows[i + H], std::make_index_sequence<W>());
  if constexpr (H > 1) transpose<T, H / 2>(rows);
}
template <class T, size_t... J>
inline void split_pairs(const T* p, Vec<T>& re, Vec<T>& im, std::index_sequence<J...>) {
  const Vec<T> a = vector_at(p), b = vector_at(p + kWidth<T>);
  re = __builtin_shufflevector(a, b, (2 * int(J))...);
  im = __builtin_shufflevector(a, b, (2 * int(J) + 1)...);
}
template <class T, size_t... J>
inline void join_pairs(T* p, Vec<T> re, Vec<T> im, std::index_sequence<J...>) {
  constexpr int W = kWidth<T>;
  put_vector(p, __builtin_shufflevector(re, im, (int(J) / 2 + ((J & 1) ? W : 0))...));
  put_vector(p + W, __builtin_shufflevector(re, im, (W / 2 + int(J) / 2 + ((J & 1) ? W : 0))...));
}

// -- between memory and lanes -----------------------------------------------------------------
// kSpan<T> neighbouring elements of W signals (those beyond `lanes` are 0) between memory and
// lanes: a row of memory is a vector, and vectors of real and imaginary parts alternate in a
// buffer.
template <class T>
inline void span_in(Vec<T>* buffer, const T* from, int64_t lane, int lanes, bool swap) {
  constexpr int W = kWidth<T>;
  T spare[W] = {};
  Vec<T> rows[W];
#pragma GCC unroll 16
  for (int l = 0; l < W; ++l) rows[l] = vector_at(l < lanes ? from + l * lane : spare);
  transpose<T>(rows);
#pragma GCC unroll 16
  for (int k = 0; k < W; ++k) buffer[k ^ int(swap)] = rows[k];
}
template <class T>
inline void span_out(const Vec<T>* buffer, T* to, int64_t lane, int lanes, bool swap, T re, T im) {
  constexpr int W = kWidth<T>;
  Vec<T> rows[W];
#pragma GCC unroll 16
  for (int k = 0; k < W; ++k) rows[k] = buffer[k ^ int(swap)] * (k % 2 ? im : re);
  transpose<T>(rows);
#pragma GCC unroll 16
  for (int l = 0; l < W; ++l)
    if (l < lanes) put_vector(to + l * lane, rows[l]);
}

// Elements [0, n) of `lanes` signals; lanes beyond that become 0. Parts are exchanged by `swap`.
template <class T>
void load(Vec<T>* buffer, Strided<const T> from, int64_t n, int lanes, bool swap) {
  constexpr int W = kWidth<T>;
  constexpr auto every = std::make_index_sequence<W>();
  const int r = swap, i = !swap;
  int64_t j = 0;
  if (lanes == W && from.lane == 2 && from.imaginary == 1) {
    for (; j < n; ++j)
      split_pairs(from.base + j * from.element, buffer[2 * j + r], buffer[2 * j + i], every);
  } else if (lanes == W && from.lane == 1 && from.imaginary != 1) {
    for (; j < n; ++j) {
      const T* p = from.base + j * from.element;
      buffer[2 * j + r] = vector_at(p);
      buffer[2 * j + i] = from.imaginary != kNone ? vector_at(p + from.imaginary) : Vec<T>{};
    }
  } else if (n >= kSpan<T> && from.element == 2 && from.imaginary == 1) {
    for (; j < n; j += kSpan<T>) {
      j = std::min(j, n - kSpan<T>);  // the last span may lie over the one before
      span_in(buffer + 2 * j, from.base + 2 * j, from.lane, lanes, swap);
    }
    return;
  }
  if (j == n) return;
  if (lanes < W) std::memset(static_cast<void*>(buffer + 2 * j), 0, sizeof(Vec<T>) * 2 * (n - j));
  T* out = reinterpret_cast<T*>(buffer);
  for (int l = 0; l < lanes; ++l) {
    const T* p = from.base + l * from.lane;
    for (int64_t k = j; k < n; ++k) {
      out[(2 * k + r) * W + l] = p[k * from.element];
      out[(2 * k + i) * W + l] =
          from.imaginary != kNone ? p[k * from.element + from.imaginary] : T(0);
    }
  }
}

// The other way, real parts times `re`, imaginary parts times `im`.
template <class T>
void store(const Vec<T>* buffer, Strided<T> to, int64_t n, int lanes, bool swap, T re, T im) {
  constexpr int W = kWidth<T>;
  constexpr auto every = std::make_index_sequence<W>();
  const int r = swap, i = !swap;
  int64_t j = 0;
  if (lanes == W && to.lane == 2 && to.imaginary == 1) {
    for (; j < n; ++j)
      join_pairs(to.base + j * to.element, buffer[2 * j + r] * re, buffer[2 * j + i] * im, every);
  } else if (lanes == W && to.lane == 1 && to.imaginary != 1) {
    for (; j < n; ++j) {
      T* p = to.base + j * to.element;
      put_vector(p, buffer[2 * j + r] * re);
      if (to.imaginary != kNone) put_vector(p + to.imaginary, buffer[2 * j + i] * im);
    }
  } else if (n >= kSpan<T> && to.element == 2 && to.imaginary == 1) {
    for (; j < n; j += kSpan<T>) {
      j = std::min(j, n - kSpan<T>);
      span_out(buffer + 2 * j, to.base + 2 * j, to.lane, lanes, swap, re, im);
    }
    return;
  }
  const T* in = reinterpret_cast<const T*>(buffer);
  for (int l = 0; l < lanes && j < n; ++l) {
    T* p = to.base + l * to.lane;
    for (int64_t k = j; k < n; ++k) {
      p[k * to.element] = in[(2 * k + r) * W + l] * re;
      if (to.imaginary != kNone) p[k * to.element + to.imaginary] = in[(2 * k + i) * W + l] * im;
    }
  }
}

// -- butterflies --------------------------------------------------------------------------------
template <class T>
struct Pair {
  Vec<T> re, im;
};
template <class T>
inline Pair<T> operator+(Pair<T> a, Pair<T> b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
inline Pair<T> operator-(Pair<T> a, Pair<T> b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
inline Pair<T> minus_i(Pair<T> a) {
  return {a.im, -a.re};
}
template <class T>
inline Pair<T> times(Pair<T> a, T re, T im) {
  return {a.re * re - a.im * im, a.re * im + a.im * re};
}

template <class T>
inline void four(Pair<T>& a, Pair<T>& b, Pair<T>& c, Pair<T>& d) {
  const Pair<T> s = a + c, t = a - c, u = b + d, v = minus_i(b - d);
  a = s + u;
  b = t + v;
  c = s - u;
  d = t - v;
}

// A transform of R elements in registers; `roots` holds cos and sin of 2 pi k / R in turn.
template <class T, int R>
inline void small(Pair<T>* a, [[maybe_unused]] int radix, [[maybe_unused]] const T* roots) {
  if constexpr (R == 2) {
    const Pair<T> b = a[1];
    a[1] = a[0] - b;
    a[0] = a[0] + b;
  } else if constexpr (R == 4) {
    four(a[0], a[1], a[2], a[3]);
  } else if constexpr (R == 8) {
    constexpr T h = T(0.70710678118654752440);
    four(a[0], a[2], a[4], a[6]);
    four(a[1], a[3], a[5], a[7]);
    const Pair<T> b1{(a[3].re + a[3].im) * h, (a[3].im - a[3].re) * h};
    const Pair<T> b2 = minus_i(a[5]);
    const Pair<T> b3{(a[7].im - a[7].re) * h, -(a[7].re + a[7].im) * h};
    const Pair<T> c[4] = {a[0], a[2], a[4], a[6]}, d[4] = {a[1], b1, b2, b3};
    for (int k = 0; k < 4; ++k) {
      a[k] = c[k] + d[k];
      a[k + 4] = c[k] - d[k];
    }
  } else {
    const int n = R ? R : radix, half = (n - 1) / 2;
    Pair<T> sum[(kMostPrime - 1) / 2], difference[(kMostPrime - 1) / 2], first = a[0], total = a[0];
    for (int k = 0; k < half; ++k) {
      sum[k] = a[k + 1] + a[n - 1 - k];
      difference[k] = a[k + 1] - a[n - 1 - k];
      total = total + sum[k];
    }
    a[0] = total;
    for (int j = 1; j <= half; ++j) {
      Pair<T> u = first, v{};
      for (int k = 1; k <= half; ++k) {
        const int at = 2 * ((j * k) % n);
        u.re += sum[k - 1].re * roots[at];
        u.im += sum[k - 1].im * roots[at];
        v.re += difference[k - 1].re * roots[at + 1];
        v.im += difference[k - 1].im * roots[at + 1];
      }
      a[j] = u + minus_i(v);
      a[n - j] = u - minus_i(v);
    }
  }
}

// One stage: `rest` butterflies of elements `rest * stride` apart, each for `stride` columns.
// Twiddles stand as (re, im) for outputs 1 .. radix - 1 of each butterfly; none in the last stage.
template <class T, int R>
void stage(const Vec<T>* x, Vec<T>* y, int radix, int64_t rest, int64_t stride, const T* twiddles,
           const T* roots) {
  const int n = R ? R : radix;
  for (int64_t p = 0; p < rest; ++p) {
    const T* w = twiddles + p * 2 * (n - 1);
    for (int64_t q = 0; q < stride; ++q) {
      Pair<T> a[R ? R : kMostPrime];
      const Vec<T>* in = x + 2 * (q + stride * p);
      for (int k = 0; k < n; ++k) {
        a[k].re = in[2 * stride * rest * k];
        a[k].im = in[2 * stride * rest * k + 1];
      }
      small<T, R>(a, n, roots);
      Vec<T>* out = y + 2 * (q + stride * n * p);
      out[0] = a[0].re;
      out[1] = a[0].im;
      for (int k = 1; k < n; ++k) {
        const Pair<T> b = p == 0 ? a[k] : times<T>(a[k], w[2 * k - 2], w[2 * k - 1]);
        out[2 * stride * k] = b.re;
        out[2 * stride * k + 1] = b.im;
      }
    }
  }
}

template <class T>
using Stage = void (*)(const Vec<T>*, Vec<T>*, int, int64_t, int64_t, const T*, const T*);

template <class T>
Stage<T> stage_of(int radix) {
  switch (radix) {
    case 2: return stage<T, 2>;
    case 3: return stage<T, 3>;
    case 4: return stage<T, 4>;
    case 5: return stage<T, 5>;
    case 7: return stage<T, 7>;
    case 8: return stage<T, 8>;
    default: return stage<T, 0>;
  }
}

}  // namespace
}  // namespace rl
