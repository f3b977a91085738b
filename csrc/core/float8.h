// Eight-bit floats: sign, exponent and significand in one byte, scaled for machine learning.
//
//   e4m3fn    bias 7, no infinities, the code 7f is NaN; too large a value becomes 448
//   e5m2      bias 15, infinities and NaNs as in IEEE half precision
//   *fnuz     bias one more, the code of -0 (80) is the only NaN and what overflows becomes
//   e8m0fnu   an exponent only, 2^(code - 127); ff is NaN; signs are dropped
//
// Rounding is to nearest, ties to even (e8m0fnu: ties up). Without branches, so that loops
// vectorise.
#pragma once
#include <cstdint>
#include <cstring>

#include "dtype.h"

namespace rl {

inline float float_of_bits(uint32_t u) {
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}
inline uint32_t bits_of_float(float f) {
  uint32_t u;
  std::memcpy(&u, &f, 4);
  return u;
}

enum class Float8Kind { Finite, Ieee, Fnuz };

// kMan bits of significand.
template <int kMan, int kBias, Float8Kind kKind>
struct Float8 {
  uint8_t code;

  static constexpr uint32_t kOne = 1u << (23 - kMan);  // the last bit that is kept, in float bits
  static constexpr uint32_t kSmallest = (127 - kBias + 1) << 23;  // the smallest normal number
  static constexpr uint32_t kMost = kKind == Float8Kind::Finite ? 0x7e
                                    : kKind == Float8Kind::Ieee ? 0x7b
                                                                : 0x7f;
  static constexpr uint32_t kOver = kKind == Float8Kind::Finite ? 0x7e
                                    : kKind == Float8Kind::Ieee ? 0x7c
                                                                : 0x80;
  static constexpr uint32_t kNan = kKind == Float8Kind::Fnuz ? 0x80 : 0x7f;

  Float8() = default;
  explicit Float8(float f) {
    const uint32_t u = bits_of_float(f), sign = u >> 24 & 0x80, a = u & 0x7fffffff;
    const uint32_t normal =
        ((a + kOne / 2 - 1 + (a / kOne & 1)) / kOne) - (static_cast<uint32_t>(127 - kBias) << kMan);
    // Adding a number whose last bit is worth one step of the subnormals rounds to such a step.
    constexpr uint32_t step = (127 - kBias + 1 - kMan + 23) << 23;
    const uint32_t small = bits_of_float(float_of_bits(a) + float_of_bits(step)) - step;
    uint32_t c = a < kSmallest ? small : normal;
    c = c > kMost || a >= 0x7f800000 ? kOver : c;
    c = a > 0x7f800000 ? kNan : c;
    if (kKind == Float8Kind::Fnuz)
      code = static_cast<uint8_t>(c == 0 ? 0 : c | sign);
    else
      code = static_cast<uint8_t>(c | sign);
  }

  explicit operator float() const {
    const uint32_t c = code & 0x7f, sign = static_cast<uint32_t>(code & 0x80) << 24;
    const uint32_t normal = c * kOne + (static_cast<uint32_t>(127 - kBias) << 23);
    const uint32_t small =
        bits_of_float(float_of_bits(kSmallest | c * kOne) - float_of_bits(kSmallest));
    uint32_t u = (c >> kMan) == 0 ? small : normal;
    if (kKind == Float8Kind::Finite) u = c == 0x7f ? 0x7ff00000 : u;
    if (kKind == Float8Kind::Ieee)
      u = c > 0x7c ? 0x7fc00000 | (c & 3) << 21 : c == 0x7c ? 0x7f800000 : u;
    return float_of_bits(kKind == Float8Kind::Fnuz && code == 0x80 ? 0x7f800001 : u | sign);
  }
};

using E4M3FN = Float8<3, 7, Float8Kind::Finite>;
using E5M2 = Float8<2, 15, Float8Kind::Ieee>;
using E4M3FNUZ = Float8<3, 8, Float8Kind::Fnuz>;
using E5M2FNUZ = Float8<2, 16, Float8Kind::Fnuz>;

struct E8M0FNU {
  uint8_t code;

  E8M0FNU() = default;
  explicit E8M0FNU(float f) {
    const uint32_t a = bits_of_float(f) & 0x7fffffff, e = a >> 23, m = a & 0x7fffff;
    const uint32_t up = m > 0x400000 || (m == 0x400000 && e > 0);
    code = static_cast<uint8_t>(e == 255 ? 255 : e + up);
  }
  explicit operator float() const {
    return float_of_bits(code == 255 ? 0x7f800001 : code == 0 ? 0x00400000 : code << 23);
  }
};

struct ComplexHalf {
  Half re, im;
};

}  // namespace rl
