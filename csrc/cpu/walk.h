// Walking several arrays of one shape together, in any strides.
//
// A Walk holds the dims of K operands, outermost first; neighbours that step evenly in every
// operand are merged, and the innermost dim is handed to the loop as a run: pointers, byte
// strides and a length. Operands that do not move along a dim have stride 0 there.
#pragma once
#include <array>
#include <cmath>

#include "core/kernel.h"
#include "move.h"

namespace rl {
namespace {

template <int K>
class Walk {
 public:
  using Strides = std::array<int64_t, K>;
  char* base[K] = {};
  int64_t numel = 1;
  int nd = 0;
  int64_t size[kMaxDims];
  int64_t stride[K][kMaxDims];

  // Adds a dim inside the ones before it; strides in bytes.
  void push(int64_t n, const Strides& s) {
    numel *= n;
    if (n == 1) return;
    if (nd > 0 && n > 0) {
      bool even = true;
      for (int k = 0; k < K; ++k) even &= stride[k][nd - 1] == s[k] * n;
      if (even) {
        size[nd - 1] *= n;
        for (int k = 0; k < K; ++k) stride[k][nd - 1] = s[k];
        return;
      }
    }
    size[nd] = n;
    for (int k = 0; k < K; ++k) stride[k][nd] = s[k];
    ++nd;
  }

  // All dims of `shape` but `skip`, for operands that broadcast to it.
  void push_all(Shape shape, const std::array<const Array*, K>& arrays, int skip = -1) {
    const int n = static_cast<int>(shape.size());
    for (int d = 0; d < n; ++d) {
      if (d == skip) continue;
      Strides s;
      for (int k = 0; k < K; ++k) s[k] = step(*arrays[k], d - n);
      push(shape[d], s);
    }
    for (int k = 0; k < K; ++k) base[k] = arrays[k]->bytes();
  }

  // Puts the dims into the order of operand 0's memory: for work where the order does not matter.
  void arrange() {
    Walk sorted;
    int order[kMaxDims];
    for (int d = 0; d < nd; ++d) {
      int i = d;
      for (; i > 0 && std::abs(stride[0][order[i - 1]]) < std::abs(stride[0][d]); --i)
        order[i] = order[i - 1];
      order[i] = d;
    }
    for (int i = 0; i < nd; ++i) {
      Strides s;
      for (int k = 0; k < K; ++k) s[k] = stride[k][order[i]];
      sorted.push(size[order[i]], s);
    }
    sorted.numel = numel;
    std::copy(base, base + K, sorted.base);
    *this = sorted;
  }

  // Byte stride of dim `d` (counted from the end, negative); 0 where the array broadcasts.
  static int64_t step(const Array& a, int d) {
    const int at = a.ndim() + d;
    return at < 0 || a.sizes()[at] == 1 ? 0 : a.strides()[at] * a.item();
  }

  // f(pointers, byte strides, length) for every run, in threads over [0, numel).
  template <class F>
  void run(int64_t grain, F&& f) const {
    parallel_for(numel, grain, [&](int64_t begin, int64_t end) { range(begin, end, f); });
  }

  template <class F>
  void range(int64_t begin, int64_t end, F&& f) const {
    // An empty walk has sizes of 0, by which nothing divides; one on meta has nothing to show.
    if (begin >= end || meta_call) return;
    char* p[K];
    int64_t inner[K], at[kMaxDims];
    const int last = nd - 1;
    for (int k = 0; k < K; ++k) {
      p[k] = base[k];
      inner[k] = nd ? stride[k][last] : 0;
    }
    if (nd == 0) {
      f(p, inner, int64_t{1});
      return;
    }
    int64_t rest = begin;
    for (int d = last; d >= 0; --d) {
      at[d] = rest % size[d];
      rest /= size[d];
      for (int k = 0; k < K; ++k) p[k] += at[d] * stride[k][d];
    }
    while (begin < end) {
      const int64_t n = std::min(size[last] - at[last], end - begin);
      f(p, inner, n);
      begin += n;
      if (begin >= end) break;
      for (int k = 0; k < K; ++k) p[k] -= at[last] * inner[k];
      at[last] = 0;
      for (int d = last - 1; d >= 0; --d) {
        for (int k = 0; k < K; ++k) p[k] += stride[k][d];
        if (++at[d] < size[d]) break;
        for (int k = 0; k < K; ++k) p[k] -= at[d] * stride[k][d];
        at[d] = 0;
      }
    }
  }
};

// One run of elements of size T moved between two byte strides.
template <class T>
inline void move_run(char* to, int64_t ts, const char* from, int64_t fs, int64_t n) {
  constexpr int64_t w = sizeof(T);
  if (ts == w && fs == w) {
    copy_bytes(to, from, n * w);
  } else if (ts == w) {
    T* y = reinterpret_cast<T*>(to);
    if (fs == 0) {
      const T all = *reinterpret_cast<const T*>(from);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = all;
    } else if (fs == -w) {
      const T* x = reinterpret_cast<const T*>(from);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) y[i] = x[-i];
    } else {
      for (int64_t i = 0; i < n; ++i) y[i] = *reinterpret_cast<const T*>(from + i * fs);
    }
  } else {
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<T*>(to + i * ts) = *reinterpret_cast<const T*>(from + i * fs);
  }
}

// n bytes, w to 2 w of them.
template <int w>
inline void move_ends(char* to, const char* from, int64_t n) {
  typedef char Part __attribute__((vector_size(w), aligned(1), may_alias));
  const Part first = *reinterpret_cast<const Part*>(from),
             last = *reinterpret_cast<const Part*>(from + n - w);
  *reinterpret_cast<Part*>(to) = first;
  *reinterpret_cast<Part*>(to + n - w) = last;
}

// A row of up to some cache lines, without a call.
inline void move_row(char* to, const char* from, int64_t n) {
  typedef char Line __attribute__((vector_size(64), aligned(1), may_alias));
  if (n > 1024) return copy_bytes(to, from, n);
  if (n >= 64) {
    for (int64_t i = 0; i < n - 64; i += 64)
      *reinterpret_cast<Line*>(to + i) = *reinterpret_cast<const Line*>(from + i);
    *reinterpret_cast<Line*>(to + n - 64) = *reinterpret_cast<const Line*>(from + n - 64);
  } else if (n >= 16) {
    n >= 32 ? move_ends<32>(to, from, n) : move_ends<16>(to, from, n);
  } else if (n >= 4) {
    n >= 8 ? move_ends<8>(to, from, n) : move_ends<4>(to, from, n);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
  }
}

// Elements of plain moving worth a thread.
inline int64_t move_grain(const Array& a) { return grain_of(0.03 * a.item()); }

inline bool same_place(const Array& a, const Array& b) {
  if (a.storage() != b.storage() || a.offset() != b.offset() || !a.same_shape(b)) return false;
  for (int d = 0; d < a.ndim(); ++d)
    if (a.stride(d) != b.stride(d)) return false;
  return true;
}

// Where an operator that changes some elements of argument `i` writes: the argument itself
// when called in place, else a copy of it.
inline Array writable(Call& call, int i) {
  const Array& x = call.tensor(i);
  if (call.destination && same_place(*call.destination, x)) return x;
  return x.clone();
}
// The same where PyTorch packs the copy row by row.
inline Array writable_packed(Call& call, int i) {
  const Array& x = call.tensor(i);
  if (call.destination && same_place(*call.destination, x)) return x;
  return x.contiguous() ? x.clone() : x.contiguous_copy();
}

// True when the two may touch the same memory, so that an in-place write could spoil a read.
inline bool may_overlap(const Array& a, const Array& b) {
  return a.numel() && b.numel() && a.storage() == b.storage();
}

// Integer indices as contiguous int64.
inline Array index_values(const Array& index) { return index.to(DType::I64).contiguous_copy(); }

// f(j) for the j whose v[j] lies in [low, high), in order: listed first, since no processor
// foresees a branch on them.
template <class F>
void each_between(const int64_t* v, int64_t n, int64_t low, int64_t high, F&& f) {
  constexpr int64_t block = 256;
  int64_t mine[block];
  for (int64_t j0 = 0; j0 < n; j0 += block) {
    int64_t found = 0;
    for (int64_t j = j0; j < std::min(n, j0 + block); ++j) {
      mine[found] = j;  // overwritten unless it is between
      found += v[j] >= low && v[j] < high;
    }
    for (int64_t k = 0; k < found; ++k) f(mine[k]);
  }
}

// Whether n indices lie in [0, size): else the sign of v or of size - 1 - v is set.
inline bool all_within(const int64_t* v, int64_t n, int64_t size) {
  uint64_t signs = 0;
  const auto last = static_cast<uint64_t>(size - 1);
#pragma omp simd reduction(| : signs)
  for (int64_t i = 0; i < n; ++i) {
    const auto u = static_cast<uint64_t>(v[i]);
    signs |= u | (last - u);
  }
  return static_cast<int64_t>(signs) >= 0;
}

// Raises when a number lies outside an integer type (or is not finite, or not real).
inline void check_fits(PyObject* o, DType t) {
  if (t == DType::Bool || is_complex(t)) return;
  static constexpr const char* names[] = {"bool",  "uint8_t", "int8_t",   "int16_t",
                                          "int",   "int64_t", "at::Half", "at::BFloat16",
                                          "float", "double"};
  const char* name = names[static_cast<int>(t)];
  bool fits = true;
  if (PyComplex_Check(o)) {
    fits = PyComplex_ImagAsDouble(o) == 0;
  } else if (is_integral(t) && PyLong_Check(o)) {
    int overflow = 0;
    const int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
    const int bits = 8 * itemsize(t) - (t == DType::U8 ? 0 : 1);
    const int64_t top = bits < 63 ? (int64_t{1} << bits) - 1 : INT64_MAX;
    fits = !overflow && v <= top && v >= (t == DType::U8 ? -top : -top - 1);
  } else if (is_integral(t)) {
    const int bits = 8 * itemsize(t) - (t == DType::U8 ? 0 : 1);
    const double top = std::ldexp(1.0, bits);
    const double v = number(o);
    fits = t == DType::U8 ? v > -top && v < top : v >= -top && v < top;
  } else if (t == DType::F16 || t == DType::BF16 || t == DType::F32) {
    const double v = number(o), top = t == DType::F16    ? 65504.0
                                      : t == DType::BF16 ? 3.3895313892515355e38
                                                         : 3.4028234663852886e38;
    fits = !(std::abs(v) > top) || std::isinf(v);
  }
  if (!fits)
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow", name);
}

// A Python number or 0-d tensor as a 0-d array of the given type.
inline Array scalar_of(PyObject* o, DType t) {
  if (is_tensor(o)) return array_of(o).to(t);
  const Array a = Array::empty(t, Shape());
  if (is_extended(t)) {
    store_extended(o, t, a.bytes());
    return a;
  }
  check_fits(o, t);
  if (PyComplex_Check(o)) {
    fill(a, c128(PyComplex_RealAsDouble(o), PyComplex_ImagAsDouble(o)));
  } else if (PyFloat_Check(o) && !is_integral(t)) {
    fill(a, PyFloat_AS_DOUBLE(o));
  } else if (PyFloat_Check(o) && t != DType::Bool) {
    fill(a, static_cast<int64_t>(PyFloat_AS_DOUBLE(o)));
  } else if (PyLong_Check(o) && is_integral(t)) {
    int overflow = 0;
    const int64_t v = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow)
      fail(ErrorType::Runtime, "value cannot be converted to type int64_t without overflow");
    fill(a, v);
  } else {
    fill(a, number(o));
  }
  return a;
}

// The element types that add up, multiply and compare, computed in A (wider for half types).
template <class T>
struct accumulate_type {
  using type = T;
};
template <>
struct accumulate_type<Half> {
  using type = float;
};
template <>
struct accumulate_type<BFloat16> {
  using type = float;
};

template <class T>
inline bool is_nan(T v) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    const float f = v;
    return f != f;
  } else {
    return v != v;
  }
}

}  // namespace
}  // namespace rl
