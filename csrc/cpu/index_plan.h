// Advanced indexing as offsets.
//
// x[..., i, j, ...] with index tensors i, j picks, for every position of their joint (broadcast)
// shape J, one byte offset into x; the dims of x that are not indexed go along as they are. The
// result has the shape (pre, J, post) when the indexed dims are neighbours, else (J, rest).
#pragma once
#include <optional>
#include <string_view>

#include "core/elastic.h"
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

// Offsets of integer indices into one dim; negative ones count from the end if `wrap`.
// `message` takes the index, the dim and its size.
inline Array checked_offsets(const Array& index, int64_t size, int64_t step, bool wrap, int dim,
                             const char* message = nullptr) {
  const Array values = index_values(index);
  const Array out = Array::empty(DType::I64, index.shape());
  if (out.is_meta()) return out;
  const int64_t* v = values.data<int64_t>();
  int64_t* o = out.data<int64_t>();
  const int64_t n = values.numel();
  int64_t low = 0, high = -1;
#pragma omp simd reduction(min : low) reduction(max : high)
  for (int64_t i = 0; i < n; ++i) {
    low = std::min(low, v[i]);
    high = std::max(high, v[i]);
  }
  if (low < (wrap ? -size : 0) || high >= size) {
    for (int64_t i = 0; i < n; ++i)
      if (v[i] < (wrap ? -size : 0) || v[i] >= size) {
        if (message)
          fail(ErrorType::Index, "%s: got index %lld for dimension %d with size %lld", message,
               static_cast<long long>(v[i]), dim, static_cast<long long>(size));
        fail(ErrorType::Index, "index %lld is out of bounds for dimension %d with size %lld",
             static_cast<long long>(v[i]), dim, static_cast<long long>(size));
      }
  }
  if (low < 0) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) o[i] = (v[i] < 0 ? v[i] + size : v[i]) * step;
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) o[i] = v[i] * step;
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

inline Array gather_plan(const Plan& plan, const Array& x) {
  const Array y = Array::empty(x.dtype(), plan.shape);
  if (y.numel() == 0) return y;
  const Walk<3> walk = plan_walk(plan, y, x);
  NoGil nogil(y.numel());
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    const auto move = [](char* const* p, const int64_t* s, int64_t n) {
      if (s[2] == 0) {
        move_run<T>(p[0], s[0], p[1] + *reinterpret_cast<int64_t*>(p[2]), s[1], n);
        return;
      }
      for (int64_t i = 0; i < n; ++i)
        *reinterpret_cast<T*>(p[0] + i * s[0]) =
            *reinterpret_cast<T*>(p[1] + *reinterpret_cast<int64_t*>(p[2] + i * s[2]));
    };
    parallel_elastic(walk.numel, move_grain(x) / 2,
                  [&](int64_t begin, int64_t end) { walk.range(begin, end, move); });
  });
  return y;
}

// values must broadcast to the plan's shape.
inline void scatter_plan(const Plan& plan, const Array& x, const Array& values) {
  const Walk<3> walk = plan_walk(plan, values, x);
  if (walk.numel == 0) return;
  NoGil nogil(walk.numel);
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    walk.run(move_grain(x) / 2, [](char* const* p, const int64_t* s, int64_t n) {
      if (s[2] == 0) {
        move_run<T>(p[1] + *reinterpret_cast<int64_t*>(p[2]), s[1], p[0], s[0], n);
        return;
      }
      for (int64_t i = 0; i < n; ++i)
        *reinterpret_cast<T*>(p[1] + *reinterpret_cast<int64_t*>(p[2] + i * s[2])) =
            *reinterpret_cast<T*>(p[0] + i * s[0]);
    });
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
  if (count == 0 || walk.numel == 0) return;
  NoGil nogil(count * walk.numel);
  const int64_t grain = std::max<int64_t>(sizeof(T) < 16 ? 16 : 1, 32768 / count);
  walk.run(grain, [&](char* const* p, const int64_t* s, int64_t n) {
    constexpr int64_t w = sizeof(T);
    for (int64_t j = 0; j < count; ++j) {
      char* to = p[0] + offsets[j];
      const char* from = p[1] + j * value_step;
      if (s[0] == w && s[1] == w) {
        T* y = reinterpret_cast<T*>(to);
        const T* v = reinterpret_cast<const T*>(from);
        for (int64_t i = 0; i < n; ++i) y[i] = f(y[i], v[i]);
      } else {
        for (int64_t i = 0; i < n; ++i) {
          T& y = *reinterpret_cast<T*>(to + i * s[0]);
          y = f(y, *reinterpret_cast<const T*>(from + i * s[1]));
        }
      }
    }
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
