// copy_into and fill: any strides, any dtypes, a broadcast source; one pass over each side.
//
// Dims are ordered by the destination's memory and joined where both sides allow. What is left is
// a row (the innermost dim) run by the cast loops of cpu/convert.cpp; two dims of short rows; or,
// when the source is contiguous along another dim than the destination, a 2-d transpose in blocks.
#include <cstring>

#include "array.h"
#include "convert.h"
#include "parallel.h"

namespace rl {
namespace {

constexpr double kByte = 0.03;  // nanoseconds to move one

struct Walk {
  int ndim = 0;
  int64_t sizes[kMaxDims], dst[kMaxDims], src[kMaxDims];  // strides in bytes, innermost last
};

// Outermost first by the destination's strides; dims of size 1 left out; neighbours joined.
Walk plan(const Array& d, const Array& s) {
  const int n = d.ndim(), lead = n - s.ndim();
  int order[kMaxDims], m = 0;
  int64_t from[kMaxDims];
  for (int i = 0; i < n; ++i) {
    const int own = i - lead;
    from[i] = own < 0 || s.sizes()[own] == 1 ? 0 : s.strides()[own];
    if (d.sizes()[i] != 1) order[m++] = i;
  }
  for (int i = 1; i < m; ++i) {
    for (int j = i; j > 0 && d.strides()[order[j - 1]] < d.strides()[order[j]]; --j)
      std::swap(order[j - 1], order[j]);
  }
  Walk w;
  for (int i = 0; i < m; ++i) {
    const int64_t size = d.sizes()[order[i]];
    const int64_t to = d.strides()[order[i]] * d.item(), of = from[order[i]] * s.item();
    const int last = w.ndim - 1;
    if (last >= 0 && w.dst[last] == to * size && w.src[last] == of * size) {
      w.sizes[last] *= size;
      w.dst[last] = to;
      w.src[last] = of;
    } else {
      w.sizes[w.ndim] = size;
      w.dst[w.ndim] = to;
      w.src[w.ndim++] = of;
    }
  }
  if (w.ndim == 0) {
    w.sizes[0] = 1;
    w.dst[0] = d.item();
    w.src[0] = s.item();
    w.ndim = 1;
  }
  return w;
}

// Calls f(dst, src) at every index of the outer `dims` whose linear number lies in [begin, end).
template <class F>
void each_outer(const Walk& w, int dims, int64_t begin, int64_t end, char* dst, const char* src,
                F f) {
  int64_t index[kMaxDims], rest = begin;
  for (int d = dims - 1; d >= 0; --d) {
    index[d] = rest % w.sizes[d];
    rest /= w.sizes[d];
    dst += index[d] * w.dst[d];
    src += index[d] * w.src[d];
  }
  for (int64_t i = begin; i < end; ++i) {
    f(dst, src);
    for (int d = dims - 1; d >= 0; --d) {
      dst += w.dst[d];
      src += w.src[d];
      if (++index[d] < w.sizes[d]) break;
      dst -= w.dst[d] * w.sizes[d];
      src -= w.src[d] * w.sizes[d];
      index[d] = 0;
    }
  }
}

int64_t outer_count(const Walk& w, int dims) {
  int64_t n = 1;
  for (int d = 0; d < dims; ++d) n *= w.sizes[d];
  return n;
}

// One long run: threads take pieces of it.
void copy_run(const Walk& w, char* dst, const char* src, ConvertFn fn, int bytes) {
  parallel_for(w.sizes[0], grain_of(kByte * bytes), [&](int64_t a, int64_t b) {
    fn(dst + a * w.dst[0], w.dst[0], src + a * w.src[0], w.src[0], b - a);
  });
}

void copy_rows(const Walk& w, char* dst, const char* src, ConvertFn fn, int bytes) {
  const int last = w.ndim - 1;
  const int64_t row = w.sizes[last];
  parallel_for(outer_count(w, last), grain_of(kByte * static_cast<double>(bytes * row)),
               [&](int64_t a, int64_t b) {
                 each_outer(w, last, a, b, dst, src, [&](char* d, const char* s) {
                   fn(d, w.dst[last], s, w.src[last], row);
                 });
               });
}

// Rows of a few elements, two dims at a time.
void copy_short_rows(const Walk& w, char* dst, const char* src, int item) {
  const int last = w.ndim - 1, outer = last - 1;
  const int64_t rows = w.sizes[outer], cols = w.sizes[last];
  const RowsFn fn = find_rows(item);
  const auto some = [&](char* d, const char* s, int64_t begin, int64_t end) {
    fn(d + begin * w.dst[outer], w.dst[outer], w.dst[last], s + begin * w.src[outer], w.src[outer],
       w.src[last], end - begin, cols);
  };
  const int64_t count = outer_count(w, outer);
  if (count >= 2 * num_threads()) {
    parallel_for(count, grain_of(kByte * static_cast<double>(item * rows * cols)),
                 [&](int64_t a, int64_t b) {
                   each_outer(w, outer, a, b, dst, src,
                              [&](char* d, const char* s) { some(d, s, 0, rows); });
                 });
    return;
  }
  each_outer(w, outer, 0, count, dst, src, [&](char* d, const char* s) {
    parallel_for(rows, grain_of(kByte * static_cast<double>(item * cols)),
                 [&](int64_t a, int64_t b) { some(d, s, a, b); });
  });
}

// The dims apart from `other` and the last one.
Walk without(const Walk& w, int other) {
  Walk outer;
  for (int d = 0; d < w.ndim - 1; ++d) {
    if (d == other) continue;
    outer.sizes[outer.ndim] = w.sizes[d];
    outer.dst[outer.ndim] = w.dst[d];
    outer.src[outer.ndim++] = w.src[d];
  }
  return outer;
}

// f(dst, src, begin, end) for rows [begin, end) of dim `other`, at every index of the outer dims.
template <class F>
void each_block(const Walk& w, int other, char* dst, const char* src, int bytes, F block) {
  const Walk outer = without(w, other);
  const int64_t rows = w.sizes[other], cols = w.sizes[w.ndim - 1];
  const int64_t count = outer_count(outer, outer.ndim);
  if (count >= 2 * num_threads()) {
    parallel_for(count, grain_of(kByte * static_cast<double>(bytes * rows * cols)),
                 [&](int64_t a, int64_t b) {
                   each_outer(outer, outer.ndim, a, b, dst, src,
                              [&](char* d, const char* s) { block(d, s, 0, rows); });
                 });
    return;
  }
  each_outer(outer, outer.ndim, 0, count, dst, src, [&](char* d, const char* s) {
    parallel_for(rows, grain_of(kByte * static_cast<double>(bytes * cols)),
                 [&](int64_t a, int64_t b) { block(d, s, a, b); });
  });
}

// The source runs contiguously along dim `other`, the destination along the last one.
void copy_transposed(const Walk& w, int other, char* dst, const char* src, int item) {
  const int last = w.ndim - 1;
  const TransposeFn fn = find_transpose(item);
  each_block(w, other, dst, src, item, [&](char* d, const char* s, int64_t begin, int64_t end) {
    fn(d + begin * w.dst[other], w.dst[other], s + begin * item, w.src[last], end - begin,
       w.sizes[last]);
  });
}

// The same where dtypes differ: tiles are turned in a buffer and cast on the way out.
void cast_transposed(const Walk& w, int other, char* dst, const char* src, ConvertFn cast, int to,
                     int from) {
  constexpr int64_t kRows = 32, kCols = 128;
  const int last = w.ndim - 1;
  const TransposeFn turn = find_transpose(from);
  each_block(w, other, dst, src, std::max(to, from),
             [&](char* d, const char* s, int64_t begin, int64_t end) {
               alignas(64) char buffer[kRows * kCols * 16];
               for (int64_t i = begin; i < end; i += kRows)
                 for (int64_t j = 0; j < w.sizes[last]; j += kCols) {
                   const int64_t m = std::min(kRows, end - i);
                   const int64_t n = std::min(kCols, w.sizes[last] - j);
                   turn(buffer, kCols * from, s + i * from + j * w.src[last], w.src[last], m, n);
                   for (int64_t r = 0; r < m; ++r)
                     cast(d + (i + r) * w.dst[other] + j * to, to, buffer + r * kCols * from, from,
                          n);
                 }
             });
}

// Neither side contiguous, and in different orders: tiles that stay in the first-level cache.
void copy_tiles(const Walk& w, int other, char* dst, const char* src, int item) {
  constexpr int64_t kSide = 32;
  const int last = w.ndim - 1;
  const RowsFn fn = find_rows(item);
  each_block(w, other, dst, src, item, [&](char* d, const char* s, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kSide)
      for (int64_t j = 0; j < w.sizes[last]; j += kSide)
        fn(d + i * w.dst[other] + j * w.dst[last], w.dst[other], w.dst[last],
           s + i * w.src[other] + j * w.src[last], w.src[other], w.src[last],
           std::min(kSide, end - i), std::min(kSide, w.sizes[last] - j));
  });
}

// The dim along which neighbours of the source lie much closer than along the last; -1: none.
int closer_dim(const Walk& w) {
  const int last = w.ndim - 1;
  int best = -1;
  int64_t least = std::abs(w.src[last]);
  if (least <= 64 || w.sizes[last] < 4) return -1;
  for (int d = 0; d < last; ++d) {
    const int64_t step = std::abs(w.src[d]);
    if (step > 0 && step <= least / 8 && w.sizes[d] >= 4) {
      best = d;
      least = step;
    }
  }
  return best;
}

// A dim along which the source is contiguous while the destination is so along the last; -1: none.
int transposed_dim(const Walk& w, int to, int from) {
  const int last = w.ndim - 1;
  if (w.ndim < 2 || w.dst[last] != to || w.src[last] == from || w.src[last] == 0) return -1;
  for (int d = last - 1; d >= 0; --d)
    if (w.src[d] == from && w.sizes[d] >= 4 && w.sizes[last] >= 4) return d;
  return -1;
}

// A few long columns rather than many short rows: exchanges the two innermost dims.
void prefer_long_rows(Walk& w) {
  const int last = w.ndim - 1;
  if (w.ndim < 2 || w.sizes[last] >= 8 || w.sizes[last - 1] <= w.sizes[last]) return;
  std::swap(w.sizes[last], w.sizes[last - 1]);
  std::swap(w.dst[last], w.dst[last - 1]);
  std::swap(w.src[last], w.src[last - 1]);
}

void check_expandable(const Array& dst, const Array& src) {
  const int lead = dst.ndim() - src.ndim();
  bool fits = true;
  for (int d = 0; d < src.ndim(); ++d) {
    const int64_t n = src.sizes()[d];
    fits = fits && (n == 1 || (d + lead >= 0 && n == dst.sizes()[d + lead]));
  }
  if (!fits) {
    fail(ErrorType::Runtime,
         "copy_: the source does not broadcast to the destination: got shape %s, expected %s",
         shape_text(src.shape()).c_str(), shape_text(dst.shape()).c_str());
  }
}

// Further leading dims of the source all have size 1 here: they carry no elements.
Array without_lead(const Array& src, int ndim) {
  Array a = src;
  while (a.ndim() > ndim) a = a.select(0, 0);
  return a;
}

template <class V>
void fill_value(const Array& dst, V value, DType type) {
  const Array one = Array::over(StorageRef(), type, 0, {}, {});
  if (dst.numel() == 0 || dst.is_meta()) return;
  alignas(16) char v[16] = {};
  if (is_number(dst.dtype()))
    convert(dst.dtype(), v, type, &value, 1);
  else if (value != V(0))
    fail(ErrorType::NotImplemented, "\"fill_cpu\" not implemented for '%s'",
         dtype_scalar_name(dst.dtype()));
  if (dst.numel() == 1) {
    std::memcpy(dst.bytes(), v, static_cast<size_t>(dst.item()));
    return;
  }
  const Walk w = plan(dst, one);
  const auto same = find_convert(dst.dtype(), dst.dtype());
  bool zero = true;
  for (int i = 0; i < dst.item(); ++i) zero = zero && v[i] == 0;
  NoGil nogil(dst.numel(), 100000);
  if (w.ndim == 1 && w.dst[0] == dst.item() && zero) {
    char* p = dst.bytes();
    parallel_for(dst.nbytes(), grain_of(kByte),
                 [&](int64_t a, int64_t b) { std::memset(p + a, 0, static_cast<size_t>(b - a)); });
  } else if (w.ndim == 1) {
    parallel_for(w.sizes[0], grain_of(kByte * dst.item()), [&](int64_t a, int64_t b) {
      same(dst.bytes() + a * w.dst[0], w.dst[0], v, 0, b - a);
    });
  } else {
    Walk repeated = w;
    std::fill(repeated.src, repeated.src + repeated.ndim, 0);
    prefer_long_rows(repeated);
    copy_rows(repeated, dst.bytes(), v, same, dst.item());
  }
}

}  // namespace

void copy_into(const Array& dst, const Array& given) {
  if (dst.numel() == 0 && given.numel() <= 1) return;
  Array trimmed;
  const Array* src = &given;
  check_expandable(dst, given);
  if (dst.is_meta()) return;
  if (given.ndim() > dst.ndim()) {
    trimmed = without_lead(given, dst.ndim());
    src = &trimmed;
  }
  if (dst.numel() == 0) return;
  const ConvertFn fn = find_convert(dst.dtype(), src->dtype());
  const int bytes = std::max(dst.item(), src->item());
  char* to = dst.bytes();
  const char* from = src->bytes();
  if (dst.contiguous() && src->contiguous() && dst.numel() == src->numel() &&
      dst.nbytes() < 2 * grain_of(kByte)) {
    fn(to, dst.item(), from, src->item(), dst.numel());
    return;
  }
  Walk w = plan(dst, *src);
  NoGil nogil(dst.numel(), 100000);
  if (w.ndim == 1) return copy_run(w, to, from, fn, bytes);
  const int other = transposed_dim(w, dst.item(), src->item());
  if (dst.dtype() != src->dtype()) {
    if (other >= 0) return cast_transposed(w, other, to, from, fn, dst.item(), src->item());
    prefer_long_rows(w);
    return copy_rows(w, to, from, fn, bytes);
  }
  if (other >= 0) return copy_transposed(w, other, to, from, dst.item());
  if (const int near = closer_dim(w); near >= 0) return copy_tiles(w, near, to, from, dst.item());
  if (w.sizes[w.ndim - 1] * bytes <= 64) return copy_short_rows(w, to, from, dst.item());
  copy_rows(w, to, from, fn, bytes);
}

void fill(const Array& dst, double value) { fill_value(dst, value, DType::F64); }
void fill(const Array& dst, c128 value) { fill_value(dst, value, DType::C128); }
void fill(const Array& dst, int64_t value) { fill_value(dst, value, DType::I64); }

}  // namespace rl
