// Max pooling: y[o] = max over the window of x, windows of k elements, `d` apart, every `s`.
//
// x (planes, D, H, W), y (planes, OD, OH, OW). Values alone come one row of outputs at a time:
// first the largest of the rows under the windows, column by column, then of the columns of each
// window, both as vector steps. With places: pool_places.h. Ties keep the first element of the
// plane and NaN wins, as in PyTorch. Without indices the backward pass finds the winners again from
// x: that reads x once more but writes and reads no int64 indices (8 bytes an output). 2x2 windows
// with stride 2 are one pass that writes every element of the gradient.
#include <limits>
#include <optional>

#include "pool_channels.h"
#include "pool_places.h"
#include "row.h"

namespace rl {
namespace {

// The larger of two, NaN above all. Two plain selections: GCC vectorises these, but no `bool`.
template <class A>
A larger(A v, A b) {
  const A top = v > b ? v : b;
  return v != v ? v : top;
}

// f or g, by whether v takes the place of b: it is larger, or NaN.
template <class A, class B>
B when_larger(A v, A b, B f, B g) {
  const B one = v > b ? f : g;
  return v != v ? f : one;
}

// The larger of two rows, element by element.
template <class T>
void merge_rows(T* best, const T* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) best[i] = larger(x[i], best[i]);
}

// One column of every window: S is the stride when known, else 0.
template <class T, int S>
void merge_columns(T* best, const T* x, int64_t stride, int64_t n) {
  const int64_t s = S ? S : stride;
#pragma omp simd
  for (int64_t o = 0; o < n; ++o) best[o] = larger(x[o * s], best[o]);
}

// All columns of windows of three; neighbours in the window are `step` apart.
template <class T, int S>
void take_three(T* best, const T* x, int64_t step, int64_t n) {
#pragma omp simd
  for (int64_t o = 0; o < n; ++o)
    best[o] = larger(x[o * S + 2 * step], larger(x[o * S + step], x[o * S]));
}

// Scratch of one thread, for blocks of output rows. A row of `column` holds the largest of the rows
// under a window with what padding adds on both sides, so that every column of the windows is a
// full run of whole vectors. A block is written before it is read again: reading what was just
// written, at another alignment, would wait for the writes.
template <class T>
class Block {
 public:
  static constexpr int64_t kRows = 8;
  T *best, *column;
  int64_t n, pitch;  // outputs of a row, in whole vectors; elements of a row of `column`

  static int64_t outputs(const Windows& w) { return (w.out[2] + 15) / 16 * 16; }
  static int64_t columns(const Windows& w) {
    return (std::max((outputs(w) + 1) * w.s[2] + w.k[2] * w.d[2], w.p[2] + w.in[2]) + 31) / 16 * 16;
  }
  static size_t room(const Windows& w) {
    return static_cast<size_t>(outputs(w) + 16 + kRows * columns(w));
  }

  Block(const Windows& w, T* values) : best(values), n(outputs(w)), pitch(columns(w)) {
    column = values + n + 16;
    std::fill(column, column + kRows * pitch, lowest<T>());
  }
};

// The largest of the rows under one row of windows, into row `slot` of the block.
template <class T>
void max_of_rows(const Windows& w, const T* plane, int64_t od, int64_t oh, const Block<T>& block,
                 int64_t slot) {
  const int64_t wide = w.in[2];
  T* column = block.column + slot * block.pitch + w.p[2];
  bool first = true;
  for (int64_t a = 0; a < w.k[0]; ++a) {
    const int64_t z = od * w.s[0] - w.p[0] + a * w.d[0];
    if (z < 0 || z >= w.in[0]) continue;
    for (int64_t b = 0; b < w.k[1]; ++b) {
      const int64_t y = oh * w.s[1] - w.p[1] + b * w.d[1];
      if (y < 0 || y >= w.in[1]) continue;
      const T* row = plane + (z * w.in[1] + y) * wide;
      if (first)
        std::copy(row, row + wide, column);
      else
        merge_rows(column, row, wide);
      first = false;
    }
  }
  if (first) std::fill(column, column + wide, lowest<T>());  // windows in the padding altogether
}

// Then the largest of the columns of each window: block.best.
template <class T>
void max_of_columns(const Windows& w, const Block<T>& block, int64_t slot) {
  const int64_t n = block.n, s = w.s[2];
  const T* row = block.column + slot * block.pitch;
  if (w.k[2] == 3 && s == 1) return take_three<T, 1>(block.best, row, w.d[2], n);
  if (w.k[2] == 3 && s == 2) return take_three<T, 2>(block.best, row, w.d[2], n + 1);
  std::fill(block.best, block.best + n, lowest<T>());
  for (int64_t c = 0; c < w.k[2]; ++c) {
    const T* x = row + c * w.d[2];
    // One more than whole vectors: GCC leaves the last vector of a strided run to single steps.
    if (s == 1)
      merge_columns<T, 1>(block.best, x, s, n);
    else if (s == 2)
      merge_columns<T, 2>(block.best, x, s, n + 1);
    else
      merge_columns<T, 0>(block.best, x, s, n);
  }
}

// A plane by blocks of rows.
template <class T>
void max_plane(const Windows& w, const T* plane, const Block<T>& block, T* y) {
  const int64_t rows = w.out[0] * w.out[1], n = w.out[2];
  for (int64_t r0 = 0; r0 < rows; r0 += Block<T>::kRows) {
    const int64_t r1 = std::min(rows, r0 + Block<T>::kRows);
    for (int64_t r = r0; r < r1; ++r)
      max_of_rows(w, plane, r / w.out[1], r % w.out[1], block, r - r0);
    for (int64_t r = r0; r < r1; ++r) {
      max_of_columns(w, block, r - r0);
      std::copy(block.best, block.best + n, y + r * n);
    }
  }
}

bool is_2x2(const Windows& w) {
  return w.in[0] == 1 && w.k[0] == 1 && w.k[1] == 2 && w.k[2] == 2 && w.s[1] == 2 && w.s[2] == 2 &&
         w.p[0] + w.p[1] + w.p[2] == 0 && w.d[1] == 1 && w.d[2] == 1 && w.out[1] * 2 <= w.in[1] &&
         w.out[2] * 2 <= w.in[2];
}

// The same of single lines.
bool is_1x2(const Windows& w) {
  return w.in[0] * w.in[1] == 1 && w.k[0] * w.k[1] == 1 && w.k[2] == 2 && w.s[2] == 2 &&
         w.p[0] + w.p[1] + w.p[2] == 0 && w.d[2] == 1 && w.out[2] * 2 <= w.in[2];
}

// One such plane: the largest of each four (a line is both rows), in one pass.
template <class T>
void max_2x2(const Windows& w, const T* x, T* y) {
  using A = typename accumulate_type<T>::type;
  const int64_t wide = w.in[2], n = w.out[2];
  for (int64_t r = 0; r < w.out[1]; ++r) {
    const T *x0 = x + 2 * r * wide, *x1 = w.k[1] == 2 ? x0 + wide : x0;
    T* to = y + r * n;
#pragma omp simd
    for (int64_t o = 0; o < n; ++o) {
      const A a = x0[2 * o], b = x0[2 * o + 1], c = x1[2 * o], d = x1[2 * o + 1];
      to[o] = static_cast<T>(larger(larger(d, c), larger(b, a)));
    }
  }
}

// The largest of every plane; half types as floats, which compare alike, a plane at a time.
template <class T>
void max_forward(const Windows& w, const T* x, T* y) {
  using C = compute_t<T>;
  const int64_t in = w.in_size(), out = w.out_size();
  const bool small = is_2x2(w) || is_1x2(w);
  const size_t room = small ? 0 : Block<C>::room(w);
  Scratch<C> values(static_cast<size_t>(num_threads()) * room);
  const ThreadBuffer<T> widened(in + out);
  NoGil nogil(w.planes * in);
  parallel_for(w.planes, plane_grain(w, small ? 0.1 : 0.3), [&](int64_t p0, int64_t p1) {
    C* const buffer = widened.mine();
    std::optional<Block<C>> block;
    if (!small) block.emplace(w, values.get() + omp_get_thread_num() * room);
    for (int64_t p = p0; p < p1; ++p) {
      const C* plane = load_row(x + p * in, in, buffer);
      C* to = row_target(y + p * out, buffer ? buffer + in : nullptr);
      if (small)
        max_2x2(w, plane, to);
      else
        max_plane(w, plane, *block, to);
      store_row(y + p * out, out, to);
    }
  });
}

// The same and the places.
template <class T>
void max_places(const Windows& w, const T* x, T* y, int64_t* where) {
  using C = compute_t<T>;
  const int64_t n = w.out[2], in = w.in_size(), out = w.out_size();
  const PlaceFinder finder(w);
  const size_t threads = num_threads(), room = finder.room(), held = finder.places();
  Scratch<C> values(threads * room);
  Scratch<int32_t> places(threads * held);
  const ThreadBuffer<T> widened(in + out);
  NoGil nogil(w.planes * in);
  parallel_for(w.planes, plane_grain(w, 0.6), [&](int64_t p0, int64_t p1) {
    const size_t mine = omp_get_thread_num();
    C* const buffer = widened.mine();
    for (int64_t p = p0; p < p1; ++p) {
      const C* plane = load_row(x + p * in, in, buffer);
      C* to = row_target(y + p * out, buffer ? buffer + in : nullptr);
      finder.each_row(plane, values.get() + mine * room, places.get() + mine * held,
                      [&](int64_t r, const C* best, const int32_t* at) {
                        std::copy(best, best + n, to + r * n);
                        std::copy(at, at + n, where + p * out + r * n);
                      });
      store_row(y + p * out, out, to);
    }
  });
}

// The gradient of one 2x2 plane, written whole: g goes to the first largest of the four.
template <class T>
void max_back_2x2(const Windows& w, const T* x, const T* g, T* gx) {
  using A = typename accumulate_type<T>::type;
  const int64_t wide = w.in[2], n = w.out[2];
  for (int64_t r = 0; r < w.out[1]; ++r) {
    const T *x0 = x + 2 * r * wide, *x1 = x0 + wide;
    T *y0 = gx + 2 * r * wide, *y1 = y0 + wide;
    const T* gr = g + r * n;
#pragma omp simd
    for (int64_t o = 0; o < n; ++o) {
      const A a = x0[2 * o], b = x0[2 * o + 1], c = x1[2 * o], d = x1[2 * o + 1];
      const A v = gr[o], none = 0, top = larger(b, a), low = larger(d, c);
      const A above = when_larger(low, top, none, v), under = when_larger(low, top, v, none);
      y0[2 * o] = static_cast<T>(when_larger(b, a, none, above));
      y0[2 * o + 1] = static_cast<T>(when_larger(b, a, above, none));
      y1[2 * o] = static_cast<T>(when_larger(d, c, none, under));
      y1[2 * o + 1] = static_cast<T>(when_larger(d, c, under, none));
    }
    std::fill(y0 + 2 * n, y0 + wide, T(0));
    std::fill(y1 + 2 * n, y1 + wide, T(0));
  }
  std::fill(gx + 2 * w.out[1] * wide, gx + w.in_size(), T(0));
}

template <class T>
void max_backward(const Windows& w, const T* x, const T* g, T* gx) {
  using C = compute_t<T>;
  const int64_t n = w.out[2], in = w.in_size(), out = w.out_size();
  const bool small = is_2x2(w);
  const std::optional<PlaceFinder> finder =
      small ? std::nullopt : std::make_optional<PlaceFinder>(w);
  const size_t threads = num_threads(), room = small ? 0 : finder->room(),
               held = small ? 0 : finder->places();
  Scratch<C> values(threads * room);
  Scratch<int32_t> places(threads * held);
  const ThreadBuffer<T> widened(2 * in + out);
  NoGil nogil(w.planes * in);
  parallel_for(w.planes, plane_grain(w, small ? 0.2 : 0.8), [&](int64_t p0, int64_t p1) {
    const size_t mine = omp_get_thread_num();
    C* const buffer = widened.mine();
    for (int64_t p = p0; p < p1; ++p) {
      const C* plane = load_row(x + p * in, in, buffer);
      const C* from = load_row(g + p * out, out, buffer ? buffer + 2 * in : nullptr);
      C* to = row_target(gx + p * in, buffer ? buffer + in : nullptr);
      if (small) {
        max_back_2x2(w, plane, from, to);
      } else {
        std::fill(to, to + in, C(0));
        finder->each_row(plane, values.get() + mine * room, places.get() + mine * held,
                         [&](int64_t r, const C*, const int32_t* at) {
                           for (int64_t o = 0; o < n; ++o)
                             if (at[o] < in)  // not in padding alone, dilated past the plane
                               to[at[o]] = static_cast<C>(to[at[o]] + from[r * n + o]);
                         });
      }
      store_row(gx + p * in, in, to);
    }
  });
}

void check_plane(const char* op, const Windows& w) {
  if (w.in_size() > INT32_MAX)
    fail(ErrorType::Runtime, "%s: a plane may hold at most 2^31 - 1 elements, got %lld", op,
         static_cast<long long>(w.in_size()));
}

// The same for images in channels-last memory. Half types are compared as floats.
void max_pool_channels(Call& call, const Windows& w, const Array& input, bool where) {
  const DType t = is_half(input.dtype()) ? DType::F32 : input.dtype();
  const Array x = t == input.dtype() ? input : channels_last_copy(input, t);
  const IntList shape{input.size(0), w.out[1], w.out[2], input.size(1)}, order{0, 3, 1, 2};
  const Array y = Array::empty(t, shape),
              places = where ? Array::empty(DType::I64, shape) : Array();
  visit_pooled("max_pool2d", t, [&](auto tag) {
    using T = decltype(tag);
    max_channels<T>(w, input.size(1), x.data<T>(), y.data<T>(),
                    where ? places.data<int64_t>() : nullptr);
  });
  call.result((t == input.dtype() ? y : y.to(input.dtype())).permute(order));
  if (where) call.result(places.permute(order));
}

void max_pool(Call& call, int spatial, bool where) {
  const Array& input = call.tensor(0);
  const Windows w = windows_of(call, 1, input, spatial, true);
  check_plane(call.name(), w);
  if (pools_channels_last(w, input) && input.numel() && !meta_call)
    return max_pool_channels(call, w, input, where);
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape);
  const Array places = where ? Array::empty(DType::I64, w.out_shape) : Array();
  if (y.numel())
    visit_pooled("max_pool2d", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if (where)
        max_places<T>(w, x.data<T>(), y.data<T>(), places.data<int64_t>());
      else
        max_forward<T>(w, x.data<T>(), y.data<T>());
    });
  call.result(like_input(y, input));
  if (where) call.result(like_input(places, input));
}

// g, input, kernel_size, stride, padding, dilation, ceil_mode
void max_pool_backward(Call& call, int spatial) {
  const Array& input = call.tensor(1);
  const Windows w = windows_of(call, 2, input, spatial, true);
  check_plane(call.name(), w);
  const Array& gy = call.tensor(0);
  if (!std::equal(w.out_shape.begin(), w.out_shape.end(), gy.shape().begin(), gy.shape().end()))
    fail(ErrorType::Runtime, "%s: gradient must have the output's shape: got %s, expected %s",
         call.name(), shape_text(gy.shape()).c_str(), shape_text(w.out_shape).c_str());
  if (!is_half(input.dtype()) && pools_channels_last(w, input) && input.numel() && !meta_call) {
    const DType t = input.dtype();
    const bool ready = gy.dtype() == t && gy.channels_last();
    const Array g = ready ? gy : channels_last_copy(gy, t);
    const Array gx = Array::empty_strided(t, input.shape(), input.stride_span());
    visit_pooled("max_pool2d_backward", t, [&](auto tag) {
      using T = decltype(tag);
      max_channels_backward<T>(w, input.size(1), input.data<T>(), g.data<T>(), gx.data<T>());
    });
    call.result(gx);
    return;
  }
  const Array x = input.contiguous_copy(), g = gy.to(x.dtype()).contiguous_copy();
  const Array y = Array::empty(x.dtype(), x.shape());
  if (y.numel())
    visit_pooled("max_pool2d_backward", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      max_backward<T>(w, x.data<T>(), g.data<T>(), y.data<T>());
    });
  call.result(like_input(y, input));
}

}  // namespace

RL_KERNEL(max_pool2d) { max_pool(call, 2, false); }
RL_KERNEL(max_pool3d) { max_pool(call, 3, false); }
RL_KERNEL(max_pool2d_with_indices) { max_pool(call, 2, true); }
RL_KERNEL(max_pool3d_with_indices) { max_pool(call, 3, true); }
RL_KERNEL(max_pool2d_backward) { max_pool_backward(call, 2); }
RL_KERNEL(max_pool3d_backward) { max_pool_backward(call, 3); }

}  // namespace rl
