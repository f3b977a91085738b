// What the product operators share: operands as strided matrices, checks in PyTorch's words, and
// the choice between gemm and oneDNN.
#pragma once
#include "../core/kernel.h"
#include "gemm.h"
#include "onednn.h"

namespace rl {

// The element types as PyTorch's messages name them.
inline const char* cpp_name(DType t) {
  static const char* names[kDTypes] = {
      "bool",  "unsigned char", "signed char",         "short int",
      "int",   "long int",      "c10::Half",           "c10::BFloat16",
      "float", "double",        "c10::complex<float>", "c10::complex<double>"};
  return names[static_cast<int>(t)];
}

// Bool has no products, except where there is nothing to multiply (work is 0).
inline void need_numbers(const char* op, DType t, int64_t work = 1) {
  if (t == DType::Bool && work)
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for 'Bool'", op);
}

// A matrix, or a batch of them, with the last two dims of an array.
struct Matrix {
  const Array* array;
  int64_t rows, cols, row, col;  // sizes and strides
};
inline Matrix matrix(const Array& a) {
  const int n = a.ndim();
  return {&a, a.size(n - 2), a.size(n - 1), a.stride(n - 2), a.stride(n - 1)};
}

inline GemmArgs args_of(const Matrix& a, const Matrix& b, const Array& c) {
  GemmArgs g;
  g.m = a.rows, g.n = b.cols, g.k = a.cols;
  g.a = a.array->bytes(), g.a_row = a.row, g.a_col = a.col;
  g.b = b.array->bytes(), g.b_row = b.row, g.b_col = b.col;
  g.c = c.bytes(), g.c_row = b.cols;
  return g;
}

// Whether c is what an empty product of bools gives, now that it is written.
inline bool empty_bool(const Array& c) {
  if (c.dtype() != DType::Bool) return false;
  fill(c, 0.0);
  return true;
}

// How many bfloat16 products may stand for one of float32: 0 none (unless the user says otherwise),
// 1 "medium", 3 "high" where the processor has tiles for them.
extern int g_bf16_passes;
bool multiply_in_bf16(const GemmArgs& g);  // float32; false, and nothing written, where it cannot

// One product. The GIL is held.
inline void multiply(DType t, const GemmArgs& g) {
  const int64_t work = g.m * g.n * g.k;
  if (t == DType::F32 && g_bf16_passes && work >= 128 * 128 * 128 && multiply_in_bf16(g)) return;
  // A vector of dot products is a pass over the matrix, which needs no library.
  const bool dots = (g.m == 1 || g.n == 1) && g.a_col == 1 && g.b_row == 1;
  if (t == DType::BF16 && !dots && work > 32 * 32 * 32 && dnn_gemm(t, g, 1, 0, 0, 0)) return;
  NoGil nogil(work / 16);
  gemm_parallel(t, g);
}

// `batch` products whose operands start at the given element offsets.
template <class Offset>
void multiply_batch(DType t, const GemmArgs& g, int64_t batch, int64_t c_step, Offset&& offset) {
  const int64_t work = g.m * g.n * g.k, item = itemsize(t);
  NoGil nogil(batch * work / 16);
  const auto one = [&](int64_t i) {
    GemmArgs part = g;
    const auto [a, b] = offset(i);
    part.a = static_cast<const char*>(g.a) + a * item;
    part.b = static_cast<const char*>(g.b) + b * item;
    part.c = static_cast<char*>(g.c) + i * c_step * item;
    return part;
  };
  if (batch < num_threads() && work > 400000) {
    for (int64_t i = 0; i < batch; ++i) gemm_parallel(t, one(i));
    return;
  }
  const GemmFn fn = find_gemm(t);
  parallel_for(batch, grain_of(product_ns(g.m, g.n, g.k)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fn(one(i));
  });
}

inline void multiply_strided(DType t, const GemmArgs& g, int64_t batch, int64_t a_step,
                             int64_t b_step) {
  if (batch == 1) return multiply(t, g);
  const TinyFn tiny = gemm_kernel(t).tiny;
  if (tiny && is_tiny(g)) {
    const int64_t item = itemsize(t), work = g.m * g.n * g.k;
    NoGil nogil(batch * work);
    const double each = 2 + 0.15 * static_cast<double>(work);
    parallel_for(batch, grain_of(each), [&](int64_t begin, int64_t end) {
      GemmArgs part = g;
      part.a = static_cast<const char*>(g.a) + begin * a_step * item;
      part.b = static_cast<const char*>(g.b) + begin * b_step * item;
      part.c = static_cast<char*>(g.c) + begin * g.m * g.n * item;
      tiny(part, end - begin, a_step, b_step, g.m * g.n);
    });
    return;
  }
  if (t == DType::BF16 && batch * g.m * g.n * g.k > 64 * 64 * 64 &&
      dnn_gemm(t, g, batch, a_step, b_step, g.m * g.n))
    return;
  multiply_batch(t, g, batch, g.m * g.n,
                 [&](int64_t i) { return std::pair(i * a_step, i * b_step); });
}

// -- checks ------------------------------------------------------------------------------------
inline void check_mm(const Array& a, const Array& b, bool may_be_empty = false) {
  if (a.ndim() != 2) fail(ErrorType::Runtime, "self must be a matrix");
  if (b.ndim() != 2) fail(ErrorType::Runtime, "mat2 must be a matrix");
  if (a.size(1) != b.size(0))
    fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
         long(a.size(0)), long(a.size(1)), long(b.size(0)), long(b.size(1)));
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
         cpp_name(a.dtype()), cpp_name(b.dtype()));
  const bool work = !may_be_empty || (a.numel() && b.numel());  // their product may overflow
  need_numbers("addmm_impl_cpu_", a.dtype(), work);
}

inline void check_bmm(const Array& a, const Array& b) {
  if (a.ndim() != 3) fail(ErrorType::Runtime, "batch1 must be a 3D tensor");
  if (b.ndim() != 3) fail(ErrorType::Runtime, "batch2 must be a 3D tensor");
  if (b.size(0) != a.size(0) || b.size(1) != a.size(2))
    fail(ErrorType::Runtime,
         "Expected size for first two dimensions of batch2 tensor to be: [%ld, %ld] but got: [%ld, "
         "%ld].",
         long(a.size(0)), long(a.size(2)), long(b.size(0)), long(b.size(1)));
}

// C starts as `input` broadcast to it; a zero beta leaves it alone.
inline void start_with(const Array& c, const Array& input, c128 beta) {
  if (input.ndim() > c.ndim())
    fail(ErrorType::Runtime,
         "expand(torch.%sTensor{%s}, size=%s): the number of sizes provided (%d) must be greater "
         "or equal to the "
         "number of dimensions in the tensor (%d)",
         dtype_scalar_name(input.dtype()), shape_text(input.shape()).c_str(),
         shape_text(c.shape()).c_str(), c.ndim(), input.ndim());
  const Array full = input.expand(c.shape());
  if (beta != c128(0)) copy_into(c, full);
}

// oneDNN's products want one unit stride; an expanded gradient has none.
inline Array with_unit_stride(const Array& a) {
  return a.dtype() == DType::BF16 && a.stride(-1) != 1 && a.stride(-2) != 1 ? a.contiguous_copy()
                                                                            : a;
}

// (rows, last dim), as a view when the strides allow.
inline Array as_rows(const Array& a) {
  if (a.ndim() == 2) return a;
  const int64_t last = a.size(-1),
                rows = last ? a.numel() / last : product(a.shape().first(a.ndim() - 1));
  const int64_t sizes[2] = {rows, last};
  return a.reshape(sizes);
}

// The product of operands of any rank, as torch.matmul.
Array matmul_arrays(const Array& a, const Array& b);

}  // namespace rl
