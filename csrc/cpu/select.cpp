// Order statistics along the last axis of a contiguous (rows, n) array: kthvalue, median and
// nanmedian.
//
// A row's numbers are copied and narrowed down byte by byte, and the value found is looked up in
// the row; a NaN is larger than every number, as in sort.
#include "row.h"

namespace rl {
namespace {

enum class Statistic { Kth, Median, NanMedian };

template <class C>
bool is_nan(C x) {
  return x != x;
}

// An unsigned key in the order of the numbers (-0.0 equals 0.0), and back.
template <class C>
auto key_of(C x) {
  if constexpr (std::is_floating_point_v<C>) {
    using U = std::conditional_t<sizeof(C) == 8, uint64_t, uint32_t>;
    const U u = std::bit_cast<U>(x + C(0)), sign = U(1) << (8 * sizeof(U) - 1);
    return u & sign ? U(~u) : U(u | sign);
  } else {
    using U = std::make_unsigned_t<std::conditional_t<std::is_same_v<C, bool>, uint8_t, C>>;
    return static_cast<U>(static_cast<U>(x) ^
                          (std::is_signed_v<C> ? U(1) << (8 * sizeof(U) - 1) : U(0)));
  }
}

// Four tables, since the same digit again and again would wait for its own count.
template <class C>
void count_digits(const C* p, int64_t n, decltype(key_of(C{})) low, int shift, int64_t* count) {
  int64_t tables[4][256] = {};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int k = 0; k < 4; ++k) ++tables[k][(key_of(p[i + k]) - low) >> shift & 255];
  for (; i < n; ++i) ++tables[0][(key_of(p[i]) - low) >> shift & 255];
  for (int d = 0; d < 256; ++d)
    count[d] = tables[0][d] + tables[1][d] + tables[2][d] + tables[3][d];
}

// The k-th smallest of n numbers, without branches on them: of the bits of keys counted from the
// lowest, eight at a time, those with the right ones are kept. Reorders p.
template <class C>
C select_value(C* p, int64_t n, int64_t k) {
  using Key = decltype(key_of(C{}));
  Key low = std::numeric_limits<Key>::max(), high = 0;
  for (int64_t i = 0; i < n; ++i) {
    const Key key = key_of(p[i]);
    low = std::min(low, key), high = std::max(high, key);
  }
  int bits = std::bit_width(static_cast<uint64_t>(high - low));  // that are still to be looked at
  while (bits > 0 && n > 16) {
    const int shift = std::max(bits - 8, 0);
    int64_t count[256] = {};
    if (n > 4096)
      count_digits(p, n, low, shift, count);
    else
      for (int64_t i = 0; i < n; ++i) ++count[(key_of(p[i]) - low) >> shift & 255];
    unsigned digit = 0;
    while (k >= count[digit]) k -= count[digit++];
    int64_t kept = 0;
    for (int64_t i = 0; i < n; ++i) {
      const C x = p[i];
      p[kept] = x;
      kept += ((key_of(x) - low) >> shift & 255) == digit;
    }
    n = kept;
    bits = shift;
  }
  if (bits == 0) return p[0];
  std::nth_element(p, p + k, p + n);
  return p[k];
}

// Position of the wanted element of one row: its value is selected from a copy of the numbers
// (`copy` has room for n), then found.
template <class C>
int64_t select_position(const C* p, int64_t n, Statistic what, int64_t k, C* copy) {
  int64_t numbers = 0, first_nan = -1;
  for (int64_t i = 0; i < n; ++i) {
    if (!is_nan(p[i]))
      copy[numbers++] = p[i];
    else if (first_nan < 0)
      first_nan = i;
  }
  if (what == Statistic::Kth ? k >= numbers
                             : first_nan >= 0 && (what == Statistic::Median || numbers == 0)) {
    // The k-th of the NaNs, which stand behind all numbers.
    int64_t skip = what == Statistic::Kth ? k - numbers : 0, i = first_nan;
    for (; skip > 0; --skip)
      for (++i; !is_nan(p[i]); ++i) {
      }
    return i;
  }
  if (what != Statistic::Kth) k = (numbers - 1) / 2;
  return std::find(p, p + n, select_value(copy, numbers, k)) - p;
}

template <class C>
C* work_as(const C*, int64_t* work) {
  return reinterpret_cast<C*>(work);
}

// x with `dim` swapped with the last dim, contiguous.
Array rows_along(const Array& x, int dim) {
  return x.ndim() ? x.transpose(dim, x.ndim() - 1).contiguous_copy() : x;
}

// f(row values in the compute type, n, 8 n bytes to work in) gives the position; values and
// positions are results.
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
      parallel_for(x.numel() / n, row_grain(n, 4), [&](int64_t r0, int64_t r1) {
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

template <Statistic What>
void median_along(Call& call, const char* name) {  // input, dim, keepdim
  const int dim = call.dim(1, call.tensor(0).ndim());
  positions(call, dim, call.boolean(2), name, false, [](const auto* p, int64_t n, int64_t* work) {
    return select_position(p, n, What, 0, work_as(p, work));
  });
}

template <Statistic What>
void median_of_all(Call& call, const char* name) {  // input
  const Array& x = call.tensor(0);
  if (is_complex(x.dtype()) || x.dtype() == DType::Bool)
    fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", name,
         dtype_scalar_name(x.dtype()));
  const Array flat = x.contiguous_copy();
  Array out = Array::empty(x.dtype(), Shape());
  if (meta_call) return call.result(std::move(out));
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
      const Scratch<compute_t<T>> copy(n);
      NoGil nogil(n, 5000);
      *out.data<T>() = p[select_position(load_row(p, n, buffer.mine()), n, What, 0, copy.get())];
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
            [k](const auto* p, int64_t m, int64_t* work) {
              return select_position(p, m, Statistic::Kth, k - 1, work_as(p, work));
            });
}

RL_KERNEL(median_dim) { median_along<Statistic::Median>(call, "median"); }
RL_KERNEL(nanmedian_dim) { median_along<Statistic::NanMedian>(call, "nanmedian"); }
RL_KERNEL(median_all) { median_of_all<Statistic::Median>(call, "median"); }
RL_KERNEL(nanmedian_all) { median_of_all<Statistic::NanMedian>(call, "nanmedian"); }

}  // namespace rl
