// What the element-wise engine runs: operands over one coalesced iteration space.
#pragma once
#include "convert.h"
#include "op.h"

namespace rl {

constexpr int kMaxOperands = 4;  // output included
constexpr int64_t kChunk = 1024;
constexpr int kMaxItem = 16;

// Everything a chunk needs to know; lives on the stack of the call.
struct Plan {
  int n = 0;  // operands, output first
  int ndim = 0;
  int64_t sizes[kMaxDims];                  // innermost last, coalesced
  int64_t strides[kMaxOperands][kMaxDims];  // bytes
  char* base[kMaxOperands];
  bool splat[kMaxOperands];      // a number, or one element repeated: in `scalars`
  ConvertFn load[kMaxOperands];  // storage dtype -> loop dtype (for the output: loop -> storage)
  int item[kMaxOperands];        // bytes of the loop's dtype
  int64_t numel = 0;
  LoopFn fn;
  GridFn grid;  // the loop's second form, or null
  const double* params;
  alignas(16) char scalars[kMaxOperands][kMaxItem];
};

// Orders dims by the output's strides (outermost first) and joins those that lie end to end in
// every operand; `strides` hold the dims of `shape` before.
void coalesce(Plan& p, Shape shape);
void execute(const Plan& p, double cost);  // in threads; cost: ns an element

}  // namespace rl
