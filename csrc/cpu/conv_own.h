// Convolutions that our own kernels do faster than the library: they need no other layout.
#pragma once
#include "onednn.h"

namespace rl {

// A pass over memory in the order that the shape names, as dnn_conv; bias (a float for each output)
// may be null. False, and nothing written, where the library is as fast or has to do it.
bool own_conv(ConvPass pass, DType t, const ConvShape& s, void* x, const Array& w, void* bias,
              void* y);

}  // namespace rl
