// Products of matrices and vectors: mm, bmm, mv, dot, addmm, ..., matmul, linear.
//
//   mm      (m, k) @ (k, n)                      bmm     (batch, m, k) @ (batch, k, n)
//   matmul  every rank, batches broadcast        linear  x (..., k) @ w (n, k)^T + bias (n)
//
// Operands are read through their strides: a transposed matrix is never copied. The work itself
// is gemm.cpp's or, for big bfloat16 products, oneDNN's.
#include "matmul.h"

namespace rl {
namespace {

void check_bmm_dtypes(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "expected scalar type %s but found %s", dtype_scalar_name(a.dtype()),
         dtype_scalar_name(b.dtype()));
  need_numbers("bmm", a.dtype(), a.numel() * b.numel());
}

// -- the operators -----------------------------------------------------------------------------
Array mm_arrays(const Array& a, const Array& b) {
  Array c = Array::empty(a.dtype(), {a.size(0), b.size(1)});
  if (empty_bool(c)) return c;
  const Array x = with_unit_stride(a), y = with_unit_stride(b);
  multiply(a.dtype(), args_of(matrix(x), matrix(y), c));
  return c;
}

Array bmm_arrays(const Array& a, const Array& b) {
  Array c = Array::empty(a.dtype(), {a.size(0), a.size(1), b.size(2)});
  if (empty_bool(c)) return c;
  multiply_strided(a.dtype(), args_of(matrix(a), matrix(b), c), a.size(0), a.stride(0),
                   b.stride(0));
  return c;
}

Array mv_arrays(const Array& a, const Array& v) {
  Array c = Array::empty(a.dtype(), {a.size(0)});
  if (empty_bool(c)) return c;
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
  const double each = 0.08 * static_cast<double>(std::min(n, chunk));
  parallel_for((n + chunk - 1) / chunk, grain_of(each + 1), [&](int64_t begin, int64_t end) {
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
  if (meta_call) return c;
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
  if (meta_call) return y;
  const auto flip = [&](auto* p) {
    for (int64_t i = 0; i < y.numel(); ++i) p[i] = std::conj(p[i]);
  };
  if (a.dtype() == DType::C64)
    flip(y.data<c64>());
  else
    flip(y.data<c128>());
  return y;
}

// The checks of the operator that PyTorch would use for these ranks, in its words.
void check_like_pytorch(const Array& a, const Array& b, bool vector_b, Shape head_a, Shape head_b) {
  const Matrix x = matrix(a), y = matrix(b);
  const DType t = a.dtype();
  if (head_b.empty() && !vector_b) {
    if (x.cols != y.rows)
      fail(ErrorType::Runtime, "mat1 and mat2 shapes cannot be multiplied (%ldx%ld and %ldx%ld)",
           long(product(head_a) * x.rows), long(x.cols), long(y.rows), long(y.cols));
    if (t != b.dtype())
      fail(ErrorType::Runtime, "expected m1 and m2 to have the same dtype, but got: %s != %s",
           cpp_name(t), cpp_name(b.dtype()));
    need_numbers("addmm_impl_cpu_", t, a.numel() * b.numel());
  } else if (vector_b) {
    if (x.cols != y.rows)
      fail(ErrorType::Runtime, "size mismatch, got input (%ld), mat (%ldx%ld), vec (%ld)",
           long(product(head_a) * x.rows), long(product(head_a) * x.rows), long(x.cols),
           long(y.rows));
    if (t != b.dtype())
      fail(ErrorType::Runtime,
           "addmv input tensors must have the same dtype, but got %s, %s, and %s",
           dtype_scalar_name(b.dtype()), dtype_scalar_name(t), dtype_scalar_name(b.dtype()));
    need_numbers("addmv_impl_cpu", t, a.numel() * b.numel());
  }
}

}  // namespace

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
  check_like_pytorch(a, b, vector_b, head_a, head_b);
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
  if (c.numel() == 0 || empty_bool(c)) return c;

  const int nh = static_cast<int>(head.size());
  // A batch of matrices against one matrix is one tall product when the rows are evenly spaced.
  if (head_b.empty() && a.ndim() > 2 && a.contiguous()) {
    GemmArgs g = args_of(x, y, c);
    g.m = batch * x.rows, g.a_row = x.cols, g.a_col = 1;
    multiply(t, g);
    return c;
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
  // The library takes evenly spaced products: copies cost less than products without it.
  if (t == DType::BF16) {
    const Array x = wide_a.contiguous_copy(), y = wide_b.contiguous_copy();
    multiply_strided(t, args_of(matrix(x), matrix(y), c), batch, g.m * g.k, g.k * g.n);
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

RL_KERNEL(mm) {
  const Array &a = call.tensor(0), &b = call.tensor(1);
  check_mm(a, b, true);
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
  need_numbers("addmv_impl_cpu", a.dtype(), a.numel());
  call.result(mv_arrays(a, v));
}

RL_KERNEL(dot) { call.result(dot_arrays(call.tensor(0), call.tensor(1))); }

RL_KERNEL(vdot) {
  const Array &a = call.tensor(0), &b = call.tensor(1);
  call.result(dot_arrays(conj_copy(a), b));
}

RL_KERNEL(matmul) { call.result(matmul_arrays(call.tensor(0), call.tensor(1))); }

}  // namespace rl
