#include "dtype.h"

namespace rl {

static DType g_default = DType::F32;

DType default_dtype() { return g_default; }
void set_default_dtype(DType t) { g_default = t; }

DType promote(DType a, DType b) {
  if (a == b) return a;
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

bool can_cast(DType from, DType to) { return category(from) <= category(to); }

const char* dtype_name(DType t) {
  static const char* names[kDTypes] = {"bool",    "uint8",   "int8",      "int16",
                                       "int32",   "int64",   "float16",   "bfloat16",
                                       "float32", "float64", "complex64", "complex128"};
  return names[static_cast<int>(t)];
}

const char* dtype_scalar_name(DType t) {
  static const char* names[kDTypes] = {"Bool",  "Byte",   "Char",         "Short",
                                       "Int",   "Long",   "Half",         "BFloat16",
                                       "Float", "Double", "ComplexFloat", "ComplexDouble"};
  return names[static_cast<int>(t)];
}

}  // namespace rl
