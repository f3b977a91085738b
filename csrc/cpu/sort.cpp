// sort, topk.
//
// sort: each line (dim, others) becomes entries (key, position); least-significant-digit radix
// sort, 8 to 11 bits a pass, as many passes as the range of the keys needs (integers of one pass
// are counted without entries); short lines see rank_sort.h. Lines are split over threads; a single
// long line is sorted by all threads, each scattering its own part of every pass. 1M floats: 3
// passes over 8 MB. topk: see topk_line.h.
#include "core/layout.h"
#include "sort_keys.h"
#include "topk_line.h"

namespace rl {
namespace {

constexpr int64_t kRadixFrom = 160;     // shorter lines: by comparison
constexpr int64_t kShareFrom = 100000;  // longer lines: all threads on one line
constexpr int kMaxDigitBits = 11;

// Sorts entries whose keys are below 2^bits, `parts` threads scattering their own parts.
// Returns where the result is: a or b, both n long.
template <class K>
typename K::Entry* radix_sort(typename K::Entry* a, typename K::Entry* b, int64_t n, int bits,
                              int parts) {
  const int widest = n < 20000 ? 8 : kMaxDigitBits;
  const int passes = (bits + widest - 1) / widest,
            width = passes ? (bits + passes - 1) / passes : 0;
  const int buckets = 1 << width;
  const uint64_t mask = buckets - 1;
  std::vector<int64_t> counts(static_cast<size_t>(parts) * buckets);
  const auto begin_of = [&](int64_t t) { return n * t / parts; };
  for (int pass = 0; pass < passes; ++pass) {
    const int shift = pass * width;
    parallel_for(parts, 1, [&](int64_t t0, int64_t t1) {
      for (int64_t t = t0; t < t1; ++t) {
        int64_t* count = counts.data() + t * buckets;
        std::fill(count, count + buckets, 0);
        for (int64_t i = begin_of(t); i < begin_of(t + 1); ++i)
          ++count[K::key(a[i]) >> shift & mask];
      }
    });
    int64_t sum = 0, largest = 0;
    for (int d = 0; d < buckets; ++d) {
      const int64_t before = sum;
      for (int t = 0; t < parts; ++t) {
        const int64_t c = counts[t * buckets + d];
        counts[t * buckets + d] = sum;
        sum += c;
      }
      largest = std::max(largest, sum - before);
    }
    if (largest == n) continue;
    parallel_for(parts, 1, [&](int64_t t0, int64_t t1) {
      for (int64_t t = t0; t < t1; ++t) {
        int64_t* at = counts.data() + t * buckets;
        for (int64_t i = begin_of(t); i < begin_of(t + 1); ++i)
          b[at[K::key(a[i]) >> shift & mask]++] = a[i];
      }
    });
    std::swap(a, b);
  }
  return a;
}

// What sorting one line needs: keys counted from `low`, of so many bits, and perhaps turned round.
template <class T>
struct LineKeys {
  using U = key_type<T>;
  U low = 0, high = ~U{0};
  bool descending;

  LineKeys(const T* x, int64_t n, bool descending_) : descending(descending_) {
    if constexpr (std::is_integral_v<T>) {  // small ranges save passes
      U least = ~U{0}, most = 0;
#pragma omp simd reduction(min : least) reduction(max : most)
      for (int64_t i = 0; i < n; ++i) {
        const U k = key_of(x[i]);
        least = std::min(least, k);
        most = std::max(most, k);
      }
      low = least;
      high = most;
    }
  }
  U span() const { return high - low; }
  int bits() const { return span() ? 64 - __builtin_clzll(span()) : 0; }
  U operator()(T v) const {
    const U k = key_of(v);
    return descending ? high - k : k - low;
  }
  T value(U k) const { return value_of<T>(descending ? high - k : k + low); }
  bool exact(U k) const { return keeps_value<T>(descending ? high - k : k + low); }
};

// Keys of a few bits: positions go straight to where their key's turn is, values by runs.
template <class T>
void count_line(const LineKeys<T>& keys, const T* x, T* y, int64_t* where, int64_t n) {
  const size_t buckets = size_t{1} << keys.bits();
  std::vector<int64_t> at(buckets + 1);
  for (int64_t i = 0; i < n; ++i) ++at[keys(x[i]) + 1];
  for (size_t k = 0, from = 0; k < buckets; ++k) {
    const size_t count = static_cast<size_t>(at[k + 1]);
    std::fill_n(y + from, count, keys.value(static_cast<key_type<T>>(k)));
    from += count;
    at[k + 1] = static_cast<int64_t>(from);
  }
  for (int64_t i = 0; i < n; ++i) where[at[keys(x[i])]++] = i;
}

template <class T, class K>
void sort_line(const LineKeys<T>& keys, const T* x, T* y, int64_t* where, int64_t n,
               typename K::Entry* a, typename K::Entry* b, int parts) {
  using U = key_type<T>;
  const auto split = [&](auto&& f) {
    if (parts == 1)
      f(int64_t{0}, n);
    else
      parallel_for(n, n / parts, f);
  };
  split([&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) a[i] = K::make(keys(x[i]), i);
  });
  if (n <= kRankMost)
    rank_sort<K>(a, b, n), a = b;
  else if (n < kRadixFrom)
    std::sort(a, a + n, K::less);
  else
    a = radix_sort<K>(a, b, n, keys.bits(), parts);
  // Values come out of the keys: reading x in sorted order would miss the cache.
  split([&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      const U k = static_cast<U>(K::key(a[i]));
      const int64_t at = K::position(a[i]);
      where[i] = at;
      y[i] = keys.exact(k) ? keys.value(k) : x[at];
    }
  });
}

// x, y, where: (lines, n), contiguous.
template <class T>
void sort_lines(const Array& x, const Array& y, const Array& where, int64_t n, bool descending) {
  const int64_t lines = x.numel() / n;
  const bool share = lines < num_threads() && n >= kShareFrom;
  const int workers = share ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), lines));
  constexpr bool small = narrow_key<T>;
  using Entry = std::conditional_t<small, Narrow::Entry, Wide::Entry>;
  const bool positions_fit = n < (int64_t{1} << 32);
  Scratch<Wide::Entry> scratch(static_cast<size_t>(workers) * 2 * n *
                                   (small && positions_fit ? sizeof(Entry) : sizeof(Wide::Entry)) /
                                   sizeof(Wide::Entry) +
                               1);
  NoGil nogil(x.numel() * 8);
  const auto work = [&](int64_t l0, int64_t l1, int worker, int parts) {
    const size_t each = small && positions_fit ? sizeof(Entry) : sizeof(Wide::Entry);
    char* room =
        reinterpret_cast<char*>(scratch.get()) + static_cast<size_t>(worker) * 2 * n * each;
    for (int64_t l = l0; l < l1; ++l) {
      const T* from = x.data<T>() + l * n;
      T* to = y.data<T>() + l * n;
      int64_t* at = where.data<int64_t>() + l * n;
      const LineKeys<T> keys(from, n, descending);
      if (std::is_integral_v<T> && parts == 1 && n >= kRadixFrom && keys.bits() <= kMaxDigitBits) {
        count_line<T>(keys, from, to, at, n);
      } else if (positions_fit && keys.bits() <= 32) {
        auto* a = reinterpret_cast<Narrow::Entry*>(room);
        sort_line<T, Narrow>(keys, from, to, at, n, a, a + n, parts);
      } else {
        auto* a = reinterpret_cast<Wide::Entry*>(room);
        sort_line<T, Wide>(keys, from, to, at, n, a, a + n, parts);
      }
    }
  };
  if (share)
    work(0, lines, 0, num_threads());
  else
    parallel_for(lines, grain_of(10.0 * static_cast<double>(n)), [&](int64_t l0, int64_t l1) {
      work(l0, l1, workers > 1 ? omp_get_thread_num() : 0, 1);
    });
}

struct Ordered {
  Array values, indices;
};

// The last dim of a copy holds the lines; results go back to the original order of dims.
Array lines_last(const Array& x, int dim) {
  return x.transpose(dim, x.ndim() - 1).contiguous_copy();
}

Ordered sort_along(const char* op, const Array& input, int dim, bool descending) {
  const Array x = lines_last(input, dim);
  Ordered out{Array::empty(x.dtype(), x.shape()), Array::empty(DType::I64, x.shape())};
  const int64_t n = x.size(-1);
  if (x.numel()) {
    visit_ordered(op, x.dtype(), [&](auto tag) {
      sort_lines<decltype(tag)>(x, out.values, out.indices, n, descending);
    });
  }
  out.values = lines_last(out.values, dim);
  out.indices = lines_last(out.indices, dim);
  return out;
}

// -- topk ---------------------------------------------------------------------------------------

template <class T>
void topk_lines(const Array& x, const Array& y, const Array& where, int64_t n, int64_t k,
                bool largest, bool sorted) {
  const int64_t lines = x.numel() / n, room = top_room(n, k);
  const int workers = static_cast<int>(std::min<int64_t>(num_threads(), lines));
  Scratch<TopEntry<T>> entries(static_cast<size_t>(workers) * room);
  NoGil nogil(x.numel());
  const double ns = 200 + (sorts_partially(n, k) ? 0.3 : 5.0) * static_cast<double>(n);
  parallel_for(lines, grain_of(ns), [&](int64_t l0, int64_t l1) {
    const int64_t worker = workers > 1 ? omp_get_thread_num() : 0;
    for (int64_t l = l0; l < l1; ++l)
      topk_line(x.data<T>() + l * n, y.data<T>() + l * k, where.data<int64_t>() + l * k, n, k,
                largest, sorted, entries.get() + worker * room);
  });
}

template <class T>
bool equals(T a, T b) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return static_cast<float>(a) == static_cast<float>(b);
  else
    return a == b;
}

void no_complex(const char* what, const Array& x) {
  if (is_complex(x.dtype()))
    fail(ErrorType::Runtime, "%s does not support complex dtypes on CPU", what);
}

}  // namespace

RL_KERNEL(sort) {  // input, dim, descending, stable (always)
  const Array& x = call.tensor(0);
  no_complex("Sort", x);
  const int dim = call.dim(1, x.ndim());
  if (x.ndim() == 0) {
    call.result(x.clone());
    call.result(Array::scalar(0, DType::I64));
    return;
  }
  Ordered out = sort_along("sort", x, dim, call.boolean(2));
  const bool keeps = x.dense();
  call.result(keeps ? laid_out_as(out.values, x) : out.values);
  call.result(keeps ? laid_out_as(out.indices, x) : out.indices);
}

RL_KERNEL(topk) {  // input, k, dim, largest, sorted
  const Array& x = call.tensor(0);
  no_complex("topk()", x);
  const int64_t k = call.integer(1);
  const int dim = call.dim(2, x.ndim());
  const bool largest = call.boolean(3);
  if (k < 0 || k > (x.ndim() ? x.size(dim) : 1))
    fail(ErrorType::Runtime, "selected index k out of range");
  if (x.dtype() == DType::Bool)
    fail(ErrorType::NotImplemented, "\"topk\" not implemented for 'Bool'");
  if (x.ndim() == 0) {
    call.result(x.clone());
    call.result(Array::scalar(0, DType::I64));
    return;
  }
  const Array lines = lines_last(x, dim);
  IntList shape(lines.shape().begin(), lines.shape().end());
  const int64_t n = shape.back();
  shape.back() = k;
  Array y = Array::empty(x.dtype(), shape), where = Array::empty(DType::I64, shape);
  if (y.numel()) {
    visit_ordered("topk", x.dtype(), [&](auto tag) {
      topk_lines<decltype(tag)>(lines, y, where, n, k, largest, call.boolean(4));
    });
  }
  call.result(lines_last(y, dim));
  call.result(lines_last(where, dim));
}

RL_KERNEL(mode) {  // input, dim, keepdim: the longest run of a sorted line, at its last position
  const Array& x = call.tensor(0);
  const int dim = call.dim(1, x.ndim());
  const bool keepdim = call.boolean(2);
  const int64_t n = x.ndim() ? x.size(dim) : 1;
  if (n == 0)
    fail(ErrorType::Index, "mode(): Expected reduction dim %d to have non-zero size.", dim);
  if (x.ndim() == 0) {
    call.result(x.clone());
    call.result(Array::scalar(0, DType::I64));
    return;
  }
  const Array lines = lines_last(x, dim);
  IntList shape(lines.shape().begin(), lines.shape().end());
  shape.back() = 1;
  const Array y = Array::empty(x.dtype(), shape), where = Array::empty(DType::I64, shape);
  if (x.numel()) {
    const Ordered all = sort_along("mode", lines, lines.ndim() - 1, false);
    NoGil nogil(x.numel());
    visit_ordered("mode", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      parallel_for(y.numel(), grain_of(1.0 * static_cast<double>(n)), [&](int64_t l0, int64_t l1) {
        for (int64_t l = l0; l < l1; ++l) {
          const T* v = all.values.data<T>() + l * n;
          int64_t best = 0, length = 0;
          for (int64_t i = 0, j; i < n; i = j) {
            for (j = i + 1; j < n && equals(v[j], v[i]);) ++j;
            if (j - i > length) length = j - i, best = j - 1;
          }
          y.data<T>()[l] = v[best];
          where.data<int64_t>()[l] = all.indices.data<int64_t>()[l * n + best];
        }
      });
    });
  }
  for (const Array* a : {&y, &where}) {
    const Array shaped = a->transpose(dim, x.ndim() - 1);
    call.result((keepdim ? shaped : shaped.squeeze(dim)).contiguous_copy());
  }
}

RL_KERNEL(row_order) {  // input (n, m) -> positions that sort the rows, first columns first
  const Array x = call.tensor(0).contiguous_copy();
  const int64_t n = x.size(0), m = n ? x.numel() / n : 0;
  const Array order = Array::empty(DType::I64, {n});
  int64_t* at = order.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) at[i] = i;
  visit_ordered("unique_dim", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* v = x.data<T>();
    NoGil nogil(x.numel());
    std::stable_sort(at, at + n, [&](int64_t a, int64_t b) {
      for (int64_t j = 0; j < m; ++j) {
        const auto p = key_of(v[a * m + j]), q = key_of(v[b * m + j]);
        if (p != q) return p < q;
      }
      return false;
    });
  });
  call.result(order);
}

}  // namespace rl
