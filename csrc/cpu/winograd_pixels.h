// Pixels with channels innermost, as winograd.cpp's transforms read and make them.
#pragma once
#include <cstring>

#include "gemm_tile.h"
#include "winograd.h"

namespace rl {
namespace {

using V = Vector<float>::type;
constexpr int kLanes = Vector<float>::lanes, kPanel = kTileCols<float>;

inline V at(const float* p) { return load<float>(p); }

// Rows of a square of vectors become its columns: blocks off the diagonal change places.
template <int Step, int... I>
inline void exchange(V (&v)[kLanes], std::integer_sequence<int, I...>) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if (i & Step) continue;
    const V a = v[i], b = v[i + Step];
    v[i] = __builtin_shufflevector(a, b, (I & Step ? kLanes + I - Step : I)...);
    v[i + Step] = __builtin_shufflevector(a, b, (I & Step ? kLanes + I : I + Step)...);
  }
}
inline void transpose(V (&v)[kLanes]) {
  constexpr std::make_integer_sequence<int, kLanes> all{};
  if constexpr (kLanes >= 16) exchange<8>(v, all);
  if constexpr (kLanes >= 8) exchange<4>(v, all);
  exchange<2>(v, all);
  exchange<1>(v, all);
}

// kLanes channels of rows [first, first + rows) of an image, which may reach over its edges: into
// dst (rows, columns, kLanes), where column 0 is pixel -left; all of the width lies inside. Outside
// is zero.
inline void gather_pixels(const WinogradShape& s, int64_t channels, const float* image,
                          int64_t channel, int64_t height, int64_t width, int64_t first,
                          int64_t rows, int64_t left, int64_t columns, float* dst) {
  const int64_t r0 = std::max<int64_t>(first, 0), r1 = std::min(first + rows, height);
  float* const inside = dst + ((r0 - first) * columns + left) * kLanes;
  const auto zero = [](float* p, int64_t pixels) {
    if (pixels > 0) std::memset(p, 0, static_cast<size_t>(pixels * kLanes) * sizeof(float));
  };
  zero(dst, (r0 - first) * columns);
  for (int64_t r = r0; r < r1; ++r) {
    float* row = dst + (r - first) * columns * kLanes;
    zero(row, left);
    zero(row + (left + width) * kLanes, columns - left - width);
  }
  zero(dst + (std::max(r1, r0) - first) * columns * kLanes,
       (first + rows - std::max(r1, r0)) * columns);
  if (r1 <= r0) return;
  if (s.channels_last) {
    for (int64_t r = r0; r < r1; ++r) {
      const float* from = image + r * width * channels + channel;
      float* to = dst + ((r - first) * columns + left) * kLanes;
      for (int64_t c = 0; c < width; ++c) store<float>(to + c * kLanes, at(from + c * channels));
    }
    return;
  }
  // Whole rows are one run of pixels in memory.
  const int64_t plane = height * width, run = (r1 - r0) * width;
  const float* from = image + channel * plane + r0 * width;
  if (run < kLanes) {
    for (int64_t p = 0; p < run; ++p) {
      float* to = inside + (p / width * columns + p % width) * kLanes;
      for (int l = 0; l < kLanes; ++l) to[l] = from[l * plane + p];
    }
    return;
  }
  for (int64_t done = 0; done < run; done += kLanes) {
    const int64_t p = std::min(done, run - kLanes);
    V v[kLanes];
#pragma GCC unroll 16
    for (int l = 0; l < kLanes; ++l) v[l] = at(from + l * plane + p);
    transpose(v);
    int64_t row = p / width, c = p % width;
    float* to = inside + (row * columns + c) * kLanes;
    for (int l = 0; l < kLanes; ++l) {
      store<float>(to, v[l]);
      to += kLanes;
      if (++c == width) c = 0, to += (columns - width) * kLanes;
    }
  }
}

// Pixels (count, kPanel) of channels [channel, channel + wide) into an image, from `first` on.
inline void scatter_pixels(const WinogradShape& s, const float* pixels, int64_t count, float* image,
                           int64_t channel, int64_t wide, int64_t first) {
  const int64_t plane = s.out_height() * s.out_width();
  if (s.channels_last) {
    float* to = image + first * s.outputs + channel;
    for (int64_t p = 0; p < count; ++p)
      std::memcpy(to + p * s.outputs, pixels + p * kPanel,
                  static_cast<size_t>(wide) * sizeof(float));
    return;
  }
  for (int64_t l0 = 0; l0 < wide; l0 += kLanes) {
    float* to = image + (channel + l0) * plane + first;
    const float* from = pixels + l0;
    if (count < kLanes) {
      for (int64_t p = 0; p < count; ++p)
        for (int l = 0; l < kLanes; ++l) to[l * plane + p] = from[p * kPanel + l];
      continue;
    }
    for (int64_t done = 0; done < count; done += kLanes) {
      const int64_t p = std::min(done, count - kLanes);
      V v[kLanes];
#pragma GCC unroll 16
      for (int l = 0; l < kLanes; ++l) v[l] = at(from + (p + l) * kPanel);
      transpose(v);
#pragma GCC unroll 16
      for (int l = 0; l < kLanes; ++l) store<float>(to + l * plane + p, v[l]);
    }
  }
}

}  // namespace
}  // namespace rl
