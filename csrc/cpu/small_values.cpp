// Singular values of small matrices, eight of them in the lanes of vectors: Jacobi's rotations from
// one side (Hestenes 1958).
//
//   a (count, rows, columns) -> values (count, min(rows, columns))
//
// Each rotation makes two columns orthogonal; when all pairs are, their lengths are the values.
// Lanes turn together until the last is done. float32 is computed in double.
#include "small_values.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <type_traits>

#include "../core/parallel.h"

namespace rl {
namespace {

constexpr int kLanes = 8;
typedef double Lanes __attribute__((vector_size(8 * kLanes)));

inline Lanes root(Lanes x) {
  double each[kLanes];
  std::memcpy(each, &x, sizeof x);
#pragma omp simd
  for (int l = 0; l < kLanes; ++l) each[l] = std::sqrt(each[l]);
  std::memcpy(&x, each, sizeof x);
  return x;
}
using Mask = decltype(Lanes() > 0);
inline bool any(Mask mask) {
  int64_t each[kLanes], found = 0;
  std::memcpy(each, &mask, sizeof mask);
#pragma omp simd reduction(| : found)
  for (int l = 0; l < kLanes; ++l) found |= each[l];
  return found != 0;
}

struct Block {
  int n, length;  // columns, not more of them than rows
  Lanes x[kSmallValues][kSmallValues], squares[kSmallValues];

  // Columns p and q made orthogonal; whether some lane still had to.
  bool rotate(int p, int q, double tolerance) {
    Lanes product{};
    for (int i = 0; i < length; ++i) product += x[p][i] * x[q][i];
    const Mask needed = product * product > tolerance * tolerance * squares[p] * squares[q];
    if (!any(needed)) return false;
    const Lanes zeta = (squares[q] - squares[p]) / (2 * (needed ? product : Lanes{} + 1));
    const Lanes size = zeta < 0 ? -zeta : zeta, angle = 1 / (size + root(1 + zeta * zeta));
    const Lanes tangent = needed ? (zeta < 0 ? -angle : angle) : Lanes{};
    const Lanes cosine = 1 / root(1 + tangent * tangent), sine = cosine * tangent;
    squares[p] -= tangent * product;
    squares[q] += tangent * product;
    for (int i = 0; i < length; ++i) {
      const Lanes a = x[p][i], b = x[q][i];
      x[p][i] = cosine * a - sine * b;
      x[q][i] = sine * a + cosine * b;
    }
    return true;
  }

  void measure() {
    for (int p = 0; p < n; ++p) {
      squares[p] = Lanes{};
      for (int i = 0; i < length; ++i) squares[p] += x[p][i] * x[p][i];
    }
  }

  void orthogonalize(double tolerance) {
    constexpr int kMostSweeps = 40;  // six or seven are usual
    bool turned = true;
    for (int sweep = 0; sweep < kMostSweeps && turned; ++sweep) {
      measure();
      turned = false;
      for (int p = 0; p < n; ++p)
        for (int q = p + 1; q < n; ++q) turned |= rotate(p, q, tolerance);
    }
    measure();
  }
};

// A power of two that brings a matrix near 1, where no square leaves the range.
template <class T>
double scale_of(const T* a, int64_t cells) {
  if (std::is_same_v<T, float>) return 1;
  double most = 0;
  for (int64_t i = 0; i < cells; ++i) most = std::max(most, std::fabs(static_cast<double>(a[i])));
  return most == 0 ? 1 : std::ldexp(1.0, std::clamp(-std::ilogb(most), -1000, 1000));
}

template <class T>
void some_values(const T* a, int64_t count, int rows, int columns, T* values) {
  const int64_t cells = static_cast<int64_t>(rows) * columns;
  const bool wide = columns > rows;  // then the rows are what is made orthogonal
  Block block{std::min(rows, columns), std::max(rows, columns), {}, {}};
  double scale[kLanes];
  for (int64_t l = 0; l < count; ++l, a += cells) {
    scale[l] = scale_of(a, cells);
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < columns; ++j)
        (wide ? block.x[i][j] : block.x[j][i])[l] =
            scale[l] * static_cast<double>(a[i * columns + j]);
  }
  block.orthogonalize(std::is_same_v<T, float> ? 1e-8 : 4.4e-16 * block.length);  // their rounding
  for (int64_t l = 0; l < count; ++l, values += block.n) {
    for (int p = 0; p < block.n; ++p)
      values[p] = static_cast<T>(std::sqrt(block.squares[p][l]) / scale[l]);
    std::sort(values, values + block.n, std::greater<T>());
  }
}

template <class T>
void all_values(const T* a, int64_t count, int rows, int columns, T* values) {
  const int64_t n = std::min(rows, columns), cells = static_cast<int64_t>(rows) * columns;
  const double rotation = 15 + 2 * static_cast<double>(std::max(rows, columns));
  const double ns = 100 + static_cast<double>(3 * n * (n - 1)) * rotation;
  parallel_for((count + kLanes - 1) / kLanes, grain_of(ns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * kLanes; i < std::min(end * kLanes, count); i += kLanes)
      some_values(a + i * cells, std::min<int64_t>(kLanes, count - i), rows, columns,
                  values + i * n);
  });
}

const struct SmallValuesRegistrar {
  SmallValuesRegistrar() {
    register_small_values(RL_LEVEL, {all_values<float>, all_values<double>});
  }
} registrar;

}  // namespace
}  // namespace rl
