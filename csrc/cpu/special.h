// Special functions of one real, in double precision.
#pragma once
#include <cmath>
#include <limits>

namespace rl {
namespace {

// The inverse of erf: Winitzki's approximation (2008), then Halley's iteration on erfc, whose
// error shrinks with its third power. Relative error below 1e-15.
inline double inverse_erf(double y) {
  const double a = std::fabs(y);
  if (!(a < 1))
    return a == 1 ? std::copysign(std::numeric_limits<double>::infinity(), y)
                  : std::numeric_limits<double>::quiet_NaN();
  constexpr double kHalfRootPi = 0.88622692545275801365, kShape = 0.147;
  if (a < 1e-8) return y * kHalfRootPi;
  const double l = std::log1p(-a * a), t = 2 / (3.14159265358979323846 * kShape) + l / 2;
  double x = std::sqrt(std::sqrt(t * t - l / kShape) - t);
  for (int i = 0; i < 3; ++i) {
    const double error = a < 0.5 ? std::erf(x) - a : (1 - a) - std::erfc(x);
    const double step = error * kHalfRootPi * std::exp(x * x);
    x -= step / (1 + x * step);
  }
  return std::copysign(x, y);
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

// The derivative of log gamma: reflection below zero, recurrence up to 10, then the asymptotic
// series with Bernoulli numbers (Abramowitz and Stegun 6.3.18).
inline double digamma(double x) {
  if (x == 0) return std::copysign(std::numeric_limits<double>::infinity(), -x);
  double result = 0;
  if (x < 0) {
    const double whole = std::trunc(x);
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

// Hurwitz's zeta function, the sum over k >= 0 of (q + k)^-s: terms up to q + k >= 10 + s, then the
// Euler-Maclaurin formula with Bernoulli numbers (B_2j / (2j)! below).
inline double hurwitz_zeta(double s, double q) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (s == 1) return kInf;
  if (!(s > 1)) return kNan;
  if (q <= 0) {
    if (q == std::floor(q)) return kInf;
    if (s != std::floor(s)) return kNan;  // a negative number to a fractional power
  }
  double sum = 0;
  if (q < -1e4) return kNan;
  for (const double enough = 10 + s; q < enough; q += 1) {
    const double term = std::pow(q, -s);
    sum += term;
    if (q > 0 && !(term >= std::fabs(sum) * 1e-17 / (1 + q) && term > 0)) return sum;
  }
  const double power = std::pow(q, -s);
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

// (-1)^(n+1) n! zeta(n + 1, x): the derivatives of digamma.
inline double polygamma(double n, double x) {
  if (n == 0) return digamma(x);
  const double size = std::tgamma(n + 1) * hurwitz_zeta(n + 1, x);
  return std::fmod(n, 2) == 0 ? -size : size;
}

}  // namespace
}  // namespace rl
