// Bessel and Airy functions of one real, in double precision.
#pragma once
#include <array>
#include <cmath>
#include <limits>

#include "special_fits.h"
#include "vecmath.h"

namespace rl {
namespace {

// The sum of Hankel's asymptotic series for K_order(x), x > 30: terms fall below rounding long
// before they grow again (DLMF 10.40.2).
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

// e^-a I_order(a) for order 0 or 1: for 0 <= a <= 4, and for all a >= 0, without branches.
template <int Order>
inline double near_bessel_i(double a) {
  const double y = centered(a, 0, 4);
  return Order == 0 ? polynomial_at(kBesselI0Near, y) : a * polynomial_at(kBesselI1Near, y);
}
template <int Order>
inline double scaled_bessel_i(double a) {
  const double u = 1 / a;
  const double v = centered(u, 1.0 / 12, 0.25), w = centered(u, 0, 1.0 / 12);
  const double middle =
      Order == 0 ? polynomial_at(kBesselI0Middle, v) : polynomial_at(kBesselI1Middle, v);
  const double far = Order == 0 ? polynomial_at(kBesselI0Far, w) : polynomial_at(kBesselI1Far, w);
  return a <= 4 ? near_bessel_i<Order>(a) : (a < 12 ? middle : far) / std::sqrt(a);
}

// The same times e^a, in two factors, since that may overflow where the product does not.
inline double growth(double a) {
  const double most = a < 700 ? a : 700;
  return vexp(most) * vexp(a - most);
}
inline double bessel_i0(double x) {
  const double a = std::fabs(x);
  return scaled_bessel_i<0>(a) * growth(a);
}

// sqrt(x) e^x K_order(x) for order 0 or 1 and x > 1, by fits and Hankel's series.
inline double bessel_k_amplitude(int order, double x) {
  if (x > 32) return 1.25331413731550025121 * hankel_series(order, x);
  const double u = 1 / x;
  if (u > 0.5) {
    const double y = centered(u, 0.5, 1);
    return order == 0 ? polynomial_at(kBesselK0Near, y) : polynomial_at(kBesselK1Near, y);
  }
  if (u > 0.2) {
    const double y = centered(u, 0.2, 0.5);
    return order == 0 ? polynomial_at(kBesselK0Middle, y) : polynomial_at(kBesselK1Middle, y);
  }
  const double y = centered(u, 0.03125, 0.2);
  return order == 0 ? polynomial_at(kBesselK0Far, y) : polynomial_at(kBesselK1Far, y);
}

// The series about zero, in log(x / 2) + Euler's constant; cancellation stays harmless up to 1
// (DLMF 10.31.1, 10.31.2).
inline double bessel_k0_series(double x) {
  constexpr double kEuler = 0.57721566490153286061 - 0.69314718055994530942;
  const double z = x * x / 4, l = std::log(x) + kEuler;
  double term = 1, harmonic = 0, sum = -l;
  for (int k = 1; k < 30; ++k) {
    term *= z / (static_cast<double>(k) * k);
    harmonic += 1.0 / k;
    sum += term * (harmonic - l);
  }
  return sum;
}
inline double bessel_k1_series(double x) {
  constexpr double kEuler = 0.57721566490153286061 - 0.69314718055994530942;
  const double z = x * x / 4, l = std::log(x) + kEuler;
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
  if (x > 1) return bessel_k_amplitude(order, x) / std::sqrt(x);
  return std::exp(x) * (order == 0 ? bessel_k0_series(x) : bessel_k1_series(x));
}
inline double bessel_k0(double x) { return scaled_bessel_k(0, x) * std::exp(-x); }
inline double bessel_k1(double x) { return scaled_bessel_k(1, x) * std::exp(-x); }

// The Airy function for |x - k| <= 1/2, k = -12 .. 2: Taylor's series about k, whose coefficients
// follow from y'' = x y.
inline double airy_near(double x) {
  static constexpr double kStarts[][2] = {// value and slope at k
                                          {-0.06655517505437312947, 1.02311045336797073},
                                          {-0.00875958925570238129, -1.027327873664579421},
                                          {0.04024123848644319069, 0.9962650441327900559},
                                          {-0.02213372154734140367, -0.9756639809263315947},
                                          {-0.05270505035638620262, 0.935560938198306551},
                                          {0.1842808352505056373, -0.7710081684101265477},
                                          {-0.3291451736298231052, 0.3459354872813428949},
                                          {0.3507610090241143198, 0.3271928185544431368},
                                          {-0.0702655329492895151, -0.7906285753685813803},
                                          {-0.3788142936776580743, 0.3145837692165988137},
                                          {0.227407428201685576, 0.6182590207416910414},
                                          {0.5355608832923521188, -0.0101605671166452094},
                                          {0.3550280538878172393, -0.2588194037928067984},
                                          {0.1352924163128814155, -0.1591474412967932128},
                                          {0.03492413042327437914, -0.0530903844336536317}};
  constexpr int kTerms = 28;  // the last is nothing for |h| <= 1/2
  using Series = std::array<double, kTerms>;
  static const auto series = [] {
    std::array<Series, 15> made;
    for (int i = 0; i < 15; ++i) {
      Series& a = made[i];
      a = {kStarts[i][0], kStarts[i][1], (i - 12) * kStarts[i][0] / 2};
      for (int n = 1; n + 2 < kTerms; ++n)
        a[n + 2] = ((i - 12) * a[n] + a[n - 1]) / ((n + 1.0) * (n + 2.0));
    }
    return made;
  }();
  const double center = std::nearbyint(x), h = x - center, square = h * h;
  const Series& a = series[static_cast<size_t>(static_cast<int>(center) + 12)];
  double even = 0, odd = 0;
  for (int n = kTerms - 2; n >= 0; n -= 2) {
    even = even * square + a[n];
    odd = odd * square + a[n + 1];
  }
  return even + h * odd;
}

// (2/3) x^(3/2) as a sum of two doubles: a rounding of it would be the result's relative error.
struct Twofold {
  double value, rest;
};
inline Twofold airy_exponent(double x) {
  const double root = std::sqrt(x), root_rest = std::fma(-root, root, x) / (2 * root);
  const double power = x * root, power_rest = std::fma(x, root, -power) + x * root_rest;
  const double value = 2 * power / 3;
  return {value, (std::fma(-3.0, value, 2 * power) + 2 * power_rest) / 3};
}

// The Airy function: fits and K_1/3 above (DLMF 9.6.2), the oscillating series below (9.7.9).
inline double airy_ai(double x) {
  if (x != x) return x;
  if (std::isinf(x)) return std::numeric_limits<double>::quiet_NaN();  // as PyTorch
  if (x > 120) return 0;
  if (x >= -12.5 && x <= 2.5) return airy_near(x);
  constexpr double kPi = 3.14159265358979323846, kHalf = 0.70710678118654752440;
  const Twofold zeta = airy_exponent(std::fabs(x));
  if (x > 0) {
    const double decay = std::exp(-zeta.value) * (1 - zeta.rest), u = 1 / zeta.value;
    const double amplitude = u > 0.2       ? polynomial_at(kAiryNear, centered(u, 0.2, 0.385))
                             : u > 0.03125 ? polynomial_at(kAiryFar, centered(u, 0.03125, 0.2))
                                           : hankel_series(1.0 / 3, zeta.value);
    return amplitude * decay / (2 * std::sqrt(kPi * std::sqrt(x)));
  }
  double term = 1, even = 0, odd = 0;
  for (int k = 0; k < 40; ++k) {
    const double sign = (k / 2) % 2 == 0 ? 1 : -1;
    (k % 2 == 0 ? even : odd) += sign * term;
    term *= (6 * k + 1.0) * (6 * k + 3.0) * (6 * k + 5.0) /
            (216.0 * (k + 1) * (2 * k + 1) * zeta.value);
    if (term < 1e-17) break;
  }
  // The phase is zeta - pi / 4.
  const double c = std::cos(zeta.value), s = std::sin(zeta.value);
  const double cosine = (c + s) * kHalf, sine = (s - c) * kHalf;
  const double c_rest = std::cos(zeta.rest), s_rest = std::sin(zeta.rest);
  const double turned = cosine * c_rest - sine * s_rest;
  const double turned_sine = sine * c_rest + cosine * s_rest;
  return (turned * even + turned_sine * odd) / std::sqrt(kPi * std::sqrt(-x));
}

}  // namespace
}  // namespace rl
