// Convolution as matrix products over unfolded patches.
//
//   col (x/groups * kernel, positions) holds, for each output position, the inputs it sees
//   forward  y = w @ col          data  x += fold(w^T @ y)          weights  w += y @ col^T
//
// Positions are taken in chunks whose patches stay in the second-level cache, so the unfolded
// image never exists as a whole. A 1x1 kernel without padding reads x itself.
#include "conv.h"

#include <algorithm>

#include "../core/kernel.h"

namespace rl {
namespace {

constexpr int64_t kColumnBytes = 192 * 1024;

struct Sizes {
  int64_t channels_x, channels_y;  // of one group
  int64_t depth;                   // rows of col
  int64_t positions, chunk, chunks;
  bool plain;  // col is x
};

Sizes sizes_of(DType t, const ConvShape& s) {
  Sizes z;
  z.channels_x = s.x_channels / s.groups;
  z.channels_y = s.y_channels / s.groups;
  z.depth = z.channels_x * s.kernel_size();
  z.positions = s.y_size();
  z.plain = s.kernel_size() == 1 && s.x_size() == s.y_size();
  for (int d = 0; d < 3; ++d) z.plain = z.plain && s.stride[d] == 1 && s.pad[d] == 0;
  const int64_t fits = kColumnBytes / (std::max<int64_t>(z.depth, 1) * itemsize(t));
  z.chunk = std::min(std::max<int64_t>(fits / 32 * 32, 32), std::max<int64_t>(z.positions, 1));
  z.chunks = (z.positions + z.chunk - 1) / z.chunk;
  return z;
}

// What the product and the patches of some positions take.
double share_ns(const Sizes& z, int64_t positions) {
  return 50 + static_cast<double>(z.depth * positions) *
                  (0.3 + 0.04 * static_cast<double>(z.channels_y));
}

// Calls run(column, row, first) for each run of output positions in [begin, end) that lie in one
// row: `column` is the run's place in the chunk, `row` the input row's offset or -1 outside the
// image, `first` the run's first output column, `count` its length.
template <class F>
void for_rows(const ConvShape& s, const int64_t (&tap)[3], int64_t begin, int64_t end, F&& run) {
  for (int64_t p = begin; p < end;) {
    const int64_t ow = p % s.y[2], oh = p / s.y[2] % s.y[1], od = p / s.y[2] / s.y[1];
    const int64_t count = std::min(s.y[2] - ow, end - p);
    const int64_t id = od * s.stride[0] - s.pad[0] + tap[0] * s.dilation[0];
    const int64_t ih = oh * s.stride[1] - s.pad[1] + tap[1] * s.dilation[1];
    const bool inside = id >= 0 && id < s.x[0] && ih >= 0 && ih < s.x[1];
    run(p - begin, inside ? (id * s.x[1] + ih) * s.x[2] : int64_t{-1}, ow, count);
    p += count;
  }
}

// The part [low, high) of output columns [first, first + count) whose input column is inside.
struct Span {
  int64_t low, high, shift;
};
Span inside(const ConvShape& s, int64_t tap, int64_t first, int64_t count) {
  const int64_t shift = tap * s.dilation[2] - s.pad[2], step = s.stride[2];
  int64_t low = shift >= 0 ? 0 : (-shift + step - 1) / step;
  int64_t high = s.x[2] - shift <= 0 ? 0 : (s.x[2] - shift - 1) / step + 1;
  low = std::clamp(low, first, first + count);
  high = std::clamp(high, low, first + count);
  return {low, high, shift};
}

template <class F>
void for_taps(const ConvShape& s, F&& f) {
  int64_t tap[3];
  for (tap[0] = 0; tap[0] < s.kernel[0]; ++tap[0])
    for (tap[1] = 0; tap[1] < s.kernel[1]; ++tap[1])
      for (tap[2] = 0; tap[2] < s.kernel[2]; ++tap[2]) f(tap);
}

template <class T>
void unfold(const ConvShape& s, const T* x, int64_t channels, T* col, int64_t begin, int64_t end) {
  const int64_t width = end - begin, step = s.stride[2];
  for (int64_t c = 0; c < channels; ++c, x += s.x_size()) {
    for_taps(s, [&](const int64_t (&tap)[3]) {
      for_rows(s, tap, begin, end, [&](int64_t at, int64_t row, int64_t first, int64_t count) {
        T* out = col + at;
        if (row < 0) {
          std::fill(out, out + count, T{});
          return;
        }
        const Span in = inside(s, tap[2], first, count);
        std::fill(out, out + (in.low - first), T{});
        const T* from = x + row + in.shift;
        if (step == 1)
          std::copy(from + in.low, from + in.high, out + (in.low - first));
        else
          for (int64_t o = in.low; o < in.high; ++o) out[o - first] = from[o * step];
        std::fill(out + (in.high - first), out + count, T{});
      });
      col += width;
    });
  }
}

template <class T>
void fold_add(const ConvShape& s, T* x, int64_t channels, const T* col, int64_t begin,
              int64_t end) {
  const int64_t width = end - begin, step = s.stride[2];
  for (int64_t c = 0; c < channels; ++c, x += s.x_size()) {
    for_taps(s, [&](const int64_t (&tap)[3]) {
      for_rows(s, tap, begin, end, [&](int64_t at, int64_t row, int64_t first, int64_t count) {
        if (row < 0) return;
        const Span in = inside(s, tap[2], first, count);
        T* to = x + row + in.shift;
        for (int64_t o = in.low; o < in.high; ++o)
          to[o * step] = static_cast<T>(to[o * step] + col[at + o - first]);
      });
      col += width;
    });
  }
}

// col for one chunk: unfolded into this thread's memory, or x itself.
template <class T>
struct Column {
  const T* p;
  int64_t row;
};
template <class T>
Column<T> column(const ConvShape& s, const Sizes& z, const T* x, int64_t begin, int64_t end) {
  if (z.plain) return {x + begin, z.positions};
  T* col = static_cast<T*>(thread_buffer(1, std::max<int64_t>(z.depth * z.chunk, 1) * sizeof(T)));
  unfold(s, x, z.channels_x, col, begin, end);
  return {col, end - begin};
}

template <class T>
void forward(const ConvShape& s, const T* x, const T* w, T* y) {
  const Sizes z = sizes_of(dtype_of<T>::value, s);
  const GemmFn gemm = find_gemm(dtype_of<T>::value);
  const double work = share_ns(z, z.chunk);
  parallel_for(s.n * s.groups * z.chunks, grain_of(work), [&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      const int64_t c = i % z.chunks, image = i / z.chunks, group = image % s.groups;
      const int64_t begin = c * z.chunk, end = std::min(begin + z.chunk, z.positions);
      const Column<T> col = column(s, z, x + image * z.channels_x * s.x_size(), begin, end);
      GemmArgs g;
      g.m = z.channels_y, g.n = end - begin, g.k = z.depth;
      g.a = w + group * z.channels_y * z.depth, g.a_row = z.depth, g.a_col = 1;
      g.b = col.p, g.b_row = col.row, g.b_col = 1;
      g.c = y + image * z.channels_y * z.positions + begin, g.c_row = z.positions;
      gemm(g);
    }
  });
}

template <class T>
void data(const ConvShape& s, T* x, const T* w, const T* y) {
  const Sizes z = sizes_of(dtype_of<T>::value, s);
  const GemmFn gemm = find_gemm(dtype_of<T>::value);
  const double work = share_ns(z, z.positions);
  parallel_for(s.n * s.groups, grain_of(work), [&](int64_t i0, int64_t i1) {
    for (int64_t image = i0; image < i1; ++image) {
      T* to = x + image * z.channels_x * s.x_size();
      if (!z.plain) std::fill(to, to + z.channels_x * s.x_size(), T{});
      for (int64_t begin = 0; begin < z.positions; begin += z.chunk) {
        const int64_t end = std::min(begin + z.chunk, z.positions);
        T* col = z.plain ? to + begin
                         : static_cast<T*>(thread_buffer(
                               1, std::max<int64_t>(z.depth * z.chunk, 1) * sizeof(T)));
        GemmArgs g;
        g.m = z.depth, g.n = end - begin, g.k = z.channels_y;
        g.a = w + image % s.groups * z.channels_y * z.depth, g.a_row = 1, g.a_col = z.depth;
        g.b = y + image * z.channels_y * z.positions + begin, g.b_row = z.positions, g.b_col = 1;
        g.c = col, g.c_row = z.plain ? z.positions : end - begin;
        gemm(g);
        if (!z.plain) fold_add(s, to, z.channels_x, col, begin, end);
      }
    }
  });
}

int weight_threads(const ConvShape& s) {
  // Each thread sums into weights of its own; that pays only for large work.
  const int64_t most =
      std::min<int64_t>(num_threads(), std::min<int64_t>(s.n, s.flops() / grain_of(0.01)));
  return static_cast<int>(std::clamp<int64_t>(most, 1, 8));
}

template <class T>
void weights(const ConvShape& s, const T* x, T* w, const T* y, T* partials) {
  const Sizes z = sizes_of(dtype_of<T>::value, s);
  const GemmFn gemm = find_gemm(dtype_of<T>::value);
  const int64_t size = s.y_channels * z.depth;
  const int parts = weight_threads(s);
  parallel_for(parts, 1, [&](int64_t p0, int64_t p1) {
    for (int64_t part = p0; part < p1; ++part) {
      T* sum = part ? partials + (part - 1) * size : w;
      std::fill(sum, sum + size, T{});
      for (int64_t n = s.n * part / parts; n < s.n * (part + 1) / parts; ++n)
        for (int64_t group = 0; group < s.groups; ++group)
          for (int64_t begin = 0; begin < z.positions; begin += z.chunk) {
            const int64_t end = std::min(begin + z.chunk, z.positions),
                          image = n * s.groups + group;
            const Column<T> col = column(s, z, x + image * z.channels_x * s.x_size(), begin, end);
            GemmArgs g;
            g.m = z.channels_y, g.n = z.depth, g.k = end - begin;
            g.a = y + image * z.channels_y * z.positions + begin, g.a_row = z.positions,
            g.a_col = 1;
            g.b = col.p, g.b_row = 1, g.b_col = col.row;
            g.c = sum + group * z.channels_y * z.depth, g.c_row = z.depth;
            g.beta = 1;
            gemm(g);
          }
    }
  });
  for (int part = 1; part < parts; ++part)
    for (int64_t i = 0; i < size; ++i)
      w[i] = static_cast<T>(w[i] + partials[(part - 1) * size + i]);
}

}  // namespace

int64_t conv_partials(ConvPass pass, DType t, const ConvShape& s) {
  if (pass != ConvPass::Weights) return 0;
  return (weight_threads(s) - 1) * s.y_channels * (s.x_channels / s.groups) * s.kernel_size() *
         itemsize(t);
}

void conv_direct(ConvPass pass, DType t, const ConvShape& s, char* x, char* w, char* y,
                 char* partials) {
  visit_all(t, [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!std::is_same_v<T, bool> && !std::is_same_v<T, Half> &&
                  !std::is_same_v<T, BFloat16>) {
      T *px = reinterpret_cast<T*>(x), *pw = reinterpret_cast<T*>(w), *py = reinterpret_cast<T*>(y);
      if (pass == ConvPass::Forward)
        forward(s, px, pw, py);
      else if (pass == ConvPass::Data)
        data(s, px, pw, py);
      else
        weights(s, px, pw, py, reinterpret_cast<T*>(partials));
    }
  });
}

}  // namespace rl
