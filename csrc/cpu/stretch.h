// Short stretches of elements, copied in whole vectors.
#pragma once
#include <cstdint>
#include <cstring>

namespace rl {
namespace {

template <int kBytes>
struct Chunk {
  typedef char type __attribute__((vector_size(kBytes), aligned(1), may_alias));
};

// n >= kBytes bytes, the last vector over what the one before it wrote.
template <int kBytes>
inline void copy_chunks(char* y, const char* x, int64_t n) {
  using V = typename Chunk<kBytes>::type;
  const auto put = [&](int64_t i) {
    *reinterpret_cast<V*>(y + i) = *reinterpret_cast<const V*>(x + i);
  };
  for (int64_t i = 0; i < n - kBytes; i += kBytes) put(i);
  put(n - kBytes);
}

template <class T>
inline void copy_stretch(T* to, const T* from, int64_t n) {
  constexpr int kWide = RL_LEVEL >= 2 ? 64 : 32;
  const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
  char* y = reinterpret_cast<char*>(to);
  const char* x = reinterpret_cast<const char*>(from);
  if (bytes >= kWide)
    copy_chunks<kWide>(y, x, bytes);
  else if (bytes >= 16)
    copy_chunks<16>(y, x, bytes);
  else if (bytes >= 4)
    copy_chunks<4>(y, x, bytes);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i];
}

}  // namespace
}  // namespace rl
