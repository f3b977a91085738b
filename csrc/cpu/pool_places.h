// Where the largest element of each window of a plane (or volume) stands.
//
// The plane is laid out in cache with the padding around it, a block for each remainder of the
// strides, its rows end to end. An element of all windows is then an offset into it, and vectors
// run over whole planes, whatever their width. Of equal elements the first of the plane wins, of
// NaNs the last.
#pragma once
#include <limits>
#include <vector>

#include "pool.h"

namespace rl {
namespace {

template <class T>
T lowest() {
  if constexpr (std::numeric_limits<T>::is_integer)
    return std::numeric_limits<T>::min();
  else
    return static_cast<T>(-std::numeric_limits<float>::infinity());
}

// The first element of window o along a dim that is no padding, or one behind the plane.
inline int64_t first_inside(const Windows& w, int d, int64_t o) {
  int64_t at = o * w.s[d] - w.p[d];
  if (at < 0) at += (-at + w.d[d] - 1) / w.d[d] * w.d[d];
  return at;
}

class PlaceFinder {
  struct Tap {
    int64_t offset;  // in the layout, from a window's place there
    int32_t step;    // in the plane, from the window's first element
  };
  static constexpr int64_t kChunk = 64;   // windows at a time, rounded up to whole vectors
  static constexpr int64_t kBlocks = 16;  // more of them make short rows: windows one by one then
  const Windows& w_;
  bool plain_;
  int64_t slices_, rows_, pitch_, run_;
  std::vector<Tap> taps_;
  std::vector<int32_t> begin_, first_;  // of each window of a slice: its begin, its first inside

  int64_t slice() const { return rows_ * pitch_; }
  int64_t block() const { return slices_ * slice(); }
  int64_t blocks() const { return w_.s[0] * w_.s[1] * w_.s[2] * block(); }

 public:
  explicit PlaceFinder(const Windows& w) : w_(w), plain_(w.s[0] * w.s[1] * w.s[2] > kBlocks) {
    if (plain_) {
      slices_ = rows_ = 0, pitch_ = run_ = w.out[2];
      return;
    }
    const auto reach = [&](int d) { return (w.k[d] - 1) * w.d[d] / w.s[d]; };
    slices_ = w.out[0] + reach(0), rows_ = w.out[1] + reach(1), pitch_ = w.out[2] + reach(2);
    run_ = (w.out[1] - 1) * pitch_ + w.out[2];
    for (int64_t a = 0; a < w.k[0]; ++a)
      for (int64_t b = 0; b < w.k[1]; ++b)
        for (int64_t c = 0; c < w.k[2]; ++c) {
          const int64_t z = a * w.d[0], y = b * w.d[1], x = c * w.d[2];
          const int64_t phase = (z % w.s[0] * w.s[1] + y % w.s[1]) * w.s[2] + x % w.s[2];
          const int64_t offset =
              phase * block() + z / w.s[0] * slice() + y / w.s[1] * pitch_ + x / w.s[2];
          taps_.push_back({offset, static_cast<int32_t>((z * w.in[1] + y) * w.in[2] + x)});
        }
    const size_t held = static_cast<size_t>(run_ + kChunk);
    begin_.resize(held), first_.resize(held);
    for (int64_t q = 0; q < run_; ++q) {
      const int64_t r = q / pitch_, o = q % pitch_;
      begin_[q] = static_cast<int32_t>((r * w.s[1] - w.p[1]) * w.in[2] + o * w.s[2] - w.p[2]);
      first_[q] = static_cast<int32_t>(first_inside(w, 1, r) * w.in[2] + first_inside(w, 2, o));
    }
  }
  // Elements of scratch of a thread: the layout, and the largest of each window of a slice.
  int64_t room() const { return blocks() + kChunk + run_ + kChunk; }
  int64_t places() const { return run_ + kChunk; }

  template <class C>
  void lay_out(const C* plane, C* to) const {
    const Windows& w = w_;
    for (int64_t phase = 0; phase < w.s[0] * w.s[1] * w.s[2]; ++phase) {
      const int64_t left = w.p[2] - phase % w.s[2];
      // Columns [c0, c1) of a row of the block are inside: pixel c * stride - left.
      const int64_t c0 = std::min(pitch_, left > 0 ? (left + w.s[2] - 1) / w.s[2] : 0);
      const int64_t past = w.in[2] - 1 + left;
      const int64_t c1 = past < 0 ? c0 : std::clamp(past / w.s[2] + 1, c0, pitch_);
      for (int64_t i = 0; i < slices_ * rows_; ++i, to += pitch_) {
        const int64_t z = i / rows_ * w.s[0] + phase / w.s[2] / w.s[1] - w.p[0];
        const int64_t y = i % rows_ * w.s[1] + phase / w.s[2] % w.s[1] - w.p[1];
        if (z < 0 || z >= w.in[0] || y < 0 || y >= w.in[1]) {
          std::fill(to, to + pitch_, lowest<C>());
          continue;
        }
        const C* row = plane + (z * w.in[1] + y) * w.in[2] - left;
        std::fill(to, to + c0, lowest<C>());
        if (w.s[2] == 1)
          std::copy(row + c0, row + c1, to + c0);
        else if (w.s[2] == 2)
          for (int64_t c = c0; c < c1; ++c) to[c] = row[2 * c];
        else
          for (int64_t c = c0; c < c1; ++c) to[c] = row[c * w.s[2]];
        std::fill(to + c1, to + pitch_, lowest<C>());
      }
    }
  }

  // f(row of outputs, their largest, their places) for every row of windows of a plane.
  template <class C, class F>
  void each_row(const C* plane, C* scratch, int32_t* at, F&& f) const {
    C* const best = scratch + blocks() + kChunk;
    if (plain_) {
      for (int64_t r = 0; r < w_.out[0] * w_.out[1]; ++r) {
        for (int64_t o = 0; o < w_.out[2]; ++o)
          at[o] = look(plane, r / w_.out[1], r % w_.out[1], o, best[o]);
        f(r, best, at);
      }
      return;
    }
    lay_out(plane, scratch);
    std::fill(scratch + blocks(), best, lowest<C>());
    for (int64_t z = 0; z < w_.out[0]; ++z) {
      for (int64_t q = 0; q < run_; q += kChunk)
        find(scratch + z * slice() + q, z, q, std::min(kChunk, (run_ - q + 15) / 16 * 16), best + q,
             at + q);
      for (int64_t r = 0; r < w_.out[1]; ++r)
        f(z * w_.out[1] + r, best + r * pitch_, at + r * pitch_);
    }
  }

 private:
  // One window, an element after another.
  template <class C>
  int32_t look(const C* plane, int64_t od, int64_t oh, int64_t ow, C& best) const {
    const Windows& w = w_;
    const int64_t z0 = first_inside(w, 0, od), y0 = first_inside(w, 1, oh),
                  x0 = first_inside(w, 2, ow);
    const auto end = [&](int d, int64_t o) {
      return std::min(w.in[d], o * w.s[d] - w.p[d] + w.k[d] * w.d[d]);
    };
    int64_t at = (z0 * w.in[1] + y0) * w.in[2] + x0;
    best = lowest<C>();
    for (int64_t z = z0; z < end(0, od); z += w.d[0])
      for (int64_t y = y0; y < end(1, oh); y += w.d[1])
        for (int64_t x = x0, x1 = end(2, ow); x < x1; x += w.d[2]) {
          const int64_t i = (z * w.in[1] + y) * w.in[2] + x;
          const C v = plane[i];
          if (v > best || v != v) [[unlikely]]
            best = v, at = i;
        }
    return static_cast<int32_t>(at);
  }

  template <class C>
  void find(const C* from, int64_t z, int64_t q, int64_t n, C* best, int32_t* at) const {
    const int64_t area = w_.in[1] * w_.in[2];
    const int32_t *begin = begin_.data() + q, *first = first_.data() + q;
    const int32_t start = static_cast<int32_t>((z * w_.s[0] - w_.p[0]) * area);
    const int32_t inside = static_cast<int32_t>(first_inside(w_, 0, z) * area);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) best[i] = lowest<C>(), at[i] = first[i] + inside;
    for (const Tap& tap : taps_) {
      const C* x = from + tap.offset;
      const int32_t step = start + tap.step;
#pragma omp simd
      for (int64_t i = 0; i < n; ++i) {
        const C v = x[i], b = best[i];
        const int32_t place = begin[i] + step, old = at[i];
        const int32_t larger = v > b ? place : old;
        const C top = v > b ? v : b;
        at[i] = v != v ? place : larger;
        best[i] = v != v ? v : top;
      }
    }
  }
};

}  // namespace
}  // namespace rl
