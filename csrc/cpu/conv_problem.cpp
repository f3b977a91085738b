// What a convolution is asked for, and whether the tensors fit together: PyTorch's words.
#include "../core/kernel.h"
#include "conv.h"
#include "matmul.h"
#include "window.h"

#include <string>

namespace rl {
namespace {

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

void check_settings(const ConvSettings& o) {
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

void check_channels(const ConvSettings& o, const Array& x, const Array& w, const Array* bias) {
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
void transposed_sizes(ConvShape& s, const ConvSettings& o) {
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

void forward_sizes(ConvShape& s, const ConvSettings& o) {
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

}  // namespace

bool prefers_channels_last(const Array& a) {
  return a.ndim() >= 4 && !a.contiguous() && a.channels_last();
}

ConvProblem make_problem(const char* op, int dims, const Array& x0, const Array& w,
                         const Array* bias, const ConvSettings& given) {
  ConvSettings o = given;
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
  ConvProblem p;
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

}  // namespace rl
