// Singular values of many small matrices: the kernel for this machine.
#pragma once
#include <cstdint>

namespace rl {

constexpr int64_t kSmallValues = 16;  // most rows and columns

// values (count, min(rows, columns)), descending, of finite real matrices (count, rows, columns).
struct SmallValues {
  void (*singles)(const float* a, int64_t count, int rows, int columns, float* values);
  void (*doubles)(const double* a, int64_t count, int rows, int columns, double* values);
};
void register_small_values(int level, const SmallValues& kernel);

}  // namespace rl
