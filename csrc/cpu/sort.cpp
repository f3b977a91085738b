// sort, topk.
//
// sort: each line (dim, others) becomes entries (key, position); least-significant-digit radix
// sort, 8 bits a pass, passes skipped where all digits agree; short lines go to std::sort. Lines
// are split over threads; a single long line is sorted by all threads, each scattering its own
// part of every pass. 1M floats: 4 passes over 8 MB, 7 ms on two cores.
// topk: one pass that compares blocks of keys with the worst kept entry; candidates collect in a
// buffer of about 2k entries, cut back to the best k when full.
#include "sort_keys.h"

namespace rl {
namespace {

constexpr int64_t kRadixFrom = 160;     // shorter lines: std::sort
constexpr int64_t kShareFrom = 100000;  // longer lines: all threads on one line

// Sorts a (n entries), using b as long; returns where the result is.
template <class K> typename K::Entry* radix_sort(typename K::Entry* a, typename K::Entry* b, int64_t n, int parts) {
  std::vector<std::array<int64_t, 256>> counts(parts);
  const auto begin_of = [&](int64_t t) { return n * t / parts; };
  for (int byte = 0; byte < K::kKeyBytes; ++byte) {
    parallel_for(parts, 1, [&](int64_t t0, int64_t t1) {
      for (int64_t t = t0; t < t1; ++t) {
        counts[t].fill(0);
        for (int64_t i = begin_of(t); i < begin_of(t + 1); ++i) ++counts[t][K::digit(a[i], byte)];
      }
    });
    int64_t sum = 0, largest = 0;
    for (int d = 0; d < 256; ++d) {
      const int64_t before = sum;
      for (int t = 0; t < parts; ++t) {
        const int64_t c = counts[t][d];
        counts[t][d] = sum;
        sum += c;
      }
      largest = std::max(largest, sum - before);
    }
    if (largest == n) continue;
    parallel_for(parts, 1, [&](int64_t t0, int64_t t1) {
      for (int64_t t = t0; t < t1; ++t) {
        int64_t* at = counts[t].data();
        for (int64_t i = begin_of(t); i < begin_of(t + 1); ++i) b[at[K::digit(a[i], byte)]++] = a[i];
      }
    });
    std::swap(a, b);
  }
  return a;
}

template <class T, class K>
void sort_line(const T* x, T* y, int64_t* where, int64_t n, bool descending, typename K::Entry* a,
               typename K::Entry* b, int parts) {
  using U = std::conditional_t<K::kKeyBytes == 4, uint32_t, uint64_t>;
  const U flip = descending ? ~U{0} : U{0};
  const auto split = [&](auto&& f) {
    if (parts == 1) f(int64_t{0}, n);
    else parallel_for(n, n / parts, f);
  };
  split([&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) a[i] = K::make(static_cast<U>(key_of(x[i])) ^ flip, i);
  });
  if (n < kRadixFrom) std::sort(a, a + n, K::less);
  else a = radix_sort<K>(a, b, n, parts);
  split([&](int64_t i0, int64_t i1) {
    for (int64_t i = i0; i < i1; ++i) {
      const int64_t at = K::position(a[i]);
      y[i] = x[at];
      where[i] = at;
    }
  });
}

// x, y, where: (lines, n), contiguous.
template <class T, class K>
void sort_lines(const Array& x, const Array& y, const Array& where, int64_t n, bool descending) {
  using E = typename K::Entry;
  const int64_t lines = x.numel() / n;
  const bool share = lines < num_threads() && n >= kShareFrom;
  const int workers = share ? 1 : static_cast<int>(std::min<int64_t>(num_threads(), lines));
  Scratch<E> scratch(static_cast<size_t>(workers) * 2 * n);
  NoGil nogil(x.numel() * 8);
  const auto work = [&](int64_t l0, int64_t l1, int worker, int parts) {
    E* a = scratch.get() + static_cast<size_t>(worker) * 2 * n;
    for (int64_t l = l0; l < l1; ++l)
      sort_line<T, K>(x.data<T>() + l * n, y.data<T>() + l * n, where.data<int64_t>() + l * n, n,
                      descending, a, a + n, parts);
  };
  if (share) work(0, lines, 0, num_threads());
  else parallel_for(lines, std::max<int64_t>(1, 4000 / n), [&](int64_t l0, int64_t l1) {
    work(l0, l1, workers > 1 ? omp_get_thread_num() : 0, 1);
  });
}

struct Ordered {
  Array values, indices;
};

// The last dim of a copy holds the lines; results go back to the original order of dims.
Array lines_last(const Array& x, int dim) { return x.transpose(dim, x.ndim() - 1).contiguous_copy(); }

Ordered sort_along(const char* op, const Array& input, int dim, bool descending) {
  const Array x = lines_last(input, dim);
  Ordered out{Array::empty(x.dtype(), x.shape()), Array::empty(DType::I64, x.shape())};
  const int64_t n = x.size(-1);
  if (x.numel()) {
    visit_ordered(op, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (narrow_key<T>) {
        if (n < (int64_t{1} << 32)) return sort_lines<T, Narrow>(x, out.values, out.indices, n, descending);
      }
      sort_lines<T, Wide>(x, out.values, out.indices, n, descending);
    });
  }
  out.values = lines_last(out.values, dim);
  out.indices = lines_last(out.indices, dim);
  return out;
}

// -- topk ---------------------------------------------------------------------------------------

// Keeps the k largest of the entries offered; ties go to the earlier position.
template <class U> class Best {
 public:
  struct Entry {
    U key;
    uint32_t late;  // ~position: larger is earlier
  };
  Best(Entry* buffer, int64_t k) : e_(buffer), k_(k), room_(capacity(k)) {}
  static int64_t capacity(int64_t k) { return 2 * k + 64; }

  bool wants(U key) const { return count_ < k_ || key > worst_; }
  void offer(U key, int64_t at) {
    e_[count_++] = {key, ~static_cast<uint32_t>(at)};
    if (count_ == room_ || count_ == k_) cut();
  }
  Entry* finish() {
    cut();
    std::sort(e_, e_ + count_, before);
    return e_;
  }
  U worst() const { return worst_; }
  bool full() const { return count_ >= k_; }
  void clear() { count_ = 0; }

 private:
  static bool before(const Entry& a, const Entry& b) { return a.key != b.key ? a.key > b.key : a.late > b.late; }
  void cut() {
    if (count_ < k_ || k_ == 0) return;
    std::nth_element(e_, e_ + k_ - 1, e_ + count_, before);
    count_ = k_;
    worst_ = e_[k_ - 1].key;
  }
  Entry* e_;
  int64_t k_, room_, count_ = 0;
  U worst_ = 0;
};

template <class T>
void topk_line(const T* x, T* y, int64_t* where, int64_t n, bool largest, int64_t k, Best<key_type<T>>& best) {
  using U = key_type<T>;
  const U flip = largest ? U{0} : ~U{0};
  constexpr int64_t block = 64;
  best.clear();
  for (int64_t i0 = 0; i0 < n; i0 += block) {
    const int64_t m = std::min(block, n - i0);
    U keys[block], top = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < m; ++i) {
      keys[i] = key_of(x[i0 + i]) ^ flip;
      top = std::max(top, keys[i]);
    }
    if (best.full() && top <= best.worst()) continue;
    for (int64_t i = 0; i < m; ++i)
      if (best.wants(keys[i])) best.offer(keys[i], i0 + i);
  }
  const auto* e = best.finish();
  for (int64_t i = 0; i < k; ++i) {
    const int64_t at = static_cast<uint32_t>(~e[i].late);
    y[i] = x[at];
    where[i] = at;
  }
}

template <class T>
void topk_lines(const Array& x, const Array& y, const Array& where, int64_t n, int64_t k, bool largest) {
  using B = Best<key_type<T>>;
  const int64_t lines = x.numel() / n, room = B::capacity(k);
  const int workers = static_cast<int>(std::min<int64_t>(num_threads(), lines));
  Scratch<typename B::Entry> scratch(static_cast<size_t>(workers) * room);
  NoGil nogil(x.numel());
  parallel_for(lines, std::max<int64_t>(1, 20000 / n), [&](int64_t l0, int64_t l1) {
    B best(scratch.get() + (workers > 1 ? omp_get_thread_num() : 0) * room, k);
    for (int64_t l = l0; l < l1; ++l)
      topk_line<T>(x.data<T>() + l * n, y.data<T>() + l * k, where.data<int64_t>() + l * k, n, largest, k, best);
  });
}

void no_complex(const char* what, const Array& x) {
  if (is_complex(x.dtype())) fail(ErrorType::Runtime, "%s does not support complex dtypes on CPU", what);
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
  call.result(out.values);
  call.result(out.indices);
}

RL_KERNEL(topk) {  // input, k, dim, largest, sorted (always)
  const Array& x = call.tensor(0);
  no_complex("topk()", x);
  const int64_t k = call.integer(1);
  const int dim = call.dim(2, x.ndim());
  const bool largest = call.boolean(3);
  if (k < 0 || k > (x.ndim() ? x.size(dim) : 1)) fail(ErrorType::Runtime, "selected index k out of range");
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
    if (n >= (int64_t{1} << 32) || k > n / 2) {  // most of the line: sort it
      Ordered all = sort_along("topk", lines, lines.ndim() - 1, largest);
      y = all.values.slice(-1 + lines.ndim(), 0, k, 1).contiguous_copy();
      where = all.indices.slice(-1 + lines.ndim(), 0, k, 1).contiguous_copy();
    } else {
      visit_ordered("topk", x.dtype(), [&](auto tag) { topk_lines<decltype(tag)>(lines, y, where, n, k, largest); });
    }
  }
  call.result(lines_last(y, dim));
  call.result(lines_last(where, dim));
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
