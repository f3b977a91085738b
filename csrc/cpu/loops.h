// Contiguous inner loops of the pointwise operators, made from one expression each.
//
// unary<F>, binary<F>, ternary<F> register the loop out[i] = F(a[i], ...) for a list of element
// types, grid<F> that of two operands in both its forms (core/grid.h); F is a generic lambda
// without captures. The *_with forms take a factory that reads the operator's scalar parameters
// first: []<class T>(const double* c) { return [=](T x) {...}; }. The output has the compute type
// unless an R is named.
#pragma once
#include <algorithm>
#include <bit>
#include <type_traits>

#include "../core/grid.h"

namespace rl {
namespace {

template <class... Ts>
struct Types {};
using Integers = Types<uint8_t, int8_t, int16_t, int32_t, int64_t>;
using ShortIntegers = Types<uint8_t, int8_t, int16_t, int32_t>;
using Reals = Types<float, double>;  // half types run through float
using Complexes = Types<c64, c128>;
using IntegersReals = Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double>;
using Numbers = Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, c64, c128>;
using RealsComplexes = Types<float, double, c64, c128>;
using Everything =
    Types<bool, uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, c64, c128>;
using BoolsIntegers = Types<bool, uint8_t, int8_t, int16_t, int32_t, int64_t>;
using AllReal = Types<bool, uint8_t, int8_t, int16_t, int32_t, int64_t, float, double>;

// bfloat16 elements that a loop reads and writes itself, computing in float; other half types go
// through buffers of floats. Exact: results that need no rounding.
template <bool Exact>
struct Brain {
  uint16_t bits;
};
using RealsExact = Types<float, double, Brain<true>>;
using RealsRounded = Types<float, double, Brain<false>>;
using IntegersRealsExact =
    Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, Brain<true>>;
using IntegersRealsRounded =
    Types<uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, Brain<false>>;
using AllRealExact =
    Types<bool, uint8_t, int8_t, int16_t, int32_t, int64_t, float, double, Brain<true>>;

template <class T>
constexpr bool is_brain = false;
template <bool Exact>
constexpr bool is_brain<Brain<Exact>> = true;

struct Same {};
template <class R, class T>
using Result = std::conditional_t<std::is_same_v<R, Same>, T, R>;

// How a value lies in memory: a bool is a byte that holds 0 or 1, which also vectorises better.
template <class T>
using Stored = std::conditional_t<is_brain<T>, uint16_t,
                                  std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;
template <class T>
using Computed = std::conditional_t<is_brain<T>, float, T>;

template <class T>
inline Computed<T> load(Stored<T> x) {
  if constexpr (is_brain<T>)
    return std::bit_cast<float>(static_cast<uint32_t>(x) << 16);
  else
    return static_cast<T>(x);
}
template <class R, class V>
inline Stored<R> stored(V value) {
  if constexpr (std::is_same_v<R, Brain<true>>)
    return static_cast<uint16_t>(std::bit_cast<uint32_t>(static_cast<float>(value)) >> 16);
  else if constexpr (is_brain<R>)
    return BFloat16(static_cast<float>(value)).bits;
  else
    return static_cast<Stored<R>>(value);
}

template <class T>
constexpr bool is_complex_type = std::is_same_v<T, c64> || std::is_same_v<T, c128>;

// Unsigned type in which integer arithmetic wraps around without undefined behaviour.
template <class T>
using Wrapping =
    std::conditional_t<(sizeof(T) < 4), uint32_t,
                       std::make_unsigned_t<std::conditional_t<
                           std::is_integral_v<T> && !std::is_same_v<T, bool>, T, int>>>;

template <auto F>
struct Plain {
  template <class T>
  auto operator()(const double*) const {
    return F;
  }
};
template <auto Make, class T>
auto make(const double* c) {
  return Make.template operator()<T>(c);
}

template <auto Make, class T, class R>
void loop1(char* const* p, int64_t n, const double* c) {
  const auto f = make<Make, Computed<T>>(c);
  auto* out = reinterpret_cast<Stored<R>*>(p[0]);
  const auto* a = reinterpret_cast<const Stored<T>*>(p[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = stored<R>(f(load<T>(a[i])));
}

// out[i] = f(i) for i < n; T: what f computes in.
template <class T, class Out, class F>
inline void fill_row(Out* out, int64_t n, F f) {
  if constexpr (std::is_integral_v<T>) {  // an integer division by zero throws: not out of omp simd
#pragma GCC ivdep
    for (int64_t i = 0; i < n; ++i) out[i] = f(i);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = f(i);
  }
}

template <auto Make, class T, class R>
void loop2(char* const* p, int64_t n, const double* c) {
  const auto f = make<Make, Computed<T>>(c);
  const auto* a = reinterpret_cast<const Stored<T>*>(p[1]);
  const auto* b = reinterpret_cast<const Stored<T>*>(p[2]);
  fill_row<T>(reinterpret_cast<Stored<R>*>(p[0]), n,
              [&](int64_t i) { return stored<R>(f(load<T>(a[i]), load<T>(b[i]))); });
}

template <auto Make, class T, class R>
void grid2(char* const* p, const Grid& g, const double* c) {
  const auto f = make<Make, Computed<T>>(c);
  for (int64_t row = 0; row < g.rows; ++row) {
    auto* out = reinterpret_cast<Stored<R>*>(p[0] + row * g.step[0]);
    const auto* a = reinterpret_cast<const Stored<T>*>(p[1] + row * g.step[1]);
    const auto* b = reinterpret_cast<const Stored<T>*>(p[2] + row * g.step[2]);
    if (g.held & 2) {
      const auto x = load<T>(*a);
      fill_row<T>(out, g.columns, [&](int64_t i) { return stored<R>(f(x, load<T>(b[i]))); });
    } else if (g.held & 4) {
      const auto y = load<T>(*b);
      fill_row<T>(out, g.columns, [&](int64_t i) { return stored<R>(f(load<T>(a[i]), y)); });
    } else {
      fill_row<T>(out, g.columns,
                  [&](int64_t i) { return stored<R>(f(load<T>(a[i]), load<T>(b[i]))); });
    }
  }
}
template <auto Make, class T, class R>
void one_row(char* const* p, int64_t n, const double* c) {
  grid2<Make, T, R>(p, Grid{1, n, {}, 0}, c);
}

template <auto Make, class T, class R>
void loop3(char* const* p, int64_t n, const double* c) {
  const auto f = make<Make, Computed<T>>(c);
  auto* out = reinterpret_cast<Stored<R>*>(p[0]);
  const auto* a = reinterpret_cast<const Stored<T>*>(p[1]);
  const auto* b = reinterpret_cast<const Stored<T>*>(p[2]);
  const auto* d = reinterpret_cast<const Stored<T>*>(p[3]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i)
    out[i] = stored<R>(f(load<T>(a[i]), load<T>(b[i]), load<T>(d[i])));
}

template <class T>
constexpr DType element_dtype() {
  if constexpr (is_brain<T>)
    return DType::BF16;
  else
    return dtype_of<T>::value;
}

template <class T, class R>
void add_loop(const char* name, LoopFn fn, double cost) {
  register_loop(name, RL_LEVEL, element_dtype<T>(), element_dtype<R>(), fn, cost);
}

// Nanoseconds for an element, in the second-level cache with AVX-512: 0.01 for each byte that is
// read or written, or `cost` where the arithmetic takes longer: that of floats, where doubles take
// some two and a half times as long.
template <int Inputs, class T, class R>
constexpr double loop_cost(double cost) {
  const double rounding = is_brain<R> || std::is_same_v<R, BFloat16> ? 0.06 : 0;
  const double moving = 0.01 * (Inputs * sizeof(Stored<T>) + sizeof(Stored<R>));
  return std::max(moving, std::is_same_v<T, double> ? 2.5 * cost : cost) + rounding;
}

template <auto Make, class R = Same, class... Ts>
void unary_with(const char* name, Types<Ts...>, double cost = 0) {
  (add_loop<Ts, Result<R, Ts>>(name, loop1<Make, Ts, Result<R, Ts>>,
                               loop_cost<1, Ts, Result<R, Ts>>(cost)),
   ...);
}
template <auto Make, class R = Same, class... Ts>
void binary_with(const char* name, Types<Ts...>, double cost = 0) {
  (add_loop<Ts, Result<R, Ts>>(name, loop2<Make, Ts, Result<R, Ts>>,
                               loop_cost<2, Ts, Result<R, Ts>>(cost)),
   ...);
}
template <auto Make, class R = Same, class... Ts>
void grid_with(const char* name, Types<Ts...>) {
  (register_grid(name, RL_LEVEL, element_dtype<Ts>(), element_dtype<Result<R, Ts>>(),
                 one_row<Make, Ts, Result<R, Ts>>, grid2<Make, Ts, Result<R, Ts>>,
                 loop_cost<2, Ts, Result<R, Ts>>(0)),
   ...);
}
template <auto Make, class R = Same, class... Ts>
void ternary_with(const char* name, Types<Ts...>, double cost = 0) {
  (add_loop<Ts, Result<R, Ts>>(name, loop3<Make, Ts, Result<R, Ts>>,
                               loop_cost<3, Ts, Result<R, Ts>>(cost)),
   ...);
}
template <auto F, class R = Same, class List>
void unary(const char* name, List list, double cost = 0) {
  unary_with<Plain<F>{}, R>(name, list, cost);
}
template <auto F, class R = Same, class List>
void binary(const char* name, List list, double cost = 0) {
  binary_with<Plain<F>{}, R>(name, list, cost);
}
template <auto F, class R = Same, class List>
void grid(const char* name, List list) {
  grid_with<Plain<F>{}, R>(name, list);
}
template <auto F, class R = Same, class List>
void ternary(const char* name, List list, double cost = 0) {
  ternary_with<Plain<F>{}, R>(name, list, cost);
}

// The bits of bfloat16 elements, some kept and then some turned: signs are no arithmetic.
template <uint16_t Kept, uint16_t Turned>
void half_signs(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<uint16_t*>(p[0]);
  const auto* a = reinterpret_cast<const uint16_t*>(p[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<uint16_t>((a[i] & Kept) ^ Turned);
}

// -- arithmetic that is defined for every element type --------------------------------------
template <class T>
inline T add_values(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a | b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrapping<T>>(a) + static_cast<Wrapping<T>>(b));
  else
    return a + b;
}
template <class T>
inline T sub_values(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrapping<T>>(a) - static_cast<Wrapping<T>>(b));
  else
    return a - b;
}
template <class T>
inline T mul_values(T a, T b) {
  if constexpr (std::is_same_v<T, bool>)
    return a & b;
  else if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<Wrapping<T>>(a) * static_cast<Wrapping<T>>(b));
  else if constexpr (is_complex_type<T>)
    return T(a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real());
  else
    return a * b;
}
// Complex division scaled by the larger part of the divisor (Smith 1962).
template <class T>
inline T div_values(T a, T b) {
  if constexpr (is_complex_type<T>) {
    using F = typename T::value_type;
    const F c = b.real(), d = b.imag();
    if (c == 0 && d == 0) return T(a.real() / std::fabs(c), a.imag() / std::fabs(c));
    if (std::fabs(c) >= std::fabs(d)) {
      const F r = d / c, s = 1 / (c + d * r);
      return T((a.real() + a.imag() * r) * s, (a.imag() - a.real() * r) * s);
    }
    const F r = c / d, s = 1 / (d + c * r);
    return T((a.real() * r + a.imag()) * s, (a.imag() * r - a.real()) * s);
  } else {
    return static_cast<T>(a / b);
  }
}

}  // namespace
}  // namespace rl
