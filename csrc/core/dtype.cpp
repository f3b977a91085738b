#include "dtype.h"

#include "error.h"
#include "kernel.h"

namespace rl {

static DType g_default = DType::F32;

DType default_dtype() { return g_default; }
void set_default_dtype(DType t) { g_default = t; }

// One of the two, or both, has no loops of its own.
static DType promote_extended(DType a, DType b) {
  const char *first = dtype_scalar_name(a), *second = dtype_scalar_name(b);
  const auto refuse = [&](const char* what) {
    fail(ErrorType::Runtime, "Promotion for %s is not supported, attempted to promote %s and %s",
         what, first, second);
  };
  const auto is_small_unsigned = [](DType t) {
    return is_wide_unsigned(t) || (t >= DType::UInt1 && t <= DType::UInt7);
  };
  if (is_bits(a) || is_bits(b) || is_quantized(a) || is_quantized(b))
    fail(ErrorType::Runtime, "Promotion from %s and %s is unsupported.", first, second);
  if (is_float8(a) || is_float8(b)) refuse("Float8 Types");
  if (is_small_unsigned(a) || is_small_unsigned(b)) {
    if (is_real(a)) return a;
    if (is_real(b)) return b;
    refuse("uint16, uint32, uint64 types");
  }
  if (a == DType::C32 || b == DType::C32) {
    const DType other = a == DType::C32 ? b : a;
    if (is_complex(other)) return other;
    if (other == DType::F64) return DType::C128;
    if (other == DType::F32 || other == DType::BF16) return DType::C64;
    if (!is_extended(other)) return DType::C32;
  }
  fail(ErrorType::Runtime, "Promotion from %s and %s is unsupported.", first, second);
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (is_extended(a) || is_extended(b)) return promote_extended(a, b);
  if (a > b) std::swap(a, b);
  const Category ca = category(a), cb = category(b);
  if (cb == Category::Complex) {
    const bool wide = b == DType::C128 || (a == DType::F64);
    return wide ? DType::C128 : DType::C64;
  }
  if (cb == Category::Real) {
    if (ca != Category::Real) return b;
    return a == DType::F16 && b == DType::BF16 ? DType::F32 : b;
  }
  // Integers: a < b in the order bool, u8, i8, i16, i32, i64.
  if (a == DType::U8 && b == DType::I8) return DType::I16;
  return b;
}

DType checked_complex(DType t) {
  if (!is_complex(t) && (!is_real(t) || is_extended(t)))
    fail(ErrorType::Runtime, "Unknown Complex ScalarType for %s", dtype_scalar_name(t));
  return to_complex(t);
}

bool can_cast(DType from, DType to) {
  if (is_complex(from)) return is_complex(to);
  if (to == DType::Bool) return from == DType::Bool;
  if (is_real(from)) return !is_integral(to) || !is_number(to);
  return true;
}

// clang-format off
const char* dtype_name(DType t) {
  static const char* names[kDTypes] = {
      "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
      "float64", "complex64", "complex128", "uint16", "uint32", "uint64", "complex32",
      "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu",
      "float4_e2m1fn_x2", "bits1x8", "bits2x4", "bits4x2", "bits8", "bits16", "int1", "int2",
      "int3", "int4", "int5", "int6", "int7", "uint1", "uint2", "uint3", "uint4", "uint5",
      "uint6", "uint7", "qint8", "quint8", "qint32", "quint4x2", "quint2x4"};
  return names[static_cast<int>(t)];
}

const char* dtype_scalar_name(DType t) {
  static const char* names[kDTypes] = {
      "Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double",
      "ComplexFloat", "ComplexDouble", "UInt16", "UInt32", "UInt64", "ComplexHalf",
      "Float8_e4m3fn", "Float8_e5m2", "Float8_e4m3fnuz", "Float8_e5m2fnuz", "Float8_e8m0fnu",
      "Float4_e2m1fn_x2", "Bits1x8", "Bits2x4", "Bits4x2", "Bits8", "Bits16", "Int1", "Int2",
      "Int3", "Int4", "Int5", "Int6", "Int7", "UInt1", "UInt2", "UInt3", "UInt4", "UInt5",
      "UInt6", "UInt7", "QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4"};
  return names[static_cast<int>(t)];
}
// clang-format on

void unsupported_dtype(DType t) { throw UnsupportedDType(t); }

}  // namespace rl
