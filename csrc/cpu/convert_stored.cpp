// Casts of the types that are stored but not computed with, to and from their neighbours: wide
// unsigned integers, complex half precision, 8-bit floats. One pass; core/convert.cpp joins them
// into casts between all types.
//
// What lies outside an unsigned type wraps where a signed 64-bit (uint32: 32-bit) integer holds it;
// anything else gives the code that x86's conversions do.
#include "../core/convert.h"
#include "../core/float8.h"
#include "../core/kernel.h"

namespace rl {
namespace {

template <class To, class From>
inline To cast(From x) {
  return static_cast<To>(x);
}
template <>
inline uint32_t cast(double x) {
  // Out of range is the lowest int32, and stays so after the top bit is turned.
  const bool high = x >= 0x1p31;
  const double low = high ? x - 0x1p31 : x;
  const bool fits = low > -0x1p31 - 1 && low < 0x1p31;
  const int32_t v = fits ? static_cast<int32_t>(low) : std::numeric_limits<int32_t>::min();
  return static_cast<uint32_t>(v) ^ (high ? 0x80000000u : 0u);
}
template <>
inline uint64_t cast(double x) {
  const bool high = x >= 0x1p63;
  const double low = high ? x - 0x1p63 : x;
  const bool fits = low >= -0x1p63 && low < 0x1p63;
  const int64_t v = fits ? static_cast<int64_t>(low) : std::numeric_limits<int64_t>::min();
  return static_cast<uint64_t>(v) ^ (high ? uint64_t{1} << 63 : 0);
}
template <>
inline ComplexHalf cast(c64 x) {
  return {Half(x.real()), Half(x.imag())};
}
template <>
inline c64 cast(ComplexHalf x) {
  return {x.re, x.im};
}

template <class To, class From>
void convert_loop(char* dst, int64_t ds, const char* src, int64_t ss, int64_t n) {
  if (ds == sizeof(To) && ss == sizeof(From)) {
    To* __restrict d = reinterpret_cast<To*>(dst);
    const From* __restrict s = reinterpret_cast<const From*>(src);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) d[i] = cast<To>(s[i]);
  } else {
    for (int64_t i = 0; i < n; ++i)
      *reinterpret_cast<To*>(dst + i * ds) = cast<To>(*reinterpret_cast<const From*>(src + i * ss));
  }
}

template <class To, class From>
void add(DType to, DType from) {
  register_convert(RL_LEVEL, to, from, convert_loop<To, From>);
}
template <class T>
void add_float8(DType t) {
  add<T, float>(t, DType::F32);
  add<float, T>(DType::F32, t);
}

const struct Registrar {
  Registrar() {
    add<int32_t, uint16_t>(DType::I32, DType::U16);
    add<int64_t, uint32_t>(DType::I64, DType::U32);
    add<float, uint64_t>(DType::F32, DType::U64);
    add<double, uint64_t>(DType::F64, DType::U64);
    add<uint32_t, double>(DType::U32, DType::F64);
    add<uint64_t, double>(DType::U64, DType::F64);
    add<ComplexHalf, c64>(DType::C32, DType::C64);
    add<c64, ComplexHalf>(DType::C64, DType::C32);
    add_float8<E4M3FN>(DType::F8E4M3FN);
    add_float8<E5M2>(DType::F8E5M2);
    add_float8<E4M3FNUZ>(DType::F8E4M3FNUZ);
    add_float8<E5M2FNUZ>(DType::F8E5M2FNUZ);
    add_float8<E8M0FNU>(DType::F8E8M0FNU);
  }
} registrar;

}  // namespace
}  // namespace rl
