// Dropout: each element is kept with probability 1 - p and then scaled by 1 / (1 - p).
//
//   mask = (k < (1 - p) 2^53), k the low 53 bits of two words; out = x * (mask ? scale : 0)
//   grad = g * (mask ? scale : 0)
//
// All arrays have the shape of x. The forward pass reads x and writes out and mask (one byte an
// element) once, in the order of memory; the words never leave L1. The factor is rounded to x's
// type before it multiplies, as PyTorch's noise tensor is.
#include "random_fill.h"

namespace rl {
namespace {

// 1 / (1 - p) as a noise tensor of the type divided by a number.
template <class T>
T quotient_scale(double p) {
  if constexpr (std::is_same_v<T, double>)
    return 1.0 / (1.0 - p);
  else
    return T(1.0f / static_cast<float>(1.0 - p));
}

template <class T>
T product(T x, T factor) {
  if constexpr (sizeof(T) >= 4)
    return x * factor;
  else
    return T(static_cast<float>(x) * static_cast<float>(factor));
}

template <class T>
void apply_mask(const T* x, const bool* mask, T* out, int64_t n, T scale) {
  const auto* keep = reinterpret_cast<const uint8_t*>(mask);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) out[i] = product(x[i], keep[i] ? scale : T(0.0f));
}

void draw_mask(Generator& g, bool* mask, int64_t n, uint64_t threshold, const auto& then) {
  draw_chunks(g, n, 2, [&](const uint32_t* words, int64_t first, int64_t count) {
    auto* keep = reinterpret_cast<uint8_t*>(mask + first);
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) keep[i] = low53(words + 2 * i) < threshold;
    then(first, count);
  });
}

bool same_memory_order(const Array& a, const Array& b) {
  if (a.contiguous() && b.contiguous()) return true;
  return a.dense() && std::equal(a.strides(), a.strides() + a.ndim(), b.strides());
}

void check_dropout(const char* name, DType t, double p) {
  if (!(p >= 0.0 && p <= 1.0))
    fail(ErrorType::Runtime, "%s: dropout probability has to be between 0 and 1, but got %g", name,
         p);
  if (is_complex(t)) not_implemented("bernoulli_scalar_cpu_", t);
  if (!is_real(t))
    fail(ErrorType::Runtime, "%s: result type Float can't be cast to the desired output type %s",
         name, dtype_scalar_name(t));
}

// Draws for every element in the order of memory, then multiplies. Results: out, mask.
template <class ScaleOf>
void drop(Call& call, const char* name, double p, const ScaleOf& scale_of) {
  const Array& given = call.tensor(0);
  check_dropout(name, given.dtype(), p);
  Array out = packed_like(given, given.dtype()), mask = packed_like(given, DType::Bool);
  const bool direct = same_memory_order(given, out);
  if (!direct) copy_into(out, given);
  const Array& x = direct ? given : out;
  if (!on_meta(out)) {
    Drawing drawing(generator_of(nullptr), x.numel());
    visit_floating(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T scale = p < 1.0 ? scale_of(tag) : T(0.0f);
      bool* keep = mask.data<bool>();
      draw_mask(
          drawing.g, keep, x.numel(), threshold53(1.0 - p), [&](int64_t first, int64_t count) {
            apply_mask(x.data<T>() + first, keep + first, out.data<T>() + first, count, scale);
          });
    });
  }
  call.result(std::move(out));
  call.result(std::move(mask));
}

// input * (mask ? scale : 0), into the destination where its memory order is the mask's.
template <class ScaleOf>
void rescale(Call& call, const char* name, const ScaleOf& scale_of) {
  const Array& x = call.tensor(0);
  const Array& mask = call.tensor(1);
  check_dropout(name, x.dtype(), 0.0);
  if (mask.dtype() != DType::Bool || !mask.same_shape(x))
    fail(ErrorType::Runtime, "%s: mask must be a bool tensor of shape %s: got %s of shape %s", name,
         shape_text(x.shape()).c_str(), dtype_name(mask.dtype()), shape_text(mask.shape()).c_str());
  const Array keep = mask.dense() ? mask : mask.contiguous_copy();
  const bool into = call.destination && same_memory_order(*call.destination, keep);
  Array out =
      into ? *call.destination : Array::empty_strided(x.dtype(), x.shape(), keep.stride_span());
  const bool direct = same_memory_order(x, keep);
  if (!direct) copy_into(out, x);
  const Array& from = direct ? x : out;
  {
    NoGil nogil(x.numel());
    visit_floating(x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      const T scale = scale_of(tag);
      parallel_for(x.numel(), grain_of(0.15), [&](int64_t i, int64_t end) {
        apply_mask(from.data<T>() + i, keep.data<bool>() + i, out.data<T>() + i, end - i, scale);
      });
    });
  }
  call.result(std::move(out));
}

}  // namespace

// Arguments: input, p.
RL_KERNEL(fused_dropout) {
  const double p = call.real(1);
  drop(call, "dropout", p, [p](auto tag) { return quotient_scale<decltype(tag)>(p); });
}

// Without training everything is kept and nothing drawn. Arguments: input, p, train.
RL_KERNEL(native_dropout) {
  const double p = call.real(1);
  if (call.none(2) || call.boolean(2)) {
    drop(call, "native_dropout", p,
         [p](auto tag) { return rounded<decltype(tag)>(1.0 / (1.0 - p)); });
    return;
  }
  Array mask = packed_like(call.tensor(0), DType::Bool);
  fill(mask, int64_t{1});
  call.result(call.tensor(0).clone());
  call.result(std::move(mask));
}

// The mask alone. Arguments: input, p.
RL_KERNEL(dropout_mask) {
  const Array& x = call.tensor(0);
  const double p = call.real(1);
  check_dropout("dropout", x.dtype(), p);
  Array mask = packed_like(x, DType::Bool);
  if (!on_meta(mask)) {
    Drawing drawing(generator_of(nullptr), x.numel());
    draw_mask(drawing.g, mask.data<bool>(), x.numel(), threshold53(1.0 - p),
              [](int64_t, int64_t) {});
  }
  call.result(std::move(mask));
}

// Arguments: input, mask, p.
RL_KERNEL(masked_dropout) {
  const double p = call.real(2);
  rescale(call, "dropout", [p](auto tag) {
    using T = decltype(tag);
    return p < 1.0 ? quotient_scale<T>(p) : T(0.0f);
  });
}

// Arguments: grad_output, mask, scale.
RL_KERNEL(native_dropout_backward) {
  const double scale = call.real(2);
  rescale(call, "native_dropout_backward",
          [scale](auto tag) { return rounded<decltype(tag)>(scale); });
}

}  // namespace rl
