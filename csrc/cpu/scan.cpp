// Scans along one dim, x seen as (outer, n, inner): cumsum, cumprod, cummax, cummin and
// logcumsumexp.
//
//   y[i] = y[i - 1] op x[i]        x read once, y written once
//
// Floats accumulate in float64. A contiguous cumsum adds inside vectors in up to three shifted
// steps, so that the chain from vector to vector is one addition; so does cumprod where nothing can
// overflow in between. A running extreme skips blocks that have no newer one. inner > 1: blocks of
// columns.
#include <utility>

#include "row.h"

namespace rl {
namespace {

constexpr int64_t kScanColumns = 256;  // that one thread scans together, at most

// How many columns a block has. Threads that march down neighbouring blocks at one pace share the
// cache lines between them where a row does not begin with one, which made some calls seven times
// slower. So each thread gets two blocks, of whole lines, or there is one thread.
inline int64_t scan_columns_of(const Split& s, double ns) {
  const int64_t threads = std::min<int64_t>(num_threads(), s.outer * s.n * s.inner / grain_of(ns));
  constexpr int64_t kLine = 16;
  const int64_t each = s.outer * s.inner / std::max<int64_t>(2 * threads, 1);
  if (threads < 2 || (s.outer == 1 && each < kLine)) return std::max(s.inner, kScanColumns);
  return std::min((std::max<int64_t>(each, 1) + kLine - 1) / kLine * kLine, kScanColumns);
}

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

// f(a, b), where integers wrap around.
template <class A, class F>
A wrapping(A a, A b, F f) {
  if constexpr (std::is_same_v<A, int64_t>)
    return static_cast<A>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  else
    return f(a, b);
}

struct Plus {
  static constexpr double kRowNs = 0.4, kColumnNs = 0.2;  // an element takes
  template <class A>
  static A identity() {
    return A(0);
  }
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct Times {
  static constexpr double kRowNs = 0.6, kColumnNs = 0.2;
  template <class A>
  static A identity() {
    return A(1);
  }
  template <class A>
  static A apply(A a, A b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
struct LogAddExp {
  static constexpr double kRowNs = 4, kColumnNs = 3;
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

// The lanes moved up by K, `first` in front; and lane K everywhere.
template <int K, class V, int... I>
V shift_lanes(const V& v, const V& first, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, first, (I < K ? kDoubles : I - K)...);
}
template <int K, class V, int... I>
V repeat_lane(const V& v, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(v, v, (I * 0 + K)...);
}

// Eight floats multiply without overflow in float64.
template <class T, class Op>
constexpr bool kScansVectors =
    std::is_same_v<Op, Plus>
        ? std::is_floating_point_v<T> || std::is_same_v<T, int64_t>
        : std::is_same_v<Op, Times> &&
              (std::is_same_v<T, float> || (std::is_same_v<T, int64_t> && kVecBytes == 64));

template <class T, class Op>
int64_t scan_vectors(const T* x, T* y, int64_t n, scan_acc_t<T>& acc) {
  constexpr bool integer = std::is_same_v<T, int64_t>;  // unsigned, it wraps around
  using Lane = std::conditional_t<integer, uint64_t, scan_acc_t<T>>;
  using Wide = typename VecN<Lane, kDoubles>::type;
  using Thin = typename VecN<std::conditional_t<integer, uint64_t, T>, kDoubles>::type;
  constexpr std::make_integer_sequence<int, kDoubles> lanes{};
  const Wide first = Wide{} + Op::template identity<Lane>();
  const auto take = [](Wide& a, const Wide& b) {
    if constexpr (std::is_same_v<Op, Plus>)
      a += b;
    else
      a *= b;
  };
  Wide carry = Wide{} + static_cast<Lane>(acc);
  int64_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) {
    Thin thin;
    __builtin_memcpy(&thin, x + i, sizeof thin);
    Wide v = __builtin_convertvector(thin, Wide);
    take(v, shift_lanes<1>(v, first, lanes));
    if constexpr (kDoubles > 2) take(v, shift_lanes<2>(v, first, lanes));
    if constexpr (kDoubles > 4) take(v, shift_lanes<4>(v, first, lanes));
    const Wide total = repeat_lane<kDoubles - 1>(v, lanes);
    take(v, carry);
    take(carry, total);
    thin = __builtin_convertvector(v, Thin);
    __builtin_memcpy(y + i, &thin, sizeof thin);
  }
  acc = static_cast<scan_acc_t<T>>(carry[0]);
  return i;
}

// log(exp(acc) + exp(x[0]) + ...) of n <= kLogRun floats, counted from the largest. False where
// some are not finite, or so far below it that they would vanish.
constexpr int64_t kLogRun = 256;
inline bool log_run(const float* x, float* y, int64_t n, double& acc) {
  constexpr double kFar = 600;
  float least = x[0], most = x[0];
  uint32_t odd = 0;
#pragma omp simd reduction(min : least) reduction(max : most) reduction(| : odd)
  for (int64_t i = 0; i < n; ++i) {
    least = std::min(least, x[i]), most = std::max(most, x[i]);
    odd |= static_cast<uint32_t>(!(std::abs(x[i]) <= std::numeric_limits<float>::max()));
  }
  const double top = std::max<double>(most, acc);
  if (odd || !(acc <= std::numeric_limits<double>::max()) || top - least > kFar) return false;
  alignas(64) double sums[kLogRun];
  double sum = std::exp(acc - top);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) sums[i] = vexp(x[i] - top);
  int64_t i = scan_vectors<double, Plus>(sums, sums, n, sum);
  for (; i < n; ++i) sums[i] = sum += sums[i];
#pragma omp simd
  for (int64_t k = 0; k < n; ++k) y[k] = static_cast<float>(top + vlog(sums[k]));
  acc = top + std::log(sum);
  return true;
}

template <class T, class Op>
void scan_run(const T* x, T* y, int64_t n, scan_acc_t<T>& acc) {
  int64_t i = 0;
  if constexpr (std::is_same_v<T, float> && std::is_same_v<Op, LogAddExp>)
    while (i < n && log_run(x + i, y + i, std::min(kLogRun, n - i), acc))
      i += std::min(kLogRun, n - i);
  if constexpr (kScansVectors<T, Op>) i = scan_vectors<T, Op>(x, y, n, acc);
  for (; i < n; ++i) {
    acc = Op::apply(acc, widen<T>(x[i]));
    y[i] = narrow<T>(acc);
  }
}

constexpr int64_t kRun = 512;  // of half types, that are widened at a time

template <class T, class Op>
void scan_row(const T* x, T* y, int64_t n) {
  scan_acc_t<T> acc = Op::template identity<scan_acc_t<T>>();
  if constexpr (is_half(dtype_of<T>::value)) {
    float run[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t m = std::min(kRun, n - i);
      widen_run(x + i, m, run);
      scan_run<float, Op>(run, run, m, acc);
      narrow_run(y + i, m, run);
    }
  } else {
    scan_run<T, Op>(x, y, n, acc);
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

// Calls columns(offset, width) over blocks of neighbouring slices, or rows(offset); an element
// takes `row_ns` or `column_ns`.
template <class R, class K>
void each_scan(const Split& s, double row_ns, double column_ns, R&& rows, K&& columns) {
  const int64_t step = s.inner == 1 ? 1 : scan_columns_of(s, column_ns);
  const int64_t blocks = (s.inner + step - 1) / step;
  const double ns = s.inner == 1 ? row_ns : column_ns;
  parallel_for(s.outer * blocks, row_grain(s.n * std::min(step, s.inner), ns),
               [&](int64_t b0, int64_t b1) {
                 for (int64_t b = b0; b < b1; ++b) {
                   const int64_t begin = b % blocks * step, end = std::min(begin + step, s.inner);
                   const int64_t at = b / blocks * s.n * s.inner;
                   if (s.inner == 1) rows(at);
                   for (int64_t j = begin; s.inner > 1 && j < end; j += kScanColumns)
                     columns(at + j, std::min(kScanColumns, end - j));
                 }
               });
}

template <class T, class Op>
void run_scan(const Array& x, const Array& y, const Split& s) {
  const T* xp = x.data<T>();
  T* yp = y.data<T>();
  NoGil nogil(x.numel(), 20000);
  each_scan(
      s, Op::kRowNs, Op::kColumnNs, [&](int64_t k) { scan_row<T, Op>(xp + k, yp + k, s.n); },
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
template <class C>
struct Running {
  C best;
  int64_t at;
};

// Elements i0 ... of a row. Most blocks of a long one have no newer extreme.
template <class C, int Sign>
void extreme_run(const C* x, C* y, int64_t* index, int64_t i0, int64_t n, Running<C>& state) {
  constexpr int64_t kSkip = 16;
  auto [best, at] = state;
  for (int64_t i = 0; i < n;) {
    if (i + kSkip <= n) {
      uint32_t newer = 0;
#pragma omp simd reduction(| : newer)
      for (int l = 0; l < kSkip; ++l)
        newer |= static_cast<uint32_t>(!(Sign > 0 ? x[i + l] < best : x[i + l] > best));
      if (!newer) {
        std::fill_n(y + i, kSkip, best);
        std::fill_n(index + i, kSkip, at);
        i += kSkip;
        continue;
      }
    }
    for (const int64_t end = std::min(i + kSkip, n); i < end; ++i) {
      const C v = x[i];
      if constexpr (std::is_integral_v<C>) {  // equal values are frequent: no branch to guess
        const int64_t newer = -static_cast<int64_t>(Sign > 0 ? v >= best : v <= best);
        best = Sign > 0 ? std::max(v, best) : std::min(v, best);
        at += (i0 + i - at) & newer;
      } else if (v != v || (best == best && (Sign > 0 ? v >= best : v <= best))) {
        best = v, at = i0 + i;
      }
      y[i] = best;
      index[i] = at;
    }
  }
  state = {best, at};
}

template <class T, int Sign>
void extreme_row(const T* x, T* y, int64_t* index, int64_t n) {
  using C = compute_t<T>;
  Running<C> state{static_cast<C>(x[0]), 0};
  if constexpr (std::is_same_v<T, C>) {
    extreme_run<C, Sign>(x, y, index, 0, n, state);
  } else {
    C run[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t m = std::min(kRun, n - i);
      widen_run(x + i, m, run);
      extreme_run<C, Sign>(run, run, index + i, i, m, state);
      narrow_run(y + i, m, run);
    }
  }
}

// The same for `width` neighbouring slices, row by row.
template <class T, int Sign>
void extreme_columns(const T* x, T* y, int64_t* index, int64_t n, int64_t inner, int64_t width) {
  using C = compute_t<T>;
  C best[kScanColumns], given[kScanColumns];
  int64_t at[kScanColumns] = {};
  for (int64_t j = 0; j < width; ++j) best[j] = static_cast<C>(x[j]);
  for (int64_t i = 0; i < n; ++i) {
    const C* row = load_row(x + i * inner, width, given);
    C* to = row_target(y + i * inner, given);
    int64_t* place = index + i * inner;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const C v = row[j], b = best[j];
      const bool newer = (v != v) | ((b == b) & (Sign > 0 ? v >= b : v <= b));
      best[j] = newer ? v : b;
      at[j] = newer ? i : at[j];
      to[j] = best[j];
      place[j] = at[j];
    }
    store_row(y + i * inner, width, to);
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
        each_scan(
            s, 0.6, 0.3, [&](int64_t k) { extreme_row<T, Sign>(xp + k, yp + k, ip + k, s.n); },
            [&](int64_t k, int64_t width) {
              extreme_columns<T, Sign>(xp + k, yp + k, ip + k, s.n, s.inner, width);
            });
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
