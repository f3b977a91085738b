// Max pooling over windows that are not evenly spaced, with the places of the maxima.
//
//   adaptive    windows [floor(o in / out), ceil((o + 1) in / out)) along each dim
//   fractional  windows of one size that begin at random, elsewhere for each plane
//
// x (planes, D, H, W), y and places (planes, OD, OH, OW). One pass over x, windows that overlap
// twice; images in channels-last order take all channels of an adaptive window at once.
#include "pool.h"
#include "row.h"

namespace rl {
namespace {

int64_t adaptive_start(int64_t o, int64_t out, int64_t in) { return o * in / out; }
int64_t adaptive_end(int64_t o, int64_t out, int64_t in) { return ((o + 1) * in + out - 1) / out; }

// The window's largest element of the rows [lo, hi) of one plane; ties keep the first.
template <class T>
int64_t window_best(const T* plane, const Windows& w, const int64_t* lo, const int64_t* hi) {
  using A = typename accumulate_type<T>::type;
  int64_t best = (lo[0] * w.in[1] + lo[1]) * w.in[2] + lo[2];
  A top = plane[best];
  for (int64_t a = lo[0]; a < hi[0]; ++a)
    for (int64_t b = lo[1]; b < hi[1]; ++b) {
      const int64_t row = (a * w.in[1] + b) * w.in[2];
      for (int64_t c = row + lo[2]; c < row + hi[2]; ++c) {
        const A v = plane[c];
        if ((v > top) | (v != v)) [[unlikely]]
          top = v, best = c;
      }
    }
  return best;
}

template <class T>
void adaptive_max(const Windows& w, const T* x, T* y, int64_t* where) {
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 1), [&](int64_t p0, int64_t p1) {
    for (int64_t i = p0 * w.out_size(); i < p1 * w.out_size(); ++i) {
      const int64_t o[3] = {i / w.out[2] / w.out[1] % w.out[0], i / w.out[2] % w.out[1],
                            i % w.out[2]};
      int64_t lo[3], hi[3];
      for (int d = 0; d < 3; ++d) {
        lo[d] = adaptive_start(o[d], w.out[d], w.in[d]);
        hi[d] = adaptive_end(o[d], w.out[d], w.in[d]);
      }
      const T* plane = x + i / w.out_size() * w.in_size();
      const int64_t best = window_best(plane, w, lo, hi);
      y[i] = plane[best];
      where[i] = best;
    }
  });
}

// The same of images in channels-last order, all channels of a window at once.
template <class T>
void adaptive_max_channels(const Windows& w, int64_t channels, const T* x, T* y, int64_t* where) {
  using A = typename accumulate_type<T>::type;
  const int64_t rows = w.planes / channels * w.out[1];
  Scratch<A> tops(static_cast<size_t>(num_threads()) * channels);
  NoGil nogil(w.planes * w.in_size());
  const int64_t work = w.in_size() / w.out[1] * channels;
  parallel_for(rows, std::max<int64_t>(1, 32768 / (work + 1)), [&](int64_t r0, int64_t r1) {
    A* top = tops.get() + omp_get_thread_num() * channels;
    for (int64_t i = r0 * w.out[2]; i < r1 * w.out[2]; ++i) {
      const int64_t oh = i / w.out[2] % w.out[1], ow = i % w.out[2];
      const T* image = x + i / w.out_size() * w.in_size() * channels;
      const int64_t first =
          adaptive_start(oh, w.out[1], w.in[1]) * w.in[2] + adaptive_start(ow, w.out[2], w.in[2]);
      int64_t* at = where + i * channels;
      for (int64_t k = 0; k < channels; ++k) {
        top[k] = static_cast<A>(image[first * channels + k]);
        at[k] = first;
      }
      for (int64_t a = adaptive_start(oh, w.out[1], w.in[1]);
           a < adaptive_end(oh, w.out[1], w.in[1]); ++a)
        for (int64_t b = adaptive_start(ow, w.out[2], w.in[2]);
             b < adaptive_end(ow, w.out[2], w.in[2]); ++b) {
          const int64_t place = a * w.in[2] + b;
          const T* pixel = image + place * channels;
#pragma omp simd
          for (int64_t k = 0; k < channels; ++k) {
            const A v = pixel[k];
            const bool newer = (v > top[k]) | (v != v);
            top[k] = newer ? v : top[k];
            at[k] = newer ? place : at[k];
          }
        }
      for (int64_t k = 0; k < channels; ++k) y[i * channels + k] = static_cast<T>(top[k]);
    }
  });
}

void adaptive_max_pool(Call& call, int spatial) {
  const Array& input = call.tensor(0);
  Windows w = plane_sizes(call.name(), input, spatial);
  const IntList size = call.ints(1, spatial);
  for (int i = 0; i < spatial; ++i) {
    if (size[i] < 0)
      fail(ErrorType::Runtime,
           "%s: Trying to create tensor with negative dimension: elements of output_size must be "
           "greater than or equal to 0, but got %lld",
           call.name(), static_cast<long long>(size[i]));
    w.out[3 - spatial + i] = w.out_shape[w.out_shape.size() - spatial + i] = size[i];
  }
  if (spatial == 2 && input.ndim() == 4 && input.channels_last() && !input.contiguous()) {
    const IntList shape{w.out_shape[0], w.out[1], w.out[2], w.out_shape[1]};
    const Array y = Array::empty(input.dtype(), shape), places = Array::empty(DType::I64, shape);
    if (y.numel())
      visit_pooled("adaptive_max_pool2d", input.dtype(), [&](auto tag) {
        using T = decltype(tag);
        adaptive_max_channels<T>(w, input.size(1), input.data<T>(), y.data<T>(),
                                 places.data<int64_t>());
      });
    call.result(y.permute(IntList{0, 3, 1, 2}));
    call.result(places.permute(IntList{0, 3, 1, 2}));
    return;
  }
  const Array x = input.contiguous_copy();
  const Array y = Array::empty(x.dtype(), w.out_shape),
              places = Array::empty(DType::I64, w.out_shape);
  if (y.numel())
    visit_pooled("adaptive_max_pool2d", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      adaptive_max<T>(w, x.data<T>(), y.data<T>(), places.data<int64_t>());
    });
  const bool planes = spatial == 2;  // PyTorch packs volumes
  call.result(planes ? like_input(y, input) : y);
  call.result(planes ? like_input(places, input) : places);
}

// Where the windows of every plane begin: the places of each dim, one dim behind another. From a
// number u in [0, 1) for each: floor((o + u) alpha) - floor(u alpha), the last at the end.
std::vector<int64_t> fractional_starts(const char* op, const Windows& w, const Array& samples) {
  std::vector<int64_t> table;
  visit_real(op, samples.dtype(), [&](auto tag) {
    using S = decltype(tag);
    using C = compute_t<S>;
    const auto rounded = [](C v) { return static_cast<C>(static_cast<S>(v)); };
    for (int64_t p = 0; p < w.planes; ++p)
      for (int i = 0; i < w.spatial; ++i) {
        const int d = 3 - w.spatial + i;
        // Two dims take their numbers in the order (width, height), three in order.
        const int64_t at = p * w.spatial + (w.spatial == 2 ? 1 - i : i);
        const C u = static_cast<C>(samples.data<S>()[at]);
        const int64_t room = w.in[d] - w.k[d], gaps = w.out[d] - 1;
        const C alpha = rounded(static_cast<C>(room) / static_cast<C>(gaps));
        for (int64_t o = 0; o < gaps; ++o) {
          const C place = rounded(rounded(static_cast<C>(o) + u) * alpha),
                  start = rounded(u * alpha);
          const bool known = place >= C(0) && place <= static_cast<C>(2 * w.in[d]);
          const int64_t first =
              known ? static_cast<int64_t>(place) - static_cast<int64_t>(start) : -1;
          if (first < 0 || first > room)
            fail(ErrorType::Runtime, "%s: random_samples must lie in [0, 1): got %g", op,
                 static_cast<double>(u));
          table.push_back(first);
        }
        if (w.out[d]) table.push_back(room);
      }
  });
  return table;
}

// input, kernel size, output size, random samples (N, C, dims)
void fractional_max_pool(Call& call, int spatial) {
  const Array x = call.tensor(0).contiguous_copy(), samples = call.tensor(3).contiguous_copy();
  Windows w = plane_sizes(call.name(), x, spatial);
  const IntList kernel = call.ints(1, spatial), size = call.ints(2, spatial);
  int64_t total = 0;
  for (int i = 0; i < spatial; ++i) {
    const int d = 3 - spatial + i;
    w.out[d] = w.out_shape[w.out_shape.size() - spatial + i] = std::max<int64_t>(size[i], 0);
    w.k[d] = kernel[i], total += w.out[d];
    if (w.k[d] < 1 || w.k[d] > w.in[d])
      fail(ErrorType::Runtime, "%s: got a window of %lld, expected 1 to %lld", call.name(),
           static_cast<long long>(w.k[d]), static_cast<long long>(w.in[d]));
  }
  if (samples.numel() != w.planes * spatial)
    fail(ErrorType::Runtime, "%s: got random_samples of shape %s, expected %d for each plane",
         call.name(), shape_text(samples.shape()).c_str(), spatial);
  const std::vector<int64_t> table =
      meta_call ? std::vector<int64_t>() : fractional_starts(call.name(), w, samples);
  int64_t first[3] = {0, 0, 0};
  for (int d = 4 - spatial; d < 3; ++d) first[d] = first[d - 1] + w.out[d - 1];
  const auto start_of = [&](int64_t plane, int d, int64_t o) {
    return d < 3 - spatial ? 0 : table[static_cast<size_t>(plane * total + first[d] + o)];
  };
  const Array y = Array::empty(x.dtype(), w.out_shape),
              places = Array::empty(DType::I64, w.out_shape);
  if (y.numel())
    visit_pooled(call.name(), x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T* from = x.data<T>();
      T* to = y.data<T>();
      int64_t* where = places.data<int64_t>();
      NoGil nogil(x.numel());
      parallel_for(w.planes, plane_grain(w, 1), [&](int64_t p0, int64_t p1) {
        int64_t i = p0 * w.out_size(), lo[3], hi[3];
        const auto place = [&](int64_t plane, int d, int64_t o) {
          lo[d] = start_of(plane, d, o), hi[d] = lo[d] + w.k[d];
        };
        for (int64_t p = p0; p < p1; ++p) {
          const T* plane = from + p * w.in_size();
          for (int64_t od = 0; od < w.out[0]; ++od) {
            place(p, 0, od);
            for (int64_t oh = 0; oh < w.out[1]; ++oh) {
              place(p, 1, oh);
              for (int64_t ow = 0; ow < w.out[2]; ++ow, ++i) {
                place(p, 2, ow);
                where[i] = window_best(plane, w, lo, hi);
                to[i] = plane[where[i]];
              }
            }
          }
        }
      });
    });
  call.result(y);
  call.result(places);
}

}  // namespace

RL_KERNEL(fractional_max_pool2d) { fractional_max_pool(call, 2); }
RL_KERNEL(fractional_max_pool3d) { fractional_max_pool(call, 3); }
RL_KERNEL(adaptive_max_pool2d) { adaptive_max_pool(call, 2); }
RL_KERNEL(adaptive_max_pool3d) { adaptive_max_pool(call, 3); }

}  // namespace rl
