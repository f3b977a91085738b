// batch_norm: x (N, C, *), statistics per channel over n = N * S elements.
//
//   training  mean, var of the batch; running = (1 - m) running + m (mean, var n / (n - 1))
//   eval      mean = running_mean, var = running_var
//   y  = (x - mean) r w + b                      r = 1 / sqrt(var + eps)
//   db = sum g,  dw = r sum g (x - mean)
//   dx = w r (g - db / n - (x - mean) r dw / n)  (training)        dx = w r g  (eval)
//
// Contiguous input: threads take channels, and a channel (N runs of S) is read from memory once
// when it fits the L2 cache. Channels innermost, (N, C) or channels_last: threads take blocks of
// neighbouring channels, vectorised over them.
#include "moments.h"
#include "row.h"

namespace rl {
namespace {

constexpr int64_t kChannels = 64;

struct Layout {
  int64_t n, channels, spatial;  // innermost: n counts all N * S, spatial is 1
  bool innermost;
  int64_t count() const { return n * spatial; }
};

// x in a layout that the loops know: itself, or a contiguous copy.
Array arrange(const Array& input, Layout& k) {
  if (input.ndim() < 2)
    fail(ErrorType::Index,
         "Dimension out of range (expected to be in range of [-1, 0], but got 1): batch_norm needs "
         "an input (N, C, ...), got shape %s",
         shape_text(input.shape()).c_str());
  const int64_t channels = input.size(1);
  int64_t spatial = 1;
  for (int d = 2; d < input.ndim(); ++d) spatial *= input.size(d);
  const bool last = !input.contiguous() && input.channels_last();
  k.innermost = last || spatial == 1;
  k.n = k.innermost ? input.size(0) * spatial : input.size(0);
  k.channels = channels;
  k.spatial = k.innermost ? 1 : spatial;
  return last ? input : input.contiguous_copy();
}

// A gradient in the layout of x: run (n, c) of S elements, or row n of C elements.
Rows arrange_gradient(const Array& g, const Array& x, const Layout& k) {
  const Array same = g.to(x.dtype());
  const int64_t cols = k.innermost ? k.channels : k.spatial;
  if (!k.innermost || x.contiguous()) return rows_of(same, cols);
  bool agrees = true, constant = g.numel() > 0;
  for (int d = 0; d < g.ndim(); ++d) {
    agrees = agrees && (g.size(d) == 1 || same.stride(d) == x.stride(d));
    constant = constant && (g.size(d) == 1 || same.stride(d) == 0);
  }
  if (agrees) return {same, cols};
  if (constant) return rows_of(same, cols);
  Array copy = Array::empty_like(x);
  copy_into(copy, same);
  return {copy, cols};
}

template <class C>
struct Channel {
  C mean, scale;
};  // scale: 1 / sqrt(var + eps)

template <class C>
Array channel_vector(const Array* p, int64_t channels, double absent) {
  if (p) return p->to(dtype_of<C>::value).contiguous_copy();
  Array a = Array::empty(dtype_of<C>::value, {channels});
  std::fill_n(a.data<C>(), channels, static_cast<C>(absent));
  return a;
}

// -- channels outside: N runs of S elements -----------------------------------------------------
// Short runs are gathered into one buffer, so that the vector loops see long ones.
bool gathers(const Layout& k) { return k.spatial < 256 && k.count() <= 1 << 16; }

template <class T>
void put_wide(const T* p, int64_t n, compute_t<T>* out) {
  if constexpr (std::is_same_v<T, compute_t<T>>) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) out[j] = p[j];
  } else {
    widen_run(p, n, out);
  }
}

template <class T>
const compute_t<T>* gather_runs(const T* p, int64_t step, const Layout& k, compute_t<T>* buf) {
  for (int64_t i = 0; i < k.n; ++i) put_wide(p + i * step, k.spatial, buf + i * k.spatial);
  return buf;
}

template <class T>
Moments channel_moments(const T* p, const Layout& k, compute_t<T>* buf) {
  using C = compute_t<T>;
  if (gathers(k)) return moments_of<C>(gather_runs(p, k.channels * k.spatial, k, buf), k.count());
  Moments m{0, 0, 0};
  for (int64_t i = 0; i < k.n; ++i) {
    const C* run = load_row(p + i * k.channels * k.spatial, k.spatial, buf);
    for (int64_t j = 0; j < k.spatial; j += kRun)
      moment_run<C>(m, run + j, std::min(kRun, k.spatial - j));
  }
  return m;
}

// One run: y = (x - mean) scale + shift.
template <class T>
void normalise_run(const T* x, T* y, int64_t n, compute_t<T> mean, compute_t<T> scale,
                   compute_t<T> shift) {
  using C = compute_t<T>;
  C buf[kPiece];
  const int64_t step = std::is_same_v<T, C> ? n : kPiece;
  for (int64_t i = 0; i < n; i += step) {
    const int64_t m = std::min(step, n - i);
    const C* in = load_row(x + i, m, buf);
    C* out = row_target(y + i, buf);
#pragma omp simd
    for (int64_t j = 0; j < m; ++j) out[j] = (in[j] - mean) * scale + shift;
    store_row(y + i, m, out);
  }
}
template <class T>
void normalise_channel(const T* x, T* y, const Layout& k, compute_t<T> mean, compute_t<T> scale,
                       compute_t<T> shift) {
  const int64_t step = k.channels * k.spatial;
  for (int64_t i = 0; i < k.n; ++i)
    normalise_run<T>(x + i * step, y + i * step, k.spatial, mean, scale, shift);
}

// sum g and sum g (x - mean) of one run, added to the totals.
template <class C>
void backward_run(const C* g, const C* x, int64_t n, C mean, double& sum, double& dot) {
  for (int64_t i = 0; i < n; i += kPiece) {
    C s = 0, t = 0;
    const int64_t end = std::min(n, i + kPiece);
#pragma omp simd reduction(+ : s, t)
    for (int64_t j = i; j < end; ++j) s += g[j], t += g[j] * (x[j] - mean);
    sum += s, dot += t;
  }
}

template <class T>
void channel_sums(const T* x, const Rows& g, int64_t c, const Layout& k, compute_t<T> mean,
                  compute_t<T>* buf, double& sum, double& dot) {
  using C = compute_t<T>;
  sum = dot = 0;
  if (gathers(k)) {
    C* gbuf = buf + k.count();
    gather_runs(g.at<T>(c), g.stride * k.channels, k, gbuf);
    backward_run<C>(gbuf, gather_runs(x, k.channels * k.spatial, k, buf), k.count(), mean, sum,
                    dot);
    return;
  }
  for (int64_t i = 0; i < k.n; ++i)
    backward_run<C>(load_row(g.at<T>(i * k.channels + c), k.spatial, buf + k.spatial),
                    load_row(x + i * k.channels * k.spatial, k.spatial, buf), k.spatial, mean, sum,
                    dot);
}

// dx = a g + b (x - mean) + d
template <class T>
void channel_gradient(const T* x, const Rows& g, int64_t c, T* dx, const Layout& k,
                      compute_t<T> mean, compute_t<T> a, compute_t<T> b, compute_t<T> d) {
  using C = compute_t<T>;
  C xbuf[kPiece], gbuf[kPiece];
  const int64_t n = k.spatial, step = std::is_same_v<T, C> ? n : kPiece;
  for (int64_t i = 0; i < k.n; ++i)
    for (int64_t j = 0; j < n; j += step) {
      const int64_t m = std::min(step, n - j), at = i * k.channels * n + j;
      const C* xr = load_row(x + at, m, xbuf);
      const C* gr = load_row(g.at<T>(i * k.channels + c) + j, m, gbuf);
      C* out = row_target(dx + at, xbuf);
#pragma omp simd
      for (int64_t l = 0; l < m; ++l) out[l] = a * gr[l] + (b * (xr[l] - mean) + d);
      store_row(dx + at, m, out);
    }
}

// -- channels innermost: rows of C elements, a block of `width` channels at a time --------------
template <class T>
void normalise_block(const T* x, T* y, int64_t rows, int64_t stride, int64_t width,
                     const compute_t<T>* mean, const compute_t<T>* scale,
                     const compute_t<T>* shift) {
  using C = compute_t<T>;
  C wide[kChannels];
  for (int64_t r = 0; r < rows; ++r) {
    const C* in = load_row(x + r * stride, width, wide);
    C* out = row_target(y + r * stride, wide);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] = (in[j] - mean[j]) * scale[j] + shift[j];
    store_row(y + r * stride, width, out);
  }
}

template <class T>
void block_sums(const T* x, const Rows& g, int64_t first, int64_t rows, int64_t stride,
                int64_t width, const compute_t<T>* mean, double* sum, double* dot) {
  using C = compute_t<T>;
  C s[kChannels] = {}, t[kChannels] = {};
  std::fill_n(sum, width, 0.0);
  std::fill_n(dot, width, 0.0);
  for (int64_t r = 0; r < rows; ++r) {
    const T *xr = x + r * stride, *gr = g.at<T>(r) + first;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const C gj = static_cast<C>(gr[j]);
      s[j] += gj;
      t[j] += gj * (static_cast<C>(xr[j]) - mean[j]);
    }
    if (r % 32 == 31 || r == rows - 1)
      for (int64_t j = 0; j < width; ++j) sum[j] += s[j], dot[j] += t[j], s[j] = t[j] = 0;
  }
}

template <class T>
void block_gradient(const T* x, const Rows& g, int64_t first, T* dx, int64_t rows, int64_t stride,
                    int64_t width, const compute_t<T>* mean, const compute_t<T>* a,
                    const compute_t<T>* b, const compute_t<T>* d) {
  using C = compute_t<T>;
  C wide_x[kChannels], wide_g[kChannels];
  for (int64_t r = 0; r < rows; ++r) {
    const C* in = load_row(x + r * stride, width, wide_x);
    const C* gr = load_row(g.at<T>(r) + first, width, wide_g);
    C* out = row_target(dx + r * stride, wide_x);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) out[j] = a[j] * gr[j] + (b[j] * (in[j] - mean[j]) + d[j]);
    store_row(dx + r * stride, width, out);
  }
}

// Runs f(first channel, width) over blocks: one channel at a time, or up to kChannels; `ns` for
// each of their elements.
template <class F>
void each_channel_block(const Layout& k, double ns, F&& f) {
  const int64_t even = (k.channels + num_threads() - 1) / num_threads();
  const int64_t width =
      k.innermost ? std::min(kChannels, std::max<int64_t>(16, (even + 15) / 16 * 16)) : 1;
  const int64_t blocks = (k.channels + width - 1) / width;
  parallel_for(blocks, row_grain(k.count() * width, ns), [&](int64_t b0, int64_t b1) {
    for (int64_t b = b0; b < b1; ++b) f(b * width, std::min(width, k.channels - b * width));
  });
}

void check_vector(const char* name, const Array* p, int64_t channels) {
  if (p && p->numel() != channels)
    fail(ErrorType::Runtime, "%s should contain %lld elements not %lld", name,
         static_cast<long long>(channels), static_cast<long long>(p->numel()));
}

// A running statistic in place: old + m (new - old), in float64.
void update_running(const Array& running, const Moments* m, double momentum, bool variance) {
  visit_real("batch_norm", running.dtype(), [&](auto tag) {
    using T = decltype(tag);
    for (int64_t c = 0; c < running.numel(); ++c) {
      T& old = running.data<T>()[c * running.stride(0)];
      const double now = variance ? m[c].m2 / (m[c].count - 1) : m[c].mean;
      const double was = static_cast<compute_t<T>>(old);
      old = T(static_cast<compute_t<T>>((1 - momentum) * was + momentum * now));
    }
  });
}

int64_t buffer_size(const Layout& k, int arrays) {
  return k.innermost ? 0 : arrays * (gathers(k) ? k.count() : k.spatial);
}

template <class T>
void forward(Call& call, const Array& x, const Layout& k, const Array& y) {
  using C = compute_t<T>;
  const Array *running_mean = call.tensor_or_null(3), *running_var = call.tensor_or_null(4);
  const bool training = call.boolean(5);
  const double momentum = call.real(6), eps = call.real(7);
  const Array w = channel_vector<C>(call.tensor_or_null(1), k.channels, 1);
  const Array b = channel_vector<C>(call.tensor_or_null(2), k.channels, 0);
  Array mean = Array::empty(dtype_of<C>::value, {training ? k.channels : 0});
  Array scale = Array::empty_like(mean);
  const Scratch<Moments> stats(k.channels);
  const Scratch<C> factor(k.channels), center(k.channels);
  if (!training) {
    const Array rm = channel_vector<C>(running_mean, k.channels, 0);
    const Array rv = channel_vector<C>(running_var, k.channels, 1);
    for (int64_t c = 0; c < k.channels; ++c) {
      center[c] = rm.data<C>()[c];
      factor[c] = static_cast<C>(w.data<C>()[c] / std::sqrt(rv.data<C>()[c] + eps));
    }
  }
  const ThreadBuffer<T> buffer(buffer_size(k, 1), gathers(k));
  const T* xp = x.data<T>();
  T* yp = y.data<T>();
  const bool in_order = !training && !k.innermost;
  if (in_order) {
    NoGil nogil(x.numel(), 20000);
    parallel_for(k.n * k.channels, row_grain(k.spatial, 0.1), [&](int64_t r0, int64_t r1) {
      for (int64_t r = r0; r < r1; ++r) {
        const int64_t c = r % k.channels;
        normalise_run<T>(xp + r * k.spatial, yp + r * k.spatial, k.spatial, center[c], factor[c],
                         b.data<C>()[c]);
      }
    });
  } else {
    NoGil nogil(x.numel(), 20000);
    each_channel_block(k, 0.2, [&](int64_t c0, int64_t width) {
      const T* xc = xp + c0 * k.spatial;
      T* yc = yp + c0 * k.spatial;
      if (training) {
        Moments* m = stats.get() + c0;
        std::fill_n(m, width, Moments{0, 0, 0});
        if (k.innermost)
          moment_columns<T>(m, xc, width, k.n, k.channels);
        else
          m[0] = channel_moments<T>(xc, k, buffer.mine());
        for (int64_t j = 0; j < width; ++j) {
          const int64_t c = c0 + j;
          center[c] = mean.data<C>()[c] = static_cast<C>(m[j].mean);
          const double r = 1 / std::sqrt(m[j].m2 / m[j].count + eps);
          scale.data<C>()[c] = static_cast<C>(r);
          factor[c] = static_cast<C>(r * w.data<C>()[c]);
        }
      }
      const C *cp = center.get() + c0, *fp = factor.get() + c0, *bp = b.data<C>() + c0;
      if (k.innermost)
        normalise_block<T>(xc, yc, k.n, k.channels, width, cp, fp, bp);
      else
        normalise_channel<T>(xc, yc, k, cp[0], fp[0], bp[0]);
    });
  }
  // Their versions stay: backward of training reads neither, and a layer may run twice before it.
  if (training && running_mean) update_running(*running_mean, stats.get(), momentum, false);
  if (training && running_var) update_running(*running_var, stats.get(), momentum, true);
  call.result(std::move(mean));
  call.result(std::move(scale));
}

}  // namespace

// input, weight, bias, running_mean, running_var, training, momentum, eps; results: output, the
// batch mean and 1 / sqrt(var + eps) (both empty in eval).
RL_KERNEL(batch_norm) {
  Layout k;
  const Array x = arrange(call.tensor(0), k);
  const char* const names[] = {"weight", "bias", "running_mean", "running_var"};
  for (int i = 0; i < 4; ++i) check_vector(names[i], call.tensor_or_null(1 + i), k.channels);
  if (!call.boolean(5) && (call.none(3) || call.none(4)))
    fail(ErrorType::Runtime,
         "Expected running_mean and running_var to be defined when training is False");
  Array y = Array::empty_like(x);
  call.result(y);
  visit_real("batch_norm", x.dtype(), [&](auto tag) { forward<decltype(tag)>(call, x, k, y); });
}

namespace {

template <class T>
void backward(Call& call, const Array& x, const Layout& k, const Array& dx) {
  using C = compute_t<T>;
  const bool training = call.boolean(7), wants_input = call.boolean(9);
  const double eps = call.real(8);
  const Rows g = arrange_gradient(call.tensor(0), x, k);
  const Array w = channel_vector<C>(call.tensor_or_null(2), k.channels, 1);
  Array mean = channel_vector<C>(call.tensor_or_null(training ? 5 : 3), k.channels, 0);
  Array scale = channel_vector<C>(call.tensor_or_null(training ? 6 : 4), k.channels, 1);
  if (mean.numel() != k.channels || scale.numel() != k.channels)
    fail(ErrorType::Runtime, "batch_norm_backward: the statistics have %lld values, expected %lld",
         static_cast<long long>(mean.numel()), static_cast<long long>(k.channels));
  if (!training) {
    scale = scale.clone();
    for (int64_t c = 0; c < k.channels; ++c)
      scale.data<C>()[c] = static_cast<C>(1 / std::sqrt(scale.data<C>()[c] + eps));
  }
  Array dw = Array::empty(dtype_of<C>::value, {k.channels});
  Array db = Array::empty(dtype_of<C>::value, {k.channels});
  const ThreadBuffer<T> buffer(buffer_size(k, 2), gathers(k));
  const T* xp = x.data<T>();
  const C *mp = mean.data<C>(), *sp = scale.data<C>();
  const double n = static_cast<double>(k.count());
  {
    NoGil nogil(x.numel(), 20000);
    each_channel_block(k, 0.3, [&](int64_t c0, int64_t width) {
      double sum[kChannels], dot[kChannels];
      C a[kChannels], b[kChannels], d[kChannels];
      const T* xc = xp + c0 * k.spatial;
      if (k.innermost)
        block_sums<T>(xc, g, c0, k.n, k.channels, width, mp + c0, sum, dot);
      else
        channel_sums<T>(xc, g, c0, k, mp[c0], buffer.mine(), sum[0], dot[0]);
      for (int64_t j = 0; j < width; ++j) {
        const int64_t c = c0 + j;
        db.data<C>()[c] = static_cast<C>(sum[j]);
        dw.data<C>()[c] = static_cast<C>(dot[j] * sp[c]);
        const double f = static_cast<double>(w.data<C>()[c]) * sp[c];
        a[j] = static_cast<C>(f);
        b[j] = training ? static_cast<C>(-f * sp[c] * sp[c] * dot[j] / n) : C(0);
        d[j] = training ? static_cast<C>(-f * sum[j] / n) : C(0);
      }
      if (!wants_input) return;
      T* out = dx.data<T>() + c0 * k.spatial;
      if (k.innermost)
        block_gradient<T>(xc, g, c0, out, k.n, k.channels, width, mp + c0, a, b, d);
      else
        channel_gradient<T>(xc, g, c0, out, k, mp[c0], a[0], b[0], d[0]);
    });
  }
  if (wants_input) call.result(dx);
  call.result(std::move(dw));
  call.result(std::move(db));
}

}  // namespace

// g, input, weight, running_mean, running_var, mean, invstd, training, eps, need_input; results: dx
// if wanted, dw, db.
RL_KERNEL(batch_norm_backward) {
  Layout k;
  const Array x = arrange(call.tensor(1), k);
  if (!call.tensor(0).same_shape(x))
    fail(ErrorType::Runtime, "batch_norm_backward: g has shape %s, expected that of input, %s",
         shape_text(call.tensor(0).shape()).c_str(), shape_text(x.shape()).c_str());
  const Array dx = call.boolean(9) ? Array::empty_like(x) : Array();
  visit_real("batch_norm_backward", x.dtype(),
             [&](auto tag) { backward<decltype(tag)>(call, x, k, dx); });
}

}  // namespace rl
