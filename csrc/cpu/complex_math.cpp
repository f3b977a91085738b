// Functions of complex64 elements in vector lanes, in double precision, where squares of floats
// neither overflow nor vanish: one pass. What is not finite goes to the C++ library.
//
//   asin, acos, acosh   by the roots of 1 - z and 1 + z (Kahan 1987)
//   atan                re = atan2(2 x, 1 - |z|^2) / 2, im = log1p(4 y / |z - i|^2) / 4
//   pow, sigmoid        by exp, log, sine and cosine of the parts
#include <algorithm>

#include "loops.h"
#include "vecmath.h"

namespace rl {
namespace {

constexpr int kLanes = 64;

struct Pair {
  double re, im;
};

// The root with a real part >= 0, the sign of whose imaginary part is that of y.
inline Pair root(double x, double y) {
  const double size = std::sqrt(x * x + y * y), most = std::sqrt((size + std::fabs(x)) / 2);
  const double least = most > 0 ? std::fabs(y) / (2 * most) : 0;
  return {x >= 0 ? most : least, std::copysign(x >= 0 ? least : most, y)};
}

inline Pair inverse_sine(double x, double y) {
  const Pair a = root(1 - x, -y), b = root(1 + x, y);
  return {vatan2(x, a.re * b.re - a.im * b.im), vasinh(a.re * b.im - a.im * b.re)};
}
inline Pair inverse_cosine(double x, double y) {
  const Pair a = root(1 - x, -y), b = root(1 + x, y);
  return {2 * vatan2(a.re, b.re), vasinh(b.re * a.im - b.im * a.re)};
}
inline Pair inverse_cosh(double x, double y) {
  const Pair a = root(x - 1, y), b = root(x + 1, y);
  return {vasinh(a.re * b.re + a.im * b.im), 2 * vatan2(a.im, b.re)};
}
inline Pair inverse_tangent(double x, double y) {
  const double size = std::fabs(y), below = x * x + (size - 1) * (size - 1);
  return {vatan2(2 * x, (1 - x) * (1 + x) - y * y) / 2,
          std::copysign(vlog1p(4 * size / below) / 4, y)};
}
// Of a sine and a cosine of one angle the compiler would make one scalar call: plus 0 it is
// another.
inline double cosine(double angle) { return vcos(angle + 0.0); }
inline Pair logistic(double x, double y) {
  const double e = vexp(-x), re = 1 + e * cosine(y), im = e * vsin(y), size = re * re + im * im;
  return {re / size, im / size + 0.0};  // never -0.0
}
inline Pair raised(double x, double y, double c, double d) {
  const double size = vlog(x * x + y * y) / 2, angle = vatan2(y, x);
  const double e = vexp(c * size - d * angle), turn = d * size + c * angle;
  return {e * cosine(turn), e * vsin(turn)};
}

// A block of complex numbers as two of doubles; the last is filled up with 1/2.
void split(const c64* z, int64_t n, double* x, double* y) {
  const float* parts = reinterpret_cast<const float*>(z);
  std::fill(x, x + kLanes, 0.5);
  std::fill(y, y + kLanes, 0.5);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) x[i] = parts[2 * i], y[i] = parts[2 * i + 1];
}
void join(const double* x, const double* y, int64_t n, c64* z) {
  float* parts = reinterpret_cast<float*>(z);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    parts[2 * i] = static_cast<float>(x[i]);
    parts[2 * i + 1] = static_cast<float>(y[i]);
  }
}

// F in lanes; the library's where `hard(x, y)` says so.
template <Pair (*F)(double, double), auto Library, auto Hard>
void one_complex(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<c64*>(p[0]);
  const auto* in = reinterpret_cast<const c64*>(p[1]);
  alignas(64) double x[kLanes], y[kLanes], re[kLanes], im[kLanes];
  for (int64_t start = 0; start < n; start += kLanes) {
    const int64_t count = std::min<int64_t>(kLanes, n - start);
    split(in + start, count, x, y);
    int hard = 0;
#pragma omp simd reduction(| : hard)
    for (int i = 0; i < kLanes; ++i) {
      const Pair got = F(x[i], y[i]);
      re[i] = got.re, im[i] = got.im;
      hard |= Hard(x[i], y[i]) ? 1 : 0;
    }
    join(re, im, count, out + start);
    for (int64_t i = 0; i < count && hard; ++i)
      if (Hard(x[i], y[i]))
        out[start + i] = Library(c64(static_cast<float>(x[i]), static_cast<float>(y[i])));
  }
}

inline bool beyond(double x, double y) { return !(std::fabs(x) + std::fabs(y) < 1e300); }
// Of huge angles libmvec's sine would be one by one, too; the poles of atan and log want signs.
inline bool steep(double x, double y) { return !(std::fabs(x) < 80 && std::fabs(y) < 1e6); }
inline bool pole(double x, double y) { return beyond(x, y) || (x == 0 && std::fabs(y) >= 1); }

c64 library_pow(c64 a, c64 b) {
  if (b == c64(0)) return c64(1);
  if (a == c64(0)) return b.real() > 0 ? c64(0) : std::pow(a, b);
  if (b.imag() == 0 && std::fabs(b.real()) <= 8 && b.real() == std::trunc(b.real())) {
    c64 result(1);
    for (int n = static_cast<int>(std::fabs(b.real())); n > 0; --n) result = mul_values(result, a);
    return b.real() < 0 ? div_values(c64(1), result) : result;
  }
  return std::pow(a, b);
}

void powers(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<c64*>(p[0]);
  const auto *base = reinterpret_cast<const c64*>(p[1]),
             *exponent = reinterpret_cast<const c64*>(p[2]);
  alignas(64) double x[kLanes], y[kLanes], c[kLanes], d[kLanes], re[kLanes], im[kLanes];
  const auto hard = [&](int64_t i) {
    return !(std::fabs(x[i]) + std::fabs(y[i]) < 1e30 && x[i] * x[i] + y[i] * y[i] > 1e-60 &&
             std::fabs(c[i]) + std::fabs(d[i]) < 1e3) ||
           (d[i] == 0 && c[i] == std::trunc(c[i]) && std::fabs(c[i]) <= 8);
  };
  for (int64_t start = 0; start < n; start += kLanes) {
    const int64_t count = std::min<int64_t>(kLanes, n - start);
    split(base + start, count, x, y);
    split(exponent + start, count, c, d);
#pragma omp simd
    for (int i = 0; i < kLanes; ++i) {
      const Pair got = raised(x[i], y[i], c[i], d[i]);
      re[i] = got.re, im[i] = got.im;
    }
    for (int64_t i = 0; i < count; ++i) {
      if (!hard(i)) continue;
      const c64 got = library_pow(c64(static_cast<float>(x[i]), static_cast<float>(y[i])),
                                  c64(static_cast<float>(c[i]), static_cast<float>(d[i])));
      re[i] = got.real(), im[i] = got.imag();
    }
    join(re, im, count, out + start);
  }
}

// Smith's division as div_values, with selections in place of its branches.
void quotients(char* const* p, int64_t n, const double*) {
  float* out = reinterpret_cast<float*>(p[0]);
  const auto *over = reinterpret_cast<const float*>(p[1]),
             *under = reinterpret_cast<const float*>(p[2]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const float a = over[2 * i], b = over[2 * i + 1], c = under[2 * i], d = under[2 * i + 1];
    const bool wide = std::fabs(c) >= std::fabs(d), none = (c == 0) & (d == 0);
    const float most = wide ? c : d, least = wide ? d : c, r = least / most;
    const float s = 1 / (most + least * r);
    const float re = (wide ? a + b * r : a * r + b) * s, im = (wide ? b - a * r : b * r - a) * s;
    out[2 * i] = none ? a / std::fabs(c) : re;
    out[2 * i + 1] = none ? b / std::fabs(c) : im;
  }
}

const struct Registrar {
  Registrar() {
    add_loop<c64, c64>("asin",
                       one_complex<inverse_sine, [](c64 z) { return std::asin(z); }, beyond>, 7);
    add_loop<c64, c64>("acos",
                       one_complex<inverse_cosine, [](c64 z) { return std::acos(z); }, beyond>, 8);
    add_loop<c64, c64>("acosh",
                       one_complex<inverse_cosh, [](c64 z) { return std::acosh(z); }, beyond>, 8);
    add_loop<c64, c64>("atan",
                       one_complex<inverse_tangent, [](c64 z) { return std::atan(z); }, pole>, 4);
    add_loop<c64, c64>(
        "sigmoid",
        one_complex<logistic, [](c64 z) { return div_values(c64(1), c64(1) + std::exp(-z)); },
                    steep>,
        6);
    add_loop<c64, c64>("pow", powers, 12);
    add_loop<c64, c64>("div", quotients, 0.65);
  }
} registrar;

}  // namespace
}  // namespace rl
