// Convolutions with our own kernels: any dtype, no library.
#pragma once
#include "onednn.h"

namespace rl {

// The three passes of a convolution (see ConvShape) over row-major memory. x, w and y hold
// elements of t, never a half type or bool. Called without the GIL; `partials` is scratch that
// the weights' pass needs: conv_partials(t, s) bytes.
void conv_direct(ConvPass pass, DType t, const ConvShape& s, char* x, char* w, char* y,
                 char* partials);
int64_t conv_partials(ConvPass pass, DType t, const ConvShape& s);

}  // namespace rl
