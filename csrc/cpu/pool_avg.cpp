// Average pooling: y[o] = sum of the window of x / its size, over fixed or adaptive windows.
//
// x (planes, D, H, W), y (planes, OD, OH, OW). Fixed windows: one vector step over a row of outputs
// for each window element, forward (y += x) and backward (gx += g), then one division per output.
// Half types add up in float32.
#include "pool.h"

namespace rl {
namespace {

// Along one dim: where window o begins and ends in the input, and its size for the divisor.
struct Span {
  int64_t begin, end, padded;
};

Span span_of(const Windows& w, int d, int64_t o) {
  const int64_t begin = o * w.s[d] - w.p[d], end = std::min(begin + w.k[d], w.in[d] + w.p[d]);
  return {std::max<int64_t>(begin, 0), std::min(end, w.in[d]), end - begin};
}

struct Divisor {
  bool include_pad;
  int64_t fixed;  // 0: the window's size
  int64_t operator()(const Span& a, const Span& b, const Span& c) const {
    if (fixed) return fixed;
    return include_pad ? a.padded * b.padded * c.padded
                       : (a.end - a.begin) * (b.end - b.begin) * (c.end - c.begin);
  }
};

template <class T>
using Sum = typename accumulate_type<T>::type;

template <class A>
A divided(A sum, int64_t count) {
  return sum / static_cast<A>(count);
}

// f(row of x, first output, last output, shift) for every row and column of the windows of one
// row of outputs: the elements x[o * stride + shift], first <= o < last.
template <class F>
void each_tap(const Windows& w, int64_t od, int64_t oh, F&& f) {
  const Span a = span_of(w, 0, od), b = span_of(w, 1, oh);
  for (int64_t z = a.begin; z < a.end; ++z)
    for (int64_t y = b.begin; y < b.end; ++y)
      for (int64_t c = 0; c < w.k[2]; ++c) {
        int64_t o0, o1;
        valid_outputs(w, 2, c, &o0, &o1);
        f((z * w.in[1] + y) * w.in[2] + c - w.p[2], o0, o1);
      }
}

template <class T>
void avg_forward(const Windows& w, const Divisor& divisor, const T* x, T* y) {
  using A = Sum<T>;
  const int64_t rows = w.out[0] * w.out[1], n = w.out[2];
  Scratch<A> scratch(static_cast<size_t>(num_threads()) * n);
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 0.3), [&](int64_t p0, int64_t p1) {
    A* sum = scratch.get() + omp_get_thread_num() * n;
    for (int64_t i = p0 * rows; i < p1 * rows; ++i) {
      const int64_t od = i % rows / w.out[1], oh = i % w.out[1];
      const T* plane = x + i / rows * w.in_size();
      std::fill(sum, sum + n, A(0));
      each_tap(w, od, oh, [&](int64_t from, int64_t o0, int64_t o1) {
        const T* row = plane + from;
        const int64_t s = w.s[2];
        if (s == 1) {
#pragma omp simd
          for (int64_t o = o0; o < o1; ++o) sum[o] += static_cast<A>(row[o]);
        } else if (s == 2) {
#pragma omp simd
          for (int64_t o = o0; o < o1; ++o) sum[o] += static_cast<A>(row[2 * o]);
        } else {
          for (int64_t o = o0; o < o1; ++o) sum[o] += static_cast<A>(row[s * o]);
        }
      });
      const Span a = span_of(w, 0, od), b = span_of(w, 1, oh);
      for (int64_t o = 0; o < n; ++o)
        y[i * n + o] = static_cast<T>(divided<A>(sum[o], divisor(a, b, span_of(w, 2, o))));
    }
  });
}

template <class T>
void avg_backward(const Windows& w, const Divisor& divisor, const T* g, T* gx) {
  using A = Sum<T>;
  const int64_t rows = w.out[0] * w.out[1], n = w.out[2], size = w.in_size();
  Scratch<A> shares(static_cast<size_t>(num_threads()) * n);
  Scratch<A> planes(static_cast<size_t>(num_threads()) * size);
  NoGil nogil(w.planes * size);
  parallel_for(w.planes, plane_grain(w, 0.5), [&](int64_t p0, int64_t p1) {
    A* share = shares.get() + omp_get_thread_num() * n;
    A* plane = planes.get() + omp_get_thread_num() * size;
    for (int64_t p = p0; p < p1; ++p) {
      std::fill(plane, plane + size, A(0));
      for (int64_t r = 0; r < rows; ++r) {
        const int64_t od = r / w.out[1], oh = r % w.out[1];
        const Span a = span_of(w, 0, od), b = span_of(w, 1, oh);
        for (int64_t o = 0; o < n; ++o)
          share[o] = divided<A>(static_cast<A>(g[(p * rows + r) * n + o]),
                                divisor(a, b, span_of(w, 2, o)));
        each_tap(w, od, oh, [&](int64_t from, int64_t o0, int64_t o1) {
          A* row = plane + from;
          const int64_t s = w.s[2];
          if (s == 1) {
#pragma omp simd
            for (int64_t o = o0; o < o1; ++o) row[o] += share[o];
          } else {
            for (int64_t o = o0; o < o1; ++o) row[s * o] += share[o];
          }
        });
      }
      T* to = gx + p * size;
      for (int64_t i = 0; i < size; ++i) to[i] = static_cast<T>(plane[i]);
    }
  });
}

Span adaptive_span(const Windows& w, int d, int64_t o) {
  const int64_t begin = o * w.in[d] / w.out[d], end = ((o + 1) * w.in[d] + w.out[d] - 1) / w.out[d];
  return {begin, end, end - begin};
}

// f(plane offset in x, offset in y, spans) for every output of planes [p0, p1).
template <class F>
void each_adaptive(const Windows& w, int64_t p0, int64_t p1, F&& f) {
  int64_t at = p0 * w.out_size();
  for (int64_t p = p0; p < p1; ++p)
    for (int64_t i = 0; i < w.out[0]; ++i) {
      const Span a = adaptive_span(w, 0, i);
      for (int64_t j = 0; j < w.out[1]; ++j) {
        const Span b = adaptive_span(w, 1, j);
        for (int64_t k = 0; k < w.out[2]; ++k)
          f(p * w.in_size(), at++, a, b, adaptive_span(w, 2, k));
      }
    }
}

// The rows under a window are added up first, for all its columns at once.
template <class T>
void adaptive_forward(const Windows& w, const T* x, T* y) {
  using A = Sum<T>;
  const int64_t wide = w.in[2];
  Scratch<A> scratch(static_cast<size_t>(num_threads()) * wide);
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 0.5), [&](int64_t p0, int64_t p1) {
    A* sum = scratch.get() + omp_get_thread_num() * wide;
    const int64_t rows = w.out[0] * w.out[1];
    for (int64_t i = p0 * rows; i < p1 * rows; ++i) {
      const Span a = adaptive_span(w, 0, i % rows / w.out[1]),
                 b = adaptive_span(w, 1, i % w.out[1]);
      const T* plane = x + i / rows * w.in_size();
      std::fill(sum, sum + wide, A(0));
      for (int64_t j = a.begin; j < a.end; ++j)
        for (int64_t k = b.begin; k < b.end; ++k) {
          const T* row = plane + (j * w.in[1] + k) * wide;
#pragma omp simd
          for (int64_t c = 0; c < wide; ++c) sum[c] += static_cast<A>(row[c]);
        }
      for (int64_t o = 0; o < w.out[2]; ++o) {
        const Span c = adaptive_span(w, 2, o);
        A total = 0;
        if (c.end - c.begin < 16) {
          for (int64_t k = c.begin; k < c.end; ++k) total += sum[k];
        } else {
#pragma omp simd reduction(+ : total)
          for (int64_t k = c.begin; k < c.end; ++k) total += sum[k];
        }
        y[i * w.out[2] + o] = static_cast<T>(divided<A>(total, a.padded * b.padded * c.padded));
      }
    }
  });
}

template <class T>
void adaptive_backward(const Windows& w, const T* g, T* gx) {
  using A = Sum<T>;
  const int64_t size = w.in_size();
  Scratch<A> planes(static_cast<size_t>(num_threads()) * size);
  NoGil nogil(w.planes * size);
  parallel_for(w.planes, plane_grain(w, 0.5), [&](int64_t p0, int64_t p1) {
    A* sum = planes.get() + omp_get_thread_num() * size;
    for (int64_t p = p0; p < p1; ++p) {
      std::fill(sum, sum + size, A(0));
      each_adaptive(
          w, p, p + 1, [&](int64_t, int64_t at, const Span& a, const Span& b, const Span& c) {
            const A share = divided<A>(static_cast<A>(g[at]), a.padded * b.padded * c.padded);
            for (int64_t i = a.begin; i < a.end; ++i)
              for (int64_t j = b.begin; j < b.end; ++j) {
                A* row = sum + (i * w.in[1] + j) * w.in[2];
                for (int64_t k = c.begin; k < c.end; ++k) row[k] += share;
              }
          });
      T* to = gx + p * size;
      for (int64_t i = 0; i < size; ++i) to[i] = static_cast<T>(sum[i]);
    }
  });
}

// Images in channels-last order: y[o] = the sum of the window's pixels, all channels at once.
template <class T, class F, class G>
void avg_channels(const Windows& w, int64_t channels, F span, G divisor, const T* x, T* y) {
  using A = Sum<T>;
  const int64_t rows = w.planes / channels * w.out[1];
  Scratch<A> scratch(static_cast<size_t>(num_threads()) * channels);
  NoGil nogil(w.planes * w.in_size());
  const int64_t work = w.in_size() / w.out[1] * channels;
  parallel_for(rows, std::max<int64_t>(1, 65536 / (work + 1)), [&](int64_t r0, int64_t r1) {
    A* sum = scratch.get() + omp_get_thread_num() * channels;
    for (int64_t r = r0; r < r1; ++r) {
      const Span b = span(1, r % w.out[1]);
      const T* image = x + r / w.out[1] * w.in_size() * channels;
      for (int64_t o = 0; o < w.out[2]; ++o) {
        const Span c = span(2, o);
        std::fill(sum, sum + channels, A(0));
        for (int64_t i = b.begin; i < b.end; ++i)
          for (int64_t j = c.begin; j < c.end; ++j) {
            const T* pixel = image + (i * w.in[2] + j) * channels;
#pragma omp simd
            for (int64_t k = 0; k < channels; ++k) sum[k] += static_cast<A>(pixel[k]);
          }
        const A count = static_cast<A>(divisor(b, c));
        T* to = y + (r * w.out[2] + o) * channels;
#pragma omp simd
        for (int64_t k = 0; k < channels; ++k) to[k] = static_cast<T>(sum[k] / count);
      }
    }
  });
}

bool takes_channels(const Array& x, int spatial) {
  return spatial == 2 && x.ndim() == 4 && x.channels_last() && !x.contiguous();
}

template <class F, class G>
Array pooled_channels(const char* op, const Windows& w, const Array& x, F span, G divisor) {
  const IntList& shape = w.out_shape;
  const Array y = Array::empty(x.dtype(), {shape[0], shape[2], shape[3], shape[1]});
  if (y.numel())
    visit_pooled(op, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      avg_channels<T>(w, x.size(1), span, divisor, x.data<T>(), y.data<T>());
    });
  return y.permute(IntList{0, 3, 1, 2});
}

Divisor divisor_of(Call& call, int first) {
  Divisor d{call.boolean(first), call.none(first + 1) ? 0 : call.integer(first + 1)};
  if (!call.none(first + 1) && d.fixed == 0) fail(ErrorType::Runtime, "divisor must be not zero");
  return d;
}

// input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
void avg_pool(Call& call, int spatial) {
  const Array& input = call.tensor(0);
  const Windows w = windows_of(call, 1, input, spatial, false);
  const Divisor divisor = divisor_of(call, 5);
  if (takes_channels(input, spatial))
    return call.result(pooled_channels(
        "avg_pool2d_out_frame", w, input, [&](int d, int64_t o) { return span_of(w, d, o); },
        [&](const Span& b, const Span& c) { return divisor({0, 1, 1}, b, c); }));
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape);
  if (y.numel())
    visit_pooled("avg_pool2d_out_frame", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      avg_forward<T>(w, divisor, x.data<T>(), y.data<T>());
    });
  call.result(spatial == 2 ? like_input(y, input) : y);  // PyTorch packs volumes
}

// A tensor's shape without its values: what the backward kernels need to know of the input.
Array shaped(const IntList& shape, DType t) {
  return Array::over(Array::empty(t, {1}).storage_ref(), t, 0, shape, IntList(shape.size(), 0));
}

void check_gradient(const char* op, const Array& g, const IntList& shape) {
  if (!std::equal(shape.begin(), shape.end(), g.shape().begin(), g.shape().end()))
    fail(ErrorType::Runtime, "%s: gradient must have the output's shape: got %s, expected %s", op,
         shape_text(g.shape()).c_str(), shape_text(shape).c_str());
}

// g, input_shape, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
void avg_pool_backward(Call& call, int spatial) {
  const Array g = call.tensor(0).contiguous_copy();
  const IntList shape = call.ints(1);
  const Windows w = windows_of(call, 2, shaped(shape, g.dtype()), spatial, false);
  const Divisor divisor = divisor_of(call, 6);
  check_gradient(call.name(), g, w.out_shape);
  const Array y = Array::empty(g.dtype(), shape);
  if (y.numel())
    visit_pooled("avg_pool2d_backward", g.dtype(), [&](auto tag) {
      using T = decltype(tag);
      avg_backward<T>(w, divisor, g.data<T>(), y.data<T>());
    });
  call.result(spatial == 2 && g.numel() ? like_input(y, call.tensor(0)) : y);
}

Windows adaptive_windows(const char* op, const Array& x, const IntList& size, int spatial) {
  Windows w = plane_sizes(op, x, spatial);
  for (int i = 0; i < spatial; ++i) {
    if (size[i] < 0)
      fail(ErrorType::Runtime,
           "%s: Trying to create tensor with negative dimension: elements of output_size must be "
           "greater than or equal to 0, but got %lld",
           op, static_cast<long long>(size[i]));
    w.out[3 - spatial + i] = w.out_shape[w.out_shape.size() - spatial + i] = size[i];
  }
  return w;
}

void adaptive_avg_pool(Call& call, int spatial) {  // input, output_size
  const Array& input = call.tensor(0);
  const Windows w = adaptive_windows(call.name(), input, call.ints(1, spatial), spatial);
  if (takes_channels(input, spatial))
    return call.result(pooled_channels(
        "adaptive_avg_pool2d", w, input, [&](int d, int64_t o) { return adaptive_span(w, d, o); },
        [](const Span& b, const Span& c) { return b.padded * c.padded; }));
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape);
  if (y.numel())
    visit_pooled("adaptive_avg_pool2d", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      adaptive_forward<T>(w, x.data<T>(), y.data<T>());
    });
  call.result(spatial == 2 ? like_input(y, input) : y);  // PyTorch packs volumes
}

void adaptive_avg_pool_backward(Call& call, int spatial) {  // g, input_shape
  const Array g = call.tensor(0).contiguous_copy();
  const IntList shape = call.ints(1);
  if (g.ndim() < spatial)
    fail(ErrorType::Runtime, "%s: expected a gradient of %d or %d dimensions, but got %s",
         call.name(), spatial + 1, spatial + 2, shape_text(g.shape()).c_str());
  const IntList size(g.shape().end() - spatial, g.shape().end());
  const Windows w = adaptive_windows(call.name(), shaped(shape, g.dtype()), size, spatial);
  check_gradient(call.name(), g, w.out_shape);
  const Array y = Array::empty(g.dtype(), shape);
  if (g.numel() == 0)
    std::memset(y.bytes(), 0, y.nbytes());
  else if (y.numel())
    visit_pooled("adaptive_avg_pool2d_backward", g.dtype(), [&](auto tag) {
      using T = decltype(tag);
      adaptive_backward<T>(w, g.data<T>(), y.data<T>());
    });
  call.result(spatial == 2 && g.numel() ? like_input(y, call.tensor(0)) : y);
}

}  // namespace

RL_KERNEL(avg_pool2d) { avg_pool(call, 2); }
RL_KERNEL(avg_pool3d) { avg_pool(call, 3); }
RL_KERNEL(avg_pool2d_backward) { avg_pool_backward(call, 2); }
RL_KERNEL(avg_pool3d_backward) { avg_pool_backward(call, 3); }
RL_KERNEL(adaptive_avg_pool2d) { adaptive_avg_pool(call, 2); }
RL_KERNEL(adaptive_avg_pool3d) { adaptive_avg_pool(call, 3); }
RL_KERNEL(adaptive_avg_pool2d_backward) { adaptive_avg_pool_backward(call, 2); }
RL_KERNEL(adaptive_avg_pool3d_backward) { adaptive_avg_pool_backward(call, 3); }

}  // namespace rl
