// Moves of bytes.
#pragma once
#include <cstdint>
#include <cstring>

namespace rl {
namespace {

// memcpy, but from the end where reads would wait for writes: a processor takes a load for a copy
// of an earlier store when their addresses agree in the last 12 bits, 10 times slower.
inline void copy_bytes(char* to, const char* from, int64_t n) {
  typedef char Line __attribute__((vector_size(64), aligned(1), may_alias));
  const uintptr_t apart =
      (reinterpret_cast<uintptr_t>(to) - reinterpret_cast<uintptr_t>(from)) & 4095;
  if (n < 512 || apart == 0 || apart >= 64) {
    std::memcpy(to, from, n);
    return;
  }
  int64_t i = n;
  for (; i >= 64; i -= 64)
    *reinterpret_cast<Line*>(to + i - 64) = *reinterpret_cast<const Line*>(from + i - 64);
  std::memcpy(to, from, i);
}

}  // namespace
}  // namespace rl
