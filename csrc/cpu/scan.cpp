// Scans along one dim, x seen as (outer, n, inner): cumsum, cumprod, cummax, cummin and
// logcumsumexp.
//
//   y[i] = y[i - 1] op x[i]        x read once, y written once
//
// Floats accumulate in float64. A contiguous cumsum adds inside vectors of 8 in three shifted
// steps, so that the chain from vector to vector is one addition. inner > 1: blocks of columns.
#include "row.h"

namespace rl {
namespace {

constexpr int64_t kScanColumns = 256;

template <class T> struct scan_acc { using type = int64_t; };
template <> struct scan_acc<Half> { using type = double; };
template <> struct scan_acc<BFloat16> { using type = double; };
template <> struct scan_acc<float> { using type = double; };
template <> struct scan_acc<double> { using type = double; };
template <> struct scan_acc<c64> { using type = c128; };
template <> struct scan_acc<c128> { using type = c128; };
template <class T> using scan_acc_t = typename scan_acc<T>::type;

template <class T> scan_acc_t<T> widen(T x) {
  return static_cast<scan_acc_t<T>>(static_cast<compute_t<T>>(x));
}
template <class T> T narrow(scan_acc_t<T> x) {
  if constexpr (is_half(dtype_of<T>::value)) return T(static_cast<float>(x));
  else return static_cast<T>(x);
}

struct Plus {
  template <class A> static A identity() { return A(0); }
  template <class A> static A apply(A a, A b) { return a + b; }
};
struct Times {
  template <class A> static A identity() { return A(1); }
  template <class A> static A apply(A a, A b) { return a * b; }
};
struct LogAddExp {
  template <class A> static A identity() {
    return A(-std::numeric_limits<double>::infinity());
  }
  static double apply(double a, double b) {
    const double top = std::max(a, b), low = std::min(a, b);
    if (a != a || b != b) return a + b;
    // Equal infinities would give inf - inf.
    return std::isinf(top) && top == low ? top : top + std::log1p(std::exp(low - top));
  }
  static c128 apply(c128 a, c128 b) {
    if (a.real() < b.real()) std::swap(a, b);
    if (std::isinf(b.real()) && b.real() < 0) return a;
    return a + std::log(1.0 + std::exp(b - a));
  }
};

typedef double Double8 __attribute__((vector_size(64)));
typedef float Float8 __attribute__((vector_size(32)));

template <class T> int64_t cumsum_vectors(const T* x, T* y, int64_t n, double& sum) {
  const Double8 zero{};
  Double8 carry = zero + sum;
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    Double8 v;
    if constexpr (std::is_same_v<T, float>) {
      Float8 f;
      __builtin_memcpy(&f, x + i, 32);
      v = __builtin_convertvector(f, Double8);
    } else {
      __builtin_memcpy(&v, x + i, 64);
    }
    v += __builtin_shufflevector(v, zero, 8, 0, 1, 2, 3, 4, 5, 6);
    v += __builtin_shufflevector(v, zero, 8, 8, 0, 1, 2, 3, 4, 5);
    v += __builtin_shufflevector(v, zero, 8, 8, 8, 8, 0, 1, 2, 3);
    const Double8 total = __builtin_shufflevector(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
    v += carry;
    carry += total;
    if constexpr (std::is_same_v<T, float>) {
      const Float8 f = __builtin_convertvector(v, Float8);
      __builtin_memcpy(y + i, &f, 32);
    } else {
      __builtin_memcpy(y + i, &v, 64);
    }
  }
  sum = carry[0];
  return i;
}

template <class T, class Op> void scan_row(const T* x, T* y, int64_t n) {
  scan_acc_t<T> acc = Op::template identity<scan_acc_t<T>>();
  int64_t i = 0;
  if constexpr (std::is_floating_point_v<T> && std::is_same_v<Op, Plus>)
    i = cumsum_vectors<T>(x, y, n, acc);
  for (; i < n; ++i) {
    acc = Op::apply(acc, widen<T>(x[i]));
    y[i] = narrow<T>(acc);
  }
}

template <class T, class Op>
void scan_columns(const T* x, T* y, int64_t n, int64_t inner, int64_t width) {
  scan_acc_t<T> acc[kScanColumns];
  std::fill_n(acc, width, Op::template identity<scan_acc_t<T>>());
  for (int64_t i = 0; i < n; ++i)
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      acc[j] = Op::apply(acc[j], widen<T>(x[i * inner + j]));
      y[i * inner + j] = narrow<T>(acc[j]);
    }
}

// Calls columns(offset, width) over blocks of neighbouring slices, or rows(offset).
template <class R, class K> void each_scan(const Split& s, R&& rows, K&& columns) {
  const int64_t step = s.inner == 1 ? 1 : kScanColumns;
  const int64_t blocks = (s.inner + step - 1) / step;
  parallel_for(s.outer * blocks, row_grain(s.n * std::min(step, s.inner), 8192),
               [&](int64_t b0, int64_t b1) {
                 for (int64_t b = b0; b < b1; ++b) {
                   const int64_t j = b % blocks * step;
                   const int64_t at = b / blocks * s.n * s.inner + j;
                   if (s.inner == 1) rows(at);
                   else columns(at, std::min(step, s.inner - j));
                 }
               });
}

template <class T, class Op> void run_scan(const Array& x, const Array& y, const Split& s) {
  const T* xp = x.data<T>();
  T* yp = y.data<T>();
  NoGil nogil(x.numel(), 20000);
  each_scan(
      s, [&](int64_t k) { scan_row<T, Op>(xp + k, yp + k, s.n); },
      [&](int64_t k, int64_t width) {
        scan_columns<T, Op>(xp + k, yp + k, s.n, s.inner, width);
      });
}

template <class Op> void sum_like_scan(Call& call) {  // input, dim, dtype
  const Array& input = call.tensor(0);
  const std::optional<DType> wanted = call.dtype(2);
  const DType t = wanted ? *wanted : is_integral(input.dtype()) ? DType::I64 : input.dtype();
  const Array x = input.to(t == DType::Bool ? DType::I64 : t).contiguous_copy();
  const Split s = split_at(x, call.dim(1, x.ndim()));
  Array y = Array::empty(x.dtype(), x.shape());
  if (x.numel())
    visit_all(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!std::is_same_v<T, bool>) run_scan<T, Op>(x, y, s);
    });
  call.result(t == DType::Bool ? y.to(t) : std::move(y));
}

// The running extreme and where it was last met; a NaN, once met, stays.
template <class T, int Sign> void extreme_slice(const T* x, T* y, int64_t* index, int64_t n,
                                                int64_t step) {
  using C = compute_t<T>;
  C best = static_cast<C>(x[0]);
  int64_t at = 0;
  for (int64_t i = 0; i < n; ++i) {
    const C v = static_cast<C>(x[i * step]);
    if (v != v || (best == best && (Sign > 0 ? v >= best : v <= best))) best = v, at = i;
    y[i * step] = static_cast<T>(best);
    index[i * step] = at;
  }
}

template <int Sign> void extreme_scan(Call& call) {  // input, dim
  const Array x = call.tensor(0).contiguous_copy();
  const Split s = split_at(x, call.dim(1, x.ndim()));
  if (is_complex(x.dtype()) && x.ndim() && x.numel())
    fail(ErrorType::NotImplemented, "\"%s_cpu\" not implemented for '%s'",
         Sign > 0 ? "cummax" : "cummin", dtype_scalar_name(x.dtype()));
  if (x.ndim() == 0) {
    call.result(x.clone());
    call.result(Array::scalar(0, DType::I64));
    return;
  }
  Array y = Array::empty(x.dtype(), x.shape());
  Array index = Array::empty(DType::I64, x.shape());
  if (x.numel())
    visit_all(x.dtype(), [&](auto tag) {
      using Tag = decltype(tag);
      if constexpr (!is_complex(dtype_of<Tag>::value)) {
        using T = std::conditional_t<std::is_same_v<Tag, bool>, uint8_t, Tag>;
        const T* xp = x.data<T>();
        T* yp = y.data<T>();
        int64_t* ip = index.data<int64_t>();
        NoGil nogil(x.numel(), 20000);
        const auto columns = [&](int64_t k, int64_t width) {
          for (int64_t j = k; j < k + width; ++j)
            extreme_slice<T, Sign>(xp + j, yp + j, ip + j, s.n, s.inner);
        };
        each_scan(s, [&](int64_t k) { columns(k, 1); }, columns);
      }
    });
  call.result(std::move(y));
  call.result(std::move(index));
}

}  // namespace

RL_KERNEL(cumsum) { sum_like_scan<Plus>(call); }
RL_KERNEL(cumprod) { sum_like_scan<Times>(call); }
RL_KERNEL(cummax) { extreme_scan<1>(call); }
RL_KERNEL(cummin) { extreme_scan<-1>(call); }

RL_KERNEL(logcumsumexp) {  // input, dim
  const Array x = call.tensor(0).contiguous_copy();
  const Split s = split_at(x, call.dim(1, x.ndim()));
  if (is_integral(x.dtype()))
    fail(ErrorType::NotImplemented, "\"logcumsumexp_out_cpu\" not implemented for '%s'",
         dtype_scalar_name(x.dtype()));
  Array y = Array::empty(x.dtype(), x.shape());
  if (x.numel())
    visit_all(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (!is_integral(dtype_of<T>::value)) run_scan<T, LogAddExp>(x, y, s);
    });
  call.result(std::move(y));
}

}  // namespace rl
