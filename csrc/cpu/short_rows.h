// Maxima and sums of exponentials of many short rows, for softmax and cross entropy.
//
// A row is first folded into one vector; the lanes of as many vectors as there are lanes are then
// folded together, by halves, so that a row costs a few instructions and not log2(lanes) steps that
// wait for each other.
#pragma once
#include "row.h"

namespace rl {
namespace {

template <class C>
constexpr int64_t kShortRow = 8 * kLanes<C>;  // longer rows are worth a fold each

// Lane r of the result: rows[r]'s lanes, folded by op. Blocks of Block lanes hold one row each.
template <class C, int Block = kLanes<C>, class Op>
typename VecOf<C>::type fold_rows(typename VecOf<C>::type* rows, const Op& op) {
  using V = typename VecOf<C>::type;
  constexpr int L = kLanes<C>, half = Block / 2;
  const auto paired = []<int High, int... Q>(const V& a, const V& b,
                                             std::integral_constant<int, High>,
                                             std::integer_sequence<int, Q...>) {
    return __builtin_shufflevector(a, b,
                                   (Q / half % 2 * L + Q / Block * Block + Q % half + High)...);
  };
  constexpr std::make_integer_sequence<int, L> lanes{};
  for (int r = 0; r < half; ++r)
    rows[r] = op(paired(rows[r], rows[r + half], std::integral_constant<int, 0>{}, lanes),
                 paired(rows[r], rows[r + half], std::integral_constant<int, half>{}, lanes));
  if constexpr (half == 1)
    return rows[0];
  else
    return fold_rows<C, half>(rows, op);
}

// out[r] = row r's vectors, v(row, i) with what is missing filled up, folded by op.
template <class C, class Load, class Op>
void fold_each(int64_t rows, int64_t n, const Load& load, const Op& op, C* out) {
  using V = typename VecOf<C>::type;
  constexpr int L = kLanes<C>;
  for (int64_t r0 = 0; r0 < rows; r0 += L) {
    const int count = static_cast<int>(std::min<int64_t>(L, rows - r0));
    V folded[L];
    for (int r = 0; r < count; ++r) {
      V v = load(r0 + r, 0);
      for (int64_t i = L; i < n; i += L) v = op(v, load(r0 + r, i));
      folded[r] = v;
    }
    for (int r = count; r < L; ++r) folded[r] = V{};
    const V all = fold_rows<C>(folded, op);
    __builtin_memcpy(out + r0, &all, static_cast<size_t>(count) * sizeof(C));
  }
}

template <class C>
typename VecOf<C>::type load_some(const C* p, int64_t n, C fill) {
  typename VecOf<C>::type v;
  if (n >= kLanes<C>)
    load_vec<C>(v, p);
  else
    load_part<C>(v, p, n, fill);
  return v;
}
template <class C>
void store_some(C* p, int64_t n, const typename VecOf<C>::type& v) {
  if (n >= kLanes<C>)
    __builtin_memcpy(p, &v, sizeof v);
  else
    store_part<C>(p, n, v);
}

// f(i, n - i) at every vector of n elements.
template <class C, class F>
void each_vector(int64_t n, const F& f) {
  for (int64_t i = 0; i < n; i += kLanes<C>) f(i, n - i);
}

template <class C>
typename VecOf<C>::type add_lanes(const typename VecOf<C>::type& a,
                                  const typename VecOf<C>::type& b) {
  return a + b;
}

// The largest elements of rows of n: of a row with a NaN, any number.
template <class C>
void row_tops(const C* x, int64_t rows, int64_t n, C* top) {
  using V = typename VecOf<C>::type;
  fold_each<C>(
      rows, n, [&](int64_t r, int64_t i) { return load_some<C>(x + r * n + i, n - i, x[r * n]); },
      [](const V& a, const V& b) { return a > b ? a : b; }, top);
}

// The sums of exp(x - top) of rows of n, and the terms themselves where out is not null.
template <class C>
void row_exp_sums(const C* x, int64_t rows, int64_t n, const C* top, C* out, C* sum) {
  fold_each<C>(
      rows, n,
      [&](int64_t r, int64_t i) {
        constexpr C kNone = -std::numeric_limits<C>::infinity();
        auto v = load_some<C>(x + r * n + i, n - i, kNone);
        exp_lanes(v, top[r]);
        if (out) store_some<C>(out + r * n + i, n - i, v);
        return v;
      },
      add_lanes<C>, sum);
}

// The same whatever the length. A row with a NaN has the sum NaN.
template <class C>
void exp_sums(const C* x, int64_t rows, int64_t n, C* top, C* out, double* sum) {
  constexpr int64_t kRows = 16;
  for (int64_t r0 = 0; n <= kShortRow<C> && r0 < rows; r0 += kRows) {
    const int64_t m = std::min(kRows, rows - r0);
    C sums[kRows];
    row_tops<C>(x + r0 * n, m, n, top + r0);
    row_exp_sums<C>(x + r0 * n, m, n, top + r0, out ? out + r0 * n : nullptr, sums);
    std::copy_n(sums, m, sum + r0);
  }
  for (int64_t r = 0; n > kShortRow<C> && r < rows; ++r) {
    top[r] = row_top<C>(x + r * n, n);
    sum[r] = exp_sum<C>(x + r * n, n, top[r], out ? out + r * n : nullptr);
  }
}

}  // namespace
}  // namespace rl
