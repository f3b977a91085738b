// Samples from given distributions.
//
//   multinomial  without replacement or one sample: the k largest p / E, E exponential (rows, n);
//                with replacement: search for U53 in the running sum of p          (rows, k)
//   poisson      products of uniforms below 10, Hoermann's transformed rejection (1993) above;
//                words are taken one by one, their number depends on the values      (n)
#include <limits>
#include <numeric>

#include "random_fill.h"

namespace rl {
namespace {

template <class T>
void check_weights(const T* p, int64_t rows, int64_t n, bool race) {
  for (int64_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const double v = static_cast<double>(p[r * n + i]);
      if (race && !(v >= 0 && std::isfinite(v)))
        fail(ErrorType::Runtime,
             "multinomial: probability tensor contains either `inf`, `nan` or element < 0");
      if (!race && !(v >= 0))
        fail(ErrorType::Runtime,
             "invalid multinomial distribution (encountering probability entry < 0)");
      if (!race && !std::isfinite(v))
        fail(ErrorType::Runtime,
             "invalid multinomial distribution (encountering probability entry = infinity or NaN)");
      sum += v;
    }
    if (!(sum > 0))
      fail(ErrorType::Runtime, "invalid multinomial distribution (sum of probabilities <= 0)");
  }
}

// Quotients p / E, where E is drawn in the order of memory.
template <class T>
void race(Generator& g, const T* p, T* q, int64_t n) {
  draw_costly_doubles(g, n, 13, [&](int64_t i, double u) {
    const T e = rounded<T>(-exact_log1p(-u));
    if constexpr (std::is_same_v<T, double>)
      q[i] = p[i] / e;
    else
      q[i] = T(static_cast<float>(p[i]) / static_cast<float>(e));
  });
}

// The k largest quotients of each row, in descending order; an undefined one counts as largest.
template <class T>
void select_largest(const T* q, int64_t* out, int64_t rows, int64_t n, int64_t k) {
  std::vector<int64_t> order(n);
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = q + r * n;
    const auto before = [row](int64_t a, int64_t b) {
      const double x = row[a], y = row[b];
      if (x != x || y != y) return x != x && (y == y || a < b);
      return x > y || (x == y && a < b);
    };
    std::iota(order.begin(), order.end(), 0);
    if (k == 1)
      order[0] = *std::min_element(order.begin(), order.end(), before);
    else
      std::partial_sort(order.begin(), order.begin() + k, order.end(), before);
    std::copy_n(order.begin(), k, out + r * k);
  }
}

template <class T>
void search_sums(Generator& g, const T* p, int64_t* out, int64_t rows, int64_t n, int64_t k,
                 T* sums) {
  for (int64_t r = 0; r < rows; ++r, p += n) {
    T total = 0;
    for (int64_t i = 0; i < n; ++i) sums[i] = total += p[i];
    for (int64_t i = 0; i < n; ++i) sums[i] /= total;
    sums[n - 1] = 1;
    draw_doubles(g, k, [&](int64_t, double u) {
      *out++ = std::lower_bound(sums, sums + n, u, [](T s, double v) { return s < v; }) - sums;
    });
  }
}

int64_t poisson_by_products(Generator& g, double rate) {
  const double limit = exact_exp(-rate);
  double product = 1.0;
  for (int64_t k = 0;; ++k) {
    product *= draw_unit(g);
    if (product <= limit) return k;
  }
}

// Names follow algorithm PTRS: W. Hoermann, "The transformed rejection method for generating
// Poisson random variables", 1993.
int64_t poisson_by_rejection(Generator& g, double rate) {
  const double log_rate = exact_log(rate);
  const double b = 0.931 + 2.53 * std::sqrt(rate);
  const double a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
  const double v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = draw_unit(g) - 0.5;
    const double v = draw_unit(g);
    const double us = 0.5 - std::fabs(u);
    const double floored = std::floor((2 * a / us + b) * u + rate + 0.43);
    // A rate beyond what int64 holds ends at its smallest value, as the processor converts.
    const int64_t k = floored < 0x1p63 && floored > -0x1p63 ? static_cast<int64_t>(floored)
                                                            : std::numeric_limits<int64_t>::min();
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    const double count = static_cast<double>(k);
    if (exact_log(v) + exact_log(inverse_alpha) - exact_log(a / (us * us) + b) <=
        -rate + count * log_rate - std::lgamma(count + 1))
      return k;
  }
}

}  // namespace

// Arguments: input, num_samples, replacement, generator.
RL_KERNEL(multinomial) {
  Generator& generator = generator_of(call.args[3]);
  const Array& weights = call.tensor(0);
  const int64_t k = call.integer(1);
  const bool replacement = call.boolean(2);
  const DType t = weights.dtype();
  if (weights.ndim() != 1 && weights.ndim() != 2)
    fail(ErrorType::Runtime, "multinomial: prob_dist must be 1 or 2 dim: got %s",
         shape_text(weights.shape()).c_str());
  if (!is_real(t))
    fail(ErrorType::Runtime, "multinomial only supports floating-point dtypes for input, got: %s",
         dtype_scalar_name(t));
  const int64_t n = weights.size(-1);
  if (k <= 0)
    fail(ErrorType::Runtime, "multinomial: cannot sample n_sample <= 0 samples: got %lld",
         static_cast<long long>(k));
  if (!replacement && k > n)
    fail(
        ErrorType::Runtime,
        "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement: got "
        "%lld > %lld",
        static_cast<long long>(k), static_cast<long long>(n));
  const int64_t rows = weights.ndim() == 2 ? weights.size(0) : 1;
  if (n == 0 && rows > 0)
    fail(ErrorType::Runtime, "multinomial: cannot sample from a distribution of no categories");
  const bool racing = !replacement || k == 1;
  Array out =
      weights.ndim() == 2 ? Array::empty(DType::I64, {rows, k}) : Array::empty(DType::I64, {k});
  if (on_meta(out)) return call.result(std::move(out));
  if (racing) {
    // The exponentials are drawn in the order of the weights' memory.
    const Array p = weights.permute(memory_order(weights)).contiguous_copy();
    Array quotients = packed_like(weights, t);
    visit_floating(t, [&](auto tag) {
      using T = decltype(tag);
      check_weights(weights.contiguous_copy().data<T>(), rows, n, true);
      Drawing drawing(generator, rows * n);
      race(drawing.g, p.data<T>(), quotients.data<T>(), rows * n);
    });
    quotients = quotients.contiguous_copy();
    visit_floating(t, [&](auto tag) {
      select_largest(quotients.data<decltype(tag)>(), out.data<int64_t>(), rows, n, k);
    });
  } else {
    const Array p = (t == DType::F64 ? weights : weights.to(DType::F32)).contiguous_copy();
    const Array sums = Array::empty(p.dtype(), {n});
    visit_floating(p.dtype(), [&](auto tag) {
      using T = decltype(tag);
      if constexpr (sizeof(T) >= 4) {
        check_weights(p.data<T>(), rows, n, false);
        Drawing drawing(generator, rows * n);
        search_sums(drawing.g, p.data<T>(), out.data<int64_t>(), rows, n, k, sums.data<T>());
      }
    });
  }
  call.result(std::move(out));
}

// Arguments: input, generator.
RL_KERNEL(poisson) {
  Generator& generator = generator_of(call.args[1]);
  const Array& input = call.tensor(0);
  const DType t = input.dtype();
  if (!is_real(t)) not_implemented("poisson_cpu", t);
  const Array rates = input.to(DType::F64).contiguous_copy();
  const double* rate = rates.data<double>();
  const int64_t n = rates.numel();
  for (int64_t i = 0; !on_meta(input) && i < n; ++i)
    if (!(rate[i] >= 0))
      fail(ErrorType::Runtime, "invalid Poisson rate, expected rate to be non-negative: got %g",
           rate[i]);
  Array out = Array::empty(t, input.shape());
  if (!on_meta(out)) {
    Drawing drawing(generator, n * 8);
    visit_floating(t, [&](auto tag) {
      using T = decltype(tag);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t k = rate[i] == 0   ? 0
                          : rate[i] < 10 ? poisson_by_products(drawing.g, rate[i])
                                         : poisson_by_rejection(drawing.g, rate[i]);
        if constexpr (std::is_same_v<T, double>)
          out.data<T>()[i] = static_cast<double>(k);
        else
          out.data<T>()[i] = T(static_cast<float>(k));
      }
    });
  }
  call.result(std::move(out));
}

}  // namespace rl
