// Windows of pooling, for 2 and 3 spatial dims: everything runs as (planes, D, H, W).
#pragma once
#include "walk.h"
#include "window.h"

namespace rl {
namespace {

struct Windows {
  int spatial;     // 2 or 3
  int64_t planes;  // batch * channels
  int64_t in[3], out[3], k[3], s[3], p[3], d[3];
  IntList out_shape;

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
};

inline int64_t floor_div(int64_t a, int64_t b) {
  const int64_t q = a / b;
  return q - (a % b != 0 && (a % b < 0) != (b < 0));
}

inline int64_t pooled_size(int64_t in, int64_t k, int64_t s, int64_t p, int64_t d, bool ceil) {
  int64_t out = floor_div(in + 2 * p - d * (k - 1) - 1 + (ceil ? s - 1 : 0), s) + 1;
  // The last window must begin inside the input or its left padding.
  if (ceil && (out - 1) * s >= in + p) --out;
  return out;
}

// The planes and input sizes; (C, *spatial) or (N, C, *spatial).
inline Windows plane_sizes(const char* op, const Array& x, int spatial) {
  Windows w;
  w.spatial = spatial;
  bool fine = x.ndim() == spatial + 1 || x.ndim() == spatial + 2;
  for (int d = x.ndim() - spatial - 1; fine && d < x.ndim(); ++d) fine = d < 0 || x.size(d) > 0;
  if (!fine)
    fail(ErrorType::Runtime,
         "%s: non-empty %dD or %dD (batch mode) tensor expected for input: "
         "Expected %dD or %dD (batch mode) tensor with optional 0 dim batch size for input, "
         "Expected input's non-batch dimensions to have positive length, but got: %s",
         op, spatial + 1, spatial + 2, spatial + 1, spatial + 2, shape_text(x.shape()).c_str());
  w.planes = 1;
  for (int d = 0; d < x.ndim() - spatial; ++d) w.planes *= x.size(d);
  for (int i = 0; i < 3; ++i) {
    const int d = i - (3 - spatial);
    w.in[i] = d < 0 ? 1 : x.size(x.ndim() - spatial + d);
    w.k[i] = w.s[i] = w.d[i] = 1;
    w.p[i] = 0;
    w.out[i] = 1;
  }
  w.out_shape.assign(x.shape().begin(), x.shape().end());
  return w;
}

[[noreturn]] inline void not_positive(const char* op, const char* what, const char* name,
                                      int64_t got) {
  fail(ErrorType::Runtime,
       "%s: %s should be greater than zero: %s must be greater than zero, but got %lld", op, what,
       name, static_cast<long long>(got));
}

// The sizes of a channel and its plane: "(3x4x4)".
inline std::string plane_text(Shape s, int spatial) {
  std::string text;
  for (size_t i = s.size() - static_cast<size_t>(spatial) - 1; i < s.size(); ++i) {
    text += text.empty() ? "(" : "x";
    text += std::to_string(s[i]);
  }
  return text + ")";
}

// Arguments `first`.. of a call: kernel_size, stride, padding, then dilation if `dilated`,
// ceil_mode.
inline Windows windows_of(Call& call, int first, const Array& x, int spatial, bool dilated) {
  const char* op = call.name();
  const IntList k = call.ints(first, spatial);
  PyObject* stride = call.args[first + 1];
  const bool list = PyTuple_Check(stride) || PyList_Check(stride);
  const bool no_stride = stride == Py_None || (list && Py_SIZE(stride) == 0);
  const IntList s = no_stride ? k : call.ints(first + 1, spatial);
  const IntList p = call.ints(first + 2, spatial);
  const IntList d = dilated ? call.ints(first + 3, spatial) : IntList(spatial, 1);
  const bool ceil = call.boolean(first + (dilated ? 4 : 3));
  for (const IntList& numbers : {k, s, p, d}) check_window_numbers(op, numbers);
  for (int i = 0; i < spatial; ++i) {
    if (k[i] <= 0) not_positive(op, "kernel size", "kernel_size", k[i]);
    if (s[i] == 0)
      fail(ErrorType::Runtime,
           "%s: stride should not be zero: stride must be greater than zero, but got 0", op);
    if (s[i] < 0) not_positive(op, "stride", "stride", s[i]);
    if (d[i] <= 0) not_positive(op, "dilation", "dilation", d[i]);
    if (p[i] < 0)
      fail(ErrorType::Runtime, "%s: pad must be non-negative, but got pad: %lld", op,
           static_cast<long long>(p[i]));
    if (p[i] > ((k[i] - 1) * d[i] + 1) / 2)
      fail(ErrorType::Runtime,
           "%s: pad should be at most half of effective kernel size, but got pad=%lld, "
           "kernel_size=%lld and dilation=%lld",
           op, static_cast<long long>(p[i]), static_cast<long long>(k[i]),
           static_cast<long long>(d[i]));
  }
  Windows w = plane_sizes(op, x, spatial);
  int64_t least = 1;
  for (int i = 0; i < spatial; ++i) {
    const int at = 3 - spatial + i;
    w.k[at] = k[i];
    w.s[at] = s[i];
    w.p[at] = p[i];
    w.d[at] = d[i];
    w.out[at] = pooled_size(w.in[at], k[i], s[i], p[i], d[i], ceil);
    w.out_shape[w.out_shape.size() - spatial + i] = w.out[at];
    least = std::min(least, w.out[at]);
  }
  if (least < 1)
    fail(ErrorType::Runtime,
         "Given input size: %s. Calculated output size: %s. Output size is too small (Invalid "
         "computed output size: %lld)",
         plane_text(x.shape(), spatial).c_str(), plane_text(w.out_shape, spatial).c_str(),
         static_cast<long long>(least));
  return w;
}

// Results take the memory order of the input.
inline Array like_input(const Array& y, const Array& x) {
  if (!x.channels_last() || x.contiguous()) return y;
  const int nd = y.ndim();
  IntList strides(nd);
  int64_t step = 1;
  strides[1] = step;
  step *= y.size(1);
  for (int d = nd - 1; d >= 0; --d) {
    if (d == 1) continue;
    strides[d] = step;
    step *= y.size(d);
  }
  const Array out = Array::empty_strided(y.dtype(), y.shape(), strides);
  copy_into(out, y);
  return out;
}

// The outputs [first, last) along one dim whose window element `k` lies inside the input.
inline void valid_outputs(const Windows& w, int at, int64_t k, int64_t* first, int64_t* last) {
  const int64_t shift = k * w.d[at] - w.p[at];  // input position = o * s + shift
  *first = std::min(w.out[at], shift >= 0 ? 0 : (-shift + w.s[at] - 1) / w.s[at]);
  *last = std::max(
      *first,
      std::min(w.out[at], w.in[at] - shift <= 0 ? 0 : (w.in[at] - shift - 1) / w.s[at] + 1));
}

// Calls f with a value of the element type: real and integer types.
template <class F>
void visit_pooled(const char* op, DType t, F&& f) {
  switch (t) {
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

// Planes worth a thread when each input element costs `ns`.
inline int64_t plane_grain(const Windows& w, double ns) {
  return grain_of(ns * static_cast<double>(w.in_size()) + 1);
}

}  // namespace
}  // namespace rl
