// The normal distribution, the scaled complementary error function and the incomplete gamma
// functions, in double precision.
#pragma once
#include <cmath>
#include <limits>

#include "special.h"

namespace rl {
namespace {

// exp(x^2) erfc(x): the product up to 10, the asymptotic series beyond (DLMF 7.12.1).
inline double erfcx(double x) {
  if (x < 10) {
    const double square = x * x, rest = std::fma(x, x, -square);
    const double e = std::exp(square);
    return std::isinf(e) ? e : (e + e * rest) * std::erfc(x);
  }
  const double z = 0.5 / (x * x);
  double term = 1, sum = 1;
  for (int k = 1; k < 20 && std::fabs(term) > 1e-18; ++k) {
    term *= -(2 * k - 1) * z;
    sum += term;
  }
  return sum * 0.56418958354775628695 / x;
}

constexpr double kSqrtHalf = 0.70710678118654752440;

inline double normal_log_cdf(double x) {
  if (x < -1) return std::log(erfcx(-x * kSqrtHalf) / 2) - x * x / 2;
  return std::log1p(-std::erfc(x * kSqrtHalf) / 2);
}

// The quantile: a rational start (Abramowitz and Stegun 26.2.23), then Halley's iteration on the
// smaller tail, which keeps its relative accuracy.
inline double normal_quantile(double p) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (!(p > 0 && p < 1))
    return p == 0 ? -kInf : p == 1 ? kInf : std::numeric_limits<double>::quiet_NaN();
  const double tail = p < 0.5 ? p : 1 - p;
  const double t = std::sqrt(-2 * std::log(tail));
  double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                     (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
  for (int i = 0; i < 3; ++i) {
    const double q = std::erfc(x * kSqrtHalf) / 2;
    const double step = (q - tail) / (0.39894228040143267794 * std::exp(-x * x / 2));
    x += step / (1 + x * step / 2);
  }
  return p < 0.5 ? -x : x;
}

// x^a e^-x / gamma(a). For large a the logarithms nearly cancel: then by Stirling's series about
// x = a, with log1p of the relative distance.
inline double gamma_density(double a, double x) {
  if (a < 20) return std::exp(a * std::log(x) - x - log_gamma(a));
  const double d = (x - a) / a, inverse = 1 / a, z = inverse * inverse;
  const double exponent = std::fabs(d) < 0.5 ? std::log1p(d) - d : std::log(x / a) - d;
  const double stirling = inverse * (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z / 1680)));
  return std::exp(a * exponent - stirling) * std::sqrt(a / 6.28318530717958647693);
}

// The lower part by its series (x < a + 1), and the upper part by Lentz's continued fraction
// (DLMF 8.11.4, 8.9.2).
inline double gamma_lower_series(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < 100000 && term > sum * 1e-17; ++n) {
    term *= x / (a + n);
    sum += term;
  }
  return sum * gamma_density(a, x);
}
inline double gamma_upper_fraction(double a, double x) {
  constexpr double kTiny = 1e-300;
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, h = d;
  for (int n = 1; n < 100000; ++n) {
    const double an = -n * (n - a);
    b += 2;
    d = an * d + b;
    if (std::fabs(d) < kTiny) d = kTiny;
    c = b + an / c;
    if (std::fabs(c) < kTiny) c = kTiny;
    d = 1 / d;
    const double factor = d * c;
    h *= factor;
    if (std::fabs(factor - 1) < 1e-16) break;
  }
  return h * gamma_density(a, x);
}

// The regularised incomplete gamma function, its upper or lower part.
inline double incomplete_gamma(double a, double x, bool upper) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (!(a >= 0) || !(x >= 0)) return kNan;
  const double none = upper ? 1 : 0, all = upper ? 0 : 1;
  if (a == 0) return x > 0 ? all : kNan;
  if (x == 0) return none;
  if (a == kInf) return x == kInf ? kNan : none;
  if (x == kInf) return all;
  if (x < a + 1) {
    const double lower = gamma_lower_series(a, x);
    return upper ? 1 - lower : lower;
  }
  const double above = gamma_upper_fraction(a, x);
  return upper ? above : 1 - above;
}

}  // namespace
}  // namespace rl
