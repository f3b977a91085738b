// Order statistics along the last axis of a contiguous (rows, n) array: kthvalue, median,
// nanmedian and mode.
//
// One order of positions a row, partly sorted by std::nth_element (wholly sorted for mode); a NaN is
// larger than every number, as in sort. Equal values keep their first position in front.
#include <numeric>

#include "row.h"

namespace rl {
namespace {

enum class Statistic { Kth, Median, NanMedian };

template <class C> bool is_nan(C x) { return x != x; }

template <class C> struct Less {
  const C* p;
  bool operator()(int64_t a, int64_t b) const {
    const bool a_nan = is_nan(p[a]), b_nan = is_nan(p[b]);
    if (a_nan || b_nan) return a_nan == b_nan ? a < b : b_nan;
    return p[a] == p[b] ? a < b : p[a] < p[b];
  }
};

// Position of the wanted element of one row.
template <class C>
int64_t select_position(const C* p, int64_t n, Statistic what, int64_t k, int64_t* order) {
  if (what != Statistic::Kth) {
    int64_t numbers = 0, first_nan = -1;
    for (int64_t i = 0; i < n; ++i) {
      if (!is_nan(p[i])) ++numbers;
      else if (first_nan < 0) first_nan = i;
    }
    if (first_nan >= 0 && (what == Statistic::Median || numbers == 0)) return first_nan;
    k = (numbers - 1) / 2;
  }
  std::iota(order, order + n, int64_t{0});
  std::nth_element(order, order + k, order + n, Less<C>{p});
  return order[k];
}

// The most frequent value, the smallest of several such, at its last position.
template <class C> int64_t mode_position(const C* p, int64_t n, int64_t* order) {
  std::iota(order, order + n, int64_t{0});
  std::sort(order, order + n, Less<C>{p});
  int64_t best = 0, length = 0;
  for (int64_t i = 0; i < n;) {
    int64_t j = i + 1;
    while (j < n && p[order[j]] == p[order[i]]) ++j;
    if (j - i > length) length = j - i, best = order[j - 1];
    i = j;
  }
  return best;
}

// x with `dim` swapped with the last dim, contiguous.
Array rows_along(const Array& x, int dim) {
  return x.ndim() ? x.transpose(dim, x.ndim() - 1).contiguous_copy() : x;
}

// f(row values in the compute type, n, order) gives the position; values and positions are results.
template <class F>
void positions(Call& call, int dim, bool keepdim, const char* name, bool takes_bool, F&& f) {
  const Array& x = call.tensor(0);
  const int64_t n = x.ndim() ? x.size(dim) : 1;
  if (n == 0)
    fail(ErrorType::Index, "%s(): Expected reduction dim %d to have non-zero size.", name, dim);
  if (is_complex(x.dtype()) || (x.dtype() == DType::Bool && !takes_bool))
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", name,
         dtype_scalar_name(x.dtype()));
  const Array rows = rows_along(x, dim);
  const uint64_t last = x.ndim() ? uint64_t{1} << (x.ndim() - 1) : 0;
  Array value = reduced_result(rows, last, true, x.dtype());
  Array index = reduced_result(rows, last, true, DType::I64);
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!is_complex(dtype_of<T>::value)) {
      const ThreadBuffer<T> buffer(n);
      const int64_t padded = (n + 7) / 8 * 8;
      const Scratch<int64_t> orders(padded * num_threads());
      const T* xp = rows.data<T>();
      NoGil nogil(x.numel(), 20000);
      parallel_for(x.numel() / n, row_grain(n, 2048), [&](int64_t r0, int64_t r1) {
        int64_t* order = orders.get() + padded * omp_get_thread_num();
        for (int64_t r = r0; r < r1; ++r) {
          const int64_t i = f(load_row(xp + r * n, n, buffer.mine()), n, order);
          index.data<int64_t>()[r] = i;
          value.data<T>()[r] = xp[r * n + i];
        }
      });
    }
  });
  for (Array* a : {&value, &index}) {
    Array shaped = x.ndim() ? a->transpose(dim, x.ndim() - 1) : *a;
    call.result((keepdim || !x.ndim() ? shaped : shaped.squeeze(dim)).contiguous_copy());
  }
}

template <Statistic What> void median_along(Call& call, const char* name) {  // input, dim, keepdim
  const int dim = call.dim(1, call.tensor(0).ndim());
  positions(call, dim, call.boolean(2), name, false, [](const auto* p, int64_t n, int64_t* order) {
    return select_position(p, n, What, 0, order);
  });
}

template <Statistic What> void median_of_all(Call& call, const char* name) {  // input
  const Array& x = call.tensor(0);
  if (is_complex(x.dtype()) || x.dtype() == DType::Bool)
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", name,
         dtype_scalar_name(x.dtype()));
  const Array flat = x.contiguous_copy();
  Array out = Array::empty(x.dtype(), Shape());
  const int64_t n = x.numel();
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (!is_complex(dtype_of<T>::value)) {
      const T* p = flat.data<T>();
      if (n == 0) {
        *out.data<T>() = T(std::numeric_limits<compute_t<T>>::quiet_NaN());
        return;
      }
      const ThreadBuffer<T> buffer(n);
      const Scratch<int64_t> order(n);
      NoGil nogil(n, 5000);
      *out.data<T>() =
          p[select_position(load_row(p, n, buffer.mine()), n, What, 0, order.get())];
    }
  });
  call.result(std::move(out));
}

}  // namespace

RL_KERNEL(kthvalue) {  // input, k, dim, keepdim
  const Array& x = call.tensor(0);
  const int dim = call.dim(2, x.ndim());
  const int64_t k = call.integer(1), n = x.ndim() ? x.size(dim) : 1;
  if (n && (k < 1 || k > n))
    fail(ErrorType::Runtime,
         "kthvalue(): selected number k out of range for dimension %d: got %lld, expected 1 to "
         "%lld",
         dim, static_cast<long long>(k), static_cast<long long>(n));
  positions(call, dim, call.boolean(3), "kthvalue", false,
            [k](const auto* p, int64_t m, int64_t* order) {
              return select_position(p, m, Statistic::Kth, k - 1, order);
            });
}

RL_KERNEL(median_dim) { median_along<Statistic::Median>(call, "median"); }
RL_KERNEL(nanmedian_dim) { median_along<Statistic::NanMedian>(call, "nanmedian"); }
RL_KERNEL(median_all) { median_of_all<Statistic::Median>(call, "median"); }
RL_KERNEL(nanmedian_all) { median_of_all<Statistic::NanMedian>(call, "nanmedian"); }

RL_KERNEL(mode) {  // input, dim, keepdim
  positions(call, call.dim(1, call.tensor(0).ndim()), call.boolean(2), "mode", true,
            [](const auto* p, int64_t n, int64_t* order) { return mode_position(p, n, order); });
}

}  // namespace rl
