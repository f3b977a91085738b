// Advanced indexing as offsets.
//
// x[..., i, j, ...] with index tensors i, j picks, for every position of their joint (broadcast)
// shape J, one byte offset into x; the dims of x that are not indexed go along as they are. The
// result has the shape (pre, J, post) when the indexed dims are neighbours, else (J, rest).
#pragma once
#include <atomic>
#include <optional>
#include <string_view>

#include "walk.h"

namespace rl {
namespace {

struct Plan {
  IntList shape;  // of the result
  IntList steps;  // bytes in x by dim of the result; 0 for the joint dims
  int pre = 0;    // dims before the joint ones
  int joint = 0;  // how many joint dims
  Array offsets;  // I64, contiguous: bytes into x by joint position
  int64_t positions() const { return offsets.numel(); }
};

struct Indexed {
  int dim, dims;  // the dims of x it stands for
  Array offsets;
};

// o = (v + span where negative) step; whether all lay in [-span, size).
inline bool offsets_run(const int64_t* v, int64_t* o, int64_t begin, int64_t end, int64_t size,
                        int64_t span, int64_t step) {
  uint64_t signs = 0;  // as in all_within
  const auto last = static_cast<uint64_t>(size - 1), by = static_cast<uint64_t>(step);
#pragma omp simd reduction(| : signs)
  for (int64_t i = begin; i < end; ++i) {
    const auto u = static_cast<uint64_t>(v[i] + (v[i] >> 63 & span));
    signs |= u | (last - u);
    o[i] = static_cast<int64_t>(u * by);
  }
  return static_cast<int64_t>(signs) >= 0;
}

// Offsets of integer indices into one dim; negative ones count from the end if `wrap`.
// `message` takes the index, the dim and its size.
inline Array checked_offsets(const Array& index, int64_t size, int64_t step, bool wrap, int dim,
                             const char* message = nullptr) {
  const Array values = index_values(index);
  const Array out = Array::empty(DType::I64, index.shape());
  if (out.is_meta()) return out;
  const int64_t* v = values.data<int64_t>();
  int64_t* o = out.data<int64_t>();
  const int64_t n = values.numel(), span = wrap ? size : 0;
  std::atomic<bool> inside{true};
  {
    NoGil nogil(n);
    parallel_for(n, grain_of(0.15), [&](int64_t begin, int64_t end) {
      if (!offsets_run(v, o, begin, end, size, span, step))
        inside.store(false, std::memory_order_relaxed);
    });
  }
  if (!inside) {
    for (int64_t i = 0; i < n; ++i)
      if (v[i] < -span || v[i] >= size) {
        if (message)
          fail(ErrorType::Index, "%s: got index %lld for dimension %d with size %lld", message,
               static_cast<long long>(v[i]), dim, static_cast<long long>(size));
        fail(ErrorType::Index, "index %lld is out of bounds for dimension %d with size %lld",
             static_cast<long long>(v[i]), dim, static_cast<long long>(size));
      }
  }
  return out;
}

inline int64_t count_true(const Array& mask) {  // contiguous, one byte each
  if (mask.is_meta()) need_elements("nonzero");
  const uint8_t* m = mask.data<uint8_t>();
  int64_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < mask.numel(); ++i) count += m[i] != 0;
  return count;
}

// Offsets into x of the true positions of a mask over its dims [dim, dim + mask.ndim()).
inline Array mask_offsets(const Array& mask, const Array& x, int dim, int place) {
  for (int d = 0; d < mask.ndim(); ++d)
    if (mask.sizes()[d] != x.sizes()[dim + d])
      fail(ErrorType::Index,
           "The shape of the mask %s at index %d does not match the shape of the indexed tensor %s "
           "at index %d",
           shape_text(mask.shape()).c_str(), place + d, shape_text(x.shape()).c_str(), dim + d);
  const Array m = mask.contiguous_copy();
  const int64_t count = count_true(m);
  const Array out = Array::empty(DType::I64, {count});
  int64_t* o = out.data<int64_t>();
  const int64_t* end = o + count;
  if (count == 0) return out;
  Walk<2> walk;  // the mask, and x as positions
  for (int d = 0; d < m.ndim(); ++d)
    walk.push(m.sizes()[d], {m.strides()[d], x.strides()[dim + d] * x.item()});
  walk.base[0] = m.bytes();
  walk.range(0, walk.numel, [&](char* const* p, const int64_t* s, int64_t n) {
    const int64_t at = reinterpret_cast<int64_t>(p[1]);
    for (int64_t i = 0; i < n && o < end; ++i) {
      *o = at + i * s[1];  // overwritten until the mask says to keep it
      o += p[0][i * s[0]] != 0;
    }
  });
  return out;
}

inline IntList joint_shape(const std::vector<Indexed>& items) {
  IntList shape(items[0].offsets.shape().begin(), items[0].offsets.shape().end());
  for (size_t k = 1; k < items.size(); ++k) {
    try {
      shape = broadcast_shapes("index", shape, items[k].offsets.shape());
    } catch (const Error&) {
      std::string shapes;
      for (const Indexed& item : items)
        shapes += (shapes.empty() ? "" : ", ") + shape_text(item.offsets.shape());
      fail(ErrorType::Index,
           "shape mismatch: indexing tensors could not be broadcast together with shapes %s",
           shapes.c_str());
    }
  }
  return shape;
}

inline Array joint_offsets(const std::vector<Indexed>& items, const IntList& shape) {
  if (items.size() == 1) return items[0].offsets;
  const Array out = Array::empty(DType::I64, shape);
  std::memset(out.bytes(), 0, out.nbytes());
  for (const Indexed& item : items) {
    Walk<2> walk;
    walk.push_all(shape, {&out, &item.offsets});
    walk.range(0, walk.numel, [](char* const* p, const int64_t* s, int64_t n) {
      for (int64_t i = 0; i < n; ++i)
        *reinterpret_cast<int64_t*>(p[0] + i * s[0]) +=
            *reinterpret_cast<int64_t*>(p[1] + i * s[1]);
    });
  }
  return out;
}

inline Plan make_plan(const Array& x, const std::vector<Indexed>& items) {
  Plan plan;
  const IntList joint = joint_shape(items);
  plan.offsets = joint_offsets(items, joint);
  plan.joint = static_cast<int>(joint.size());
  bool taken[kMaxDims] = {};
  bool adjacent = true;
  for (size_t k = 0; k < items.size(); ++k) {
    for (int d = 0; d < items[k].dims; ++d) taken[items[k].dim + d] = true;
    if (k) adjacent &= items[k].dim == items[k - 1].dim + items[k - 1].dims;
  }
  const auto put_joint = [&] {
    plan.pre = static_cast<int>(plan.shape.size());
    plan.shape.insert(plan.shape.end(), joint.begin(), joint.end());
    plan.steps.insert(plan.steps.end(), joint.size(), 0);
  };
  if (!adjacent) put_joint();
  for (int d = 0; d < x.ndim(); ++d) {
    if (adjacent && d == items[0].dim) put_joint();
    if (taken[d]) continue;
    plan.shape.push_back(x.sizes()[d]);
    plan.steps.push_back(x.strides()[d] * x.item());
  }
  // A 0-d mask stands for no dim and may come behind the last one.
  if (adjacent && items[0].dim == x.ndim()) put_joint();
  return plan;
}

// The plan of indexing one dim with one 1-d (or 0-d) tensor.
inline Plan one_dim_plan(const Array& x, int dim, const Array& index, bool wrap,
                         const char* message) {
  Array flat = index.ndim() ? index : index.unsqueeze(0);
  Indexed item{dim, 1,
               checked_offsets(flat, x.size(dim), x.stride(dim) * x.item(), wrap, dim, message)};
  return make_plan(x, {item});
}

// Walks a result-shaped array, x and the offsets together.
inline Walk<3> plan_walk(const Plan& plan, const Array& result, const Array& x) {
  Walk<3> walk;
  const int nd = static_cast<int>(plan.shape.size());
  for (int d = 0; d < nd; ++d) {
    const int j = d - plan.pre;
    const bool joint = j >= 0 && j < plan.joint;
    walk.push(plan.shape[d], {Walk<3>::step(result, d - nd), plan.steps[d],
                              joint ? plan.offsets.strides()[j] * int64_t{8} : 0});
  }
  walk.base[0] = result.bytes();
  walk.base[1] = x.bytes();
  walk.base[2] = plan.offsets.bytes();
  return walk;
}

// Elements that lie and move together.
template <int64_t size>
struct Chunk {
  char bytes[size];
};
struct Row {  // of any length
  int64_t bytes;
};

// f(what moves, walk): elements, or whole rows of them where no index steps along the innermost dim
// and it is packed in both arrays.
template <class F>
void with_rows(Walk<3> walk, int64_t item, F&& f) {
  constexpr int64_t longest = 16384;  // others want threads inside
  const int last = walk.nd - 1;
  const bool packed = last >= 0 && walk.stride[2][last] == 0 && walk.stride[0][last] == item &&
                      walk.stride[1][last] == item && walk.size[last] * item <= longest;
  if (!packed) return visit_size(static_cast<int>(item), [&](auto tag) { f(tag, walk); });
  const int64_t row = item * walk.size[last];
  walk.numel /= walk.size[last];
  walk.nd = last;
  switch (row) {
    case 4: return f(Chunk<4>{}, walk);
    case 8: return f(Chunk<8>{}, walk);
    case 16: return f(Chunk<16>{}, walk);
    case 32: return f(Chunk<32>{}, walk);
    default: return f(Row{row}, walk);
  }
}

// Moves `what` n times from picked places to evenly spaced ones, or the other way round.
template <bool Gather, class T>
void move_picked(T what, char* even, int64_t step, char* base, const int64_t* at, int64_t at_step,
                 int64_t n) {
  const auto each = [&](auto by, auto at_by) {
#pragma GCC unroll 4
    for (int64_t i = 0; i < n; ++i) {
      char *a = even + i * by, *b = base + at[i * at_by];
      char *to = Gather ? a : b, *from = Gather ? b : a;
      if constexpr (std::is_same_v<T, Row>)
        move_row(to, from, what.bytes);
      else
        *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from);
    }
  };
  if constexpr (!std::is_same_v<T, Row>) {
    constexpr int64_t w = sizeof(T);
    if (step == w && at_step == 1)
      return each(std::integral_constant<int64_t, w>(), std::integral_constant<int64_t, 1>());
  }
  each(step, at_step);
}

template <bool Gather, class T>
auto picked_run(T what) {
  return [what](char* const* p, const int64_t* s, int64_t n) {
    const auto* at = reinterpret_cast<const int64_t*>(p[2]);
    if (s[2] != 0 || n == 1) return move_picked<Gather>(what, p[0], s[0], p[1], at, s[2] / 8, n);
    char* x = p[1] + *at;  // one place for all
    char *to = Gather ? p[0] : x, *from = Gather ? x : p[0];
    const int64_t ts = s[Gather ? 0 : 1], fs = s[Gather ? 1 : 0];
    if constexpr (std::is_same_v<T, Row>)
      for (int64_t i = 0; i < n; ++i) move_row(to + i * ts, from + i * fs, what.bytes);
    else
      move_run<T>(to, ts, from, fs, n);
  };
}
template <class T>
int64_t picked_grain(T what) {
  if constexpr (std::is_same_v<T, Row>)
    return grain_of(2 + 0.03 * static_cast<double>(what.bytes));
  else
    return grain_of(0.4 + 0.03 * sizeof(T));
}

inline Array gather_plan(const Plan& plan, const Array& x) {
  const Array y = Array::empty(x.dtype(), plan.shape);
  if (y.numel() == 0) return y;
  NoGil nogil(y.numel());
  with_rows(plan_walk(plan, y, x), x.item(), [&](auto what, const Walk<3>& walk) {
    walk.run(picked_grain(what), picked_run<true>(what));
  });
  return y;
}

// values must broadcast to the plan's shape.
inline void scatter_plan(const Plan& plan, const Array& x, const Array& values) {
  const Walk<3> all = plan_walk(plan, values, x);
  if (all.numel == 0) return;
  NoGil nogil(all.numel);
  with_rows(all, x.item(), [&](auto what, const Walk<3>& walk) {
    walk.run(picked_grain(what), picked_run<false>(what));
  });
}

template <class T, class F>
void combine_run(char* to, int64_t ts, const char* from, int64_t fs, int64_t n, F&& f) {
  constexpr int64_t w = sizeof(T);
  if (ts == w && fs == w) {
    T* y = reinterpret_cast<T*>(to);
    const T* v = reinterpret_cast<const T*>(from);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) y[i] = f(y[i], v[i]);
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    T& y = *reinterpret_cast<T*>(to + i * ts);
    y = f(y, *reinterpret_cast<const T*>(from + i * fs));
  }
}

// row(p, strides, length, j) for every j, whose rows of x begin at offsets[j]. Each thread keeps to
// a part of x: two that shared rows would take the cache lines behind each other's from one
// another.
template <class F>
void combine_shares(const Walk<2>& walk, const int64_t* offsets, int64_t count, F&& row) {
  int64_t low = offsets[0], high = low;
#pragma omp simd reduction(min : low) reduction(max : high)
  for (int64_t j = 0; j < count; ++j) {
    low = std::min(low, offsets[j]);
    high = std::max(high, offsets[j]);
  }
  const int64_t span = high - low + 1, steps[] = {walk.stride[0][0], walk.stride[1][0]};
  const double work = (2 + 0.1 * static_cast<double>(walk.numel)) * static_cast<double>(count);
  parallel_for(span, grain_of(work / static_cast<double>(span)), [&](int64_t begin, int64_t end) {
    each_between(offsets, count, low + begin, low + end,
                 [&](int64_t j) { row(walk.base, steps, walk.numel, j); });
  });
}

// x[offset] = f(x[offset], value) for every value, in order. T is the stored type.
template <class T, class F>
void combine_plan(const Plan& plan, const Array& x, const Array& values_in, F&& f) {
  // Values with the joint dims as one evenly spaced dim, so that it can be the loop inside.
  Array values = values_in.expand(plan.shape);
  const auto joint_dims = [&] {
    Walk<1> w;
    for (int j = plan.pre; j < plan.pre + plan.joint; ++j)
      w.push(values.sizes()[j], {values.strides()[j] * values.item()});
    return w;
  };
  Walk<1> joint = joint_dims();
  if (joint.nd > 1) {
    values = values.contiguous_copy();
    joint = joint_dims();
  }
  const int64_t value_step = joint.nd ? joint.stride[0][0] : 0;
  Walk<2> walk;
  for (int d = 0; d < values.ndim(); ++d)
    if (d < plan.pre || d >= plan.pre + plan.joint)
      walk.push(plan.shape[d], {plan.steps[d], values.strides()[d] * values.item()});
  walk.base[0] = x.bytes();
  walk.base[1] = values.bytes();
  const int64_t count = plan.positions();
  const int64_t* offsets = plan.offsets.data<int64_t>();
  if (count == 0 || walk.numel == 0 || meta_call) return;
  NoGil nogil(count * walk.numel);
  const auto row = [&](char* const* p, const int64_t* s, int64_t n, int64_t j) {
    combine_run<T>(p[0] + offsets[j], s[0], p[1] + j * value_step, s[1], n, f);
  };
  if (walk.nd == 1 && walk.numel >= 16 && walk.stride[0][0] == sizeof(T)) {
    combine_shares(walk, offsets, count, row);
    return;
  }
  walk.run(grain_of(0.2 * static_cast<double>(count)),
           [&](char* const* p, const int64_t* s, int64_t n) {
             if (n == 1)
               for (int64_t j = 0; j < count; ++j) {
                 T& y = *reinterpret_cast<T*>(p[0] + offsets[j]);
                 y = f(y, *reinterpret_cast<const T*>(p[1] + j * value_step));
               }
             else
               for (int64_t j = 0; j < count; ++j) row(p, s, n, j);
           });
}

// 0-d tensors behave as ones with a single element.
inline Array at_least_1d(const Array& a) { return a.ndim() ? a : a.unsqueeze(0); }

inline void check_index_vector(const char* op, const Array& index) {
  if (index.ndim() > 1)
    fail(ErrorType::Index, "%s: Index is supposed to be a vector, but got dim: %d", op,
         index.ndim());
  if (index.dtype() != DType::I64 && index.dtype() != DType::I32)
    fail(ErrorType::Runtime, "%s: Expected dtype int32/int64 for index but got: %s", op,
         dtype_scalar_name(index.dtype()));
}

// Checks `source` of index_add, index_copy and index_reduce: the shape of x except along dim.
inline void check_source(const char* op, const Array& x, int dim, const Array& index,
                         const Array& source) {
  if (source.dtype() != x.dtype())
    fail(ErrorType::Runtime, "%s: self (%s) and source (%s) must have the same scalar type", op,
         dtype_scalar_name(x.dtype()), dtype_scalar_name(source.dtype()));
  const int64_t count = index.numel();
  const bool scalar = source.ndim() == 0;
  if (scalar ? count != 1 : dim >= source.ndim() || source.size(dim) != count)
    fail(std::string_view(op).starts_with("index_add") ? ErrorType::Runtime : ErrorType::Index,
         "%s: Number of indices (%lld) should be equal to source.size(dim): got source of shape "
         "%s, dim %d",
         op, static_cast<long long>(count), shape_text(source.shape()).c_str(), dim);
  bool same = scalar || source.ndim() == x.ndim();
  for (int d = 0; same && !scalar && d < x.ndim(); ++d)
    same = d == dim || source.size(d) == x.size(d);
  if (!same)
    fail(ErrorType::Runtime,
         "%s: source tensor shape must match self tensor shape, excluding the specified dimension. "
         "Got self.shape = %s source.shape = %s",
         op, shape_text(x.shape()).c_str(), shape_text(source.shape()).c_str());
}

}  // namespace
}  // namespace rl
