// Indexing with tensors: index, index_put, index_select, index_add, index_copy, index_fill,
// take, put.
//
// All become a plan (index_plan.h): byte offsets into x, checked before anything is written.
// Reading copies runs of the dims that are not indexed (whole rows for x[i]); writing does the
// reverse. Sums keep to one thread per run of x, so no atomics: threads split the other dims.
#include "core/tensor.h"
#include "index_plan.h"

namespace rl {
namespace {

template <class T>
T plus(T a, T b) {
  using A = typename accumulate_type<T>::type;
  if constexpr (std::is_same_v<T, bool>)
    return a || b;
  else
    return static_cast<T>(static_cast<A>(a) + static_cast<A>(b));
}

void add_plan(const Plan& plan, const Array& x, const Array& values) {
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    combine_plan<T>(plan, x, values, [](T a, T b) { return plus(a, b); });
  });
}

// The (tensors or None) list of an `index` call, as offsets.
Plan plan_of(Call& call, int argument, const Array& x) {
  PyObject* list = call.args[argument];
  if (!PyTuple_Check(list) && !PyList_Check(list))
    fail(ErrorType::Type, "%s: indices must be a tuple or list of tensors", call.name());
  const Py_ssize_t n = PySequence_Fast_GET_SIZE(list);
  PyObject** at = PySequence_Fast_ITEMS(list);
  int needed = 0;
  for (Py_ssize_t k = 0; k < n; ++k) {
    if (at[k] == Py_None) {
      ++needed;
      continue;
    }
    const Array& i = array_of(at[k]);
    if (i.dtype() == DType::Bool || i.dtype() == DType::U8)
      needed += i.ndim();
    else if (i.dtype() == DType::I64 || i.dtype() == DType::I32)
      needed += 1;
    else
      fail(ErrorType::Index, "tensors used as indices must be long, int, byte or bool tensors");
  }
  if (needed > x.ndim())
    fail(ErrorType::Index, "too many indices for tensor of dimension %d", x.ndim());
  // Where nothing is picked, no index is looked at: any value passes, as in PyTorch.
  bool nothing = false;
  std::vector<Array> picked(n);
  for (Py_ssize_t k = 0, dim = 0; k < n; ++k) {
    if (at[k] == Py_None) {
      ++dim;
      continue;
    }
    const Array& i = array_of(at[k]);
    const bool mask = i.dtype() == DType::Bool || i.dtype() == DType::U8;
    if (mask) picked[k] = mask_offsets(i, x, static_cast<int>(dim), static_cast<int>(k));
    nothing |= (mask ? picked[k] : i).numel() == 0;
    dim += mask ? i.ndim() : 1;
  }
  std::vector<Indexed> items;
  int dim = 0;
  for (Py_ssize_t k = 0; k < n; ++k) {
    if (at[k] == Py_None) {
      ++dim;
      continue;
    }
    const Array& i = array_of(at[k]);
    if (picked[k].defined()) {
      items.push_back({dim, i.ndim(), picked[k]});
      dim += i.ndim();
      continue;
    }
    const int64_t step = x.stride(dim) * x.item();
    items.push_back({dim, 1,
                     nothing ? Array::empty(DType::I64, i.shape())
                             : checked_offsets(i, x.size(dim), step, true, dim)});
    ++dim;
  }
  if (items.empty()) fail(ErrorType::Value, "%s: needs at least one index tensor", call.name());
  return make_plan(x, items);
}

// y[mask] = value for a mask of y's shape: no offsets. False when the indices are something else.
bool put_one_under_mask(Call& call, const Array& y, const Array& value) {
  PyObject* list = call.args[1];
  if ((!PyTuple_Check(list) && !PyList_Check(list)) || PySequence_Fast_GET_SIZE(list) != 1)
    return false;
  PyObject* given = PySequence_Fast_GET_ITEM(list, 0);
  if (!is_tensor(given) || value.ndim() > 1) return false;
  const Array& mask = array_of(given);
  if (mask.dtype() != DType::Bool || !mask.ndim() || !mask.same_shape(y) || may_overlap(mask, y))
    return false;
  Walk<2> walk;
  walk.push_all(y.shape(), {&y, &mask});
  walk.arrange();
  NoGil nogil(y.numel());
  visit_size(y.item(), [&](auto tag) {
    using T = decltype(tag);
    const T v = *value.data<T>();
    walk.run(move_grain(y), [v](char* const* p, const int64_t* s, int64_t n) {
      if (s[0] == static_cast<int64_t>(sizeof(T)) && s[1] == 1) {
        T* to = reinterpret_cast<T*>(p[0]);
        const auto* m = reinterpret_cast<const uint8_t*>(p[1]);
        if constexpr (std::is_integral_v<T>) {  // without a condition, which would not vectorise
#pragma omp simd
          for (int64_t i = 0; i < n; ++i) {
            const T all = static_cast<T>(-static_cast<T>(m[i] != 0));
            to[i] = static_cast<T>((to[i] & ~all) | (v & all));
          }
        } else {
          for (int64_t i = 0; i < n; ++i)
            if (m[i]) to[i] = v;
        }
        return;
      }
      for (int64_t i = 0; i < n; ++i)
        if (p[1][i * s[1]]) *reinterpret_cast<T*>(p[0] + i * s[0]) = v;
    });
  });
  return true;
}

// Positions in reading order become byte offsets under y's strides.
void offsets_under_strides(const Array& positions, const Array& y) {
  int64_t* o = positions.data<int64_t>();
  const int64_t count = positions.numel(), item = y.item();
  NoGil nogil(count);
  parallel_for(count, grain_of(2.0 * y.ndim()), [&](int64_t j0, int64_t j1) {
    for (int64_t j = j0; j < j1; ++j) {
      int64_t bytes = 0;
      if (y.numel() < (int64_t{1} << 32)) {  // 32-bit divisions take half the time
        auto rest = static_cast<uint32_t>(o[j]);
        for (int d = y.ndim() - 1; d >= 0; --d) {
          const auto size = static_cast<uint32_t>(y.sizes()[d]);
          bytes += rest % size * y.strides()[d];
          rest /= size;
        }
      } else {
        int64_t rest = o[j];
        for (int d = y.ndim() - 1; d >= 0; --d) {
          bytes += rest % y.sizes()[d] * y.strides()[d];
          rest /= y.sizes()[d];
        }
      }
      o[j] = bytes * item;
    }
  });
}

}  // namespace

RL_KERNEL(index) {
  const Array& x = call.tensor(0);
  PyObject* list = call.args[1];
  // x[mask] with a mask of x's shape needs no offsets.
  if ((PyTuple_Check(list) || PyList_Check(list)) && PySequence_Fast_GET_SIZE(list) == 1 &&
      is_tensor(PySequence_Fast_GET_ITEM(list, 0))) {
    PyObject* mask = PySequence_Fast_GET_ITEM(list, 0);
    const Array& m = array_of(mask);
    if (m.dtype() == DType::Bool && m.ndim() && m.same_shape(x)) {
      PyObject* args[2] = {call.args[0], mask};
      Call select(call.op, args, 2);
      find_kernel("masked_select")(select);
      call.result(std::move(select.output(0)));
      return;
    }
  }
  call.result(gather_plan(plan_of(call, 1, x), x));
}

static bool under_mask(const Call& call, int i) {
  Ref list(checked(PySequence_Fast(call.args[i], "expected a list of indices")));
  for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(list.p); ++k) {
    PyObject* o = PySequence_Fast_GET_ITEM(list.p, k);
    if (is_tensor(o) && array_of(o).is_meta() && itemsize(array_of(o).dtype()) == 1) return true;
  }
  return false;
}

RL_KERNEL(index_put) {  // input, indices, values, accumulate
  const Array& input = call.tensor(0);
  Array values = call.tensor(2);
  if (values.dtype() != input.dtype())
    fail(ErrorType::Runtime,
         "Index put requires the source and destination dtypes match, got %s for the destination "
         "and %s for the source.",
         dtype_scalar_name(input.dtype()), dtype_scalar_name(values.dtype()));
  const Array y = writable(call, 0);
  if (values.numel() == 1 && !call.boolean(3) && put_one_under_mask(call, y, values)) {
    call.result(y);
    return;
  }
  if (meta_call && under_mask(call, 1)) return call.result(y);  // of how many places is not known
  const Plan plan = plan_of(call, 1, y);
  // Leading dims of size 1 may be dropped, as in any broadcast assignment.
  while (values.ndim() > static_cast<int>(plan.shape.size()) && values.sizes()[0] == 1)
    values = values.select(0, 0);
  bool fits = values.ndim() <= static_cast<int>(plan.shape.size());
  for (int d = 1; fits && d <= values.ndim(); ++d)
    fits = values.size(-d) == 1 || values.size(-d) == plan.shape[plan.shape.size() - d];
  if (!fits)
    fail(ErrorType::Runtime,
         "shape mismatch: value tensor of shape %s cannot be broadcast to indexing result of shape "
         "%s",
         shape_text(values.shape()).c_str(), shape_text(plan.shape).c_str());
  if (may_overlap(values, y)) values = values.clone();
  if (call.boolean(3))
    add_plan(plan, y, values);
  else
    scatter_plan(plan, y, values);
  call.result(y);
}

RL_KERNEL(index_select) {  // input, dim, index
  const Array& input = call.tensor(0);
  const Array& index = call.tensor(2);
  const int dim = call.dim(1, input.ndim());
  check_index_vector("index_select()", index);
  const Array x = at_least_1d(input);
  const Array y = gather_plan(one_dim_plan(x, dim, index, false, "index out of range in self"), x);
  if (input.ndim() == 0 && y.numel() == 1)
    call.result(y.squeeze(0));
  else
    call.result(y);
}

namespace {

// y[i, at[k]] = f(y[i, at[k]], source[i, k]): along the last dim rows are short walks of their own.
template <class T, class F>
void combine_last(const Array& y, const Array& at, const Array& source, F f) {
  const int64_t n = y.size(-1), count = at.numel(), rows = n ? y.numel() / n : 0;
  const int64_t* index = at.data<int64_t>();
  NoGil nogil(source.numel());
  parallel_for(rows, grain_of(0.5 * static_cast<double>(std::max<int64_t>(1, count))),
               [&](int64_t i0, int64_t i1) {
                 for (int64_t i = i0; i < i1; ++i) {
                   T* to = y.data<T>() + i * n;
                   const T* from = source.data<T>() + i * count;
                   for (int64_t k = 0; k < count; ++k) to[index[k]] = f(to[index[k]], from[k]);
                 }
               });
}

}  // namespace

RL_KERNEL(index_add) {  // input, dim, index, source, alpha
  const int dim = call.dim(1, call.tensor(0).ndim());
  const Array& index = call.tensor(2);
  Array source = call.tensor(3);
  check_index_vector("index_add_()", index);
  check_source("index_add_()", at_least_1d(call.tensor(0)), dim, index, source);
  const Array y = writable(call, 0);
  const Array x = at_least_1d(y);
  if (x.numel() == 0 && source.numel() == 0) {
    call.result(y);
    return;
  }
  const Plan plan = one_dim_plan(x, dim, index, false, "index out of range in self");
  if (may_overlap(source, y)) source = source.clone();
  const Array alpha = scalar_of(call.args[4], x.dtype()), at = index_values(index);
  const bool rows = dim == x.ndim() - 1 && x.contiguous() && source.contiguous() &&
                    source.dtype() == x.dtype() && x.size(-1) < x.numel();
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = typename accumulate_type<T>::type;
    const T a = *alpha.data<T>();
    const auto combine = [&](auto f) {
      rows ? combine_last<T>(x, at, source, f) : combine_plan<T>(plan, x, source, f);
    };
    if constexpr (std::is_same_v<T, bool>) {
      combine([a](T u, T v) { return u || (v && a); });
    } else if (static_cast<A>(a) == static_cast<A>(T(1))) {
      combine([](T u, T v) { return plus(u, v); });
    } else {
      const A k = static_cast<A>(a);
      combine([k](T u, T v) { return static_cast<T>(static_cast<A>(u) + k * static_cast<A>(v)); });
    }
  });
  call.result(y);
}

RL_KERNEL(index_copy) {  // input, dim, index, source
  const int dim = call.dim(1, call.tensor(0).ndim());
  const Array& index = call.tensor(2);
  Array source = call.tensor(3);
  check_index_vector("index_copy_()", index);
  check_source("index_copy_()", at_least_1d(call.tensor(0)), dim, index, source);
  const Array y = writable(call, 0);
  const Array x = at_least_1d(y);
  const Plan plan = one_dim_plan(x, dim, index, true, nullptr);
  if (may_overlap(source, y)) source = source.clone();
  scatter_plan(plan, x, source);
  call.result(y);
}

RL_KERNEL(index_fill) {  // input, dim, index, value
  const int dim = call.dim(1, call.tensor(0).ndim());
  const Array& index = call.tensor(2);
  check_index_vector("index_fill_()", index);
  if (is_tensor(call.args[3]) && array_of(call.args[3]).ndim() != 0)
    fail(ErrorType::Runtime,
         "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
         "dimension(s).",
         array_of(call.args[3]).ndim());
  const Array value = scalar_of(call.args[3], call.tensor(0).dtype());
  const Array y = writable(call, 0);
  const Array x = at_least_1d(y);
  scatter_plan(one_dim_plan(x, dim, index, true, nullptr), x, value);
  call.result(y);
}

RL_KERNEL(take) {  // input, index
  const Array flat = call.tensor(0).contiguous_copy().view(IntList{call.tensor(0).numel()});
  const Array& index = call.tensor(1);
  if (index.dtype() != DType::I64)
    fail(ErrorType::Runtime, "take(): Expected a long tensor for index, but got %s",
         dtype_scalar_name(index.dtype()));
  if (flat.numel() == 0 && index.numel())
    fail(ErrorType::Index, "take(): tried to take from an empty tensor");
  Indexed item{0, 1,
               checked_offsets(index, flat.numel(), flat.item(), true, 0,
                               "out of range: tried to access index")};
  call.result(gather_plan(make_plan(flat, {item}), flat));
}

RL_KERNEL(put) {  // input, index, source, accumulate
  const Array& index = call.tensor(1);
  Array source = call.tensor(2);
  if (index.dtype() != DType::I64)
    fail(ErrorType::Runtime, "put_(): Expected a long tensor for index, but got %s",
         dtype_scalar_name(index.dtype()));
  if (source.dtype() != call.tensor(0).dtype())
    fail(ErrorType::Runtime,
         "put_(): self and source expected to have the same dtype, but got self.dtype = %s and "
         "source.dtype = %s",
         dtype_name(call.tensor(0).dtype()), dtype_name(source.dtype()));
  if (source.numel() != index.numel())
    fail(ErrorType::Runtime,
         "put_(): Expected source and index to have the same number of elements, but got "
         "source.numel() = %lld, index.numel() = %lld",
         static_cast<long long>(source.numel()), static_cast<long long>(index.numel()));
  const Array y = writable(call, 0);
  if (y.numel() == 0 && index.numel())
    fail(ErrorType::Index, "put_(): tried to put elements into an empty tensor");
  Plan plan;
  plan.offsets = checked_offsets(index, y.numel(), y.contiguous() ? y.item() : 1, true, 0,
                                 "out of range: tried to access index");
  if (!y.contiguous()) offsets_under_strides(plan.offsets, y);
  plan.shape.assign(index.shape().begin(), index.shape().end());
  plan.steps.assign(plan.shape.size(), 0);
  plan.joint = index.ndim();
  source = may_overlap(source, y) ? source.clone() : source;
  source = source.reshape(plan.shape);
  if (call.boolean(3))
    add_plan(plan, y, source);
  else
    scatter_plan(plan, y, source);
  call.result(y);
}

}  // namespace rl
