// Where a grid points: for a block of places the elements of a plane each reads, and with which
// weights.
//
// A place reads `Rows` runs of `Run` neighbouring elements: 1 x 1 (nearest), 2 x 2 (bilinear),
// 4 x 2 (trilinear) or 4 x 4 (bicubic). Where all of them are inside the plane they stand at fixed
// distances from the first: `base`; these places are `fast`. Of the others the elements that are
// inside are listed one by one. Nothing is ever read at an index that was not checked.
#pragma once
#include <cmath>
#include <cstring>

#include "core/kernel.h"

namespace rl {
namespace {

enum class Mode { Bilinear, Nearest, Bicubic };
enum class Padding { Zeros, Border, Reflection };

// x (N, C, spatial...), grid (N, places..., dims). Line 0 is the last dim of x, as in the grid.
struct Sampling {
  int dims;
  Mode mode;
  Padding padding;
  bool corners;
  int64_t batch, channels, places = 1, plane = 1;
  int64_t size[3] = {1, 1, 1}, step[3] = {0, 0, 0};
};

template <int Rows_, int Run_>
struct Taps {
  static constexpr int Rows = Rows_, Run = Run_, K = Rows * Run;
  static constexpr int64_t places = K == 1 ? 256 : 1024 / K;  // of a block
};

template <class C, class L>
struct Block {
  static constexpr int K = L::K;
  static constexpr int64_t capacity = L::places;
  alignas(64) C weight[capacity * K];
  C low[3][capacity], part[3][capacity], slope[3][capacity];
  int cell[3][capacity];  // the first element along each axis
  int64_t base[capacity];
  int64_t rows[L::Rows];  // of each run, from base
  int64_t count = 0, fast_count = 0, listed = 0;
  int fast[capacity], partial[capacity];
  int beyond[capacity], is_fast[capacity];
  C start[capacity];                // what the sum of a place begins with that is not fast
  int slot[capacity * K + 1];       // listed elements: place * K + which of its elements,
  int64_t index[capacity * K + 1];  // and where in the plane
};

constexpr double kFar = 1 << 30;  // no size reaches this, so smaller places fit an int

// Brought into [low, low + span] by reflecting at both ends; NaN and infinity give NaN.
template <class C>
inline C reflected(C u, C low, C span) {
  const C distance = std::abs(u - low), flips = std::floor(distance / span);
  const C extra = distance - flips * span;
  return flips - 2 * std::floor(flips / 2) == 0 ? extra + low : span - extra + low;
}

template <class C>
struct Line {
  C last, low, span, nan;  // the last element, the range of reflection, where NaN goes
  Line(const Sampling& s, int axis)
      : last(static_cast<C>(s.size[axis] - 1)),
        low(s.corners ? C(0) : C(-0.5)),
        span(s.corners ? last : static_cast<C>(s.size[axis])),
        nan(s.dims == 2 ? C(0) : last) {}
  C clipped(C u) const {
    const C inside = u < 0 ? C(0) : u > last ? last : u;
    return u != u ? nan : inside;
  }
};

// Coordinates of [-1, 1] in elements, not yet padded.
template <class C>
void in_elements(const Sampling& s, int axis, const C* __restrict grid, int64_t n,
                 C* __restrict u) {
  const int64_t dims = s.dims;
  const C size = static_cast<C>(s.size[axis]);
  const C scale = (s.corners ? size - 1 : size) / 2, shift = s.corners ? C(0) : C(0.5);
  // One rounding in a plane, where the processor can, and two in a volume, as in PyTorch: on that
  // it hangs which element is nearest to a place half-way between two.
  const C fused = dims == 2 ? shift : C(0), apart = shift - fused;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) u[i] = (grid[i * dims + axis] + 1) * scale - fused;
  if (apart != 0)
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) u[i] -= apart;
}

// Coordinates brought inside as border and reflection do, and the derivative of that.
template <class C>
void pad_places(const Sampling& s, int axis, int64_t n, C* __restrict u, C* __restrict slope) {
  const Line<C> a(s, axis);
  if (s.padding == Padding::Border) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      slope[i] = u[i] > 0 && u[i] < a.last ? slope[i] : C(0);
      u[i] = a.clipped(u[i]);
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const C flips = std::floor((u[i] - a.low) / a.span);
      const C sign = flips - 2 * std::floor(flips / 2) == 0 ? C(1) : C(-1);
      const C r = reflected(u[i], a.low, a.span);
      slope[i] = r > 0 && r < a.last ? slope[i] * sign : C(0);
      u[i] = a.clipped(r);
    }
  }
}

// low and part of every place along one axis: u = low + part.
template <class C, class L>
void locate(const Sampling& s, int axis, const C* grid, Block<C, L>& b) {
  C* __restrict u = b.part[axis], * __restrict low = b.low[axis], * __restrict slope = b.slope[axis];
  const int64_t n = b.count;
  in_elements(s, axis, grid, n, u);
  const C scale = static_cast<C>(s.corners ? s.size[axis] - 1 : s.size[axis]) / 2;
  std::fill_n(slope, n, scale);
  if (s.padding != Padding::Zeros && s.mode != Mode::Bicubic) pad_places(s, axis, n, u, slope);
  if (s.mode == Mode::Nearest) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) low[i] = std::nearbyint(u[i]);
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      low[i] = std::floor(u[i]);
      u[i] -= low[i];
    }
  }
}

// Keys' cubic, a = -3/4: weights of the four elements around t in [0, 1), and their derivatives.
template <class C>
inline void cubic(C t, C* w) {
  const C a = C(-0.75), x = t + 1, y = 1 - t, z = 2 - t;
  w[0] = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  w[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  w[2] = ((a + 2) * y - (a + 3)) * y * y + 1;
  w[3] = ((a * z - 5 * a) * z + 8 * a) * z - 4 * a;
}
template <class C>
inline void cubic_slopes(C t, C* w) {
  const C a = C(-0.75), x = t + 1, y = 1 - t, z = 2 - t;
  w[0] = (3 * a * x - 10 * a) * x + 8 * a;
  w[1] = (3 * (a + 2) * t - 2 * (a + 3)) * t;
  w[2] = -(3 * (a + 2) * y - 2 * (a + 3)) * y;
  w[3] = -((3 * a * z - 10 * a) * z + 8 * a);
}

template <class C, class L>
void weigh(Block<C, L>& b) {
  C* __restrict w = b.weight;
  const C* __restrict x = b.part[0], * __restrict y = b.part[1], * __restrict z = b.part[2];
  const int64_t n = b.count;
  if constexpr (L::K == 1) {
    std::fill_n(w, n, C(1));
  } else if constexpr (L::K == 4) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      w[4 * i] = (1 - x[i]) * (1 - y[i]);
      w[4 * i + 1] = x[i] * (1 - y[i]);
      w[4 * i + 2] = (1 - x[i]) * y[i];
      w[4 * i + 3] = x[i] * y[i];
    }
  } else if constexpr (L::K == 8) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const C p = (1 - x[i]) * (1 - y[i]), q = x[i] * (1 - y[i]), r = (1 - x[i]) * y[i],
              t = x[i] * y[i];
      w[8 * i] = p * (1 - z[i]);
      w[8 * i + 1] = q * (1 - z[i]);
      w[8 * i + 2] = r * (1 - z[i]);
      w[8 * i + 3] = t * (1 - z[i]);
      w[8 * i + 4] = p * z[i];
      w[8 * i + 5] = q * z[i];
      w[8 * i + 6] = r * z[i];
      w[8 * i + 7] = t * z[i];
    }
  } else {
    for (int64_t i = 0; i < n; ++i) {
      C across[4], down[4];
      cubic(x[i], across);
      cubic(y[i], down);
      for (int j = 0; j < 4; ++j)
        for (int k = 0; k < 4; ++k) w[16 * i + 4 * j + k] = across[k] * down[j];
    }
  }
}

// The index along an axis of element k of a place, or -1.
template <class C, class L>
int64_t element(const Sampling& s, const Block<C, L>& b, int axis, int64_t place, int k) {
  const int64_t i = b.cell[axis][place] + k;
  if (L::Run < 4 || s.padding == Padding::Zeros) return i >= 0 && i < s.size[axis] ? i : -1;
  // Each element of the cubic is brought inside by itself.
  const Line<C> line(s, axis);
  const C at = b.low[axis][place] + static_cast<C>(k - 1);
  const C inside =
      line.clipped(s.padding == Padding::Border ? at : reflected(at, line.low, line.span));
  return std::min(static_cast<int64_t>(inside), s.size[axis] - 1);
}

// Lists the elements of a place that are inside.
template <class C, class L>
void list_elements(const Sampling& s, Block<C, L>& b, int64_t place) {
  constexpr int wide = L::Run, high = L::K == 8 ? 2 : L::Rows, deep = L::K == 8 ? 2 : 1;
  int64_t at[3][4] = {};
  for (int axis = 0; axis < s.dims; ++axis)
    for (int k = 0; k < wide; ++k) at[axis][k] = element(s, b, axis, place, k);
  for (int z = 0; z < deep; ++z)
    for (int y = 0; y < high; ++y)
      for (int x = 0; x < wide; ++x) {
        b.slot[b.listed] = static_cast<int>(place) * L::K + (z * high + y) * wide + x;
        b.index[b.listed] = at[0][x] + at[1][y] * s.step[1] + at[2][z] * s.step[2];
        b.listed += at[0][x] >= 0 && at[1][y] >= 0 && at[2][z] >= 0;
      }
}

// Sorts the places into fast and other ones, without branches: they may lie anyhow.
template <class C, class L>
void sort_places(const Sampling& s, Block<C, L>& b) {
  const int count = static_cast<int>(b.count);
  int64_t* __restrict base = b.base;
  int* __restrict is_fast = b.is_fast;
  int fast_count = 0;
#pragma omp simd reduction(+ : fast_count)
  for (int i = 0; i < count; ++i) {
    is_fast[i] = base[i] >= 0;
    fast_count += is_fast[i];
  }
  b.listed = 0;
  b.fast_count = fast_count;
  if (fast_count == count) {
    for (int i = 0; i < count; ++i) b.fast[i] = i;
    return;
  }
  // The cubic brings the elements of every place inside, if there is padding.
  const int most = L::Run == 4 && s.padding != Padding::Zeros ? s.dims : 0;
  int64_t fast = 0, partial = 0;
  for (int i = 0; i < count; ++i) {
    b.fast[fast] = b.partial[partial] = i;
    fast += is_fast[i];
    partial += !is_fast[i] & (b.beyond[i] <= most);
  }
  // In a plane a place that is NaN gives NaN, in a volume 0.
  const C* __restrict x = b.part[0], * __restrict y = b.part[1];
  C* __restrict start = b.start;
  constexpr bool shows_nan = L::K == 4 || L::K == 16;
#pragma omp simd
  for (int i = 0; i < count; ++i) {
    base[i] = is_fast[i] ? base[i] : 0;
    start[i] = shows_nan ? 0 * (x[i] + y[i]) : C(0);
  }
  for (int64_t j = 0; j < partial; ++j) list_elements(s, b, b.partial[j]);
}

// The first element of every place along one axis; places far outside or NaN get one far outside.
template <class C>
void find_cells(const C* __restrict low, int64_t n, int first, int* __restrict cell) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const C near = low[i] >= -4 && low[i] < static_cast<C>(kFar) ? low[i] : C(-8);
    cell[i] = static_cast<int>(near) + first;
  }
}

// Adds one axis to base, or makes it -1 where not all `run` elements are inside; `beyond` counts
// the axes along which none is.
inline void add_axis(const int* __restrict cell, int64_t n, int run, int size, int64_t step,
                     int64_t* __restrict base, int* __restrict beyond) {
  const int last = size - run;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const int k = cell[i];
    beyond[i] += (k <= -run) | (k >= size);
    base[i] = (base[i] >= 0) & (k >= 0) & (k <= last) ? base[i] + k * step : -1;
  }
}

// Everything about the places grid[0..count).
template <class C, class L>
void prepare(const Sampling& s, const C* grid, int64_t count, Block<C, L>& b) {
  b.count = count;
  for (int r = 0; r < L::Rows; ++r)
    b.rows[r] = L::K == 8 ? r % 2 * s.step[1] + r / 2 * s.step[2] : r * s.step[1];
  std::fill_n(b.base, count, 0);
  std::fill_n(b.beyond, count, 0);
  for (int axis = 0; axis < s.dims; ++axis) {
    locate(s, axis, grid, b);
    find_cells(b.low[axis], count, L::Run == 4 ? -1 : 0, b.cell[axis]);
    add_axis(b.cell[axis], count, L::Run, static_cast<int>(s.size[axis]), s.step[axis], b.base,
             b.beyond);
  }
  weigh(b);
  sort_places(s, b);
}

}  // namespace
}  // namespace rl
