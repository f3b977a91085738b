// The gradient of max pooling from the places of the maxima, which count within a plane:
//
//   gx (planes, H, W) = 0, then gx[p, at[p, o]] += g[p, o]
//
// One pass over g, places and gx; images in channels-last order stay in it. Half types add up in
// the type they have, as few windows share a maximum.
#include "pixels.h"
#include "pool.h"

namespace rl {
namespace {

// Images of `in` and `out` pixels with `channels` elements each: planes, where that is 1.
template <class T>
void scatter(const T* g, const int64_t* at, int64_t images, int64_t in, int64_t out,
             int64_t channels, T* gx) {
  using A = typename accumulate_type<T>::type;
  const double work = static_cast<double>(channels) *
                      (0.1 * static_cast<double>(in) + 1.5 * static_cast<double>(out));
  parallel_for(images, grain_of(5 + work), [&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      T* to = gx + i * in * channels;
      const T* from = g + i * out * channels;
      const int64_t* place = at + i * out * channels;
      std::fill(to, to + in * channels, T(0));
      for (int64_t o = 0; o < out; ++o)
        for (int64_t k = 0; k < channels; ++k, ++from, ++place) {
          if (*place < 0 || *place >= in)
            fail(ErrorType::Index,
                 "max_pool: index %lld is out of bounds for a plane of %lld elements",
                 static_cast<long long>(*place), static_cast<long long>(in));
          T& v = to[*place * channels + k];
          v = static_cast<T>(static_cast<A>(v) + static_cast<A>(*from));
        }
    }
  });
}

}  // namespace

RL_KERNEL(max_pool_scatter) {  // g, indices, input_shape, spatial dims
  const Array &given = call.tensor(0), &places = call.tensor(1);
  const IntList shape = call.ints(2);
  const int spatial = static_cast<int>(call.integer(3));
  if (!given.same_shape(places))
    fail(ErrorType::Runtime, "max_pool: gradient and indices must have one shape: got %s and %s",
         shape_text(given.shape()).c_str(), shape_text(places.shape()).c_str());
  const bool pixels = spatial == given.ndim() - 2 && shape.size() == given.shape().size() &&
                      in_pixels(given) && in_pixels(places) && places.dtype() == DType::I64;
  const Array g = pixels ? given : given.contiguous_copy();
  const Array indices = pixels ? places : index_values(places);
  const DType t = g.dtype();
  const Array gx = pixels ? empty_pixels(t, shape) : Array::empty(t, shape);
  if (g.numel() == 0) {
    std::memset(gx.bytes(), 0, gx.nbytes());
  } else if (gx.numel()) {
    int64_t images = 1;  // the dims that both shapes share
    const int64_t channels = pixels ? shape[1] : 1;
    for (int d = 0; d < (pixels ? 1 : g.ndim() - spatial); ++d) images *= g.size(d);
    NoGil nogil(gx.numel());
    visit_pooled("max_pool2d_backward", t, [&](auto tag) {
      using T = decltype(tag);
      scatter(g.data<T>(), indices.data<int64_t>(), images, gx.numel() / images / channels,
              g.numel() / images / channels, channels, gx.data<T>());
    });
  }
  call.result(given.ndim() == 4 && gx.ndim() == 4 && !pixels ? like_input(gx, given) : gx);
}

}  // namespace rl
