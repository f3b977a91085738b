// The reduction engine: out[k] = finish(fold over r of x[k, r]).
//
// A plan separates the axes that are kept from those that are reduced, sorts each set by
// stride and coalesces what lies side by side, so that any dense layout ends as one or two
// loops. The driver cuts the outputs into blocks and hands each block with the two innermost
// axes to a `fold`, which picks rows (reduced axis contiguous) or columns (kept axis
// contiguous: vectorised over the outputs). Rows too short for vectors are turned into columns, a
// few columns that fill their rows into many. Every element is read once. Threads take blocks of
// outputs, or, when there are few outputs, ranges of the longest reduced axis.
//
// Everything here has internal linkage, because each file is compiled once per ISA.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include "core/convert.h"
#include "core/kernel.h"
#include "lanes.h"

namespace rl {
namespace {

struct Axis {
  int64_t size, in, out;  // strides in elements; `out` means nothing for a reduced axis
};

struct ReducePlan {
  int kept = 0, reduced = 0;
  Axis keep[kMaxDims], reduce[kMaxDims];  // outermost first
  int64_t outputs = 1, count = 1;         // outputs, and elements behind each
};

// The loops of one reduction. An accumulator takes acc_size bytes; a block of n of them is one
// opaque region, always handed over whole.
struct ReduceLoops {
  int acc_size;
  double ns;      // an element of long rows takes, in the cache
  int turn;       // rows up to this long are turned into columns
  bool separate;  // a block is an array of accumulators, which take elements in any order
  void (*init)(void* acc, int64_t n);
  // acc[j] takes p[j * wstride + r * rstride] for r < rows; `first` is the index of row 0.
  void (*fold)(void* acc, const char* p, int64_t width, int64_t wstride, int64_t rows,
               int64_t rstride, int64_t first, const double* params);
  void (*merge)(void* acc, const void* other, int64_t n);
  void (*finish)(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                 const double* params);
};

constexpr int64_t kBlock = 512;         // outputs in a block, at most
constexpr int64_t kWide = 128;          // columns that a few are made into
constexpr int64_t kTurnedBytes = 8192;  // of a block of short rows that are turned
constexpr int kMaxAcc = 24;             // bytes of the largest accumulator

inline int sort_and_coalesce(Axis* axes, int n, bool match_out) {
  for (int i = 1; i < n; ++i)
    for (int j = i; j > 0 && axes[j].in > axes[j - 1].in; --j) std::swap(axes[j], axes[j - 1]);
  int m = 0;
  for (int i = 0; i < n; ++i) {
    Axis& last = axes[m ? m - 1 : 0];
    const Axis& a = axes[i];
    if (m && last.in == a.in * a.size && (!match_out || last.out == a.out * a.size))
      last = {last.size * a.size, a.in, a.out};
    else
      axes[m++] = a;
  }
  return m;
}

inline void plan_reduction(ReducePlan& plan, const Array& x, uint64_t mask) {
  int64_t out_stride = 1;
  for (int d = x.ndim() - 1; d >= 0; --d) {
    const int64_t size = x.size(d);
    if (mask >> d & 1) {
      plan.count *= size;
      if (size != 1) plan.reduce[plan.reduced++] = {size, x.stride(d), 0};
    } else {
      plan.outputs *= size;
      if (size != 1) plan.keep[plan.kept++] = {size, x.stride(d), out_stride};
      out_stride *= size;
    }
  }
  std::reverse(plan.keep, plan.keep + plan.kept);
  std::reverse(plan.reduce, plan.reduce + plan.reduced);
  plan.kept = sort_and_coalesce(plan.keep, plan.kept, true);
  plan.reduced = sort_and_coalesce(plan.reduce, plan.reduced, false);
}

inline Array reduced_result(const Array& x, uint64_t mask, bool keepdim, DType t) {
  int64_t sizes[kMaxDims];
  int n = 0;
  for (int d = 0; d < x.ndim(); ++d) {
    if (!(mask >> d & 1))
      sizes[n++] = x.size(d);
    else if (keepdim)
      sizes[n++] = 1;
  }
  return Array::empty(t, Shape(sizes, n));
}

inline bool no_dims(PyObject* o) {  // (), []; what else is a sequence may have no size
  return (PyTuple_Check(o) || PyList_Check(o)) && Py_SIZE(o) == 0;
}

// Dims of an argument as a bit mask. None and () mean every dim.
inline uint64_t reduce_mask(const Call& call, int i, int ndim) {
  if (i >= call.nargs || call.none(i)) return ~uint64_t{0};
  if (PyLong_CheckExact(call.args[i])) return uint64_t{1} << call.dim(i, ndim);
  if (no_dims(call.args[i])) return ~uint64_t{0};
  uint64_t mask = 0;
  for (const int64_t d : call.dims(i, ndim)) mask |= uint64_t{1} << d;
  return mask;
}

// An argument that may be left out: keepdim, dtype.
inline bool flag(const Call& call, int i) { return i < call.nargs && call.boolean(i); }
inline std::optional<DType> wanted_dtype(const Call& call, int i) {
  return i < call.nargs ? call.dtype(i) : std::nullopt;
}
// The input in the dtype asked for (last argument); an integer result type rounds first, as
// PyTorch's sums do.
inline Array in_dtype(const Call& call, int i) {
  const std::optional<DType> t = wanted_dtype(call, i);
  return t && *t != call.tensor(0).dtype() ? call.tensor(0).to(*t) : call.tensor(0);
}

class Reducer {
  const ReducePlan& plan_;
  const ReduceLoops& loops_;
  const char* in_;
  int item_;
  const double* params_;
  Axis inner_keep_, inner_reduce_;
  int64_t width_ = 1, blocks_per_row_ = 1, blocks_ = 1;

  bool turned() const {
    return inner_reduce_.in == 1 && inner_reduce_.size > 1 && inner_reduce_.size <= loops_.turn &&
           inner_keep_.size >= 8;
  }
  // How many rows of n columns are taken as one, each column with that many accumulators.
  int64_t widened(int64_t n) const {
    if (!loops_.separate || inner_keep_.in != 1 || inner_reduce_.in != n || n > kWide / 2) return 1;
    return int64_t{1} << (std::bit_width(static_cast<uint64_t>(kWide / n)) - 1);
  }
  // What an element takes: each row, or row of columns, costs some nanoseconds of its own.
  double cost() const {
    constexpr double kRow = 2.5, kStrided = 0.6, kTurned = 0.1;
    if (turned()) return loops_.ns + kTurned;
    const int64_t run = inner_keep_.in == 1     ? inner_keep_.size * widened(inner_keep_.size)
                        : inner_reduce_.in == 1 ? inner_reduce_.size
                                                : 0;
    return loops_.ns + (run ? kRow / static_cast<double>(run) : kStrided);
  }

  // The loops' fold over `rows` of the inner reduced axis.
  void fold_inner(void* acc, const char* p, int64_t n, int64_t rows, int64_t first) const {
    const int64_t times = widened(n);
    if (turned()) {
      alignas(64) char columns[kTurnedBytes];
      find_transpose(item_)(columns, n * item_, p, inner_keep_.in * item_, rows, n);
      loops_.fold(acc, columns, n, 1, rows, n, first, params_);
      return;
    }
    if (times > 1 && rows >= 4 * times) {
      alignas(64) char wide[kWide * kMaxAcc];
      const int64_t whole = rows / times;
      loops_.init(wide, times * n);
      loops_.fold(wide, p, times * n, 1, whole, times * n, first, params_);
      for (int64_t half = times / 2; half > 0; half /= 2)
        loops_.merge(wide, wide + half * n * loops_.acc_size, half * n);
      loops_.merge(acc, wide, n);
      rows -= whole * times, p += whole * times * n * item_;
      if (!rows) return;
    }
    loops_.fold(acc, p, n, inner_keep_.in, rows, inner_reduce_.in, first, params_);
  }

  // Folds the elements behind outputs [j, j + n) of inner row `row`, over [begin, end) of
  // reduced axis `cut` (the other reduced axes run whole).
  void fold(void* acc, int64_t in_offset, int64_t n, int cut, int64_t begin, int64_t end) const {
    const int outer = std::max(plan_.reduced - 1, 0);
    int64_t index[kMaxDims], offset = in_offset, first = 0;
    int64_t rows = inner_reduce_.size;
    if (cut == outer) {
      first = begin, rows = end - begin;
      offset += begin * inner_reduce_.in;
    }
    for (int d = 0; d < outer; ++d) {
      index[d] = d == cut ? begin : 0;
      offset += index[d] * plan_.reduce[d].in;
    }
    for (;;) {
      fold_inner(acc, in_ + offset * item_, n, rows, first);
      int d = outer - 1;
      for (; d >= 0; --d) {
        const int64_t start = d == cut ? begin : 0, stop = d == cut ? end : plan_.reduce[d].size;
        offset += plan_.reduce[d].in;
        if (++index[d] < stop) break;
        offset -= (stop - start) * plan_.reduce[d].in;
        index[d] = start;
      }
      if (d < 0) return;
    }
  }

  struct Block {
    int64_t in, out, width;
  };
  Block block(int64_t b) const {
    int64_t rest = b / blocks_per_row_;
    const int64_t j = b % blocks_per_row_ * width_;
    Block r{j * inner_keep_.in, j * inner_keep_.out, std::min(width_, inner_keep_.size - j)};
    for (int d = plan_.kept - 2; d >= 0; --d) {
      const Axis& a = plan_.keep[d];
      r.in += rest % a.size * a.in;
      r.out += rest % a.size * a.out;
      rest /= a.size;
    }
    return r;
  }

  void finish(char* const* out, const int* out_item, const Block& b, const void* acc) const {
    char* at[2] = {out[0] + b.out * out_item[0], out[1] ? out[1] + b.out * out_item[1] : nullptr};
    const int64_t strides[2] = {inner_keep_.out, inner_keep_.out};
    loops_.finish(at, strides, acc, b.width, params_);
  }

 public:
  Reducer(const ReducePlan& plan, const ReduceLoops& loops, const char* in, int item,
          const double* params)
      : plan_(plan),
        loops_(loops),
        in_(in),
        item_(item),
        params_(params),
        inner_keep_(plan.kept ? plan.keep[plan.kept - 1] : Axis{1, 0, 0}),
        inner_reduce_(plan.reduced ? plan.reduce[plan.reduced - 1] : Axis{1, 0, 0}) {}

  // Runs with the GIL held; releases it around the loops. out[1] may be null.
  void run(char* const* out, const int* out_item, bool splittable) {
    if (plan_.outputs == 0) return;
    const int64_t work = plan_.outputs * plan_.count, threads = num_threads();
    const int64_t rows = plan_.outputs / inner_keep_.size, grain = grain_of(cost());
    width_ = kBlock;
    if (turned())
      width_ = std::clamp<int64_t>(kTurnedBytes / (inner_reduce_.size * item_), 1, kBlock);
    else if (inner_keep_.in != 1)
      width_ = kBlock / 8;
    const int64_t blocks = rows * ((inner_keep_.size + width_ - 1) / width_);
    const int64_t parts = splittable && blocks < 8 ? parts_of(work / grain) : 1;
    if (parts == 1 && work >= 2 * grain && blocks < threads)
      width_ = std::min(width_, std::max<int64_t>(inner_keep_.in == 1 ? 32 : 1,
                                                  inner_keep_.size * rows / threads));
    width_ = std::min(width_, inner_keep_.size);
    blocks_per_row_ = (inner_keep_.size + width_ - 1) / width_;
    blocks_ = rows * blocks_per_row_;
    if (parts > 1) {
      split(out, out_item, work, parts);
      return;
    }
    NoGil nogil(work);
    const int64_t per_block = std::max<int64_t>(work / blocks_, 1);
    parallel_for(blocks_, (grain + per_block - 1) / per_block, [&](int64_t b0, int64_t b1) {
      alignas(64) char acc[kBlock * kMaxAcc];
      for (int64_t i = b0; i < b1; ++i) {
        const Block b = block(i);
        loops_.init(acc, b.width);
        if (plan_.count) fold(acc, b.in, b.width, -1, 0, 0);
        finish(out, out_item, b, acc);
      }
    });
  }

 private:
  // Into how many parts the longest reduced axis is cut, given what is worth a thread. That depends
  // on the sizes alone, so the result does not depend on the number of threads.
  int64_t parts_of(int64_t shares) const {
    const int64_t few = inner_keep_.in == 1 ? kBlock : 16;
    if (plan_.outputs > few) return 1;
    const int64_t length = plan_.reduced ? plan_.reduce[longest()].size : 1;
    const int64_t most = std::min({shares, length, plan_.count / 64, int64_t{64}});
    return most < 2 ? 1 : int64_t{1} << (std::bit_width(static_cast<uint64_t>(most)) - 1);
  }
  int longest() const {
    int axis = 0;
    for (int d = 1; d < plan_.reduced; ++d)
      if (plan_.reduce[d].size > plan_.reduce[axis].size) axis = d;
    return axis;
  }

  // Few outputs: parts of the longest reduced axis, merged in order.
  void split(char* const* out, const int* out_item, int64_t work, int64_t parts) {
    const int cut = longest();
    const int64_t length = plan_.reduce[cut].size;
    const int64_t region = plan_.outputs * loops_.acc_size;
    Scratch<char> accs(parts * region);
    NoGil nogil(work);
    parallel_for(parts, 1, [&](int64_t p0, int64_t p1) {
      for (int64_t p = p0; p < p1; ++p) {
        char* acc = accs.get() + p * region;
        for (int64_t i = 0; i < blocks_; ++i) {
          const Block b = block(i);
          loops_.init(acc, b.width);
          fold(acc, b.in, b.width, cut, length * p / parts, length * (p + 1) / parts);
          acc += b.width * loops_.acc_size;
        }
      }
    });
    char* acc = accs.get();
    for (int64_t i = 0; i < blocks_; ++i) {
      const Block b = block(i);
      const int64_t bytes = b.width * loops_.acc_size;
      for (int64_t p = 1; p < parts; ++p) loops_.merge(acc, acc + p * region, b.width);
      finish(out, out_item, b, acc);
      acc += bytes;
    }
  }
};

// One reduction with one result (or two of the same shape).
inline void reduce(const Array& x, uint64_t mask, const ReduceLoops& loops, const Array& out,
                   const double* params = nullptr, const Array* second = nullptr,
                   bool splittable = true) {
  ReducePlan plan;
  plan_reduction(plan, x, mask);
  char* const outs[2] = {out.bytes(), second ? second->bytes() : nullptr};
  const int items[2] = {out.item(), second ? second->item() : 0};
  Reducer(plan, loops, x.bytes(), x.item(), params).run(outs, items, splittable);
}

}  // namespace
}  // namespace rl
