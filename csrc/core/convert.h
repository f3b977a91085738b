// Casts between dtypes over one strided run of elements, and 2-d moves of raw elements.
// The loops live in csrc/cpu/convert.cpp, compiled once per ISA; the tables in core/convert.cpp.
#pragma once
#include "dtype.h"

namespace rl {

// n elements from src to dst; strides in bytes. A source stride of 0 repeats one element.
// Contiguous runs (strides equal to the item sizes) take a vectorised path.
using ConvertFn = void (*)(char* dst, int64_t dst_stride, const char* src, int64_t src_stride,
                           int64_t n);
ConvertFn find_convert(DType to, DType from);

// Contiguous to contiguous.
inline void convert(DType to, void* dst, DType from, const void* src, int64_t n) {
  find_convert(to, from)(static_cast<char*>(dst), itemsize(to), static_cast<const char*>(src),
                         itemsize(from), n);
}

// dst[i * dst_row + j * itemsize] = src[i * itemsize + j * src_col] for i < rows, j < cols:
// a block whose rows are contiguous in dst and whose columns are contiguous in src.
using TransposeFn = void (*)(char* dst, int64_t dst_row, const char* src, int64_t src_col,
                             int64_t rows, int64_t cols);
TransposeFn find_transpose(int bytes);  // by item size: 1, 2, 4, 8, 16

// dst[i * dst_row + j * dst_col] = src[i * src_row + j * src_col]: raw elements between any
// strides, for few columns.
using RowsFn = void (*)(char* dst, int64_t dst_row, int64_t dst_col, const char* src,
                        int64_t src_row, int64_t src_col, int64_t rows, int64_t cols);
RowsFn find_rows(int bytes);  // by item size

void register_convert(int level, DType to, DType from, ConvertFn fn);
void register_transpose(int level, int bytes, TransposeFn fn);
void register_rows(int level, int bytes, RowsFn fn);

}  // namespace rl
