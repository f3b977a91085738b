// Means of bilinear samples over the bins of regions: RoIAlign (He et al. 2017, section 3) and its
// position-sensitive form (Dai et al. 2016).
//
// x (N, C, H, W), rois (K, 5) as batch index, x1, y1, x2, y2; y (K, C, PH, PW):
//
//   y[k, c, i, j] = 1/count sum over samples (v, u) of bin (i, j) of x[n, c] at (v, u)
//                 = 1/count sum over rows r, columns q of A[i, r] B[j, q] x[n, c, r, q]
//
// since a bilinear sample's weights are products of one for its row and one for its column. A and
// B are found once for a region (struct Axis). For each bin row: one pass over the rows that it
// touches gives their weighted sum, as wide as the region; then PW short dot products. The
// gradient runs the same two steps backwards; threads take channels there, so that no two write to
// the same place. In the position-sensitive form bin (i, j) of channel c reads the channel
// (c PH + i) PW + j.
#include <cmath>

#include "../core/kernel.h"

namespace rl {
namespace {

struct Problem {
  int64_t n, c, h, w, k, ph, pw, ratio;
  double scale;
  bool aligned, by_position;
};

// The samples of all bins along one axis: bin i takes weight[start[i] + t] of element first[i] + t.
template <class C>
struct Axis {
  std::vector<int64_t> first, start;
  std::vector<C> weight;
  int64_t low = 0, high = 0, samples = 0;  // elements touched by any bin; samples per bin

  void make(C begin, C length, int64_t bins, int64_t ratio, int64_t size) {
    first.assign(static_cast<size_t>(bins), 0);
    start.assign(static_cast<size_t>(bins + 1), 0);
    weight.clear();
    low = size, high = 0, samples = 0;
    const C bin = length / static_cast<C>(bins);
    const C wanted = ratio > 0 ? static_cast<C>(ratio) : std::ceil(bin);
    const bool sane = std::isfinite(begin) && std::isfinite(bin) && std::abs(wanted) < C(2e9);
    samples = sane ? static_cast<int64_t>(wanted) : 0;
    for (int64_t i = 0; i < bins; ++i) {
      if (sane && samples > 0) add_bin(i, begin + static_cast<C>(i) * bin, bin, size);
      start[static_cast<size_t>(i + 1)] = static_cast<int64_t>(weight.size());
    }
    if (low > high) low = high = 0;
  }

  void add_bin(int64_t i, C begin, C bin, int64_t size) {
    int64_t from = 0, to = samples;
    if (samples > 4 * (size + 4) && bin > 0) {  // most lie outside: skip to those that may not
      const double step = static_cast<double>(bin) / static_cast<double>(samples);
      const double a = (-1.0 - begin) / step - 2,
                   b = (static_cast<double>(size) - begin) / step + 2;
      from = static_cast<int64_t>(std::clamp(a, 0.0, static_cast<double>(samples)));
      to = static_cast<int64_t>(std::clamp(b, 0.0, static_cast<double>(samples)));
    }
    int64_t least = size, most = -1;
    const auto each = [&](auto&& f) {
      for (int64_t s = from; s < to; ++s) {
        C at = begin + (static_cast<C>(s) + C(0.5)) * bin / static_cast<C>(samples);
        if (!(at >= C(-1) && at <= static_cast<C>(size))) continue;
        at = at <= 0 ? 0 : at;
        int64_t lower = static_cast<int64_t>(at), upper = lower + 1;
        if (lower >= size - 1) lower = upper = size - 1, at = static_cast<C>(lower);
        f(lower, upper, at - static_cast<C>(lower));
      }
    };
    each([&](int64_t lower, int64_t upper, C) {
      least = std::min(least, lower), most = std::max(most, upper);
    });
    if (most < 0) return;
    const size_t base = weight.size();
    first[static_cast<size_t>(i)] = least;
    weight.resize(base + static_cast<size_t>(most - least + 1));
    each([&](int64_t lower, int64_t upper, C part) {
      weight[base + static_cast<size_t>(lower - least)] += 1 - part;
      weight[base + static_cast<size_t>(upper - least)] += part;
    });
    low = std::min(low, least), high = std::max(high, most + 1);
  }

  int64_t count(int64_t i) const {
    return start[static_cast<size_t>(i + 1)] - start[static_cast<size_t>(i)];
  }
  const C* weights(int64_t i) const { return weight.data() + start[static_cast<size_t>(i)]; }
  int64_t at(int64_t i) const { return first[static_cast<size_t>(i)]; }
};

template <class C>
struct Region {
  Axis<C> rows, columns;
  int64_t image;
  C share;  // 1 / samples of a bin

  void make(const Problem& p, const C* roi) {
    image = static_cast<int64_t>(roi[0]);
    const C scale = static_cast<C>(p.scale), shift = p.aligned ? C(0.5) : C(0);
    const C x = roi[1] * scale - shift, y = roi[2] * scale - shift;
    C width = roi[3] * scale - shift - x, height = roi[4] * scale - shift - y;
    if (!p.aligned) width = std::max(width, C(1)), height = std::max(height, C(1));
    rows.make(y, height, p.ph, p.ratio, p.h);
    columns.make(x, width, p.pw, p.ratio, p.w);
    const C count = static_cast<C>(rows.samples) * static_cast<C>(columns.samples);
    share = p.by_position ? count : std::max(count, C(1));
  }
};

// out[q] = sum over the rows of bin i of their weight times x[row, q], for the region's columns
template <class C>
void combine_rows(const Region<C>& r, int64_t i, const C* plane, int64_t w, C* __restrict out) {
  const int64_t low = r.columns.low, wide = r.columns.high - low;
  std::fill_n(out, wide, C(0));
  const C* weights = r.rows.weights(i);
  for (int64_t t = 0; t < r.rows.count(i); ++t) {
    const C a = weights[t];
    if (a == 0) continue;
    const C* __restrict from = plane + (r.rows.at(i) + t) * w + low;
#pragma omp simd
    for (int64_t q = 0; q < wide; ++q) out[q] += a * from[q];
  }
}

template <class C>
void pool_plane(const Problem& p, const Region<C>& r, const C* plane, C* line, C* y) {
  for (int64_t i = 0; i < p.ph; ++i) {
    combine_rows(r, i, plane, p.w, line);
    for (int64_t j = 0; j < p.pw; ++j) {
      const C* b = r.columns.weights(j);
      const C* from = line + r.columns.at(j) - r.columns.low;
      C sum = 0;
      for (int64_t t = 0; t < r.columns.count(j); ++t) sum += b[t] * from[t];
      y[i * p.pw + j] = sum / r.share;
    }
  }
}

template <class C>
void spread_plane(const Problem& p, const Region<C>& r, const C* g, C* line, C* plane) {
  const int64_t low = r.columns.low, wide = r.columns.high - low;
  for (int64_t i = 0; i < p.ph; ++i) {
    std::fill_n(line, wide, C(0));
    for (int64_t j = 0; j < p.pw; ++j) {
      const C* b = r.columns.weights(j);
      C* to = line + r.columns.at(j) - low;
      const C v = g[i * p.pw + j] / r.share;
      for (int64_t t = 0; t < r.columns.count(j); ++t) to[t] += b[t] * v;
    }
    const C* weights = r.rows.weights(i);
    const C* __restrict from = line;
    for (int64_t t = 0; t < r.rows.count(i); ++t) {
      const C a = weights[t];
      if (a == 0) continue;
      C* __restrict to = plane + (r.rows.at(i) + t) * p.w + low;
#pragma omp simd
      for (int64_t q = 0; q < wide; ++q) to[q] += a * from[q];
    }
  }
}

// One bin of the position-sensitive form, from its own plane.
template <class C>
C pool_bin(const Problem& p, const Region<C>& r, int64_t i, int64_t j, const C* plane) {
  C sum = 0;
  for (int64_t s = 0; s < r.rows.count(i); ++s) {
    const C* from = plane + (r.rows.at(i) + s) * p.w + r.columns.at(j);
    C part = 0;
    for (int64_t t = 0; t < r.columns.count(j); ++t) part += r.columns.weights(j)[t] * from[t];
    sum += r.rows.weights(i)[s] * part;
  }
  return sum / r.share;
}

template <class C>
void spread_bin(const Problem& p, const Region<C>& r, int64_t i, int64_t j, C g, C* plane) {
  g /= r.share;
  for (int64_t s = 0; s < r.rows.count(i); ++s) {
    C* to = plane + (r.rows.at(i) + s) * p.w + r.columns.at(j);
    const C a = r.rows.weights(i)[s] * g;
    for (int64_t t = 0; t < r.columns.count(j); ++t) to[t] += a * r.columns.weights(j)[t];
  }
}

template <class C>
void forward(const Problem& p, const C* x, const C* rois, C* y) {
  const int64_t bins = p.ph * p.pw, outputs = p.by_position ? p.c / bins : p.c;
  const int64_t work = outputs * bins * 16 + 1;
  parallel_for(p.k, grain_of(0.3 * static_cast<double>(work)), [&](int64_t k0, int64_t k1) {
    Region<C> r;
    std::vector<C> line(static_cast<size_t>(p.w + 1));
    for (int64_t k = k0; k < k1; ++k) {
      r.make(p, rois + 5 * k);
      const C* image = x + r.image * p.c * p.h * p.w;
      C* out = y + k * outputs * bins;
      for (int64_t c = 0; c < outputs; ++c, out += bins) {
        if (!p.by_position) {
          pool_plane(p, r, image + c * p.h * p.w, line.data(), out);
          continue;
        }
        for (int64_t b = 0; b < bins; ++b)
          out[b] = pool_bin(p, r, b / p.pw, b % p.pw, image + (c * bins + b) * p.h * p.w);
      }
    }
  });
}

template <class C>
void backward(const Problem& p, const C* g, const C* rois, C* gx) {
  const int64_t bins = p.ph * p.pw, outputs = p.by_position ? p.c / bins : p.c;
  std::vector<Region<C>> regions(static_cast<size_t>(p.k));
  parallel_for(p.k, grain_of(100), [&](int64_t k0, int64_t k1) {
    for (int64_t k = k0; k < k1; ++k) regions[static_cast<size_t>(k)].make(p, rois + 5 * k);
  });
  const int64_t work = p.k * bins * 16 + 1;
  parallel_for(outputs, grain_of(0.3 * static_cast<double>(work)), [&](int64_t c0, int64_t c1) {
    std::vector<C> line(static_cast<size_t>(p.w + 1));
    for (int64_t k = 0; k < p.k; ++k) {
      const Region<C>& r = regions[static_cast<size_t>(k)];
      C* image = gx + r.image * p.c * p.h * p.w;
      for (int64_t c = c0; c < c1; ++c) {
        const C* from = g + (k * outputs + c) * bins;
        if (!p.by_position) {
          spread_plane(p, r, from, line.data(), image + c * p.h * p.w);
          continue;
        }
        for (int64_t b = 0; b < bins; ++b)
          spread_bin(p, r, b / p.pw, b % p.pw, from[b], image + (c * bins + b) * p.h * p.w);
      }
    }
  });
}

template <class C>
void check_images(const Problem& p, const Array& rois) {
  for (int64_t k = 0; k < p.k; ++k) {
    const C image = rois.data<C>()[5 * k];
    if (!(image > C(-1) && image < static_cast<C>(p.n)))
      fail(ErrorType::Index, "roi_align: a region names image %g: got a batch of %lld",
           static_cast<double>(image), static_cast<long long>(p.n));
  }
}

// Arguments from `at` on: spatial_scale, pooled height and width, sampling_ratio, aligned,
// by_position.
Problem read(const Call& call, int at, const Array& rois, const int64_t* sizes) {
  Problem p{sizes[0],
            sizes[1],
            sizes[2],
            sizes[3],
            0,
            call.integer(at + 1),
            call.integer(at + 2),
            call.integer(at + 3),
            call.real(at),
            call.boolean(at + 4),
            call.boolean(at + 5)};
  if (rois.ndim() != 2 || rois.size(1) != 5)
    fail(ErrorType::Runtime, "roi_align: rois must have shape as Tensor[K, 5], got %s",
         shape_text(rois.shape()).c_str());
  p.k = rois.size(0);
  if (p.ph < 0 || p.pw < 0)
    fail(ErrorType::Runtime, "roi_align: the output size must be non-negative, got (%lld, %lld)",
         static_cast<long long>(p.ph), static_cast<long long>(p.pw));
  if (p.ratio > (1 << 30))
    fail(ErrorType::Runtime, "roi_align: sampling_ratio is too large: %lld",
         static_cast<long long>(p.ratio));
  checked_product(IntList{p.k, p.c, p.ph, p.pw});
  if (p.by_position && (p.ph * p.pw == 0 || p.c % (p.ph * p.pw) != 0))
    fail(ErrorType::Runtime,
         "ps_roi_align: input channels must be a multiple of pooling height * pooling width");
  if (rois.dtype() == DType::F64)
    check_images<double>(p, rois);
  else if (rois.dtype() == DType::F32)
    check_images<float>(p, rois);
  return p;
}

void same_dtype(const Array& x, const Array& rois) {
  if (x.dtype() != rois.dtype())
    fail(ErrorType::Runtime,
         "roi_align: Expected tensor for argument #1 'input' to have the same type as tensor for "
         "argument #2 'rois'; got %s and %s",
         dtype_name(x.dtype()), dtype_name(rois.dtype()));
  if (x.dtype() != DType::F32 && x.dtype() != DType::F64) unsupported_dtype(x.dtype());
}

RL_KERNEL(vision_roi_align) {
  const Array x = call.tensor(0).contiguous_copy(), rois = call.tensor(1).contiguous_copy();
  if (x.ndim() != 4)
    fail(ErrorType::Index, "roi_align: the input must have 4 dims, got shape %s",
         shape_text(x.shape()).c_str());
  same_dtype(x, rois);
  const Problem p = read(call, 2, rois, x.sizes());
  const int64_t outputs = p.by_position ? p.c / (p.ph * p.pw) : p.c;
  Array y = Array::empty(x.dtype(), {p.k, outputs, p.ph, p.pw});
  if (y.numel() > 0 && p.h * p.w == 0)
    fail(ErrorType::Runtime, "roi_align: the input has no pixels, got shape %s",
         shape_text(x.shape()).c_str());
  if (y.numel() > 0) {
    NoGil nogil(y.numel() * 16);
    if (x.dtype() == DType::F32)
      forward(p, x.data<float>(), rois.data<float>(), y.data<float>());
    else
      forward(p, x.data<double>(), rois.data<double>(), y.data<double>());
  }
  call.result(y);
}

RL_KERNEL(vision_roi_align_backward) {
  const Array g = call.tensor(0).contiguous_copy(), rois = call.tensor(1).contiguous_copy();
  const IntList shape = call.ints(2);
  same_dtype(g, rois);
  if (shape.size() != 4) fail(ErrorType::Runtime, "roi_align: the input shape needs 4 sizes");
  checked_product(shape);
  const Problem p = read(call, 3, rois, shape.data());
  const int64_t outputs = p.by_position ? p.c / (p.ph * p.pw) : p.c;
  const int64_t expected[] = {p.k, outputs, p.ph, p.pw};
  if (g.ndim() != 4 || !std::equal(expected, expected + 4, g.sizes()))
    fail(ErrorType::Runtime, "roi_align: a gradient of shape %s, expected %s",
         shape_text(g.shape()).c_str(), shape_text(Shape(expected, 4)).c_str());
  Array gx = Array::empty(g.dtype(), Shape(shape.data(), 4));
  fill(gx, 0.0);
  if (g.numel() > 0 && gx.numel() > 0) {
    NoGil nogil(g.numel() * 16);
    if (g.dtype() == DType::F32)
      backward(p, g.data<float>(), rois.data<float>(), gx.data<float>());
    else
      backward(p, g.data<double>(), rois.data<double>(), gx.data<double>());
  }
  call.result(gx);
}

}  // namespace
}  // namespace rl
