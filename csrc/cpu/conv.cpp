// Convolutions and transposed convolutions in 1, 2 and 3 dims, with their gradients.
//
//   y[n, o, p] = bias[o] + sum over c, t of w[o, c, t] * x[n, c, p * stride - pad + t * dilation]
//
// All six operators and both gradients are three passes over one geometry (ConvShape): X to Y,
// Y to X, and X, Y to W; a transposed convolution swaps the roles of X and Y. oneDNN runs float32
// and bfloat16; the rest, and problems too small for its overhead, run through conv_fallback.cpp.
// Memory: the operands once each, plus the library's reordered copies while it runs.
#include "conv.h"
#include "matmul.h"

#include <algorithm>
#include <string>

#include "../core/kernel.h"
#include "window.h"
#include "winograd.h"

namespace rl {
namespace {

constexpr int64_t kSmall = 60000;  // multiply-adds below which our kernel has less overhead

struct Problem {
  ConvShape shape;
  bool transposed = false, batched = true;
  Array input, weight;  // batched, in the shape's memory order
  IntList out_sizes;
};

std::string list_text(const IntList& v) { return shape_text(Shape(v.data(), v.size())); }

IntList expand_param(const IntList& given, int dims, const char* name) {
  if (given.size() == 1) return IntList(static_cast<size_t>(dims), given[0]);
  if (static_cast<int>(given.size()) != dims)
    fail(ErrorType::Runtime,
         "expected %s to be a single integer value or a list of %d values to match the convolution "
         "dimensions, but got "
         "%s=%s",
         name, dims, name, list_text(given).c_str());
  return given;
}

const char* type_name(DType t) {  // "CPUFloatType"'s word
  return dtype_scalar_name(t);
}

void check_dtypes(const Array& x, const Array& w, const Array* bias) {
  if (bias && bias->dtype() != x.dtype())
    fail(ErrorType::Runtime, "Input type (%s) and bias type (%s) should be the same",
         cpp_name(x.dtype()), cpp_name(bias->dtype()));
  if (x.dtype() != w.dtype()) {
    if (x.dtype() == DType::BF16)
      fail(ErrorType::Runtime,
           "Input type (CPU%sType) and weight type (torch.%sTensor) should be the same or input "
           "should be a MKLDNN "
           "tensor and weight is a dense tensor",
           type_name(x.dtype()), type_name(w.dtype()));
    fail(ErrorType::Runtime, "expected scalar type %s but found %s", type_name(x.dtype()),
         type_name(w.dtype()));
  }
  if (x.dtype() == DType::Bool)
    fail(ErrorType::NotImplemented, "\"slow_conv2d_cpu\" not implemented for 'Bool'");
}

// Everything a call says, before any of it is checked against the tensors.
struct Settings {
  IntList stride, padding, dilation, output_padding;
  std::string_view padding_mode;  // "same", "valid" or empty
  int64_t groups = 1;
  bool transposed = false;
};

void check_settings(const Settings& o) {
  for (const IntList& numbers : {o.stride, o.padding, o.dilation, o.output_padding})
    check_window_numbers("conv", numbers);
  if (o.groups <= 0) fail(ErrorType::Runtime, "non-positive groups is not supported");
  for (const int64_t p : o.padding)
    if (p < 0) fail(ErrorType::Runtime, "negative padding is not supported");
  for (const int64_t p : o.output_padding)
    if (p < 0) fail(ErrorType::Runtime, "negative output_padding is not supported");
  for (const int64_t s : o.stride)
    if (s <= 0) fail(ErrorType::Runtime, "non-positive stride is not supported");
  for (const int64_t d : o.dilation)
    if (d <= 0)
      fail(ErrorType::Runtime, "dilation should be greater than zero, but got %s",
           list_text(o.dilation).c_str());
}

void check_channels(const Settings& o, const Array& x, const Array& w, const Array* bias) {
  const std::string ws = shape_text(w.shape());
  if (w.size(0) < o.groups)
    fail(ErrorType::Runtime,
         "Given groups=%ld, expected weight to be at least %ld at dimension 0, but got weight of "
         "size %s instead",
         long(o.groups), long(o.groups), ws.c_str());
  if (w.size(0) % o.groups)
    fail(ErrorType::Runtime,
         "Given groups=%ld, expected weight to be divisible by %ld at dimension 0, but got weight "
         "of size [%s] instead",
         long(o.groups), long(o.groups), ws.c_str());
  const int64_t wanted = o.transposed ? w.size(0) : w.size(1) * o.groups;
  if (x.size(1) != wanted)
    fail(ErrorType::Runtime,
         "Given %s=%ld, weight of size %s, expected input%s to have %ld channels, but got %ld "
         "channels instead",
         o.transposed ? "transposed" : "groups", long(o.transposed ? 1 : o.groups), ws.c_str(),
         shape_text(x.shape()).c_str(), long(wanted), long(x.size(1)));
  const int64_t outputs = o.transposed ? w.size(1) * o.groups : w.size(0);
  if (bias && (bias->ndim() != 1 || bias->size(0) != outputs))
    fail(ErrorType::Runtime,
         "Given %sweight of size %s, expected bias to be 1-dimensional with %ld elements, but got "
         "bias of size %s instead",
         o.transposed ? "transposed=1, " : "", ws.c_str(), long(outputs),
         shape_text(bias->shape()).c_str());
}

std::string by(const int64_t* v, int dims) {
  std::string text = "(";
  for (int i = 3 - dims; i < 3; ++i) text += (i > 3 - dims ? " x " : "") + std::to_string(v[i]);
  return text + ")";
}

// The transposed sizes, or a complaint.
void transposed_sizes(ConvShape& s, const Settings& o) {
  static const char* axis[3] = {"depth", "height", "width"};
  bool small = false;
  for (int i = 3 - s.dims; i < 3; ++i) {
    const int64_t extra = o.output_padding[static_cast<size_t>(i - 3 + s.dims)];
    if (extra >= s.stride[i] && extra >= s.dilation[i]) {
      std::string text;
      for (const auto& [name, value] :
           {std::pair<const char*, const int64_t*>("output_padding", nullptr),
            {"stride", s.stride},
            {"dilation", s.dilation}})
        for (int j = 3 - s.dims; j < 3; ++j)
          text += std::string(" ") + name + "_" + axis[j] + ": " +
                  std::to_string(value ? value[j]
                                       : o.output_padding[static_cast<size_t>(j - 3 + s.dims)]);
      fail(ErrorType::Runtime,
           "output padding must be smaller than either stride or dilation, but got%s",
           text.c_str());
    }
    s.x[i] =
        (s.y[i] - 1) * s.stride[i] - 2 * s.pad[i] + s.dilation[i] * (s.kernel[i] - 1) + extra + 1;
    small = small || s.x[i] < 0;
  }
  if (small)
    fail(ErrorType::Runtime,
         "Given input size per channel: %s. Calculated output size per channel: %s. Output size is "
         "too small",
         by(s.y, s.dims).c_str(), by(s.x, s.dims).c_str());
}

void forward_sizes(ConvShape& s, const Settings& o) {
  int64_t padded[3];
  bool small = false;
  for (int i = 3 - s.dims; i < 3; ++i) {
    const int64_t span = s.dilation[i] * (s.kernel[i] - 1);
    if (o.padding_mode == "same") {
      if (s.stride[i] != 1)
        fail(ErrorType::Runtime, "padding='same' is not supported for strided convolutions");
      s.pad[i] = span / 2;
      s.y[i] = s.x[i];
      padded[i] = s.x[i] + span;
    } else {
      padded[i] = s.x[i] + 2 * s.pad[i];
      s.y[i] = (padded[i] - span - 1) / s.stride[i] + 1;
    }
    small = small || padded[i] < span + 1;
  }
  if (small) {
    int64_t window[3];
    for (int i = 0; i < 3; ++i) window[i] = s.dilation[i] * (s.kernel[i] - 1) + 1;
    fail(ErrorType::Runtime,
         "Calculated padded input size per channel: %s. Kernel size: %s. Kernel size can't be "
         "greater than actual input size",
         by(padded, s.dims).c_str(), by(window, s.dims).c_str());
  }
}

bool prefers_channels_last(const Array& a) {
  return a.ndim() >= 4 && !a.contiguous() && a.channels_last();
}

Array empty_image(DType t, Shape sizes, bool channels_last) {
  if (!channels_last) return Array::empty(t, sizes);
  IntList strides(sizes.size());
  int64_t step = sizes[1];
  for (size_t i = sizes.size() - 1; i >= 2; --i) strides[i] = step, step *= sizes[i];
  strides[1] = 1, strides[0] = step;
  return Array::empty_strided(t, sizes, strides);
}

// In row-major or channels-last memory, copying only if it is not.
Array arranged(const Array& a, bool channels_last) {
  if (!channels_last) return a.contiguous_copy();
  if (a.channels_last()) return a;
  Array b = empty_image(a.dtype(), a.shape(), true);
  copy_into(b, a);
  return b;
}

Problem make_problem(const char* op, int dims, const Array& x0, const Array& w, const Array* bias,
                     const Settings& given) {
  Settings o = given;
  if (dims && x0.ndim() != dims + 1 && x0.ndim() != dims + 2)
    fail(ErrorType::Runtime,
         "Expected %dD (unbatched) or %dD (batched) input to %s, but got input of size: %s",
         dims + 1, dims + 2, op, shape_text(x0.shape()).c_str());
  const int own = w.ndim() - 2;
  if (own < 1 || own > 3)
    fail(ErrorType::Runtime,
         "%s: weight should have at least three dimensions and at most 5: got %d", op, w.ndim());
  if (dims && own != dims)
    expand_param(o.stride.size() == 1 ? IntList(static_cast<size_t>(dims), o.stride[0]) : o.stride,
                 own, "stride");
  o.stride = expand_param(o.stride, own, "stride");
  o.padding = o.padding_mode.empty() ? expand_param(o.padding, own, "padding")
                                     : IntList(static_cast<size_t>(own), 0);
  o.dilation = expand_param(o.dilation, own, "dilation");
  o.output_padding = o.output_padding.empty()
                         ? IntList(static_cast<size_t>(own), 0)
                         : expand_param(o.output_padding, own, "output_padding");
  check_settings(o);
  Problem p;
  p.transposed = o.transposed;
  p.batched = x0.ndim() == own + 2;
  if (!p.batched && x0.ndim() != own + 1)
    fail(ErrorType::Runtime,
         "%s: expected an input of %d or %d dimensions for a weight of size %s, but got %s", op,
         own + 1, own + 2, shape_text(w.shape()).c_str(), shape_text(x0.shape()).c_str());
  const Array x = p.batched ? x0 : x0.unsqueeze(0);
  check_channels(o, x, w, bias);
  check_dtypes(x, w, bias);
  ConvShape& s = p.shape;
  s.dims = own, s.groups = o.groups, s.n = x.size(0);
  int64_t* space = o.transposed ? s.y : s.x;
  for (int i = 0; i < own; ++i) {
    const int j = 3 - own + i;
    s.kernel[j] = w.size(2 + i), s.stride[j] = o.stride[static_cast<size_t>(i)];
    s.pad[j] = o.padding[static_cast<size_t>(i)],
    s.dilation[j] = o.dilation[static_cast<size_t>(i)];
    space[j] = x.size(2 + i);
    if (s.kernel[j] == 0)
      fail(ErrorType::Runtime, "kernel size should be greater than zero, but got weight of size %s",
           shape_text(w.shape()).c_str());
    if (space[j] == 0 && x.size(0) && x.size(1))
      fail(ErrorType::Runtime,
           "Only zero batch or zero channel inputs are supported, but got input shape: %s",
           shape_text(x.shape()).c_str());
  }
  s.y_channels = w.size(0), s.x_channels = w.size(1) * o.groups;
  if (o.transposed)
    transposed_sizes(s, o);
  else
    forward_sizes(s, o);
  s.channels_last = prefers_channels_last(x) || prefers_channels_last(w);
  p.input = x, p.weight = w;
  p.out_sizes = {s.n, o.transposed ? s.x_channels : s.y_channels};
  const int64_t* out = o.transposed ? s.x : s.y;
  p.out_sizes.insert(p.out_sizes.end(), out + 3 - own, out + 3);
  return p;
}

// -- running ------------------------------------------------------------------------------------

bool for_library(DType t, const ConvShape& s) {
  return (t == DType::F32 || t == DType::BF16) && s.flops() > 0 &&
         (s.channels_last || s.flops() >= kSmall);
}

// One pass through our own kernel, which wants row-major memory of a type it can add.
void run_direct(ConvPass pass, const ConvShape& shape, Array& x, Array& w, Array& y) {
  const DType t = x.dtype(), wide = is_half(t) ? DType::F32 : t;
  ConvShape s = shape;
  s.channels_last = false;
  Array* out = pass == ConvPass::Forward ? &y : pass == ConvPass::Data ? &x : &w;
  const auto own = [&](Array& a) {
    if (&a != out) return a.to(wide).contiguous_copy();
    return a.dtype() == wide && a.contiguous() ? a : Array::empty(wide, a.shape());
  };
  const Array px = own(x), pw = own(w), py = own(y);
  Scratch<char> partials(static_cast<size_t>(conv_partials(pass, wide, s)));
  {
    NoGil nogil(s.flops() / 16);
    conv_direct(pass, wide, s, px.bytes(), pw.bytes(), py.bytes(), partials.get());
  }
  const Array& made = pass == ConvPass::Forward ? py : pass == ConvPass::Data ? px : pw;
  if (made.storage() != out->storage()) copy_into(*out, made);
}

// image += bias per channel, in place.
void add_bias(const Array& image, const Array& bias, bool channels_last) {
  const int64_t channels = image.size(1),
                space = image.numel() / std::max<int64_t>(image.size(0) * channels, 1);
  const Array b = bias.contiguous_copy();
  visit_all(image.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* p = image.data<T>();
    const T* v = b.data<T>();
    NoGil nogil(image.numel());
    if (channels_last) {
      parallel_for(image.size(0) * space, 1 + 20000 / std::max<int64_t>(channels, 1),
                   [&](int64_t i0, int64_t i1) {
                     for (int64_t i = i0; i < i1; ++i)
                       for (int64_t c = 0; c < channels; ++c)
                         p[i * channels + c] = static_cast<T>(p[i * channels + c] + v[c]);
                   });
      return;
    }
    parallel_for(image.size(0) * channels, 1 + 20000 / std::max<int64_t>(space, 1),
                 [&](int64_t i0, int64_t i1) {
                   for (int64_t i = i0; i < i1; ++i) {
                     const T add = v[i % channels];
                     for (int64_t k = 0; k < space; ++k)
                       p[i * space + k] = static_cast<T>(p[i * space + k] + add);
                   }
                 });
  });
}

// The sum of an image over batch and space: the gradient of the bias.
Array sum_channels(const Array& image0) {
  const DType t = image0.dtype(), wide = is_half(t) ? DType::F32 : t;
  const Array image = image0.to(wide).contiguous_copy();
  const int64_t n = image.size(0), channels = image.size(1),
                space = image.numel() / std::max<int64_t>(n * channels, 1);
  Array sums = Array::empty(wide, {channels});
  visit_all(wide, [&](auto tag) {
    using T = decltype(tag);
    const T* p = image.data<T>();
    T* out = sums.data<T>();
    NoGil nogil(image.numel());
    parallel_for(channels, 1 + 40000 / std::max<int64_t>(n * space, 1),
                 [&](int64_t c0, int64_t c1) {
                   for (int64_t c = c0; c < c1; ++c) {
                     T total{};
                     for (int64_t i = 0; i < n; ++i) {
                       const T* row = p + (i * channels + c) * space;
                       // Eight partial sums: independent additions, and less rounding than one
                       // chain.
                       T part[8] = {};
                       int64_t k = 0;
                       for (; k + 8 <= space; k += 8)
                         for (int j = 0; j < 8; ++j) part[j] = static_cast<T>(part[j] + row[k + j]);
                       for (; k < space; ++k) part[0] = static_cast<T>(part[0] + row[k]);
                       for (int j = 0; j < 8; ++j) total = static_cast<T>(total + part[j]);
                     }
                     out[c] = total;
                   }
                 });
  });
  return sums.to(t);
}

Array convolve(Problem& p, const Array* bias) {
  const ConvShape& s = p.shape;
  const DType t = p.input.dtype();
  Array out = empty_image(t, p.out_sizes, s.channels_last);
  if (out.numel() && !meta_call) {
    const ConvPass pass = p.transposed ? ConvPass::Data : ConvPass::Forward;
    bool done = false, biased = false;
    if (for_library(t, s)) {
      const Array in = arranged(p.input, s.channels_last), w = arranged(p.weight, s.channels_last);
      const Array b = bias ? bias->contiguous_copy() : Array();
      void* bp = b.defined() ? b.bytes() : nullptr;
      void *x = in.bytes(), *y = out.bytes();
      if (p.transposed) std::swap(x, y);
      done = biased = winograd_conv(pass, t, s, x, w, bp, y);
      if (!done) {
        if (p.transposed) bp = nullptr;
        done = dnn_conv(pass, t, s, x, w, bp, y);
        biased = done && bp;
      }
    }
    if (!done) {
      if (p.transposed)
        run_direct(pass, s, out, p.weight, p.input);
      else
        run_direct(pass, s, p.input, p.weight, out);
    }
    if (bias && !biased) add_bias(out, *bias, s.channels_last);
  }
  return p.batched ? out : out.squeeze(0);
}

// The gradients that are wanted, in the order input, weight, bias.
void backward(Call& call, Problem& p, const Array& g0, bool need_x, bool need_w, bool need_b) {
  ConvShape& s = p.shape;
  const DType t = p.input.dtype();
  const Array g = p.batched ? g0 : g0.unsqueeze(0);
  if (!std::equal(p.out_sizes.begin(), p.out_sizes.end(), g.sizes(), g.sizes() + g.ndim()) ||
      g.dtype() != t)
    fail(ErrorType::Runtime, "convolution_backward: expected a gradient of shape %s, got %s",
         list_text(p.out_sizes).c_str(), shape_text(g.shape()).c_str());
  s.channels_last = s.channels_last || prefers_channels_last(g);
  Array gx = need_x ? empty_image(t, p.input.shape(), s.channels_last) : Array();
  Array gw = need_w ? empty_image(t, p.weight.shape(), s.channels_last) : Array();
  Array gb;
  bool did_x = !need_x || meta_call, did_w = !need_w || meta_call;
  if (!meta_call && for_library(t, s)) {
    const Array in = arranged(p.input, s.channels_last), gy = arranged(g, s.channels_last);
    const Array w = need_x ? arranged(p.weight, s.channels_last) : p.weight;
    const bool with_bias = need_b && need_w && !p.transposed;
    if (with_bias) gb = Array::empty(t, {s.y_channels});
    void* bp = with_bias ? gb.bytes() : nullptr;
    // The sides of the geometry: what was given, its gradient's place, and the arriving gradient.
    void *x = in.bytes(), *y = gy.bytes();
    if (p.transposed) std::swap(x, y);
    const auto to_input = [&](auto&& conv) {
      return p.transposed ? conv(ConvPass::Forward, t, s, gy.bytes(), w, nullptr, gx.bytes())
                          : conv(ConvPass::Data, t, s, gx.bytes(), w, nullptr, gy.bytes());
    };
    did_x = did_x || to_input(winograd_conv);
    const bool own_w = need_w && winograd_conv(ConvPass::Weights, t, s, x, gw, nullptr, y);
    did_w = did_w || own_w;
    if (!p.transposed && !did_x && !did_w)
      did_x = did_w =
          dnn_conv_backward(t, s, in.bytes(), w.bytes(), gy.bytes(), gx.bytes(), gw.bytes(), bp);
    did_x = did_x || to_input(dnn_conv);
    did_w = did_w || dnn_conv(ConvPass::Weights, t, s, x, gw, bp, y);
    if (with_bias && (own_w || !did_w)) gb = Array();
  }
  Array gy = g;
  if (!did_x) {
    if (p.transposed)
      run_direct(ConvPass::Forward, s, gy, p.weight, gx);
    else
      run_direct(ConvPass::Data, s, gx, p.weight, gy);
  }
  if (!did_w) {
    if (p.transposed)
      run_direct(ConvPass::Weights, s, gy, gw, p.input);
    else
      run_direct(ConvPass::Weights, s, p.input, gw, gy);
  }
  if (need_b && !gb.defined()) gb = sum_channels(g);
  if (need_x) call.result(p.batched ? gx : gx.squeeze(0));
  if (need_w) call.result(gw);
  if (need_b) call.result(gb);
}

void read_padding(Call& call, int i, Settings& o) {
  if (!PyUnicode_Check(call.args[i])) {
    o.padding = call.ints(i);
    return;
  }
  o.padding_mode = call.string(i);
  if (o.padding_mode != "same" && o.padding_mode != "valid")
    fail(ErrorType::Runtime, "Invalid padding string: '%s'", std::string(o.padding_mode).c_str());
}

// (input, weight, bias, stride, padding, dilation, groups)
void conv_nd(Call& call, const char* op, int dims) {
  Settings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.groups = call.integer(6);
  const Array* bias = call.tensor_or_null(2);
  Problem p = make_problem(op, dims, call.tensor(0), call.tensor(1), bias, o);
  call.result(convolve(p, bias));
}

// (input, weight, bias, stride, padding, output_padding, groups, dilation)
void conv_transpose_nd(Call& call, const char* op, int dims) {
  Settings o;
  o.transposed = true;
  o.stride = call.ints(3);
  o.padding = call.ints(4);
  o.output_padding = call.ints(5);
  o.groups = call.integer(6);
  o.dilation = call.ints(7);
  const Array* bias = call.tensor_or_null(2);
  Problem p = make_problem(op, dims, call.tensor(0), call.tensor(1), bias, o);
  call.result(convolve(p, bias));
}

}  // namespace

RL_KERNEL(conv1d) { conv_nd(call, "conv1d", 1); }
RL_KERNEL(conv2d) { conv_nd(call, "conv2d", 2); }
RL_KERNEL(conv3d) { conv_nd(call, "conv3d", 3); }
RL_KERNEL(conv_transpose1d) { conv_transpose_nd(call, "conv_transpose1d", 1); }
RL_KERNEL(conv_transpose2d) { conv_transpose_nd(call, "conv_transpose2d", 2); }
RL_KERNEL(conv_transpose3d) { conv_transpose_nd(call, "conv_transpose3d", 3); }

// (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups)
RL_KERNEL(convolution) {
  Settings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.transposed = call.boolean(6);
  o.output_padding = call.ints(7);
  o.groups = call.integer(8);
  const Array* bias = call.tensor_or_null(2);
  Problem p = make_problem("convolution", 0, call.tensor(0), call.tensor(1), bias, o);
  call.result(convolve(p, bias));
}

// (g, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs input,
// weight, bias)
RL_KERNEL(convolution_backward) {
  Settings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.transposed = call.boolean(6);
  o.output_padding = call.ints(7);
  o.groups = call.integer(8);
  Problem p = make_problem("convolution_backward", 0, call.tensor(1), call.tensor(2), nullptr, o);
  backward(call, p, call.tensor(0), call.boolean(9), call.boolean(10), call.boolean(11));
}

}  // namespace rl
