// What the files of convolutions share: the problem that a call sets, and a kernel for any dtype.
#pragma once
#include <string_view>

#include "../core/kernel.h"
#include "onednn.h"

namespace rl {

// Everything a call says, before any of it is checked against the tensors.
struct ConvSettings {
  IntList stride, padding, dilation, output_padding;
  std::string_view padding_mode;  // "same", "valid" or empty
  int64_t groups = 1;
  bool transposed = false;
};

struct ConvProblem {
  ConvShape shape;
  bool transposed = false, batched = true;
  Array input, weight;  // batched, in the shape's memory order
  IntList out_sizes;
};

// The problem of a call, all of it checked. dims is 0 where the weight says how many.
ConvProblem make_problem(const char* op, int dims, const Array& x, const Array& w,
                         const Array* bias, const ConvSettings& given);
bool prefers_channels_last(const Array& a);

// The three passes of a convolution (see ConvShape) over row-major memory. x, w and y hold
// elements of t, never a half type or bool. Called without the GIL; `partials` is scratch that
// the weights' pass needs: conv_partials(t, s) bytes.
void conv_direct(ConvPass pass, DType t, const ConvShape& s, char* x, char* w, char* y,
                 char* partials);
int64_t conv_partials(ConvPass pass, DType t, const ConvShape& s);

}  // namespace rl
