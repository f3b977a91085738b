// Images whose channels lie innermost in memory (channels-last), so that a pixel is one stretch.
#pragma once
#include "../core/kernel.h"

namespace rl {
namespace {

inline bool in_pixels(const Array& a) { return a.channels_last() && !a.contiguous(); }

// A shape (batch, channels, space...) as such memory holds it.
inline IntList pixel_shape(const IntList& shape) {
  IntList order{shape[0]};
  order.insert(order.end(), shape.begin() + 2, shape.end());
  order.push_back(shape[1]);
  return order;
}

inline Array empty_pixels(DType t, const IntList& shape) {
  IntList order{0, static_cast<int64_t>(shape.size()) - 1};
  for (int64_t d = 1; d < order[1]; ++d) order.push_back(d);
  return Array::empty(t, pixel_shape(shape)).permute(order);
}

}  // namespace
}  // namespace rl
