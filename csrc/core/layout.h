// The memory order of results that are made from several operands.
#pragma once
#include "array.h"

namespace rl {

// An uninitialised result of `shape` laid out as PyTorch lays out what is computed element by
// element from the operands (null ones are numbers).
Array output_like(const Array* const* operands, int count, Shape shape, DType t);

// The elements of y in the memory order of x, which has the same shape; y itself when that is
// contiguous.
Array laid_out_as(const Array& y, const Array& x);

// RuntimeError when the two share memory but not element for element, so that writing one changes
// the other. As in PyTorch only arrays without gaps are told apart.
void check_partial_overlap(const Array& out, const Array& in);

}  // namespace rl
