// Runs a plan of the element-wise engine (pointwise.cpp): over rows in memory, in blocks whose
// operands are gathered, or in tiles where an operand is a transposed matrix.
#include <algorithm>

#include "parallel.h"
#include "pointwise_plan.h"

namespace rl {

namespace {

// Copies runs of raw elements of some size, between any strides.
ConvertFn mover(int item) {
  const DType t = item == 1   ? DType::U8
                  : item == 2 ? DType::I16
                  : item == 4 ? DType::I32
                  : item == 8 ? DType::I64
                              : DType::C128;
  return find_convert(t, t);
}

void splat_fill(char* buffer, const char* value, int item, int64_t n) {  // one value, n times
  mover(item)(buffer, item, value, 0, n);
}

// -- rows -------------------------------------------------------------------------------------
// Every operand is contiguous along the innermost dim and of the loop's dtype or, where the loop
// has its second form, held: the loop runs over the rows in memory, many at a call.
class Rows {
  const Plan& p_;
  const int last_;
  unsigned held_ = 0;
  bool fit_;

 public:
  explicit Rows(const Plan& p) : p_(p), last_(p.ndim - 1) {
    fit_ = true;
    for (int k = 0; k < p.n; ++k) {
      const bool still = k && p.strides[k][last_] == 0 && p.numel > 1;
      if (still) held_ |= 1u << k;
      fit_ = fit_ && !p.load[k] &&
             (still ? p.grid != nullptr : p.numel == 1 || p.strides[k][last_] == p.item[k]);
    }
    fit_ = fit_ && held_ != (2 | 4) && (last_ == 0 || p.sizes[last_] >= shortest());
  }
  bool fit() const { return fit_; }

  void run(int64_t begin, int64_t end) const {  // elements
    const int64_t columns = p_.sizes[last_], rows = last_ ? p_.sizes[last_ - 1] : 1;
    while (begin < end) {
      const int64_t column = begin % columns, row = begin / columns, inner = row % rows;
      Grid g{1, std::min(columns - column, end - begin), {}, held_};
      if (g.columns == columns) g.rows = std::min((end - begin) / columns, rows - inner);
      char* at[kMaxOperands];
      for (int k = 0; k < p_.n; ++k) {
        at[k] = p_.base[k] + column * p_.strides[k][last_];
        if (last_) at[k] += inner * p_.strides[k][last_ - 1];
      }
      int64_t rest = row / rows;
      for (int d = last_ - 2; d >= 0; --d, rest /= p_.sizes[d + 1])
        for (int k = 0; k < p_.n; ++k) at[k] += rest % p_.sizes[d] * p_.strides[k][d];
      call(at, g);
      begin += g.rows * g.columns;
    }
  }

 private:
  // Below this many elements a block of many rows, gathered first, is faster. Where nothing needs
  // gathering but a row that is added to every row, that is done once.
  int64_t shortest() const {
    for (int k = 0; k < p_.n; ++k) {
      const int64_t step = p_.strides[k][last_], next = p_.strides[k][last_ - 1];
      const bool once = next == 0 && (p_.splat[k] || step != 0);
      if (!once && next != step * p_.sizes[last_]) return 8;
    }
    return 64;
  }

  void call(char** at, Grid& g) const {
    if (p_.grid) {
      for (int k = 0; k < p_.n; ++k) g.step[k] = last_ ? p_.strides[k][last_ - 1] : 0;
      return p_.grid(at, g, p_.params);
    }
    for (int64_t r = 0; r < g.rows; ++r) {
      p_.fn(at, g.columns, p_.params);
      for (int k = 0; last_ && k < p_.n; ++k) at[k] += p_.strides[k][last_ - 1];
    }
  }
};

// -- blocks -----------------------------------------------------------------------------------
// A block is `size` steps of dim `dim` with all dims inside it, at most kChunk elements. An operand
// that is linear in there is passed by pointer; any other goes through a buffer, which stays as it
// is while the operand does not move (a row added to every row of a matrix is read once).
class Blocks {
  const Plan& p_;
  int dim_, last_;
  int64_t inside_ = 1, size_, pieces_;
  bool linear_[kMaxOperands], constant_[kMaxOperands];
  ConvertFn move_[kMaxOperands];

 public:
  explicit Blocks(const Plan& p) : p_(p), dim_(p.ndim - 1), last_(p.ndim - 1) {
    while (dim_ > 0 && inside_ * p.sizes[dim_] <= kChunk / 2) inside_ *= p.sizes[dim_--];
    const int64_t n = p.sizes[dim_], most = std::max<int64_t>(kChunk / inside_, 1);
    pieces_ = (n + most - 1) / most;
    size_ = (n + pieces_ - 1) / pieces_;
    pieces_ = (n + size_ - 1) / size_;
    for (int k = 0; k < p.n; ++k) {
      if (p.splat[k]) continue;
      int64_t expected = p.item[k];
      linear_[k] = !p.load[k];
      constant_[k] = true;
      for (int d = last_; d >= dim_; --d) {
        linear_[k] = linear_[k] && p.strides[k][d] == expected;
        constant_[k] = constant_[k] && p.strides[k][d] == 0;
        expected *= p.sizes[d];
      }
      move_[k] = p.load[k] ? p.load[k] : mover(p.item[k]);
    }
  }

  int64_t count() const {
    int64_t n = pieces_;
    for (int d = 0; d < dim_; ++d) n *= p_.sizes[d];
    return n;
  }
  int64_t elements() const { return size_ * inside_; }  // of one block, the last may be shorter

  void run(int64_t begin, int64_t end) const {
    alignas(64) char buffers[kMaxOperands][kChunk * kMaxItem];
    char *at[kMaxOperands], *args[kMaxOperands];
    const char* held[kMaxOperands] = {};  // where the elements of a buffer came from
    int64_t have[kMaxOperands] = {};      // how many it holds
    int64_t index[kMaxDims], piece = begin % pieces_, rest = begin / pieces_;
    for (int k = 0; k < p_.n; ++k) {
      at[k] = p_.base[k];
      args[k] = buffers[k];
      if (p_.splat[k]) splat_fill(buffers[k], p_.scalars[k], p_.item[k], elements());
    }
    for (int d = dim_ - 1; d >= 0; --d, rest /= p_.sizes[d + 1]) {
      index[d] = rest % p_.sizes[d];
      for (int k = 0; k < p_.n; ++k)
        if (!p_.splat[k]) at[k] += index[d] * p_.strides[k][d];
    }
    for (int64_t b = begin; b < end; ++b) {
      const int64_t steps = std::min(size_, p_.sizes[dim_] - piece * size_);
      const int64_t n = steps * inside_;
      for (int k = 0; k < p_.n; ++k) {
        if (p_.splat[k]) continue;
        char* from = at[k] + piece * size_ * p_.strides[k][dim_];
        if (linear_[k]) {
          args[k] = from;
        } else if (k && (held[k] != from || have[k] < n)) {
          gather(k, from, buffers[k], steps);
          held[k] = from;
          have[k] = n;
        }
      }
      p_.fn(args, n, p_.params);
      if (!linear_[0]) scatter(at[0] + piece * size_ * p_.strides[0][dim_], buffers[0], steps);
      if (++piece < pieces_) continue;
      piece = 0;
      for (int d = dim_ - 1; d >= 0; --d) {
        const bool more = ++index[d] < p_.sizes[d];
        const int64_t move = more ? 1 : 1 - p_.sizes[d];
        for (int k = 0; k < p_.n; ++k)
          if (!p_.splat[k]) at[k] += move * p_.strides[k][d];
        if (more) break;
        index[d] = 0;
      }
    }
  }

 private:
  // f(address, elements before it, length) for every innermost row of a block at `from`.
  template <class F>
  void rows(int k, char* from, int64_t steps, F f) const {
    if (dim_ == last_) return f(from, int64_t{0}, steps);
    const int64_t row = p_.sizes[last_], count = steps * inside_ / row;
    int64_t index[kMaxDims] = {};
    for (int64_t r = 0; r < count; ++r) {
      f(from, r * row, row);
      for (int d = last_ - 1; d >= dim_; --d) {
        from += p_.strides[k][d];
        if (d == dim_ || ++index[d] < p_.sizes[d]) break;
        from -= p_.strides[k][d] * p_.sizes[d];
        index[d] = 0;
      }
    }
  }

  void gather(int k, char* from, char* to, int64_t steps) const {
    const int item = p_.item[k];
    const int64_t step = p_.strides[k][last_];
    const ConvertFn move = move_[k];
    if (constant_[k]) return move(to, item, from, 0, steps * inside_);
    rows(k, from, steps, [&](char* src, int64_t done, int64_t length) {
      move(to + done * item, item, src, step, length);
    });
  }

  void scatter(char* to, const char* from, int64_t steps) const {
    const int item = p_.item[0];
    const int64_t step = p_.strides[0][last_];
    const ConvertFn move = move_[0];
    rows(0, to, steps, [&](char* dst, int64_t done, int64_t length) {
      move(dst, step, from + done * item, item, length);
    });
  }
};

// -- tiles ------------------------------------------------------------------------------------
// An operand that is contiguous along the second innermost dim (a transposed matrix) would be
// gathered one element a cache line. Instead blocks of it are turned in a buffer, and the loop runs
// over the rows of the block.
constexpr int64_t kTileRows = 32, kTileCols = 256;

bool transposed(const Plan& p, int k) {
  const int last = p.ndim - 1;
  return p.strides[k][last] != p.item[k] && p.strides[k][last] != 0 &&
         p.strides[k][last - 1] == p.item[k];
}

bool tileable(const Plan& p) {
  if (p.ndim < 2 || p.load[0] || p.strides[0][p.ndim - 1] != p.item[0]) return false;
  bool any = false;
  for (int k = 1; k < p.n; ++k) {
    if (p.splat[k]) continue;
    if (p.load[k] || p.item[k] > 8) return false;
    if (transposed(p, k))
      any = true;
    else if (p.strides[k][p.ndim - 1] != p.item[k])
      return false;
  }
  return any;
}

// Rows [begin, end) of the last two dims, for one index of the outer ones: `base` per operand.
void run_tiles(const Plan& p, char* const* base, int64_t begin, int64_t end) {
  alignas(64) char buffers[kMaxOperands][kTileRows * kTileCols * 8];
  const int last = p.ndim - 1;
  const int64_t cols = p.sizes[last];
  for (int k = 1; k < p.n; ++k)
    if (p.splat[k]) splat_fill(buffers[k], p.scalars[k], p.item[k], std::min(cols, kTileCols));
  for (int64_t j = 0; j < cols; j += kTileCols) {
    const int64_t width = std::min(kTileCols, cols - j);
    for (int64_t i = begin; i < end; i += kTileRows) {
      const int64_t height = std::min(kTileRows, end - i);
      for (int k = 1; k < p.n; ++k) {
        if (p.splat[k] || !transposed(p, k)) continue;
        find_transpose(p.item[k])(buffers[k], kTileCols * p.item[k],
                                  base[k] + i * p.item[k] + j * p.strides[k][last],
                                  p.strides[k][last], height, width);
      }
      for (int64_t r = 0; r < height; ++r) {
        char* args[kMaxOperands];
        for (int k = 0; k < p.n; ++k) {
          if (p.splat[k])
            args[k] = buffers[k];
          else if (k && transposed(p, k))
            args[k] = buffers[k] + r * kTileCols * p.item[k];
          else
            args[k] = base[k] + (i + r) * p.strides[k][last - 1] + j * p.item[k];
        }
        p.fn(args, width, p.params);
      }
    }
  }
}

void execute_tiles(const Plan& p, double cost) {
  const int outer = p.ndim - 2;
  const int64_t rows = p.sizes[outer], count = p.numel / p.sizes[p.ndim - 1];
  const int64_t grain = grain_of(cost * static_cast<double>(p.sizes[p.ndim - 1]));
  NoGil nogil(p.numel, 20000);
  parallel_for(count, std::max(grain, kTileRows), [&](int64_t a, int64_t b) {
    while (a < b) {
      const int64_t row = a % rows, stop = std::min(rows, row + b - a);
      char* base[kMaxOperands];
      for (int k = 0; k < p.n; ++k) {
        base[k] = p.base[k];
        if (p.splat[k]) continue;
        int64_t rest = a / rows;
        for (int d = outer - 1; d >= 0; --d) {
          base[k] += rest % p.sizes[d] * p.strides[k][d];
          rest /= p.sizes[d];
        }
      }
      run_tiles(p, base, row, stop);
      a += stop - row;
    }
  });
}

}  // namespace

void execute(const Plan& p, double cost) {
  if (p.numel >= 4096 && tileable(p)) return execute_tiles(p, cost + 0.3);
  const double work = static_cast<double>(p.numel) * cost;  // ns
  NoGil nogil(static_cast<int64_t>(work), 20000);
  const Rows rows(p);
  if (rows.fit()) {
    parallel_for(p.numel, grain_of(cost), [&](int64_t a, int64_t b) { rows.run(a, b); });
    return;
  }
  const Blocks blocks(p);
  const double each = (cost + 0.3) * static_cast<double>(blocks.elements());
  parallel_for(blocks.count(), grain_of(each), [&](int64_t a, int64_t b) { blocks.run(a, b); });
}

}  // namespace rl
