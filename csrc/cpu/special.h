// Special functions of one real, in double precision.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "special_fits.h"
#include "vecmath.h"

namespace rl {
namespace {

// log(x) of a normal x > 0 to 1e-10, for results that are rounded to floats.
inline double log_short(double x) {
  const int64_t bits = std::bit_cast<int64_t>(x);
  const int64_t exponent = (bits - std::bit_cast<int64_t>(0.70710678118654752)) >> 52;
  const double f = std::bit_cast<double>(bits - exponent * (int64_t{1} << 52)) - 1;
  const double n = std::bit_cast<double>(exponent + std::bit_cast<int64_t>(0x1.8p52)) - 0x1.8p52;
  const double rest =
      polynomial_at(kLog1pRest, centered(f, -0.29289321881345248, 0.41421356237309505));
  return n * 0.693147180559945309 + (f + f * f * rest);
}

// The inverse of erf at x, of which w = -log(1 - x^2) is known, to 5e-9: for floats, without
// branches.
inline double inverse_erf_fit(double x, double w) {
  const double root = std::sqrt(w);
  const double low = polynomial_at(kInverseErfLow, centered(w, 0, 6));
  const double middle = polynomial_at(kInverseErfMiddle, centered(root, 2.4, 4.5));
  const double high = polynomial_at(kInverseErfHigh, centered(root, 4.4, 10.4));
  const double ratio = w < 6 ? low : root < 4.45 ? middle : high;
  return x * ratio;
}
// The fit, then a step of Halley's iteration on erfc, whose error shrinks with its third power.
inline double inverse_erf(double y) {
  const double a = std::fabs(y);
  if (!(a < 1))
    return a == 1 ? std::copysign(std::numeric_limits<double>::infinity(), y)
                  : std::numeric_limits<double>::quiet_NaN();
  constexpr double kHalfRootPi = 0.88622692545275801365;
  if (a < 1e-8) return y * kHalfRootPi;
  double x = inverse_erf_fit(a, -std::log((1 - a) * (1 + a)));
  const double error = a < 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x);
  const double step = error * kHalfRootPi * std::exp(x * x);
  x -= step / (1 + x * step);
  return std::copysign(x, y);
}
inline float inverse_erf(float y) {
  const double x = y, got = inverse_erf_fit(x, -vlog((1 - x) * (1 + x)));
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return static_cast<float>(y == 1 ? kInf : y == -1 ? -kInf : got);
}

// log |gamma(x)|. The re-entrant form: the plain one writes a global sign.
inline double log_gamma(double x) {
#if defined(__GLIBC__) || defined(__APPLE__)
  int sign;
  return ::lgamma_r(x, &sign);
#else
  return std::lgamma(x);
#endif
}

// The derivative of log gamma about its positive zero, by Taylor's series for |d| <= 1/4, where
// `d` is the distance from the zero (1.46..., to twice double precision).
inline double digamma_near_zero(double x) {
  static constexpr double kZero = 1.4616321449683622, kRest = 9.5499954299656977152e-17;
  static constexpr double kTerms[] = {
      0.96767224544762117,     -0.442763168983592106,   0.258499760955651011,
      -0.163942705442406528,   0.107824050691262366,    -0.0721995612564547109,
      0.0488042881641431072,   -0.0331611264748473593,  0.0225976482322181047,
      -0.0154247659049489591,  0.0105387916166121754,   -0.00720453438635686824,
      0.00492678139572985345,  -0.00336980165543932808, 0.00230512632673492784,
      -0.00157693677143019726, 0.00107882520191629658,  -0.00073807093899600513,
      0.000504953265834602035, -0.0003454680251063077,  0.000236356015640270528,
      -0.000161706220919748034};
  const double d = (x - kZero) - kRest;
  double sum = 0;
  for (int k = 21; k >= 0; --k) sum = sum * d + kTerms[k];
  return sum * d;
}

// The derivative of log gamma: reflection below zero, recurrence up to 10, then the asymptotic
// series with Bernoulli numbers (Abramowitz and Stegun 6.3.18).
inline double digamma(double x) {
  if (std::fabs(x - 1.46) < 0.25) return digamma_near_zero(x);
  if (x == 0) return std::copysign(std::numeric_limits<double>::infinity(), -x);
  double result = 0;
  if (x < 0) {
    const double whole = std::nearbyint(x);
    if (x == whole) return std::numeric_limits<double>::quiet_NaN();
    constexpr double kPi = 3.14159265358979323846;
    result = -kPi / std::tan(kPi * (x - whole));
    x = 1 - x;
  }
  for (; x < 10; x += 1) result -= 1 / x;
  const double z = 1 / (x * x);
  double series = 1.0 / 12;
  series = series * z - 691.0 / 32760;
  series = series * z + 1.0 / 132;
  series = series * z - 1.0 / 240;
  series = series * z + 1.0 / 252;
  series = series * z - 1.0 / 120;
  series = series * z + 1.0 / 12;
  return result + std::log(x) - 0.5 / x - z * series;
}

// Hurwitz's zeta function for s > 1, the sum over k >= 0 of (q + k)^-s: terms up to q + k >= 10 +
// s, then the Euler-Maclaurin formula with Bernoulli numbers (B_2j / (2j)! below).
inline double hurwitz_sum(double s, double q) {
  double sum = 0;
  for (const double enough = 10 + s; q < enough; q += 1) {
    const double term = std::pow(q, -s);
    sum += term;
    if (q > 0 && !(term >= std::fabs(sum) * 1e-17 / (1 + q) && term > 0)) return sum;
  }
  const double power = std::pow(q, -s);
  if (power == 0) return sum + std::pow(q, 1 - s) / (s - 1);
  sum += power * q / (s - 1) + power / 2;
  static constexpr double kBernoulli[] = {1.0 / 12,           -1.0 / 720,
                                          1.0 / 30240,        -1.0 / 1209600,
                                          1.0 / 47900160,     -691.0 / 1307674368000.0,
                                          1.0 / 74724249600.0};
  double factor = s, falling = power / q;
  for (int j = 0; j < 7; ++j) {
    sum += kBernoulli[j] * factor * falling;
    factor *= (s + 2 * j + 1) * (s + 2 * j + 2);
    falling /= q * q;
  }
  return sum;
}

// The same with PyTorch's answers at the edges. Far below zero, where s is whole, the terms before
// the pole and those behind it are sums of their own: q = r - m with 0 < r < 1.
inline double hurwitz_zeta(double s, double q) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (s == 1) return kInf;
  if (s < 1) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNan;  // a negative number to a fractional power
  }
  if (s != s || std::isinf(q) || (std::isinf(s) && q > 1)) return kNan;
  if (q > -20) return hurwitz_sum(s, q);
  const double m = std::ceil(-q), r = q + m, before = hurwitz_sum(s, 1 - r);
  const double sign = std::fmod(s, 2) == 0 ? 1 : -1;
  return sign * (before - hurwitz_sum(s, 1 - r + m)) + hurwitz_sum(s, r);
}

// The second derivative of log gamma: reflection, recurrence up to 12, the asymptotic series
// (Abramowitz and Stegun 6.4.7, 6.4.6, 6.4.12).
inline double trigamma(double x) {
  if (std::isinf(x)) return x > 0 ? 0 : std::numeric_limits<double>::quiet_NaN();
  if (x < 0.5) {
    constexpr double kPi = 3.14159265358979323846;
    const double ratio = kPi / std::sin(kPi * (x - std::nearbyint(x)));
    return ratio * ratio - trigamma(1 - x);
  }
  double sum = 0;
  for (; x < 12; x += 1) sum += 1 / (x * x);
  const double u = 1 / x, z = u * u;
  double series = 7.0 / 6;
  series = series * z - 691.0 / 2730;
  series = series * z + 5.0 / 66;
  series = series * z - 1.0 / 30;
  series = series * z + 1.0 / 42;
  series = series * z - 1.0 / 30;
  series = series * z + 1.0 / 6;
  return sum + (u + z / 2 + u * z * series);
}

// (-1)^(n+1) n! zeta(n + 1, x): the derivatives of digamma.
inline double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  if (n == 1) return trigamma(x);
  const double size = std::tgamma(n + 1) * hurwitz_zeta(n + 1, x);
  return std::fmod(n, 2) == 0 ? -size : size;
}

}  // namespace
}  // namespace rl
