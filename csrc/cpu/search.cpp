// searchsorted, bincount, histc.
#include <bit>

#include "core/op.h"
#include "walk.h"

namespace rl {
namespace {

// Whether the place sought lies behind an element: NaN goes behind everything.
template <bool Right, class A>
inline bool behind(A element, A wanted) {
  return Right ? !(element > wanted) : !(element >= wanted);
}

// For each of m values, the first place in a sorted line whose element is >= it (> when Right).
// The searches of a block go in step: no branches, and their memory reads overlap.
template <class T, bool Right, class I>
void find_places(const T* line, const int64_t* order, int64_t n, const T* values, I* out,
                 int64_t m) {
  using A = typename accumulate_type<T>::type;
  constexpr int64_t block = 16;
  for (int64_t i0 = 0; i0 < m; i0 += block) {
    const int64_t k = std::min(block, m - i0);
    int64_t at[block] = {};
    for (int64_t len = n; len > 1;) {
      const int64_t half = len / 2;
      for (int64_t q = 0; q < k; ++q) {
        const int64_t mid = at[q] + half - 1;
        at[q] += behind<Right, A>(line[order ? order[mid] : mid], values[i0 + q]) ? half : 0;
      }
      len -= half;
    }
    for (int64_t q = 0; q < k; ++q)
      out[i0 + q] = static_cast<I>(
          at[q] + (n && behind<Right, A>(line[order ? order[at[q]] : at[q]], values[i0 + q])));
  }
}

template <class T, class I>
void search_lines(const Array& line, const Array& sorter, const Array& values, const Array& y,
                  bool right) {
  const int64_t n = line.size(-1), total = values.numel();
  const bool shared = line.ndim() == 1;
  const int64_t per_line = shared ? total : values.size(-1);
  const double each = 1 + 0.3 * std::bit_width(static_cast<uint64_t>(n));
  parallel_for(total, grain_of(each), [&](int64_t i0, int64_t i1) {
    while (i0 < i1) {
      const int64_t l = i0 / per_line, end = std::min(i1, (l + 1) * per_line),
                    at = shared ? 0 : l * n;
      const int64_t* order = sorter.defined() ? sorter.data<int64_t>() + at : nullptr;
      const T *from = line.data<T>() + at, *v = values.data<T>() + i0;
      I* out = y.data<I>() + i0;
      if (right)
        find_places<T, true>(from, order, n, v, out, end - i0);
      else
        find_places<T, false>(from, order, n, v, out, end - i0);
      i0 = end;
    }
  });
}

bool right_side(Call& call) {  // arguments: 3 right, 4 side
  const bool right = call.boolean(3);
  if (call.none(4)) return right;
  const std::string_view side = call.string(4);
  if (side != "left" && side != "right")
    fail(ErrorType::Runtime, "torch.searchsorted(): side can only be 'left' or 'right' but got %s",
         std::string(side).c_str());
  if (right && side == "left")
    fail(ErrorType::Runtime,
         "torch.searchsorted(): side and right can't be set to opposites, got side of left while "
         "right was True");
  return side == "right";
}

void check_search(const Array& line, const Array& values, const Array* sorter, bool number) {
  if (line.ndim() == 0)
    fail(ErrorType::Runtime,
         "torch.searchsorted(): input value can be a scalar only when boundaries tensor dimension "
         "is 1, but boundaries tensor has 0 dimensions");
  if (number && line.ndim() != 1)
    fail(ErrorType::Runtime,
         "torch.searchsorted(): input value can be a scalar only when sorted_sequence tensor "
         "dimension is 1: got %d dimensions",
         line.ndim());
  bool same = line.ndim() == 1 || line.ndim() == values.ndim();
  for (int d = 0; same && line.ndim() > 1 && d < line.ndim() - 1; ++d)
    same = line.size(d) == values.size(d);
  if (!same)
    fail(ErrorType::Runtime,
         "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 "
         "dimensions of boundaries tensor and input value tensor must match, but we got boundaries "
         "tensor %s and input value tensor %s",
         shape_text(line.shape()).c_str(), shape_text(values.shape()).c_str());
  if (!sorter) return;
  if (!sorter->same_shape(line))
    fail(ErrorType::Runtime,
         "torch.searchsorted(): boundary and sorter must have the same size, but got boundary "
         "tensor %s and got sorter tensor %s",
         shape_text(line.shape()).c_str(), shape_text(sorter->shape()).c_str());
  if (sorter->dtype() != DType::I64)
    fail(ErrorType::Runtime,
         "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype %s",
         dtype_name(sorter->dtype()));
  const Array s = sorter->contiguous_copy();
  const int64_t* v = s.data<int64_t>();
  for (int64_t i = 0; i < s.numel(); ++i)
    if (v[i] < 0 || v[i] >= line.size(-1))
      fail(ErrorType::Index,
           "torch.searchsorted(): sorter index out of range: got %lld for %lld elements",
           static_cast<long long>(v[i]), static_cast<long long>(line.size(-1)));
}

// y[v[i]] += weight(i) for i in [begin, end). Four tables in turn, since an addition to the same
// bin as the one before waits for it.
template <class T, class F>
void count_part(T* y, int64_t bins, const int64_t* v, int64_t begin, int64_t end, F&& weight) {
  int64_t i = begin;
  if (bins <= 2048 && end - begin >= 16 * bins) {
    std::vector<T> tables(static_cast<size_t>(4 * bins));
    T *a = tables.data(), *b = a + bins, *c = b + bins, *d = c + bins;
    for (; i + 4 <= end; i += 4) {
      a[v[i]] += weight(i);
      b[v[i + 1]] += weight(i + 1);
      c[v[i + 2]] += weight(i + 2);
      d[v[i + 3]] += weight(i + 3);
    }
#pragma omp critical(rl_bincount)
    for (int64_t k = 0; k < bins; ++k) y[k] += (a[k] + b[k]) + (c[k] + d[k]);
  }
#pragma omp critical(rl_bincount)
  for (; i < end; ++i) y[v[i]] += weight(i);
}

// From zeros; numbers without a weight in threads, since these add up to the same in any order.
template <class T, class F>
void count_all(const Array& y, const Array& x, F&& weight) {
  T* to = y.data<T>();
  const int64_t *v = x.data<int64_t>(), n = x.numel(), bins = y.numel();
  NoGil nogil(n + bins);
  std::fill_n(to, bins, T(0));
  const bool threads = std::is_integral_v<T> && bins <= 2048;
  parallel_for(n, threads ? std::max(grain_of(0.8), 16 * bins) : n + 1,
               [&](int64_t i0, int64_t i1) { count_part(to, bins, v, i0, i1, weight); });
}

}  // namespace

RL_KERNEL(searchsorted) {  // sorted_sequence, input, out_int32, right, side, sorter
  const bool is_number = !call.is_tensor(1);
  const DType common = result_type(call.args, 2);
  const Array line = call.tensor(0).to(common).contiguous_copy();
  const Array values =
      is_number ? scalar_of(call.args[1], common) : call.tensor(1).to(common).contiguous_copy();
  const bool right = right_side(call);
  const Array* given = call.tensor_or_null(5);
  check_search(line, values, given, is_number);
  const Array sorter = given ? given->contiguous_copy() : Array();
  const Array y = Array::empty(call.boolean(2) ? DType::I32 : DType::I64, values.shape());
  if (is_complex(line.dtype()))
    fail(ErrorType::NotImplemented, "\"searchsorted_out_cpu\" not implemented for '%s'",
         dtype_scalar_name(line.dtype()));
  if (values.numel() == 0) {
    call.result(y);
    return;
  }
  NoGil nogil(values.numel() * 8);
  visit_all(line.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!std::is_same_v<T, c64> && !std::is_same_v<T, c128>) {
      if (y.dtype() == DType::I32)
        search_lines<T, int32_t>(line, sorter, values, y, right);
      else
        search_lines<T, int64_t>(line, sorter, values, y, right);
    }
  });
  call.result(y);
}

RL_KERNEL(bincount) {  // input, weights, minlength
  call.need_elements();
  const Array& given = call.tensor(0);
  const Array* weights = call.tensor_or_null(1);
  const int64_t least = call.integer(2);
  if (!is_integral(given.dtype()) || given.dtype() == DType::Bool)
    fail(ErrorType::NotImplemented, "\"bincount_cpu\" not implemented for '%s'",
         dtype_scalar_name(given.dtype()));
  if (least < 0) fail(ErrorType::Runtime, "minlength should be >= 0");
  const Array x = index_values(given);
  const int64_t* v = x.data<int64_t>();
  int64_t top = -1, low = 0;
#pragma omp simd reduction(max : top) reduction(min : low)
  for (int64_t i = 0; i < x.numel(); ++i) {
    top = std::max(top, v[i]);
    low = std::min(low, v[i]);
  }
  if (given.ndim() != 1 || low < 0)
    fail(ErrorType::Runtime, "bincount only supports 1-d non-negative integral inputs.");
  if (weights && (weights->ndim() != 1 || weights->numel() != x.numel()))
    fail(ErrorType::Runtime, "weights should be 1-d and have the same length as input");
  const DType t = !weights || !x.numel()           ? DType::I64
                  : weights->dtype() == DType::F32 ? DType::F32
                                                   : DType::F64;
  const Array y = Array::empty(t, {std::max(least, top + 1)});
  const Array w = weights ? weights->to(t).contiguous_copy() : Array();
  if (t == DType::I64)
    count_all<int64_t>(y, x, [](int64_t) { return int64_t{1}; });
  else if (t == DType::F32)
    count_all<float>(y, x, [from = w.data<float>()](int64_t i) { return from[i]; });
  else
    count_all<double>(y, x, [from = w.data<double>()](int64_t i) { return from[i]; });
  call.result(y);
}

RL_KERNEL(histc) {  // input, bins, min, max
  const Array x = call.tensor(0).contiguous_copy();
  const int64_t bins = call.integer(1);
  double low = call.real(2), high = call.real(3);
  if (!is_real(x.dtype()))
    fail(ErrorType::NotImplemented, "\"histogram_cpu\" not implemented for '%s'",
         dtype_scalar_name(x.dtype()));
  if (bins <= 0) fail(ErrorType::Runtime, "bins must be > 0");
  const Array y = Array::empty(x.dtype(), {bins});
  if (meta_call) return call.result(y);
  std::memset(y.bytes(), 0, y.nbytes());
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_convertible_v<T, double>) {
      using A = typename accumulate_type<T>::type;
      const T* v = x.data<T>();
      if (low == high && x.numel()) {
        low = high = static_cast<double>(static_cast<A>(v[0]));
        for (int64_t i = 0; i < x.numel(); ++i) {
          const double a = static_cast<double>(static_cast<A>(v[i]));
          low = a < low || a != a ? a : low;
          high = a > high || a != a ? a : high;
        }
      }
      if (low == high) {
        low -= 1;
        high += 1;
      }
      if (!(low - low == 0 && high - high == 0))
        fail(ErrorType::Runtime, "range of [%g, %g] is not finite", low, high);
      if (low > high) fail(ErrorType::Runtime, "max must be larger than min");
      const A a0 = static_cast<A>(low), a1 = static_cast<A>(high);
      std::vector<int64_t> counts(bins);
      for (int64_t i = 0; i < x.numel(); ++i) {
        const A a = v[i];
        if (!(a >= a0 && a <= a1)) continue;
        const int64_t at = static_cast<int64_t>((a - a0) * static_cast<A>(bins) / (a1 - a0));
        ++counts[std::min(at, bins - 1)];
      }
      for (int64_t b = 0; b < bins; ++b) y.data<T>()[b] = static_cast<T>(static_cast<A>(counts[b]));
    }
  });
  call.result(y);
}

}  // namespace rl
