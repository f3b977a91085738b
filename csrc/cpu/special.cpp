// Special functions, element by element: one pass, each value in double precision.
//
//   the normal distribution (distribution.h), entropy, and orthogonal polynomials by their
//   three-term recurrences; bessel.cpp and gamma.cpp hold those families
#include "bessel.h"
#include "blocks.h"
#include "distribution.h"
#include "erf_fits.h"
#include "loops.h"

namespace rl {
namespace {

using Function = double (*)(double);

template <Function F>
void one_real(const char* name, double cost) {
  constexpr auto in_double = []<class T>(T x) { return static_cast<T>(F(static_cast<double>(x))); };
  add_loop<float, float>(name, loop1<Plain<in_double>{}, float, float>, cost);
  add_loop<double, double>(name, loop1<Plain<in_double>{}, double, double>, cost);
}

inline double entropy(double x) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double inside = -x * vlog(std::fabs(x));
  return x != x ? x : x > 0 ? inside : x == 0 ? 0 : -kInf;
}

// The scaled complementary error function: a fit, and 2 e^(x^2) less that of -x below zero.
inline double scaled_erfc(double x) {
  const double a = std::fabs(x);
  const double t = a > 1e17 ? 1 : (a - 3.75) / (a + 3.75);
  return polynomial_at(kErfcx, t) / (1 + 2 * a);
}
void erfcx_block(const double* x, double* y) {
  if (!any_of_block(x, [](double v) { return v < 0; })) return each_of_block(x, y, scaled_erfc);
  each_of_block(x, y, [](double v) {
    constexpr double kInf = std::numeric_limits<double>::infinity();
    const double square = v * v, rest = std::fma(v, v, -square), e = vexp(square);
    const double got = scaled_erfc(v), mended = 2 * (e + e * rest) - got;
    return v < 0 ? (e == kInf ? kInf : mended) : got;
  });
}

// Below -1 by log(erfcx), where the distribution itself would vanish.
void normal_log_cdf_block(const double* x, double* y) {
  double tail[kBlock];
  const bool low = any_of_block(x, [](double v) { return v < -1; });
  if (low) {
    each_of_block(x, tail,
                  [](double v) { return vlog(scaled_erfc(v * kSqrtHalf) / 2) - v * v / 2; });
  }
  each_of_block(x, y, [](double v) { return vlog1p(-normal_cdf(-v)); });
  if (low) {
#pragma omp simd
    for (int i = 0; i < kBlock; ++i) y[i] = x[i] < -1 ? tail[i] : y[i];
  }
}

// inverse erf(v) / v of w = -log(1 - v^2): fits for a block, without what it does not need.
void inverse_erf_ratio(const double* w, double* ratio) {
  each_of_block(w, ratio,
                [](double v) { return polynomial_at(kInverseErfNear, centered(v, 0, 6)); });
  if (!any_of_block(w, [](double v) { return v > 6; })) return;
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) {
    const double root = std::sqrt(w[i]);
    const double middle = polynomial_at(kInverseErfFar, centered(root, 2.4, 4.5));
    const double high = polynomial_at(kInverseErfFarther, centered(root, 4.4, 6.3));
    ratio[i] = w[i] <= 6 ? ratio[i] : root < 4.45 ? middle : high;
  }
}

void inverse_erf_block(const double* x, double* y) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  double w[kBlock], ratio[kBlock];
  each_of_block(x, w, [](double v) { return -vlog((1 - v) * (1 + v)); });
  inverse_erf_ratio(w, ratio);
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) {
    const double a = std::fabs(x[i]), got = x[i] * ratio[i];
    y[i] = a < 1 ? got : a == 1 ? std::copysign(kInf, x[i]) : x[i] * (kInf - kInf);
  }
}
// For floats, to 5e-9.
void inverse_erf_block_short(const double* x, double* y) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  if (any_of_block(x, [](double v) { return !(std::fabs(v) < 0.998); }))
    return each_of_block(x, y, [](double v) {
      const double got = inverse_erf_fit(v, -log_short((1 - v) * (1 + v)));
      return std::fabs(v) < 1 ? got : std::fabs(v) == 1 ? v * kInf : v * (kInf - kInf);
    });
  each_of_block(x, y, [](double v) {
    const double w = -log_short((1 - v) * (1 + v));
    return v * polynomial_at(kInverseErfLow, centered(w, 0, 6));
  });
}

// With t the smaller tail, 1 - (1 - 2 t)^2 = 4 t (1 - t). Tails below 1e-16 one by one.
void normal_quantile_block(const double* p, double* y) {
  double w[kBlock], ratio[kBlock];
  each_of_block(p, w, [](double v) {
    const double t = v < 0.5 ? v : 1 - v;
    return -vlog(4 * t * (1 - t));
  });
  inverse_erf_ratio(w, ratio);
  each_of_block(p, y, [](double v) { return (2 * v - 1) * (1 / kSqrtHalf); });
#pragma omp simd
  for (int i = 0; i < kBlock; ++i) y[i] *= ratio[i];
  const auto hard = [](double v) { return !(v > 1e-16 && v < 1); };
  if (!any_of_block(p, hard)) return;
  for (int i = 0; i < kBlock; ++i)
    if (hard(p[i])) y[i] = normal_quantile(p[i]);
}

using Block = void (*)(const double*, double*);

template <Block B, class... Ts>
void blocks(const char* name, double cost, Types<Ts...>) {
  (add_loop<Ts, Ts>(
       name, [](char* const* p, int64_t n, const double*) { by_blocks<Ts>(p, n, B); }, cost),
   ...);
}

void register_distributions() {
  blocks<erfcx_block>("erfcx", 2, Reals{});
  unary<[](float x) {  // the rounding of z below is nothing beside a float's
    return static_cast<float>(verfc(-x * kSqrtHalf) / 2);
  }>("ndtr", Types<float>{}, 2);
  unary<[](double x) { return normal_cdf(x); }>("ndtr", Types<double>{}, 1.2);
  blocks<normal_log_cdf_block>("log_ndtr", 4.4, Reals{});
  unary<[](auto p) { return normal_quantile(p); }>("ndtri", Types<float>{}, 4);
  blocks<normal_quantile_block>("ndtri", 3, Types<double>{});
  blocks<inverse_erf_block>("erfinv", 2.7, Types<double>{});
  blocks<inverse_erf_block_short>("erfinv", 2.3, Types<float>{});
  one_real<entropy>("entr", 1.4);
  binary<[]<class T>(T x, T y) {
    return y != y ? y : x == 0 ? T(0) : static_cast<T>(x * std::log1p(static_cast<double>(y)));
  }>("xlog1py", Reals{}, 0.8);
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

// The cost is that of a degree of about 5.
template <double (*F)(double, double)>
void polynomial(const char* name) {
  constexpr auto in_double = []<class T>(T x, T n) {
    return static_cast<T>(F(static_cast<double>(x), static_cast<double>(n)));
  };
  add_loop<float, float>(name, loop2<Plain<in_double>{}, float, float>, 6);
  add_loop<double, double>(name, loop2<Plain<in_double>{}, double, double>, 6);
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
    register_distributions();
    register_polynomials();
  }
} registrar;

}  // namespace
}  // namespace rl
