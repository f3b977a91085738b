// What the kernels on compressed rows share: the checked index arrays and the dtypes they run in.
#pragma once
#include "kernel.h"

namespace rl {
namespace {

// crow (rows + 1) and col (nnz) of one matrix, as contiguous int64. The constructor checks that
// crow rises from 0 to nnz and that every column lies in [0, cols).
struct Csr {
  Array crow_array, col_array;
  const int64_t *crow, *col;
  int64_t rows, nnz;

  Csr(const char* op, const Array& crow_given, const Array& col_given, int64_t count, int64_t cols)
      : nnz(count) {
    for (const Array* a : {&crow_given, &col_given}) {
      if (a->ndim() != 1 || (a->dtype() != DType::I64 && a->dtype() != DType::I32))
        fail(ErrorType::Runtime, "%s: expected 1-D int64 or int32 indices, got shape %s", op,
             shape_text(a->shape()).c_str());
    }
    crow_array = crow_given.to(DType::I64).contiguous_copy();
    col_array = col_given.to(DType::I64).contiguous_copy();
    crow = crow_array.data<int64_t>();
    col = col_array.data<int64_t>();
    rows = crow_array.numel() - 1;
    check(op, cols);
  }

 private:
  void check(const char* op, int64_t cols) const {
    if (meta_call && rows >= 0 && col_array.numel() == nnz) return;
    if (rows < 0 || col_array.numel() != nnz || crow[0] != 0 || crow[rows] != nnz)
      fail(ErrorType::Runtime, "%s: `crow_indices[..., -1] == nnz` is not satisfied.", op);
    int64_t falls = 0;
    for (int64_t r = 0; r < rows; ++r) falls |= crow[r + 1] < crow[r];
    if (falls)
      fail(ErrorType::Runtime,
           "%s: `0 <= crow_indices[..., 1:] - crow_indices[..., :-1] <= ncols` is not satisfied.",
           op);
    int64_t low = 0, high = -1;
#pragma omp simd reduction(min : low) reduction(max : high)
    for (int64_t k = 0; k < nnz; ++k) {
      low = std::min(low, col[k]);
      high = std::max(high, col[k]);
    }
    if (low < 0 || high >= cols)
      fail(ErrorType::Index,
           "%s: `0 <= col_indices < ncols` is not satisfied: index %lld is out of bounds for %lld "
           "columns",
           op, static_cast<long long>(low < 0 ? low : high), static_cast<long long>(cols));
  }
};

DType compute_dtype(DType t) {
  if (t == DType::F16 || t == DType::BF16) return DType::F32;
  return is_integral(t) ? DType::I64 : t;
}

template <class F>
void visit_compute(DType t, F&& f) {
  switch (t) {
    case DType::F32: f(float{}); break;
    case DType::F64: f(double{}); break;
    case DType::C64: f(c64{}); break;
    case DType::C128: f(c128{}); break;
    default: f(int64_t{});
  }
}

}  // namespace
}  // namespace rl
