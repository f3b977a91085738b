// Special functions, element by element: one pass, each value in double precision.
//
//   Bessel and Airy (bessel.h), the normal distribution and incomplete gamma (distribution.h),
//   entropy, and orthogonal polynomials by their three-term recurrences
#include "bessel.h"
#include "distribution.h"
#include "loops.h"

namespace rl {
namespace {

using Function = double (*)(double);

template <Function F>
void one_real(const char* name, double cost) {
  unary<[]<class T>(T x) { return static_cast<T>(F(static_cast<double>(x))); }>(name, Reals{},
                                                                                cost);
}

double spherical_j0(double x) {
  if (std::isinf(x)) return 0;
  return std::fabs(x) < 1e-4 ? 1 - x * x / 6 : std::sin(x) / x;
}
double entropy(double x) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  return x != x ? x : x > 0 ? -x * std::log(x) : x == 0 ? 0 : -kInf;
}
double scaled_k0(double x) { return scaled_bessel_k(0, x); }
double scaled_k1(double x) { return scaled_bessel_k(1, x); }
// Infinite arguments give NaN, as in PyTorch.
template <Function F>
double finite(double x) {
  return std::isinf(x) ? std::numeric_limits<double>::quiet_NaN() : F(x);
}
template <Function F>
double above_zero(double x) {
  return x == 0 ? -std::numeric_limits<double>::infinity() : finite<F>(x);
}

void register_bessel() {
  one_real<bessel_i0>("i0", 6);
  one_real<bessel_i0e>("i0e", 6);
  one_real<bessel_i1>("i1", 6);
  one_real<bessel_i1e>("i1e", 6);
  one_real<bessel_k0>("modified_bessel_k0", 400);
  one_real<bessel_k1>("modified_bessel_k1", 400);
  one_real<scaled_k0>("scaled_modified_bessel_k0", 400);
  one_real<scaled_k1>("scaled_modified_bessel_k1", 400);
  one_real<finite<::j0>>("bessel_j0", 60);
  one_real<finite<::j1>>("bessel_j1", 60);
  one_real<above_zero<::y0>>("bessel_y0", 60);
  one_real<above_zero<::y1>>("bessel_y1", 60);
  one_real<spherical_j0>("spherical_bessel_j0", 20);
  one_real<airy_ai>("airy_ai", 400);
}

void register_distributions() {
  one_real<erfcx>("erfcx", 30);
  one_real<normal_cdf>("ndtr", 3);
  one_real<normal_log_cdf>("log_ndtr", 40);
  unary<[](auto p) { return normal_quantile(p); }>("ndtri", Types<float>{}, 4);
  unary<[](auto p) { return normal_quantile(p); }>("ndtri", Types<double>{}, 100);
  one_real<entropy>("entr", 10);
  binary<[]<class T>(T a, T x) { return static_cast<T>(incomplete_gamma(a, x, false)); }>(
      "igamma", Reals{}, 200);
  binary<[]<class T>(T a, T x) { return static_cast<T>(incomplete_gamma(a, x, true)); }>(
      "igammac", Reals{}, 200);
  binary<[]<class T>(T x, T y) {
    return y != y ? y : x == 0 ? T(0) : static_cast<T>(x * std::log1p(static_cast<double>(y)));
  }>("xlog1py", Reals{}, 10);
}

// p_0 = 1, p_1 = first, p_(k+1) = next(k, p_k, p_(k-1)); degrees below zero give 0. Degrees above
// kMostSteps, where a recurrence would run for hours, have closed or asymptotic forms instead
// (trigonometric; Hilb's for Legendre, to 1e-10; Fejer's for Laguerre, to 1e-3 or better of the
// envelope while x is far below n).
constexpr double kMostSteps = 1 << 20;

template <class F>
double recurrence(double degree, double first, F next) {
  if (!(degree > -1)) return 0;
  const auto n = static_cast<int64_t>(degree);
  if (n == 0) return 1;
  double before = 1, now = first;
  for (int64_t k = 1; k < n; ++k) {
    const double after = next(static_cast<double>(k), now, before);
    before = now;
    now = after;
    if (now != now) break;
  }
  return now;
}

double chebyshev(double x, double n, double first) {
  return recurrence(n, first, [x](double, double p, double q) { return 2 * x * p - q; });
}
// x = cos t or, above 1, cosh t; negative x by symmetry.
double parity(double n) { return std::fmod(std::trunc(n), 2) == 0 ? 1 : -1; }
double angle(double x) { return x <= 1 ? std::acos(x) : std::acosh(x); }
double ratio(double x, double over, double under, double t) {
  if (t == 0) return over / under;
  return x <= 1 ? std::sin(over * t) / std::sin(under * t)
                : std::sinh(over * t) / std::sinh(under * t);
}
double ratio_of_cosines(double x, double over, double under, double t) {
  return x <= 1 ? std::cos(over * t) / std::cos(under * t)
                : std::cosh(over * t) / std::cosh(under * t);
}
double large_chebyshev_t(double x, double n) {
  if (x < 0) return parity(n) * large_chebyshev_t(-x, n);
  return ratio_of_cosines(x, std::trunc(n), 0, angle(x));
}
double large_chebyshev_u(double x, double n) {
  if (x < 0) return parity(n) * large_chebyshev_u(-x, n);
  return ratio(x, std::trunc(n) + 1, 1, angle(x));
}
double large_chebyshev_w(double x, double n);
double large_chebyshev_v(double x, double n) {
  if (x < 0) return parity(n) * large_chebyshev_w(-x, n);
  return ratio_of_cosines(x, std::trunc(n) + 0.5, 0.5, angle(x));
}
double large_chebyshev_w(double x, double n) {
  if (x < 0) return parity(n) * large_chebyshev_v(-x, n);
  return ratio(x, std::trunc(n) + 0.5, 0.5, angle(x));
}
double large_laguerre(double x, double n) {
  const double wide = std::trunc(n) + 0.5;
  if (x < 0) return std::exp(x / 2) * bessel_i0(2 * std::sqrt(-x * wide));
  return std::exp(x / 2) * ::j0(2 * std::sqrt(x * wide));
}
double large_legendre(double x, double n) {
  if (x < 0) return parity(n) * large_legendre(-x, n);
  const double t = angle(x), wide = std::trunc(n) + 0.5;
  if (t == 0) return 1;
  return x <= 1 ? std::sqrt(t / std::sin(t)) * ::j0(wide * t)
                : std::sqrt(t / std::sinh(t)) * bessel_i0(wide * t);
}

double chebyshev_t(double x, double n) {
  if (n > 6 && std::fabs(x) < 1) return std::cos(std::trunc(n) * std::acos(x));
  if (n > kMostSteps) return large_chebyshev_t(x, n);
  return chebyshev(x, n, x);
}
double chebyshev_u(double x, double n) {
  return n > kMostSteps ? large_chebyshev_u(x, n) : chebyshev(x, n, 2 * x);
}
double chebyshev_v(double x, double n) {
  return n > kMostSteps ? large_chebyshev_v(x, n) : chebyshev(x, n, 2 * x - 1);
}
double chebyshev_w(double x, double n) {
  return n > kMostSteps ? large_chebyshev_w(x, n) : chebyshev(x, n, 2 * x + 1);
}
template <double (*F)(double, double)>
double shifted(double x, double n) {
  return F(2 * x - 1, n);
}

double hermite_h(double x, double n) {
  return recurrence(n, 2 * x, [x](double k, double p, double q) { return 2 * x * p - 2 * k * q; });
}
double hermite_he(double x, double n) {
  return recurrence(n, x, [x](double k, double p, double q) { return x * p - k * q; });
}
double laguerre(double x, double n) {
  if (n > kMostSteps) return large_laguerre(x, n);
  return recurrence(n, 1 - x, [x](double k, double p, double q) {
    return ((2 * k + 1 - x) * p - k * q) / (k + 1);
  });
}
double legendre(double x, double n) {
  if (n > kMostSteps) return large_legendre(x, n);
  return recurrence(
      n, x, [x](double k, double p, double q) { return ((2 * k + 1) * x * p - k * q) / (k + 1); });
}

template <double (*F)(double, double)>
void polynomial(const char* name) {
  binary<[]<class T>(T x, T n) {
    return static_cast<T>(F(static_cast<double>(x), static_cast<double>(n)));
  }>(name, Reals{}, 40);
}

void register_polynomials() {
  polynomial<chebyshev_t>("chebyshev_polynomial_t");
  polynomial<chebyshev_u>("chebyshev_polynomial_u");
  polynomial<chebyshev_v>("chebyshev_polynomial_v");
  polynomial<chebyshev_w>("chebyshev_polynomial_w");
  polynomial<shifted<chebyshev_t>>("shifted_chebyshev_polynomial_t");
  polynomial<shifted<chebyshev_u>>("shifted_chebyshev_polynomial_u");
  polynomial<shifted<chebyshev_v>>("shifted_chebyshev_polynomial_v");
  polynomial<shifted<chebyshev_w>>("shifted_chebyshev_polynomial_w");
  polynomial<hermite_h>("hermite_polynomial_h");
  polynomial<hermite_he>("hermite_polynomial_he");
  polynomial<laguerre>("laguerre_polynomial_l");
  polynomial<legendre>("legendre_polynomial_p");
}

const struct Registrar {
  Registrar() {
    register_bessel();
    register_distributions();
    register_polynomials();
  }
} registrar;

}  // namespace
}  // namespace rl
