// Selection along the last dims at once, and its gradient: reflections, repeated edges, nearest
// neighbours.
//
//   select_by           y[..., i, j] = x[..., at1[i], at0[j]]
//   select_by_backward  gx[..., at1[i], at0[j]] += g[..., i, j], half types summed in float32
//
// One pass over y (g). Rows that are one stretch of another but for some places at their edges are
// copied whole, then the edges column by column; pixels of images in channels-last order are moved
// whole.
#include "pixels.h"
#include "row.h"
#include "stretch.h"
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

// The places of a call: of rows of `n` pixels from rows of `width`, over `dims` dims of which the
// last two are lines and columns. What is not selected from are `outer` volumes.
struct Selection {
  int dims, first;  // first: the dim of x that the first of them is
  IntList counts, sizes;
  std::vector<const int64_t*> at;
  int64_t n, width, lines, height, outer = 1, rows = 1;  // rows of an outer volume of y
  std::vector<Run> runs;
  const int64_t none[1] = {0};

  Selection(const Array& places, const IntList& given, Shape input) : counts(given) {
    dims = static_cast<int>(counts.size()), first = static_cast<int>(input.size()) - dims;
    int64_t total = 0;
    for (const int64_t c : counts) total = c < 0 ? INT64_MIN / 2 : total + c;
    if (dims < 1 || first < 0 || places.ndim() != 1 || total != places.numel())
      fail(ErrorType::Runtime, "select_by: %zu counts do not fit %lld places and %d dims",
           counts.size(), static_cast<long long>(places.numel()), static_cast<int>(input.size()));
    sizes.assign(input.begin() + first, input.end());
    const int64_t* next = places.data<int64_t>();
    for (int k = 0; k < dims; next += counts[k++]) {
      at.push_back(next);
      for (int64_t j = 0; j < counts[k] && !meta_call; ++j)
        if (next[j] < 0 || next[j] >= sizes[k])
          fail(ErrorType::Index,
               "select_by: place %lld is out of range for dimension %d of size %lld",
               static_cast<long long>(next[j]), first + k, static_cast<long long>(sizes[k]));
    }
    n = counts.back(), width = sizes.back();
    lines = dims > 1 ? counts[dims - 2] : 1, height = dims > 1 ? sizes[dims - 2] : 1;
    for (int d = 0; d < first; ++d) outer *= input[d];
    for (int k = 0; k < dims - 1; ++k) rows *= counts[k];
    if (!meta_call) runs = runs_of(at.back(), n);
  }
  const int64_t* of_lines() const { return dims > 1 ? at[dims - 2] : none; }
  int64_t volume() const {  // pixels of an outer volume of x
    int64_t all = 1;
    for (const int64_t s : sizes) all *= s;
    return all;
  }
  // The plane of x that plane p of y, counted over all outer volumes, comes from.
  int64_t plane(int64_t p) const {
    int64_t source = 0, step = 1;
    for (int k = dims - 3; k >= 0; --k) {
      source += at[k][p % counts[k]] * step;
      step *= sizes[k], p /= counts[k];
    }
    return source + p * step;
  }
};

// A row that is one stretch of another but for a few places: what edges make.
struct Edged {
  Run middle{0, 0, 0};
  std::vector<std::pair<int64_t, int64_t>> others;  // to, from
  explicit Edged(const std::vector<Run>& runs) {
    for (const Run& r : runs)
      if (r.count > middle.count) middle = r;
    for (const Run& r : runs)
      for (int64_t j = 0; r.to != middle.to && j < r.count; ++j)
        others.push_back({r.to + j, r.from + j});
  }
  bool fits() const { return middle.count >= 4 && others.size() <= 16; }

  // Rows at[0..count) of x, each `width` long, to rows of y, each n long.
  template <class T>
  void copy(const T* x, const int64_t* at, int64_t count, int64_t width, T* y, int64_t n) const {
    for (int64_t l = 0; l < count; ++l)
      copy_stretch(y + l * n + middle.to, x + at[l] * width + middle.from, middle.count);
    for (const auto& [to, from] : others)
      for (int64_t l = 0; l < count; ++l) y[l * n + to] = x[at[l] * width + from];
  }
};

template <class T>
void select(const Selection& s, const T* x, T* y) {
  const Edged edged(s.runs);
  const bool by_edges = edged.fits(), by_runs = static_cast<int64_t>(s.runs.size()) * 16 < s.n;
  parallel_for(s.outer * s.rows,
               grain_of(2 + (by_edges || by_runs ? 0.04 : 0.3) * static_cast<double>(s.n)),
               [&](int64_t r0, int64_t r1) {
                 const int64_t* at = s.of_lines();
                 for (int64_t r = r0; r < r1;) {
                   const int64_t line = r % s.lines, stop = std::min(s.lines, line + r1 - r);
                   const T* plane = x + s.plane(r / s.lines) * s.height * s.width;
                   T* to = y + r * s.n;
                   if (by_edges) edged.copy(plane, at + line, stop - line, s.width, to, s.n);
                   for (int64_t l = line; !by_edges && l < stop; ++l, to += s.n) {
                     const T* from = plane + at[l] * s.width;
                     if (by_runs)
                       for (const Run& run : s.runs)
                         copy_stretch(to + run.to, from + run.from, run.count);
                     else
                       for (int64_t j = 0; j < s.n; ++j) to[j] = from[s.at.back()[j]];
                   }
                   r += stop - line;
                 }
               });
}

// The same of pixels of `bytes` bytes each.
void select_pixels(const Selection& s, const char* x, char* y, int64_t bytes) {
  const double row = static_cast<double>(s.n * bytes);
  parallel_for(s.outer * s.rows, grain_of(5 + 0.02 * row), [&](int64_t r0, int64_t r1) {
    for (int64_t r = r0; r < r1; ++r) {
      const int64_t line = s.plane(r / s.lines) * s.height + s.of_lines()[r % s.lines];
      const char* from = x + line * s.width * bytes;
      char* to = y + r * s.n * bytes;
      for (const Run& run : s.runs)
        copy_stretch(to + run.to * bytes, from + run.from * bytes, run.count * bytes);
    }
  });
}

// gx of one outer volume, of pixels of `channels` elements each; `sum` is zeroed.
template <class T, class A>
void add_selected(const Selection& s, const T* g, int64_t channels, A* sum) {
  const bool single = channels == 1 && static_cast<int64_t>(s.runs.size()) * 4 > s.n;
  for (int64_t r = 0; r < s.rows; ++r, g += s.n * channels) {
    const int64_t line = s.plane(r / s.lines) * s.height + s.of_lines()[r % s.lines];
    A* to = sum + line * s.width * channels;
    if (single) {
      const int64_t* at = s.at.back();
      for (int64_t j = 0; j < s.n; ++j) to[at[j]] += static_cast<A>(g[j]);
      continue;
    }
    for (const Run& run : s.runs) {
      A* y = to + run.from * channels;
      const T* x = g + run.to * channels;
      if (run.count * channels == 1) {
        *y += static_cast<A>(*x);
        continue;
      }
#pragma omp simd
      for (int64_t j = 0; j < run.count * channels; ++j) y[j] += static_cast<A>(x[j]);
    }
  }
}

template <class T>
void select_backward(const Selection& s, const T* g, int64_t channels, T* gx) {
  using A = typename accumulate_type<T>::type;
  constexpr bool same = std::is_same_v<T, A>;
  const int64_t size = s.volume() * channels, read = s.rows * s.n * channels;
  Scratch<A> sums(same ? 0 : static_cast<size_t>(num_threads() * size));
  NoGil nogil(s.outer * read);
  parallel_for(s.outer, grain_of(10 + 0.1 * static_cast<double>(size + read)),
               [&](int64_t i0, int64_t i1) {
                 for (int64_t i = i0; i < i1; ++i) {
                   A* sum = nullptr;
                   if constexpr (same)
                     sum = gx + i * size;
                   else
                     sum = sums.get() + omp_get_thread_num() * size;
                   std::fill(sum, sum + size, A(0));
                   add_selected(s, g + i * read, channels, sum);
                   if constexpr (!same) narrow_run(gx + i * size, size, sum);
                 }
               });
}

Selection selection_of(const Array& places, const IntList& counts, const IntList& shape,
                       bool pixels) {
  if (!pixels) return Selection(places, counts, shape);
  IntList spatial = pixel_shape(shape);
  spatial.pop_back();
  return Selection(places, counts, spatial);
}

}  // namespace

RL_KERNEL(select_by) {  // input, places, counts: places of each of the last dims, one after another
  const Array &input = call.tensor(0), places = index_values(call.tensor(1));
  const IntList counts = call.ints(2);
  const int dims = static_cast<int>(counts.size());
  const bool pixels = dims == input.ndim() - 2 && in_pixels(input);
  IntList shape(input.shape().begin(), input.shape().end());
  const Selection s = selection_of(places, counts, shape, pixels);
  std::copy(counts.begin(), counts.end(), shape.end() - dims);
  checked_product(shape);
  const Array x = pixels ? input : input.contiguous_copy();
  const Array y = pixels ? empty_pixels(x.dtype(), shape) : Array::empty(x.dtype(), shape);
  if (y.numel()) {
    NoGil nogil(y.numel());
    if (pixels)
      select_pixels(s, x.bytes(), y.bytes(), x.size(1) * x.item());
    else
      visit_size(x.item(), [&](auto tag) {
        using T = decltype(tag);
        select(s, x.data<T>(), y.data<T>());
      });
  }
  call.result(y);
}

RL_KERNEL(select_by_backward) {  // g, input_shape, places, counts
  const Array &given = call.tensor(0), places = index_values(call.tensor(2));
  const IntList shape = call.ints(1), counts = call.ints(3);
  const int dims = static_cast<int>(counts.size());
  const bool pixels =
      dims == given.ndim() - 2 && in_pixels(given) && shape.size() == given.shape().size();
  const Selection s = selection_of(places, counts, shape, pixels);
  IntList wanted = shape;
  std::copy(counts.begin(), counts.end(), wanted.end() - dims);
  if (wanted.size() != given.shape().size() ||
      !std::equal(wanted.begin(), wanted.end(), given.shape().begin(), given.shape().end()))
    fail(ErrorType::Runtime,
         "select_by: gradient must have the output's shape: got %s, expected %s",
         shape_text(given.shape()).c_str(), shape_text(wanted).c_str());
  const DType t = given.dtype();
  const Array g = pixels ? given : given.contiguous_copy();
  const Array gx = pixels ? empty_pixels(t, shape) : Array::empty(t, shape);
  const int64_t channels = pixels ? shape[1] : 1;
  const auto run = [&](auto tag) {
    using T = decltype(tag);
    if (gx.numel()) select_backward<T>(s, g.data<T>(), channels, gx.data<T>());
  };
  if (t == DType::C64)
    run(c64{});
  else if (t == DType::C128)
    run(c128{});
  else
    visit_real("select_by_backward", t, run);
  call.result(gx);
}

}  // namespace rl
