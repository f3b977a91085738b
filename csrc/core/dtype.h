// Element types: their sizes, categories and promotion.
#pragma once
#include <complex>
#include <cstdint>
#include <cstring>
#include <utility>

namespace rl {

// The first twelve are computed with: loops and kernels are written for them. The next nine are
// stored and converted; an operator takes them through a wider type of the first twelve, or only
// moves their bytes. The rest are names for bytes that PyTorch has no numbers for.
// clang-format off
enum class DType : uint8_t {
  Bool, U8, I8, I16, I32, I64, F16, BF16, F32, F64, C64, C128,
  U16, U32, U64, C32, F8E4M3FN, F8E5M2, F8E4M3FNUZ, F8E5M2FNUZ, F8E8M0FNU,
  F4E2M1FNX2, Bits1x8, Bits2x4, Bits4x2, Bits8, Bits16,
  Int1, Int2, Int3, Int4, Int5, Int6, Int7, UInt1, UInt2, UInt3, UInt4, UInt5, UInt6, UInt7,
  QInt8, QUInt8, QInt32, QUInt4x2, QUInt2x4
};
// clang-format on
constexpr int kComputeTypes = 12, kNumberTypes = 21, kDTypes = 46;

using c64 = std::complex<float>;
using c128 = std::complex<double>;

struct Half {
  _Float16 v;
  Half() = default;
  Half(float f) : v(static_cast<_Float16>(f)) {}
  operator float() const { return static_cast<float>(v); }
};

struct BFloat16 {
  uint16_t bits;
  BFloat16() = default;
  BFloat16(float f) {
    uint32_t u;
    std::memcpy(&u, &f, 4);
    // Round to nearest even; a NaN keeps its top bits and stays a quiet NaN.
    const uint32_t rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
    bits = (u & 0x7fffffff) > 0x7f800000 ? static_cast<uint16_t>((u >> 16) | 0x40)
                                         : static_cast<uint16_t>(rounded);
  }
  operator float() const {
    const uint32_t u = static_cast<uint32_t>(bits) << 16;
    float f;
    std::memcpy(&f, &u, 4);
    return f;
  }
};

// 0 bool, 1 integer, 2 real, 3 complex: PyTorch's categories.
enum class Category : uint8_t { Bool, Integer, Real, Complex };

constexpr uint8_t kItemSize[kDTypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 2, 4, 8, 4,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1,  1, 1, 1, 1,
                                        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4,  1, 1};
constexpr int itemsize(DType t) { return kItemSize[static_cast<int>(t)]; }

constexpr bool is_extended(DType t) { return t > DType::C128; }  // has no loops of its own
constexpr bool is_number(DType t) { return t < DType::F4E2M1FNX2; }
constexpr bool is_wide_unsigned(DType t) { return t >= DType::U16 && t <= DType::U64; }
constexpr bool is_float8(DType t) { return t >= DType::F8E4M3FN && t <= DType::F8E8M0FNU; }
constexpr bool is_bits(DType t) { return t >= DType::Bits1x8 && t <= DType::Bits16; }
constexpr bool is_quantized(DType t) { return t >= DType::QInt8; }  // names only: no scales here

constexpr Category category(DType t) {
  if (t == DType::Bool) return Category::Bool;
  if (t < DType::F16 || is_wide_unsigned(t) || t > DType::F4E2M1FNX2) return Category::Integer;
  return t == DType::C64 || t == DType::C128 || t == DType::C32 ? Category::Complex
                                                                : Category::Real;
}
constexpr bool is_integral(DType t) { return category(t) < Category::Real; }  // bool included
constexpr bool is_real(DType t) { return category(t) == Category::Real; }
constexpr bool is_complex(DType t) { return category(t) == Category::Complex; }
constexpr bool is_half(DType t) { return t == DType::F16 || t == DType::BF16; }
constexpr bool is_differentiable(DType t) { return category(t) >= Category::Real; }

constexpr DType to_real(DType t) {
  return t == DType::C64    ? DType::F32
         : t == DType::C128 ? DType::F64
         : t == DType::C32  ? DType::F16
                            : t;
}
constexpr DType to_complex(DType t) {
  return is_complex(t)     ? t
         : t == DType::F64 ? DType::C128
         : t == DType::F16 ? DType::C32
                           : DType::C64;
}

// The type that holds both, ignoring what is a scalar: u8 with a signed type goes one
// size up, f16 with bf16 is f32, an integer takes the other's floating type. RuntimeError for the
// pairs that PyTorch refuses (float8 with anything else, uint16 and wider with an integer, ...).
DType promote(DType a, DType b);
DType checked_complex(DType t);          // to_complex; RuntimeError when the type has none
bool can_cast(DType from, DType to);     // by category, as PyTorch's result check
const char* dtype_name(DType t);         // "float32"
const char* dtype_scalar_name(DType t);  // "Float": the word in PyTorch's messages

DType default_dtype();
void set_default_dtype(DType t);

// "name" not implemented for 'UInt16'. Operators that can compute in a wider type catch it.
[[noreturn]] void unsupported_dtype(DType t);

template <class T>
struct dtype_of;
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::Bool;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::U8;
};
template <>
struct dtype_of<int8_t> {
  static constexpr DType value = DType::I8;
};
template <>
struct dtype_of<int16_t> {
  static constexpr DType value = DType::I16;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::I32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::I64;
};
template <>
struct dtype_of<Half> {
  static constexpr DType value = DType::F16;
};
template <>
struct dtype_of<BFloat16> {
  static constexpr DType value = DType::BF16;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::F32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::F64;
};
template <>
struct dtype_of<c64> {
  static constexpr DType value = DType::C64;
};
template <>
struct dtype_of<c128> {
  static constexpr DType value = DType::C128;
};

// Calls f with a value of the C++ type of `t`: visit(t, [&](auto tag) { using T = decltype(tag);
// ... }).
template <class F>
decltype(auto) visit_all(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::U8: return f(uint8_t{});
    case DType::I8: return f(int8_t{});
    case DType::I16: return f(int16_t{});
    case DType::I32: return f(int32_t{});
    case DType::I64: return f(int64_t{});
    case DType::F16: return f(Half{});
    case DType::BF16: return f(BFloat16{});
    case DType::F32: return f(float{});
    case DType::F64: return f(double{});
    case DType::C64: return f(c64{});
    case DType::C128: return f(c128{});
    default: unsupported_dtype(t);
  }
}

// Kernels that only move elements need one instantiation per element size.
struct alignas(8) Bytes16 {
  uint64_t a, b;
};
template <class F>
decltype(auto) visit_size(int bytes, F&& f) {
  switch (bytes) {
    case 1: return f(uint8_t{});
    case 2: return f(uint16_t{});
    case 4: return f(uint32_t{});
    case 8: return f(uint64_t{});
    default: return f(Bytes16{});
  }
}

}  // namespace rl
