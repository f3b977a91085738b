// Which float32 convolutions run through kernels of ours, and the pointwise ones among them.
//
// The library works on blocks of channels, so row-major images are turned into its layout and back:
// two passes over memory more on each side. Where a convolution does little with each element that
// costs more than the work: 3 x 3 go to winograd.cpp, depthwise ones to depthwise.cpp, and those of
// one pixel are products of matrices as they lie, for each image
//
//   y (outputs, pixels) = w (outputs, inputs) @ x (inputs, pixels) + bias
//
// in runs of pixels whose results stay in cache. docs/design/015-plain-layout.md has the figures.
#include "conv_own.h"

#include <algorithm>

#include "../core/kernel.h"
#include "depthwise.h"
#include "winograd.h"

namespace rl {
namespace {
struct Entry {
  DepthwiseKernel kernel;
  int level = -1;
};
Entry& entry() {
  static Entry e;  // a function's static: registrars run before main in any order
  return e;
}

constexpr int64_t kRun = 1024;  // pixels of one product
// Below these, as measured, the library's layout costs no more than it saves.
constexpr int64_t kPixels = 784;        // of an image
constexpr int64_t kElements = 1 << 20;  // of a batch: small ones are turned within the caches
constexpr int64_t kFewChannels = 32;    // little work for each element

bool depthwise_pays(ConvPass pass, const ConvShape& s) {
  if (s.groups == 1 || s.groups != s.x_channels || !depthwise_kernel()) return false;
  if (s.dims > 2)
    return pass == ConvPass::Forward;  // the library has no kernel of its own for them
  // The library has no fast gradient for the weights of wide kernels.
  const bool wide = s.kernel_size() > 9;
  if (pass == ConvPass::Weights && wide) return true;
  if (wide || s.n * s.y_channels * s.y_size() < kElements || s.y_size() < kPixels) return false;
  return pass != ConvPass::Weights || (s.stride[2] == 1 && s.y_size() >= 4 * kPixels);
}

bool depthwise_conv(ConvPass pass, const ConvShape& s, float* x, const Array& w, float* bias,
                    float* y) {
  if (!depthwise_pays(pass, s)) return false;
  const DepthwiseKernel* kernel = depthwise_kernel();
  float* weights = w.data<float>();
  NoGil nogil(s.flops());
  if (pass == ConvPass::Forward)
    kernel->forward(s, x, weights, bias, y);
  else if (pass == ConvPass::Data)
    kernel->data(s, x, weights, y);
  else
    kernel->weights(s, x, weights, y);
  return true;
}

bool one_pixel(const ConvShape& s) {
  if (s.groups != 1 || s.kernel_size() != 1) return false;
  for (int i = 0; i < 3; ++i)
    if (s.stride[i] != 1 || s.pad[i] != 0 || s.x[i] != s.y[i]) return false;
  return true;
}

bool pointwise_conv(ConvPass pass, const ConvShape& s, const float* x, const Array& w,
                    const float* bias, float* y) {
  if (pass != ConvPass::Forward || !one_pixel(s) || s.x_size() < kPixels ||
      std::min(s.x_channels, s.y_channels) > kFewChannels)
    return false;
  const int64_t pixels = s.x_size(), runs = (pixels + kRun - 1) / kRun;
  GemmArgs g;
  g.m = s.y_channels, g.k = s.x_channels;
  g.a = w.bytes(), g.a_row = s.x_channels, g.a_col = 1;
  g.b_row = g.c_row = pixels, g.b_col = 1;
  if (bias) g.beta = 1;
  const GemmFn fn = find_gemm(DType::F32);
  NoGil nogil(s.flops() / 16);
  const double work = static_cast<double>(g.m * g.k * std::min(pixels, kRun));
  parallel_for(s.n * runs, grain_of(0.02 * work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      GemmArgs part = g;
      const int64_t image = i / runs, first = i % runs * kRun;
      part.n = std::min(kRun, pixels - first);
      part.b = x + image * g.k * pixels + first;
      float* c = y + image * g.m * pixels + first;
      part.c = c;
      if (bias)
        for (int64_t o = 0; o < g.m; ++o) std::fill_n(c + o * pixels, part.n, bias[o]);
      fn(part);
    }
  });
  return true;
}
}  // namespace

void register_depthwise(int level, const DepthwiseKernel& kernel) {
  if (level <= cpu_level() && level > entry().level) entry() = {kernel, level};
}

const DepthwiseKernel* depthwise_kernel() { return entry().level >= 0 ? &entry().kernel : nullptr; }

bool own_conv(ConvPass pass, DType t, const ConvShape& s, void* x, const Array& w, void* bias,
              void* y) {
  if (g_conv_bf16) return false;
  if (winograd_conv(pass, t, s, x, w, bias, y)) return true;
  if (t != DType::F32 || s.channels_last) return false;
  float *px = static_cast<float*>(x), *py = static_cast<float*>(y), *pb = static_cast<float*>(bias);
  return depthwise_conv(pass, s, px, w, pb, py) || pointwise_conv(pass, s, px, w, pb, py);
}

}  // namespace rl
