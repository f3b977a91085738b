// group_norm: x (N, C, *) with the channels in G groups; a row is one group of one sample, its
// D = C / G * S elements contiguous.
//
//   xh = (x - mean) / sqrt(var + eps)           y = xh w[c] + b[c]
//   s[c] = sum g,  t[c] = sum g (x - mean)      per channel of the row
//   c1 = sum_c w[c] s[c] / D,  c2 = sum_c w[c] t[c] r^2 / D,  r = 1 / sqrt(var + eps)
//   dx = r (g w[c] - c1 - (x - mean) c2)        dw[c] = sum_rows t[c] r     db[c] = sum_rows s[c]
//
// Rows are read once from memory while they fit the cache. The statistics of a row are kept for the
// gradient, which saves it a pass.
#include "core/layout.h"
#include "moments.h"
#include "row.h"

namespace rl {
namespace {

struct Groups {
  int64_t n, channels, groups, spatial;
  int64_t per_group() const { return channels / groups; }
  int64_t cols() const { return per_group() * spatial; }
};

Groups check_groups(const Array& x, int64_t groups, const Array* weight, const Array* bias) {
  if (x.ndim() < 2)
    fail(ErrorType::Runtime, "Expected at least 2 dimensions for input tensor but received %d",
         x.ndim());
  const int64_t channels = x.size(1);
  if (groups < 1)
    fail(ErrorType::Runtime, "Expected num groups to be greater than 0, got %lld",
         static_cast<long long>(groups));
  if (channels % groups)
    fail(ErrorType::Runtime,
         "Expected number of channels in input to be divisible by num_groups, but got input of "
         "shape %s and num_groups=%lld",
         shape_text(x.shape()).c_str(), static_cast<long long>(groups));
  for (const auto& [p, name] : {std::pair{weight, "weight"}, std::pair{bias, "bias"}})
    if (p && (p->ndim() != 1 || p->numel() != channels))
      fail(ErrorType::Runtime,
           "Expected %s to be a vector of size equal to the number of channels in input, but got "
           "%s of shape %s and input of shape %s",
           name, name, shape_text(p->shape()).c_str(), shape_text(x.shape()).c_str());
  int64_t spatial = 1;
  for (int d = 2; d < x.ndim(); ++d) spatial *= x.size(d);
  return {x.size(0), channels, groups, spatial};
}

template <class C>
Array per_channel(const Array* p, int64_t channels, double absent) {
  if (p) return p->to(dtype_of<C>::value).contiguous_copy();
  Array a = Array::empty(dtype_of<C>::value, {channels});
  std::fill_n(a.data<C>(), channels, static_cast<C>(absent));
  return a;
}

template <class C>
void group_stats(const C* x, int64_t n, double eps, C& mean, C& scale) {
  C var;
  row_moments<C>(x, n, mean, var);
  scale = C(1) / std::sqrt(var + static_cast<C>(eps));
}

// out = (row - mean) * scale * w + b, with w and b of the row's channels.
template <class C>
void normalise_row(const Groups& k, const C* row, C mean, C scale, const C* w, const C* b, C* out) {
  if (k.spatial == 1) {
#pragma omp simd
    for (int64_t c = 0; c < k.per_group(); ++c) out[c] = (row[c] - mean) * (w[c] * scale) + b[c];
    return;
  }
  for (int64_t c = 0; c < k.per_group(); ++c) {
    const C wc = w[c] * scale, bc = b[c];
#pragma omp simd
    for (int64_t j = c * k.spatial; j < (c + 1) * k.spatial; ++j)
      out[j] = (row[j] - mean) * wc + bc;
  }
}

// s and t of one channel.
template <class C>
void channel_sums(const C* g, const C* x, int64_t n, C mean, double& s, double& t) {
  s = t = 0;
  for (int64_t i = 0; i < n; i += kPiece) {
    C a = 0, b = 0;
    const int64_t end = std::min(n, i + kPiece);
#pragma omp simd reduction(+ : a, b)
    for (int64_t j = i; j < end; ++j) a += g[j], b += g[j] * (x[j] - mean);
    s += a, t += b;
  }
}

// g, x: one row. s, t: per channel of its group, in float64.
template <class C>
void backward_row(const Groups& k, const C* g, const C* x, const C* w, C mean, C scale, C* dx,
                  double* s, double* t) {
  const double cols = static_cast<double>(k.cols());
  double c1 = 0, c2 = 0;
  for (int64_t c = 0; c < k.per_group(); ++c) {
    const int64_t at = c * k.spatial;
    if (k.spatial == 1)
      s[c] = g[c], t[c] = g[c] * (x[c] - mean);
    else
      channel_sums<C>(g + at, x + at, k.spatial, mean, s[c], t[c]);
    c1 += s[c] * w[c];
    c2 += t[c] * w[c];
    t[c] *= scale;
  }
  const C m1 = static_cast<C>(c1 / cols), m2 = static_cast<C>(c2 * scale * scale / cols);
  if (k.spatial == 1) {
#pragma omp simd
    for (int64_t c = 0; c < k.per_group(); ++c)
      dx[c] = scale * (g[c] * w[c] - m1 - (x[c] - mean) * m2);
    return;
  }
  for (int64_t c = 0; c < k.per_group(); ++c) {
    const C wc = w[c];
#pragma omp simd
    for (int64_t j = c * k.spatial; j < (c + 1) * k.spatial; ++j)
      dx[j] = scale * (g[j] * wc - m1 - (x[j] - mean) * m2);
  }
}

// Sums over the rows: out[c] = sum of cells[i, c].
template <class C>
void sum_cells(const double* cells, int64_t rows, int64_t channels, double* total, C* out) {
  std::fill_n(total, channels, 0.0);
  for (int64_t i = 0; i < rows; ++i)
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) total[c] += cells[i * channels + c];
  for (int64_t c = 0; c < channels; ++c) out[c] = static_cast<C>(total[c]);
}

}  // namespace

// input, num_groups, weight, bias, eps -> output, mean and 1 / deviation (N, num_groups)
RL_KERNEL(group_norm) {
  const Array& input = call.tensor(0);
  const Array *weight = call.tensor_or_null(2), *bias = call.tensor_or_null(3);
  const Groups k = check_groups(input, call.integer(1), weight, bias);
  const double eps = call.real(4);
  const Array x = input.contiguous_copy();
  Array y = Array::empty(x.dtype(), x.shape()), means, scales;
  visit_real("GroupNormKernelImpl", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    means = Array::empty(dtype_of<C>::value, {k.n, k.groups});
    scales = Array::empty(dtype_of<C>::value, {k.n, k.groups});
    if (x.numel() == 0) return fill(means, 0.0), fill(scales, 0.0);
    const Array w_array = per_channel<C>(weight, k.channels, 1);
    const Array b_array = per_channel<C>(bias, k.channels, 0);
    const int64_t cols = k.cols();
    const ThreadBuffer<T> buffer(cols);
    NoGil nogil(x.numel(), 20000);
    parallel_for(k.n * k.groups, row_grain(cols, 0.15), [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        C* buf = buffer.mine();
        const C* row = load_row(x.data<T>() + r * cols, cols, buf);
        C* out = row_target(y.data<T>() + r * cols, buf);
        C &mean = means.data<C>()[r], &scale = scales.data<C>()[r];
        group_stats<C>(row, cols, eps, mean, scale);
        const int64_t first = r % k.groups * k.per_group();
        normalise_row<C>(k, row, mean, scale, w_array.data<C>() + first, b_array.data<C>() + first,
                         out);
        store_row(y.data<T>() + r * cols, cols, out);
      }
    });
  });
  call.result(input.channels_last() ? laid_out_as(y, input) : y);
  call.result(std::move(means));
  call.result(std::move(scales));
}

// g, input, num_groups, weight, mean, scale -> dx, dw, db
RL_KERNEL(group_norm_backward) {
  const Array x = call.tensor(1).contiguous_copy();
  const Array g_input = call.tensor(0).to(x.dtype());
  const Array* weight = call.tensor_or_null(3);
  const Groups k = check_groups(x, call.integer(2), weight, nullptr);
  if (!g_input.same_shape(x))
    fail(ErrorType::Runtime, "group_norm_backward: g has shape %s, expected that of input, %s",
         shape_text(g_input.shape()).c_str(), shape_text(x.shape()).c_str());
  const Array means = call.tensor(4).contiguous_copy(), scales = call.tensor(5).contiguous_copy();
  const int64_t cols = k.cols();
  const Rows g = rows_of(g_input, cols);
  Array dx = Array::empty(x.dtype(), x.shape()), dw, db;
  visit_real("group_norm_backward", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    for (const Array& a : {means, scales})
      if (a.dtype() != dtype_of<C>::value || a.numel() != k.n * k.groups)
        fail(ErrorType::Runtime, "group_norm_backward: the statistics do not fit the input");
    const Array w = per_channel<C>(weight, k.channels, 1);
    dw = Array::empty(dtype_of<C>::value, {k.channels});
    db = Array::empty(dtype_of<C>::value, {k.channels});
    const ThreadBuffer<T> buffer(2 * cols);
    const int64_t rows = x.numel() ? k.n * k.groups : 0, cells = rows * k.per_group();
    const Scratch<double> s(cells), t(cells), total(k.channels);
    NoGil nogil(x.numel(), 20000);
    parallel_for(rows, row_grain(cols, 0.3), [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        C* buf = buffer.mine();
        const C* xr = load_row(x.data<T>() + r * cols, cols, buf);
        const C* gr = load_row(g.at<T>(r), cols, buf + cols);
        C* out = row_target(dx.data<T>() + r * cols, buf);
        const int64_t cell = r * k.per_group();
        backward_row<C>(k, gr, xr, w.data<C>() + cell % k.channels, means.data<C>()[r],
                        scales.data<C>()[r], out, s.get() + cell, t.get() + cell);
        store_row(dx.data<T>() + r * cols, cols, out);
      }
    });
    sum_cells<C>(t.get(), cells / std::max<int64_t>(k.channels, 1), k.channels, total.get(),
                 dw.data<C>());
    sum_cells<C>(s.get(), cells / std::max<int64_t>(k.channels, 1), k.channels, total.get(),
                 db.data<C>());
  });
  const Array& input = call.tensor(1);
  call.result(input.channels_last() ? laid_out_as(dx, input) : dx);
  call.result(std::move(dw));
  call.result(std::move(db));
}

}  // namespace rl
