// Pooling over the bins of regions: the largest element (Girshick 2015, section 2.1) or, in the
// position-sensitive form, the mean (Dai et al. 2016).
//
// x (N, C, H, W), rois (K, 5) as batch index, x1, y1, x2, y2; y (K, C, PH, PW):
//
//   y[k, c, i, j] = max of x[n, c, r, q] over rows r and columns q of bin (i, j); where[...] =
//   which y[k, c, i, j] = mean of x[n, (c PH + i) PW + j, r, q] over them, when by position
//
// A region's bins are found once (struct Bins). An empty bin gives 0. The maximum's gradient is a
// scatter to `where`, done in Python; that of the mean is here, with threads over channels.
#include <cfloat>
#include <cmath>

#include "../core/kernel.h"

namespace rl {
namespace {

struct Problem {
  int64_t n, c, h, w, k, ph, pw;
  double scale;
};

// A coordinate as an index; far away ones and NaN stay where arithmetic is safe.
template <class C>
int64_t whole(C v) {
  return std::isnan(v) ? 0 : static_cast<int64_t>(std::clamp<C>(v, C(-1e9), C(1e9)));
}

struct Bins {
  std::vector<int64_t> from, to;

  // Bin i holds floor(i size) + before to ceil((i + 1) size) + before, cut to [0, limit]; by
  // position `before` is added inside of the rounding, and the last row and column stay out.
  template <class C>
  void make(C first, C last, int64_t bins, int64_t limit, bool by_position) {
    from.resize(static_cast<size_t>(bins)), to.resize(static_cast<size_t>(bins));
    const C length = by_position ? std::max(last - first, C(1)) : std::max(last - first + 1, C(1));
    const C size = length / static_cast<C>(bins);
    for (int64_t i = 0; i < bins; ++i) {
      const C a = static_cast<C>(i) * size, b = static_cast<C>(i + 1) * size;
      const int64_t start = whole(by_position ? std::floor(a + first) : std::floor(a) + first);
      const int64_t stop = whole(by_position ? std::ceil(b + first) : std::ceil(b) + first);
      from[static_cast<size_t>(i)] = std::clamp<int64_t>(start, 0, std::max<int64_t>(limit, 0));
      to[static_cast<size_t>(i)] = std::clamp<int64_t>(stop, 0, std::max<int64_t>(limit, 0));
    }
  }
};

struct Region {
  Bins rows, columns;
  int64_t image = 0;

  template <class C>
  void make(const Problem& p, const C* roi, bool by_position) {
    const C scale = static_cast<C>(p.scale);
    image = static_cast<int64_t>(roi[0]);
    const int64_t cut = by_position ? 1 : 0;
    columns.make(std::round(roi[1] * scale), std::round(roi[3] * scale), p.pw, p.w - cut,
                 by_position);
    rows.make(std::round(roi[2] * scale), std::round(roi[4] * scale), p.ph, p.h - cut, by_position);
  }
};

template <class F>
void each_bin(const Problem& p, const Region& r, F&& f) {
  for (int64_t i = 0; i < p.ph; ++i)
    for (int64_t j = 0; j < p.pw; ++j)
      f(i * p.pw + j, r.rows.from[static_cast<size_t>(i)], r.rows.to[static_cast<size_t>(i)],
        r.columns.from[static_cast<size_t>(j)], r.columns.to[static_cast<size_t>(j)]);
}

template <class C>
void largest(const Problem& p, const C* x, const C* rois, C* y, int64_t* where) {
  const int64_t bins = p.ph * p.pw, work = p.c * bins * 16 + 1;
  parallel_for(p.k, grain_of(0.3 * static_cast<double>(work)), [&](int64_t k0, int64_t k1) {
    Region r;
    for (int64_t k = k0; k < k1; ++k) {
      r.make(p, rois + 5 * k, false);
      for (int64_t c = 0; c < p.c; ++c) {
        const C* plane = x + (r.image * p.c + c) * p.h * p.w;
        const int64_t out = (k * p.c + c) * bins;
        each_bin(p, r, [&](int64_t b, int64_t r0, int64_t r1, int64_t q0, int64_t q1) {
          C best = r1 <= r0 || q1 <= q0 ? C(0) : std::numeric_limits<C>::lowest();
          int64_t at = -1;
          for (int64_t row = r0; row < r1; ++row)
            for (int64_t q = q0; q < q1; ++q)
              if (plane[row * p.w + q] > best) best = plane[row * p.w + q], at = row * p.w + q;
          y[out + b] = best, where[out + b] = at;
        });
      }
    }
  });
}

// Threads take output channels: no two of them touch the same plane of gx.
template <class C>
void mean(const Problem& p, const C* x, const C* rois, C* y, const C* g, C* gx) {
  const int64_t bins = p.ph * p.pw, outputs = p.c / bins, work = p.k * bins * 16 + 1;
  parallel_for(outputs, grain_of(0.3 * static_cast<double>(work)), [&](int64_t c0, int64_t c1) {
    Region r;
    for (int64_t k = 0; k < p.k; ++k) {
      r.make(p, rois + 5 * k, true);
      for (int64_t c = c0; c < c1; ++c)
        each_bin(p, r, [&](int64_t b, int64_t r0, int64_t r1, int64_t q0, int64_t q1) {
          const int64_t plane = (r.image * p.c + c * bins + b) * p.h * p.w;
          const int64_t out = (k * outputs + c) * bins + b, count = (r1 - r0) * (q1 - q0);
          const bool empty = r1 <= r0 || q1 <= q0;
          C sum = 0;
          const C share = g && !empty ? g[out] / static_cast<C>(count) : C(0);
          for (int64_t row = r0; row < r1; ++row)
            for (int64_t q = q0; q < q1; ++q)
              if (g)
                gx[plane + row * p.w + q] += share;
              else
                sum += x[plane + row * p.w + q];
          if (!g) y[out] = empty ? C(0) : sum / static_cast<C>(count);
        });
    }
  });
}

template <class C>
void check_images(const char* name, const Problem& p, const C* rois) {
  for (int64_t k = 0; k < p.k; ++k)
    if (!(rois[5 * k] > C(-1) && rois[5 * k] < static_cast<C>(p.n)))
      fail(ErrorType::Index, "%s: a region names image %g: got a batch of %lld", name,
           static_cast<double>(rois[5 * k]), static_cast<long long>(p.n));
}

// Arguments from `at` on: spatial_scale, pooled height and width.
Problem read(const char* name, const Call& call, int at, const Array& x, const Array& rois,
             const int64_t* sizes) {
  if (rois.ndim() != 2 || rois.size(1) != 5)
    fail(ErrorType::Runtime, "%s: rois must have shape as Tensor[K, 5], got %s", name,
         shape_text(rois.shape()).c_str());
  if (x.dtype() != rois.dtype())
    fail(ErrorType::Runtime,
         "%s: Expected tensor for argument #1 'input' to have the same type as tensor for argument "
         "#2 'rois'; got %s and %s",
         name, dtype_name(x.dtype()), dtype_name(rois.dtype()));
  if (x.dtype() != DType::F32 && x.dtype() != DType::F64) unsupported_dtype(x.dtype());
  Problem p{sizes[0],
            sizes[1],
            sizes[2],
            sizes[3],
            rois.size(0),
            call.integer(at + 1),
            call.integer(at + 2),
            call.real(at)};
  if (p.ph < 0 || p.pw < 0)
    fail(ErrorType::Runtime, "%s: the output size must be non-negative", name);
  checked_product(IntList{p.k, p.c, p.ph, p.pw});
  if (rois.dtype() == DType::F64)
    check_images(name, p, rois.data<double>());
  else
    check_images(name, p, rois.data<float>());
  return p;
}

int64_t outputs_by_position(const Problem& p) {
  if (p.ph * p.pw == 0 || p.c % (p.ph * p.pw) != 0)
    fail(ErrorType::Runtime,
         "ps_roi_pool: input channels must be a multiple of pooling height * pooling width");
  return p.c / (p.ph * p.pw);
}

void need_four(const char* name, const Array& x) {
  if (x.ndim() != 4)
    fail(ErrorType::Index, "%s: the input must have 4 dims, got shape %s", name,
         shape_text(x.shape()).c_str());
}

RL_KERNEL(vision_roi_pool) {
  const Array x = call.tensor(0).contiguous_copy(), rois = call.tensor(1).contiguous_copy();
  need_four("roi_pool", x);
  const Problem p = read("roi_pool", call, 2, x, rois, x.sizes());
  Array y = Array::empty(x.dtype(), {p.k, p.c, p.ph, p.pw});
  Array where = Array::empty(DType::I64, {p.k, p.c, p.ph, p.pw});
  if (y.numel() > 0) {
    NoGil nogil(y.numel() * 16);
    if (x.dtype() == DType::F32)
      largest(p, x.data<float>(), rois.data<float>(), y.data<float>(), where.data<int64_t>());
    else
      largest(p, x.data<double>(), rois.data<double>(), y.data<double>(), where.data<int64_t>());
  }
  call.result(y);
  call.result(where);
}

RL_KERNEL(vision_ps_roi_pool) {
  const Array x = call.tensor(0).contiguous_copy(), rois = call.tensor(1).contiguous_copy();
  need_four("ps_roi_pool", x);
  const Problem p = read("ps_roi_pool", call, 2, x, rois, x.sizes());
  Array y = Array::empty(x.dtype(), {p.k, outputs_by_position(p), p.ph, p.pw});
  if (y.numel() > 0) {
    NoGil nogil(y.numel() * 16);
    if (x.dtype() == DType::F32)
      mean<float>(p, x.data<float>(), rois.data<float>(), y.data<float>(), nullptr, nullptr);
    else
      mean<double>(p, x.data<double>(), rois.data<double>(), y.data<double>(), nullptr, nullptr);
  }
  call.result(y);
}

RL_KERNEL(vision_ps_roi_pool_backward) {
  const Array g = call.tensor(0).contiguous_copy(), rois = call.tensor(1).contiguous_copy();
  const IntList shape = call.ints(2);
  if (shape.size() != 4) fail(ErrorType::Runtime, "ps_roi_pool: the input shape needs 4 sizes");
  checked_product(shape);
  const Problem p = read("ps_roi_pool", call, 3, g, rois, shape.data());
  const int64_t expected[] = {p.k, outputs_by_position(p), p.ph, p.pw};
  if (g.ndim() != 4 || !std::equal(expected, expected + 4, g.sizes()))
    fail(ErrorType::Runtime, "ps_roi_pool: a gradient of shape %s, expected %s",
         shape_text(g.shape()).c_str(), shape_text(Shape(expected, 4)).c_str());
  Array gx = Array::empty(g.dtype(), Shape(shape.data(), 4));
  fill(gx, 0.0);
  if (g.numel() > 0) {
    NoGil nogil(g.numel() * 16);
    if (g.dtype() == DType::F32)
      mean<float>(p, nullptr, rois.data<float>(), nullptr, g.data<float>(), gx.data<float>());
    else
      mean<double>(p, nullptr, rois.data<double>(), nullptr, g.data<double>(), gx.data<double>());
  }
  call.result(gx);
}

}  // namespace
}  // namespace rl
