// Elements as unsigned keys whose integer order is PyTorch's sorting order: NaN above all, the two
// zeros equal. A key travels with its position, so any sort of entries is a stable sort.
#pragma once
#include "walk.h"

namespace rl {
namespace {

inline uint32_t float_key(uint32_t u) {
  const uint32_t body = u & 0x7fffffffu;
  const uint32_t flipped = u ^ ((u >> 31) ? 0xffffffffu : 0x80000000u);
  return body > 0x7f800000u ? 0xffffffffu : body == 0 ? 0x80000000u : flipped;
}

inline uint64_t double_key(uint64_t u) {
  const uint64_t body = u & ~(uint64_t{1} << 63);
  const uint64_t flipped = u ^ ((u >> 63) ? ~uint64_t{0} : uint64_t{1} << 63);
  return body > 0x7ff0000000000000u ? ~uint64_t{0} : body == 0 ? uint64_t{1} << 63 : flipped;
}

// Types of up to 32 bits have 32-bit keys, packed above a 32-bit position.
template <class T>
constexpr bool narrow_key = sizeof(T) <= 4;
template <class T>
using key_type = std::conditional_t<narrow_key<T>, uint32_t, uint64_t>;

template <class T>
inline key_type<T> key_of(T v) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> ||
                std::is_same_v<T, float>) {
    const float f = v;
    uint32_t u;
    std::memcpy(&u, &f, 4);
    return float_key(u);
  } else if constexpr (std::is_same_v<T, double>) {
    uint64_t u;
    std::memcpy(&u, &v, 8);
    return double_key(u);
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return static_cast<uint64_t>(v) ^ (uint64_t{1} << 63);
  } else {  // bool, uint8 and the small signed ones
    return static_cast<uint32_t>(static_cast<int32_t>(v)) ^ 0x80000000u;
  }
}

// The value a key stands for. Zeros and NaN lose their sign and payload: see keeps_value.
template <class T>
inline T value_of(key_type<T> key) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16> ||
                std::is_same_v<T, float>) {
    const uint32_t u = key ^ ((key >> 31) ? 0x80000000u : 0xffffffffu);
    float f;
    std::memcpy(&f, &u, 4);
    return static_cast<T>(f);
  } else if constexpr (std::is_same_v<T, double>) {
    const uint64_t u = key ^ ((key >> 63) ? uint64_t{1} << 63 : ~uint64_t{0});
    double d;
    std::memcpy(&d, &u, 8);
    return d;
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return static_cast<int64_t>(key ^ (uint64_t{1} << 63));
  } else {
    return static_cast<T>(static_cast<int32_t>(key ^ 0x80000000u));
  }
}

template <class T>
inline bool keeps_value(key_type<T> key) {
  using U = key_type<T>;
  if constexpr (std::is_integral_v<T>)
    return true;
  else
    return key != ~U{0} && key != U{1} << (8 * sizeof(U) - 1);
}

struct Narrow {
  using Entry = uint64_t;
  static Entry make(uint32_t key, int64_t at) {
    return uint64_t{key} << 32 | static_cast<uint32_t>(at);
  }
  static int64_t position(Entry e) { return static_cast<uint32_t>(e); }
  static uint64_t key(Entry e) { return e >> 32; }
  static bool less(Entry a, Entry b) { return a < b; }
};

struct Wide {
  struct Entry {
    uint64_t key, at;
  };
  static Entry make(uint64_t key, int64_t at) { return {key, static_cast<uint64_t>(at)}; }
  static int64_t position(const Entry& e) { return static_cast<int64_t>(e.at); }
  static uint64_t key(const Entry& e) { return e.key; }
  static bool less(const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key < b.key : a.at < b.at;
  }
};

// Calls f with a value of the element type; complex numbers have no order.
template <class F>
void visit_ordered(const char* op, DType t, F&& f) {
  switch (t) {
    case DType::Bool:
    case DType::U8: return f(uint8_t{});
    case DType::I8: return f(int8_t{});
    case DType::I16: return f(int16_t{});
    case DType::I32: return f(int32_t{});
    case DType::I64: return f(int64_t{});
    case DType::F16: return f(Half{});
    case DType::BF16: return f(BFloat16{});
    case DType::F32: return f(float{});
    case DType::F64: return f(double{});
    default:
      fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", op, dtype_scalar_name(t));
  }
}

}  // namespace
}  // namespace rl
