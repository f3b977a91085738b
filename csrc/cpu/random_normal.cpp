// Normal numbers, in place.
//
//   normal       16 or more contiguous elements: Box-Muller over blocks of 16 (blocks, 16):
//                uniforms 0-7 give radii sqrt(-2 ln(1 - u)), uniforms 8-15 angles 2 pi u;
//                otherwise pairs in double precision, the second value kept in the generator
//   log_normal   exp(mean + std z), always from pairs                                  (n)
//
// One pass over the output; threads share the transform.
#include "random_fill.h"

namespace rl {
namespace {

// -- normal, one at a time ------------------------------------------------

struct Pair {
  double first, second;
};

Pair normal_pair(const uint32_t* words) {
  const double angle = 2.0 * M_PI * unit53(words);
  const double radius = std::sqrt(-2.0 * exact_log1p(-unit53(words + 2)));
  return {radius * exact_cos(angle), radius * exact_sin(angle)};
}

// f(i, z) of standard normals z, in any order.
template <class F>
void each_normal(Generator& g, int64_t n, F&& f) {
  int64_t done = 0;
  if (n > 0 && g.has_normal) {
    f(done++, g.normal);
    g.has_normal = false;
    g.normal = 0.0;
  }
  const int64_t pairs = (n - done) / 2;
  draw_batches(g, pairs, 4, 45, [&](const uint32_t* words, int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const Pair z = normal_pair(words + 4 * i);
      const int64_t at = done + 2 * (first + i);
      f(at, z.first);
      f(at + 1, z.second);
    }
  });
  if (done + 2 * pairs == n) return;
  uint32_t words[4];
  draw_words(g, words, 4);
  const Pair z = normal_pair(words);
  f(n - 1, z.first);
  g.normal = z.second;
  g.has_normal = true;
}

// -- normal, by blocks of 16 ------------------------------------------------

// Natural logarithm of a in (0, 1]: the single precision polynomial of the Cephes library.
inline float log_poly(float a) {
  uint32_t bits;
  std::memcpy(&bits, &a, 4);
  float e = static_cast<float>(static_cast<int32_t>(bits >> 23) - 126);
  const uint32_t mantissa = (bits & 0x007fffffu) | 0x3f000000u;
  float m;
  std::memcpy(&m, &mantissa, 4);
  const bool low = m < 0.707106781186547524f;
  e = low ? e - 1.0f : e;
  const float t = low ? (m - 1.0f) + m : m - 1.0f;
  const float z = t * t;
  float y = 7.0376836292e-2f;
  y = std::fma(y, t, -1.1514610310e-1f);
  y = std::fma(y, t, 1.1676998740e-1f);
  y = std::fma(y, t, -1.2420140846e-1f);
  y = std::fma(y, t, 1.4249322787e-1f);
  y = std::fma(y, t, -1.6668057665e-1f);
  y = std::fma(y, t, 2.0000714765e-1f);
  y = std::fma(y, t, -2.4999993993e-1f);
  y = std::fma(y, t, 3.3333331174e-1f);
  y = y * t;
  const float tail = e * -2.12194440e-4f;
  y = std::fma(y, z, tail);
  y = std::fma(-z, 0.5f, y);
  return std::fma(e, 0.693359375f, t + y);
}

// Sine and cosine of t in [0, 2 pi), Cephes single precision with fused steps.
inline void sincos_poly(float t, float* sine, float* cosine) {
  int32_t j = static_cast<int32_t>(t * 1.27323954473516f);
  j = (j + 1) & ~1;
  const float y = static_cast<float>(j);
  float x = std::fma(y, -0.78515625f, t);
  x = std::fma(y, -2.4187564849853515625e-4f, x);
  x = std::fma(y, -3.77489497744594108e-8f, x);
  const float z = x * x;
  float c = std::fma(2.443315711809948e-5f, z, -1.388731625493765e-3f);
  c = std::fma(c, z, 4.166664568298827e-2f);
  const float half = z * 0.5f;
  c = std::fma(c * z, z, -half) + 1.0f;
  float s = std::fma(-1.9515295891e-4f, z, 8.3321608736e-3f);
  s = std::fma(s, z, -1.6666654611e-1f);
  s = std::fma(s * z, x, x);
  const bool swap = j & 2;
  const float sn = swap ? c : s, cs = swap ? s : c;
  *sine = j & 4 ? -sn : sn;
  *cosine = (j + 2) & 4 ? -cs : cs;
}

// words: (blocks, 16) -> out: (blocks, 16).
template <class T>
void transform_blocks(const uint32_t* words, T* out, int64_t blocks, float mean, float std) {
  constexpr int64_t kMost = 64;
  alignas(64) float radius_of[kMost * 8], angle_of[kMost * 8], first[kMost * 8], second[kMost * 8];
  for (int64_t b0 = 0; b0 < blocks; b0 += kMost) {
    const int64_t count = std::min(kMost, blocks - b0);
    for (int64_t b = 0; b < count; ++b)
#pragma omp simd
      for (int j = 0; j < 8; ++j) {
        radius_of[b * 8 + j] = 1.0f - unit24(words[(b0 + b) * 16 + j]);
        angle_of[b * 8 + j] = 6.283185307179586f * unit24(words[(b0 + b) * 16 + 8 + j]);
      }
#pragma omp simd
    for (int64_t i = 0; i < count * 8; ++i) {
      const float radius = std::sqrt(-2.0f * log_poly(radius_of[i]));
      float s, c;
      sincos_poly(angle_of[i], &s, &c);
      first[i] = std::fma(radius * c, std, mean);
      second[i] = std::fma(radius * s, std, mean);
    }
    for (int64_t b = 0; b < count; ++b)
#pragma omp simd
      for (int j = 0; j < 8; ++j) {
        out[(b0 + b) * 16 + j] = T(first[b * 8 + j]);
        out[(b0 + b) * 16 + 8 + j] = T(second[b * 8 + j]);
      }
  }
}

void transform_blocks(const uint32_t* words, double* out, int64_t blocks, double mean, double std) {
  for (int64_t b = 0; b < blocks; ++b, words += 32, out += 16)
    for (int j = 0; j < 8; ++j) {
      const double radius = std::sqrt(-2.0 * exact_log(1.0 - unit53(words + 2 * j)));
      const double angle = 2.0 * M_PI * unit53(words + 16 + 2 * j);
      out[j] = std::fma(radius * exact_cos(angle), std, mean);
      out[j + 8] = std::fma(radius * exact_sin(angle), std, mean);
    }
}

template <class T>
void fill_normal_blocks(Generator& g, T* out, int64_t n, double mean, double std) {
  constexpr bool wide = std::is_same_v<T, double>;
  constexpr int per_block = wide ? 32 : 16;
  using Compute = std::conditional_t<wide, double, float>;
  const Compute m = static_cast<Compute>(mean), s = static_cast<Compute>(std);
  draw_batches(g, n / 16, per_block, wide ? 270 : 9,
               [&](const uint32_t* words, int64_t first, int64_t count) {
                 transform_blocks(words, out + first * 16, count, m, s);
               });
  const int rest = static_cast<int>(n % 16);
  if (rest == 0) return;
  uint32_t words[32];
  // PyTorch draws the incomplete block, throws it away and makes the last 16 values anew; its
  // narrow types skip the first of these steps.
  if constexpr (sizeof(T) >= 4) draw_words(g, words, rest * (per_block / 16));
  draw_words(g, words, per_block);
  transform_blocks(words, out + n - 16, 1, m, s);
}

template <class T>
void fill_normal(Generator& g, T* out, int64_t n, bool contiguous, double mean, double std) {
  if (n >= 16 && contiguous) return fill_normal_blocks(g, out, n, mean, std);
  each_normal(g, n, [&](int64_t i, double z) { out[i] = rounded<T>(std::fma(z, std, mean)); });
}

void check_std(double std) {
  if (!(std >= 0.0)) fail(ErrorType::Runtime, "normal expects std >= 0.0, but found std %g", std);
}

void normal_into(Array out, Generator& generator, double mean, double std) {
  check_std(std);
  if (is_complex(out.dtype())) {
    out = real_view(out);
    std /= std::sqrt(2.0);
  }
  if (!is_real(out.dtype())) not_implemented("normal_kernel_cpu", out.dtype());
  if (on_meta(out)) return;
  const Target target("normal_", out);
  {
    Drawing drawing(generator, target.size());
    visit_floating(out.dtype(), [&](auto tag) {
      using T = decltype(tag);
      fill_normal(drawing.g, target.data<T>(), target.size(), out.contiguous(), mean, std);
    });
  }
  target.finish();
}

}  // namespace

// Arguments: input, mean, std, generator.
RL_KERNEL(normal_fill) {
  Generator& generator = generator_of(call.args[3]);
  const double mean = call.real(1), std = call.real(2);
  const Array out = output_of(call);
  normal_into(out, generator, mean, std);
  call.result(out);
}

// torch.normal with tensors: mean + std z, each step rounded to the output's type.
// Arguments: mean (tensor or number), std (tensor or number), generator.
RL_KERNEL(normal) {
  Generator& generator = generator_of(call.args[2]);
  const Array* mean = call.is_tensor(0) ? &call.tensor(0) : nullptr;
  const Array* std = call.is_tensor(1) ? &call.tensor(1) : nullptr;
  if (std && is_complex(std->dtype()))
    fail(ErrorType::Runtime, "normal expects standard deviation to be non-complex");
  const Array& like = mean ? *mean : call.tensor(1);
  const DType t = like.dtype();
  IntList shape(like.shape().begin(), like.shape().end());
  if (mean && std) shape = broadcast_shapes("normal", mean->shape(), std->shape());
  if (!is_real(t) && !is_complex(t)) not_implemented("normal_kernel_cpu", t);
  Array out = Array::empty(t, shape);
  Array scale, shift;
  if (std) {
    scale = std->expand(shape).to(DType::F64).contiguous_copy();
    const double* s = scale.data<double>();
    for (int64_t i = 0; i < scale.numel(); ++i)
      if (!(s[i] >= 0.0)) fail(ErrorType::Runtime, "normal expects all elements of std >= 0.0");
  }
  if (mean)
    shift = mean->expand(shape).to(is_complex(t) ? DType::C128 : DType::F64).contiguous_copy();
  const double fixed_mean = mean ? 0.0 : call.real(0);
  normal_into(out, generator, 0.0, std ? 1.0 : call.real(1));
  const Array flat = is_complex(t) ? real_view(out) : out;
  const int parts = is_complex(t) ? 2 : 1;
  visit_floating(flat.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* y = flat.data<T>();
    const double* s = std ? scale.data<double>() : nullptr;
    const double* m = mean ? shift.data<double>() : nullptr;
    for (int64_t i = 0; i < flat.numel(); ++i) {
      double v = y[i];
      if (s) v = rounded<T>(v * s[i / parts]);
      if (m)
        v = rounded<T>(v + m[i]);
      else if (i % parts == 0)
        v = rounded<T>(v + fixed_mean);
      y[i] = rounded<T>(v);
    }
  });
  call.result(out);
}

// Arguments: input, mean, std, generator.
RL_KERNEL(log_normal_fill) {
  Generator& generator = generator_of(call.args[3]);
  const double mean = call.real(1), std = call.real(2);
  const Array out = output_of(call);
  if (!(std > 0.0))
    fail(ErrorType::Runtime, "log_normal_ expects std > 0.0, but found std=%g", std);
  if (!is_real(out.dtype())) not_implemented("log_normal_cpu", out.dtype());
  if (!on_meta(out)) {
    const Target target("log_normal_", out);
    {
      Drawing drawing(generator, target.size());
      visit_floating(out.dtype(), [&](auto tag) {
        using T = decltype(tag);
        T* y = target.data<T>();
        each_normal(drawing.g, target.size(), [&](int64_t i, double z) {
          y[i] = rounded<T>(exact_exp(std::fma(z, std, mean)));
        });
      });
    }
    target.finish();
  }
  call.result(out);
}

}  // namespace rl
