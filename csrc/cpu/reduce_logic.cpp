// any and all: is there an element that is not zero, or none that is?        at most one read of x,
// see reduce.h
#include "reduce.h"

namespace rl {
namespace {

// any: out = some x != 0; all = no x is 0, so both look for one kind of element and may stop.
template <class T, bool Any>
struct Quantifier {
  static bool hit(T x) { return (static_cast<compute_t<T>>(x) != compute_t<T>(0)) == Any; }
  static void init(void* acc, int64_t n) { std::memset(acc, 0, n); }
  static void merge(void* acc, const void* other, int64_t n) {
    for (int64_t j = 0; j < n; ++j)
      static_cast<uint8_t*>(acc)[j] |= static_cast<const uint8_t*>(other)[j];
  }
  static void fold(void* acc_, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t, const double*) {
    uint8_t* acc = static_cast<uint8_t*>(acc_);
    const T* p = reinterpret_cast<const T*>(p_);
    if (wstride == 1 && rstride != 1) {
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t j = 0; j < width; ++j) acc[j] |= static_cast<uint8_t>(hit(p[j + r * rstride]));
      return;
    }
    for (int64_t j = 0; j < width; ++j) {
      const T* q = p + j * wstride;
      for (int64_t i = 0; i < rows && !acc[j]; i += kChunk) {
        const int64_t end = std::min(rows, i + kChunk);
        uint8_t found = 0;
        if (rstride == 1)
          for (int64_t k = i; k < end; ++k) found |= static_cast<uint8_t>(hit(q[k]));
        else
          for (int64_t k = i; k < end; ++k) found |= static_cast<uint8_t>(hit(q[k * rstride]));
        acc[j] |= found;
      }
    }
  }
  static void finish(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                     const double*) {
    for (int64_t j = 0; j < n; ++j)
      out[0][j * strides[0]] = (static_cast<const uint8_t*>(acc)[j] != 0) == Any;
  }
  static constexpr ReduceLoops loops{1,     0.01 + 0.01 * sizeof(T), 24, true, init, fold, merge,
                                     finish};
};

template <bool Any>
void quantify(Call& call) {  // input, dim, keepdim
  const Array& x = call.tensor(0);
  // Here () means no dim.
  const uint64_t mask = no_dims(call.args[1]) ? 0 : reduce_mask(call, 1, x.ndim());
  // PyTorch keeps uint8 for uint8 inputs, from before it had bool.
  const DType t = x.dtype() == DType::U8 ? DType::U8 : DType::Bool;
  Array out = reduced_result(x, mask, flag(call, 2), t);
  visit_all(x.dtype(), [&](auto tag) {
    using Q = Quantifier<decltype(tag), Any>;
    uint8_t found = 0;
    // Often the answer lies near the front, and needs no threads.
    if (out.numel() == 1 && x.contiguous() && x.numel() >= 8 * kChunk && !meta_call)
      Q::fold(&found, x.bytes(), 1, 0, 8 * kChunk, 1, 0, nullptr);
    if (found)
      *out.bytes() = Any;
    else
      reduce(x, mask, Q::loops, out);
  });
  call.result(std::move(out));
}

}  // namespace

RL_KERNEL(any) { quantify<true>(call); }
RL_KERNEL(all) { quantify<false>(call); }

}  // namespace rl
