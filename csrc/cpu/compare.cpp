// Comparisons and tests of single elements: any type in, bool out, one pass.
#include <cmath>

#include "loops.h"

namespace rl {
namespace {

template <class T>
inline bool truth(T x) {
  return x != T(0);
}

template <class T>
inline bool nan(T x) {
  if constexpr (is_complex_type<T>)
    return x.real() != x.real() || x.imag() != x.imag();
  else
    return x != x;
}
template <class T>
inline bool infinite(T x) {
  if constexpr (is_complex_type<T>)
    return infinite(x.real()) || infinite(x.imag());
  else if constexpr (std::is_floating_point_v<T>)
    return std::fabs(x) == std::numeric_limits<T>::infinity();
  else
    return false;
}
template <class T>
inline bool finite(T x) {
  if constexpr (is_complex_type<T>)
    return finite(x.real()) && finite(x.imag());
  else if constexpr (std::is_floating_point_v<T>)
    return std::fabs(x) <= std::numeric_limits<T>::max();
  else
    return true;
}
template <class T>
inline double magnitude(T x) {
  if constexpr (is_complex_type<T>)
    return std::abs(c128(x));
  else
    return std::fabs(static_cast<double>(x));
}

// |a - b| <= atol + |rtol b|; infinities only equal themselves.
template <class T>
inline bool close(T a, T b, double rtol, double atol, bool equal_nan) {
  if (a == b) return true;
  if (nan(a) || nan(b)) return equal_nan && nan(a) && nan(b);
  if (!finite(a) || !finite(b)) return false;
  double difference;
  if constexpr (std::is_integral_v<T>)
    difference = std::fabs(static_cast<double>(a) - static_cast<double>(b));
  else
    difference = magnitude(a - b);
  return difference <= atol + std::fabs(rtol) * magnitude(b);
}

void register_orders() {
  grid<[](auto a, auto b) { return a == b; }, bool>("eq", Everything{});
  grid<[](auto a, auto b) { return a != b; }, bool>("ne", Everything{});
  grid<[](auto a, auto b) { return a < b; }, bool>("lt", AllReal{});
  grid<[](auto a, auto b) { return a <= b; }, bool>("le", AllReal{});
  grid<[](auto a, auto b) { return (a > b); }, bool>("gt", AllReal{});
  grid<[](auto a, auto b) { return (a >= b); }, bool>("ge", AllReal{});
}

void register_tests() {
  unary<[](auto x) { return nan(x); }, bool>("isnan", Everything{});
  unary<[](auto x) { return infinite(x); }, bool>("isinf", Everything{});
  unary<[](auto x) { return finite(x); }, bool>("isfinite", Everything{});
  unary<[](auto x) { return infinite(x) && (x > 0); }, bool>("isposinf", AllReal{});
  unary<[](auto x) { return infinite(x) && x < decltype(x)(0); }, bool>("isneginf", AllReal{});
  unary<[](auto x) { return x.imag() == 0; }, bool>("isreal", Complexes{});
  unary<[](auto) { return true; }, bool>("isreal", AllReal{});
  unary<[](auto x) { return std::signbit(x); }, bool>("signbit", Reals{}, 0.1);
  unary<[](auto x) { return x < decltype(x)(0); }, bool>("signbit", BoolsIntegers{});
  constexpr auto closeness = []<class T>(const double* c) {
    const double rtol = c[0], atol = c[1];
    const bool equal_nan = c[2] != 0;
    return [=](T a, T b) { return close(a, b, rtol, atol, equal_nan); };
  };
  binary_with<closeness, bool>("isclose", BoolsIntegers{}, 0.3);
  binary_with<closeness, bool>("isclose", Reals{}, 0.5);
  binary_with<closeness, bool>("isclose", Complexes{}, 14);
}

void register_logic() {
  binary<[](auto a, auto b) { return truth(a) & truth(b); }, bool>("logical_and", Everything{});
  binary<[](auto a, auto b) { return truth(a) | truth(b); }, bool>("logical_or", Everything{});
  binary<[](auto a, auto b) { return truth(a) != truth(b); }, bool>("logical_xor", Everything{});
  unary<[](auto a) { return !truth(a); }, bool>("logical_not", Everything{});
}

const struct Registrar {
  Registrar() {
    register_orders();
    register_tests();
    register_logic();
  }
} registrar;

}  // namespace
}  // namespace rl
