// Padding with a value: y = value, the middle of y = x; amounts below zero cut. Its gradient cuts
// what it padded, so that it is its own gradient. Images are one pass over y, plane by plane.
#include "pixels.h"
#include "stretch.h"
#include "walk.h"

namespace rl {
namespace {

// A dim in the order of memory: sizes of x and y, and where in y the first element of x stands.
struct Dim {
  int64_t in, out, low;
  int64_t first() const { return std::max<int64_t>(low, 0); }    // of y that is x's
  int64_t source() const { return std::max<int64_t>(-low, 0); }  // of x, there
  int64_t count() const { return std::max<int64_t>(0, std::min(in - source(), out - first())); }
  bool covers() const { return count() == out; }
};

// Without dims at the end that are not padded: they lengthen the elements of the one before.
std::vector<Dim> dims_of(const Array& x, const Array& y, const IntList& pad, bool pixels) {
  const int nd = x.ndim();
  std::vector<Dim> dims;
  for (int i = 0; i < nd; ++i) {
    const int d = !pixels || i == 0 ? i : i == nd - 1 ? 1 : i + 1;
    const size_t at = 2 * static_cast<size_t>(nd - 1 - d);
    dims.push_back({x.size(d), y.size(d), at < pad.size() ? pad[at] : 0});
  }
  while (dims.size() > 1 && dims.back().low == 0 && dims.back().in == dims.back().out) {
    const int64_t m = dims.back().in;
    dims.pop_back();
    Dim& last = dims.back();
    last.in *= m, last.out *= m, last.low *= m;
  }
  return dims;
}

// Packed memory in one pass, plane by plane; false, and nothing written, for other memory.
bool pad_rows(const Array& x, const Array& y, const IntList& pad, const Array& value) {
  const bool pixels = in_pixels(x) && y.channels_last();
  if (!(pixels || (x.contiguous() && y.contiguous())) || x.ndim() == 0 || !x.numel()) return false;
  if (!y.numel()) return true;
  std::vector<Dim> outer = dims_of(x, y, pad, pixels);
  const Dim row = outer.back();
  outer.pop_back();
  const Dim lines = outer.empty() ? Dim{1, 1, 0} : outer.back();
  if (!outer.empty()) outer.pop_back();
  const int64_t size = lines.out * row.out;
  const bool whole = lines.covers() && row.covers();
  NoGil nogil(y.numel());
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    const double work = 10 + 0.03 * static_cast<double>(size * x.item());
    parallel_for(y.numel() / size, grain_of(work), [&](int64_t begin, int64_t end) {
      const T blank = *value.data<T>();
      for (int64_t p = begin; p < end; ++p) {
        int64_t rest = p, source = 0, step = 1;  // the plane of x, counted from the inner dims
        bool inside = true;
        for (size_t d = outer.size(); d-- > 0;) {
          const int64_t at = rest % outer[d].out - outer[d].low;
          inside = inside && at >= 0 && at < outer[d].in;
          source += at * step, step *= outer[d].in, rest /= outer[d].out;
        }
        T* to = y.data<T>() + p * size;
        if (!whole || !inside)
#pragma omp simd
          for (int64_t j = 0; j < size; ++j) to[j] = blank;  // in cache, when the rows come
        if (!inside) continue;
        to += lines.first() * row.out + row.first();
        const T* from = x.data<T>() + (source * lines.in + lines.source()) * row.in + row.source();
        for (int64_t r = 0; r < lines.count(); ++r)
          copy_stretch(to + r * row.out, from + r * row.in, row.count());
      }
    });
  });
  return true;
}

}  // namespace

RL_KERNEL(constant_pad) {  // input, pad (last dim first, both sides each), value
  const Array& x = call.tensor(0);
  const IntList pad = call.ints(1);
  if (pad.size() % 2 || static_cast<int>(pad.size() / 2) > x.ndim())
    fail(ErrorType::Runtime, "constant_pad_nd: got %zu amounts for a tensor of %d dims", pad.size(),
         x.ndim());
  IntList shape(x.shape().begin(), x.shape().end());
  Array from = x;  // without what is cut
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const int d = x.ndim() - 1 - static_cast<int>(k);
    const int64_t low = pad[2 * k], high = pad[2 * k + 1], size = x.size(d);
    if (__builtin_add_overflow(shape[d], low, &shape[d]) ||
        __builtin_add_overflow(shape[d], high, &shape[d]) || shape[d] < 0)
      fail(ErrorType::Runtime, "narrow(): length must be non-negative.");
    const int64_t start = low < 0 ? std::min(-low, size) : 0;
    from = from.slice(d, start, std::max(start, high < 0 ? size + high : size), 1);
  }
  checked_product(shape);
  const Array value = scalar_of(call.args[2], x.dtype());
  const Array y = in_pixels(x) ? empty_pixels(x.dtype(), shape) : Array::empty(x.dtype(), shape);
  Array middle = y;
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const int d = x.ndim() - 1 - static_cast<int>(k);
    const int64_t start = std::min(std::max<int64_t>(pad[2 * k], 0), shape[d]);
    middle = middle.slice(d, start, std::min(start + from.size(d), shape[d]), 1);
  }
  if (!meta_call && !pad_rows(x, y, pad, value)) {
    if (!middle.same_shape(y)) copy_into(y, value.expand(shape));
    if (from.numel() && middle.same_shape(from)) copy_into(middle, from);
  }
  call.result(y);
}

}  // namespace rl
