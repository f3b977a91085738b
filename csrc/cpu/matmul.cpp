// Products of matrices and vectors: mm, bmm, mv, dot, addmm, ..., matmul, linear.
//
//   mm      (m, k) @ (k, n)                      bmm     (batch, m, k) @ (batch, k, n)
//   matmul  every rank, batches broadcast        linear  x (..., k) @ w (n, k)^T + bias (n)
//
// Operands are read through their strides: a transposed matrix is never copied. The work itself
// is gemm.cpp's or, for big bfloat16 products, oneDNN's.
#include "gemm.h"
#include "onednn.h"

#include "../core/kernel.h"

namespace rl {
namespace {

// The element types as PyTorch's messages name them.
const char* c_name(DType t) {
  static const char* names[kDTypes] = {
      "bool",  "unsigned char", "signed char",         "short int",
      "int",   "long int",      "c10::Half",           "c10::BFloat16",
      "float", "double",        "c10::complex<float>", "c10::complex<double>"};
  return names[static_cast<int>(t)];
}

void need_numbers(const char* op, DType t) {
  if (t == DType::Bool) fail(ErrorType::NotImplemented, "\"%s\" not implemented for 'Bool'", op);
}

// A matrix, or a batch of them, with the last two dims of an array.
struct Matrix {
  const Array* array;
  int64_t rows, cols, row, col;  // sizes and strides
};
Matrix matrix(const Array& a) {
  const int n = a.ndim();
  return {&a, a.size(n - 2), a.size(n - 1), a.stride(n - 2), a.stride(n - 1)};
}

GemmArgs args_of(const Matrix& a, const Matrix& b, const Array& c) {
  GemmArgs g;
  g.m = a.rows, g.n = b.cols, g.k = a.cols;
  g.a = a.array->bytes(), g.a_row = a.row, g.a_col = a.col;
  g.b = b.array->bytes(), g.b_row = b.row, g.b_col = b.col;
  g.c = c.bytes(), g.c_row = b.cols;
  return g;
}

// One product. The GIL is held.
void multiply(DType t, const GemmArgs& g) {
  const int64_t work = g.m * g.n * g.k;
  if (t == DType::BF16 && work > 32 * 32 * 32 && dnn_gemm(t, g, 1, 0, 0, 0)) return;
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
  parallel_for(batch, std::max<int64_t>(1, 400000 / std::max<int64_t>(work, 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) fn(one(i));
               });
}

void multiply_strided(DType t, const GemmArgs& g, int64_t batch, int64_t a_step, int64_t b_step) {
  if (batch == 1) return multiply(t, g);
  if (t == DType::BF16 && batch * g.m * g.n * g.k > 64 * 64 * 64 &&
      dnn_gemm(t, g, batch, a_step, b_step, g.m * g.n))
    return;
  multiply_batch(t, g, batch, g.m * g.n,
                 [&](int64_t i) { return std::pair(i * a_step, i * b_step); });
}

// -- checks ------------------------------------------------------------------------------------
void check_mm(const Array& a, const Array& b) {
  if (a.ndim() != 2) fail(ErrorType::Runtime, "self must be a matrix");
  if (b.ndim() != 2) fail(ErrorType::Runtime, "mat2 must be a matrix");
  if (a.size(1) != b.size(0))
    fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
         long(a.size(0)), long(a.size(1)), long(b.size(0)), long(b.size(1)));
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
         c_name(a.dtype()), c_name(b.dtype()));
  need_numbers("addmm_impl_cpu_", a.dtype());
}

void check_bmm(const Array& a, const Array& b) {
  if (a.ndim() != 3) fail(ErrorType::Runtime, "batch1 must be a 3D tensor");
  if (b.ndim() != 3) fail(ErrorType::Runtime, "batch2 must be a 3D tensor");
  if (b.size(0) != a.size(0) || b.size(1) != a.size(2))
    fail(ErrorType::Runtime,
         "Expected size for first two dimensions of batch2 tensor to be: [%ld, %ld] but got: [%ld, "
         "%ld].",
         long(a.size(0)), long(a.size(2)), long(b.size(0)), long(b.size(1)));
}

void check_bmm_dtypes(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "expected scalar type %s but found %s", dtype_scalar_name(a.dtype()),
         dtype_scalar_name(b.dtype()));
  need_numbers("bmm", a.dtype());
}

void check_mv(const Array& input, const Array& mat, const Array& vec) {
  if (mat.ndim() != 2 || vec.ndim() != 1 || input.ndim() > 1)
    fail(ErrorType::Runtime, "vector + matrix @ vector expected, got %d, %d, %d", input.ndim(),
         mat.ndim(), vec.ndim());
  if (mat.size(1) != vec.size(0) ||
      (input.ndim() == 1 && input.size(0) != 1 && input.size(0) != mat.size(0)))
    fail(ErrorType::Runtime, "size mismatch, got input (%ld), mat (%ldx%ld), vec (%ld)",
         long(input.ndim() ? input.size(0) : 1), long(mat.size(0)), long(mat.size(1)),
         long(vec.size(0)));
  if (input.dtype() != mat.dtype() || mat.dtype() != vec.dtype())
    fail(ErrorType::Runtime, "addmv input tensors must have the same dtype, but got %s, %s, and %s",
         dtype_scalar_name(input.dtype()), dtype_scalar_name(mat.dtype()),
         dtype_scalar_name(vec.dtype()));
  need_numbers("addmv_impl_cpu", mat.dtype());
}

// C starts as `input` broadcast to it; a zero beta leaves it alone.
void start_with(const Array& c, const Array& input, c128 beta) {
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

// -- the operators -----------------------------------------------------------------------------
Array mm_arrays(const Array& a, const Array& b) {
  Array c = Array::empty(a.dtype(), {a.size(0), b.size(1)});
  multiply(a.dtype(), args_of(matrix(a), matrix(b), c));
  return c;
}

Array bmm_arrays(const Array& a, const Array& b) {
  Array c = Array::empty(a.dtype(), {a.size(0), a.size(1), b.size(2)});
  multiply_strided(a.dtype(), args_of(matrix(a), matrix(b), c), a.size(0), a.stride(0),
                   b.stride(0));
  return c;
}

Array mv_arrays(const Array& a, const Array& v) {
  Array c = Array::empty(a.dtype(), {a.size(0)});
  GemmArgs g;
  g.m = a.size(0), g.n = 1, g.k = a.size(1);
  g.a = a.bytes(), g.a_row = a.stride(0), g.a_col = a.stride(1);
  g.b = v.bytes(), g.b_row = v.stride(0), g.b_col = 1;
  g.c = c.bytes(), g.c_row = 1;
  multiply(a.dtype(), g);
  return c;
}

template <class T>
void dot_chunks(const T* x, const T* y, int64_t n, T* sums, int64_t chunk) {
  const GemmFn fn = find_gemm(dtype_of<T>::value);
  parallel_for((n + chunk - 1) / chunk, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      GemmArgs g;
      g.m = g.n = 1, g.k = std::min(chunk, n - i * chunk);
      g.a = x + i * chunk, g.a_row = 0, g.a_col = 1;
      g.b = y + i * chunk, g.b_row = 1, g.b_col = 0;
      g.c = sums + i, g.c_row = 1;
      fn(g);
    }
  });
}

Array dot_arrays(const Array& a, const Array& b) {
  if (a.ndim() != 1 || b.ndim() != 1)
    fail(ErrorType::Runtime, "1D tensors expected, but got %dD and %dD tensors", a.ndim(),
         b.ndim());
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "dot : expected both vectors to have same dtype, but found %s and %s",
         dtype_scalar_name(a.dtype()), dtype_scalar_name(b.dtype()));
  if (a.numel() != b.numel())
    fail(ErrorType::Runtime,
         "inconsistent tensor size, expected tensor [%ld] and src [%ld] to have the same number of "
         "elements, but got "
         "%ld and %ld elements respectively",
         long(a.numel()), long(b.numel()), long(a.numel()), long(b.numel()));
  need_numbers("dot", a.dtype());
  const Array x = a.contiguous_copy(), y = b.contiguous_copy();
  Array c = Array::empty(a.dtype(), {});
  const int64_t n = a.numel();
  if (n == 0) {
    fill(c, 0.0);
    return c;
  }
  visit_all(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!std::is_same_v<T, bool>) {
      // Chunks are summed apart: threads, and less rounding. Half types sum theirs in float.
      const int64_t chunk = is_half(a.dtype()) ? n : 16384;
      Scratch<T> sums((n + chunk - 1) / chunk);
      NoGil nogil(n);
      dot_chunks<T>(x.data<T>(), y.data<T>(), n, sums.get(), chunk);
      T total = sums[0];
      for (int64_t i = 1; i < (n + chunk - 1) / chunk; ++i) total = static_cast<T>(total + sums[i]);
      *c.data<T>() = total;
    }
  });
  return c;
}

Array conj_copy(const Array& a) {
  if (!is_complex(a.dtype())) return a;
  Array y = Array::empty(a.dtype(), a.shape());
  copy_into(y, a);
  const auto flip = [&](auto* p) {
    for (int64_t i = 0; i < y.numel(); ++i) p[i] = std::conj(p[i]);
  };
  if (a.dtype() == DType::C64)
    flip(y.data<c64>());
  else
    flip(y.data<c128>());
  return y;
}

// All ranks. Vectors become matrices with one row or column, batches are broadcast.
Array matmul_arrays(const Array& a0, const Array& b0) {
  if (a0.ndim() == 0 || b0.ndim() == 0)
    fail(ErrorType::Runtime,
         "both arguments to matmul need to be at least 1D, but they are %dD and %dD", a0.ndim(),
         b0.ndim());
  const bool vector_a = a0.ndim() == 1, vector_b = b0.ndim() == 1;
  if (vector_a && vector_b) return dot_arrays(a0, b0);
  const Array a = vector_a ? a0.unsqueeze(0) : a0;
  const Array b = vector_b ? b0.unsqueeze(1) : b0;
  const Matrix x = matrix(a), y = matrix(b);
  const DType t = a.dtype();
  const Shape head_a = a.shape().first(a.ndim() - 2), head_b = b.shape().first(b.ndim() - 2);
  // The checks of the operator that PyTorch would use, so that its words are the same.
  if (head_b.empty() && !vector_b) {
    if (x.cols != y.rows)
      fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
           long(product(head_a) * x.rows), long(x.cols), long(y.rows), long(y.cols));
    if (t != b.dtype())
      fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
           c_name(t), c_name(b.dtype()));
    need_numbers("addmm_impl_cpu_", t);
  } else if (vector_b) {
    if (x.cols != y.rows)
      fail(ErrorType::Runtime, "size mismatch, got input (%ld), mat (%ldx%ld), vec (%ld)",
           long(product(head_a) * x.rows), long(product(head_a) * x.rows), long(x.cols),
           long(y.rows));
    if (t != b.dtype())
      fail(ErrorType::Runtime,
           "addmv input tensors must have the same dtype, but got %s, %s, and %s",
           dtype_scalar_name(b.dtype()), dtype_scalar_name(t), dtype_scalar_name(b.dtype()));
    need_numbers("addmv_impl_cpu", t);
  }
  const std::vector<int64_t> head = broadcast_shapes("matmul", head_a, head_b);
  const int64_t batch = product(head);
  if (x.cols != y.rows)
    fail(ErrorType::Runtime,
         "Expected size for first two dimensions of batch2 tensor to be: [%ld, %ld] but got: [%ld, "
         "%ld].",
         long(batch), long(x.cols), long(batch), long(y.rows));
  check_bmm_dtypes(a, b);

  std::vector<int64_t> sizes(head);
  if (!vector_a) sizes.push_back(x.rows);
  if (!vector_b) sizes.push_back(y.cols);
  Array c = Array::empty(t, sizes);
  if (c.numel() == 0) return c;

  const int nh = static_cast<int>(head.size());
  // A batch of matrices against one matrix is one tall product when the rows are evenly spaced.
  if (head_b.empty() && a.ndim() > 2 && (a.contiguous() || x.cols == 1)) {
    if (a.contiguous()) {
      GemmArgs g = args_of(x, y, c);
      g.m = batch * x.rows, g.a_row = x.cols, g.a_col = 1;
      multiply(t, g);
      return c;
    }
  }
  std::vector<int64_t> full_a(head), full_b(head);
  full_a.insert(full_a.end(), {x.rows, x.cols});
  full_b.insert(full_b.end(), {y.rows, y.cols});
  const Array wide_a = a.expand(full_a), wide_b = b.expand(full_b);
  const GemmArgs g = args_of(matrix(wide_a), matrix(wide_b), c);
  // One stride for the whole batch where the dims allow, else the offset of each product.
  const auto single_stride = [&](const Array& w, int64_t* step) {
    int64_t s = 0, expected = -1;
    for (int d = nh - 1; d >= 0; --d) {
      if (w.size(d) == 1) continue;
      if (expected < 0)
        s = w.stride(d), expected = s * w.size(d);
      else if (w.stride(d) == expected)
        expected *= w.size(d);
      else
        return false;
    }
    *step = s;
    return true;
  };
  int64_t a_step, b_step;
  if (single_stride(wide_a, &a_step) && single_stride(wide_b, &b_step)) {
    multiply_strided(t, g, batch, a_step, b_step);
    return c;
  }
  multiply_batch(t, g, batch, g.m * g.n, [&](int64_t i) {
    int64_t at = 0, bt = 0;
    for (int d = nh - 1; d >= 0; --d) {
      const int64_t j = i % head[d];
      i /= head[d];
      at += j * wide_a.stride(d), bt += j * wide_b.stride(d);
    }
    return std::pair(at, bt);
  });
  return c;
}

// (rows, last dim), as a view when the strides allow.
Array as_rows(const Array& a) {
  if (a.ndim() == 2) return a;
  const int64_t last = a.size(-1),
                rows = last ? a.numel() / last : product(a.shape().first(a.ndim() - 1));
  const int64_t sizes[2] = {rows, last};
  return a.reshape(sizes);
}

}  // namespace

RL_KERNEL(mm) {
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check_mm(a, b);
  call.result(mm_arrays(a, b));
}

RL_KERNEL(bmm) {
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check_bmm(a, b);
  check_bmm_dtypes(a, b);
  call.result(bmm_arrays(a, b));
}

RL_KERNEL(mv) {
  const Array &a = call.tensor(0), &v = call.tensor(1);
  if (a.ndim() != 2 || v.ndim() != 1)
    fail(ErrorType::Runtime, "vector + matrix @ vector expected, got 1, %d, %d", a.ndim(),
         v.ndim());
  if (a.size(1) != v.size(0))
    fail(ErrorType::Runtime, "size mismatch, got input (%ld), mat (%ldx%ld), vec (%ld)",
         long(a.size(0)), long(a.size(0)), long(a.size(1)), long(v.size(0)));
  if (a.dtype() != v.dtype())
    fail(ErrorType::Runtime, "addmv input tensors must have the same dtype, but got %s, %s, and %s",
         dtype_scalar_name(v.dtype()), dtype_scalar_name(a.dtype()), dtype_scalar_name(v.dtype()));
  need_numbers("addmv_impl_cpu", a.dtype());
  call.result(mv_arrays(a, v));
}

RL_KERNEL(dot) { call.result(dot_arrays(call.tensor(0), call.tensor(1))); }

RL_KERNEL(vdot) {
  const Array &a = call.tensor(0), &b = call.tensor(1);
  call.result(dot_arrays(conj_copy(a), b));
}

RL_KERNEL(matmul) { call.result(matmul_arrays(call.tensor(0), call.tensor(1))); }

// addmm(input, mat1, mat2, beta, alpha)
RL_KERNEL(addmm) {
  const Array &input = call.tensor(0), &a = call.tensor(1), &b = call.tensor(2);
  const c128 beta = call.complex(3), alpha = call.complex(4);
  if (a.ndim() != 2) fail(ErrorType::Runtime, "mat1 must be a matrix, got %d-D tensor", a.ndim());
  if (b.ndim() != 2) fail(ErrorType::Runtime, "mat2 must be a matrix, got %d-D tensor", b.ndim());
  if (a.size(1) == b.size(0) && (input.dtype() != b.dtype() || a.dtype() != b.dtype()))
    fail(ErrorType::Runtime, "self and mat2 must have the same dtype, but got %s and %s",
         dtype_scalar_name(input.dtype() != b.dtype() ? input.dtype() : a.dtype()),
         dtype_scalar_name(b.dtype()));
  check_mm(a, b);
  Array c = Array::empty(a.dtype(), {a.size(0), b.size(1)});
  GemmArgs g = args_of(matrix(a), matrix(b), c);
  g.alpha = alpha;
  if (beta == c128(1) && input.ndim() == 1 && input.size(0) == c.size(1) && input.contiguous()) {
    g.bias = input.bytes();
  } else {
    start_with(c, input, beta);
    g.beta = beta;
  }
  multiply(a.dtype(), g);
  call.result(std::move(c));
}

RL_KERNEL(addmv) {
  const Array &input = call.tensor(0), &a = call.tensor(1), &v = call.tensor(2);
  const c128 beta = call.complex(3), alpha = call.complex(4);
  check_mv(input, a, v);
  Array c = Array::empty(a.dtype(), {a.size(0)});
  start_with(c, input, beta);
  GemmArgs g;
  g.m = a.size(0), g.n = 1, g.k = a.size(1);
  g.a = a.bytes(), g.a_row = a.stride(0), g.a_col = a.stride(1);
  g.b = v.bytes(), g.b_row = v.stride(0), g.b_col = 1;
  g.c = c.bytes(), g.c_row = 1;
  g.alpha = alpha, g.beta = beta;
  multiply(a.dtype(), g);
  call.result(std::move(c));
}

RL_KERNEL(baddbmm) {
  const Array &input = call.tensor(0), &a = call.tensor(1), &b = call.tensor(2);
  const c128 beta = call.complex(3), alpha = call.complex(4);
  check_bmm(a, b);
  if (input.dtype() != a.dtype() || a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "Input dtypes must be the same, got: input %s, batch1: %s, batch2: %s",
         c_name(input.dtype()), c_name(a.dtype()), c_name(b.dtype()));
  need_numbers("baddbmm", a.dtype());
  Array c = Array::empty(a.dtype(), {a.size(0), a.size(1), b.size(2)});
  start_with(c, input, beta);
  GemmArgs g = args_of(matrix(a), matrix(b), c);
  g.alpha = alpha, g.beta = beta;
  multiply_strided(a.dtype(), g, a.size(0), a.stride(0), b.stride(0));
  call.result(std::move(c));
}

RL_KERNEL(addbmm) {
  const Array &input = call.tensor(0), &a = call.tensor(1), &b = call.tensor(2);
  const c128 beta = call.complex(3), alpha = call.complex(4);
  if (a.ndim() != 3) fail(ErrorType::Runtime, "batch1 must be a 3D tensor");
  if (b.ndim() != 3) fail(ErrorType::Runtime, "batch2 must be a 3D tensor");
  if (a.size(0) != b.size(0))
    fail(ErrorType::Runtime, "batch1 and batch2 must have same number of batches, got %ld and %ld",
         long(a.size(0)), long(b.size(0)));
  if (a.size(2) != b.size(1))
    fail(ErrorType::Runtime, "Incompatible matrix sizes for bmm (%ldx%ld and %ldx%ld)",
         long(a.size(1)), long(a.size(2)), long(b.size(1)), long(b.size(2)));
  if (input.dtype() != a.dtype() || a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "self and mat2 must have the same dtype, but got %s and %s",
         dtype_scalar_name(input.dtype()), dtype_scalar_name(b.dtype()));
  need_numbers("addmm_impl_cpu_", a.dtype());
  // Half types sum over the batch in float.
  const DType t = is_half(a.dtype()) ? DType::F32 : a.dtype();
  const Array x = a.to(t), y = b.to(t);
  Array c = Array::empty(t, {a.size(1), b.size(2)});
  start_with(c, input, beta);
  GemmArgs g = args_of(matrix(x), matrix(y), c);
  g.alpha = alpha, g.beta = beta;
  if (a.size(0) == 0) {
    g.k = 0;
    multiply(t, g);
  }
  for (int64_t i = 0; i < a.size(0); ++i) {
    g.a = x.bytes() + i * x.stride(0) * x.item();
    g.b = y.bytes() + i * y.stride(0) * y.item();
    multiply(t, g);
    g.beta = 1;
  }
  call.result(c.to(a.dtype()));
}

// linear(input (..., k), weight (n, k), bias (n) or None)
RL_KERNEL(linear) {
  const Array &input = call.tensor(0), &w = call.tensor(1);
  const Array* bias = call.tensor_or_null(2);
  if (input.ndim() == 0 || w.ndim() == 0)
    fail(ErrorType::Runtime,
         "both arguments to linear need to be at least 1D, but they are %dD and %dD", input.ndim(),
         w.ndim());
  if (w.ndim() > 2)
    fail(ErrorType::Runtime, "t() expects a tensor with <= 2 dimensions, but self is %dD",
         w.ndim());
  if (w.ndim() == 1) {
    if (bias) fail(ErrorType::Runtime, "mat2 must be a matrix, got 1-D tensor");
    call.result(matmul_arrays(input, w));
    return;
  }
  const int64_t k = input.size(-1), n = w.size(0);
  const Array x = as_rows(input);
  if (k != w.size(1))
    fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
         long(x.size(0)), long(k), long(w.size(1)), long(n));
  if (bias && bias->dtype() != w.dtype())
    fail(ErrorType::Runtime, "self and mat2 must have the same dtype, but got %s and %s",
         dtype_scalar_name(bias->dtype()), dtype_scalar_name(w.dtype()));
  if (x.dtype() != w.dtype())
    fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
         c_name(x.dtype()), c_name(w.dtype()));
  need_numbers("addmm_impl_cpu_", w.dtype());
  int64_t sizes[kMaxDims];
  std::copy(input.sizes(), input.sizes() + input.ndim(), sizes);
  sizes[input.ndim() - 1] = n;
  Array y = Array::empty(x.dtype(), Shape(sizes, input.ndim()));
  GemmArgs g;
  g.m = x.size(0), g.n = n, g.k = k;
  g.a = x.bytes(), g.a_row = x.stride(0), g.a_col = x.stride(1);
  g.b = w.bytes(), g.b_row = w.stride(1), g.b_col = w.stride(0);
  g.c = y.bytes(), g.c_row = n;
  if (bias && bias->ndim() == 1 && bias->size(0) == n && bias->contiguous()) {
    g.bias = bias->bytes();
  } else if (bias) {
    const int64_t rows[2] = {x.size(0), n};
    start_with(bias->ndim() == 1 ? y.view(rows) : y, *bias, 1);
    g.beta = 1;
  }
  multiply(x.dtype(), g);
  call.result(std::move(y));
}

// linear_backward(g (..., n), input (..., k), weight (n, k), needs input, weight, bias):
// the wanted ones of g @ weight, g^T @ input, sum of g's rows.
RL_KERNEL(linear_backward) {
  const Array &gy = call.tensor(0), &input = call.tensor(1), &w = call.tensor(2);
  const DType t = w.dtype();
  const Array gr = as_rows(gy), x = as_rows(input);
  const int64_t m = gr.size(0), n = w.size(0), k = w.size(1);
  if (w.ndim() != 2 || gr.size(1) != n || x.size(1) != k || x.size(0) != m || gr.dtype() != t ||
      x.dtype() != t)
    fail(ErrorType::Runtime,
         "linear_backward: got gradient %s, input %s and weight %s that do not belong together",
         shape_text(gy.shape()).c_str(), shape_text(input.shape()).c_str(),
         shape_text(w.shape()).c_str());
  if (call.boolean(3)) {
    Array gx = Array::empty(t, input.shape());
    GemmArgs g = args_of(matrix(gr), matrix(w), gx);
    multiply(t, g);
    call.result(std::move(gx));
  }
  if (call.boolean(4)) {
    Array gw = Array::empty(t, {n, k});
    const Array gt = gr.transpose(0, 1);
    multiply(t, args_of(matrix(gt), matrix(x), gw));
    call.result(std::move(gw));
  }
  if (call.boolean(5)) {
    Array gb = Array::empty(t, {n});
    const Array one = Array::scalar(1.0, t);
    GemmArgs g;
    g.m = 1, g.n = n, g.k = m;
    g.a = one.bytes(), g.a_row = g.a_col = 0;
    g.b = gr.bytes(), g.b_row = gr.stride(0), g.b_col = gr.stride(1);
    g.c = gb.bytes(), g.c_row = n;
    NoGil nogil(m * n);
    gemm_parallel(t, g);
    call.result(std::move(gb));
  }
}

}  // namespace rl
