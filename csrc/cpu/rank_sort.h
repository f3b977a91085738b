// Short lines of entries (see sort_keys.h) sorted without a branch on keys: the place of an entry
// is the number of those below it, counted in vectors. n^2 comparisons, but none to guess.
#pragma once
#include "lanes.h"
#include "sort_keys.h"

namespace rl {
namespace {

constexpr int64_t kRankMost = 24 * kLanes<uint64_t>;  // entries that are sorted so
constexpr int kRankVectors = 4;
constexpr int64_t kRankRoom = kRankMost + kRankVectors * kLanes<uint64_t>;

// place[i] of V vectors of keys from `begin`. Of equal keys, the first is below the others.
template <int V, bool kEqual>
void count_below(const uint64_t* keys, int64_t n, int64_t begin, uint64_t* place) {
  constexpr int L = kLanes<uint64_t>;
  using Keys = VecOf<uint64_t>::type;
  alignas(64) uint64_t order[V * L];
  for (int l = 0; l < V * L; ++l) order[l] = begin + l;
  Keys key[V], at[V], below[V] = {};
  for (int v = 0; v < V; ++v) {
    load_vec<uint64_t>(key[v], keys + begin + v * L);
    load_vec<uint64_t>(at[v], order + v * L);
  }
  for (int64_t j = 0; j < n; ++j) {
    const Keys other = Keys{} + keys[j];
    for (int v = 0; v < V; ++v) {
      if constexpr (kEqual) {
        const Keys turn = Keys{} + static_cast<uint64_t>(j);
        below[v] -= Keys((other < key[v]) | ((other == key[v]) & (turn < at[v])));
      } else {
        below[v] -= Keys(other < key[v]);
      }
    }
  }
  for (int v = 0; v < V; ++v) __builtin_memcpy(place + begin + v * L, &below[v], kVecBytes);
}

// Sorts n <= kRankMost entries of `a` into `b`.
template <class K>
void rank_sort(const typename K::Entry* a, typename K::Entry* b, int64_t n) {
  constexpr int L = kLanes<uint64_t>;
  constexpr bool equal = !std::is_same_v<K, Narrow>;  // a narrow entry holds its position
  alignas(64) uint64_t keys[kRankRoom], place[kRankRoom];
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (equal)
      keys[i] = K::key(a[i]);
    else
      keys[i] = a[i];
  }
  std::fill(keys + n, keys + std::min(n + kRankVectors * L, kRankRoom), ~uint64_t{0});
  int64_t i = 0;
  for (; i + 2 * L < n; i += 4 * L) count_below<4, equal>(keys, n, i, place);
  if (i + L < n) count_below<2, equal>(keys, n, i, place), i += 2 * L;
  if (i < n) count_below<1, equal>(keys, n, i, place);
  for (int64_t k = 0; k < n; ++k) b[place[k]] = a[k];
}

}  // namespace
}  // namespace rl
