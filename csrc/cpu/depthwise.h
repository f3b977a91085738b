// Depthwise convolutions, float32 in row-major memory, with kernels of our own.
#pragma once
#include "onednn.h"

namespace rl {

// A pass over planes: every output channel sees one input channel. x and y are what dnn_conv takes,
// w (y_channels, 1, rows, columns) is row-major. Called without the GIL.
struct DepthwiseKernel {
  void (*forward)(const ConvShape& s, const float* x, const float* w, const float* bias,
                  float* y) = nullptr;
  void (*data)(const ConvShape& s, float* gx, const float* w, const float* gy) = nullptr;
  void (*weights)(const ConvShape& s, const float* x, float* gw, const float* gy) = nullptr;
};
const DepthwiseKernel* depthwise_kernel();  // null where none is registered
void register_depthwise(int level, const DepthwiseKernel& kernel);

}  // namespace rl
