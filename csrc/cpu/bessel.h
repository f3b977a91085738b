// Bessel and Airy functions of one real, in double precision.
#pragma once
#include <cmath>
#include <limits>

namespace rl {
namespace {

// The sum of Hankel's asymptotic series for K_order(x) (for I_order(x) at -x), |x| > 30: terms fall
// below rounding long before they grow again (DLMF 10.40.1, 10.40.2).
inline double hankel_series(double order, double x) {
  const double mu = 4 * order * order;
  double term = 1, sum = 1;
  for (int k = 1; k < 40 && std::fabs(term) > 1e-18; ++k) {
    const double odd = 2 * k - 1;
    term *= (mu - odd * odd) / (8 * x * k);
    sum += term;
  }
  return sum;
}

// e^-|x| I_order(|x|) for order 0 or 1. Up to 30 the power series, whose terms are all positive;
// then Hankel's series (DLMF 10.25.2).
inline double scaled_bessel_i(int order, double x) {
  x = std::fabs(x);
  if (x != x) return x;
  if (x <= 30) {
    const double z = x * x / 4;
    double term = order == 0 ? 1 : x / 2, sum = term;
    for (int k = 1; term > sum * 1e-17; ++k) {
      term *= z / (static_cast<double>(k) * (k + order));
      sum += term;
    }
    return sum * std::exp(-x);
  }
  if (x == std::numeric_limits<double>::infinity()) return 0;
  return hankel_series(order, -x) / std::sqrt(6.28318530717958647693 * x);
}

inline double bessel_i0e(double x) { return scaled_bessel_i(0, x); }
inline double bessel_i1e(double x) { return std::copysign(scaled_bessel_i(1, x), x); }

// e^|x| in two factors, so that it does not overflow before the scaled function is applied.
inline double unscaled(double scaled, double x) {
  const double half = std::exp(std::fabs(x) / 2);
  return scaled * half * half;
}
inline double bessel_i0(double x) {
  return std::isinf(x) ? std::fabs(x) : unscaled(bessel_i0e(x), x);
}
inline double bessel_i1(double x) { return std::isinf(x) ? x : unscaled(bessel_i1e(x), x); }

// e^x K_order(x), from the integral of exp(x - x cosh t) cosh(order t) over t >= 0 by the trapezoid
// rule, which converges faster than any power for such integrands (DLMF 10.32.9, 3.5(i)).
inline double scaled_bessel_k_integral(double order, double x) {
  if (x > 30) return std::sqrt(1.57079632679489661923 / x) * hankel_series(order, x);
  constexpr double kStep = 1.0 / 16;
  double sum = 0.5;
  for (int i = 1; i < 400; ++i) {
    const double t = i * kStep, s = std::sinh(t / 2), decay = 2 * x * s * s;
    const double term = std::exp(-decay) * std::cosh(order * t);
    sum += term;
    if (term < sum * 1e-18) break;
  }
  return sum * kStep;
}

// The series about zero; cancellation stays harmless up to 1 (DLMF 10.31.1, 10.31.2).
inline double bessel_k0_series(double x) {
  constexpr double kEuler = 0.57721566490153286061;
  const double z = x * x / 4, l = std::log(x / 2) + kEuler;
  double term = 1, harmonic = 0, sum = -l;
  for (int k = 1; k < 30; ++k) {
    term *= z / (static_cast<double>(k) * k);
    harmonic += 1.0 / k;
    sum += term * (harmonic - l);
  }
  return sum;
}
inline double bessel_k1_series(double x) {
  constexpr double kEuler = 0.57721566490153286061;
  const double z = x * x / 4, l = std::log(x / 2) + kEuler;
  double term = x / 2, harmonic = 0, sum = 1 / x;
  for (int k = 0; k < 30; ++k) {
    sum += term * (l - harmonic - 0.5 / (k + 1));
    harmonic += 1.0 / (k + 1);
    term *= z / ((k + 1.0) * (k + 2.0));
  }
  return sum;
}

inline double scaled_bessel_k(int order, double x) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (!(x > 0)) return x == 0 ? kInf : std::numeric_limits<double>::quiet_NaN();
  if (x == kInf) return 0;
  if (x > 1) return scaled_bessel_k_integral(order, x);
  return std::exp(x) * (order == 0 ? bessel_k0_series(x) : bessel_k1_series(x));
}
inline double bessel_k0(double x) { return scaled_bessel_k(0, x) * std::exp(-x); }
inline double bessel_k1(double x) { return scaled_bessel_k(1, x) * std::exp(-x); }

// The Airy function: its power series in [-8, 2], in extended precision against cancellation;
// K_1/3 above (DLMF 9.6.2); the oscillating asymptotic series below (DLMF 9.7.9).
inline double airy_ai(double x) {
  if (x != x) return x;
  constexpr double kPi = 3.14159265358979323846;
  const double root = std::sqrt(std::fabs(x)), zeta = 2.0 / 3 * std::fabs(x) * root;
  if (x > 2) {
    return std::sqrt(x / 3) / kPi * scaled_bessel_k_integral(1.0 / 3, zeta) * std::exp(-zeta);
  }
  if (x >= -8) {
    const long double c = x, cube = c * c * c;
    long double f = 1, g = c, sum_f = 1, sum_g = c;
    for (int k = 1; k < 80; ++k) {
      f *= cube / ((3.0L * k - 1) * (3.0L * k));
      g *= cube / ((3.0L * k) * (3.0L * k + 1));
      sum_f += f;
      sum_g += g;
    }
    return static_cast<double>(0.355028053887817239260L * sum_f - 0.258819403792806798405L * sum_g);
  }
  if (std::isinf(x)) return 0;
  double term = 1, even = 0, odd = 0;
  for (int k = 0; k < 28; ++k) {
    const double sign = (k / 2) % 2 == 0 ? 1 : -1;
    (k % 2 == 0 ? even : odd) += sign * term;
    term *= (6 * k + 1.0) * (6 * k + 3.0) * (6 * k + 5.0) / (216.0 * (k + 1) * (2 * k + 1) * zeta);
    if (term < 1e-17) break;
  }
  const double phase = zeta - kPi / 4;
  return (std::cos(phase) * even + std::sin(phase) * odd) / (std::sqrt(kPi * root));
}

}  // namespace
}  // namespace rl
