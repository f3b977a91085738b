// Sampling images at given places (Jaderberg et al. 2015), and its gradients.
//
// x (N, C, H, W) or (N, C, D, H, W), grid (N, places, dims) in [-1, 1], y (N, C, places):
//
//   y[n, c, p]       = sum of w[k] x[n, c, i[k]] over the elements i around the place grid[n, p]
//   gx[n, c, i[k]]  += w[k] g[n, c, p]
//   ggrid[n, p, d]   = sum over k of dw[k]/dgrid[d] (sum over c of g[n, c, p] x[n, c, i[k]])
//
// Elements and weights are found once for a block of places (grid_sample.h), then used for all
// channels. y and ggrid: threads take blocks of places. gx: threads take whole planes, so that the
// order of the sums is the same for any number of threads.
#include "grid_sample.h"

namespace rl {
namespace {

template <class C>
struct Vectors {
  typedef C two __attribute__((vector_size(2 * sizeof(C))));
  typedef C four __attribute__((vector_size(4 * sizeof(C))));
};
template <class C>
using Four = typename Vectors<C>::four;

// Vectors go by reference: wide ones in registers are no part of the baseline's calls.

// Elements 4 q to 4 q + 3 of a place.
template <class C, class L>
inline void four_elements(const C* at, const int64_t* rows, int q, Four<C>& v) {
  if constexpr (L::Run == 4) {
    std::memcpy(&v, at + rows[q], sizeof(v));
  } else {
    typename Vectors<C>::two a, b;
    std::memcpy(&a, at + rows[2 * q], sizeof(a));
    std::memcpy(&b, at + rows[2 * q + 1], sizeof(b));
    v = __builtin_shufflevector(a, b, 0, 1, 2, 3);
  }
}

template <class C, class L>
inline void weighted(const Block<C, L>& b, const C* plane, int64_t i, Four<C>& sum) {
  sum = Four<C>{};
  for (int q = 0; q < L::K / 4; ++q) {
    Four<C> w, v;
    std::memcpy(&w, b.weight + i * L::K + 4 * q, sizeof(w));
    four_elements<C, L>(plane + b.base[i], b.rows, q, v);
    sum += w * v;
  }
}

// The sums over each of four vectors.
template <class F>
inline void four_sums(const F& a, const F& b, const F& c, const F& d, F& out) {
  const F ab =
      __builtin_shufflevector(a, b, 0, 4, 2, 6) + __builtin_shufflevector(a, b, 1, 5, 3, 7);
  const F cd =
      __builtin_shufflevector(c, d, 0, 4, 2, 6) + __builtin_shufflevector(c, d, 1, 5, 3, 7);
  out = __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

template <class C, class L>
void sample_fast(const Block<C, L>& b, const C* plane, C* out) {
  if constexpr (L::K == 1) {
    int64_t i = 0;
    for (; i + 4 <= b.count; i += 4) {  // four loads are quicker than one gather of four
      const int64_t* at = b.base + i;
      const Four<C> v{plane[at[0]], plane[at[1]], plane[at[2]], plane[at[3]]};
      std::memcpy(out + i, &v, sizeof(v));
    }
    for (; i < b.count; ++i) out[i] = plane[b.base[i]];
  } else {
    const int64_t whole = b.count / 4 * 4;
    Four<C> v0, v1, v2, v3, sums;
    for (int64_t i = 0; i < whole; i += 4) {
      weighted(b, plane, i, v0);
      weighted(b, plane, i + 1, v1);
      weighted(b, plane, i + 2, v2);
      weighted(b, plane, i + 3, v3);
      four_sums(v0, v1, v2, v3, sums);
      std::memcpy(out + i, &sums, sizeof(sums));
    }
    for (int64_t i = whole; i < b.count; ++i) {
      weighted(b, plane, i, v0);
      out[i] = (v0[0] + v0[1]) + (v0[2] + v0[3]);
    }
  }
}

template <class C, class L>
void sample_plane(const Block<C, L>& b, const C* plane, C* out) {
  if (b.fast_count == b.count) return sample_fast(b, plane, out);
  const C* __restrict start = b.start;
  const int* __restrict is_fast = b.is_fast;
  if (b.fast_count == 0) {
    std::copy_n(start, b.count, out);
  } else {
    // With base 0 the other places read the first cell: there is one if any place is fast.
    sample_fast(b, plane, out);
#pragma omp simd
    for (int64_t i = 0; i < b.count; ++i) out[i] = is_fast[i] ? out[i] : start[i];
  }
  for (int64_t j = 0; j < b.listed; ++j)
    out[b.slot[j] / L::K] += b.weight[b.slot[j]] * plane[b.index[j]];
}

template <class C, class L>
void spread_plane(const Block<C, L>& b, const C* __restrict g, C* __restrict plane) {
  for (int64_t j = 0; j < b.fast_count; ++j) {
    const int64_t i = b.fast[j];
    C* __restrict at = plane + b.base[i];
    const C* __restrict w = b.weight + i * L::K;
    for (int r = 0; r < L::Rows; ++r)
      for (int k = 0; k < L::Run; ++k) at[b.rows[r] + k] += w[r * L::Run + k] * g[i];
  }
  for (int64_t j = 0; j < b.listed; ++j)
    plane[b.index[j]] += b.weight[b.slot[j]] * g[b.slot[j] / L::K];
}

// dots[i, k] += g[i] x[element k of place i]
template <class C, class L>
void add_dots(const Block<C, L>& b, const C* __restrict g, const C* __restrict plane,
              C* __restrict dots) {
  for (int64_t j = 0; j < b.fast_count; ++j) {
    const int64_t i = b.fast[j];
    for (int q = 0; q < L::K / 4; ++q) {
      C* to = dots + i * L::K + 4 * q;
      Four<C> d, v;
      std::memcpy(&d, to, sizeof(d));
      four_elements<C, L>(plane + b.base[i], b.rows, q, v);
      d += g[i] * v;
      std::memcpy(to, &d, sizeof(d));
    }
  }
  for (int64_t j = 0; j < b.listed; ++j) dots[b.slot[j]] += g[b.slot[j] / L::K] * plane[b.index[j]];
}

// The gradient of a place's coordinates from its dots.
template <class C, class L>
void grid_gradient(const Block<C, L>& b, int64_t i, const C* dots, C* out) {
  constexpr int dims = L::K == 8 ? 3 : 2, wide = L::Run;
  C w[dims][wide], d[dims][wide];
  for (int axis = 0; axis < dims; ++axis) {
    const C t = b.part[axis][i];
    if constexpr (wide == 4) {
      cubic(t, w[axis]);
      cubic_slopes(t, d[axis]);
    } else {
      w[axis][0] = 1 - t, w[axis][1] = t;
      d[axis][0] = -1, d[axis][1] = 1;
    }
  }
  C sum[dims] = {};
  for (int k = 0; k < L::K; ++k) {
    const int x = k % wide, y = k / wide % wide, z = k / (wide * wide);
    if constexpr (dims == 3) {
      sum[0] += dots[k] * (d[0][x] * w[1][y] * w[2][z]);
      sum[1] += dots[k] * (w[0][x] * d[1][y] * w[2][z]);
      sum[2] += dots[k] * (w[0][x] * w[1][y] * d[2][z]);
    } else {
      sum[0] += dots[k] * (d[0][x] * w[1][y]);
      sum[1] += dots[k] * (w[0][x] * d[1][y]);
    }
  }
  for (int axis = 0; axis < dims; ++axis) out[axis] = sum[axis] * b.slope[axis][i];
}

// f(block, sample, first place) for all blocks of all samples, in threads.
template <class C, class L, class F>
void each_block(const Sampling& s, const C* grid, F&& f) {
  const int64_t blocks = (s.places + L::places - 1) / L::places;
  const int64_t work = L::places * (L::K * s.channels + 16);
  parallel_for(
      s.batch * blocks, grain_of(0.15 * static_cast<double>(work)), [&](int64_t i0, int64_t i1) {
        Block<C, L> b;
        for (int64_t i = i0; i < i1; ++i) {
          const int64_t n = i / blocks, p = i % blocks * L::places;
          prepare(s, grid + (n * s.places + p) * s.dims, std::min(L::places, s.places - p), b);
          f(b, n, p);
        }
      });
}

template <class C, class L>
void forward(const Sampling& s, const C* x, const C* grid, C* y) {
  each_block<C, L>(s, grid, [&](const Block<C, L>& b, int64_t n, int64_t p) {
    for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c)
      sample_plane(b, x + c * s.plane, y + c * s.places + p);
  });
}

template <class C, class L>
void input_gradient(const Sampling& s, const C* g, const C* grid, C* gx) {
  // Channels are shared out only where there are fewer samples than threads.
  const int64_t parts = std::clamp<int64_t>(num_threads() / s.batch, 1, s.channels);
  const int64_t work = s.places * (L::K * s.channels + 16) / parts;
  parallel_for(
      s.batch * parts, grain_of(1 + 0.3 * static_cast<double>(work)), [&](int64_t i0, int64_t i1) {
        Block<C, L> b;
        for (int64_t i = i0; i < i1; ++i) {
          const int64_t n = i / parts, part = i % parts;
          const int64_t c0 = n * s.channels + s.channels * part / parts,
                        c1 = n * s.channels + s.channels * (part + 1) / parts;
          std::fill(gx + c0 * s.plane, gx + c1 * s.plane, C(0));
          for (int64_t p = 0; p < s.places; p += L::places) {
            prepare(s, grid + (n * s.places + p) * s.dims, std::min(L::places, s.places - p), b);
            for (int64_t c = c0; c < c1; ++c)
              spread_plane(b, g + c * s.places + p, gx + c * s.plane);
          }
        }
      });
}

template <class C, class L>
void places_gradient(const Sampling& s, const C* g, const C* x, const C* grid, C* ggrid) {
  each_block<C, L>(s, grid, [&](const Block<C, L>& b, int64_t n, int64_t p) {
    alignas(64) C dots[L::places * L::K];
    std::fill_n(dots, b.count * L::K, C(0));
    for (int64_t c = n * s.channels; c < (n + 1) * s.channels; ++c)
      add_dots(b, g + c * s.places + p, x + c * s.plane, dots);
    C* out = ggrid + (n * s.places + p) * s.dims;
    for (int64_t i = 0; i < b.count; ++i) grid_gradient(b, i, dots + i * L::K, out + i * s.dims);
  });
}

// f(a value of the compute type, the arrangement of elements)
template <class F>
void visit_sampling(const Sampling& s, DType t, F&& f) {
  const auto arranged = [&](auto tag) {
    if (s.mode == Mode::Nearest)
      f(tag, Taps<1, 1>{});
    else if (s.mode == Mode::Bicubic)
      f(tag, Taps<4, 4>{});
    else if (s.dims == 2)
      f(tag, Taps<2, 2>{});
    else
      f(tag, Taps<4, 2>{});
  };
  if (t == DType::F64)
    arranged(double{});
  else
    arranged(float{});
}

void check_shapes(const Array& x, const Array& grid) {
  const auto refuse = [&](const char* wanted) {
    fail(ErrorType::Runtime,
         "grid_sampler(): expected %s, but got input with sizes %s and grid with sizes %s", wanted,
         shape_text(x.shape()).c_str(), shape_text(grid.shape()).c_str());
  };
  if (x.ndim() == 0 || grid.ndim() == 0 || x.size(0) != grid.size(0))
    refuse("grid and input to have same batch size");
  if (x.ndim() < 4 || x.ndim() > 5 || x.ndim() != grid.ndim())
    refuse("4D or 5D input and grid with same number of dimensions");
  if (grid.size(-1) != x.ndim() - 2)
    fail(ErrorType::Runtime,
         "grid_sampler(): expected grid to have size %d in last dimension, but got grid with "
         "sizes %s",
         x.ndim() - 2, shape_text(grid.shape()).c_str());
  for (int d = 2; d < x.ndim(); ++d) {
    if (x.size(d) == 0)
      fail(ErrorType::Runtime,
           "grid_sampler(): expected input to have non-empty spatial dimensions, but input has "
           "sizes %s with dimension %d being empty",
           shape_text(x.shape()).c_str(), d);
    if (static_cast<double>(x.size(d)) >= kFar)
      fail(ErrorType::Runtime, "grid_sampler(): input is too large: got sizes %s",
           shape_text(x.shape()).c_str());
  }
}

// interpolation_mode, padding_mode, align_corners from argument `first` on.
Sampling sampling_of(Call& call, const Array& x, const Array& grid, int first) {
  check_shapes(x, grid);
  const int64_t mode = call.integer(first), padding = call.integer(first + 1);
  if (mode < 0 || mode > 2 || padding < 0 || padding > 2)
    fail(ErrorType::Value,
         "grid_sampler(): expected modes 0, 1 or 2, but got interpolation_mode %lld and "
         "padding_mode %lld",
         static_cast<long long>(mode), static_cast<long long>(padding));
  Sampling s{x.ndim() - 2,
             static_cast<Mode>(mode),
             static_cast<Padding>(padding),
             call.boolean(first + 2),
             x.size(0),
             x.size(1)};
  if (s.mode == Mode::Bicubic && s.dims == 3)
    fail(ErrorType::Runtime, "grid_sampler(): bicubic interpolation only supports 4D input");
  if (!is_real(x.dtype()))
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'",
         s.dims == 2 ? "grid_sampler_2d_cpu_kernel_impl" : "grid_sampler3d_cpu",
         dtype_scalar_name(x.dtype()));
  if (x.dtype() != grid.dtype())
    fail(ErrorType::Runtime,
         "grid_sampler(): expected scalar type %s but found %s: input and grid must have the same "
         "dtype",
         dtype_scalar_name(x.dtype()), dtype_scalar_name(grid.dtype()));
  for (int axis = 0; axis < s.dims; ++axis) {
    s.size[axis] = x.size(-1 - axis);
    s.step[axis] = s.plane;
    s.plane *= s.size[axis];
  }
  for (int d = 1; d < grid.ndim() - 1; ++d) s.places *= grid.size(d);
  return s;
}

IntList output_shape(const Array& x, const Array& grid) {
  IntList shape{x.size(0), x.size(1)};
  for (int d = 1; d < grid.ndim() - 1; ++d) shape.push_back(grid.size(d));
  return shape;
}

// What the loops run on: half types are sampled in float32.
Array computed(const Array& a) {
  return (is_half(a.dtype()) ? a.to(DType::F32) : a).contiguous_copy();
}

}  // namespace

// input, grid, interpolation_mode, padding_mode, align_corners
RL_KERNEL(grid_sampler) {
  const DType t = call.tensor(0).dtype();
  const Sampling s = sampling_of(call, call.tensor(0), call.tensor(1), 2);
  const IntList shape = output_shape(call.tensor(0), call.tensor(1));
  const Array x = computed(call.tensor(0)), grid = computed(call.tensor(1));
  const Array y = Array::empty(x.dtype(), shape);
  if (y.numel())
    visit_sampling(s, x.dtype(), [&](auto tag, auto taps) {
      using C = decltype(tag);
      NoGil nogil(y.numel(), 10000);
      forward<C, decltype(taps)>(s, x.data<C>(), grid.data<C>(), y.data<C>());
    });
  call.result(y.to(t));
}

// grad, input, grid, interpolation_mode, padding_mode, align_corners, want_input, want_grid;
// results: the gradients of input and grid, empty where not wanted.
RL_KERNEL(grid_sampler_backward) {
  const DType t = call.tensor(1).dtype();
  const Sampling s = sampling_of(call, call.tensor(1), call.tensor(2), 3);
  const IntList shape = output_shape(call.tensor(1), call.tensor(2));
  const Array& grad = call.tensor(0);
  if (grad.dtype() != t ||
      !std::equal(shape.begin(), shape.end(), grad.shape().begin(), grad.shape().end()))
    fail(ErrorType::Runtime,
         "grid_sampler_backward(): wrong gradient: got %s of %s, expected %s of %s",
         dtype_name(grad.dtype()), shape_text(grad.shape()).c_str(), dtype_name(t),
         shape_text(shape).c_str());
  const bool want_input = call.boolean(6), want_grid = call.boolean(7);
  const Array g = computed(grad), x = computed(call.tensor(1)), grid = computed(call.tensor(2));
  const IntList none{0};
  const Array gx = Array::empty(x.dtype(), want_input ? x.shape() : Shape(none));
  const Array ggrid = Array::empty(x.dtype(), want_grid ? grid.shape() : Shape(none));
  visit_sampling(s, x.dtype(), [&](auto tag, auto taps) {
    using C = decltype(tag);
    using L = decltype(taps);
    NoGil nogil(g.numel(), 10000);
    if (gx.numel()) input_gradient<C, L>(s, g.data<C>(), grid.data<C>(), gx.data<C>());
    if constexpr (L::K == 1)
      std::fill_n(ggrid.data<C>(), ggrid.numel(), C(0));
    else if (ggrid.numel())
      places_gradient<C, L>(s, g.data<C>(), x.data<C>(), grid.data<C>(), ggrid.data<C>());
  });
  call.result(gx.to(t));
  call.result(ggrid.to(t));
}

}  // namespace rl
