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
  bool direct[kMaxOperands];     // in linear order with the loop's dtype
  bool splat[kMaxOperands];      // a number, or one element repeated: buffer filled once
  ConvertFn load[kMaxOperands];  // storage dtype -> loop dtype (for the output: loop -> storage)
  int item[kMaxOperands];        // bytes of the loop's dtype
  int64_t numel = 0;
  LoopFn fn;
  const double* params;
  alignas(16) char scalars[kMaxOperands][kMaxItem];
};

void splat_fill(char* buffer, const char* value, int item, int64_t n);  // one value, n times
void execute(const Plan& p, double cost);  // in threads; cost: ns an element

}  // namespace rl
