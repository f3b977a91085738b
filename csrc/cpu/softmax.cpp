// softmax and log_softmax along one dim, x seen as (outer, n, inner).
//
//   softmax      y = exp(x - m) / s          m = max x, s = sum exp(x - m)
//   log_softmax  y = x - m - log s
//   backward     dx = y (g - sum(g y))       and   dx = g - exp(y) sum(g)
//
// inner == 1: a row is read from memory once, its other passes run in the cache; short rows go in
// groups, so that their sums, logarithms and quotients are vectors. Otherwise blocks of up to 64
// neighbouring columns go together, vectorised over the columns.
#include "short_rows.h"

namespace rl {
namespace {

constexpr int64_t kColumns = 64, kGroup = 32;  // columns of a block, rows of a group

// Rows that go together: as many as half the cache nearest to the core holds.
int64_t group_of(int64_t n) {
  return std::clamp<int64_t>(4096 / std::max<int64_t>(n, 1), 1, kGroup);
}

// `rows` <= kGroup rows of n elements.
template <class T, bool Log>
void softmax_rows(const T* x_, T* y_, int64_t rows, int64_t n, compute_t<T>* buf) {
  using C = compute_t<T>;
  const C* x = load_row(x_, rows * n, buf);
  C* y = row_target(y_, buf);
  C top[kGroup];
  double sum[kGroup];
  exp_sums<C>(x, rows, n, top, Log ? nullptr : y, sum);
#pragma omp simd
  for (int64_t r = 0; r < rows; ++r) sum[r] = Log ? log(sum[r]) : 1 / sum[r];
  for (int64_t r = 0; r < rows; ++r) {
    const C c = static_cast<C>(sum[r]), shift = top[r];
    each_vector<C>(n, [&](int64_t i, int64_t left) {
      const auto v = load_some<C>((Log ? x : y) + r * n + i, left, C(0));
      store_some<C>(y + r * n + i, left, Log ? v - shift - c : v * c);
    });
  }
  store_row(y_, rows * n, y);
}

// x, y: n rows of `width` <= kColumns columns, `inner` elements apart. Half types of a block that
// the cache holds are widened once.
template <class T, bool Log>
void softmax_columns(const T* x, T* y, int64_t n, int64_t inner, int64_t width,
                     compute_t<T>* buf = nullptr) {
  using C = compute_t<T>;
  constexpr bool kHalf = !std::is_same_v<T, C>;
  if constexpr (kHalf) {
    if (buf) {
      for (int64_t i = 0; i < n; ++i) load_row(x + i * inner, width, buf + i * kColumns);
      softmax_columns<C, Log>(buf, buf, n, kColumns, width);
      for (int64_t i = 0; i < n; ++i) store_row(y + i * inner, width, buf + i * kColumns);
      return;
    }
  }
  C top[kColumns], sum[kColumns], wide[kColumns];
  const C* first = load_row(x, width, wide);
  for (int64_t j = 0; j < width; ++j) top[j] = first[j], sum[j] = 0;
  for (int64_t i = 1; i < n; ++i) {
    const C* row = load_row(x + i * inner, width, wide);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) top[j] = extreme<C, 1>(top[j], row[j]);
  }
  for (int64_t i = 0; i < n; ++i) {
    const C* row = load_row(x + i * inner, width, wide);
    C* terms = Log ? wide : row_target(y + i * inner, wide);  // softmax keeps them, if it can
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      terms[j] = exp_nonpositive(row[j] - top[j]);
      sum[j] += terms[j];
    }
  }
#pragma omp simd
  for (int64_t j = 0; j < width; ++j) sum[j] = Log ? vlog(sum[j]) : 1 / sum[j];
  for (int64_t i = 0; i < n; ++i) {
    const C* row = load_row((Log || kHalf ? x : y) + i * inner, width, wide);
    C* out = row_target(y + i * inner, wide);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j)
      out[j] = Log     ? row[j] - top[j] - sum[j]
               : kHalf ? exp_nonpositive(row[j] - top[j]) * sum[j]
                       : row[j] * sum[j];
    store_row(y + i * inner, width, out);
  }
}

// `rows` <= kGroup rows of n elements.
template <class T, bool Log>
void backward_rows(const T* g_, const T* y_, T* dx_, int64_t rows, int64_t n, compute_t<T>* buf) {
  using C = compute_t<T>;
  const C* g = load_row(g_, rows * n, buf);
  const C* y = load_row(y_, rows * n, buf + rows * n);
  C* dx = row_target(dx_, buf);
  C sum[kGroup];
  if (n <= kShortRow<C>)
    fold_each<C>(
        rows, n,
        [&](int64_t r, int64_t i) {
          const auto v = load_some<C>(g + r * n + i, n - i, C(0));
          return Log ? v : v * load_some<C>(y + r * n + i, n - i, C(0));
        },
        add_lanes<C>, sum);
  else
    for (int64_t r = 0; r < rows; ++r)
      sum[r] = static_cast<C>(Log ? sum_row<C>(g + r * n, n) : dot_row<C>(g + r * n, y + r * n, n));
  for (int64_t r = 0; r < rows; ++r)
    each_vector<C>(n, [&](int64_t i, int64_t left) {
      auto v = load_some<C>(y + r * n + i, left, C(0));
      const auto u = load_some<C>(g + r * n + i, left, C(0));
      if constexpr (Log) exp_lanes(v, C(0));
      store_some<C>(dx + r * n + i, left, Log ? u - v * sum[r] : v * (u - sum[r]));
    });
  store_row(dx_, rows * n, dx);
}

template <class T, bool Log>
void backward_columns(const T* g_, const T* y_, T* dx_, int64_t n, int64_t inner, int64_t width) {
  using C = compute_t<T>;
  C sum[kColumns] = {}, wide_g[kColumns], wide_y[kColumns];
  for (int64_t i = 0; i < n * inner; i += inner) {
    const C* g = load_row(g_ + i, width, wide_g);
    const C* y = Log ? g : load_row(y_ + i, width, wide_y);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) sum[j] += Log ? g[j] : g[j] * y[j];
  }
  for (int64_t i = 0; i < n * inner; i += inner) {
    const C *g = load_row(g_ + i, width, wide_g), *y = load_row(y_ + i, width, wide_y);
    C* dx = row_target(dx_ + i, wide_g);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j)
      dx[j] = Log ? g[j] - exp_nonpositive(y[j]) * sum[j] : y[j] * (g[j] - sum[j]);
    store_row(dx_ + i, width, dx);
  }
}

// Runs rows(first, count) for inner == 1, else columns(first, width), in threads; `ns` an element.
template <class R, class K>
void each_slice(const Split& s, double ns, R&& rows, K&& columns) {
  if (s.inner == 1) {
    parallel_for(s.outer, row_grain(s.n, ns), [&](int64_t r0, int64_t r1) {
      const int64_t group = group_of(s.n);
      for (int64_t r = r0; r < r1; r += group) rows(r, std::min(group, r1 - r));
    });
    return;
  }
  const int64_t blocks = (s.inner + kColumns - 1) / kColumns;
  const int64_t width = std::min(s.inner, kColumns);
  parallel_for(s.outer * blocks, row_grain(s.n * width, ns), [&](int64_t b0, int64_t b1) {
    for (int64_t b = b0; b < b1; ++b) {
      const int64_t j = b % blocks * kColumns;
      columns(b / blocks * s.n * s.inner + j, std::min(kColumns, s.inner - j));
    }
  });
}

template <bool Log>
void forward_kernel(Call& call) {  // input, dim, dtype
  const std::optional<DType> t = call.dtype(2);
  const Array& input = call.tensor(0);
  const Array x = (t ? input.to(*t) : input).contiguous_copy();
  const Split s = split_at(x, call.dim(1, x.ndim()));
  Array y = Array::empty(x.dtype(), x.shape());
  if (x.numel() == 0) {
    call.result(std::move(y));
    return;
  }
  visit_real(Log ? "log_softmax_lastdim_kernel_impl" : "softmax_lastdim_kernel_impl", x.dtype(),
             [&](auto tag) {
               using T = decltype(tag);
               const T* xp = x.data<T>();
               T* yp = y.data<T>();
               const bool columns = s.inner > 1 && s.n <= 4096;
               const ThreadBuffer<T> buffer(s.n * (columns ? kColumns : group_of(s.n)));
               NoGil nogil(x.numel(), 20000);
               each_slice(
                   s, 0.4,
                   [&](int64_t r, int64_t count) {
                     softmax_rows<T, Log>(xp + r * s.n, yp + r * s.n, count, s.n, buffer.mine());
                   },
                   [&](int64_t k, int64_t width) {
                     softmax_columns<T, Log>(xp + k, yp + k, s.n, s.inner, width,
                                             columns ? buffer.mine() : nullptr);
                   });
             });
  call.result(std::move(y));
}

template <bool Log>
void backward_kernel(Call& call) {  // g, out, dim
  const Array y = call.tensor(1).contiguous_copy();
  const Array g = call.tensor(0).to(y.dtype()).contiguous_copy();
  if (!g.same_shape(y))
    fail(ErrorType::Runtime, "%s: g has shape %s, expected that of out, %s", call.name(),
         shape_text(g.shape()).c_str(), shape_text(y.shape()).c_str());
  const Split s = split_at(y, call.dim(2, y.ndim()));
  Array dx = Array::empty(y.dtype(), y.shape());
  visit_real(call.name(), y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (y.numel() == 0) return;
    const T *gp = g.data<T>(), *yp = y.data<T>();
    T* dp = dx.data<T>();
    const ThreadBuffer<T> buffer(2 * s.n * group_of(s.n));
    NoGil nogil(y.numel(), 20000);
    each_slice(
        s, 0.3,
        [&](int64_t r, int64_t count) {
          const int64_t at = r * s.n;
          backward_rows<T, Log>(gp + at, yp + at, dp + at, count, s.n, buffer.mine());
        },
        [&](int64_t k, int64_t width) {
          backward_columns<T, Log>(gp + k, yp + k, dp + k, s.n, s.inner, width);
        });
  });
  call.result(std::move(dx));
}

}  // namespace

RL_KERNEL(softmax) { forward_kernel<false>(call); }
RL_KERNEL(log_softmax) { forward_kernel<true>(call); }
RL_KERNEL(softmax_backward) { backward_kernel<false>(call); }
RL_KERNEL(log_softmax_backward) { backward_kernel<true>(call); }

// logsumexp over any dims: the reduced dims are moved to the end, so that rows are contiguous.
RL_KERNEL(logsumexp) {  // input, dim, keepdim
  const Array& input = call.tensor(0);
  const uint64_t mask = reduce_mask(call, 1, input.ndim());
  int64_t order[kMaxDims];
  int kept = 0, at = 0;
  int64_t n = 1;
  for (int d = 0; d < input.ndim(); ++d)
    if (!(mask >> d & 1)) order[kept++] = d;
  at = kept;
  for (int d = 0; d < input.ndim(); ++d)
    if (mask >> d & 1) order[at++] = d, n *= input.size(d);
  const Array x = input.permute(Shape(order, input.ndim())).contiguous_copy();
  Array y = reduced_result(input, mask, call.boolean(2), x.dtype());
  visit_real("logsumexp", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const ThreadBuffer<T> buffer(n);
    const T* xp = x.data<T>();
    T* yp = y.data<T>();
    NoGil nogil(x.numel(), 20000);
    parallel_for(y.numel(), row_grain(n, 0.3), [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const C* row = load_row(xp + r * n, n, buffer.mine());
        const C top = n ? row_top<C>(row, n) : -std::numeric_limits<C>::infinity();
        // An infinite maximum is the answer; inf - inf would be NaN.
        yp[r] =
            T(std::isinf(top) ? top
                              : static_cast<C>(std::log(exp_sum<C>(row, n, top, nullptr)) + top));
      }
    });
  });
  call.result(std::move(y));
}

}  // namespace rl
