// csr_product: the product of two sparse matrices in compressed rows, itself in compressed rows.
//
// c[i, j] = sum over k of a[i, k] * b[k, j], one row of c at a time (Gustavson, 1978): a first pass
// counts the distinct columns of every row, a second one sums them in a dense row and writes them
// in rising order. a (m, p), b (p, n); results crow (m + 1), col and values (nnz of c).
// Threads take ranges of rows, each with a marker and a sum per column of c.
#include <vector>

#include "sparse.h"

namespace rl {
namespace {

int64_t product_grain(const Csr& a, const Csr& b) {
  const int64_t per_row = (a.rows ? a.nnz / a.rows + 1 : 1) * (b.rows ? b.nnz / b.rows + 1 : 1);
  return std::max<int64_t>(64, grain_of(2.0 * static_cast<double>(per_row)));
}

void count_row_sizes(const Csr& a, const Csr& b, int64_t cols, int64_t* sizes) {
  parallel_for(a.rows, product_grain(a, b), [&](int64_t r0, int64_t r1) {
    std::vector<int64_t> seen(static_cast<size_t>(cols), -1);
    for (int64_t r = r0; r < r1; ++r) {
      int64_t count = 0;
      for (int64_t k = a.crow[r]; k < a.crow[r + 1]; ++k) {
        for (int64_t m = b.crow[a.col[k]]; m < b.crow[a.col[k] + 1]; ++m) {
          int64_t& mark = seen[static_cast<size_t>(b.col[m])];
          count += mark != r;
          mark = r;
        }
      }
      sizes[r] = count;
    }
  });
}

// The columns that row r has met, rising: by a look at every mark where there are many.
void order_columns(const std::vector<int64_t>& seen, int64_t r, int64_t* col, int64_t count) {
  const auto cols = static_cast<int64_t>(seen.size());
  if (count < cols / 32) {
    std::sort(col, col + count);
    return;
  }
  for (int64_t j = 0, k = 0; k < count; ++j) {
    col[k] = j;
    k += seen[static_cast<size_t>(j)] == r;
  }
}

template <class T>
void fill_rows(const Csr& a, const T* va, const Csr& b, const T* vb, int64_t cols,
               const int64_t* crow, int64_t* col, T* v) {
  parallel_for(a.rows, product_grain(a, b), [&](int64_t r0, int64_t r1) {
    std::vector<int64_t> seen(static_cast<size_t>(cols), -1);
    std::vector<T> sum(static_cast<size_t>(cols));
    for (int64_t r = r0; r < r1; ++r) {
      int64_t end = crow[r];
      for (int64_t k = a.crow[r]; k < a.crow[r + 1]; ++k) {
        for (int64_t m = b.crow[a.col[k]]; m < b.crow[a.col[k] + 1]; ++m) {
          const auto j = static_cast<size_t>(b.col[m]);
          if (seen[j] != r) {
            seen[j] = r;
            sum[j] = T(0);
            col[end++] = b.col[m];
          }
          sum[j] += va[k] * vb[m];
        }
      }
      order_columns(seen, r, col + crow[r], end - crow[r]);
      for (int64_t k = crow[r]; k < end; ++k) v[k] = sum[static_cast<size_t>(col[k])];
    }
  });
}

}  // namespace

RL_KERNEL(csr_product) {
  call.need_elements();
  const Array &av = call.tensor(2), &bv = call.tensor(5);
  const int64_t cols = call.integer(6);
  if (av.dtype() != bv.dtype())
    fail(ErrorType::Runtime, "csr_product: expected scalar type %s but found %s",
         dtype_scalar_name(av.dtype()), dtype_scalar_name(bv.dtype()));
  if (cols < 0) fail(ErrorType::Runtime, "csr_product: got a negative number of columns");
  const Csr b("csr_product", call.tensor(3), call.tensor(4), bv.numel(), cols);
  const Csr a("csr_product", call.tensor(0), call.tensor(1), av.numel(), b.rows);
  const DType t = compute_dtype(av.dtype());
  const Array va = av.to(t).contiguous_copy(), vb = bv.to(t).contiguous_copy();
  Array crow = Array::empty(DType::I64, {a.rows + 1});
  auto* starts = crow.data<int64_t>();
  starts[0] = 0;
  {
    NoGil nogil(a.nnz + b.nnz);
    count_row_sizes(a, b, cols, starts + 1);
  }
  for (int64_t r = 0; r < a.rows; ++r) starts[r + 1] += starts[r];
  const int64_t nnz = starts[a.rows];
  Array col = Array::empty(DType::I64, {nnz}), v = Array::empty(t, {nnz});
  {
    NoGil nogil(nnz);
    visit_compute(t, [&](auto tag) {
      using T = decltype(tag);
      fill_rows(a, va.data<T>(), b, vb.data<T>(), cols, starts, col.data<int64_t>(), v.data<T>());
    });
  }
  call.result(crow);
  call.result(col);
  call.result(v.to(av.dtype()));
}

}  // namespace rl
