// Products of a sparse matrix in compressed rows (CSR) with a dense one.
//
// csr_matmul:  y[r, :] = sum over k in [crow[r], crow[r + 1]) of v[k] * x[col[k], :]
// csr_sampled: v[k] = sum over j of a[r, j] * b[col[k], j], r the row that k lies in
// crow (rows + 1), col and v (nnz); x (cols, n) gives y (rows, n); a (rows, n), b (cols, n).
// One pass over v; each row of y is written once, by one thread. Threads take ranges of rows.
// Indices are checked in a pass of their own, before anything else is read through them.
// Half types compute in float32, small integers in int64.
#include "sparse.h"

namespace rl {
namespace {

// Rows worth a thread.
int64_t row_grain(int64_t rows, int64_t nnz, int64_t width) {
  const double numbers = rows ? static_cast<double>(nnz) / static_cast<double>(rows) : 0;
  return grain_of(3 + numbers * (1 + 0.15 * static_cast<double>(width)));
}

template <class T>
void multiply(const Csr& a, const T* v, const T* x, T* y, int64_t n) {
  parallel_for(a.rows, row_grain(a.rows, a.nnz, n), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      T* out = y + r * n;
      std::fill(out, out + n, T(0));
      for (int64_t k = a.crow[r]; k < a.crow[r + 1]; ++k) {
        const T* in = x + a.col[k] * n;
        const T s = v[k];
        for (int64_t j = 0; j < n; ++j) out[j] += s * in[j];
      }
    }
  });
}

// Without -ffast-math a sum is vectorised only where this says that its order is free.
template <class T>
T dot(const T* p, const T* q, int64_t n) {
  T sum(0);
  if constexpr (std::is_arithmetic_v<T>) {
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; ++j) sum += p[j] * q[j];
  } else {
    for (int64_t j = 0; j < n; ++j) sum += p[j] * q[j];
  }
  return sum;
}

// Four at once, as short rows spend most of their time in the last additions.
template <class T>
void dot4(const T* p, const T* right, const int64_t* col, int64_t n, T* v) {
  const T *a = right + col[0] * n, *b = right + col[1] * n, *c = right + col[2] * n,
          *d = right + col[3] * n;
  T s0(0), s1(0), s2(0), s3(0);
#pragma omp simd reduction(+ : s0, s1, s2, s3)
  for (int64_t j = 0; j < n; ++j) {
    s0 += p[j] * a[j];
    s1 += p[j] * b[j];
    s2 += p[j] * c[j];
    s3 += p[j] * d[j];
  }
  v[0] = s0, v[1] = s1, v[2] = s2, v[3] = s3;
}

template <class T>
void multiply_vector(const Csr& a, const T* v, const T* x, T* y) {
  parallel_for(a.rows, row_grain(a.rows, a.nnz, 1), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      T sum(0);
      for (int64_t k = a.crow[r]; k < a.crow[r + 1]; ++k) sum += v[k] * x[a.col[k]];
      y[r] = sum;
    }
  });
}

template <class T>
void sample(const Csr& a, const T* left, const T* right, T* v, int64_t n) {
  parallel_for(a.rows, row_grain(a.rows, a.nnz, n), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const T* p = left + r * n;
      int64_t k = a.crow[r];
      if constexpr (std::is_arithmetic_v<T>) {
        for (; k + 4 <= a.crow[r + 1]; k += 4) dot4(p, right, a.col + k, n, v + k);
      }
      for (; k < a.crow[r + 1]; ++k) v[k] = dot(p, right + a.col[k] * n, n);
    }
  });
}

void check_matrix(const char* op, const char* what, const Array& a) {
  if (a.ndim() != 2)
    fail(ErrorType::Runtime, "%s: expected a matrix as %s, got a tensor of shape %s", op, what,
         shape_text(a.shape()).c_str());
}

void check_same_dtype(const char* op, const Array& a, const Array& b) {
  if (a.dtype() != b.dtype())
    fail(ErrorType::Runtime, "%s: expected scalar type %s but found %s", op,
         dtype_scalar_name(a.dtype()), dtype_scalar_name(b.dtype()));
}

}  // namespace

RL_KERNEL(csr_matmul) {
  const Array &values = call.tensor(2), &dense = call.tensor(3);
  check_matrix("csr_matmul", "dense", dense);
  check_same_dtype("csr_matmul", values, dense);
  const Csr a("csr_matmul", call.tensor(0), call.tensor(1), values.numel(), dense.size(0));
  const int64_t n = dense.size(1);
  const DType t = compute_dtype(values.dtype());
  const Array v = values.to(t).contiguous_copy(), x = dense.to(t).contiguous_copy();
  Array y = Array::empty(t, {a.rows, n});
  {
    NoGil nogil(a.nnz * n);
    visit_compute(t, [&](auto tag) {
      using T = decltype(tag);
      if (n == 1)
        multiply_vector(a, v.data<T>(), x.data<T>(), y.data<T>());
      else
        multiply(a, v.data<T>(), x.data<T>(), y.data<T>(), n);
    });
  }
  call.result(y.to(values.dtype()));
}

RL_KERNEL(csr_sampled) {
  const Array &left = call.tensor(2), &right = call.tensor(3);
  check_matrix("csr_sampled", "left", left);
  check_matrix("csr_sampled", "right", right);
  check_same_dtype("csr_sampled", left, right);
  const int64_t nnz = call.tensor(1).numel(), n = left.size(1);
  const Csr a("csr_sampled", call.tensor(0), call.tensor(1), nnz, right.size(0));
  if (left.size(0) != a.rows || right.size(1) != n)
    fail(ErrorType::Runtime, "csr_sampled: shapes %s and %s do not fit %lld rows",
         shape_text(left.shape()).c_str(), shape_text(right.shape()).c_str(),
         static_cast<long long>(a.rows));
  const DType t = compute_dtype(left.dtype());
  const Array p = left.to(t).contiguous_copy(), q = right.to(t).contiguous_copy();
  Array v = Array::empty(t, {nnz});
  {
    NoGil nogil(nnz * n);
    visit_compute(t, [&](auto tag) {
      using T = decltype(tag);
      sample(a, p.data<T>(), q.data<T>(), v.data<T>(), n);
    });
  }
  call.result(v.to(left.dtype()));
}

}  // namespace rl
