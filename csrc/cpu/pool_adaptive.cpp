// Max pooling over windows that are not evenly spaced, with the places of the maxima.
//
//   adaptive    windows [floor(o in / out), ceil((o + 1) in / out)) along each dim
//   fractional  windows of one size that begin at random, elsewhere for each plane
//
// x (planes, D, H, W), y and places (planes, OD, OH, OW). One pass over x, windows that overlap
// twice; images in channels-last order take all channels of an adaptive window at once.
#include "pixels.h"
#include "pool.h"
#include "row.h"

namespace rl {
namespace {

// The places of one window along a dim.
struct Span {
  int64_t lo, hi;
};

// The window's largest element; ties keep the first, of NaN the last.
template <class T>
int64_t window_best(const T* plane, const Windows& w, Span slices, Span lines, Span columns) {
  using A = typename accumulate_type<T>::type;
  int64_t best = (slices.lo * w.in[1] + lines.lo) * w.in[2] + columns.lo;
  A top = plane[best];
  for (int64_t a = slices.lo; a < slices.hi; ++a)
    for (int64_t b = lines.lo; b < lines.hi; ++b) {
      const int64_t row = (a * w.in[1] + b) * w.in[2];
      for (int64_t c = row + columns.lo; c < row + columns.hi; ++c) {
        const A v = plane[c];
        if (!(v <= top)) [[unlikely]]  // greater, or one of them is NaN
          if (top == top || v != v) top = v, best = c;
      }
    }
  return best;
}

// Windows that lie anywhere: place(plane, dim, output) is their Span.
template <class T, class Place>
void max_of_windows(const Windows& w, const T* x, T* y, int64_t* where, Place place) {
  NoGil nogil(w.planes * w.in_size());
  parallel_for(w.planes, plane_grain(w, 1), [&](int64_t p0, int64_t p1) {
    int64_t i = p0 * w.out_size();
    for (int64_t p = p0; p < p1; ++p) {
      const T* plane = x + p * w.in_size();
      for (int64_t a = 0; a < w.out[0]; ++a) {
        const Span slices = place(p, 0, a);
        for (int64_t b = 0; b < w.out[1]; ++b) {
          const Span lines = place(p, 1, b);
          for (int64_t c = 0; c < w.out[2]; ++c, ++i) {
            where[i] = window_best(plane, w, slices, lines, place(p, 2, c));
            y[i] = plane[where[i]];
          }
        }
      }
    }
  });
}

// Those of an adaptive pool along one dim.
std::vector<Span> adaptive_spans(const Windows& w, int d) {
  const int64_t in = w.in[d], out = w.out[d];
  std::vector<Span> spans;
  for (int64_t o = 0; o < out; ++o) spans.push_back({o * in / out, ((o + 1) * in + out - 1) / out});
  return spans;
}

template <class T>
void adaptive_max(const Windows& w, const T* x, T* y, int64_t* where) {
  const std::vector<Span> spans[3] = {adaptive_spans(w, 0), adaptive_spans(w, 1),
                                      adaptive_spans(w, 2)};
  max_of_windows(w, x, y, where, [&](int64_t, int d, int64_t o) { return spans[d][o]; });
}

// The same of images in channels-last order, all channels of a window at once.
template <class T>
void adaptive_max_channels(const Windows& w, int64_t channels, const T* x, T* y, int64_t* where) {
  using A = typename accumulate_type<T>::type;
  const int64_t rows = w.planes / channels * w.out[1];
  const std::vector<Span> lines = adaptive_spans(w, 1), columns = adaptive_spans(w, 2);
  Scratch<A> tops(static_cast<size_t>(num_threads()) * channels);
  NoGil nogil(w.planes * w.in_size());
  const double work = static_cast<double>(w.in_size() / w.out[1] * channels);
  parallel_for(rows, grain_of(0.3 * work + 5), [&](int64_t r0, int64_t r1) {
    A* top = tops.get() + omp_get_thread_num() * channels;
    for (int64_t i = r0 * w.out[2]; i < r1 * w.out[2]; ++i) {
      const Span line = lines[i / w.out[2] % w.out[1]], column = columns[i % w.out[2]];
      const T* image = x + i / w.out_size() * w.in_size() * channels;
      const int64_t first = line.lo * w.in[2] + column.lo;
      int64_t* at = where + i * channels;
      for (int64_t k = 0; k < channels; ++k) {
        top[k] = static_cast<A>(image[first * channels + k]);
        at[k] = first;
      }
      for (int64_t a = line.lo; a < line.hi; ++a)
        for (int64_t b = column.lo + (a == line.lo); b < column.hi; ++b) {
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
  if (spatial == 2 && in_pixels(input) && input.size(1) >= 8) {  // fewer make short vectors
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
  const auto span_of = [&](int64_t plane, int d, int64_t o) {
    const auto at = static_cast<size_t>(plane * total + first[d] + o);
    const int64_t lo = d < 3 - spatial ? 0 : table[at];
    return Span{lo, lo + w.k[d]};
  };
  const Array y = Array::empty(x.dtype(), w.out_shape),
              places = Array::empty(DType::I64, w.out_shape);
  if (y.numel())
    visit_pooled(call.name(), x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      max_of_windows(w, x.data<T>(), y.data<T>(), places.data<int64_t>(), span_of);
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
