// Products added to an input: addmm, addmv, baddbmm, addbmm.
//
//   beta * input + alpha * (a @ b), the input broadcast; a zero beta does not read it
#include "matmul.h"

namespace rl {
namespace {

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

}  // namespace

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
  if (alpha == c128(0)) g.k = 0;  // a factor of zero does not read the matrices
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
  if (alpha == c128(0)) g.k = 0;
  multiply(a.dtype(), g);
  call.result(std::move(c));
}

RL_KERNEL(baddbmm) {
  const Array &input = call.tensor(0), &a = call.tensor(1), &b = call.tensor(2);
  const c128 beta = call.complex(3), alpha = call.complex(4);
  check_bmm(a, b);
  if (input.dtype() != a.dtype() || a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "Input dtypes must be the same, got: input %s, batch1: %s, batch2: %s",
         cpp_name(input.dtype()), cpp_name(a.dtype()), cpp_name(b.dtype()));
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
  if (alpha == c128(0)) g.k = 0;
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

}  // namespace rl
