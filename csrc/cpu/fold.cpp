// Sliding blocks of images as columns, the sum of such columns, and the sum of frames of a signal.
//
//   im2col (N, C, H, W) -> (N, C kh kw, L): column[c, i, j, p] = x[c, at(p, i, j)], 0 outside
//   col2im (N, C kh kw, L) -> (N, C, H, W): x[c, at(p, i, j)] += column[c, i, j, p]
//   overlap_add (..., count, size) -> (..., (count - 1) hop + size): y[f hop + i] += frame[f, i]
//
// where at(p, i, j) = p stride - padding + (i, j) dilation. Each is the gradient of its inverse.
// One pass over columns; the image of a plane stays in cache.
#include <algorithm>

#include "../core/kernel.h"
#include "../core/op.h"

namespace rl {
namespace {

struct Blocks {
  int64_t size[2], kernel[2], dilation[2], padding[2], stride[2], count[2];
  int64_t plane() const { return size[0] * size[1]; }
  int64_t taps() const { return kernel[0] * kernel[1]; }
  int64_t positions() const { return count[0] * count[1]; }
};

// From the arguments that start at `first`: kernel, dilation, padding, stride.
Blocks blocks_of(const Call& call, int first, int64_t height, int64_t width) {
  Blocks b{{height, width}, {}, {}, {}, {}, {}};
  int64_t* const parts[4] = {b.kernel, b.dilation, b.padding, b.stride};
  for (int k = 0; k < 4; ++k) {
    const IntList given = call.ints(first + k);
    if (given.size() != 2)
      fail(ErrorType::Runtime, "%s: expected two sizes, got %zu", call.name(), given.size());
    for (int d = 0; d < 2; ++d)
      if ((parts[k][d] = given[static_cast<size_t>(d)]) < (k == 2 ? 0 : 1))
        fail(ErrorType::Runtime, "%s: sizes must be positive", call.name());
  }
  for (int d = 0; d < 2; ++d) {
    const int64_t room = b.size[d] + 2 * b.padding[d] - b.dilation[d] * (b.kernel[d] - 1) - 1;
    b.count[d] = room < 0 ? 0 : room / b.stride[d] + 1;
  }
  return b;
}

// Calls run(p, at, count) for the stretches of one tap: positions [p, p + count) see the places
// at, at + stride, ... of the plane; the positions between them see none.
template <class F>
void for_stretches(const Blocks& b, int64_t tap, F&& run) {
  const int64_t i = tap / b.kernel[1] * b.dilation[0] - b.padding[0];
  const int64_t j = tap % b.kernel[1] * b.dilation[1] - b.padding[1], step = b.stride[1];
  const int64_t low = std::min(j >= 0 ? 0 : (step - 1 - j) / step, b.count[1]);
  const int64_t last = b.size[1] - 1 - j;
  const int64_t high = std::clamp(last < 0 ? 0 : last / step + 1, low, b.count[1]);
  for (int64_t r = 0; r < b.count[0]; ++r) {
    const int64_t row = r * b.stride[0] + i;
    if (row >= 0 && row < b.size[0] && low < high)
      run(r * b.count[1] + low, row * b.size[1] + j + low * step, high - low);
  }
}

template <class T>
void to_columns(const T* x, int64_t planes, const Blocks& b, T* column) {
  const int64_t taps = b.taps(), n = b.positions();
  parallel_for(planes * taps, grain_of(10 + 0.5 * static_cast<double>(n)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t k = begin; k < end; ++k) {
                   const T* from = x + k / taps * b.plane();
                   T* to = column + k * n;
                   int64_t done = 0;
                   for_stretches(b, k % taps, [&](int64_t p, int64_t at, int64_t count) {
                     std::fill(to + done, to + p, T{});
                     if (b.stride[1] == 1)
                       std::copy_n(from + at, count, to + p);
                     else
                       for (int64_t o = 0; o < count; ++o) to[p + o] = from[at + o * b.stride[1]];
                     done = p + count;
                   });
                   std::fill(to + done, to + n, T{});
                 }
               });
}

template <class T>
void add_run(T* to, const T* from, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] + from[i]);
}

template <class T>
void from_columns(const T* column, int64_t planes, const Blocks& b, T* x) {
  const int64_t taps = b.taps(), n = b.positions(), step = b.stride[1];
  parallel_for(planes, grain_of(10 + 0.7 * static_cast<double>(n * taps)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t p = begin; p < end; ++p) {
                   T* to = x + p * b.plane();
                   std::fill_n(to, b.plane(), T{});
                   for (int64_t tap = 0; tap < taps; ++tap) {
                     const T* from = column + (p * taps + tap) * n;
                     for_stretches(b, tap, [&](int64_t o, int64_t at, int64_t count) {
                       if (step == 1) return add_run(to + at, from + o, count);
                       for (int64_t k = 0; k < count; ++k) {
                         T& v = to[at + k * step];
                         v = static_cast<T>(v + from[o + k]);
                       }
                     });
                   }
                 }
               });
}

void need_fractions(const Call& call, DType t) {
  if (is_integral(t) && t != DType::Bool)
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", call.name(),
         dtype_scalar_name(t));
}

}  // namespace

RL_KERNEL(im2col) {  // input (N, C, H, W), kernel, dilation, padding, stride
  const Array x = call.tensor(0).contiguous_copy();
  if (x.ndim() != 4) fail(ErrorType::Runtime, "im2col: expected 4 dims, got %d", x.ndim());
  need_fractions(call, x.dtype());
  const Blocks b = blocks_of(call, 1, x.size(2), x.size(3));
  const Array y = Array::empty(x.dtype(), {x.size(0), x.size(1) * b.taps(), b.positions()});
  NoGil nogil(y.numel());
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    to_columns(x.data<T>(), x.size(0) * x.size(1), b, y.data<T>());
  });
  call.result(y);
}

RL_KERNEL(col2im) {  // columns (N, C k, L), size, kernel, dilation, padding, stride
  const Array column = call.tensor(0).contiguous_copy();
  const IntList size = call.ints(1);
  if (column.ndim() != 3 || size.size() != 2)
    fail(ErrorType::Runtime, "col2im: expected 3 dims and two sizes, got %d and %zu", column.ndim(),
         size.size());
  need_fractions(call, column.dtype());
  const Blocks b = blocks_of(call, 2, size[0], size[1]);
  if (column.size(1) % b.taps() || column.size(2) != b.positions() || size[0] < 0 || size[1] < 0)
    fail(ErrorType::Runtime, "col2im: columns of shape %s do not fit",
         shape_text(column.shape()).c_str());
  const int64_t channels = column.size(1) / b.taps();
  const Array x = Array::empty(column.dtype(), {column.size(0), channels, size[0], size[1]});
  NoGil nogil(column.numel());
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    from_columns(column.data<T>(), column.size(0) * channels, b, x.data<T>());
  });
  call.result(x);
}

RL_KERNEL(overlap_add) {  // frames (..., count, size), hop
  const Array frames = call.tensor(0).contiguous_copy();
  const int64_t hop = call.integer(1);
  if (frames.ndim() < 2 || hop < 1)
    fail(ErrorType::Runtime, "overlap_add: expected 2 dims and a positive hop, got %d and %lld",
         frames.ndim(), static_cast<long long>(hop));
  const int64_t count = frames.size(-2), size = frames.size(-1);
  const int64_t length = std::max<int64_t>(0, (count - 1) * hop + size);
  IntList shape(frames.shape().begin(), frames.shape().end() - 2);
  shape.push_back(count ? length : 0);
  const Array y = Array::empty(frames.dtype(), shape);
  NoGil nogil(frames.numel());
  visit_all(frames.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = frames.data<T>();
    T* to = y.data<T>();
    parallel_for(count && length ? y.numel() / length : 0,
                 grain_of(10 + 0.3 * static_cast<double>(count * size)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     std::fill_n(to + i * length, length, T{});
                     for (int64_t f = 0; f < count; ++f)
                       add_run(to + i * length + f * hop, from + (i * count + f) * size, size);
                   }
                 });
  });
  call.result(y);
}

}  // namespace rl
