// Mathematics that vectorises: branch-free float functions of ours, and glibc's libmvec.
//
// exp, exp2, expm1, log, log2, log10, log1p, tanh, sigmoid and erf of floats are polynomials fitted
// for this file (weighted minimax over the reduced range); the error stands at each. They inline
// into `#pragma omp simd` loops at every ISA level. The declarations further down tell the compiler
// which vector versions libmvec has (up to 4 ULP); elsewhere those functions stay scalar.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define RL_VECTOR_MATH __attribute__((simd("notinbranch")))
extern "C" {
RL_VECTOR_MATH double exp(double) noexcept;
RL_VECTOR_MATH double log(double) noexcept;
RL_VECTOR_MATH double sin(double) noexcept;
RL_VECTOR_MATH double cos(double) noexcept;
RL_VECTOR_MATH double pow(double, double) noexcept;
RL_VECTOR_MATH float sinf(float) noexcept;
RL_VECTOR_MATH float cosf(float) noexcept;
RL_VECTOR_MATH float powf(float, float) noexcept;
#if __GLIBC_PREREQ(2, 35)
RL_VECTOR_MATH double exp2(double) noexcept;
RL_VECTOR_MATH double expm1(double) noexcept;
RL_VECTOR_MATH double log2(double) noexcept;
RL_VECTOR_MATH double log10(double) noexcept;
RL_VECTOR_MATH double log1p(double) noexcept;
RL_VECTOR_MATH double tan(double) noexcept;
RL_VECTOR_MATH double asin(double) noexcept;
RL_VECTOR_MATH double acos(double) noexcept;
RL_VECTOR_MATH double atan(double) noexcept;
RL_VECTOR_MATH double sinh(double) noexcept;
RL_VECTOR_MATH double cosh(double) noexcept;
RL_VECTOR_MATH double tanh(double) noexcept;
RL_VECTOR_MATH double asinh(double) noexcept;
RL_VECTOR_MATH double acosh(double) noexcept;
RL_VECTOR_MATH double atanh(double) noexcept;
RL_VECTOR_MATH double atan2(double, double) noexcept;
RL_VECTOR_MATH double erf(double) noexcept;
RL_VECTOR_MATH double erfc(double) noexcept;
RL_VECTOR_MATH float tanf(float) noexcept;
RL_VECTOR_MATH float asinf(float) noexcept;
RL_VECTOR_MATH float acosf(float) noexcept;
RL_VECTOR_MATH float atanf(float) noexcept;
RL_VECTOR_MATH float sinhf(float) noexcept;
RL_VECTOR_MATH float coshf(float) noexcept;
RL_VECTOR_MATH float asinhf(float) noexcept;
RL_VECTOR_MATH float acoshf(float) noexcept;
RL_VECTOR_MATH float atanhf(float) noexcept;
RL_VECTOR_MATH float atan2f(float, float) noexcept;
RL_VECTOR_MATH float erfcf(float) noexcept;
#endif
}
#undef RL_VECTOR_MATH
#endif

namespace rl {
namespace {  // one copy per ISA level

// Adding 1.5 * 2^23 leaves the nearest integer in the low bits of a float.
constexpr float kRoundMagic = 12582912.0f;

inline float round_to_int(float x, int32_t* n) {
  const float shifted = x + kRoundMagic;
  *n = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRoundMagic);
  return shifted - kRoundMagic;
}

// 2^n for -126 <= n <= 127.
inline float power_of_two(int32_t n) { return std::bit_cast<float>((n + 127) << 23); }

// e^r - 1 for |r| <= ln(2) / 2 (relative error 1e-8).
inline float expm1_reduced(float r) {
  float q = 0.00139517173f;
  q = q * r + 0.00836959841f;
  q = q * r + 0.0416661873f;
  q = q * r + 0.166665129f;
  q = q * r + 0.5f;
  return r + r * r * q;
}

// e^(r) 2^n, the power split in two so that infinities and denormals come out right.
inline float exp_scaled(float r, int32_t n) {
  const int32_t half = n >> 1;
  return (1.0f + expm1_reduced(r)) * power_of_two(half) * power_of_two(n - half);
}

// 1 ULP.
inline float vexp(float x) {
  const float c = x < -104.0f ? -104.0f : x > 89.0f ? 89.0f : x;
  int32_t n;
  const float k = round_to_int(c * 1.44269504f, &n);
  return exp_scaled(c - k * 0.693145752f - k * 1.42860677e-6f, n);
}

// 1 ULP.
inline float vexp2(float x) {
  const float c = x < -150.0f ? -150.0f : x > 128.5f ? 128.5f : x;
  int32_t n;
  const float k = round_to_int(c, &n);
  return exp_scaled((c - k) * 0.693147181f, n);
}

// 2 ULP.
inline float vexpm1(float x) {
  const float c = x < -17.5f ? -17.5f : x > 89.0f ? 89.0f : x;
  int32_t n;
  const float k = round_to_int(c * 1.44269504f, &n);
  const float e = expm1_reduced(c - k * 0.693145752f - k * 1.42860677e-6f);
  const float s = power_of_two(n - 1);  // half the power: 2^128 is no float
  const float y = (s * e + (s - 0.5f)) * 2.0f;
  const float z = n == 0 ? e : y;
  return x == 0.0f ? x : z;  // keeps -0.0
}

// x = m 2^n with m in [sqrt(1/2), sqrt(2)); returns m - 1. Denormals are scaled first.
inline float log_reduce(float x, float* n) {
  const bool tiny = x < std::numeric_limits<float>::min();
  const float scaled = tiny ? x * 8388608.0f : x;
  const int32_t bits = std::bit_cast<int32_t>(scaled);
  const int32_t exponent = (bits - 0x3f3504f3) >> 23;
  *n = static_cast<float>(exponent) - (tiny ? 23.0f : 0.0f);
  return std::bit_cast<float>(bits - exponent * 8388608) - 1.0f;
}

// log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)).
inline float log_tail(float f) {
  float p = -0.0763442991f;
  p = p * f + 0.127615504f;
  p = p * f - 0.131601951f;
  p = p * f + 0.142017625f;
  p = p * f - 0.166233565f;
  p = p * f + 0.200012267f;
  p = p * f - 0.250008211f;
  p = p * f + 0.333333317f;
  return f * f * (f * p - 0.5f);
}

inline float log_special(float x, float y) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float high = x == kInf ? kInf : y;
  const float low = x == 0.0f ? -kInf : std::numeric_limits<float>::quiet_NaN();
  return x > 0.0f ? high : x != x ? x : low;
}

// 1 ULP.
inline float vlog(float x) {
  float n;
  const float f = log_reduce(x, &n);
  return log_special(x, n * 0.693145752f + (f + (n * 1.42860677e-6f + log_tail(f))));
}

// log(1 + f) / log(base) + n log_base(2), the product with 1 / log(base) in two parts; 2 ULP.
inline float vlog2(float x) {
  float n;
  const float f = log_reduce(x, &n), t = log_tail(f);
  return log_special(x, n + (f + (t * 1.44269502f + (f * 0.44269502f + f * 1.925963e-8f))));
}

inline float vlog10(float x) {
  float n;
  const float f = log_reduce(x, &n), t = log_tail(f);
  const float y = (f + t) * 0.434294492f + n * 4.605038981e-6f + n * 0.301025391f;
  return log_special(x, y);
}

// log(u) with u = 1 + x rounded, corrected by what rounding lost; 2 ULP.
inline float vlog1p(float x) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const float u = 1.0f + x;
  const float lost = (x - (u - 1.0f)) / u;
  const float y = vlog(u) + lost;
  const float small = u == 1.0f ? x : y;
  return u == kInf || u == 0.0f ? vlog(u) : small;
}

// (e^2x - 1) / (e^2x + 1), both terms from e^2x - 1; 3 ULP.
inline float vtanh(float x) {
  const float c = x < -9.5f ? -9.5f : x > 9.5f ? 9.5f : x;
  int32_t n;
  const float k = round_to_int(c * 2.88539008f, &n);
  const float e = expm1_reduced(2.0f * c - k * 0.693145752f - k * 1.42860677e-6f);
  const float s = power_of_two(n), m = s * e + (s - 1.0f);
  const float y = m / (m + 2.0f);
  return x == 0.0f ? x : y;  // keeps -0.0
}

// 3 ULP.
inline float vsigmoid(float x) { return 1.0f / (1.0f + vexp(-x)); }

// 2 ULP: an odd polynomial near zero, 1 - exp(-q(|x|)) beyond, 1 from 3.95 on.
inline float verf(float x) {
  const float a = std::fabs(x), z = x * x;
  float p = 7.88911952e-05f;
  p = p * z - 0.000802084128f;
  p = p * z + 0.00518953534f;
  p = p * z - 0.0268544446f;
  p = p * z + 0.112836002f;
  p = p * z - 0.376126271f;
  p = p * z + 1.12837917f;
  const float c = a > 3.95f ? 3.95f : a;
  float q = -0.000198220675f;
  q = q * c + 0.00306549954f;
  q = q * c - 0.022315247f;
  q = q * c + 0.104113744f;
  q = q * c + 0.636976015f;
  q = q * c + 1.12779728f;
  q = q * c + 0.000166439331f;
  // exp(-q) for 0.9 < q < 18: no special cases.
  int32_t n;
  const float k = round_to_int(q * -1.44269504f, &n);
  const float e =
      (1.0f + expm1_reduced(-q - k * 0.693145752f - k * 1.42860677e-6f)) * power_of_two(n);
  const float big = std::copysign(1.0f - e, x);
  return a < 1.0f ? x * p : x != x ? x : big;
}

// The normal distribution's probability below x: half of erfc as a power of two whose exponent is
// a polynomial in |x|. Absolute error 8e-8.
inline float vnormal_cdf(float x) {
  const float a = std::fabs(x), c = a > 6.0f ? 6.0f : a;
  float q = -5.12867217e-07f;
  q = q * c + 9.56030106e-06f;
  q = q * c - 7.49741831e-05f;
  q = q * c + 0.000284348595f;
  q = q * c - 1.49922224e-05f;
  q = q * c - 0.00693111848f;
  q = q * c + 0.0524347645f;
  q = q * c + 0.45922145f;
  q = q * c + 1.15110427f;
  const float y = -1.0f - q * c;
  int32_t n;
  const float f = y - round_to_int(y, &n);
  float p = 0.000154753863f;
  p = p * f + 0.00134002995f;
  p = p * f + 0.00961800695f;
  p = p * f + 0.055503277f;
  p = p * f + 0.240226513f;
  p = p * f + 0.693147206f;
  const float tail = a > 6.0f ? 0.0f : (1.0f + f * p) * power_of_two(n);
  return x > 0.0f ? 1.0f - tail : tail;
}

// The same names for double go to the C library.
inline double vexp(double x) { return ::exp(x); }
inline double vexp2(double x) { return ::exp2(x); }
inline double vexpm1(double x) { return ::expm1(x); }
inline double vlog(double x) { return ::log(x); }
inline double vlog2(double x) { return ::log2(x); }
inline double vlog10(double x) { return ::log10(x); }
inline double vlog1p(double x) { return ::log1p(x); }
inline double vtanh(double x) { return ::tanh(x); }
inline double vsigmoid(double x) { return 1.0 / (1.0 + ::exp(-x)); }
inline double verf(double x) { return ::erf(x); }
inline double vnormal_cdf(double x) { return 0.5 * (1.0 + ::erf(x * 0.70710678118654752440)); }

inline float vsin(float x) { return ::sinf(x); }
inline double vsin(double x) { return ::sin(x); }
inline float vcos(float x) { return ::cosf(x); }
inline double vcos(double x) { return ::cos(x); }
inline float vtan(float x) { return ::tanf(x); }
inline double vtan(double x) { return ::tan(x); }
inline float vasin(float x) { return ::asinf(x); }
inline double vasin(double x) { return ::asin(x); }
inline float vacos(float x) { return ::acosf(x); }
inline double vacos(double x) { return ::acos(x); }
inline float vatan(float x) { return ::atanf(x); }
inline double vatan(double x) { return ::atan(x); }
inline float vsinh(float x) { return ::sinhf(x); }
inline double vsinh(double x) { return ::sinh(x); }
inline float vcosh(float x) { return ::coshf(x); }
inline double vcosh(double x) { return ::cosh(x); }
inline float vasinh(float x) { return ::asinhf(x); }
inline double vasinh(double x) { return ::asinh(x); }
inline float vacosh(float x) { return ::acoshf(x); }
inline double vacosh(double x) { return ::acosh(x); }
inline float vatanh(float x) { return ::atanhf(x); }
inline double vatanh(double x) { return ::atanh(x); }
inline float verfc(float x) { return ::erfcf(x); }
inline double verfc(double x) { return ::erfc(x); }
inline float vpow(float x, float y) { return ::powf(x, y); }
inline double vpow(double x, double y) { return ::pow(x, y); }
inline float vatan2(float y, float x) { return ::atan2f(y, x); }
inline double vatan2(double y, double x) { return ::atan2(y, x); }

}  // namespace
}  // namespace rl
