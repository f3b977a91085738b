// Resampling along one dim: y[i, o, j] = sum over k in [starts[o], starts[o + 1]) of
// weight[k] x[i, index[k], j], with x (outer, n, inner).
//
// A table of taps in rows (CSR) says what every output takes from where; its transpose makes the
// gradient, so this one kernel is interpolation in every mode, and back. One pass: where inner
// is small the taps gather from a row that stays in the first cache, else whole rows
// are added up.
#include "../core/kernel.h"
#include "walk.h"

namespace rl {
namespace {

constexpr int64_t kNarrow = 8;  // inner elements, of which a row would not fill vectors

struct Taps {
  int64_t rows;           // outputs along the dim
  const int64_t* starts;  // rows + 1
  const int64_t* index;   // places in [0, n)
  int64_t most = 0;       // taps of the longest row
  int64_t count(int64_t o) const { return starts[o + 1] - starts[o]; }
};

Taps check_taps(const Array& starts, const Array& index, const Array& weight, int64_t n) {
  if (starts.dtype() != DType::I64 || index.dtype() != DType::I64 || starts.ndim() != 1 ||
      starts.numel() < 1 || index.ndim() != 1 || weight.ndim() != 1 ||
      index.numel() != weight.numel())
    fail(ErrorType::Runtime, "resample: got a table of shapes %s, %s, %s, expected 1-d tables",
         shape_text(starts.shape()).c_str(), shape_text(index.shape()).c_str(),
         shape_text(weight.shape()).c_str());
  Taps t{starts.numel() - 1, starts.data<int64_t>(), index.data<int64_t>()};
  if (starts.is_meta()) return t;
  bool good = t.starts[0] == 0 && t.starts[t.rows] == index.numel();
  for (int64_t o = 0; o < t.rows; ++o) {
    good = good && t.count(o) >= 0;
    t.most = std::max(t.most, t.count(o));
  }
  for (int64_t k = 0; k < index.numel(); ++k) good = good && t.index[k] >= 0 && t.index[k] < n;
  if (!good)
    fail(ErrorType::Index, "resample: the table reaches outside of %lld elements",
         static_cast<long long>(n));
  return t;
}

// The table by taps instead of outputs, so that the outputs run in vector registers: place and
// weight k of output o at [k * rows + o]. Short rows are filled up with weight 0. With inner > 1
// every one of its elements is an output of its own.
template <class T>
struct Columns {
  Scratch<int32_t> place;
  Scratch<T> weight;
  int64_t rows;
  bool filled_up = false;
  Columns(const Taps& t, const T* w, int64_t inner)
      : place(t.most * t.rows * inner), weight(t.most * t.rows * inner), rows(t.rows * inner) {
    for (int64_t o = 0; o < t.rows; ++o) {
      const int64_t count = t.count(o);
      filled_up = filled_up || count < t.most;
      for (int64_t k = 0; k < t.most; ++k) {
        const int64_t at = t.starts[o] + std::min(k, count - 1);
        for (int64_t j = 0, to = k * rows + o * inner; j < inner; ++j, ++to) {
          place[to] = count ? static_cast<int32_t>(t.index[at] * inner + j) : 0;
          weight[to] = k < count ? w[at] : T(0);
        }
      }
    }
  }
};

template <int K, class T>
void gather_row(const T* x, T* y, const int32_t* place, const T* weight, int64_t rows) {
#pragma omp simd
  for (int64_t o = 0; o < rows; ++o) {
    T sum = weight[o] * x[place[o]];
    for (int k = 1; k < K; ++k) sum += weight[k * rows + o] * x[place[k * rows + o]];
    y[o] = sum;
  }
}

// Any number of taps. A weight that only fills up must not meet infinity.
template <class T>
void gather_row_any(const T* x, T* y, const Columns<T>& c, int64_t most, int64_t rows) {
  std::fill_n(y, rows, T(0));
  for (int64_t k = 0; k < most; ++k) {
    const int32_t* place = c.place.get() + k * rows;
    const T* weight = c.weight.get() + k * rows;
#pragma omp simd
    for (int64_t o = 0; o < rows; ++o) y[o] += weight[o] != 0 ? weight[o] * x[place[o]] : T(0);
  }
}

template <class T>
void along_last(const T* x, T* y, int64_t outer, int64_t n, const Taps& t, const Columns<T>& c) {
  const int64_t rows = c.rows;
  const double work = 2 + 0.25 * static_cast<double>(rows * t.most);
  parallel_for(outer, grain_of(work), [&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      const T* from = x + i * n;
      T* to = y + i * rows;
      if (!c.filled_up && t.most == 1)
        gather_row<1>(from, to, c.place.get(), c.weight.get(), rows);
      else if (!c.filled_up && t.most == 2)
        gather_row<2>(from, to, c.place.get(), c.weight.get(), rows);
      else if (!c.filled_up && t.most == 4)
        gather_row<4>(from, to, c.place.get(), c.weight.get(), rows);
      else
        gather_row_any(from, to, c, t.most, rows);
    }
  });
}

// y = sum of weighted rows of x, each `inner` long.
template <class T>
void add_rows(const T* x, T* y, int64_t inner, const int64_t* index, const T* w, int64_t count) {
  int64_t k = 0;
  if (count == 0) {
    std::fill_n(y, inner, T(0));
  } else if (count == 1) {
    const T* a = x + index[0] * inner;
    if (w[0] == 1 && inner > 64) {
      std::memcpy(y, a, inner * sizeof(T));
    } else if (w[0] == 1) {  // a pixel's channels: a call would cost more than the copy
#pragma omp simd
      for (int64_t j = 0; j < inner; ++j) y[j] = a[j];
    } else {
#pragma omp simd
      for (int64_t j = 0; j < inner; ++j) y[j] = w[0] * a[j];
    }
    k = 1;
  } else {
    const T *a = x + index[0] * inner, *b = x + index[1] * inner;
#pragma omp simd
    for (int64_t j = 0; j < inner; ++j) y[j] = w[0] * a[j] + w[1] * b[j];
    k = 2;
  }
  for (; k + 1 < count; k += 2) {
    const T *a = x + index[k] * inner, *b = x + index[k + 1] * inner;
#pragma omp simd
    for (int64_t j = 0; j < inner; ++j) y[j] += w[k] * a[j] + w[k + 1] * b[j];
  }
  if (k < count) {
    const T* a = x + index[k] * inner;
#pragma omp simd
    for (int64_t j = 0; j < inner; ++j) y[j] += w[k] * a[j];
  }
}

template <class T>
void along_other(const T* x, T* y, int64_t outer, int64_t n, int64_t inner, const Taps& t,
                 const T* w) {
  const double work = 3 + 0.06 * static_cast<double>(inner * t.most);
  parallel_for(outer * t.rows, grain_of(work), [&](int64_t r0, int64_t r1) {
    int64_t i = r0 / t.rows, o = r0 % t.rows;
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t s = t.starts[o];
      add_rows(x + i * n * inner, y + r * inner, inner, t.index + s, w + s, t.count(o));
      if (++o == t.rows) o = 0, ++i;
    }
  });
}

template <class T>
void resample(const Array& x, const Array& y, int dim, const Taps& t, const Array& weight) {
  int64_t outer = 1, inner = 1;
  for (int d = 0; d < dim; ++d) outer *= x.size(d);
  for (int d = dim + 1; d < x.ndim(); ++d) inner *= x.size(d);
  const int64_t n = x.size(dim);
  // Taps of their own for each of the inner elements pay where many rows use them.
  const bool narrow = inner == 1 || (inner <= kNarrow && outer >= 2 * inner);
  if (narrow && n * inner <= INT32_MAX) {
    const Columns<T> columns(t, weight.data<T>(), inner);
    NoGil nogil(y.numel());
    along_last(x.data<T>(), y.data<T>(), outer, n * inner, t, columns);
  } else {
    NoGil nogil(y.numel());
    along_other(x.data<T>(), y.data<T>(), outer, n, inner, t, weight.data<T>());
  }
}

}  // namespace

RL_KERNEL(resample) {  // input, dim, starts, index, weight; half types are summed in float32
  const Array& x = call.tensor(0);
  const int dim = call.dim(1, x.ndim());
  const DType compute = is_half(x.dtype()) ? DType::F32 : x.dtype();
  if (x.ndim() == 0 || !is_real(compute) || call.tensor(4).dtype() != compute)
    fail(ErrorType::Runtime,
         "resample: got %s of %s and weights of %s, expected floats of one or more dims and "
         "weights as precise as their sums",
         shape_text(x.shape()).c_str(), dtype_scalar_name(x.dtype()),
         dtype_scalar_name(call.tensor(4).dtype()));
  const Array starts = call.tensor(2).contiguous_copy(), index = call.tensor(3).contiguous_copy();
  const Array weight = call.tensor(4).contiguous_copy();
  const Array from = x.to(compute).contiguous_copy();
  const Taps taps = check_taps(starts, index, weight, x.size(dim));
  IntList shape(x.shape().begin(), x.shape().end());
  shape[dim] = taps.rows;
  const Array y = Array::empty(compute, shape);
  if (y.numel() && compute == DType::F32) resample<float>(from, y, dim, taps, weight);
  if (y.numel() && compute == DType::F64) resample<double>(from, y, dim, taps, weight);
  call.result(y.to(x.dtype()));
}

}  // namespace rl
