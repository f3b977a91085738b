// Masks: where, masked_fill, masked_select, masked_scatter, nonzero.
//
// where and masked_fill: y_i = m_i ? a_i : b_i over broadcast operands, one pass. The selecting
// ones count first and then write: two passes over the mask, one over the values.
#include <algorithm>
#include <numeric>

#include "core/layout.h"
#include "core/op.h"
#include "walk.h"

namespace rl {
namespace {

template <class T, bool MoveA, bool MoveB>
void choose_plain(T* y, const uint8_t* m, const T* a, const T* b, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T u = a[MoveA ? i : 0], v = b[MoveB ? i : 0];
    y[i] = m[i] ? u : v;
  }
}

template <class T>
void choose_run(char* const* p, const int64_t* s, int64_t n) {
  constexpr int64_t w = sizeof(T);
  T* y = reinterpret_cast<T*>(p[0]);
  const uint8_t* m = reinterpret_cast<const uint8_t*>(p[1]);
  const T* a = reinterpret_cast<const T*>(p[2]);
  const T* b = reinterpret_cast<const T*>(p[3]);
  if (s[1] == 0) {
    const int k = *m ? 2 : 3;
    if (p[k] != p[0] || s[k] != s[0]) move_run<T>(p[0], s[0], p[k], s[k], n);
    return;
  }
  if (s[0] == w && s[1] == 1 && (s[2] == w || s[2] == 0) && (s[3] == w || s[3] == 0)) {
    if (s[2] && s[3])
      choose_plain<T, true, true>(y, m, a, b, n);
    else if (s[2])
      choose_plain<T, true, false>(y, m, a, b, n);
    else if (s[3])
      choose_plain<T, false, true>(y, m, a, b, n);
    else
      choose_plain<T, false, false>(y, m, a, b, n);
    return;
  }
  for (int64_t i = 0; i < n; ++i)
    *reinterpret_cast<T*>(p[0] + i * s[0]) = p[1][i * s[1]]
                                                 ? *reinterpret_cast<const T*>(p[2] + i * s[2])
                                                 : *reinterpret_cast<const T*>(p[3] + i * s[3]);
}

// Operands of one dtype that broadcast to y; y may be one of them.
void choose(const Array& y, const Array& mask, const Array& a, const Array& b) {
  Walk<4> walk;
  walk.push_all(y.shape(), {&y, &mask, &a, &b});
  NoGil nogil(y.numel());
  visit_size(y.item(), [&](auto tag) { walk.run(grain_of(0.25), choose_run<decltype(tag)>); });
}

bool is_mask(const Array& a) { return a.dtype() == DType::Bool || a.dtype() == DType::U8; }

Array operand(const Call& call, int i, DType t) {
  return call.is_tensor(i) ? call.tensor(i).to(t) : scalar_of(call.args[i], t);
}

Array as_bytes(const Array& mask) { return mask.contiguous_copy(); }

template <class T>
inline bool is_set(T v) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
    return static_cast<float>(v) != 0;
  else
    return v != T{};
}

template <class T>
int64_t count_set(const T* v, int64_t n) {
  int64_t count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < n; ++i) count += is_set(v[i]);
  return count;
}

// How many elements are set before each block of n, so that blocks go to threads.
class Starts {
  const int64_t n_, blocks_;
  Scratch<int64_t> before_;

 public:
  static constexpr int64_t kBlock = 4096;
  explicit Starts(int64_t n)
      : n_(n), blocks_((n + kBlock - 1) / kBlock), before_(static_cast<size_t>(blocks_) + 1) {}

  template <class T>
  void count(const T* v) {
    NoGil nogil(n_);
    parallel_for(blocks_, grain_of(0.05 * sizeof(T) * kBlock), [&](int64_t b0, int64_t b1) {
      for (int64_t b = b0; b < b1; ++b)
        before_[b + 1] = count_set(v + b * kBlock, std::min(kBlock, n_ - b * kBlock));
    });
    before_[0] = 0;
    for (int64_t b = 0; b < blocks_; ++b) before_[b + 1] += before_[b];
  }
  int64_t total() const { return before_[blocks_]; }

  // f(first element, number of the first that is set, number behind the last) for every block.
  template <class F>
  void each(double ns, F&& f) const {
    NoGil nogil(n_);
    parallel_for(blocks_, grain_of(ns * kBlock), [&](int64_t b0, int64_t b1) {
      for (int64_t b = b0; b < b1; ++b) f(b * kBlock, before_[b], before_[b + 1]);
    });
  }
};

// Positions, from i on, of the elements that are set until `to` is full.
template <class T, class I>
void list_set(const T* v, int64_t i, I* to, const I* end) {
  for (; to < end; ++i) {
    *to = static_cast<I>(i);  // overwritten until an element says to keep it
    to += is_set(v[i]);
  }
}

// Positions in reading order, from `first` on, as places in every dim.
void write_places(const Array& x, int64_t first, const int32_t* list, int64_t count, int64_t* out) {
  const int nd = x.ndim();
  int64_t at[kMaxDims], rest = first;
  for (int d = nd - 1; d >= 0; --d) {
    at[d] = rest % x.sizes()[d];
    rest /= x.sizes()[d];
  }
  const int64_t cols = x.sizes()[nd - 1];
  int64_t column = at[nd - 1];  // of `first`, from the row that we are in
  for (int64_t k = 0; k < count; ++k) {
    int64_t c = column + list[k];
    while (c >= cols) {
      c -= cols;
      column -= cols;
      for (int d = nd - 2; d >= 0; --d) {
        if (++at[d] < x.sizes()[d]) break;
        at[d] = 0;
      }
    }
    for (int d = 0; d < nd - 1; ++d) *out++ = at[d];
    *out++ = c;
  }
}

}  // namespace

RL_KERNEL(where) {  // condition, input, other
  const Array& mask = call.tensor(0);
  if (!is_mask(mask))
    fail(ErrorType::Runtime,
         "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
         dtype_scalar_name(mask.dtype()));
  const DType t = result_type(call.args + 1, 2);
  const Array a = operand(call, 1, t), b = operand(call, 2, t);
  IntList shape = broadcast_shapes("where", a.shape(), b.shape());
  shape = broadcast_shapes("where", mask.shape(), shape);
  const Array* operands[] = {&mask, &a, &b};
  const Array y = output_like(operands, 3, shape, t);
  if (y.contiguous()) {
    choose(y, mask, a, b);
  } else {  // in the order of y's memory
    IntList order(shape.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t i, int64_t j) { return y.strides()[i] > y.strides()[j]; });
    const auto turned = [&](const Array& x) { return x.expand(shape).permute(order); };
    choose(y.permute(order), turned(mask), turned(a), turned(b));
  }
  call.result(y);
}

RL_KERNEL(masked_fill) {  // input, mask, value
  const Array& x = call.tensor(0);
  const Array& mask = call.tensor(1);
  if (mask.dtype() != DType::Bool)
    fail(ErrorType::Runtime, "masked_fill_ only supports boolean masks, but got mask with dtype %s",
         dtype_name(mask.dtype()));
  if (call.is_tensor(2) && call.tensor(2).ndim() != 0)
    fail(ErrorType::Runtime,
         "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d "
         "dimension(s).",
         call.tensor(2).ndim());
  if (call.is_tensor(2) && !can_cast(call.tensor(2).dtype(), x.dtype()) &&
      is_complex(call.tensor(2).dtype()))
    fail(ErrorType::Runtime, "value cannot be converted to type %s without overflow",
         dtype_name(x.dtype()));
  const Array value = scalar_of(call.args[2], x.dtype());
  const bool in_place = call.destination && same_place(*call.destination, x);
  const IntList shape = broadcast_shapes("masked_fill", x.shape(), mask.shape());
  if (in_place && product(shape) != x.numel())
    fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
         shape_text(x.shape()).c_str(), shape_text(shape).c_str());
  // PyTorch packs what it fills out of place; here gradients of fills keep the order of the input.
  Array y = in_place ? x
            : static_cast<int>(shape.size()) == x.ndim() && x.numel() == product(shape)
                ? Array::empty_like(x)
                : Array::empty(x.dtype(), shape);
  choose(y, in_place && may_overlap(mask, y) ? mask.clone() : mask, value, x);
  call.result(y);
}

RL_KERNEL(masked_select) {  // input, mask
  call.need_elements();
  const Array& mask_in = call.tensor(1);
  if (!is_mask(mask_in))
    fail(ErrorType::Runtime, "masked_select: expected BoolTensor for mask, got %s",
         dtype_name(mask_in.dtype()));
  const IntList shape = broadcast_shapes("masked_select", call.tensor(0).shape(), mask_in.shape());
  const Array mask = as_bytes(mask_in.expand(shape)),
              x = call.tensor(0).expand(shape).contiguous_copy();
  const uint8_t* m = mask.data<uint8_t>();
  Starts starts(x.numel());
  starts.count(m);
  const Array y = Array::empty(x.dtype(), {starts.total()});
  visit_size(x.item(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = x.data<T>();
    starts.each(0.4, [&](int64_t i, int64_t begin, int64_t end) {
      T* to = y.data<T>() + begin;
      for (const T* stop = y.data<T>() + end; to < stop; ++i) {
        *to = from[i];  // overwritten until the mask says to keep it
        to += m[i] != 0;
      }
    });
  });
  call.result(y);
}

RL_KERNEL(masked_scatter) {  // input, mask, source
  const Array& x = call.tensor(0);
  const Array& mask = call.tensor(1);
  if (mask.dtype() != DType::Bool)
    fail(ErrorType::Runtime,
         "masked_scatter_ only supports boolean masks, but got mask with dtype %s",
         dtype_name(mask.dtype()));
  if (call.tensor(2).dtype() != x.dtype())
    fail(ErrorType::Runtime,
         "masked_scatter: expected self and source to have same dtypes but got %s and %s",
         dtype_name(x.dtype()), dtype_name(call.tensor(2).dtype()));
  const bool in_place = call.destination && same_place(*call.destination, x);
  const IntList shape = broadcast_shapes("masked_scatter", x.shape(), mask.shape());
  if (in_place && product(shape) != x.numel())
    fail(ErrorType::Runtime, "output with shape %s doesn't match the broadcast shape %s",
         shape_text(x.shape()).c_str(), shape_text(shape).c_str());
  Array source = call.tensor(2).contiguous_copy();
  const Array m = as_bytes(mask.expand(shape));
  const uint8_t* set = m.data<uint8_t>();
  Starts starts(m.numel());
  starts.count(set);
  if (!meta_call && starts.total() > source.numel())
    fail(ErrorType::Runtime,
         "masked_scatter: expected number of elements in mask to be at most the number of elements "
         "in source, got %lld elements for %lld in source",
         static_cast<long long>(starts.total()), static_cast<long long>(source.numel()));
  const Array whole = x.expand(shape);
  const Array y = in_place ? x : whole.contiguous() ? whole.clone() : whole.contiguous_copy();
  if (may_overlap(source, y)) source = source.clone();
  const Array packed = y.contiguous_copy();  // y itself, nearly always
  visit_size(y.item(), [&](auto tag) {
    using T = decltype(tag);
    T* to = packed.data<T>();
    starts.each(1, [&](int64_t i, int64_t begin, int64_t end) {
      int32_t list[Starts::kBlock];
      list_set(set + i, 0, list, list + (end - begin));
      const T* from = source.data<T>() + begin;
      for (int64_t k = 0; k < end - begin; ++k) to[i + list[k]] = from[k];
    });
  });
  if (!same_place(packed, y)) copy_into(y, packed);
  call.result(y);
}

RL_KERNEL(nonzero) {  // input -> (count, ndim) positions in reading order
  call.need_elements();
  const Array x = call.tensor(0).contiguous_copy();
  const int nd = x.ndim();
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* v = x.data<T>();
    Starts starts(x.numel());
    starts.count(v);
    const Array y = Array::empty(DType::I64, {starts.total(), nd});
    int64_t* out = y.data<int64_t>();
    if (y.numel())
      starts.each(0.5, [&](int64_t i, int64_t begin, int64_t end) {
        if (nd == 1) return list_set(v, i, out + begin, out + end);
        int32_t list[Starts::kBlock];
        list_set(v + i, 0, list, list + (end - begin));
        write_places(x, i, list, end - begin, out + begin * nd);
      });
    call.result(y);
  });
}

}  // namespace rl
