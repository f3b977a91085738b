// index_reduce: source combined into entries of x along one dim by prod, mean, amax or amin.
//
// Entries of x that take no part start from the neutral value; then one pass over the source in
// the order of the index (index_plan.h), and for the mean a division by the counts.
#include "index_plan.h"

namespace rl {
namespace {

enum class Reduce { Sum, Prod, Mean, Amax, Amin };

Reduce reduce_of(const char* op, std::string_view name) {
  if (name == "prod") return Reduce::Prod;
  if (name == "mean") return Reduce::Mean;
  if (name == "amax") return Reduce::Amax;
  if (name == "amin") return Reduce::Amin;
  fail(ErrorType::Runtime, "%s: reduce argument must be either prod, mean, amax or amin, got %s.",
       op, std::string(name).c_str());
}

template <Reduce r, class T>
T reduce_pair(T a, T b) {
  using A = typename accumulate_type<T>::type;
  if constexpr (std::is_same_v<T, c64> || std::is_same_v<T, c128>) {
    return r == Reduce::Prod ? a * b : a + b;
  } else if constexpr (std::is_same_v<T, bool>) {
    return r == Reduce::Prod || r == Reduce::Amin ? a && b : a || b;
  } else {
    const A x = a, y = b;
    if constexpr (r == Reduce::Prod) return static_cast<T>(x * y);
    if constexpr (r == Reduce::Amax) return is_nan(a) ? a : is_nan(b) || y > x ? b : a;
    if constexpr (r == Reduce::Amin) return is_nan(a) ? a : is_nan(b) || y < x ? b : a;
    return static_cast<T>(x + y);
  }
}

// Rows that receive something start from the neutral value when x itself does not take part.
void reset_rows(const Plan& plan, const Array& y, Reduce r) {
  double v = r == Reduce::Prod ? 1 : 0;
  const bool real = is_real(y.dtype());
  if (r == Reduce::Amax || r == Reduce::Amin) {
    const double sign = r == Reduce::Amax ? -1 : 1;
    if (real) {
      v = sign * INFINITY;
    } else {
      const Array edge = Array::empty(y.dtype(), Shape());
      const int bits = y.item() * 8;
      const bool uns = y.dtype() == DType::U8 || y.dtype() == DType::Bool;
      const int64_t top = y.dtype() == DType::Bool ? 1
                          : uns ? 255
                                : static_cast<int64_t>((uint64_t{1} << (bits - 1)) - 1);
      fill(edge, sign < 0 ? (uns ? int64_t{0} : -top - 1) : top);
      scatter_plan(plan, y, edge);
      return;
    }
  }
  scatter_plan(plan, y, Array::scalar(v, y.dtype()));
}

// mean: sums divided by how many values each row of x received.
void divide_rows(const Plan& plan, const Array& y, int dim, bool include_self) {
  const int64_t n = y.size(dim), step = y.stride(dim) * y.item();
  std::vector<int64_t> count(n, include_self ? 1 : 0);
  const int64_t* offsets = plan.offsets.data<int64_t>();
  for (int64_t j = 0; j < plan.positions(); ++j) ++count[step ? offsets[j] / step : 0];
  for (int64_t i = 0; i < n; ++i) {
    if (count[i] < 2) continue;
    const Array row = y.slice(dim, i, i + 1, 1);
    Walk<1> walk;
    walk.push_all(row.shape(), {&row});
    visit_all(y.dtype(), [&](auto tag) {
      using T = decltype(tag);
      walk.range(0, walk.numel, [&](char* const* p, const int64_t* s, int64_t m) {
        for (int64_t k = 0; k < m; ++k) {
          T& v = *reinterpret_cast<T*>(p[0] + k * s[0]);
          if constexpr (std::is_integral_v<T>) {
            const int64_t a = v, q = a / count[i];
            v = static_cast<T>(q - (a % count[i] < 0));
          } else {
            using A = typename accumulate_type<T>::type;
            v = static_cast<T>(static_cast<A>(v) / static_cast<A>(static_cast<double>(count[i])));
          }
        }
      });
    });
  }
}

}  // namespace

RL_KERNEL(index_reduce) {  // input, dim, index, source, reduce, include_self
  const int dim = call.dim(1, call.tensor(0).ndim());
  const Array& index = call.tensor(2);
  Array source = call.tensor(3);
  const Reduce r = reduce_of("index_reduce()", call.string(4));
  const bool include_self = call.boolean(5);
  check_index_vector("index_reduce()", index);
  check_source("index_reduce()", at_least_1d(call.tensor(0)), dim, index, source);
  if (is_complex(source.dtype()) || (r == Reduce::Mean && source.dtype() == DType::Bool))
    fail(ErrorType::NotImplemented, "\"index_reduce\" not implemented for '%s'",
         dtype_scalar_name(source.dtype()));
  const Array y = writable(call, 0);
  const Array x = at_least_1d(y);
  const Plan plan = one_dim_plan(x, dim, index, false, "index out of range in self");
  if (may_overlap(source, y)) source = source.clone();
  if (!include_self) reset_rows(plan, x, r);
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto combine = [&](auto pair) { combine_plan<T>(plan, x, source, pair); };
    switch (r) {
      case Reduce::Prod: return combine([](T u, T v) { return reduce_pair<Reduce::Prod>(u, v); });
      case Reduce::Amax: return combine([](T u, T v) { return reduce_pair<Reduce::Amax>(u, v); });
      case Reduce::Amin: return combine([](T u, T v) { return reduce_pair<Reduce::Amin>(u, v); });
      default: return combine([](T u, T v) { return reduce_pair<Reduce::Sum>(u, v); });
    }
  });
  if (r == Reduce::Mean) divide_rows(plan, x, dim, include_self);
  call.result(y);
}

}  // namespace rl
