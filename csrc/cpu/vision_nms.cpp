// Non-maximum suppression: which boxes stay when those that overlap a better one go.
//
// boxes (N, 4) as x1, y1, x2, y2; order (N) int64, best first; out (kept) int64, indices of boxes.
//
//   for i in order, unless suppressed: keep i, suppress every later j with
//     inter(i, j) / (area(i) + area(j) - inter(i, j)) > threshold
//
// The boxes are laid out by rank as five arrays, so that one pass over the later boxes of a kept
// one is a vector loop. A comparison with NaN is false: such a box suppresses none and stays.
#include <cmath>
#include <limits>

#include "../core/kernel.h"

namespace rl {
namespace {

// The largest C that is not above the threshold: x > threshold in double says the same as
// x > floor_to<C>(threshold) in C.
template <class C>
C floor_to(double threshold) {
  C t = static_cast<C>(threshold);
  if (static_cast<double>(t) > threshold)
    t = std::nextafter(t, -std::numeric_limits<C>::infinity());
  return t;
}

template <class C>
struct Ranked {
  const C *x1, *y1, *x2, *y2, *area;
};

template <class C>
void suppress(const Ranked<C>& b, int64_t i, int64_t n, C limit, uint8_t* __restrict gone) {
  const C left = b.x1[i], top = b.y1[i], right = b.x2[i], bottom = b.y2[i], area = b.area[i];
  const C* __restrict x1 = b.x1, * __restrict y1 = b.y1, * __restrict x2 = b.x2, * __restrict y2 = b.y2, * __restrict areas = b.area;
#pragma omp simd
  for (int64_t j = i + 1; j < n; ++j) {
    const C x = x1[j] > left ? x1[j] : left, y = y1[j] > top ? y1[j] : top;
    const C xx = x2[j] < right ? x2[j] : right, yy = y2[j] < bottom ? y2[j] : bottom;
    C w = xx - x, h = yy - y;
    w = w > 0 ? w : 0;
    h = h > 0 ? h : 0;
    const C inter = w * h;
    gone[j] |= inter / (area + areas[j] - inter) > limit;
  }
}

template <class C>
std::vector<int64_t> kept(const Array& boxes, const Array& order, double threshold) {
  const int64_t n = boxes.size(0);
  const C* box = boxes.data<C>();
  const int64_t* rank = order.data<int64_t>();
  std::vector<C> columns(static_cast<size_t>(5 * n));
  C* c = columns.data();
  for (int64_t r = 0; r < n; ++r) {
    const C* at = box + 4 * rank[r];
    for (int k = 0; k < 4; ++k) c[k * n + r] = at[k];
    c[4 * n + r] = (at[2] - at[0]) * (at[3] - at[1]);
  }
  std::vector<uint8_t> gone(static_cast<size_t>(n));
  std::vector<int64_t> out;
  const Ranked<C> ranked{c, c + n, c + 2 * n, c + 3 * n, c + 4 * n};
  const C limit = floor_to<C>(threshold);
  for (int64_t r = 0; r < n; ++r) {
    if (gone[static_cast<size_t>(r)]) continue;
    out.push_back(rank[r]);
    suppress(ranked, r, n, limit, gone.data());
  }
  return out;
}

RL_KERNEL(vision_nms) {
  const Array boxes = call.tensor(0).contiguous_copy(), order = call.tensor(1).contiguous_copy();
  const double threshold = call.real(2);
  if (boxes.ndim() != 2 || boxes.size(1) != 4)
    fail(ErrorType::Runtime, "nms: boxes should have shape [N, 4], got %s",
         shape_text(boxes.shape()).c_str());
  const int64_t n = boxes.size(0);
  if (order.dtype() != DType::I64 || order.ndim() != 1 || order.size(0) != n)
    fail(ErrorType::Runtime, "nms: the order should be %lld int64 indices",
         static_cast<long long>(n));
  for (int64_t i = 0; i < n; ++i)
    if (static_cast<uint64_t>(order.data<int64_t>()[i]) >= static_cast<uint64_t>(n))
      fail(ErrorType::Index, "nms: the order has an index out of range");
  std::vector<int64_t> indices;
  {
    NoGil nogil(n * n);
    if (boxes.dtype() == DType::F32)
      indices = kept<float>(boxes, order, threshold);
    else if (boxes.dtype() == DType::F64)
      indices = kept<double>(boxes, order, threshold);
    else
      unsupported_dtype(boxes.dtype());
  }
  Array out = Array::empty(DType::I64, {static_cast<int64_t>(indices.size())});
  std::copy(indices.begin(), indices.end(), out.data<int64_t>());
  call.result(out);
}

}  // namespace
}  // namespace rl
