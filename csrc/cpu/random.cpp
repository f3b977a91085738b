// Uniform numbers and what the inverse functions make of them, in place.
//
//   uniform                         lo + U (hi - lo), one fused multiply-add          (n)
//   exponential, cauchy, geometric  the inverse functions in double precision         (n)
//
// One pass: a chunk of words is drawn into L1, transformed by vector code and stored.
#include "random_fill.h"

namespace rl {
namespace {

// -- uniform ------------------------------------------------

const char* c_name(DType t) {
  switch (t) {
    case DType::F16: return "c10::Half";
    case DType::BF16: return "c10::BFloat16";
    case DType::F64: return "double";
    default: return "float";
  }
}

double largest(DType t) {
  switch (t) {
    case DType::F16: return 65504.0;
    case DType::BF16: return 0x1.FEp127;
    case DType::F64: return 0x1.fffffffffffffp1023;
    default: return 0x1.fffffep127;
  }
}

void check_uniform(DType t, double lo, double hi) {
  const double most = largest(t);
  if (!(lo >= -most && lo <= most))
    fail(ErrorType::Runtime, "uniform_: from is out of bounds for %s: got %g", c_name(t), lo);
  if (!(hi >= -most && hi <= most))
    fail(ErrorType::Runtime, "uniform_: to is out of bounds for %s: got %g", c_name(t), hi);
  if (lo > hi)
    fail(ErrorType::Runtime,
         "uniform_ expects to return a [from, to) range, but found from=%g > to=%g", lo, hi);
  if (hi - lo > most)
    fail(ErrorType::Runtime,
         "uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found to=%g and from=%g "
         "which result in to-from to exceed the limit",
         dtype_scalar_name(t), hi, lo);
}

template <class T>
void fill_uniform(Generator& g, T* out, int64_t n, double from, double to) {
  const float lo = static_cast<float>(from), hi = static_cast<float>(to), span = hi - lo;
  const T low(lo);
  const float high = T(hi);
  draw_chunks(g, n, 1, [&](const uint32_t* words, int64_t first, int64_t count) {
    T* y = out + first;
    if (lo == 0.0f && hi == 1.0f && std::is_same_v<T, float>) {
#pragma omp simd
      for (int64_t i = 0; i < count; ++i) y[i] = unit24(words[i]);
      return;
    }
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const T v(std::fma(unit24(words[i]), span, lo));
      y[i] = static_cast<float>(v) == high ? low : v;
    }
  });
}

void fill_uniform(Generator& g, double* out, int64_t n, double lo, double hi) {
  const double span = hi - lo;
  draw_chunks(g, n, 2, [&](const uint32_t* words, int64_t first, int64_t count) {
    double* y = out + first;
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) {
      const double v = std::fma(unit53(words + 2 * i), span, lo);
      y[i] = v == hi ? lo : v;
    }
  });
}

// exponential, cauchy, geometric: value = f(U53) in `ns`, rounded to the output's type.
template <class F>
void inverse_into(const char* name, const Array& out, Generator& generator, double ns, F&& f) {
  if (on_meta(out)) return;
  const Target target(name, out);
  {
    Drawing drawing(generator, target.size());
    visit_floating(out.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* y = target.data<T>();
      draw_costly_doubles(drawing.g, target.size(), ns,
                          [&](int64_t i, double u) { y[i] = rounded<T>(f(u)); });
    });
  }
  target.finish();
}

// As the processor converts: what does not fit becomes the smallest value before narrowing.
template <class T>
T truncated(double v) {
  if constexpr (sizeof(T) == 8)
    return v < 0x1p63 ? static_cast<int64_t>(v) : std::numeric_limits<int64_t>::min();
  return static_cast<T>(v < 0x1p31 ? static_cast<int32_t>(v) : std::numeric_limits<int32_t>::min());
}

void need_floating(const char* name, const Array& out) {
  if (!is_real(out.dtype()))
    fail(ErrorType::Runtime,
         "%s distribution is a continuous probability distribution. dtype must be a floating "
         "point but you specified %s",
         name, dtype_scalar_name(out.dtype()));
}

}  // namespace

// Arguments: input, from, to, generator.
RL_KERNEL(uniform_fill) {
  Generator& generator = generator_of(call.args[3]);
  const double lo = call.real(1), hi = call.real(2);
  const Array out = output_of(call);
  const Array flat = is_complex(out.dtype()) ? real_view(out) : out;
  if (!is_real(flat.dtype())) not_implemented("check_uniform_bounds", flat.dtype());
  check_uniform(flat.dtype(), lo, hi);
  if (!on_meta(out)) {
    const Target target("uniform_", flat);
    {
      Drawing drawing(generator, target.size());
      visit_floating(flat.dtype(), [&](auto tag) {
        fill_uniform(drawing.g, target.data<decltype(tag)>(), target.size(), lo, hi);
      });
    }
    target.finish();
  }
  call.result(out);
}

// Arguments: input, lambd, generator.
RL_KERNEL(exponential_fill) {
  Generator& generator = generator_of(call.args[2]);
  const double lambd = call.real(1);
  const Array out = output_of(call);
  need_floating("Exponential", out);
  if (!(lambd > 0.0))
    fail(ErrorType::Runtime, "exponential_ expects lambda > 0.0, but found lambda=%g", lambd);
  const double scale = -1.0 / lambd;
  inverse_into("exponential_", out, generator, 13,
               [=](double u) { return scale * exact_log1p(-u); });
  call.result(out);
}

// Arguments: input, median, sigma, generator.
RL_KERNEL(cauchy_fill) {
  Generator& generator = generator_of(call.args[3]);
  const double median = call.real(1), sigma = call.real(2);
  const Array out = output_of(call);
  need_floating("Cauchy", out);
  if (!(sigma > 0.0))
    fail(ErrorType::Runtime, "cauchy_ expects sigma > 0.0, but found sigma=%g", sigma);
  inverse_into("cauchy_", out, generator, 18,
               [=](double u) { return std::fma(exact_tan(M_PI * (u - 0.5)), sigma, median); });
  call.result(out);
}

// Arguments: input, p, generator.
RL_KERNEL(geometric_fill) {
  Generator& generator = generator_of(call.args[2]);
  const double p = call.real(1);
  const Array out = output_of(call);
  const DType t = out.dtype();
  if (!(p > 0.0 && p < 1.0))
    fail(ErrorType::Runtime, "geometric_ expects p to be in (0, 1), but got p=%g", p);
  if (t == DType::Bool || is_complex(t)) not_implemented("geometric_cpu", t);
  const double scale = exact_log1p(-p), ns = 6;
  const auto value = [=](double u) { return std::ceil(exact_log(u) / scale); };
  if (is_real(t)) {
    inverse_into("geometric_", out, generator, ns, value);
  } else if (!on_meta(out)) {
    const Target target("geometric_", out);
    {
      Drawing drawing(generator, target.size());
      visit_all(t, [&](auto tag) {
        using T = decltype(tag);
        if constexpr (std::is_integral_v<T>) {
          T* y = target.data<T>();
          draw_costly_doubles(drawing.g, target.size(), ns,
                              [&](int64_t i, double u) { y[i] = truncated<T>(value(u)); });
        }
      });
    }
    target.finish();
  }
  call.result(out);
}

}  // namespace rl
