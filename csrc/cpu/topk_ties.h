// Which of equal values topk names, and in which order. PyTorch leaves that to the C++ library: a
// partial sort where few of many are wanted, else a selection and, if asked, a sort of the chosen.
// Untrained routers score all experts alike, so programs depend on it. One pass over a line tells
// whether equal values can matter; only such lines are done again, at the library's speed.
#pragma once
#include "sort_keys.h"

namespace rl {
namespace {

// The library's partial sort leaves no freedom in the order of different values.
inline bool sorts_partially(int64_t n, int64_t k) { return k * 64 <= n; }

// Whether the k values found are not the only ones of their size on the line.
template <class T>
bool has_ties(const T* x, const T* found, int64_t n, int64_t k) {
  for (int64_t i = 1; i < k; ++i)
    if (key_of(found[i]) == key_of(found[i - 1])) return true;
  const auto last = key_of(found[k - 1]);
  int64_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; ++i) count += key_of(x[i]) == last;
  return count > 1;
}

template <class T>
void select_like_library(const T* x, T* y, int64_t* where, int64_t n, int64_t k, bool largest,
                         bool sorted) {
  struct Entry {
    key_type<T> key;
    int64_t at;
  };
  const auto before = [](const Entry& a, const Entry& b) { return a.key > b.key; };
  const key_type<T> flip = largest ? key_type<T>{0} : ~key_type<T>{0};
  std::vector<Entry> e(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) e[i] = {static_cast<key_type<T>>(key_of(x[i]) ^ flip), i};
  if (sorts_partially(n, k)) {
    std::partial_sort(e.begin(), e.begin() + k, e.end(), before);
  } else {
    std::nth_element(e.begin(), e.begin() + (k - 1), e.end(), before);
    if (sorted) std::sort(e.begin(), e.begin() + (k - 1), before);
  }
  for (int64_t i = 0; i < k; ++i) {
    where[i] = e[i].at;
    y[i] = x[e[i].at];
  }
}

// Puts the library's order into the lines of y and where that need it.
template <class T>
void settle_ties(const Array& x, const Array& y, const Array& where, int64_t n, int64_t k,
                 bool largest, bool sorted) {
  const bool any_order = !sorted && !sorts_partially(n, k);
  NoGil nogil(x.numel());
  parallel_for(x.numel() / n, std::max<int64_t>(1, 20000 / n), [&](int64_t l0, int64_t l1) {
    for (int64_t l = l0; l < l1; ++l) {
      const T* line = x.data<T>() + l * n;
      T* found = y.data<T>() + l * k;
      if (any_order || has_ties(line, found, n, k))
        select_like_library(line, found, where.data<int64_t>() + l * k, n, k, largest, sorted);
    }
  });
}

}  // namespace
}  // namespace rl
