// Average pooling: y[o] = sum of the window of x / its size, over fixed or adaptive windows.
//
// x (planes, D, H, W), y (planes, OD, OH, OW); images in channels-last order stay in it. The passes
// are in pool_mean.h.
#include "pixels.h"
#include "pool_mean.h"

namespace rl {
namespace {

// What the size of a window is for its divisor.
struct Divisor {
  bool include_pad;
  int64_t fixed;  // 0: the window's size
};

Means fixed_means(const Windows& w, const Divisor& divisor) {
  Means m;
  m.w = w;
  m.even = true;
  for (int d = 0; d < 3; ++d)
    for (int64_t o = 0; o < w.out[d]; ++o) {
      const int64_t first = o * w.s[d] - w.p[d], last = std::min(first + w.k[d], w.in[d] + w.p[d]);
      const int64_t begin = std::max<int64_t>(first, 0), end = std::min(last, w.in[d]);
      const int64_t size = divisor.include_pad ? last - first : end - begin;
      m.at[d].push_back({begin, end, !divisor.fixed ? size : d == 0 ? divisor.fixed : 1});
    }
  return m;
}

Means adaptive_means(const Windows& w) {
  Means m;
  m.w = w;
  for (int d = 0; d < 3; ++d)
    for (int64_t o = 0; o < w.out[d]; ++o) {
      const int64_t begin = o * w.in[d] / w.out[d],
                    end = ((o + 1) * w.in[d] + w.out[d] - 1) / w.out[d];
      m.at[d].push_back({begin, end, end - begin});
    }
  return m;
}

// Calls f with a value of the element type: floats and, for fixed windows, int64.
template <class F>
void visit_averaged(const char* op, DType t, bool integers, F&& f) {
  if (integers && t == DType::I64) return f(int64_t{});
  visit_real(op, t, f);
}

void average(Call& call, const char* word, Means&& m, int spatial) {
  const Array& input = call.tensor(0);
  const DType t = input.dtype();
  const bool pixels = spatial == 2 && in_pixels(input);
  if (pixels) m.channels = input.size(1);
  const Array x = pixels ? input : input.contiguous_copy();
  const Array y = pixels ? empty_pixels(t, m.w.out_shape) : Array::empty(t, m.w.out_shape);
  visit_averaged(word, t, m.even, [&](auto tag) {
    using T = decltype(tag);
    if (y.numel()) mean_forward<T>(m, x.data<T>(), y.data<T>());
  });
  call.result(y);  // volumes are packed, as PyTorch's
}

// The gradient lies as g does.
void average_backward(Call& call, const char* word, Means&& m, int spatial, const IntList& shape) {
  const Array& given = call.tensor(0);
  const DType t = given.dtype();
  const bool pixels = spatial == 2 && in_pixels(given);
  if (pixels) m.channels = shape[1];
  const Array g = pixels ? given : given.contiguous_copy();
  const Array gx = pixels ? empty_pixels(t, shape) : Array::empty(t, shape);
  visit_averaged(word, t, m.even, [&](auto tag) {
    using T = decltype(tag);
    if (gx.numel()) mean_backward<T>(m, g.data<T>(), gx.data<T>());
  });
  call.result(gx);
}

Divisor divisor_of(Call& call, int first) {
  Divisor d{call.boolean(first), call.none(first + 1) ? 0 : call.integer(first + 1)};
  if (!call.none(first + 1) && d.fixed == 0) fail(ErrorType::Runtime, "divisor must be not zero");
  return d;
}

// input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
void avg_pool(Call& call, int spatial) {
  const Windows w = windows_of(call, 1, call.tensor(0), spatial, false);
  if (spatial == 3 && (w.in[0] < w.k[0] || w.in[1] < w.k[1] || w.in[2] < w.k[2]))
    fail(ErrorType::Runtime,
         "avg_pool3d: input image (T: %lld H: %lld W: %lld) smaller than kernel size (kT: %lld "
         "kH: %lld kW: %lld)",
         static_cast<long long>(w.in[0]), static_cast<long long>(w.in[1]),
         static_cast<long long>(w.in[2]), static_cast<long long>(w.k[0]),
         static_cast<long long>(w.k[1]), static_cast<long long>(w.k[2]));
  average(call, spatial == 2 ? "avg_pool2d" : "avg_pool3d_out_frame",
          fixed_means(w, divisor_of(call, 5)), spatial);
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
  const Array& g = call.tensor(0);
  const IntList shape = call.ints(1);
  const Windows w = windows_of(call, 2, shaped(shape, g.dtype()), spatial, false);
  const Divisor divisor = divisor_of(call, 6);
  check_gradient(call.name(), g, w.out_shape);
  average_backward(call, "avg_pool2d_backward", fixed_means(w, divisor), spatial, shape);
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
  const Windows w = adaptive_windows(call.name(), call.tensor(0), call.ints(1, spatial), spatial);
  average(call, spatial == 2 ? "adaptive_avg_pool2d" : "adaptive_avg_pool3d_cpu", adaptive_means(w),
          spatial);
}

void adaptive_avg_pool_backward(Call& call, int spatial) {  // g, input_shape
  const Array& g = call.tensor(0);
  const IntList shape = call.ints(1);
  if (g.ndim() < spatial)
    fail(ErrorType::Runtime, "%s: expected a gradient of %d or %d dimensions, but got %s",
         call.name(), spatial + 1, spatial + 2, shape_text(g.shape()).c_str());
  const IntList size(g.shape().end() - spatial, g.shape().end());
  const Windows w = adaptive_windows(call.name(), shaped(shape, g.dtype()), size, spatial);
  check_gradient(call.name(), g, w.out_shape);
  average_backward(call, "adaptive_avg_pool2d_backward", adaptive_means(w), spatial, shape);
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
