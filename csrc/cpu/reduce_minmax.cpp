// amax, amin, aminmax: out[k] = extreme over r of x[k, r], a NaN wins. One read of x.
#include "reduce.h"

namespace rl {
namespace {

template <class T, int Sign>
struct Extreme {
  using C = compute_t<T>;

  static C worst() {
    if constexpr (std::numeric_limits<C>::has_infinity)
      return Sign > 0 ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::infinity();
    else
      return Sign > 0 ? std::numeric_limits<C>::lowest() : std::numeric_limits<C>::max();
  }
  static void init(void* acc, int64_t n) { std::fill_n(static_cast<C*>(acc), n, worst()); }
  static void merge(void* acc, const void* other, int64_t n) {
    C* a = static_cast<C*>(acc);
    const C* b = static_cast<const C*>(other);
    for (int64_t j = 0; j < n; ++j) a[j] = extreme<C, Sign>(a[j], b[j]);
  }
  // n <= kChunk elements in the compute type.
  static const C* widen(const T* p, int64_t n, C* buf) {
    if constexpr (std::is_same_v<T, C>) {
      return p;
    } else {
      for (int64_t i = 0; i < n; ++i) buf[i] = static_cast<C>(p[i]);
      return buf;
    }
  }
  static C row(const T* p, int64_t n, int64_t stride) {
    if constexpr (std::is_same_v<T, BFloat16>)
      if (stride == 1) return brain_row(p, n);
    T raw[kChunk];
    C buf[kChunk];
    const int64_t chunk = std::is_same_v<T, C> && stride == 1 ? n : kChunk;
    C best = worst();
    for (int64_t i = 0; i < n; i += chunk) {
      const int64_t m = std::min(chunk, n - i);
      const C* q = widen(gather(p + i * stride, m, stride, raw), m, buf);
      best = extreme<C, Sign>(best, extreme_run<C, Sign>(q, m));
    }
    return best;
  }
  static float brain_row(const T* p, int64_t n) {
    constexpr int L = 2 * kLanes<float>;
    const int64_t steps = n / (2 * L);
    float best = worst();
    const bool odd =
        steps > 0 && extreme_vectors<float, Sign>(
                         steps, best, [p](int64_t i, auto& a, auto& b, auto& c, auto& d) {
                           widen_pairs(p + i * 2 * L, a, b);
                           widen_pairs(p + i * 2 * L + L, c, d);
                         });
    bool nan = false;
    for (int64_t i = odd ? 0 : steps * 2 * L; i < n; ++i) {
      const float x = static_cast<float>(p[i]);
      nan |= x != x;
      best = (Sign > 0 ? x > best : x < best) ? x : best;
    }
    return nan ? std::numeric_limits<float>::quiet_NaN() : best;
  }
  // acc[j] takes eight rows. A NaN shows in their sum, as infinities of both signs do: false asks
  // for a closer look.
  static bool eight_rows(C* acc, const C* p, int64_t width, int64_t stride) {
    const auto better = [](C best, C x) {
      return Sign > 0 ? (x > best ? x : best) : (x < best ? x : best);
    };
    uint32_t odd = 0;
#pragma omp simd reduction(| : odd)
    for (int64_t j = 0; j < width; ++j) {
      C best = p[j], sum = p[j];
      for (int r = 1; r < 8; ++r) {
        const C x = p[j + r * stride];
        best = better(best, x);
        if constexpr (std::is_floating_point_v<C>) sum += x;
      }
      if constexpr (std::is_floating_point_v<C>) odd |= static_cast<uint32_t>(sum != sum);
      acc[j] = extreme<C, Sign>(acc[j], best);
    }
    return !odd;
  }
  static void fold(void* acc_, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t, const double*) {
    C* acc = static_cast<C*>(acc_);
    const T* p = reinterpret_cast<const T*>(p_);
    if (wstride != 1 || rstride == 1) {
      for (int64_t j = 0; j < width; ++j)
        acc[j] = extreme<C, Sign>(acc[j], row(p + j * wstride, rows, rstride));
      return;
    }
    C buf[kBlock];
    int64_t r = 0;
    if constexpr (std::is_same_v<T, C>)
      for (; r + 8 <= rows; r += 8)
        if (!eight_rows(acc, p + r * rstride, width, rstride)) break;
    for (; r < rows; ++r) {
      const C* q = widen(p + r * rstride, width, buf);
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) acc[j] = extreme<C, Sign>(acc[j], q[j]);
    }
  }
  static void finish(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                     const double*) {
    T* o = reinterpret_cast<T*>(out[0]);
    const C* best = static_cast<const C*>(acc);
    if (strides[0] == 1)
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) o[j] = static_cast<T>(best[j]);
    else
      for (int64_t j = 0; j < n; ++j) o[j * strides[0]] = static_cast<T>(best[j]);
  }
  static constexpr ReduceLoops loops{
      sizeof(C), 0.01 + 0.01 * sizeof(T), 24, true, init, fold, merge, finish};
};

template <int Sign>
Array extreme_of(const Array& x, uint64_t mask, bool keepdim) {
  const bool whole = mask == ~uint64_t{0} && !keepdim;
  Array out =
      whole ? Array::empty(x.dtype(), Shape()) : reduced_result(x, mask, keepdim, x.dtype());
  visit_all(x.dtype(), [&](auto tag) {
    using Tag = decltype(tag);
    if constexpr (!is_complex(dtype_of<Tag>::value)) {
      // bool orders like the bytes 0 and 1 that it is.
      using T = std::conditional_t<std::is_same_v<Tag, bool>, uint8_t, Tag>;
      if (whole && x.contiguous() && x.numel() <= 16384)
        *out.data<T>() = static_cast<T>(Extreme<T, Sign>::row(x.data<T>(), x.numel(), 1));
      else
        reduce(x, mask, Extreme<T, Sign>::loops, out);
    }
  });
  return out;
}

void check_input(const char* name, const Array& x, uint64_t mask) {
  if (x.numel() > 0) {
    if (is_complex(x.dtype()))
      fail(ErrorType::NotImplemented, "\"%s\" not implemented for '%s'", name,
           dtype_scalar_name(x.dtype()));
    return;
  }
  if (mask == ~uint64_t{0})
    fail(ErrorType::Runtime,
         "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
         "reduction dim with the 'dim' argument.",
         name);
  for (int d = 0; d < x.ndim(); ++d)
    if ((mask >> d & 1) && x.size(d) == 0)
      fail(ErrorType::Index, "%s(): Expected reduction dim %d to have non-zero size.", name, d);
}

template <int Sign>
void extreme_kernel(Call& call, const char* name) {  // input, dim, keepdim
  const Array& x = call.tensor(0);
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  check_input(name, x, mask);
  call.result(extreme_of<Sign>(x, mask, call.nargs > 2 && call.boolean(2)));
}

}  // namespace

RL_KERNEL(amax) { extreme_kernel<1>(call, "amax"); }
RL_KERNEL(amin) { extreme_kernel<-1>(call, "amin"); }
RL_KERNEL(max_all) { extreme_kernel<1>(call, "max"); }
RL_KERNEL(min_all) { extreme_kernel<-1>(call, "min"); }

RL_KERNEL(aminmax) {  // input, dim, keepdim
  const Array& x = call.tensor(0);
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  if (x.numel() == 0 && mask == ~uint64_t{0})
    fail(ErrorType::Runtime,
         "aminmax(): cannot compute aminmax over an empty dimension as the operation has no "
         "identity: got shape %s",
         shape_text(x.shape()).c_str());
  check_input("aminmax", x, mask);
  const bool keepdim = call.boolean(2);
  call.result(extreme_of<-1>(x, mask, keepdim));  // a pass each: the second mostly from the cache
  call.result(extreme_of<1>(x, mask, keepdim));
}

}  // namespace rl
