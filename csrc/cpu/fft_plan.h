// Plans: how a transform of n elements is cut up, with its tables. Made once a length and kept.
//
//   lanes: W short signals in the lanes of vectors, by stages (fft_lanes.h)
//   line:  one signal. n = rows * columns goes in four steps (Bailey 1990): transforms of the
//          columns, W of them in lanes; twiddles; transforms of the rows, W of them in lanes.
//          A length with a prime above 31 becomes a convolution of a smooth length (Bluestein
//          1970).
#pragma once
#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include "../core/kernel.h"
#include "fft_lanes.h"

namespace rl {
namespace {

// exp(-2 pi i t / n) for 0 <= t <= n, by the symmetries of the octants.
template <class T>
void root_into(T* out, int64_t t, int64_t n) {
  constexpr double kPi = 3.14159265358979323846;
  int64_t a = 2 * t;  // the angle is pi a / n
  const bool below = a > n;
  if (below) a = 2 * n - a;
  const bool left = 2 * a > n;
  if (left) a = n - a;
  double c, s;
  if (4 * a > n) {
    const double x = kPi * static_cast<double>(n - 2 * a) / (2.0 * static_cast<double>(n));
    c = std::sin(x);
    s = std::cos(x);
  } else {
    const double x = kPi * static_cast<double>(a) / static_cast<double>(n);
    c = std::cos(x);
    s = std::sin(x);
  }
  out[0] = static_cast<T>(left ? -c : c);
  out[1] = static_cast<T>(below ? s : -s);
}

inline bool is_smooth(int64_t n) {
  for (int64_t p = 2; p <= kMostPrime; ++p)
    while (n % p == 0) n /= p;
  return n == 1;
}

inline std::vector<int> radices_of(int64_t n) {
  std::vector<int> found;
  int twos = 0;
  for (; n % 2 == 0; n /= 2) ++twos;
  if (RL_LEVEL == 2)  // radix 8 needs 32 registers
    for (; twos >= 5 || twos == 3; twos -= 3) found.push_back(8);
  for (; twos >= 2; twos -= 2) found.push_back(4);
  if (twos) found.push_back(2);
  for (int p = 3; p <= kMostPrime; p += 2)
    for (; n % p == 0; n /= p) found.push_back(p);
  return found;
}

template <class T>
class LanePlan {
  struct Step {
    Stage<T> run;
    int radix;
    int64_t rest, stride, twiddles, roots;
  };
  std::vector<Step> steps_;
  std::vector<T> table_;

 public:
  int64_t n;

  explicit LanePlan(int64_t length) : n(length) {
    int64_t whole = n, stride = 1;
    for (const int radix : radices_of(n)) {
      Step s{stage_of<T>(radix), radix, whole / radix, stride, 0, 0};
      s.roots = grow(radix);
      for (int k = 0; k < radix; ++k) {
        root_into(&table_[s.roots + 2 * k], k, radix);
        table_[s.roots + 2 * k + 1] = -table_[s.roots + 2 * k + 1];
      }
      s.twiddles = grow(s.rest * (radix - 1));
      T* at = &table_[s.twiddles];
      for (int64_t p = 0; p < s.rest; ++p)
        for (int k = 1; k < radix; ++k, at += 2) root_into(at, p * k % whole, whole);
      steps_.push_back(s);
      whole = s.rest;
      stride *= radix;
    }
  }

  // Transforms what is in `a`, with room in `b` for as much; returns which of them holds the
  // result.
  Vec<T>* run(Vec<T>* a, Vec<T>* b) const {
    for (const Step& s : steps_) {
      s.run(a, b, s.radix, s.rest, s.stride, &table_[s.twiddles], &table_[s.roots]);
      std::swap(a, b);
    }
    return a;
  }

 private:
  int64_t grow(int64_t pairs) {
    const auto at = static_cast<int64_t>(table_.size());
    table_.resize(table_.size() + 2 * static_cast<size_t>(pairs) + 2);
    return at;
  }
};

// Scratch memory of every thread: two buffers of lanes, and room for lines.
template <class T>
struct Work {
  Vec<T>* lanes;
  int64_t lane_room;  // vectors a thread
  T* lines;
  int64_t line_room;  // numbers a thread

  Vec<T>* buffer() const { return lanes + omp_get_thread_num() * lane_room; }
  T* line() const { return lines + omp_get_thread_num() * line_room; }
};
// Vectors that two buffers of n elements take, with a spare element each.
inline int64_t room_for(int64_t n) { return 4 * (n + 2); }

template <class T>
class LinePlan {
  static constexpr int W = kWidth<T>;
  // Longer lines compute their twiddles.
  static constexpr int64_t kTable = 1 << 16, kFine = 32, kNear = 1024;
  int64_t rows_ = 0, columns_ = 0, smooth_ = 0;
  std::unique_ptr<LanePlan<T>> down_, across_;
  std::vector<T> twiddles_, coarse_, chirp_, spectrum_;
  std::vector<double> near_, far_;  // roots 0 .. kNear - 1, and every kNear-th
  std::unique_ptr<LinePlan> inner_;

 public:
  int64_t n;

  explicit LinePlan(int64_t length) : n(length) {
    if (!is_smooth(n)) {
      make_chirp();
      return;
    }
    choose_rows();
    down_ = std::make_unique<LanePlan<T>>(rows_);
    if (columns_ == 1) return;
    across_ = std::make_unique<LanePlan<T>>(columns_);
    if (n <= kTable) {
      for (int64_t column = 0; column < columns_; column += W) append_twiddles(column);
    } else {
      near_.resize(2 * kNear);
      far_.resize(static_cast<size_t>(2 * (n / kNear + 1)));
      for (int64_t t = 0; t < kNear; ++t) root_into(&near_[static_cast<size_t>(2 * t)], t, n);
      for (int64_t t = 0; t <= n / kNear; ++t)
        root_into(&far_[static_cast<size_t>(2 * t)], t * kNear, n);
    }
  }

  int64_t lane_room() const {
    return inner_ ? inner_->lane_room() : room_for(std::max(rows_, columns_)) + twiddle_room();
  }
  int64_t line_room() const {  // rounded up so that every thread's part stays aligned
    const int64_t own = inner_ ? 2 * smooth_ + inner_->line_room() : columns_ > 1 ? 2 * n : 0;
    return (own + 63) / 64 * 64;
  }
  // From one signal to another, times `re` and `im`; backward by `swap`. `room` is line_room()
  // long.
  void run(Strided<const T> from, Strided<T> to, bool swap, T re, T im, T* room,
           const Work<T>& work) const {
    if (inner_) return run_chirp(from, to, swap, re, im, room, work);
    if (columns_ == 1) {
      Vec<T>* a = work.buffer();
      load<T>(a, from, n, 1, swap);
      store<T>(down_->run(a, a + room_for(n) / 2), to, n, 1, swap, re, im);
      return;
    }
    const auto grain = [](int64_t length) {
      return grain_of(element_cost<T>(length) * static_cast<double>(length * W));
    };
    parallel_for((columns_ + W - 1) / W, grain(rows_), [&](int64_t first, int64_t last) {
      for (int64_t g = first; g < last; ++g) go_down(g * W, from, swap, room, work);
    });
    parallel_for((rows_ + W - 1) / W, grain(columns_), [&](int64_t first, int64_t last) {
      for (int64_t g = first; g < last; ++g) go_across(g * W, to, swap, re, im, room, work);
    });
  }

 private:
  // Two factors near the root, such that few lanes stay empty.
  void choose_rows() {
    double best = 1e300;
    rows_ = n;
    columns_ = 1;
    if (n < 64) return;
    const auto padded = [](int64_t x) { return static_cast<double>((x + W - 1) / W * W); };
    const auto cost = [](int64_t x) {
      return static_cast<double>(x) * (4 + std::log2(static_cast<double>(x))) * (x > 2048 ? 2 : 1);
    };
    for (int64_t d = 2; d * d <= n || d <= n / 2; ++d) {
      if (d > 65536) break;
      if (n % d) continue;
      const double c = padded(n / d) * cost(d) + padded(d) * cost(n / d);
      if (c < best) {
        best = c;
        rows_ = d;
        columns_ = n / d;
      }
    }
  }

  int64_t twiddle_room() const { return n > kTable ? 2 * (rows_ / kFine + 1 + kFine) : 0; }

  // exp(-2 pi i row column / n) for W columns: rows of vectors.
  void append_twiddles(int64_t column) {
    const size_t start = twiddles_.size();
    twiddles_.resize(start + static_cast<size_t>(2 * rows_ * W));
    for (int64_t row = 0; row < rows_; ++row)
      for (int l = 0; l < W && column + l < columns_; ++l) {
        T pair[2];
        root_into(pair, row * (column + l), n);
        twiddles_[start + static_cast<size_t>((2 * row) * W + l)] = pair[0];
        twiddles_[start + static_cast<size_t>((2 * row + 1) * W + l)] = pair[1];
      }
  }

  void go_down(int64_t column, Strided<const T> from, bool swap, T* room,
               const Work<T>& work) const {
    const int lanes = static_cast<int>(std::min<int64_t>(W, columns_ - column));
    Vec<T>* a = work.buffer();
    load<T>(
        a,
        {from.base + column * from.element, columns_ * from.element, from.element, from.imaginary},
        rows_, lanes, swap);
    Vec<T>* b = down_->run(a, a + room_for(rows_) / 2);
    if (n <= kTable) {
      const T* w = &twiddles_[static_cast<size_t>(2 * rows_ * column)];
      for (int64_t row = 0; row < rows_; ++row, w += 2 * W)
        turn(b + 2 * row, vector_at(w), vector_at(w + W));
    } else {
      turn_computed(b, column, lanes, work.buffer() + room_for(std::max(rows_, columns_)));
    }
    store<T>(b, {room + 2 * column, 2 * columns_, 2, 1}, rows_, lanes, false, T(1), T(1));
  }
  static void turn(Vec<T>* z, Vec<T> re, Vec<T> im) {
    const Vec<T> a = z[0], b = z[1];
    z[0] = a * re - b * im;
    z[1] = a * im + b * re;
  }

  // The same twiddles as products from two short tables: row = 32 i + j.
  void turn_computed(Vec<T>* z, int64_t column, int lanes, Vec<T>* table) const {
    const int64_t coarse = rows_ / kFine + 1;
    std::memset(static_cast<void*>(table), 0, sizeof(Vec<T>) * 2 * (coarse + kFine));
    T* numbers = reinterpret_cast<T*>(table);
    for (int64_t i = 0; i < coarse + kFine; ++i) {
      const int64_t row = i < coarse ? i * kFine : i - coarse;
      if (row >= rows_) continue;
      for (int l = 0; l < lanes; ++l) {
        const int64_t t = row * (column + l);
        const double* a = &far_[static_cast<size_t>(t / kNear) * 2];
        const double* b = &near_[static_cast<size_t>(t % kNear) * 2];
        numbers[(2 * i) * W + l] = static_cast<T>(a[0] * b[0] - a[1] * b[1]);
        numbers[(2 * i + 1) * W + l] = static_cast<T>(a[0] * b[1] + a[1] * b[0]);
      }
    }
    for (int64_t row = 0; row < rows_; ++row) {
      const Vec<T>* f = table + 2 * (coarse + row % kFine);
      turn(z + 2 * row, f[0], f[1]);
      const Vec<T>* c = table + 2 * (row / kFine);
      turn(z + 2 * row, c[0], c[1]);
    }
  }

  void go_across(int64_t row, Strided<T> to, bool swap, T re, T im, const T* room,
                 const Work<T>& work) const {
    const int lanes = static_cast<int>(std::min<int64_t>(W, rows_ - row));
    Vec<T>* a = work.buffer();
    load<T>(a, {room + 2 * row * columns_, 2, 2 * columns_, 1}, columns_, lanes, false);
    Vec<T>* b = across_->run(a, a + room_for(columns_) / 2);
    store<T>(b, {to.base + row * to.element, rows_ * to.element, to.element, to.imaginary},
             columns_, lanes, swap, re, im);
  }

  // x[j] c[j] convolved with conj(c), times c: c[j] = exp(-pi i j^2 / n).
  void make_chirp() {
    smooth_ = 1;
    while (smooth_ < 2 * n - 1) smooth_ *= 2;
    for (const int64_t odd : {3, 5, 9, 15})
      for (int64_t size = odd * 32; size < smooth_; size *= 2)
        if (size >= 2 * n - 1) smooth_ = size;
    inner_ = std::make_unique<LinePlan>(smooth_);
    chirp_.resize(static_cast<size_t>(2 * n));
    spectrum_.assign(static_cast<size_t>(2 * smooth_), T(0));
    for (int64_t j = 0; j < n; ++j) {
      const auto square = static_cast<int64_t>(static_cast<unsigned __int128>(j) * j % (2 * n));
      T* c = &chirp_[static_cast<size_t>(2 * j)];
      root_into(c, square, 2 * n);
      for (const int64_t at : {j, j ? smooth_ - j : 0}) {
        spectrum_[static_cast<size_t>(2 * at)] = c[0];
        spectrum_[static_cast<size_t>(2 * at + 1)] = -c[1];
      }
    }
    std::vector<T> room(static_cast<size_t>(inner_->line_room()) + 1);
    const auto lanes = static_cast<size_t>(inner_->lane_room() * num_threads());
    const std::unique_ptr<Vec<T>[]> buffers(new Vec<T>[lanes]);
    const Work<T> work{buffers.get(), inner_->lane_room(), nullptr, 0};
    const T scale = T(1) / static_cast<T>(smooth_);
    inner_->run({spectrum_.data(), 2, 0, 1}, {spectrum_.data(), 2, 0, 1}, false, scale, scale,
                room.data(), work);
  }

  void run_chirp(Strided<const T> from, Strided<T> to, bool swap, T re, T im, T* room,
                 const Work<T>& work) const {
    T* z = room;
    T* rest = room + 2 * smooth_;
    for (int64_t j = 0; j < n; ++j) {
      T a = from.base[j * from.element];
      T b = from.imaginary != kNone ? from.base[j * from.element + from.imaginary] : T(0);
      if (swap) std::swap(a, b);
      const T c = chirp_[static_cast<size_t>(2 * j)], s = chirp_[static_cast<size_t>(2 * j + 1)];
      z[2 * j] = a * c - b * s;
      z[2 * j + 1] = a * s + b * c;
    }
    std::fill(z + 2 * n, z + 2 * smooth_, T(0));
    inner_->run({z, 2, 0, 1}, {z, 2, 0, 1}, false, T(1), T(1), rest, work);
    for (int64_t j = 0; j < smooth_; ++j) {
      const T a = z[2 * j], b = z[2 * j + 1];
      const T c = spectrum_[static_cast<size_t>(2 * j)];
      const T s = spectrum_[static_cast<size_t>(2 * j + 1)];
      z[2 * j] = a * c - b * s;
      z[2 * j + 1] = a * s + b * c;
    }
    inner_->run({z, 2, 0, 1}, {z, 2, 0, 1}, true, T(1), T(1), rest, work);
    for (int64_t j = 0; j < n; ++j) {
      const T a = z[2 * j], b = z[2 * j + 1];
      const T c = chirp_[static_cast<size_t>(2 * j)], s = chirp_[static_cast<size_t>(2 * j + 1)];
      T x = a * c - b * s, y = a * s + b * c;
      if (swap) std::swap(x, y);
      to.base[j * to.element] = x * re;
      if (to.imaginary != kNone) to.base[j * to.element + to.imaginary] = y * im;
    }
  }
};

// Everything known about one length.
template <class T>
struct Plan {
  int64_t n;
  std::unique_ptr<LanePlan<T>> lanes;
  std::unique_ptr<LinePlan<T>> line;
  std::vector<T> roots;  // exp(-2 pi i k / 2n), k = 0 .. n: for real signals of 2 n elements

  explicit Plan(int64_t length) : n(length) {}
  const LanePlan<T>& for_lanes() {
    if (!lanes) lanes = std::make_unique<LanePlan<T>>(n);
    return *lanes;
  }
  const LinePlan<T>& for_line() {
    if (!line) line = std::make_unique<LinePlan<T>>(n);
    return *line;
  }
  const T* real_roots() {
    if (roots.empty()) {
      roots.resize(static_cast<size_t>(2 * n + 2));
      for (int64_t k = 0; k <= n; ++k) root_into(&roots[static_cast<size_t>(2 * k)], k, 2 * n);
    }
    return roots.data();
  }
};

// Plans by length, made while the GIL is held. Many lengths make the table start again, and a very
// long one's tables go with it.
template <class T>
std::shared_ptr<Plan<T>> plan_for(int64_t n) {
  static std::map<int64_t, std::shared_ptr<Plan<T>>> plans;
  static int64_t total = 0;
  const auto found = plans.find(n);
  if (found != plans.end()) return found->second;
  if (total + n > (1 << 21) || plans.size() >= 64) {
    plans.clear();
    total = 0;
  }
  total += n;
  return plans[n] = std::make_shared<Plan<T>>(n);
}

}  // namespace
}  // namespace rl
