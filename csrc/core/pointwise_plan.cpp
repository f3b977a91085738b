// The iteration space of an element-wise plan.
#include "pointwise_plan.h"

#include <algorithm>

namespace rl {

void coalesce(Plan& p, Shape shape) {
  int order[kMaxDims], n = 0;
  for (int d = 0; d < static_cast<int>(shape.size()); ++d) {
    if (shape[d] != 1) order[n++] = d;
  }
  for (int i = 1; i < n; ++i) {  // insertion sort: nearly always in order already
    for (int j = i; j > 0 && p.strides[0][order[j - 1]] < p.strides[0][order[j]]; --j)
      std::swap(order[j - 1], order[j]);
  }
  int64_t strides[kMaxOperands][kMaxDims];
  int m = 0;
  for (int i = 0; i < n; ++i) {
    const int d = order[i];
    bool join = m > 0;
    for (int k = 0; k < p.n && join; ++k) join = strides[k][m - 1] == p.strides[k][d] * shape[d];
    if (join) {
      p.sizes[m - 1] *= shape[d];
    } else {
      p.sizes[m++] = shape[d];
    }
    for (int k = 0; k < p.n; ++k) strides[k][m - 1] = p.strides[k][d];
  }
  if (m == 0) {
    p.sizes[0] = 1;
    for (int k = 0; k < p.n; ++k) strides[k][0] = 0;
    m = 1;
  }
  p.ndim = m;
  for (int k = 0; k < p.n; ++k) std::copy(strides[k], strides[k] + m, p.strides[k]);
}

}  // namespace rl
