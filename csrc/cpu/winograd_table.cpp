// Which convolutions go to winograd.cpp, and its form for this machine.
#include "winograd.h"

#include "../core/kernel.h"
#include "packed.h"

namespace rl {
namespace {
struct Entry {
  WinogradKernel kernel;
  int level = -1;
};
Entry& entry() {
  static Entry e;  // a function's static: registrars run before main in any order
  return e;
}

constexpr int64_t kChannels = 16;  // the widest vector's lanes: channels come in multiples of it

// The pass as a convolution of its own. Data: from the gradient of y to that of x.
WinogradShape shape_of(ConvPass pass, const ConvShape& s) {
  if (pass == ConvPass::Data)
    return {s.n, s.y_channels, s.x_channels, s.y[1], s.y[2], 2 - s.pad[1], s.channels_last};
  return {s.n, s.x_channels, s.y_channels, s.x[1], s.x[2], s.pad[1], s.channels_last};
}

WinogradWeights weights_of(ConvPass pass, const ConvShape& s, const void* weights) {
  const float* w = static_cast<const float*>(weights);
  const int64_t input = s.channels_last ? 1 : 9, tap = s.channels_last ? s.x_channels : 1;
  if (pass == ConvPass::Data)  // turned by half a circle, inputs and outputs exchanged
    return {w + 8 * tap, input, 9 * s.x_channels, -3 * tap, -tap};
  return {w, 9 * s.x_channels, input, 3 * tap, tap};
}

bool pays(ConvPass pass, DType t, const ConvShape& s) {
  if (t != DType::F32 || s.dims != 2 || s.groups != 1 || !winograd_kernel()) return false;
  for (int i = 1; i < 3; ++i)
    if (s.kernel[i] != 3 || s.stride[i] != 1 || s.dilation[i] != 1 || s.pad[i] > 2 ||
        s.pad[1] != s.pad[2] || s.y[i] != s.x[i] + 2 * s.pad[i] - 2)
      return false;
  if (s.x_channels % kChannels || s.y_channels % kChannels) return false;
  const WinogradShape w = shape_of(pass, s);
  const int64_t down = (w.out_height() + 1) / 2, across = (w.out_width() + 1) / 2;
  // Few channels leave little to save; few tiles do not pay for the transformed weights, which are
  // 16 / 9 the size; rows of more tiles than these leave the caches.
  return w.inputs >= 32 && w.outputs >= 32 && s.n * down * across >= 32 && across <= 256;
}
}  // namespace

void register_winograd(int level, const WinogradKernel& kernel) {
  if (level <= cpu_level() && level > entry().level) entry() = {kernel, level};
}

const WinogradKernel* winograd_kernel() { return entry().level >= 0 ? &entry().kernel : nullptr; }

bool winograd_conv(ConvPass pass, DType t, const ConvShape& shape, void* x, const Array& w,
                   void* bias, void* y) {
  if (!pays(pass, t, shape)) return false;
  const WinogradKernel& kernel = *winograd_kernel();
  const WinogradShape s = shape_of(pass, shape);
  float *px = static_cast<float*>(x), *py = static_cast<float*>(y);
  if (pass == ConvPass::Weights) {
    const Scratch<float> partials(static_cast<size_t>(kernel.partials_size(s)));
    NoGil nogil(shape.flops() / 64);
    kernel.weights(s, px, py, partials.get(), w.data<float>());
    return true;
  }
  const int64_t floats = kernel.packed_size(s.outputs, s.inputs);
  const uint64_t kind = 1 + static_cast<uint64_t>(pass) * 2 + (s.channels_last ? 1 : 0);
  PackedWeights packed(w, kind);
  float* u = reinterpret_cast<float*>(packed.make(static_cast<size_t>(floats) * sizeof(float)));
  NoGil nogil(shape.flops() / 64);
  if (!packed.ready()) kernel.pack(s, weights_of(pass, shape, w.bytes()), u);
  packed.filled();
  if (pass == ConvPass::Data) std::swap(px, py);
  kernel.run(s, px, u, static_cast<const float*>(bias), py);
  return true;
}

}  // namespace rl
