// What the kernels ask of oneDNN: bfloat16 products and convolutions in its own layouts.
//
// Primitives are cached by everything that shapes them; memory comes from our allocator. Without
// the library (RL_ONEDNN=0) every question here is answered "no" and our own kernels run.
#pragma once
#include "gemm.h"
#include "../core/array.h"

namespace rl {

#ifndef RL_ONEDNN
#define RL_ONEDNN 0
#endif

// The geometry of a convolution between a wide side X (n, x_channels, x...) and a narrow side
// Y (n, y_channels, y...) with weights W (y_channels, x_channels / groups, kernel...).
// A convolution maps X to Y, its transpose Y to X, and the weights' gradient is made of both.
struct ConvShape {
  int dims = 2;  // 1, 2 or 3 spatial dims
  int64_t n = 0, x_channels = 0, y_channels = 0, groups = 1;
  int64_t x[3] = {1, 1, 1}, y[3] = {1, 1, 1}, kernel[3] = {1, 1, 1};
  int64_t stride[3] = {1, 1, 1}, pad[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
  bool channels_last = false;  // memory order of X and Y

  int64_t kernel_size() const { return kernel[0] * kernel[1] * kernel[2]; }
  int64_t x_size() const { return x[0] * x[1] * x[2]; }
  int64_t y_size() const { return y[0] * y[1] * y[2]; }
  int64_t flops() const {
    return n * y_channels * y_size() * (x_channels / groups) * kernel_size();
  }
};

// Whether the user lets the library round what float32 convolutions multiply to bfloat16, on a
// processor that has tiles for it.
extern bool g_conv_bf16;

enum class ConvPass : int64_t { Forward, Data, Weights };

// Each returns false when the library cannot or should not do it; nothing is written then.
// Called while holding the GIL, which they release around long work.
// `c` is of t, or of float32 (with its bias).
bool dnn_gemm(DType t, const GemmArgs& g, int64_t batch, int64_t a_batch, int64_t b_batch,
              int64_t c_batch, bool c_float = false);

// Forward: y = conv(x, w) + bias.  Data: x = transposed conv(y, w).  Weights: w (and bias, the sum
// of y) from x and y. X and Y have the memory order the shape names, W is (y, x/groups, kernel...)
// row-major (or channels-last with them). bias may be null.
bool dnn_conv(ConvPass pass, DType t, const ConvShape& s, void* x, const Array& w, void* bias,
              void* y);

// Both gradients at once: y's conversion to the library's layout is shared.
bool dnn_conv_backward(DType t, const ConvShape& s, const void* x, const void* w, const void* gy,
                       void* gx, void* gw, void* gbias);

}  // namespace rl
