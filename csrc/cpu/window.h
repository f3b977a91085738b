// Numbers that place a window (kernel size, stride, padding, dilation): small enough for products
// of two of them to be counted.
#pragma once
#include "../core/kernel.h"

namespace rl {

inline void check_window_numbers(const char* op, const IntList& values) {
  for (const int64_t v : values)
    if (v > INT32_MAX || v < INT32_MIN)
      fail(ErrorType::Runtime,
           "%s: value cannot be converted to type int without overflow: got %lld", op,
           static_cast<long long>(v));
}

}  // namespace rl
