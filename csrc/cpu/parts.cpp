// Signs, roundings and parts of numbers: abs, sign, floor, frexp, real and imaginary parts ...;
// one pass each. The views of complex tensors as real ones and back touch no memory.
#include <bit>
#include <cmath>

#include "loops.h"
#include "vecmath.h"

namespace rl {
namespace {

constexpr double kPi = 3.14159265358979323846;

template <class T>
using Part = typename T::value_type;

template <class T>
inline T absolute(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fabs(x);
  else if constexpr (std::is_signed_v<T>)
    return x < 0 ? sub_values(T(0), x) : x;
  else
    return x;
}

template <class T>
void complex_abs(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<Part<T>*>(p[0]);
  const T* a = reinterpret_cast<const T*>(p[1]);
  for (int64_t i = 0; i < n; ++i) out[i] = std::abs(a[i]);
}
template <class T>
void complex_angle(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<Part<T>*>(p[0]);
  const T* a = reinterpret_cast<const T*>(p[1]);
  for (int64_t i = 0; i < n; ++i) out[i] = std::atan2(a[i].imag(), a[i].real());
}

template <class T>
inline T complex_sgn(T z) {
  const Part<T> r = std::abs(z);
  return r == 0 ? T(0) : T(z.real() / r, z.imag() / r);
}

// z / |z|: squares of floats neither overflow nor vanish in double.
void float_signs(char* const* p, int64_t n, const double*) {
  float* out = reinterpret_cast<float*>(p[0]);
  const float* in = reinterpret_cast<const float*>(p[1]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const double x = in[2 * i], y = in[2 * i + 1], r = std::sqrt(x * x + y * y);
    const double scale = r == 0 ? 0 : 1 / r;
    out[2 * i] = static_cast<float>(x * scale);
    out[2 * i + 1] = static_cast<float>(y * scale);
  }
}

void register_signs() {
  unary<[](auto x) { return absolute(x); }>("abs", IntegersReals{});
  add_loop<Brain<true>, Brain<true>>("abs", half_signs<0x7fff, 0>, 0.1);
  add_loop<c64, float>("abs", complex_abs<c64>, 3);
  add_loop<c128, double>("abs", complex_abs<c128>, 5);
  unary<[]<class T>(T x) { return static_cast<T>((T(0) < x) - (x < T(0))); }>("sign",
                                                                              AllRealExact{});
  unary<[]<class T>(T x) { return static_cast<T>((T(0) < x) - (x < T(0))); }>("sgn",
                                                                              AllRealExact{});
  add_loop<c64, c64>("sgn", float_signs, 1);
  unary<[](auto x) { return complex_sgn(x); }>("sgn", Types<c128>{}, 5);
  unary<[]<class T>(T x) { return x != x  ? x
                                  : x < 0 ? static_cast<T>(kPi)
                                          : T(0); }>("angle",
                                                                                      Reals{});
  add_loop<c64, float>("angle", complex_angle<c64>, 20);
  add_loop<c128, double>("angle", complex_angle<c128>, 20);
  binary<[](auto a, auto b) { return std::copysign(a, b); }>("copysign", RealsExact{});
  binary<[](auto a, auto b) { return a == 0 ? b : static_cast<decltype(a)>(decltype(a)(0) < a); }>(
      "heaviside", AllReal{});
}

void register_roundings() {
  unary<[](auto x) { return std::floor(x); }>("floor", RealsExact{});
  unary<[](auto x) { return std::ceil(x); }>("ceil", RealsExact{});
  unary<[](auto x) { return std::trunc(x); }>("trunc", RealsExact{});
  unary<[](auto x) { return std::nearbyint(x); }>("round", RealsExact{});
  unary<[](auto x) { return x - std::trunc(x); }>("frac", RealsExact{});
  unary<[](auto x) { return x; }>("floor", Integers{});
  unary<[](auto x) { return x; }>("ceil", Integers{});
  unary<[](auto x) { return x; }>("trunc", Integers{});
  unary<[](auto x) { return x; }>("round", Integers{});
  unary_with<[]<class T>(const double* c) {
    const bool fraction = (c[0] > 0);
    const T scale = static_cast<T>(std::pow(10.0, std::fabs(c[0])));
    return [=](T x) {
      return fraction ? std::nearbyint(x * scale) / scale : std::nearbyint(x / scale) * scale;
    };
  }>("round_decimals", Reals{}, 0.5);
  unary<[]<class T>(T x) { return x * static_cast<T>(kPi / 180); }>("deg2rad", RealsRounded{});
  unary<[]<class T>(T x) { return x * static_cast<T>(180 / kPi); }>("rad2deg", RealsRounded{});
}

template <class T>
inline T replace(T x, T nan, T high, T low) {
  constexpr T kInf = std::numeric_limits<T>::infinity();
  return x != x ? nan : x == kInf ? high : x == -kInf ? low : x;
}

// The next number of a half type toward b, by its bits.
template <class T>
inline uint16_t next_half(uint16_t a, uint16_t b) {
  const float x = static_cast<float>(std::bit_cast<T>(a)),
              y = static_cast<float>(std::bit_cast<T>(b));
  if (x != x) return a;
  if (y != y || x == y) return b;
  if (x == 0) return static_cast<uint16_t>((b & 0x8000) | 1);
  return static_cast<uint16_t>((x < y) == (x > 0) ? a + 1 : a - 1);
}

// The same of floats, without branches.
template <class T>
inline T next_number(T x, T y) {
  using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  const Bits bits = std::bit_cast<Bits>(x);
  const T step = std::bit_cast<T>(static_cast<Bits>((x < y) == (x > 0) ? bits + 1 : bits - 1));
  const T least = std::copysign(std::numeric_limits<T>::denorm_min(), y);
  const T next = x == 0 ? least : step;
  return x != x || y != y ? x + y : x == y ? y : next;
}

template <class T>
void next_halves(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<uint16_t*>(p[0]);
  const auto* a = reinterpret_cast<const uint16_t*>(p[1]);
  const auto* b = reinterpret_cast<const uint16_t*>(p[2]);
  for (int64_t i = 0; i < n; ++i) out[i] = next_half<T>(a[i], b[i]);
}

void register_neighbours() {
  unary_with<[]<class T>(const double* c) {
    const T nan = static_cast<T>(c[0]), high = static_cast<T>(c[1]), low = static_cast<T>(c[2]);
    return [=](T x) { return replace(x, nan, high, low); };
  }>("nan_to_num", RealsRounded{});
  unary_with<[]<class T>(const double* c) {
    const auto nan = static_cast<Part<T>>(c[0]), high = static_cast<Part<T>>(c[1]),
               low = static_cast<Part<T>>(c[2]);
    return [=](T x) {
      return T(replace(x.real(), nan, high, low), replace(x.imag(), nan, high, low));
    };
  }>("nan_to_num", Complexes{});
  unary<[](auto x) { return x; }>("nan_to_num", BoolsIntegers{});
  binary<[](auto a, auto b) { return next_number(a, b); }>("nextafter", Reals{}, 0.5);
  add_loop<BFloat16, BFloat16>("nextafter", next_halves<BFloat16>, 3.0);
  add_loop<Half, Half>("nextafter", next_halves<Half>, 3.0);
}

template <class T>
void make_complex(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<T*>(p[0]);
  const auto *re = reinterpret_cast<const T*>(p[1]), *im = reinterpret_cast<const T*>(p[2]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    out[2 * i] = re[i];
    out[2 * i + 1] = im[i];
  }
}
template <class T>
void make_polar(char* const* p, int64_t n, const double*) {
  auto* out = reinterpret_cast<T*>(p[0]);
  const auto *r = reinterpret_cast<const T*>(p[1]), *angle = reinterpret_cast<const T*>(p[2]);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    out[2 * i] = r[i] * vcos(angle[i]);
    out[2 * i + 1] = r[i] * vsin(angle[i]);
  }
}

void register_complex() {
  add_loop<float, c64>("complex", make_complex<float>, 0.5);
  add_loop<double, c128>("complex", make_complex<double>, 0.8);
  add_loop<float, c64>("polar", make_polar<float>, 2);
  add_loop<double, c128>("polar", make_polar<double>, 4);
  unary<[](auto x) { return std::conj(x); }>("conj_physical", Complexes{}, 0.5);
  unary<[](auto x) { return x; }>("conj_physical", AllReal{});
}

const struct Registrar {
  Registrar() {
    register_signs();
    register_roundings();
    register_neighbours();
    register_complex();
  }
} registrar;

template <class T>
void split_float(const char* src, char* mantissa, int32_t* exponent, int64_t n) {
  const T* x = reinterpret_cast<const T*>(src);
  T* m = reinterpret_cast<T*>(mantissa);
  for (int64_t i = 0; i < n; ++i) {
    int e = 0;
    m[i] = std::frexp(x[i], &e);
    exponent[i] = std::isfinite(x[i]) ? e : 0;
  }
}

}  // namespace

// x = mantissa 2^exponent with 0.5 <= |mantissa| < 1; one pass.
RL_KERNEL(frexp) {
  const Array& given = call.tensor(0);
  if (!is_real(given.dtype()))
    fail(ErrorType::Runtime, "torch.frexp() only supports floating-point dtypes");
  const bool wide = given.dtype() == DType::F64;
  const Array x = given.to(wide ? DType::F64 : DType::F32).contiguous_copy();
  Array mantissa = Array::empty(x.dtype(), x.shape()),
        exponent = Array::empty(DType::I32, x.shape());
  if (!meta_call) {
    NoGil nogil(x.numel());
    const auto split = wide ? split_float<double> : split_float<float>;
    split(x.bytes(), mantissa.bytes(), reinterpret_cast<int32_t*>(exponent.bytes()), x.numel());
  }
  call.result(mantissa.to(given.dtype()));
  call.result(std::move(exponent));
}

// [..., n] complex as [..., n, 2] real.
RL_KERNEL(view_as_real) {
  const Array& x = call.tensor(0);
  if (!is_complex(x.dtype()))
    fail(ErrorType::Runtime, "view_as_real is only supported for complex tensors");
  IntList sizes(x.sizes(), x.sizes() + x.ndim()), strides(x.strides(), x.strides() + x.ndim());
  for (int64_t& s : strides) s *= 2;
  sizes.push_back(2);
  strides.push_back(1);
  call.result(Array::over(x.storage_ref(), to_real(x.dtype()), 2 * x.offset(), sizes, strides));
}

// [..., n, 2] real as [..., n] complex; the pairs must lie as complex numbers do.
RL_KERNEL(view_as_complex) {
  const Array& x = call.tensor(0);
  const char* message = nullptr;
  if (x.dtype() != DType::F16 && x.dtype() != DType::F32 && x.dtype() != DType::F64)
    fail(ErrorType::Runtime,
         "view_as_complex is only supported for half, float and double tensors, but got a tensor "
         "of scalar type: %s",
         dtype_scalar_name(x.dtype()));
  if (x.ndim() == 0)
    message = "Input tensor must have one or more dimensions";
  else if (x.size(-1) != 2)
    message = "Tensor must have a last dimension of size 2";
  else if (x.stride(-1) != 1)
    message = "Tensor must have a last dimension with stride 1";
  else if (x.offset() % 2 != 0)
    message = "Tensor must have a storage_offset divisible by 2";
  for (int d = 0; d + 1 < x.ndim() && !message; ++d)
    if (x.strides()[d] % 2 != 0)
      message = "Tensor must have a stride divisible by 2 for all but last dimension";
  if (message) fail(ErrorType::Runtime, "%s", message);
  const int n = x.ndim() - 1;
  IntList sizes(x.sizes(), x.sizes() + n), strides(x.strides(), x.strides() + n);
  for (int64_t& s : strides) s /= 2;
  call.result(Array::over(x.storage_ref(), to_complex(x.dtype()), x.offset() / 2, sizes, strides));
}

}  // namespace rl
