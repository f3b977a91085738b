// Elementary functions, element by element: one pass. Real types vectorise (vecmath.h: at most
// 4 ULP); complex ones go through the C++ library.
#include "loops.h"
#include "special.h"
#include "vecmath.h"

namespace rl {
namespace {

constexpr double kPi = 3.14159265358979323846, kLn2 = 0.693147180559945309417;

template <class T>
using Part = typename T::value_type;

// -- complex functions that <complex> lacks ----------------------------------------------------
template <class T>
inline T complex_expm1(T z) {
  const Part<T> s = std::sin(z.imag() / 2), e = std::expm1(z.real());
  return T(e * std::cos(z.imag()) - 2 * s * s, (e + 1) * std::sin(z.imag()));
}
template <class T>
inline T complex_log1p(T z) {
  const Part<T> x = z.real(), y = z.imag();
  if (!(std::fabs(x) < 1e4) || !(std::fabs(y) < 1e4)) return std::log(T(1) + z);
  return T(std::log1p(x * (2 + x) + y * y) / 2, std::atan2(y, 1 + x));
}
template <class T>
inline T complex_sinc(T z) {
  if (z == T(0)) return T(1);
  const T t = z * static_cast<Part<T>>(kPi);
  return div_values(std::sin(t), t);
}
template <class T>
inline T complex_sigmoid(T z) {
  return div_values(T(1), T(1) + std::exp(-z));
}

void register_exponentials() {
  unary<[](auto x) { return vexp(x); }>("exp", Reals{}, 0.29);
  unary<[](auto x) { return std::exp(x); }>("exp", Complexes{}, 14);
  unary<[](auto x) { return vexp2(x); }>("exp2", Reals{}, 0.26);
  unary<[]<class T>(T x) { return std::exp(x * static_cast<Part<T>>(kLn2)); }>("exp2", Complexes{},
                                                                               20);
  unary<[](auto x) { return vexpm1(x); }>("expm1", Reals{}, 0.35);
  unary<[](auto x) { return complex_expm1(x); }>("expm1", Complexes{}, 15);
  unary<[](auto x) { return vlog(x); }>("log", Reals{}, 0.42);
  unary<[](auto x) { return std::log(x); }>("log", Complexes{}, 44);
  unary<[](auto x) { return vlog2(x); }>("log2", Reals{}, 0.44);
  unary<[]<class T>(T x) { return std::log(x) / static_cast<Part<T>>(kLn2); }>("log2", Complexes{},
                                                                               44);
  unary<[](auto x) { return vlog10(x); }>("log10", Reals{}, 0.43);
  unary<[](auto x) { return std::log10(x); }>("log10", Complexes{}, 44);
  unary<[](auto x) { return vlog1p(x); }>("log1p", Reals{}, 0.5);
  unary<[](auto x) { return complex_log1p(x); }>("log1p", Complexes{}, 19);
  unary<[](auto x) { return vsigmoid(x); }>("sigmoid", Reals{}, 0.35);
  unary<[](auto x) { return complex_sigmoid(x); }>("sigmoid", Types<c128>{}, 19);
}

void register_circular() {
  unary<[](auto x) { return vsin(x); }>("sin", Reals{}, 0.3);
  unary<[](auto x) { return std::sin(x); }>("sin", Complexes{}, 26);
  unary<[](auto x) { return vcos(x); }>("cos", Reals{}, 0.3);
  unary<[](auto x) { return std::cos(x); }>("cos", Complexes{}, 30);
  unary<[](auto x) { return vtan(x); }>("tan", Reals{}, 0.4);
  unary<[](auto x) { return std::tan(x); }>("tan", Complexes{}, 29);
  unary<[](auto x) { return vasin(x); }>("asin", Reals{}, 0.4);
  unary<[](auto x) { return std::asin(x); }>("asin", Types<c128>{}, 52);
  unary<[](auto x) { return vacos(x); }>("acos", Reals{}, 0.4);
  unary<[](auto x) { return std::acos(x); }>("acos", Types<c128>{}, 51);
  unary<[](auto x) { return vatan(x); }>("atan", Reals{}, 0.6);
  unary<[](auto x) { return std::atan(x); }>("atan", Types<c128>{}, 77);
  binary<[](auto y, auto x) { return vatan2(y, x); }>("atan2", Reals{}, 0.6);
  unary<[]<class T>(T x) {
    const T whole = std::nearbyint(x), sine = vsin(static_cast<T>(kPi) * (x - whole));
    const bool odd = whole - 2 * std::nearbyint(whole / 2) != 0;
    return x == 0 ? T(1) : (odd ? -sine : sine) / (static_cast<T>(kPi) * x);
  }>("sinc", Reals{}, 0.5);
  unary<[](auto x) { return complex_sinc(x); }>("sinc", Complexes{}, 45);
}

void register_hyperbolic() {
  unary<[](auto x) { return vsinh(x); }>("sinh", Reals{}, 0.7);
  unary<[](auto x) { return std::sinh(x); }>("sinh", Complexes{}, 26);
  unary<[](auto x) { return vcosh(x); }>("cosh", Reals{}, 0.33);
  unary<[](auto x) { return std::cosh(x); }>("cosh", Complexes{}, 26);
  unary<[](auto x) { return vtanh(x); }>("tanh", Reals{}, 0.45);
  unary<[](auto x) { return std::tanh(x); }>("tanh", Complexes{}, 28);
  unary<[](auto x) { return vasinh(x); }>("asinh", Reals{}, 0.7);
  unary<[](auto x) { return std::asinh(x); }>("asinh", Complexes{}, 65);
  unary<[](auto x) { return vacosh(x); }>("acosh", Reals{}, 0.7);
  unary<[](auto x) { return std::acosh(x); }>("acosh", Types<c128>{}, 50);
  unary<[](auto x) { return vatanh(x); }>("atanh", Reals{}, 0.5);
  unary<[](auto x) { return std::atanh(x); }>("atanh", Complexes{}, 45);
}

// Scaled by powers of two where squares leave the range.
inline double hypotenuse(double a, double b) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double x = std::fabs(a), y = std::fabs(b), most = x > y ? x : y;
  const bool huge = most > 0x1p500, tiny = most < 0x1p-450;
  const double scale = huge ? 0x1p-600 : tiny ? 0x1p600 : 1;
  const double u = x * scale, v = y * scale;
  const double r = std::sqrt(u * u + v * v) * (huge ? 0x1p600 : tiny ? 0x1p-600 : 1);
  return x == kInf || y == kInf ? kInf : r;
}

void register_roots() {
  unary<[](auto x) { return std::sqrt(x); }>("sqrt", RealsRounded{}, 0.17);
  unary<[](auto x) { return std::sqrt(x); }>("sqrt", Complexes{}, 13);
  unary<[](auto x) { return 1 / std::sqrt(x); }>("rsqrt", RealsRounded{}, 0.27);
  unary<[]<class T>(T x) { return div_values(T(1), std::sqrt(x)); }>("rsqrt", Complexes{}, 19);
  // Squares of floats neither overflow nor vanish in double.
  binary<[](float a, float b) {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    const double x = a, y = b;
    const float r = static_cast<float>(std::sqrt(x * x + y * y));
    return std::fabs(a) == kInf || std::fabs(b) == kInf ? kInf : r;
  }>("hypot", Types<float>{}, 0.55);
  binary<[](double a, double b) { return hypotenuse(a, b); }>("hypot", Types<double>{}, 0.8);
}

// Reads "nothing given" (NaN) of the parameter eps as no clamping. About 1/2, where the quotient is
// about 1, the logarithm of what it rounds to is mended by the quotient of the true difference and
// the rounded one.
template <class T>
auto make_logit(const double* c) {
  const bool clamped = c[0] == c[0];
  const T low = clamped ? static_cast<T>(c[0]) : -std::numeric_limits<T>::infinity();
  const T high = clamped ? 1 - static_cast<T>(c[0]) : std::numeric_limits<T>::infinity();
  return [=](T x) {
    const T z = x < low ? low : x > high ? high : x;
    const bool near = z > T(0.3) && z < T(0.65);
    const T quotient = (near ? 2 * z - 1 : z) / (1 - z), u = near ? 1 + quotient : quotient;
    const T rounded = u - 1, logarithm = vlog(u);
    return !near ? logarithm : rounded == 0 ? quotient : logarithm * (quotient / rounded);
  };
}

template <class T>
inline T log_add(T a, T b) {
  constexpr T kInf = std::numeric_limits<T>::infinity();
  const T top = a != a || a > b ? a : b;
  const T y = top + vlog1p(vexp(-std::fabs(a - b)));
  return a == b && std::fabs(a) == kInf ? a : y;
}
template <class T>
inline T log_add2(T a, T b) {
  constexpr T kInf = std::numeric_limits<T>::infinity();
  const T top = a != a || a > b ? a : b;
  const T y = top + vlog1p(vexp2(-std::fabs(a - b))) * static_cast<T>(1 / kLn2);
  return a == b && std::fabs(a) == kInf ? a : y;
}
template <class T>
inline T complex_log_add(T a, T b) {
  const bool less = a.real() < b.real() || a.real() != a.real();
  const T top = less ? b : a, bottom = less ? a : b;
  if (std::isinf(top.real()) && top.real() == bottom.real()) {
    return top.real() < 0 ? bottom : std::log(std::exp(bottom) + std::exp(top));
  }
  return top + complex_log1p(std::exp(bottom - top));
}

void register_logarithmic() {
  unary_with<[]<class T>(const double* c) { return make_logit<T>(c); }>("logit", Reals{}, 1);
  binary<[](auto a, auto b) { return log_add(a, b); }>("logaddexp", Reals{}, 1.2);
  binary<[](auto a, auto b) { return complex_log_add(a, b); }>("logaddexp", Complexes{}, 50);
  binary<[](auto a, auto b) { return log_add2(a, b); }>("logaddexp2", Reals{}, 1.1);
  binary<[]<class T>(T x, T y) {
    const T product = x * vlog(y);
    return y != y ? y : x == 0 ? T(0) : product;
  }>("xlogy", Reals{}, 0.5);
  binary<[](auto x, auto e) { return x * vexp2(e); }>("ldexp", Reals{}, 0.28);
  binary<[]<class T>(T x, T e) { return mul_values(x, std::exp(e * static_cast<Part<T>>(kLn2))); }>(
      "ldexp", Complexes{}, 22);
}

void register_special() {
  unary<[](auto x) { return verf(x); }>("erf", Reals{}, 0.53);
  unary<[](float x) {  // libmvec takes one by one what vanishes, as 0 does here
    const float limited = (x > 10.054f) ? 10.054f : x, one = (x > 10.0541945f) ? 0.0f : 1.0f;
    return verfc(limited) * one;
  }>("erfc", Types<float>{}, 1);
  unary<[](double x) { return verfc(x); }>("erfc", Types<double>{}, 0.8);
}

const struct Registrar {
  Registrar() {
    register_exponentials();
    register_circular();
    register_hyperbolic();
    register_roots();
    register_logarithmic();
    register_special();
  }
} registrar;

}  // namespace
}  // namespace rl
