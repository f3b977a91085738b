// The k largest of a line. Which of equal values are named, and in which order, PyTorch leaves to
// the C++ library: a partial sort where few of many are wanted, else a selection and, if asked, a
// sort of the chosen. Untrained routers score all experts alike, so programs depend on it. Here the
// same is done on integer keys, unless the keys that matter all differ: then there is one answer,
// and two passes over the line, or counting, find it sooner. The partial sort holds k keys and
// skips blocks of 32 that have no candidate.
#pragma once
#include <functional>

#include "rank_sort.h"

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

constexpr int64_t kTopBlock = 32;
constexpr int64_t kSpare = 512;  // entries beyond k that distinct_top may meet

// How many entries topk_line needs.
inline int64_t top_room(int64_t n, int64_t k) { return sorts_partially(n, k) ? k + kSpare : n; }

template <class T>
key_type<T> block_top(const T* x, int64_t begin, int64_t end, key_type<T> flip) {
  key_type<T> top = 0;
#pragma omp simd reduction(max : top)
  for (int64_t i = begin; i < end; ++i)
    top = std::max(top, static_cast<key_type<T>>(key_of(x[i]) ^ flip));
  return top;
}

// The k largest; false where equal keys leave a choice, or order hides the k largest too long. The
// k-th largest of the maxima of L interleaved groups is a bound that k entries reach, and few more.
template <class T, int L>
bool distinct_top(const T* x, int64_t n, int64_t k, key_type<T> flip, TopEntry<T>* e) {
  using U = key_type<T>;
  U tops[L] = {};
  for (int64_t i = 0; i + L <= n; i += L) {
#pragma omp simd
    for (int j = 0; j < L; ++j)
      tops[j] = std::max(tops[j], static_cast<U>(key_of(x[i + j]) ^ flip));
  }
  std::nth_element(tops, tops + (k - 1), tops + L, std::greater<U>());
  const U bound = tops[k - 1];
  int64_t count = 0;
  for (int64_t i0 = 0; i0 < n; i0 += kTopBlock) {
    const int64_t end = std::min(i0 + kTopBlock, n);
    if (block_top(x, i0, end, flip) < bound) continue;
    for (int64_t i = i0; i < end; ++i) {
      const U key = static_cast<U>(key_of(x[i]) ^ flip);
      if (key < bound) continue;
      if (count == k + kSpare) return false;
      e[count++] = {key, i};
    }
  }
  std::nth_element(e, e + (k - 1), e + count);
  std::sort(e, e + k);
  for (int64_t i = 1; i < k; ++i)
    if (e[i].key == e[i - 1].key) return false;
  for (int64_t i = k; i < count; ++i)
    if (e[i].key == e[k - 1].key) return false;
  return true;
}

// The same where the line is short or k not small.
template <class T>
bool distinct_line(const T* x, int64_t n, int64_t k, key_type<T> flip, TopEntry<T>* e) {
  if (k <= 16 && n >= 128) return distinct_top<T, 32>(x, n, k, flip, e);
  if (n > kRankMost) return k <= 128 && n >= 1024 && distinct_top<T, 256>(x, n, k, flip, e);
  using K = std::conditional_t<narrow_key<T>, Narrow, Wide>;
  typename K::Entry a[kRankMost], b[kRankMost];
  for (int64_t i = 0; i < n; ++i)
    a[i] = K::make(static_cast<key_type<T>>(~(key_of(x[i]) ^ flip)), i);
  rank_sort<K>(a, b, n);
  for (int64_t i = 0; i < k; ++i) {
    if (i + 1 < n && K::key(b[i]) == K::key(b[i + 1])) return false;
    e[i] = {static_cast<key_type<T>>(~K::key(b[i])), K::position(b[i])};
  }
  return true;
}

// std::partial_sort, whose heap of the best so far is all that it needs of the line.
template <class T>
void sort_partially(const T* x, int64_t n, int64_t k, key_type<T> flip, TopEntry<T>* e) {
  using U = key_type<T>;
  const auto key_at = [&](int64_t i) { return static_cast<U>(key_of(x[i]) ^ flip); };
  for (int64_t i = 0; i < k; ++i) e[i] = {key_at(i), i};
  std::make_heap(e, e + k);
  for (int64_t i0 = k; i0 < n; i0 += kTopBlock) {
    const int64_t end = std::min(i0 + kTopBlock, n);
    if (block_top(x, i0, end, flip) <= e[0].key) continue;
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
    const bool found = k <= 32    ? n >= 256 && distinct_top<T, 64>(x, n, k, flip, e)
                       : k <= 128 ? distinct_top<T, 256>(x, n, k, flip, e)
                                  : false;
    if (!found) sort_partially(x, n, k, flip, e);
  } else if (!sorted || !distinct_line(x, n, k, flip, e)) {
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
