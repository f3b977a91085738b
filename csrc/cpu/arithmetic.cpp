// Arithmetic, element by element: one pass over the inputs and the output.
//
//   add a + alpha b, sub, rsub, mul, div, div_trunc, div_floor, remainder, fmod, neg, pow
//   maximum minimum fmax fmin clamp lerp addcmul addcdiv and friends
//
// Integers wrap around; an integer division by zero raises. remainder and div_floor follow the
// sign of the divisor (as Python), fmod and div_trunc that of the dividend (as C).
#include "loops.h"
#include "vecmath.h"

namespace rl {
namespace {

[[noreturn]] void zero_division() { fail(ErrorType::Runtime, "ZeroDivisionError"); }

template <class T>
inline T trunc_quotient(T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    if (b == 0) zero_division();
    if constexpr (std::is_signed_v<T>)
      if (b == T(-1)) return sub_values(T(0), a);  // the quotient of the least number overflows
    return static_cast<T>(a / b);
  } else {
    return std::trunc(a / b);
  }
}

template <class T>
inline T c_remainder(T a, T b) {
  if (b == 0) zero_division();
  if constexpr (std::is_signed_v<T>)
    if (b == T(-1)) return 0;
  return static_cast<T>(a % b);
}

template <class T>
inline T floor_quotient(T a, T b) {
  const T q = trunc_quotient(a, b);
  if constexpr (std::is_signed_v<T>) {
    const T r = sub_values(a, mul_values(q, b));
    return static_cast<T>(q - ((r != 0) & ((r < 0) != (b < 0))));  // no branch: r is any
  }
  return q;
}

// The same of floats, from their C remainder m.
template <class T>
inline T floor_quotient(T a, T b, T m) {
  T q = (a - m) / b;
  q = m != 0 && (b < 0) != (m < 0) ? q - 1 : q;
  const T f = std::floor(q), whole = q - f > T(0.5) ? f + 1 : f;
  return b == 0 ? a / b : q == 0 ? std::copysign(T(0), a / b) : whole;
}

// C's remainder in vector registers: a - trunc(a / b) b is exact in twice the precision while the
// quotient is not much longer than a float's digits. False: some element needs fmod itself.
inline bool short_remainders(const float* a, const float* b, float* m, int64_t n) {
  int hard = 0;
#pragma omp simd reduction(| : hard)
  for (int64_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i], q = std::trunc(x / y);
    hard |= !(std::fabs(q) < 0x1p29);
    m[i] = std::copysign(static_cast<float>(q == 0 ? x : x - q * y), a[i]);
  }
  return !hard;
}
#if RL_LEVEL > 0  // with one instruction for q b + a, rounded once
inline bool short_remainders(const double* a, const double* b, double* m, int64_t n) {
  int64_t hard = 0;
#pragma omp simd reduction(| : hard)
  for (int64_t i = 0; i < n; ++i) {
    const double x = a[i], y = b[i], q = std::trunc(x / y);
    double r = std::fma(-q, y, x);
    r = (r < 0) != (x < 0) && r != 0 ? r + std::copysign(y, x) : r;  // q was rounded up
    hard |= !(std::fabs(q) < 0x1p53);
    m[i] = std::copysign(q == 0 ? x : r, x);
  }
  return !hard;
}
#else
inline bool short_remainders(const double*, const double*, double*, int64_t) { return false; }
#endif

// out[i] = f(a[i], b[i], remainder): blocks, as the output may lie over an input.
template <auto F, class T>
void with_remainder(char* const* p, int64_t n, const double*) {
  constexpr int64_t kBlock = 256;
  T* out = reinterpret_cast<T*>(p[0]);
  const T* a = reinterpret_cast<const T*>(p[1]);
  const T* b = reinterpret_cast<const T*>(p[2]);
  T m[kBlock];
  for (int64_t i0 = 0; i0 < n; i0 += kBlock) {
    const int64_t count = std::min(kBlock, n - i0);
    if (!short_remainders(a + i0, b + i0, m, count))
      for (int64_t i = 0; i < count; ++i) m[i] = std::fmod(a[i0 + i], b[i0 + i]);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) out[i0 + i] = F(a[i0 + i], b[i0 + i], m[i]);
  }
}
template <auto F>
void add_with_remainder(const char* name) {
  add_loop<float, float>(name, with_remainder<F, float>, 0.6);
  add_loop<double, double>(name, with_remainder<F, double>, 0.8);
}

template <class T>
inline T python_remainder(T, T b, T m) {
  if constexpr (std::is_unsigned_v<T>)
    return m;
  else
    return m != 0 && (b < 0) != (m < 0) ? static_cast<T>(m + b) : m;
}

// Quotient and remainder of int64 by doubles, which hold them exactly below 2^52; other blocks, and
// those with a divisor of zero, go one by one. out[i] = F(quotient toward zero, remainder,
// divisor).
template <auto F, auto Plain>
void divided(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<int64_t*>(p[0]);
  const auto *a = reinterpret_cast<const int64_t*>(p[1]),
             *b = reinterpret_cast<const int64_t*>(p[2]);
  constexpr int64_t kBlock = 256, kMost = int64_t{1} << 52;
  for (int64_t start = 0; start < n; start += kBlock) {
    const int64_t end = std::min(start + kBlock, n);
    int hard = 0;
#pragma omp simd reduction(| : hard)
    for (int64_t i = start; i < end; ++i) {
      const bool wide = (a[i] >= kMost) | (a[i] <= -kMost) | (b[i] >= kMost) | (b[i] <= -kMost);
      hard |= wide | (b[i] == 0) ? 1 : 0;
    }
    if (hard) {
      for (int64_t i = start; i < end; ++i) out[i] = Plain(a[i], b[i]);
      continue;
    }
#pragma omp simd
    for (int64_t i = start; i < end; ++i) {
      const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      const double q = std::trunc(x / y), r = x - q * y;
      out[i] = static_cast<int64_t>(F(q, r, y));
    }
  }
}
template <auto F, auto Plain>
void add_divided(const char* name) {
#ifdef __AVX512DQ__  // which converts int64 and double in vectors
  add_loop<int64_t, int64_t>(name, divided<F, Plain>, 0.6);
#else
  binary<Plain>(name, Types<int64_t>{}, 3.0);
#endif
}

// Powers by squaring. A negative power of an integer is 0 but for the bases 1 and -1.
template <class T>
inline T integer_power(T base, T exponent) {
  if constexpr (std::is_signed_v<T>) {
    if (exponent < 0) {
      if (base == 1) return 1;
      if (base == T(-1)) return exponent % 2 == 0 ? T(1) : T(-1);
      return 0;
    }
  }
  T result = 1;
  for (;;) {
    if (exponent & 1) result = mul_values(result, base);
    exponent = static_cast<T>(exponent >> 1);
    if (exponent == 0) return result;
    base = mul_values(base, base);
  }
}

template <class T>
inline T complex_power(T a, T b) {
  if (b == T(0)) return T(1);
  if (a == T(0)) return b.real() > 0 ? T(0) : std::pow(a, b);
  if (b.imag() == 0 && std::fabs(b.real()) <= 8 && b.real() == std::trunc(b.real())) {
    T result(1);
    for (int n = static_cast<int>(std::fabs(b.real())); n > 0; --n) result = mul_values(result, a);
    return b.real() < 0 ? div_values(T(1), result) : result;
  }
  return std::pow(a, b);
}

template <class T>
inline T power(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a || !b;
  else if constexpr (std::is_integral_v<T>)
    return integer_power(a, b);
  else
    return vpow(a, b);
}

// A power with one real exponent: the common ones are products and roots, as its cost is. Others
// take so much longer that they share out their own work.
template <class Element>
void power_scalar(char* const* p, int64_t n, const double* c) {
  using T = Computed<Element>;
  auto* out = reinterpret_cast<Stored<Element>*>(p[0]);
  const auto* a = reinterpret_cast<const Stored<Element>*>(p[1]);
  const double e = c[0];
  const auto each = [&](auto f) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = stored<Element>(f(load<Element>(a[i])));
  };
  if (e == 2) return each([](T x) { return mul_values(x, x); });
  if (e == 3) return each([](T x) { return mul_values(mul_values(x, x), x); });
  if (e == 1) return each([](T x) { return x; });
  if constexpr (std::is_floating_point_v<T>) {
    if (e == 0.5) return each([](T x) { return std::sqrt(x); });
    if (e == -0.5) return each([](T x) { return 1 / std::sqrt(x); });
    if (e == -1) return each([](T x) { return 1 / x; });
    if (e == -2) return each([](T x) { return 1 / (x * x); });
    const T t = static_cast<T>(e);
    parallel_for(n, grain_of(sizeof(T) == 4 ? 2 : 4), [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) out[i] = stored<Element>(vpow(load<Element>(a[i]), t));
    });
  } else if constexpr (is_complex_type<T>) {
    const T t(static_cast<typename T::value_type>(e), 0);
    parallel_for(n, grain_of(100), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = complex_power(a[i], t);
    });
  } else {
    if (!(e >= 0) || e != std::trunc(e))
      fail(ErrorType::Runtime,
           "Integers to negative integer powers are not allowed: got the exponent %g", e);
    const auto t = static_cast<int64_t>(e);
    for (int64_t i = 0; i < n; ++i) {
      uint64_t base = static_cast<uint64_t>(static_cast<int64_t>(a[i])), result = 1;
      for (int64_t k = t; k > 0; k >>= 1, base *= base)
        if (k & 1) result *= base;
      out[i] = static_cast<T>(result);
    }
  }
}

template <class... Ts>
void add_power_scalar(Types<Ts...>) {
  (add_loop<Ts, Ts>("pow_scalar", power_scalar<Ts>, loop_cost<1, Ts, Ts>(0)), ...);
}

template <class T>
inline bool is_nan(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return x != x;
  else
    return false;
}
template <class T>
inline T larger(T a, T b) {
  return is_nan(a) | (a > b) ? a : b;
}  // keeps NaN
template <class T>
inline T smaller(T a, T b) {
  return is_nan(a) | (a < b) ? a : b;
}

// Written with single selections, which vectorise; NaN of x or of a bound comes through.
template <class T>
inline T limited(T x, T low, T high) {
  const T y = (x < low) | is_nan(low) ? low : x;
  return (high < y) | is_nan(high) ? high : y;
}

// A bound given as a double; infinity stands for none. Below zero it wraps in an unsigned type.
template <class T>
inline T bound(double x) {
  if constexpr (std::is_integral_v<T>) {
    if (x != std::trunc(x))
      fail(ErrorType::Runtime, "clamp: the bounds of integers must be integers, got %g", x);
    if (std::isinf(x)) return x < 0 ? std::numeric_limits<T>::min() : std::numeric_limits<T>::max();
    if (x >= 0x1p63) return std::numeric_limits<T>::max();
    return static_cast<T>(static_cast<int64_t>(x));
  }
  return static_cast<T>(x);
}

// 1 / (c + i d) by Smith's method as div_values, with a selection in place of its branch.
template <class F>
void complex_reciprocals(char* const* p, int64_t n, const double*) {
  F* out = reinterpret_cast<F*>(p[0]);
  const F* in = reinterpret_cast<const F*>(p[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const F c = in[2 * i], d = in[2 * i + 1];
    const bool wide = std::fabs(c) >= std::fabs(d), none = (c == 0) & (d == 0);
    const F r = (wide ? d : c) / (wide ? c : d);
    const F s = 1 / ((wide ? c : d) + (wide ? d : c) * r);
    const F re = (wide ? F(1) : r) * s, im = (wide ? -r : F(-1)) * s;
    out[2 * i] = none ? 1 / std::fabs(c) : re;
    out[2 * i + 1] = none ? F(0) / std::fabs(c) : im;
  }
}

template <class T>
T parameter(double x, const char* name) {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if (x != std::trunc(x))
      fail(ErrorType::Runtime,
           "For integral input tensors, argument %s must not be a floating point number.", name);
    return static_cast<T>(static_cast<int64_t>(x));
  } else if constexpr (is_complex_type<T>) {
    return T(static_cast<typename T::value_type>(x), 0);
  } else {
    return static_cast<T>(x);
  }
}

template <class T>
inline T interpolate(T a, T b, T w) {
  if constexpr (is_complex_type<T>)
    return std::norm(w) < T(0.25).real() ? a + mul_values(w, b - a)
                                         : b - mul_values(b - a, T(1) - w);
  else
    return std::fabs(w) < T(0.5) ? a + w * (b - a) : b - (b - a) * (1 - w);
}

// a + alpha b. Floats are rounded once where there is an instruction for it, also when b is held
// and the compiler could take the product out of the loop. Of a complex alpha the imaginary part is
// 0, which makes NaN of infinite parts.
template <class T>
inline T add_scaled(T a, T alpha, T b) {
#ifdef __FMA__
  if constexpr (std::is_floating_point_v<T>) return std::fma(alpha, b, a);
#endif
  if constexpr (is_complex_type<T>)
    return T(a.real() + (alpha.real() * b.real() - 0 * b.imag()),
             a.imag() + (alpha.real() * b.imag() + 0 * b.real()));
  else
    return add_values(a, mul_values(alpha, b));
}
template <class T>
inline T sub_scaled(T a, T alpha, T b) {
#ifdef __FMA__
  if constexpr (std::is_floating_point_v<T>) return std::fma(-alpha, b, a);
#endif
  if constexpr (is_complex_type<T>)
    return T(a.real() - (alpha.real() * b.real() - 0 * b.imag()),
             a.imag() - (alpha.real() * b.imag() + 0 * b.real()));
  else
    return sub_values(a, mul_values(alpha, b));
}

void register_sums() {
  grid_with<[]<class T>(const double* c) {
    const T alpha = parameter<T>(c[0], "alpha");
    return [=](T a, T b) { return add_scaled(a, alpha, b); };
  }>("add", Everything{});
  grid_with<[]<class T>(const double* c) {
    const T alpha = parameter<T>(c[0], "alpha");
    return [=](T a, T b) { return sub_scaled(a, alpha, b); };
  }>("sub", Numbers{});
  grid_with<[]<class T>(const double* c) {
    const T alpha = parameter<T>(c[0], "alpha");
    return [=](T a, T b) { return sub_scaled(b, alpha, a); };
  }>("rsub", Numbers{});
  // bfloat16 without a detour through buffers of floats. As in PyTorch the product is rounded.
  grid_with<[]<class T>(const double* c) {
    const float alpha = static_cast<float>(T(static_cast<float>(c[0])));
    const bool plain = alpha == 1;
    return [=](T a, T b) {
      const float scaled =
          plain ? static_cast<float>(b) : static_cast<float>(T(alpha * static_cast<float>(b)));
      return T(static_cast<float>(a) + scaled);
    };
  }>("add", Types<BFloat16>{});
  grid_with<[]<class T>(const double* c) {
    const float alpha = static_cast<float>(T(static_cast<float>(c[0])));
    const bool plain = alpha == 1;
    return [=](T a, T b) {
      const float scaled =
          plain ? static_cast<float>(b) : static_cast<float>(T(alpha * static_cast<float>(b)));
      return T(static_cast<float>(a) - scaled);
    };
  }>("sub", Types<BFloat16>{});
  const auto no_bools = [](char* const*, int64_t, const double*) {
    fail(ErrorType::Runtime,
         "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
         "`logical_xor()` operator instead.");
  };
  add_loop<bool, bool>("sub", no_bools, 1);
  add_loop<bool, bool>("rsub", no_bools, 1);
  unary<[]<class T>(T a) { return sub_values(T(0), a); }>("neg", Integers{});
  unary<[](auto a) { return -a; }>("neg", RealsComplexes{});
  add_loop<Brain<true>, Brain<true>>("neg", half_signs<0xffff, 0x8000>, 0.04);
  add_loop<bool, bool>(
      "neg",
      [](char* const*, int64_t, const double*) {
        fail(ErrorType::Runtime,
             "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
             "invert a mask, use the `~` or `logical_not()` operator instead.");
      },
      0.3);
}

void register_products() {
  grid<[]<class T>(T a, T b) { return mul_values(a, b); }>("mul", Everything{});
  grid<[]<class T>(T a, T b) { return T(static_cast<float>(a) * static_cast<float>(b)); }>(
      "mul", Types<BFloat16>{});
  grid<[](auto a, auto b) { return a / b; }>("div", RealsRounded{});
  binary<[]<class T>(T a, T b) { return div_values(a, b); }>("div", Types<c128>{}, 2.6);
  binary<[]<class T>(T a, T b) { return trunc_quotient(a, b); }>("div_trunc", ShortIntegers{}, 1.5);
  binary<[]<class T>(T a, T b) { return trunc_quotient(a, b); }>("div_trunc", Reals{});
  binary<[]<class T>(T a, T b) { return floor_quotient(a, b); }>("div_floor", ShortIntegers{}, 1.6);
  binary<[]<class T>(T a, T b) { return python_remainder(a, b, c_remainder(a, b)); }>(
      "remainder", ShortIntegers{}, 1.5);
  binary<[]<class T>(T a, T b) { return c_remainder(a, b); }>("fmod", ShortIntegers{}, 1.5);
  // r and b with unlike signs: one less, or one divisor more.
  add_divided<[](double q, double r, double b) { return (r < 0) != (b < 0) && r != 0 ? q - 1 : q; },
              [](int64_t a, int64_t b) { return floor_quotient(a, b); }>("div_floor");
  add_divided<[](double, double r, double b) { return (r < 0) != (b < 0) && r != 0 ? r + b : r; },
              [](int64_t a, int64_t b) { return python_remainder(a, b, c_remainder(a, b)); }>(
      "remainder");
  add_divided<[](double, double r, double) { return r; },
              [](int64_t a, int64_t b) { return c_remainder(a, b); }>("fmod");
  add_divided<[](double q, double, double) { return q; },
              [](int64_t a, int64_t b) { return trunc_quotient(a, b); }>("div_trunc");
  add_with_remainder<[]<class T>(T a, T b, T m) { return floor_quotient(a, b, m); }>("div_floor");
  add_with_remainder<[]<class T>(T a, T b, T m) { return python_remainder(a, b, m); }>("remainder");
  add_with_remainder<[]<class T>(T, T, T m) { return m; }>("fmod");
  binary<[](bool a, bool b) { return power(a, b); }>("pow", Types<bool>{});
  binary<[]<class T>(T a, T b) { return power(a, b); }>("pow", Types<uint8_t, int8_t, int16_t>{},
                                                        4);
  binary<[]<class T>(T a, T b) { return power(a, b); }>("pow", Types<int32_t, int64_t>{}, 2.4);
  binary<[]<class T>(T a, T b) { return power(a, b); }>("pow", Reals{}, 1.9);
  binary<[](auto a, auto b) { return complex_power(a, b); }>("pow", Types<c128>{}, 110);
  add_power_scalar(Numbers{});
  add_power_scalar(Types<Brain<false>>{});
  unary<[]<class T>(T a) { return mul_values(a, a); }>("square", Numbers{});
  unary<[](float a) { return a * a; }>("square", Types<Brain<false>>{});
  unary<[](bool a) { return a; }, int64_t>("square", Types<bool>{});
  unary<[](auto a) { return 1 / a; }>("reciprocal", RealsRounded{});
  add_loop<c64, c64>("reciprocal", complex_reciprocals<float>, 0.6);
  add_loop<c128, c128>("reciprocal", complex_reciprocals<double>, 2);
  ternary_with<[]<class T>(const double* c) {
    const T value = parameter<T>(c[0], "value");
    return [=](T x, T a, T b) { return add_values(x, mul_values(mul_values(value, a), b)); };
  }>("addcmul",
     Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, Brain<false>, c64, c128>{});
  constexpr auto add_quotient = []<class T>(const double* c) {
    const T value = parameter<T>(c[0], "value");
    return [=](T x, T a, T b) { return x + div_values(mul_values(value, a), b); };
  };
  ternary_with<add_quotient>("addcdiv", RealsRounded{});
  ternary_with<add_quotient>("addcdiv", Complexes{}, 2);
  add_loop<int64_t, int64_t>(
      "addcdiv",
      [](char* const*, int64_t, const double*) {
        fail(ErrorType::Runtime,
             "Integer division with addcdiv is no longer supported: make the tensors floating "
             "first, "
             "or use addcmul with torch.div(tensor1, tensor2, rounding_mode=...).");
      },
      0.3);
  constexpr auto interpolation = []<class T>(const double* c) {
    const T w = parameter<T>(c[0], "weight");
    return [=](T a, T b) { return interpolate(a, b, w); };
  };
  binary_with<interpolation>("lerp", Reals{});
  binary_with<interpolation>("lerp", Complexes{}, 0.7);
  ternary<[]<class T>(T a, T b, T w) { return interpolate(a, b, w); }>("lerp_tensor",
                                                                       RealsComplexes{});
}

void register_extremes() {
  binary<[]<class T>(T a, T b) { return larger(a, b); }>("maximum", AllRealExact{});
  binary<[]<class T>(T a, T b) { return smaller(a, b); }>("minimum", AllRealExact{});
  binary<[]<class T>(T a, T b) { return is_nan(b) | (a > b) ? a : b; }>("fmax", AllRealExact{});
  binary<[]<class T>(T a, T b) { return is_nan(b) | (a < b) ? a : b; }>("fmin", AllRealExact{});
  unary_with<[]<class T>(const double* c) {
    const T low = bound<T>(c[0]), high = bound<T>(c[1]);
    return [=](T x) { return limited(x, low, high); };
  }>("clamp", IntegersRealsRounded{});
  ternary<[]<class T>(T x, T low, T high) { return limited(x, low, high); }>("clamp_tensor",
                                                                             IntegersRealsExact{});
  binary<[]<class T>(T a, T b) { return larger(a, b); }>("clamp_min_tensor", IntegersRealsExact{});
  binary<[]<class T>(T a, T b) { return smaller(a, b); }>("clamp_max_tensor", IntegersRealsExact{});
}

template <class T>
T greatest_divisor(T a, T b) {
  using U = std::make_unsigned_t<T>;
  U x = a < 0 ? static_cast<U>(-static_cast<U>(a)) : static_cast<U>(a);
  U y = b < 0 ? static_cast<U>(-static_cast<U>(b)) : static_cast<U>(b);
  while (x != 0) {
    const U r = static_cast<U>(y % x);
    y = x;
    x = r;
  }
  return static_cast<T>(y);
}

void register_integers() {
  binary<[]<class T>(T a, T b) { return greatest_divisor(a, b); }>("gcd", Integers{}, 6);
  binary<[]<class T>(T a, T b) {
    const T g = greatest_divisor(a, b);
    if (g == 0) return T(0);
    // Types below int wrap after the sign is dropped, as their products do in C.
    using Wide = std::conditional_t<(sizeof(T) < 4), int32_t, T>;
    const Wide y = mul_values(static_cast<Wide>(a / g), static_cast<Wide>(b));
    return static_cast<T>(y < 0 ? sub_values(Wide(0), y) : y);
  }>("lcm", Integers{}, 8);
}

const struct Registrar {
  Registrar() {
    register_sums();
    register_products();
    register_extremes();
    register_integers();
  }
} registrar;

}  // namespace
}  // namespace rl
