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

constexpr double kSqrtHalf = 0.70710678118654752440, kSqrtHalfRest = -4.8336466567264565e-17;

// erfc(z) / 2 at z = -x / sqrt(2). In the tail the rounding of z, times z, would be the error.
inline double normal_cdf(double x) {
  const double z = -x * kSqrtHalf, half = verfc(z) / 2;
  const double rest = std::fma(-x, kSqrtHalf, -z) - x * kSqrtHalfRest;
  const double mended = half - rest * 0.56418958354775628695 * vexp(-z * z);
  return z > 0.5 && z < 28 ? mended : half;
}

inline double normal_log_cdf(double x) {
  if (x < -1) return std::log(erfcx(-x * kSqrtHalf) / 2) - x * x / 2;
  return std::log1p(-normal_cdf(-x));
}

// The quantile: about the middle by the inverse of erf; elsewhere the fit, or far out a rational
// start (Abramowitz and Stegun 26.2.23) mended by logarithms, then a step of Halley's iteration on
// the smaller tail, which keeps its relative accuracy.
inline double normal_quantile(double p) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (!(p > 0 && p < 1))
    return p == 0 ? -kInf : p == 1 ? kInf : std::numeric_limits<double>::quiet_NaN();
  if (std::fabs(p - 0.5) <= 0.25) return inverse_erf(2 * p - 1) / kSqrtHalf;
  const double tail = p < 0.5 ? p : 1 - p;
  double x;
  if (tail > 1e-44) {
    x = inverse_erf_fit(1 - 2 * tail, -std::log(4 * tail * (1 - tail))) / kSqrtHalf;
  } else {
    const double t = std::sqrt(-2 * std::log(tail));
    x = t - (2.515517 + t * (0.802853 + t * 0.010328)) /
                (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 2; ++i) {  // by logarithms, which hold where the tail is subnormal, too
      const double mills = erfcx(x * kSqrtHalf);
      x += (std::log(mills / 2) - x * x / 2 - std::log(tail)) * mills * 1.25331413731550025121;
    }
    if (tail < 1e-290) return p < 0.5 ? -x : x;
  }
  const double q = std::erfc(x * kSqrtHalf) / 2;
  const double step = (q - tail) / (0.39894228040143267794 * std::exp(-x * x / 2));
  x += step / (1 + x * step / 2);
  return p < 0.5 ? -x : x;
}

// The quantile of a float: with t the smaller tail, 1 - (1 - 2 t)^2 = 4 t (1 - t).
inline float normal_quantile(float probability) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double p = probability, t = p < 0.5 ? p : 1 - p;
  const double size = inverse_erf_fit(1 - 2 * t, -vlog(4 * t * (1 - t))) / kSqrtHalf;
  return static_cast<float>(p == 0 ? -kInf : p == 1 ? kInf : p < 0.5 ? -size : size);
}

// x^a e^-x / gamma(a + 1), in extended precision where there is one: the exponent's rounding is the
// relative error. For large a by Stirling's series about x = a.
inline double gamma_density(double a, double x) {
  using Long = long double;
  if (a < 20)
    return static_cast<double>(std::exp(Long(a) * std::log(Long(x)) - x) /
                               std::tgamma(Long(a) + 1));
  const Long d = (Long(x) - a) / a, inverse = 1 / Long(a), z = inverse * inverse;
  const Long exponent = std::fabs(d) < 0.5L ? std::log1p(d) - d : std::log(Long(x) / a) - d;
  const Long stirling =
      inverse * (1.0L / 12 - z * (1.0L / 360 - z * (1.0L / 1260 - z * (1.0L / 1680 - z / 1188))));
  return static_cast<double>(std::exp(a * exponent - stirling) /
                             std::sqrt(6.28318530717958647693L * a));
}

// The lower part by its series (x < a + 1), and the upper part by Lentz's continued fraction
// (DLMF 8.11.4, 8.9.2).
inline double gamma_lower_series(double a, double x) {
  double term = 1, sum = 1;
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
  return h * a * gamma_density(a, x);
}

// log gamma(1 + a) for 0 <= a < 1, relative to a (Abramowitz and Stegun 6.1.33).
inline double log_gamma_1p(double a) {
  if (a > 0.5) return log_gamma(1 + a);
  static constexpr double kTerms[] = {
      0.322467033424113218,     0.0673523010531980951,    0.0205808084277845479,
      0.00738555102867398527,   0.00289051033074152329,   0.00119275391170326098,
      0.000509669524743042422,  0.00022315475845357938,   0.0000994575127818085337,
      0.0000449262367381331417, 0.0000205072127756706916, 9.4394882752683959e-6,
      4.3748667899074878e-6,    2.03921575380136624e-6,   9.55141213040741983e-7,
      4.49246919876456604e-7,   2.12071848055546659e-7,   1.00432248239680996e-7,
      4.76981016936398057e-8,   2.27110946089431649e-8,   1.08386592148969541e-8};
  double sum = 0;
  for (int k = 20; k >= 0; --k) sum = (k % 2 == 0 ? kTerms[k] : -kTerms[k]) + a * sum;
  return a * (0.42278433509846713939 + a * sum) - std::log1p(a);
}

// The upper part where a and x are small, without the cancellation of 1 - lower (DLMF 8.7.3).
inline double gamma_upper_small(double a, double x) {
  const double power = std::expm1(a * std::log(x) - log_gamma_1p(a));
  double term = 1, sum = 0;
  for (int n = 1; n < 40; ++n) {
    term *= -x / n;
    sum += a * term / (a + n);
    if (std::fabs(term) < 1e-18) break;
  }
  return -(power + (1 + power) * sum);
}

// Either part where a is large and x near it: Temme's expansion (DLMF 8.12.3, 8.12.4, 8.12.7).
inline double gamma_transition(double a, double x, bool upper) {
  static constexpr double kFirst[] = {-1.0 / 3,   1.0 / 12,        -2.0 / 135,  1.0 / 864,
                                      1.0 / 2835, -139.0 / 777600, 1.0 / 25515, -571.0 / 261273600};
  const long double d = (static_cast<long double>(x) - a) / a;
  const long double eta = std::copysign(std::sqrt(2 * (d - std::log1p(d))), d);
  const long double z = eta * std::sqrt(static_cast<long double>(a) / 2);
  const double e = static_cast<double>(eta);
  double first = 0;
  for (int k = 7; k >= 0; --k) first = first * e + kFirst[k];
  const double second = -1.0 / 540 + e * (-1.0 / 288 + e / 378);
  const double rest = static_cast<double>(std::exp(-z * z)) * (first + second / a) /
                      std::sqrt(6.28318530717958647693 * a);
  const double half = static_cast<double>(std::erfc(upper ? z : -z)) / 2;
  return upper ? half + rest : half - rest;
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
  if (a > 1e5 && std::fabs(x - a) < 0.02 * a) return gamma_transition(a, x, upper);
  if (a < 1 && x < 1.1) return upper ? gamma_upper_small(a, x) : gamma_lower_series(a, x);
  if (a >= 1 && x < a + 1) {
    const double lower = gamma_lower_series(a, x);
    return upper ? 1 - lower : lower;
  }
  const double above = gamma_upper_fraction(a, x);
  return upper ? above : 1 - above;
}

}  // namespace
}  // namespace rl
