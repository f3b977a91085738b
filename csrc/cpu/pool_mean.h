// Means over windows, fixed or adaptive, of images whose pixels hold `channels` elements each: 1 in
// row-major memory, where every plane is an image.
//
// Forward: the rows under a row of windows are added up first, all their elements at once, then the
// columns of each window. Backward the other way around: the shares of a row of windows are spread
// over columns, and each row of the gradient is the sum of what its windows spread. x and g are
// read once (where rows of windows overlap, from cache), y and gx written once. Half types add up
// in float32.
#pragma once
#include <vector>

#include "pool.h"
#include "row.h"

namespace rl {
namespace {

template <class T>
using Sum = typename accumulate_type<T>::type;

// What window o of a dim takes of the input, and its factor of the divisor.
struct Span {
  int64_t begin, end, count;
};

struct Means {
  Windows w;
  int64_t channels = 1;
  bool even = false;  // columns begin `stride` apart, as w says, padding included
  std::vector<Span> at[3];

  int64_t images() const { return w.planes / channels; }
  int64_t rows() const { return w.out[0] * w.out[1]; }
  int64_t in_row() const { return w.in[2] * channels; }
  int64_t out_row() const { return w.out[2] * channels; }
};

// The divisors of a row of windows but for the factor of its rows.
template <class A>
std::vector<A> column_counts(const Means& m) {
  std::vector<A> counts;
  for (const Span& c : m.at[2]) counts.insert(counts.end(), m.channels, static_cast<A>(c.count));
  return counts;
}

template <class T>
void store_sums(T* to, const Sum<T>* from, int64_t n) {
  if constexpr (!std::is_same_v<T, Sum<T>>)
    narrow_run(to, n, from);
  else if (to != from)
    std::copy(from, from + n, to);
}

// sum = the sum of `count` >= 1 rows of n elements.
template <class T>
void add_rows(const T* const* rows, int64_t count, int64_t n, Sum<T>* sum) {
  using A = Sum<T>;
  int64_t i = 1;
  const T* a = rows[0];
  if (count == 1) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) sum[j] = static_cast<A>(a[j]);
  } else if (count == 3) {
    const T *b = rows[1], *c = rows[2];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j)
      sum[j] = static_cast<A>(a[j]) + static_cast<A>(b[j]) + static_cast<A>(c[j]);
    return;
  } else {
    const T* b = rows[1];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) sum[j] = static_cast<A>(a[j]) + static_cast<A>(b[j]);
    i = 2;
  }
  for (; i + 3 < count; i += 4) {
    const T *b = rows[i], *c = rows[i + 1], *d = rows[i + 2], *e = rows[i + 3];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j)
      sum[j] += (static_cast<A>(b[j]) + static_cast<A>(c[j])) +
                (static_cast<A>(d[j]) + static_cast<A>(e[j]));
  }
  for (; i + 1 < count; i += 2) {
    const T *b = rows[i], *c = rows[i + 1];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) sum[j] += static_cast<A>(b[j]) + static_cast<A>(c[j]);
  }
  if (i < count) {
    const T* b = rows[i];
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) sum[j] += static_cast<A>(b[j]);
  }
}

// sums[i] = the sum of k elements from i * s on; S is the stride where known, else 0. One more than
// whole vectors: GCC leaves the last vector of a strided run to single steps.
template <int S, class A>
void add_columns(const A* columns, int64_t k, int64_t stride, int64_t n, A* sums) {
  const int64_t s = S ? S : stride, end = (n + 15) / 16 * 16 + 1;
  if (k == 2) {
#pragma omp simd
    for (int64_t i = 0; i < end; ++i) sums[i] = columns[i * s] + columns[i * s + 1];
    return;
  }
  if (k == 3) {
#pragma omp simd
    for (int64_t i = 0; i < end; ++i)
      sums[i] = columns[i * s] + columns[i * s + 1] + columns[i * s + 2];
    return;
  }
#pragma omp simd
  for (int64_t i = 0; i < end; ++i) sums[i] = columns[i * s];
  for (int64_t j = 1; j < k; ++j)
#pragma omp simd
    for (int64_t i = 0; i < end; ++i) sums[i] += columns[i * s + j];
}

// sums (outputs, channels) of a row of columns, window by window.
template <class A>
void add_windows(const std::vector<Span>& spans, int64_t channels, const A* columns, A* sums) {
  for (const Span& c : spans) {
    if (channels == 1) {
      A total = 0;
      if (c.end - c.begin < 16) {
        for (int64_t j = c.begin; j < c.end; ++j) total += columns[j];
      } else {
#pragma omp simd reduction(+ : total)
        for (int64_t j = c.begin; j < c.end; ++j) total += columns[j];
      }
      *sums++ = total;
      continue;
    }
    std::fill(sums, sums + channels, A(0));
    for (int64_t j = c.begin; j < c.end; ++j) {
      const A* from = columns + j * channels;
#pragma omp simd
      for (int64_t k = 0; k < channels; ++k) sums[k] += from[k];
    }
    sums += channels;
  }
}

// Rows of windows in blocks of some: a block of sums is written before it is read again, since
// reading at another alignment what was just written would wait for the writes. With windows of one
// kind the rows of a block lie end to end, `steps` windows each, so that vectors run over all.
template <class T>
void mean_forward(const Means& m, const T* x, T* y) {
  using A = Sum<T>;
  constexpr int64_t kRows = 8;
  const Windows& w = m.w;
  const bool runs = m.even && m.channels == 1 && w.s[2] <= 2;
  const int64_t s = w.s[2], left = runs ? w.p[2] : 0, n = m.out_row();
  const int64_t filled = runs ? std::max(left + w.in[2], (w.out[2] - 1) * s + w.k[2]) : m.in_row();
  const int64_t steps = runs ? (filled + s - 1) / s : n, pitch = runs ? steps * s : filled;
  const int64_t room = kRows * pitch + (runs ? w.k[2] + 48 : 0);
  const std::vector<A> counts = column_counts<A>(m);
  Scratch<A> scratch(static_cast<size_t>(num_threads()) * (room + kRows * steps + 32));
  NoGil nogil(w.planes * w.in_size());
  const double work = static_cast<double>(m.images() * w.in_size() * m.channels) /
                      static_cast<double>(m.images() * m.rows());
  parallel_for(m.images() * m.rows(), grain_of(5 + 0.15 * work), [&](int64_t r0, int64_t r1) {
    A* const columns = scratch.get() + omp_get_thread_num() * (room + kRows * steps + 32);
    A* const sums = columns + room;
    std::fill(columns, columns + room, A(0));
    std::vector<const T*> under;
    for (int64_t r = r0; r < r1; r += kRows) {
      const int64_t count = std::min(kRows, r1 - r);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t image = (r + i) / m.rows(), at = (r + i) % m.rows();
        const Span &a = m.at[0][at / w.out[1]], &b = m.at[1][at % w.out[1]];
        const T* from = x + image * w.in_size() * m.channels;
        under.clear();
        for (int64_t z = a.begin; z < a.end; ++z)
          for (int64_t v = b.begin; v < b.end; ++v)
            under.push_back(from + (z * w.in[1] + v) * m.in_row());
        if (under.empty())
          std::fill_n(columns + i * pitch + left, m.in_row(), A(0));
        else
          add_rows(under.data(), static_cast<int64_t>(under.size()), m.in_row(),
                   columns + i * pitch + left);
      }
      if (!runs)
        for (int64_t i = 0; i < count; ++i)
          add_windows(m.at[2], m.channels, columns + i * pitch, sums + i * steps);
      else if (s == 1)
        add_columns<1>(columns, w.k[2], s, count * steps, sums);
      else
        add_columns<2>(columns, w.k[2], s, count * steps, sums);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t at = (r + i) % m.rows();
        const A high = static_cast<A>(m.at[0][at / w.out[1]].count * m.at[1][at % w.out[1]].count);
        A *from = sums + i * steps, *to = from;
        if constexpr (std::is_same_v<T, A>) to = y + (r + i) * n;
#pragma omp simd
        for (int64_t o = 0; o < n; ++o) to[o] = from[o] / (high * counts[o]);
        store_sums(y + (r + i) * n, to, n);
      }
    }
  });
}

// line (columns, channels) = the shares of a row of windows, each over its columns.
template <class A>
void spread_columns(const Means& m, const A* share, A* line) {
  const Windows& w = m.w;
  const int64_t channels = m.channels, n = w.out[2];
  const bool whole = m.even && w.p[2] == 0 && n * w.s[2] <= w.in[2];
  if (channels == 1 && whole && w.k[2] == 2 && w.s[2] == 2) {
#pragma omp simd
    for (int64_t o = 0; o < n; ++o) line[2 * o] = line[2 * o + 1] = share[o];
    std::fill(line + 2 * n, line + w.in[2], A(0));
    return;
  }
  std::fill(line, line + m.in_row(), A(0));
  if (channels == 1 && m.even && w.s[2] == 1) {
    for (int64_t j = 0; j < w.k[2]; ++j) {
      int64_t first, last;
      valid_outputs(w, 2, j, &first, &last);
      A* to = line + j - w.p[2];
#pragma omp simd
      for (int64_t o = first; o < last; ++o) to[o] += share[o];
    }
    return;
  }
  for (int64_t o = 0; o < n; ++o) {
    const Span& c = m.at[2][o];
    if (channels == 1) {
      for (int64_t j = c.begin; j < c.end; ++j) line[j] += share[o];
      continue;
    }
    const A* from = share + o * channels;
    for (int64_t j = c.begin; j < c.end; ++j) {
      A* to = line + j * channels;
#pragma omp simd
      for (int64_t k = 0; k < channels; ++k) to[k] += from[k];
    }
  }
}

// For each place of a dim the windows [first, last) that take it.
inline std::vector<std::pair<int64_t, int64_t>> takers_of(const std::vector<Span>& spans,
                                                          int64_t places) {
  const int64_t n = static_cast<int64_t>(spans.size());
  std::vector<std::pair<int64_t, int64_t>> takers;
  int64_t first = 0, last = 0;
  for (int64_t i = 0; i < places; ++i) {
    while (first < n && spans[first].end <= i) ++first;
    while (last < n && spans[last].begin <= i) ++last;
    takers.push_back({first, std::max(first, last)});
  }
  return takers;
}

template <class T>
void mean_backward(const Means& m, const T* g, T* gx) {
  using A = Sum<T>;
  const Windows& w = m.w;
  const int64_t n = m.out_row(), wide = m.in_row(), rows = m.rows();
  const std::vector<A> counts = column_counts<A>(m);
  const auto slices = takers_of(m.at[0], w.in[0]), lines = takers_of(m.at[1], w.in[1]);
  const int64_t room = rows * wide + n + wide;
  Scratch<A> scratch(static_cast<size_t>(num_threads()) * room);
  NoGil nogil(w.planes * w.in_size());
  const double work = static_cast<double>(w.in_size() * m.channels);
  parallel_for(m.images(), grain_of(20 + 0.3 * work), [&](int64_t i0, int64_t i1) {
    A* const spread = scratch.get() + omp_get_thread_num() * room;
    A *const share = spread + rows * wide, *const sum = share + n;
    std::vector<const A*> above;
    for (int64_t i = i0; i < i1; ++i) {
      for (int64_t r = 0; r < rows; ++r) {
        const T* from = g + (i * rows + r) * n;
        const A high = static_cast<A>(m.at[0][r / w.out[1]].count * m.at[1][r % w.out[1]].count);
#pragma omp simd
        for (int64_t o = 0; o < n; ++o) share[o] = static_cast<A>(from[o]) / (high * counts[o]);
        spread_columns(m, share, spread + r * wide);
      }
      for (int64_t r = 0; r < w.in[0] * w.in[1]; ++r) {
        const auto [z0, z1] = slices[r / w.in[1]];
        const auto [v0, v1] = lines[r % w.in[1]];
        above.clear();
        for (int64_t z = z0; z < z1; ++z)
          for (int64_t v = v0; v < v1; ++v) above.push_back(spread + (z * w.out[1] + v) * wide);
        T* const to = gx + (i * w.in[0] * w.in[1] + r) * wide;
        A* line = sum;
        if constexpr (std::is_same_v<T, A>) line = to;
        if (above.empty())
          std::fill_n(line, wide, A(0));
        else
          add_rows(above.data(), static_cast<int64_t>(above.size()), wide, line);
        store_sums(to, line, wide);
      }
    }
  });
}

}  // namespace
}  // namespace rl
