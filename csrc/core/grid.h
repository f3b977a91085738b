// The second form of a pointwise loop of two operands: over rows, where an operand may be held.
//
// A held operand has one element for a whole row and is read once, into a register: a number, the
// mean of a row, one side of an outer product. Operators that cost no more than their memory (sums,
// products, comparisons) bring this form; for others buffers of repeated elements cost little.
#pragma once
#include "kernel.h"

namespace rl {

struct Grid {
  int64_t rows, columns;
  int64_t step[3];  // bytes from a row to the next: output, operands; within rows all is contiguous
  unsigned held;    // bit k: operand k is held; never both
};
using GridFn = void (*)(char* const* p, const Grid& grid, const double* params);

// The loop and its second form, as register_loop.
void register_grid(const char* op, int level, DType compute, DType out, LoopFn fn, GridFn grid,
                   double cost);

}  // namespace rl
