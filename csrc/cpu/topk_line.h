// The k largest of a line. Which of equal values are named, and in which order, PyTorch leaves to
// the C++ library: a partial sort where few of many are wanted, else a selection and, if asked, a
// sort of the chosen. Untrained routers score all experts alike, so programs depend on it. Here the
// same is done on integer keys; the partial sort holds k of them and skips blocks of 32 that have
// no candidate, one pass over the line.
#pragma once
#include "sort_keys.h"

namespace rl {
namespace {

template <class T>
struct TopEntry {
  key_type<T> key;
  int64_t at;
  // The order of what is wanted: first the largest.
  friend bool operator<(const TopEntry& a, const TopEntry& b) { return a.key > b.key; }
};

inline bool sorts_partially(int64_t n, int64_t k) { return k * 64 <= n; }

// How many entries topk_line needs.
inline int64_t top_room(int64_t n, int64_t k) { return sorts_partially(n, k) ? k + 1 : n; }

// std::partial_sort, whose heap of the best so far is all that it needs of the line.
template <class T>
void sort_partially(const T* x, int64_t n, int64_t k, key_type<T> flip, TopEntry<T>* e) {
  using U = key_type<T>;
  const auto key_at = [&](int64_t i) { return static_cast<U>(key_of(x[i]) ^ flip); };
  for (int64_t i = 0; i < k; ++i) e[i] = {key_at(i), i};
  std::make_heap(e, e + k);
  constexpr int64_t block = 32;
  for (int64_t i0 = k; i0 < n; i0 += block) {
    const int64_t end = std::min(i0 + block, n);
    U top = 0;
#pragma omp simd reduction(max : top)
    for (int64_t i = i0; i < end; ++i) top = std::max(top, static_cast<U>(key_of(x[i]) ^ flip));
    if (top <= e[0].key) continue;
    for (int64_t i = i0; i < end; ++i) {
      const U key = key_at(i);
      if (key <= e[0].key) continue;
      e[k] = {key, i};  // it takes the place of the worst, which goes behind the heap
      std::pop_heap(e, e + k + 1);
    }
  }
  std::sort_heap(e, e + k);
}

template <class T>
void topk_line(const T* x, T* y, int64_t* where, int64_t n, int64_t k, bool largest, bool sorted,
               TopEntry<T>* e) {
  const key_type<T> flip = largest ? key_type<T>{0} : ~key_type<T>{0};
  if (sorts_partially(n, k)) {
    sort_partially(x, n, k, flip, e);
  } else {
    for (int64_t i = 0; i < n; ++i) e[i] = {static_cast<key_type<T>>(key_of(x[i]) ^ flip), i};
    std::nth_element(e, e + (k - 1), e + n);
    if (sorted) std::sort(e, e + (k - 1));
  }
  for (int64_t i = 0; i < k; ++i) {
    where[i] = e[i].at;
    y[i] = x[e[i].at];
  }
}

}  // namespace
}  // namespace rl
