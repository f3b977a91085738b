// Convolutions and transposed convolutions in 1, 2 and 3 dims, with their gradients.
//
//   y[n, o, p] = bias[o] + sum over c, t of w[o, c, t] * x[n, c, p * stride - pad + t * dilation]
//
// All six operators and both gradients are three passes over one geometry (ConvShape): X to Y,
// Y to X, and X, Y to W; a transposed convolution swaps the roles of X and Y. Some of float32 have
// kernels of their own (conv_own.cpp); oneDNN runs the others and bfloat16; other dtypes, and
// problems too small for its overhead, run through conv_fallback.cpp.
// Memory: the operands once each, plus the library's reordered copies while it runs.
#include "conv.h"

#include <algorithm>
#include <string>

#include "conv_own.h"

namespace rl {
namespace {

constexpr int64_t kSmall = 60000;  // multiply-adds below which our kernel has less overhead
constexpr int64_t kFewSignals = 4, kLongFilter = 16, kManyFilters = 16;  // what filter banks have

std::string list_text(const IntList& v) { return shape_text(Shape(v.data(), v.size())); }

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

// -- running ------------------------------------------------------------------------------------

// Long filters over one signal or a few (transforms, learned front ends): the library blocks
// channels, of which there are none, and takes up to 30 times as long as one matrix product.
bool filter_bank(DType t, const ConvShape& s) {
  return t == DType::F32 && s.dims == 1 && s.groups == 1 && s.x_channels <= kFewSignals &&
         s.kernel[2] >= kLongFilter && s.y_channels >= kManyFilters;
}

bool for_library(DType t, const ConvShape& s) {
  return (t == DType::F32 || t == DType::BF16) && s.flops() > 0 &&
         (s.channels_last || (s.flops() >= kSmall && !filter_bank(t, s)));
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
      parallel_for(image.size(0) * space, grain_of(1 + 0.15 * static_cast<double>(channels)),
                   [&](int64_t i0, int64_t i1) {
                     for (int64_t i = i0; i < i1; ++i)
                       for (int64_t c = 0; c < channels; ++c)
                         p[i * channels + c] = static_cast<T>(p[i * channels + c] + v[c]);
                   });
      return;
    }
    parallel_for(image.size(0) * channels, grain_of(2 + 0.1 * static_cast<double>(space)),
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
    parallel_for(channels, grain_of(5 + 0.1 * static_cast<double>(n * space)),
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

Array convolve(ConvProblem& p, const Array* bias) {
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
      done = biased = own_conv(pass, t, s, x, w, bp, y);
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
void backward(Call& call, ConvProblem& p, const Array& g0, bool need_x, bool need_w, bool need_b) {
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
    did_x = did_x || to_input(own_conv);
    const bool own_w = need_w && own_conv(ConvPass::Weights, t, s, x, gw, nullptr, y);
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

void read_padding(Call& call, int i, ConvSettings& o) {
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
  ConvSettings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.groups = call.integer(6);
  const Array* bias = call.tensor_or_null(2);
  ConvProblem p = make_problem(op, dims, call.tensor(0), call.tensor(1), bias, o);
  call.result(convolve(p, bias));
}

// (input, weight, bias, stride, padding, output_padding, groups, dilation)
void conv_transpose_nd(Call& call, const char* op, int dims) {
  ConvSettings o;
  o.transposed = true;
  o.stride = call.ints(3);
  o.padding = call.ints(4);
  o.output_padding = call.ints(5);
  o.groups = call.integer(6);
  o.dilation = call.ints(7);
  const Array* bias = call.tensor_or_null(2);
  ConvProblem p = make_problem(op, dims, call.tensor(0), call.tensor(1), bias, o);
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
  ConvSettings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.transposed = call.boolean(6);
  o.output_padding = call.ints(7);
  o.groups = call.integer(8);
  const Array* bias = call.tensor_or_null(2);
  ConvProblem p = make_problem("convolution", 0, call.tensor(0), call.tensor(1), bias, o);
  call.result(convolve(p, bias));
}

// (g, input, weight, stride, padding, dilation, transposed, output_padding, groups, needs input,
// weight, bias)
RL_KERNEL(convolution_backward) {
  ConvSettings o;
  o.stride = call.ints(3);
  read_padding(call, 4, o);
  o.dilation = call.ints(5);
  o.transposed = call.boolean(6);
  o.output_padding = call.ints(7);
  o.groups = call.integer(8);
  ConvProblem p =
      make_problem("convolution_backward", 0, call.tensor(1), call.tensor(2), nullptr, o);
  backward(call, p, call.tensor(0), call.boolean(9), call.boolean(10), call.boolean(11));
}

}  // namespace rl
