// Max pooling: y[o] = max over the window of x, windows of k elements, `d` apart, every `s`.
//
// x (planes, D, H, W), y (planes, OD, OH, OW). One row of outputs at a time: for each window
// element a vector step over the row, so ties keep the first element and NaN wins, as PyTorch.
// Without indices the backward pass finds the winners again from x: that reads x once more but
// writes and reads no int64 indices (8 bytes an output). 2x2 windows with stride 2 are one pass
// that writes every element of the gradient.
#include <limits>

#include "pool.h"

namespace rl {
namespace {

template <class T> T lowest() {
  if constexpr (std::numeric_limits<T>::is_integer) return std::numeric_limits<T>::min();
  else return static_cast<T>(-std::numeric_limits<float>::infinity());
}

// One window element over outputs [o0, o1): S is the stride when known, else 0.
template <class T, int S, bool Where>
void take_larger(T* best, int32_t* at, const T* x, int32_t base, int64_t stride, int64_t o0, int64_t o1) {
  using A = typename accumulate_type<T>::type;
  const int64_t s = S ? S : stride;
#pragma omp simd
  for (int64_t o = o0; o < o1; ++o) {
    const A v = x[o * s], b = best[o];
    // Not short-circuit: one vector compare that is also true when v is NaN.
    const bool larger = !(v <= b) && !(b != b && v == v);
    best[o] = larger ? static_cast<T>(v) : best[o];
    if constexpr (Where) at[o] = larger ? base + static_cast<int32_t>(o * s) : at[o];
  }
}

template <class T, bool Where>
void take_larger_row(T* best, int32_t* at, const T* x, int32_t base, int64_t stride, int64_t o0, int64_t o1) {
  if (stride == 1) take_larger<T, 1, Where>(best, at, x, base, stride, o0, o1);
  else if (stride == 2) take_larger<T, 2, Where>(best, at, x, base, stride, o0, o1);
  else take_larger<T, 0, Where>(best, at, x, base, stride, o0, o1);
}

int64_t first_inside(const Windows& w, int d, int64_t o) {
  int64_t at = o * w.s[d] - w.p[d];
  if (at < 0) at += (-at + w.d[d] - 1) / w.d[d] * w.d[d];
  return at;
}

// One row of outputs: the largest values and, if asked, their positions in the plane.
template <class T, bool Where>
void max_row(const Windows& w, const T* plane, int64_t od, int64_t oh, T* best, int32_t* at) {
  const int64_t n = w.out[2], wide = w.in[2];
  std::fill(best, best + n, lowest<T>());
  if constexpr (Where) {
    const int64_t row = (first_inside(w, 0, od) * w.in[1] + first_inside(w, 1, oh)) * wide;
    for (int64_t o = 0; o < n; ++o) at[o] = static_cast<int32_t>(row + first_inside(w, 2, o));
  }
  for (int64_t a = 0; a < w.k[0]; ++a) {
    const int64_t z = od * w.s[0] - w.p[0] + a * w.d[0];
    if (z < 0 || z >= w.in[0]) continue;
    for (int64_t b = 0; b < w.k[1]; ++b) {
      const int64_t y = oh * w.s[1] - w.p[1] + b * w.d[1];
      if (y < 0 || y >= w.in[1]) continue;
      for (int64_t c = 0; c < w.k[2]; ++c) {
        int64_t o0, o1;
        valid_outputs(w, 2, c, &o0, &o1);
        const int64_t from = (z * w.in[1] + y) * wide + c * w.d[2] - w.p[2];
        take_larger_row<T, Where>(best, at, plane + from, static_cast<int32_t>(from), w.s[2], o0, o1);
      }
    }
  }
}

template <class T> void max_forward(const Windows& w, const T* x, T* y, int64_t* where) {
  const int64_t rows = w.out[0] * w.out[1];
  Scratch<int32_t> scratch(where ? static_cast<size_t>(num_threads()) * w.out[2] : 0);
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 0.3), [&](int64_t p0, int64_t p1) {
    int32_t* at = where ? scratch.get() + omp_get_thread_num() * w.out[2] : nullptr;
    for (int64_t p = p0; p < p1; ++p) {
      for (int64_t r = 0; r < rows; ++r) {
        T* best = y + (p * rows + r) * w.out[2];
        const T* plane = x + p * w.in_size();
        if (where) {
          max_row<T, true>(w, plane, r / w.out[1], r % w.out[1], best, at);
          int64_t* to = where + (p * rows + r) * w.out[2];
          for (int64_t o = 0; o < w.out[2]; ++o) to[o] = at[o];
        } else {
          max_row<T, false>(w, plane, r / w.out[1], r % w.out[1], best, nullptr);
        }
      }
    }
  });
}

bool is_2x2(const Windows& w) {
  return w.in[0] == 1 && w.k[0] == 1 && w.k[1] == 2 && w.k[2] == 2 && w.s[1] == 2 && w.s[2] == 2 &&
         w.p[0] + w.p[1] + w.p[2] == 0 && w.d[1] == 1 && w.d[2] == 1 &&
         w.out[1] * 2 <= w.in[1] && w.out[2] * 2 <= w.in[2];
}

// The gradient of one 2x2 plane, written whole: g goes to the first largest of the four.
template <class T> void max_back_2x2(const Windows& w, const T* x, const T* g, T* gx) {
  using A = typename accumulate_type<T>::type;
  const int64_t wide = w.in[2], n = w.out[2];
  for (int64_t r = 0; r < w.out[1]; ++r) {
    const T *x0 = x + 2 * r * wide, *x1 = x0 + wide;
    T *y0 = gx + 2 * r * wide, *y1 = y0 + wide;
    const T* gr = g + r * n;
#pragma omp simd
    for (int64_t o = 0; o < n; ++o) {
      const A a = x0[2 * o], b = x0[2 * o + 1], c = x1[2 * o], d = x1[2 * o + 1];
      const bool second = !(b <= a) && !(a != a && b == b);
      const A top = second ? b : a;
      const bool fourth = !(d <= c) && !(c != c && d == d);
      const A low = fourth ? d : c;
      const bool below = !(low <= top) && !(top != top && low == low);
      const T v = gr[o], z = static_cast<T>(0.0f);
      y0[2 * o] = !below && !second ? v : z;
      y0[2 * o + 1] = !below && second ? v : z;
      y1[2 * o] = below && !fourth ? v : z;
      y1[2 * o + 1] = below && fourth ? v : z;
    }
    std::fill(y0 + 2 * n, y0 + wide, T(0));
    std::fill(y1 + 2 * n, y1 + wide, T(0));
  }
  std::fill(gx + 2 * w.out[1] * wide, gx + w.in_size(), T(0));
}

template <class T> void max_backward(const Windows& w, const T* x, const T* g, T* gx) {
  using A = typename accumulate_type<T>::type;
  const int64_t rows = w.out[0] * w.out[1], n = w.out[2];
  const bool small = is_2x2(w);
  Scratch<int32_t> places(static_cast<size_t>(num_threads()) * n);
  Scratch<T> values(static_cast<size_t>(num_threads()) * n);
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 0.5), [&](int64_t p0, int64_t p1) {
    int32_t* at = places.get() + omp_get_thread_num() * n;
    T* best = values.get() + omp_get_thread_num() * n;
    for (int64_t p = p0; p < p1; ++p) {
      const T* plane = x + p * w.in_size();
      T* to = gx + p * w.in_size();
      if (small) {
        max_back_2x2(w, plane, g + p * w.out_size(), to);
        continue;
      }
      std::fill(to, to + w.in_size(), T(0));
      for (int64_t r = 0; r < rows; ++r) {
        max_row<T, true>(w, plane, r / w.out[1], r % w.out[1], best, at);
        const T* from = g + (p * rows + r) * n;
        for (int64_t o = 0; o < n; ++o) to[at[o]] = static_cast<T>(static_cast<A>(to[at[o]]) + static_cast<A>(from[o]));
      }
    }
  });
}

void check_plane(const char* op, const Windows& w) {
  if (w.in_size() > INT32_MAX)
    fail(ErrorType::Runtime, "%s: a plane may hold at most 2^31 - 1 elements, got %lld", op, static_cast<long long>(w.in_size()));
}

void max_pool(Call& call, int spatial, bool where) {
  const Array& input = call.tensor(0);
  const Windows w = windows_of(call, 1, input, spatial, true);
  check_plane(call.name(), w);
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape);
  const Array places = where ? Array::empty(DType::I64, w.out_shape) : Array();
  if (y.numel())
    visit_pooled("max_pool2d", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      max_forward<T>(w, x.data<T>(), y.data<T>(), where ? places.data<int64_t>() : nullptr);
    });
  call.result(like_input(y, input));
  if (where) call.result(like_input(places, input));
}

// g, input, kernel_size, stride, padding, dilation, ceil_mode
void max_pool_backward(Call& call, int spatial) {
  const Array& input = call.tensor(1);
  const Windows w = windows_of(call, 2, input, spatial, true);
  check_plane(call.name(), w);
  const Array x = input.contiguous_copy(), g = call.tensor(0).to(x.dtype()).contiguous_copy();
  if (!std::equal(w.out_shape.begin(), w.out_shape.end(), g.shape().begin(), g.shape().end()))
    fail(ErrorType::Runtime, "%s: gradient must have the output's shape: got %s, expected %s", call.name(),
         shape_text(g.shape()).c_str(), shape_text(w.out_shape).c_str());
  const Array y = Array::empty(x.dtype(), x.shape());
  if (y.numel())
    visit_pooled("max_pool2d_backward", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      max_backward<T>(w, x.data<T>(), g.data<T>(), y.data<T>());
    });
  call.result(like_input(y, input));
}

int64_t adaptive_start(int64_t o, int64_t out, int64_t in) { return o * in / out; }
int64_t adaptive_end(int64_t o, int64_t out, int64_t in) { return ((o + 1) * in + out - 1) / out; }

template <class T> void adaptive_max(const Windows& w, const T* x, T* y, int64_t* where) {
  using A = typename accumulate_type<T>::type;
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 1), [&](int64_t p0, int64_t p1) {
    for (int64_t i = p0 * w.out_size(); i < p1 * w.out_size(); ++i) {
      const int64_t o[3] = {i / w.out[2] / w.out[1] % w.out[0], i / w.out[2] % w.out[1], i % w.out[2]};
      int64_t lo[3], hi[3];
      for (int d = 0; d < 3; ++d) {
        lo[d] = adaptive_start(o[d], w.out[d], w.in[d]);
        hi[d] = adaptive_end(o[d], w.out[d], w.in[d]);
      }
      const T* plane = x + i / w.out_size() * w.in_size();
      int64_t best = (lo[0] * w.in[1] + lo[1]) * w.in[2] + lo[2];
      for (int64_t a = lo[0]; a < hi[0]; ++a)
        for (int64_t b = lo[1]; b < hi[1]; ++b)
          for (int64_t c = lo[2]; c < hi[2]; ++c) {
            const int64_t at = (a * w.in[1] + b) * w.in[2] + c;
            const A v = plane[at];
            if (v > static_cast<A>(plane[best]) || v != v) best = at;
          }
      y[i] = plane[best];
      where[i] = best;
    }
  });
}

void adaptive_max_pool(Call& call, int spatial) {
  const Array& input = call.tensor(0);
  Windows w = plane_sizes(call.name(), input, spatial);
  const IntList size = call.ints(1, spatial);
  for (int i = 0; i < spatial; ++i) {
    if (size[i] < 0) fail(ErrorType::Runtime, "%s: elements of output_size must be greater than or equal to 0, but got %lld", call.name(), static_cast<long long>(size[i]));
    w.out[3 - spatial + i] = w.out_shape[w.out_shape.size() - spatial + i] = size[i];
  }
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape), places = Array::empty(DType::I64, w.out_shape);
  if (y.numel())
    visit_pooled("adaptive_max_pool2d", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      adaptive_max<T>(w, x.data<T>(), y.data<T>(), places.data<int64_t>());
    });
  call.result(like_input(y, input));
  call.result(like_input(places, input));
}

}  // namespace

RL_KERNEL(max_pool2d) { max_pool(call, 2, false); }
RL_KERNEL(max_pool3d) { max_pool(call, 3, false); }
RL_KERNEL(max_pool2d_with_indices) { max_pool(call, 2, true); }
RL_KERNEL(max_pool3d_with_indices) { max_pool(call, 3, true); }
RL_KERNEL(max_pool2d_backward) { max_pool_backward(call, 2); }
RL_KERNEL(max_pool3d_backward) { max_pool_backward(call, 3); }
RL_KERNEL(adaptive_max_pool2d) { adaptive_max_pool(call, 2); }
RL_KERNEL(adaptive_max_pool3d) { adaptive_max_pool(call, 3); }

// g, indices, input_shape: every g added at its position in a plane of zeros.
RL_KERNEL(max_pool_scatter) {
  const Array g = call.tensor(0).contiguous_copy();
  const Array indices = index_values(call.tensor(1));
  const IntList shape = call.ints(2);
  if (!g.same_shape(indices))
    fail(ErrorType::Runtime, "max_pool: gradient and indices must have one shape: got %s and %s",
         shape_text(g.shape()).c_str(), shape_text(indices.shape()).c_str());
  const Array y = Array::empty(g.dtype(), shape);
  std::memset(y.bytes(), 0, y.nbytes());
  if (g.numel() && y.numel()) {
    // Indices count within one plane: the dims that both shapes share are the planes.
    int64_t planes = 1;
    for (int d = 0; d < g.ndim() - static_cast<int>(call.integer(3)); ++d) planes *= g.size(d);
    const int64_t in = y.numel() / planes, out = g.numel() / planes;
    const int64_t* at = indices.data<int64_t>();
    for (int64_t i = 0; i < g.numel(); ++i)
      if (at[i] < 0 || at[i] >= in)
        fail(ErrorType::Index, "max_pool: index %lld is out of bounds for a plane of %lld elements",
             static_cast<long long>(at[i]), static_cast<long long>(in));
    NoGil nogil(y.numel());
    visit_pooled("max_pool2d_backward", g.dtype(), [&](auto tag) {
      using T = decltype(tag);
      using A = typename accumulate_type<T>::type;
      parallel_for(planes, std::max<int64_t>(1, 16384 / out), [&](int64_t p0, int64_t p1) {
        for (int64_t i = p0 * out; i < p1 * out; ++i) {
          T& v = y.data<T>()[i / out * in + at[i]];
          v = static_cast<T>(static_cast<A>(v) + static_cast<A>(g.data<T>()[i]));
        }
      });
    });
  }
  call.result(y);
}

}  // namespace rl
