// Sums and what is a sum in disguise: sum, mean, nansum, count_nonzero and vector norms.
//
//   out[k] = finish(sum over r of map(x[k, r]))        one read of x, see reduce.h
//
// float32 adds up runs of 4096 in 64 lanes and the runs in float64; float64 does the same in
// its own type; half types are widened to float32 first; integers and bool add up in int64.
#include <cstdlib>

#include "reduce.h"
#include "vecmath.h"

namespace rl {
namespace {

template <class T>
struct is_complex_type : std::false_type {};
template <class T>
struct is_complex_type<std::complex<T>> : std::true_type {};
template <class T>
constexpr bool kComplex = is_complex_type<T>::value;

// -- maps: a run of inputs becomes a run of terms -------------------------------------------------
template <class In_, class C_>
struct Identity {
  using In = In_;
  using C = C_;
  static constexpr bool kNothing = std::is_same_v<In, C>;
  static const C* run(const In* p, int64_t n, C* buf, const double*) {
    if constexpr (kNothing) {
      return p;
    } else {
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) buf[i] = static_cast<C>(p[i]);
      return buf;
    }
  }
};

template <class In_>
struct DropNan {
  using In = In_;
  using C = compute_t<In>;
  static constexpr bool kNothing = false;
  static const C* run(const In* p, int64_t n, C* buf, const double*) {
    for (int64_t i = 0; i < n; ++i) {
      const C x = static_cast<C>(p[i]);
      buf[i] = x != x ? C(0) : x;
    }
    return buf;
  }
};

template <class In_>
struct NonZero {
  using In = In_;
  using C = int64_t;
  static constexpr bool kNothing = false;
  static const C* run(const In* p, int64_t n, C* buf, const double*) {
    for (int64_t i = 0; i < n; ++i) buf[i] = static_cast<compute_t<In>>(p[i]) != compute_t<In>(0);
    return buf;
  }
};

// |x|^p for norms; params[2] is p.
template <class In_>
struct Power {
  using In = In_;
  using W = compute_t<In>;
  using C = std::conditional_t<std::is_same_v<W, c64>, float,
                               std::conditional_t<std::is_same_v<W, c128>, double, W>>;
  static constexpr bool kNothing = false;
  static const C* run(const In* p, int64_t n, C* buf, const double* params) {
    const double power = params[2];
    if (power == 2) {
      for (int64_t i = 0; i < n; ++i) {
        const W x = static_cast<W>(p[i]);
        if constexpr (kComplex<W>)
          buf[i] = x.real() * x.real() + x.imag() * x.imag();
        else
          buf[i] = x * x;
      }
      return buf;
    }
    for (int64_t i = 0; i < n; ++i) buf[i] = static_cast<C>(std::abs(static_cast<W>(p[i])));
    if (power == 0) {
      for (int64_t i = 0; i < n; ++i) buf[i] = buf[i] != 0;
    } else if (power == 3) {
      for (int64_t i = 0; i < n; ++i) buf[i] = buf[i] * buf[i] * buf[i];
    } else if (power == -1) {
      for (int64_t i = 0; i < n; ++i) buf[i] = 1 / buf[i];
    } else if (power != 1) {
      const C exponent = static_cast<C>(power);
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) buf[i] = vpow(buf[i], exponent);
    }
    return buf;
  }
};

template <class C>
auto total(const C* p, int64_t n) {
  if constexpr (kComplex<C>) {
    using R = typename C::value_type;
    const R* q = reinterpret_cast<const R*>(p);
    R re = 0, im = 0;
#pragma omp simd reduction(+ : re, im)
    for (int64_t i = 0; i < n; ++i) re += q[2 * i], im += q[2 * i + 1];
    return c128(re, im);
  } else {
    return sum_run<C>(p, n);
  }
}

// The sum of bytes, or of f of vectors of them, in pairs.
inline int64_t sum_bytes(const uint8_t* p, int64_t n) {
  using Bytes = VecN<uint16_t, kVecBytes / 2>::type;
  constexpr int64_t kMost = 128;  // vectors: two bytes of each
  int64_t sum = 0, i = 0;
  while (n - i >= kVecBytes) {
    const int64_t end = i + std::min(n - i, kMost * kVecBytes) / kVecBytes * kVecBytes;
    Bytes sums{}, v;
    for (; i < end; i += kVecBytes) {
      __builtin_memcpy(&v, p + i, kVecBytes);
      sums += (v & 255) + (v >> 8);
    }
    int64_t part = 0;
    for (int k = 0; k < kVecBytes / 2; ++k) part += sums[k];
    sum += part;
  }
  for (; i < n; ++i) sum += p[i];
  return sum;
}

// params: [0] divisor, [1] how to end: 0 nothing, 1 square root, else the power 1/p.
template <class Map, class Out>
struct Sum {
  using In = typename Map::In;
  using C = typename Map::C;
  using Acc = typename acc_of<C>::type;

  static void init(void* acc, int64_t n) { std::fill_n(static_cast<Acc*>(acc), n, Acc(0)); }
  static void merge(void* acc, const void* other, int64_t n) {
    for (int64_t j = 0; j < n; ++j) static_cast<Acc*>(acc)[j] += static_cast<const Acc*>(other)[j];
  }

  // Maps of real elements that need no buffer: squares, nothing at all, zero for NaN.
  static constexpr bool kBytes = (std::is_same_v<In, bool> || std::is_same_v<In, uint8_t>) &&
                                 std::is_same_v<Map, Identity<In, int64_t>>;
  static constexpr bool kDirect =
      (std::is_same_v<In, float> || std::is_same_v<In, double> || std::is_same_v<In, BFloat16>) &&
      std::is_floating_point_v<C>;
  template <class F>
  static Acc direct(const In* p, int64_t n, F f) {
    Acc s(0);
    for (int64_t i = 0; i < n; i += 8 * kChunk)
      s += static_cast<Acc>(sum_run(p + i, std::min(8 * kChunk, n - i), f));
    return s;
  }

  // Elements two apart; the last apart too, since vectors read what lies between.
  static Acc every_other(const In* p, int64_t n) {
    Acc s(0);
    for (int64_t i = 0; i + 1 < n; i += 4 * kChunk) {
      C part = 0;
      const int64_t end = std::min(i + 4 * kChunk, n - 1);
#pragma omp simd reduction(+ : part)
      for (int64_t k = i; k < end; ++k) part += static_cast<C>(p[2 * k]);
      s += static_cast<Acc>(part);
    }
    return n ? s + static_cast<Acc>(static_cast<C>(p[2 * (n - 1)])) : s;
  }

  static Acc row(const In* p, int64_t n, int64_t stride, const double* params) {
    if constexpr (kBytes)
      if (stride == 1) return sum_bytes(reinterpret_cast<const uint8_t*>(p), n);
    if constexpr (kDirect) {
      if (stride == 1) {
        if constexpr (std::is_same_v<Map, Power<In>>) {
          if (params[2] == 2) return direct(p, n, [](auto& x) { x *= x; });
        } else if constexpr (std::is_same_v<Map, DropNan<In>>) {
          return direct(p, n, [](auto& x) {
            const std::remove_reference_t<decltype(x)> zero{};
            x = x == x ? x : zero;
          });
        } else {
          return direct(p, n, [](auto&) {});
        }
      }
    }
    if constexpr (kDirect && Map::kNothing)
      if (stride == 2) return every_other(p, n);
    alignas(64) C buf[kChunk];
    In raw[kChunk];
    const int64_t chunk = Map::kNothing && stride == 1 ? 8 * kChunk : kChunk;
    Acc s(0);
    for (int64_t i = 0; i < n; i += chunk) {
      const int64_t m = std::min(chunk, n - i);
      s += static_cast<Acc>(
          total<C>(Map::run(gather(p + i * stride, m, stride, raw), m, buf, params), m));
    }
    return s;
  }

  static C term(In given) {
    const C x = static_cast<C>(given);
    if constexpr (std::is_same_v<Map, Power<In>>) return x * x;
    if constexpr (std::is_same_v<Map, DropNan<In>>) return x != x ? C(0) : x;
    return x;
  }

  static void columns(Acc* acc, const In* p, int64_t width, int64_t rows, int64_t stride,
                      const double* params) {
    int64_t r = 0;
    if constexpr (kBytes) {
      for (; r + 8 <= rows; r += 8) {
        const uint8_t *a = reinterpret_cast<const uint8_t*>(p + r * stride), *b = a + 4 * stride;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) {
          const uint16_t w = a[j] + a[j + stride], x = a[j + 2 * stride] + a[j + 3 * stride],
                         y = b[j] + b[j + stride], z = b[j + 2 * stride] + b[j + 3 * stride];
          acc[j] += static_cast<uint16_t>(w + x) + static_cast<uint16_t>(y + z);
        }
      }
    }
    if constexpr (std::is_same_v<Map, Identity<In, C>> && !kBytes) {
      const auto at = [](const In* x) { return static_cast<C>(*x); };
      for (; r + 8 <= rows; r += 8) {
        const In *a = p + r * stride, *b = a + 4 * stride;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j)
          acc[j] += static_cast<Acc>(((at(a + j) + at(a + j + stride)) +
                                      (at(a + j + 2 * stride) + at(a + j + 3 * stride))) +
                                     ((at(b + j) + at(b + j + stride)) +
                                      (at(b + j + 2 * stride) + at(b + j + 3 * stride))));
      }
    }
    if constexpr (kDirect && !Map::kNothing) {
      if (!std::is_same_v<Map, Power<In>> || params[2] == 2) {
        for (; r + 4 <= rows; r += 4) {
          const In* a = p + r * stride;
#pragma omp simd
          for (int64_t j = 0; j < width; ++j) {
            const C w = term(a[j]), x = term(a[j + stride]), y = term(a[j + 2 * stride]),
                    z = term(a[j + 3 * stride]);
            acc[j] += static_cast<Acc>((w + x) + (y + z));
          }
        }
      }
    }
    alignas(64) C buf[kBlock];
    for (; r < rows; ++r) {
      const C* q = Map::run(p + r * stride, width, buf, params);
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) acc[j] += static_cast<Acc>(q[j]);
    }
  }

  static void fold(void* acc_, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t, const double* params) {
    Acc* acc = static_cast<Acc*>(acc_);
    const In* p = reinterpret_cast<const In*>(p_);
    if (wstride == 1 && rstride != 1 && width >= 4)
      columns(acc, p, width, rows, rstride, params);
    else
      for (int64_t j = 0; j < width; ++j) acc[j] += row(p + j * wstride, rows, rstride, params);
  }

  static Out narrow(Acc s) {
    if constexpr (is_half(dtype_of<Out>::value))
      return Out(static_cast<float>(s));
    else
      return static_cast<Out>(s);
  }
  static Out end(Acc s, const double* params) {
    if constexpr (!std::is_integral_v<Acc>) {
      if (params[0] != 1) s /= params[0];
      if constexpr (!kComplex<Acc>) {
        if (params[1] == 1)
          s = std::sqrt(s);
        else if (params[1] != 0)
          s = std::pow(s, params[1]);
      }
    }
    return narrow(s);
  }

  static void finish(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                     const double* params) {
    Out* o = reinterpret_cast<Out*>(out[0]);
    const Acc* s = static_cast<const Acc*>(acc);
    const int64_t step = strides[0];
    const double divisor = params[0];
    if (step != 1 || params[1] != 0 || (std::is_integral_v<Acc> && divisor != 1)) {
      for (int64_t j = 0; j < n; ++j) o[j * step] = end(s[j], params);
    } else if (divisor == 1) {
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) o[j] = narrow(s[j]);
    } else if constexpr (!std::is_integral_v<Acc>) {
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) o[j] = narrow(s[j] / divisor);
    }
  }

  static constexpr double kNs = kBytes                             ? 0.02
                                : std::is_same_v<Map, NonZero<In>> ? 0.12
                                                                   : 0.011 * sizeof(In);
  static constexpr ReduceLoops loops{sizeof(Acc), kNs, 24, true, init, fold, merge, finish};
};

using SumRow = void (*)(const char* p, int64_t n, char* out, const double* params);

template <class S>
void sum_one_row(const char* p, int64_t n, char* out, const double* params) {
  using Out = decltype(S::end({}, params));
  *reinterpret_cast<Out*>(out) =
      S::end(S::row(reinterpret_cast<const typename S::In*>(p), n, 1, params), params);
}

constexpr double kPlain[3] = {1, 0, 1};

template <class Map, class Out>
void run_sum(Call& call, const Array& x, uint64_t mask, bool keepdim, const double* params) {
  using S = Sum<Map, Out>;
  // A short contiguous run needs no plan.
  if (mask == ~uint64_t{0} && !keepdim && x.contiguous() && x.numel() <= 16384) {
    Array out = Array::empty(dtype_of<Out>::value, Shape());
    sum_one_row<S>(x.bytes(), x.numel(), out.bytes(), params);
    call.result(std::move(out));
    return;
  }
  Array out = reduced_result(x, mask, keepdim, dtype_of<Out>::value);
  reduce(x, mask, S::loops, out, params);
  call.result(std::move(out));
}

void sum_of(Call& call, const Array& x, uint64_t mask, bool keepdim, const double* params) {
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (is_integral(dtype_of<T>::value))
      run_sum<Identity<T, int64_t>, int64_t>(call, x, mask, keepdim, params);
    else
      run_sum<Identity<T, compute_t<T>>, T>(call, x, mask, keepdim, params);
  });
}

int64_t reduced_count(const Array& x, uint64_t mask) {
  if (mask == ~uint64_t{0}) return x.numel();
  int64_t n = 1;
  for (int d = 0; d < x.ndim(); ++d)
    if (mask >> d & 1) n *= x.size(d);
  return n;
}

}  // namespace

RL_KERNEL(sum) {  // input, dim, keepdim, dtype
  const Array x = in_dtype(call, 3);
  const std::optional<DType> t = wanted_dtype(call, 3);
  sum_of(call, x, reduce_mask(call, 1, x.ndim()), flag(call, 2), kPlain);
  // An explicit small integer type wraps as the sum modulo its range does.
  if (t && call.output(0).dtype() != *t) call.output(0) = call.output(0).to(*t);
}

RL_KERNEL(mean) {  // input, dim, keepdim, dtype
  const Array x = in_dtype(call, 3);
  if (is_integral(x.dtype()))
    fail(ErrorType::Runtime,
         "mean(): could not infer output dtype. Input dtype must be either a floating point or "
         "complex dtype. Got: %s; pass dtype= to choose one",
         dtype_scalar_name(x.dtype()));
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  const double params[3] = {static_cast<double>(reduced_count(x, mask)), 0, 1};
  sum_of(call, x, mask, flag(call, 2), params);
}

RL_KERNEL(nansum) {  // input, dim, keepdim, dtype
  const Array x = in_dtype(call, 3);
  const std::optional<DType> t = wanted_dtype(call, 3);
  if (is_complex(x.dtype()))
    fail(ErrorType::Runtime, "nansum does not support complex inputs: got %s",
         dtype_name(x.dtype()));
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  if (is_integral(x.dtype())) {
    sum_of(call, x, mask, flag(call, 2), kPlain);
    if (t && call.output(0).dtype() != *t) call.output(0) = call.output(0).to(*t);
    return;
  }
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (is_real(dtype_of<T>::value))
      run_sum<DropNan<T>, T>(call, x, mask, flag(call, 2), kPlain);
  });
}

RL_KERNEL(count_nonzero) {  // input, dim
  const Array& x = call.tensor(0);
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  if (x.dtype() == DType::Bool) return sum_of(call, x, mask, false, kPlain);
  visit_all(x.dtype(), [&](auto tag) {
    run_sum<NonZero<decltype(tag)>, int64_t>(call, x, mask, false, kPlain);
  });
}

RL_KERNEL(power_norm) {  // input, ord, dim, keepdim, dtype; ord is finite
  const Array x = in_dtype(call, 4);
  if (is_integral(x.dtype()))
    fail(ErrorType::Runtime,
         "linalg.vector_norm: Expected a floating point or complex tensor as input. Got %s",
         dtype_scalar_name(x.dtype()));
  const double p = call.real(1);
  const double params[3] = {1, p == 2 ? 1 : p == 1 || p == 0 ? 0 : 1 / p, p};
  const uint64_t mask = reduce_mask(call, 2, x.ndim());
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!is_integral(dtype_of<T>::value)) {
      using Map = Power<T>;
      using Out = std::conditional_t<is_half(dtype_of<T>::value), T, typename Map::C>;
      run_sum<Map, Out>(call, x, mask, flag(call, 3), params);
    }
  });
}

}  // namespace rl
