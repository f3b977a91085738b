// Padding, and selection along several dims at once.
//
//   constant_pad  y = value, the middle of y = x: amounts below zero cut; its gradient cuts what
//                 it padded, so that it is its own gradient
//   select_by     y[..., i, j] = x[..., at1[i], at0[j]]: reflections, repeated edges, nearest
//                 neighbours. One pass over y; stretches of neighbouring columns are copied whole
#include "walk.h"

namespace rl {
namespace {

struct Run {
  int64_t to, from, count;
};

std::vector<Run> runs_of(const int64_t* at, int64_t n) {
  std::vector<Run> runs;
  for (int64_t j = 0; j < n; ++j) {
    if (!runs.empty() && runs.back().from + runs.back().count == at[j])
      ++runs.back().count;
    else
      runs.push_back({j, at[j], 1});
  }
  return runs;
}

template <class T>
void copy_runs(const T* x, T* y, const std::vector<Run>& runs) {
  for (const Run& r : runs) {
    if (r.count == 1) {
      y[r.to] = x[r.from];
    } else if (r.count * sizeof(T) <= 1024) {
      T* to = y + r.to;
      const T* from = x + r.from;
#pragma omp simd
      for (int64_t j = 0; j < r.count; ++j) to[j] = from[j];
    } else {
      std::memcpy(y + r.to, x + r.from, r.count * sizeof(T));
    }
  }
}

// Whole vectors, the last over what the one before it wrote.
template <class T>
inline void copy_run(T* to, const T* from, int64_t n) {
  typedef char Chunk __attribute__((vector_size(RL_LEVEL >= 2 ? 64 : 32), aligned(1), may_alias));
  const int64_t bytes = n * static_cast<int64_t>(sizeof(T)), step = sizeof(Chunk);
  if (bytes < step) {
    std::memcpy(to, from, static_cast<size_t>(bytes));
    return;
  }
  char* y = reinterpret_cast<char*>(to);
  const char* x = reinterpret_cast<const char*>(from);
  const auto put = [&](int64_t i) {
    *reinterpret_cast<Chunk*>(y + i) = *reinterpret_cast<const Chunk*>(x + i);
  };
  for (int64_t i = 0; i < bytes - step; i += step) put(i);
  put(bytes - step);
}

// A row that is one stretch of another but for a few places: what edges make.
struct Edged {
  Run middle{0, 0, 0};
  std::vector<std::pair<int32_t, int32_t>> others;  // to, from
  explicit Edged(const std::vector<Run>& runs) {
    for (const Run& r : runs)
      if (r.count > middle.count) middle = r;
    for (const Run& r : runs)
      for (int64_t j = 0; r.to != middle.to && j < r.count; ++j)
        others.push_back({static_cast<int32_t>(r.to + j), static_cast<int32_t>(r.from + j)});
  }
  template <class T>
  void copy(const T* x, T* y) const {
    const auto* other = others.data();
    for (size_t i = 0, n = others.size(); i < n; ++i) y[other[i].first] = x[other[i].second];
    copy_run(y + middle.to, x + middle.from, middle.count);
  }
};

template <class T>
void gather(const T* x, T* y, const int64_t* at, int64_t n) {
  for (int64_t j = 0; j < n; ++j) y[j] = x[at[j]];
}

// An array for x's padded form, in the memory order of images that x has.
Array padded(const Array& x, IntList shape) {
  if (!x.channels_last() || x.contiguous()) return Array::empty(x.dtype(), shape);
  IntList order{0, x.ndim() - 1};
  for (int d = 1; d < x.ndim() - 1; ++d) order.push_back(d);
  std::rotate(shape.begin() + 1, shape.begin() + 2, shape.end());
  return Array::empty(x.dtype(), shape).permute(order);
}

// Images in channels-last order: the same of whole pixels, `channels` elements each.
Array select_pixels(const Array& x, const int64_t* at1, const int64_t* at0, int64_t h, int64_t w) {
  const int64_t channels = x.size(1), rows = x.size(0) * h, pixel = channels * x.item();
  const Array y = Array::empty(x.dtype(), {x.size(0), h, w, channels});
  const std::vector<Run> runs = runs_of(at0, w);
  NoGil nogil(y.numel());
  parallel_for(rows, std::max<int64_t>(1, 131072 / (w * pixel + 1)), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const char* from = x.bytes() + (r / h * x.size(2) + at1[r % h]) * x.size(3) * pixel;
      char* to = y.bytes() + r * w * pixel;
      for (const Run& run : runs)
        copy_run(to + run.to * pixel, from + run.from * pixel, run.count * pixel);
    }
  });
  return y.permute(IntList{0, 3, 1, 2});
}

// The padded form of contiguous images in one pass, plane by plane; false, and nothing written, for
// others, and where something is cut.
bool pad_rows(const Array& x, const Array& y, const IntList& pad, const Array& value) {
  const int dims = static_cast<int>(pad.size() / 2), first = x.ndim() - dims;
  if (!x.contiguous() || !y.contiguous() || !x.numel() || dims == 0 || meta_call) return false;
  for (const int64_t amount : pad)
    if (amount < 0) return false;
  const int nd = x.ndim();
  const int64_t width = x.size(-1), wide = y.size(-1);
  const int64_t lines = nd > 1 ? y.size(-2) : 1, height = nd > 1 ? x.size(-2) : 1;
  const int64_t above = dims > 1 ? pad[2] : 0;
  NoGil nogil(y.numel());
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    const T empty = *value.data<T>();
    const int64_t planes = y.numel() / (lines * wide);
    parallel_for(planes, 1 + 32768 / (lines * wide), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        int64_t rest = p, source = 0, step = 1;  // the plane of x, counted from the inner dims
        bool inside = true;
        for (int d = nd - 3; d >= 0; --d) {
          const int64_t low = d < first ? 0 : pad[static_cast<size_t>(2 * (nd - 1 - d))];
          const int64_t at = rest % y.size(d) - low;
          inside = inside && at >= 0 && at < x.size(d);
          source += at * step, step *= x.size(d), rest /= y.size(d);
        }
        T* to = y.data<T>() + p * lines * wide;
        const T blank = empty;
#pragma omp simd
        for (int64_t j = 0; j < lines * wide; ++j) to[j] = blank;  // in cache, when the rows come
        to += above * wide + pad[0];
        const T* from = x.data<T>() + source * height * width;
        for (int64_t r = 0; inside && r < height; ++r)
          copy_run(to + r * wide, from + r * width, width);
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
  const Array y = padded(x, shape);
  Array middle = y;
  for (size_t k = 0; k < pad.size() / 2; ++k) {
    const int d = x.ndim() - 1 - static_cast<int>(k);
    const int64_t start = std::min(std::max<int64_t>(pad[2 * k], 0), shape[d]);
    middle = middle.slice(d, start, std::min(start + from.size(d), shape[d]), 1);
  }
  if (!pad_rows(from, y, pad, value)) {
    copy_into(y, value.expand(shape));
    if (from.numel() && middle.same_shape(from)) copy_into(middle, from);
  }
  call.result(y);
}

RL_KERNEL(select_by) {  // input, places, counts: places of each of the last dims, one after another
  const Array &input = call.tensor(0), places = index_values(call.tensor(1));
  const IntList counts = call.ints(2);
  const bool pixels =
      counts.size() == 2 && input.ndim() == 4 && input.channels_last() && !input.contiguous();
  const Array x = pixels ? input : input.contiguous_copy();
  const int dims = static_cast<int>(counts.size()), first = x.ndim() - dims;
  int64_t total = 0;
  for (const int64_t n : counts) total = n < 0 ? INT64_MIN / 2 : total + n;
  if (dims < 1 || first < 0 || places.ndim() != 1 || total != places.numel())
    fail(ErrorType::Runtime, "select_by: %zu counts do not fit %lld places and %d dims",
         counts.size(), static_cast<long long>(places.numel()), x.ndim());
  IntList shape(x.shape().begin(), x.shape().end());
  std::vector<const int64_t*> at(dims);
  const int64_t* next = places.data<int64_t>();
  for (int k = 0; k < dims; next += counts[k++]) {
    at[k] = next;
    shape[first + k] = counts[k];
    for (int64_t j = 0; j < counts[k]; ++j)
      if (next[j] < 0 || next[j] >= x.size(first + k))
        fail(ErrorType::Index,
             "select_by: place %lld is out of range for dimension %d of size %lld",
             static_cast<long long>(next[j]), first + k, static_cast<long long>(x.size(first + k)));
  }
  if (checked_product(shape) && pixels)
    return call.result(select_pixels(x, at[0], at[1], counts[0], counts[1]));
  const Array y = Array::empty(x.dtype(), shape);
  if (y.numel() == 0) return call.result(y);
  const int64_t n = counts.back(), width = x.size(-1), rows = y.numel() / n;
  const std::vector<Run> runs = runs_of(at.back(), n);
  const bool long_runs = static_cast<int64_t>(runs.size()) * 16 < n;
  const Edged edged(n <= INT32_MAX && width <= INT32_MAX ? runs : std::vector<Run>());
  const bool by_edges = edged.middle.count >= 8 && edged.others.size() <= 16;
  NoGil nogil(y.numel());
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    parallel_for(rows, std::max<int64_t>(1, 32768 / n), [&](int64_t r0, int64_t r1) {
      // Rows of the last two dims follow one another: their source needs no division.
      const int64_t lines = dims > 1 ? counts[dims - 2] : 1;
      const int64_t height = dims > 1 ? x.size(first + dims - 2) : 1;
      for (int64_t r = r0; r < r1;) {
        int64_t source = 0, step = 1, rest = r / lines, line = r % lines;
        for (int k = dims - 3; k >= 0; --k) {
          source += at[k][rest % counts[k]] * step;
          step *= x.size(first + k);
          rest /= counts[k];
        }
        const T* plane = x.data<T>() + (source + rest * step) * height * width;
        for (; line < lines && r < r1; ++line, ++r) {
          const T* from = plane + (dims > 1 ? at[dims - 2][line] : 0) * width;
          if (by_edges)
            edged.copy(from, y.data<T>() + r * n);
          else if (long_runs)
            copy_runs(from, y.data<T>() + r * n, runs);
          else
            gather(from, y.data<T>() + r * n, at.back(), n);
        }
      }
    });
  });
  call.result(y);
}

}  // namespace rl
