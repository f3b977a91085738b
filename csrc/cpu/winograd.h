// Convolutions of 3 x 3 with 2.25 times fewer multiplications (Winograd's minimal filtering).
#pragma once
#include "onednn.h"

namespace rl {

// y (n, outputs, height + 2 pad - 2, ...) = 3 x 3 convolution of x (n, inputs, height, width), both
// float32 and row-major or, both, channels-last. `pad` zeros are added on every side.
struct WinogradShape {
  int64_t n, inputs, outputs, height, width, pad;
  bool channels_last;

  int64_t out_height() const { return height + 2 * pad - 2; }
  int64_t out_width() const { return width + 2 * pad - 2; }
};

// Where w[output][input][row][column] lies, in elements from its first.
struct WinogradWeights {
  const float* w;
  int64_t output, input, row, column;
};

// Everything runs without the GIL. `packed` holds packed_size() floats; `partials` of the weights'
// gradient holds partials_size().
struct WinogradKernel {
  int64_t (*packed_size)(int64_t outputs, int64_t inputs) = nullptr;
  void (*pack)(const WinogradShape& s, const WinogradWeights& w, float* packed) = nullptr;
  void (*run)(const WinogradShape& s, const float* x, const float* packed, const float* bias,
              float* y) = nullptr;
  int64_t (*partials_size)(const WinogradShape& s) = nullptr;
  // gw (outputs, inputs, 3, 3), row-major (or channels-last with the images), from x and gy.
  void (*weights)(const WinogradShape& s, const float* x, const float* gy, float* partials,
                  float* gw) = nullptr;
};
const WinogradKernel* winograd_kernel();  // null where none is registered
void register_winograd(int level, const WinogradKernel& kernel);

// A pass over memory in the order that the shape names, as dnn_conv; bias (a float for each output)
// may be null. False, and nothing written, where it is no such convolution or too small to gain.
bool winograd_conv(ConvPass pass, DType t, const ConvShape& s, void* x, const Array& w, void* bias,
                   void* y);

}  // namespace rl
