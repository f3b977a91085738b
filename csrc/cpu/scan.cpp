// Scans along one dim, x seen as (outer, n, inner): cumsum, cumprod, cummax, cummin and
// logcumsumexp.
//
//   y[i] = y[i - 1] op x[i]        x read once, y written once
//
// Floats accumulate in float64. A contiguous cumsum adds inside vectors in up to three shifted
// steps, so that the chain from vector to vector is one addition. inner > 1: blocks of columns.
#include <utility>

#include "row.h"

namespace rl {
namespace {

// Columns that one thread scans together. Threads march down neighbouring blocks at one pace and
// share the cache lines between them where a row does not begin with one: with 256 and more columns
// that made some calls seven times slower.
constexpr int64_t kScanColumns = 64;

template <class T>
struct scan_acc {
  using type = int64_t;
};
template <>
struct scan_acc<Half> {
  using type = double;
};
template <>
struct scan_acc<BFloat16> {
  using type = double;
};
template <>
struct scan_acc<float> {
  using type = double;
};
template <>
struct scan_acc<double> {
  using type = double;
};
template <>
struct scan_acc<c64> {
  using type = c128;
};
template <>
struct scan_acc<c128> {
  using type = c128;
};
template <class T>
using scan_acc_t = typename scan_acc<T>::type;

template <class T>
scan_acc_t<T> widen(T x) {
  return static_cast<scan_acc_t<T>>(static_cast<compute_t<T>>(x));
}
template <class T>
T narrow(scan_acc_t<T> x) {
  if constexpr (is_half(dtype_of<T>::value))
    return T(static_cast<float>(x));
  else
    return static_cast<T>(x);
}

struct Plus {
  template <class A>
  static A identity() {
    return A(0);
  }
  template <class A>
  static A apply(A a, A b) {
    return a + b;
  }
};
struct Times {
  template <class A>
  static A identity() {
    return A(1);
  }
  template <class A>
  static A apply(A a, A b) {
    return a * b;
  }
};
struct LogAddExp {
  template <class A>
  static A identity() {
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

constexpr int kDoubles = kLanes<double>;
typedef VecN<double, kDoubles>::type Doubles;
typedef VecN<float, kDoubles>::type Floats;

// The lanes moved up by K, zeros in front; and lane K everywhere.
template <int K, int... I>
Doubles shift_lanes(const Doubles& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, Doubles{}, (I < K ? kDoubles : I - K)...);
}
template <int K, int... I>
Doubles repeat_lane(const Doubles& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I * 0 + K)...);
}

template <class T>
int64_t cumsum_vectors(const T* x, T* y, int64_t n, double& sum) {
  constexpr std::make_integer_sequence<int, kDoubles> lanes{};
  Doubles carry = Doubles{} + sum;
  int64_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) {
    Doubles v;
    if constexpr (std::is_same_v<T, float>) {
      Floats f;
      __builtin_memcpy(&f, x + i, sizeof f);
      v = __builtin_convertvector(f, Doubles);
    } else {
      __builtin_memcpy(&v, x + i, sizeof v);
    }
    v += shift_lanes<1>(v, lanes);
    if constexpr (kDoubles > 2) v += shift_lanes<2>(v, lanes);
    if constexpr (kDoubles > 4) v += shift_lanes<4>(v, lanes);
    const Doubles total = repeat_lane<kDoubles - 1>(v, lanes);
    v += carry;
    carry += total;
    if constexpr (std::is_same_v<T, float>) {
      const Floats f = __builtin_convertvector(v, Floats);
      __builtin_memcpy(y + i, &f, sizeof f);
    } else {
      __builtin_memcpy(y + i, &v, sizeof v);
    }
  }
  sum = carry[0];
  return i;
}

template <class T, class Op>
void scan_row(const T* x, T* y, int64_t n) {
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
template <class R, class K>
void each_scan(const Split& s, R&& rows, K&& columns) {
  const int64_t step = s.inner == 1 ? 1 : kScanColumns;
  const int64_t blocks = (s.inner + step - 1) / step;
  parallel_for(s.outer * blocks, row_grain(s.n * std::min(step, s.inner), 0.5),
               [&](int64_t b0, int64_t b1) {
                 for (int64_t b = b0; b < b1; ++b) {
                   const int64_t j = b % blocks * step;
                   const int64_t at = b / blocks * s.n * s.inner + j;
                   if (s.inner == 1)
                     rows(at);
                   else
                     columns(at, std::min(step, s.inner - j));
                 }
               });
}

template <class T, class Op>
void run_scan(const Array& x, const Array& y, const Split& s) {
  const T* xp = x.data<T>();
  T* yp = y.data<T>();
  NoGil nogil(x.numel(), 20000);
  each_scan(
      s, [&](int64_t k) { scan_row<T, Op>(xp + k, yp + k, s.n); },
      [&](int64_t k, int64_t width) { scan_columns<T, Op>(xp + k, yp + k, s.n, s.inner, width); });
}

template <class Op>
void sum_like_scan(Call& call) {  // input, dim, dtype
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
template <class T, int Sign>
void extreme_slice(const T* x, T* y, int64_t* index, int64_t n, int64_t step) {
  using C = compute_t<T>;
  C best = static_cast<C>(x[0]);
  int64_t at = 0;
  if constexpr (std::is_integral_v<T>) {  // equal values are frequent: no branch to guess
    for (int64_t i = 0; i < n; ++i) {
      const T v = x[i * step];
      const int64_t newer = -static_cast<int64_t>(Sign > 0 ? v >= best : v <= best);
      best = Sign > 0 ? std::max(v, best) : std::min(v, best);
      at += (i - at) & newer;
      y[i * step] = best;
      index[i * step] = at;
    }
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    const C v = static_cast<C>(x[i * step]);
    if (v != v || (best == best && (Sign > 0 ? v >= best : v <= best))) best = v, at = i;
    y[i * step] = static_cast<T>(best);
    index[i * step] = at;
  }
}

// The same for `width` neighbouring slices, row by row.
template <class T, int Sign>
void extreme_columns(const T* x, T* y, int64_t* index, int64_t n, int64_t inner, int64_t width) {
  using C = compute_t<T>;
  C best[kScanColumns];
  int64_t at[kScanColumns] = {};
  for (int64_t j = 0; j < width; ++j) best[j] = static_cast<C>(x[j]);
  for (int64_t i = 0; i < n; ++i) {
    const T* row = x + i * inner;
    T* to = y + i * inner;
    int64_t* place = index + i * inner;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const C v = static_cast<C>(row[j]), b = best[j];
      const bool newer = (v != v) | ((b == b) & (Sign > 0 ? v >= b : v <= b));
      best[j] = newer ? v : b;
      at[j] = newer ? i : at[j];
      to[j] = static_cast<T>(best[j]);
      place[j] = at[j];
    }
  }
}

template <int Sign>
void extreme_scan(Call& call) {  // input, dim
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
          if (width > 1)
            extreme_columns<T, Sign>(xp + k, yp + k, ip + k, s.n, s.inner, width);
          else
            extreme_slice<T, Sign>(xp + k, yp + k, ip + k, s.n, s.inner);
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
