// Max pooling of images in channels-last memory: all channels of a window at once.
#pragma once
#include <algorithm>
#include <limits>

#include "pool.h"

namespace rl {
namespace {

// Fewer channels make short vectors: they go plane by plane.
inline bool pools_channels_last(const Windows& w, const Array& x) {
  return w.spatial == 2 && x.ndim() == 4 && x.size(1) >= 8 && x.channels_last() &&
         !x.contiguous() && w.d[1] == 1 && w.d[2] == 1 && w.in_size() <= INT32_MAX;
}

// The array in channels-last order, as it is or as a copy in another type.
inline Array channels_last_copy(const Array& a, DType t) {
  const IntList order{0, 3, 1, 2};
  const Array b = Array::empty(t, {a.size(0), a.size(2), a.size(3), a.size(1)}).permute(order);
  copy_into(b, a);
  return b;
}

// The largest of window (oh, ow) for every channel, and where they stand in the plane. Of equal
// values the first wins, of NaNs the last.
template <class T, bool Where>
void largest_of_window(const Windows& w, int64_t channels, const T* image, int64_t oh, int64_t ow,
                       T* top, int32_t* at) {
  const int64_t r0 = oh * w.s[1] - w.p[1], c0 = ow * w.s[2] - w.p[2];
  const int64_t r1 = std::min(r0 + w.k[1], w.in[1]), c1 = std::min(c0 + w.k[2], w.in[2]);
  bool first = true;
  for (int64_t r = std::max<int64_t>(r0, 0); r < r1; ++r)
    for (int64_t c = std::max<int64_t>(c0, 0); c < c1; ++c) {
      const int32_t place = static_cast<int32_t>(r * w.in[2] + c);
      const T* pixel = image + place * channels;
      if (first) {
        std::copy(pixel, pixel + channels, top);
        if constexpr (Where) std::fill(at, at + channels, place);
        first = false;
        continue;
      }
#pragma omp simd
      for (int64_t k = 0; k < channels; ++k) {
        const T v = pixel[k], b = top[k];
        const T bigger = v > b ? v : b;
        top[k] = v != v ? v : bigger;
        if constexpr (Where) {
          const int32_t then = v > b ? place : at[k];
          at[k] = v != v ? place : then;
        }
      }
    }
}

// y (N, OH, OW, C) and the places, which `where` may leave out, from x (N, H, W, C).
template <class T>
void max_channels(const Windows& w, int64_t channels, const T* x, T* y, int64_t* where) {
  Scratch<int32_t> places(where ? static_cast<size_t>(num_threads()) * channels : 0);
  NoGil nogil(w.planes * w.in_size());
  const int64_t rows = w.planes / channels * w.out[1];
  const double taps = static_cast<double>(w.out[2] * channels * w.k[1] * w.k[2]);
  parallel_for(rows, grain_of((where ? 0.3 : 0.1) * taps + 5), [&](int64_t begin, int64_t end) {
    int32_t* at = where ? places.get() + omp_get_thread_num() * channels : nullptr;
    for (int64_t i = begin * w.out[2]; i < end * w.out[2]; ++i) {
      const int64_t row = i / w.out[2], oh = row % w.out[1], ow = i % w.out[2];
      const T* image = x + row / w.out[1] * w.in_size() * channels;
      if (!where) {
        largest_of_window<T, false>(w, channels, image, oh, ow, y + i * channels, nullptr);
        continue;
      }
      largest_of_window<T, true>(w, channels, image, oh, ow, y + i * channels, at);
      std::copy(at, at + channels, where + i * channels);
    }
  });
}

// gx: every g at the place of its window's largest.
template <class T>
void max_channels_backward(const Windows& w, int64_t channels, const T* x, const T* g, T* gx) {
  const size_t threads = static_cast<size_t>(num_threads());
  Scratch<int32_t> places(threads * channels);
  Scratch<T> tops(threads * channels);
  NoGil nogil(w.planes * w.in_size());
  parallel_for(
      w.planes / channels, plane_grain(w, 0.3 * static_cast<double>(channels)),
      [&](int64_t begin, int64_t end) {
        int32_t* at = places.get() + omp_get_thread_num() * channels;
        T* top = tops.get() + omp_get_thread_num() * channels;
        for (int64_t n = begin; n < end; ++n) {
          const T *image = x + n * w.in_size() * channels, *from = g + n * w.out_size() * channels;
          T* to = gx + n * w.in_size() * channels;
          std::fill(to, to + w.in_size() * channels, T(0));
          for (int64_t i = 0; i < w.out_size(); ++i, from += channels) {
            largest_of_window<T, true>(w, channels, image, i / w.out[2], i % w.out[2], top, at);
            for (int64_t k = 0; k < channels; ++k) {
              T& sum = to[at[k] * channels + k];
              sum = static_cast<T>(sum + from[k]);
            }
          }
        }
      });
}

}  // namespace
}  // namespace rl
