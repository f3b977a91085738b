// float32 products made of bfloat16 ones, where the user allowed it (set_float32_matmul_precision,
// fp32_precision of the backends).
//
//   "medium"  hi(A) hi(B)                                 about 3 digits
//   "high"    hi(A) hi(B) + hi(A) lo(B) + lo(A) hi(B)     about 5 digits; lo(x) = bf16(x - hi(x))
//
// Sums are float32's. Operands are rounded once, in the memory order that they have. Convolutions
// leave the rounding to oneDNN, which rounds in its own layout.
#include <cmath>

#include "matmul.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#endif

namespace rl {

int g_bf16_passes = 0;
bool g_conv_bf16 = false;

namespace {

bool has_tiles() {
#if defined(__x86_64__) || defined(_M_X64)
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1);
#else
  return false;
#endif
}

// A (rows, cols) operand rounded: its longer run stays contiguous. `low` is null for one pass.
struct Rounded {
  Array high, low;
  int64_t row, col;
  Rounded(const float* p, int64_t rows, int64_t cols, int64_t p_row, int64_t p_col, bool both) {
    const bool across = p_col == 1;
    const int64_t outer = across ? rows : cols, inner = across ? cols : rows;
    const int64_t step = across ? p_row : p_col, along = across ? p_col : p_row;
    row = across ? inner : 1, col = across ? 1 : inner;
    high = Array::empty(DType::BF16, {outer, inner});
    if (both) low = Array::empty(DType::BF16, {outer, inner});
    BFloat16 *h = high.data<BFloat16>(), *l = both ? low.data<BFloat16>() : nullptr;
    NoGil nogil(outer * inner);
    parallel_for(outer, 1 + 40000 / std::max<int64_t>(inner, 1), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* x = p + i * step;
        for (int64_t j = 0; j < inner; ++j) {
          const float v = x[j * along];
          h[i * inner + j] = static_cast<BFloat16>(v);
          if (!l) continue;
          const float rest = v - static_cast<float>(h[i * inner + j]);
          l[i * inner + j] = static_cast<BFloat16>(std::isfinite(rest) ? rest : 0.0f);
        }
      }
    });
  }
};

}  // namespace

bool multiply_in_bf16(const GemmArgs& g) {
  if (g.bias && g.alpha != c128(1)) return false;
  const bool both = g_bf16_passes > 1;
  const Rounded a(static_cast<const float*>(g.a), g.m, g.k, g.a_row, g.a_col, both);
  const Rounded b(static_cast<const float*>(g.b), g.k, g.n, g.b_row, g.b_col, both);
  GemmArgs part = g;
  part.a_row = a.row, part.a_col = a.col, part.b_row = b.row, part.b_col = b.col;
  const auto add = [&](const Array& x, const Array& y) {
    part.a = x.bytes(), part.b = y.bytes();
    if (!dnn_gemm(DType::BF16, part, 1, 0, 0, 0, true)) return false;
    part.beta = 1, part.bias = nullptr;
    return true;
  };
  if (!add(a.high, b.high)) return false;
  return !both || (add(a.high, b.low) && add(a.low, b.high));
}

// set_bf16_passes(0, 1 or 3[, wanted even without tiles]) -> what is done
RL_FUNCTION(set_bf16_passes) {
  if (nargs < 1 || nargs > 2) fail(ErrorType::Type, "set_bf16_passes: got %zd arguments", nargs);
  const int64_t passes = integer(args[0]);
  const bool always = nargs > 1 && integer(args[1]);
  g_bf16_passes =
      passes == 1 || (passes == 3 && (always || has_tiles())) ? static_cast<int>(passes) : 0;
  return PyLong_FromLong(g_bf16_passes);
}

// set_conv_bf16(wanted[, even without tiles]) -> whether it is done
RL_FUNCTION(set_conv_bf16) {
  if (nargs < 1 || nargs > 2) fail(ErrorType::Type, "set_conv_bf16: got %zd arguments", nargs);
  g_conv_bf16 = integer(args[0]) && ((nargs > 1 && integer(args[1])) || has_tiles());
  return PyBool_FromLong(g_conv_bf16);
}

}  // namespace rl
