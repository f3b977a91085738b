// The gamma function's family, element by element in double precision, eight lanes at a time:
//
//   lgamma digamma polygamma zeta igamma igammac
//
// log gamma and the derivatives of it below zero follow from 1 - x (Abramowitz and Stegun 6.1.17,
// 6.3.7, 6.4.7), below one from x + 1; then a fit on [1, 3], and beyond it Stirling's formula with
// a fit of its error. The incomplete gamma functions sort a block by method; a power series or a
// continued fraction then runs in lanes until the slowest has converged.
#include <cstring>

#include "blocks.h"
#include "distribution.h"
#include "gamma_fits.h"
#include "loops.h"

namespace rl {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kPi = 3.14159265358979323846;

// sin(pi r) and cos(pi r) for |r| <= 1/2.
inline double sine_of(double r) { return r * polynomial_at(kSinPi, centered(r * r, 0, 0.25)); }
inline double cosine_of(double r) { return polynomial_at(kCosPi, centered(r * r, 0, 0.25)); }

// -- log gamma ----------------------------------------------------------------------------------

// For y > 0. Short: to 1e-9, for floats.
template <bool Short>
inline double log_gamma_of(double y) {
  const bool small = y < 1;
  const double d = small ? y : y - 1, l = vlog(y), u = 1 / y, z = u * u;
  double near, far;
  if constexpr (Short) {
    near = polynomial_at(kLogGammaNearFloat, d - 1);
    far = polynomial_at(kLogGammaFarFloat, centered(z, 0, 1.0 / 9));
  } else {
    near = polynomial_at(kLogGammaNear, d - 1);
    far = polynomial_at(kLogGammaFar, centered(z, 0, 1.0 / 36));
  }
  near = d * (d - 1) * near - (small ? l : 0);
  far = y * (l - 1) + (0.91893853320467274178 - l / 2 + u * far);
  if constexpr (!Short) {
    const double middle = polynomial_at(kLogGammaMiddle, centered(y, 3, 6));
    far = y < 6 ? middle : far;
  }
  return y < 3 ? near : y == kInf ? y : far;
}

template <class T>
void log_gamma_loop(char* const* p, int64_t n, const double*) {
  constexpr bool kShort = std::is_same_v<T, float>;
  by_blocks<T>(p, n, [](const double* x, double* y) {
    if (!any_of_block(x, [](double v) { return v < 0; }))
      return each_of_block(x, y, [](double v) { return log_gamma_of<kShort>(v); });
    each_of_block(x, y, [](double v) {
      const double r = v - std::nearbyint(v), sine = std::fabs(sine_of(r)) * (1 / kPi);
      const double other = log_gamma_of<kShort>(v < 0 ? 1 - v : v), l = vlog(sine);
      return v < 0 ? (v == -kInf ? kInf : -l - other) : other;
    });
  });
}

// -- its derivatives --------------------------------------------------------------------------

inline double digamma_of(double y) {
  constexpr double kZero = 1.4616321449683622, kRest = 9.5499954299656977152e-17;
  const bool small = y < 1;
  const double t = small ? y + 1 : y, u = 1 / y, z = u * u;
  const double near = ((t - kZero) - kRest) * polynomial_at(kDigammaNear, t - 2);
  const double far = vlog(y) - u / 2 - z * polynomial_at(kDigammaFar, centered(z, 0, 1.0 / 9));
  return y < 3 ? near - (small ? u : 0) : far;
}

inline double trigamma_of(double y) {
  const bool small = y < 1;
  const double t = small ? y + 1 : y, u = 1 / y, z = u * u;
  const double near = polynomial_at(kTrigammaNear, t - 2);
  const double far = u + z * (0.5 + u * polynomial_at(kTrigammaFar, centered(z, 0, 1.0 / 9)));
  return y < 3 ? near + (small ? z : 0) : far;
}

void digamma_block(const double* x, double* y) {
  if (!any_of_block(x, [](double v) { return !(v > 0); })) return each_of_block(x, y, digamma_of);
  each_of_block(x, y, [](double v) {
    const double r = v - std::nearbyint(v), turned = kPi * cosine_of(r) / sine_of(r);
    const double other = digamma_of(v < 0 ? 1 - v : v);
    return v < 0 ? (r == 0 ? kNan : other - turned) : v == 0 ? std::copysign(kInf, -v) : other;
  });
}

void trigamma_block(const double* x, double* y) {
  if (!any_of_block(x, [](double v) { return v < 0; })) return each_of_block(x, y, trigamma_of);
  each_of_block(x, y, [](double v) {
    const double r = v - std::nearbyint(v), ratio = kPi / sine_of(r);
    const double other = trigamma_of(v < 0 ? 1 - v : v);
    return v < 0 ? ratio * ratio - other : other;
  });
}

// -- Hurwitz's zeta function ------------------------------------------------------------------

// b^-s for whole s > 0, by squaring.
inline double whole_power(double b, int s) {
  double result = 1, base = 1 / b;
  for (; s; s >>= 1, base *= base)
    if (s & 1) result *= base;
  return result;
}

// The sum over k of (q + k)^-s, with terms up to about 10 + s, then the Euler-Maclaurin formula, as
// hurwitz_sum; the terms are taken eight at a time.
double positive_zeta(double s, double q) {
  constexpr int kLanes = 8;
  const bool whole = s <= 32 && s == std::floor(s);
  double sum = 0;
  while (q < 10 + s) {
    double terms[kLanes];
    if (whole) {
      const int power = static_cast<int>(s);
#pragma omp simd
      for (int k = 0; k < kLanes; ++k) terms[k] = 1 / (q + k);
      double got[kLanes];
      for (double& x : got) x = 1;
      for (int e = power; e; e >>= 1) {
        for (int k = 0; k < kLanes; ++k) {
          got[k] = e & 1 ? got[k] * terms[k] : got[k];
          terms[k] *= terms[k];
        }
      }
      for (int k = 0; k < kLanes; ++k) terms[k] = got[k];
    } else {
#pragma omp simd
      for (int k = 0; k < kLanes; ++k) terms[k] = vpow(q + k, -s);
    }
    double part = 0;
    for (int k = kLanes - 1; k >= 0; --k) part += terms[k];
    sum += part;
    if (!(terms[kLanes - 1] * (1 + q + kLanes) >= sum * 1e-17)) return sum;
    q += kLanes;
  }
  return sum + hurwitz_sum(s, q);
}

double zeta_of(double s, double q) {
  if (s > 1 && q > 0 && s < 1e3 && q < 1e300) return positive_zeta(s, q);
  return hurwitz_zeta(s, q);
}

template <class T>
void polygamma_loop(char* const* p, int64_t n, const double* c) {
  const double order = std::trunc(c[0]);
  if (order == 0) return by_blocks<T>(p, n, digamma_block);
  if (order == 1) return by_blocks<T>(p, n, trigamma_block);
  const double factor = std::tgamma(order + 1) * (std::fmod(order, 2) == 0 ? -1 : 1);
  by_blocks<T>(p, n, [=](const double* x, double* y) {
    for (int i = 0; i < kBlock; ++i) y[i] = factor * zeta_of(order + 1, x[i]);
  });
}

// -- incomplete gamma -------------------------------------------------------------------------

constexpr int kLanes = 8;

// The elements of a block that one method takes, padded to whole vectors.
struct Lane {
  int count = 0;
  alignas(64) double a[kBlock + kLanes], x[kBlock + kLanes], got[kBlock + kLanes];
  int place[kBlock];
  void add(int i, double one, double other) {
    a[count] = one;
    x[count] = other;
    place[count++] = i;
  }
  void pad() {
    for (int i = count; i < count + kLanes; ++i) {
      a[i] = count ? a[count - 1] : 1;
      x[i] = count ? x[count - 1] : 1;
    }
  }
};

// x^a e^-x / gamma(a + 1), a < 20: gamma(a + 1) is the product of a, a - 1, ... times a fit.
inline double small_density(double a, double x) {
  double product = 1, rest = a;
  for (int k = 0; k < 19; ++k) {
    const bool more = rest >= 1;
    product *= more ? rest : 1;
    rest = more ? rest - 1 : rest;
  }
  const double inverse = polynomial_at(kOneOverGamma, 2 * rest - 1) / product;
  return x > 800 ? 0 : vpow(x, a) * vexp(-x) * inverse;
}

void densities(const Lane& lane, double* out) {
  int large = 0;
  for (int i = 0; i < lane.count; ++i) large |= lane.a[i] >= 20;
#pragma omp simd
  for (int i = 0; i < lane.count; ++i) out[i] = small_density(lane.a[i], lane.x[i]);
  for (int i = 0; i < lane.count && large; ++i)
    if (lane.a[i] >= 20) out[i] = gamma_density(lane.a[i], lane.x[i]);
}

using Vector = double __attribute__((vector_size(8 * kLanes)));

template <class F>
inline bool any_lane(F test) {
  int found = 0;
#pragma omp simd reduction(| : found)
  for (int k = 0; k < kLanes; ++k) found |= test(k) ? 1 : 0;
  return found != 0;
}

// The lower part: x^a e^-x / gamma(a + 1) times the sum of x^n / ((a + 1) ... (a + n)).
void lower_series(Lane& lane, double tolerance) {
  lane.pad();
  for (int first = 0; first < lane.count; first += kLanes) {
    Vector a, x, term, sum;
    std::memcpy(&a, lane.a + first, sizeof a);
    std::memcpy(&x, lane.x + first, sizeof x);
    term = sum = x * 0 + 1;
    for (int n = 0; n < 100000; n += 4) {
      for (int again = 0; again < 4; ++again) {
        a += 1;
        term *= x / a;
        sum += term;
      }
      if (!any_lane([&](int k) { return term[k] > sum[k] * tolerance; })) break;
    }
    std::memcpy(lane.got + first, &sum, sizeof sum);
  }
}

// The upper part's continued fraction (DLMF 8.9.2) by its convergents p / q, which grow and are
// scaled back; the quotient is looked at every fourth time.
void upper_fraction(Lane& lane, double tolerance) {
  lane.pad();
  for (int first = 0; first < lane.count; first += kLanes) {
    Vector a, x;
    std::memcpy(&a, lane.a + first, sizeof a);
    std::memcpy(&x, lane.x + first, sizeof x);
    Vector b = x + 1 - a, p = x * 0 + 1, older_p = x * 0, older_q = p, q = b, got = 1 / b;
    for (int n = 1; n < 20000;) {
      for (int again = 0; again < 4; ++again, ++n) {
        const double step = n;
        const Vector an = step * (a - step);
        b += 2;
        const Vector next_p = b * p + an * older_p, next_q = b * q + an * older_q;
        older_p = p, older_q = q, p = next_p, q = next_q;
      }
      const Vector scale = 1 / q, now = p * scale;
      const bool left = any_lane(
          [&](int k) { return std::fabs(now[k] - got[k]) > tolerance * std::fabs(now[k]); });
      if (!left) break;
      got = now;
      p = now, older_p *= scale, older_q *= scale, q = x * 0 + 1;
    }
    const Vector result = p / q * a;
    std::memcpy(lane.got + first, &result, sizeof result);
  }
}

// gamma_upper_small in lanes: a < 1, x < 1.1.
void upper_small(Lane& lane) {
  for (int i = 0; i < lane.count; ++i) lane.got[i] = vlog(lane.x[i]);
  lane.pad();
  for (int first = 0; first < lane.count; first += kLanes) {
    double *got = lane.got + first, *a = lane.a + first, *x = lane.x + first;
#pragma omp simd
    for (int k = 0; k < kLanes; ++k) {
      const double shape = a[k],
                   log_gamma_1p = shape * (shape - 1) * polynomial_at(kLogGammaNear, shape - 1);
      const double power = vexpm1(shape * got[k] - log_gamma_1p);
      double term = 1, sum = 0;
      for (int n = 1; n < 20; ++n) {
        term *= -x[k] * (1.0 / n);
        sum += shape * term / (shape + n);
      }
      got[k] = -(power + (1 + power) * sum);
    }
  }
}

// Floats need half of the terms.
template <class T>
void gamma_block(const double* a, const double* x, double* y, int count, bool upper) {
  constexpr bool kShort = std::is_same_v<T, float>;
  Lane series, fraction, small;
  for (int i = 0; i < count; ++i) {
    const bool easy = a[i] > 0 && a[i] <= 1e5 && x[i] > 1e-300 && x[i] < 1e8;
    const bool corner = a[i] < 1 && x[i] < 1.1;
    if (!easy)
      y[i] = incomplete_gamma(a[i], x[i], upper);
    else if (corner && upper)
      small.add(i, a[i], x[i]);
    else if (corner || (a[i] >= 1 && x[i] < a[i] + 1))
      series.add(i, a[i], x[i]);
    else
      fraction.add(i, a[i], x[i]);
  }
  double density[kBlock];
  lower_series(series, kShort ? 1e-9 : 1e-17);
  densities(series, density);
  for (int i = 0; i < series.count; ++i) {
    const double lower = series.got[i] * density[i];
    y[series.place[i]] = upper ? 1 - lower : lower;
  }
  upper_fraction(fraction, kShort ? 1e-9 : 8e-16);
  densities(fraction, density);
  for (int i = 0; i < fraction.count; ++i) {
    const double above = fraction.got[i] * density[i];
    y[fraction.place[i]] = upper ? above : 1 - above;
  }
  upper_small(small);
  for (int i = 0; i < small.count; ++i) y[small.place[i]] = small.got[i];
}

template <class T, bool Upper>
void gamma_loop(char* const* p, int64_t n, const double*) {
  by_blocks2<T>(p, n, [](const double* a, const double* x, double* y, int count) {
    gamma_block<T>(a, x, y, count, Upper);
  });
}

template <class T>
void register_for() {
  add_loop<T, T>("lgamma", log_gamma_loop<T>, 3.5);
  add_loop<T, T>(
      "digamma",
      [](char* const* p, int64_t n, const double*) { by_blocks<T>(p, n, digamma_block); }, 4.3);
  add_loop<T, T>("polygamma_of", polygamma_loop<T>, 8);
  add_loop<T, T>("igamma", gamma_loop<T, false>, 26);
  add_loop<T, T>("igammac", gamma_loop<T, true>, 20);
  constexpr auto zeta = [](T s, T q) { return static_cast<T>(zeta_of(s, q)); };
  add_loop<T, T>("zeta", loop2<Plain<zeta>{}, T, T>, 90);
}

const struct Registrar {
  Registrar() {
    register_for<float>();
    register_for<double>();
  }
} registrar;

}  // namespace
}  // namespace rl
