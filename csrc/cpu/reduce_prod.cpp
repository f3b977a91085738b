// prod: out[k] = product over r of x[k, r]        one read of x, see reduce.h
//
// float32 multiplies eight at a time in its own type where nothing near the ends of its range can
// come in between, and those products in float64; half types are widened to float32 first; integers
// and bool multiply in int64.
#include <bit>

#include "reduce.h"

namespace rl {
namespace {

template <class T>
struct Product {
  static constexpr bool kInteger = is_integral(dtype_of<T>::value);
  using C = std::conditional_t<kInteger, int64_t, compute_t<T>>;
  using Acc = typename acc_of<C>::type;
  using Out = std::conditional_t<kInteger, int64_t, T>;

  static void init(void* acc, int64_t n) { std::fill_n(static_cast<Acc*>(acc), n, Acc(1)); }
  static void merge(void* acc, const void* other, int64_t n) {
    Acc* a = static_cast<Acc*>(acc);
    for (int64_t j = 0; j < n; ++j) a[j] = times(a[j], static_cast<const Acc*>(other)[j]);
  }
  // Integers wrap around.
  static Acc times(Acc a, Acc b) {
    if constexpr (kInteger)
      return static_cast<Acc>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
    else
      return a * b;
  }
  static Acc term(T x) { return static_cast<Acc>(static_cast<C>(x)); }

  // No bit of kOutside where 2^-32 <= |x| < 2^32. With this of ab and abcd, what cd is stays in the
  // range of float too, and the product of two such fours.
  static constexpr uint32_t kOutside = uint32_t{3} << 29;
  static float four(const T* p, int64_t stride, uint32_t& seen) {
    constexpr uint32_t least = uint32_t{127 - 32} << 23;
    const float two = p[0] * p[stride], all = two * (p[2 * stride] * p[3 * stride]);
    seen |= (std::bit_cast<uint32_t>(two) - least) | (std::bit_cast<uint32_t>(all) - least);
    return all;
  }
  // acc[j] takes Rows (4 or 8) rows of floats. Not inlined: where it knows the sizes, GCC makes
  // code of it that takes half as long again.
  template <int Rows>
  [[gnu::noinline, gnu::noclone]] static void take_rows(Acc* acc, const T* p, int64_t width,
                                                        int64_t stride) {
    float got[kBlock];
    uint32_t seen = 0;
#pragma omp simd reduction(| : seen)
    for (int64_t j = 0; j < width; ++j) {
      got[j] = four(p + j, stride, seen);
      if constexpr (Rows == 8) got[j] *= four(p + j + 4 * stride, stride, seen);
    }
    if (seen & kOutside) {
      for (int r = 0; r < Rows; ++r)
        for (int64_t j = 0; j < width; ++j) acc[j] *= term(p[j + r * stride]);
    } else {
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) acc[j] *= static_cast<Acc>(got[j]);
    }
  }

  // Outputs side by side, `wstride` apart in memory.
  static void columns(Acc* acc, const T* p, int64_t width, int64_t wstride, int64_t rows,
                      int64_t rstride) {
    int64_t r = 0;
    if constexpr (std::is_same_v<T, float>) {
      if (wstride == 1) {
        for (; r + 8 <= rows; r += 8) take_rows<8>(acc, p + r * rstride, width, rstride);
        for (; r + 4 <= rows; r += 4) take_rows<4>(acc, p + r * rstride, width, rstride);
      }
    }
    if (wstride == 1) {
      for (; r + 4 <= rows; r += 4) {
        const T* a = p + r * rstride;
#pragma omp simd
        for (int64_t j = 0; j < width; ++j) {
          const Acc two = times(times(acc[j], term(a[j])), term(a[j + rstride]));
          acc[j] = times(times(two, term(a[j + 2 * rstride])), term(a[j + 3 * rstride]));
        }
      }
    }
    for (; r < rows; ++r)
      for (int64_t j = 0; j < width; ++j) {
        const int64_t at = j * wstride + r * rstride;
        acc[j] = times(acc[j], term(p[at]));
      }
  }

  // The product of a run of floats in vectors of four and eight; false where some lie outside.
  static bool take_run(const float* p, int64_t n, double& product) {
    constexpr int L = rl::kLanes<float>;
    constexpr uint32_t least = uint32_t{127 - 32} << 23;
    constexpr std::make_integer_sequence<int, L / 2> lanes{};
    using Bits = VecOf<uint32_t>::type;
    Bits seen{};
    const auto fours = [&seen](const float* q) {
      FloatVec a, b, c, d;
      load_vec<float>(a, q), load_vec<float>(b, q + L);
      load_vec<float>(c, q + 2 * L), load_vec<float>(d, q + 3 * L);
      a *= b, c *= d, c *= a;
      seen |= (std::bit_cast<Bits>(a) - least) | (std::bit_cast<Bits>(c) - least);
      return c;
    };
    VecOf<double>::type low = {}, high = {};
    low += 1, high += 1;
    int64_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
      FloatVec got = fours(p + i);
      if (i + 8 * L <= n) i += 4 * L, got *= fours(p + i);
      [&]<int... I>(std::integer_sequence<int, I...>) {
        low *= __builtin_convertvector(__builtin_shufflevector(got, got, I...), decltype(low));
        high *= __builtin_convertvector(__builtin_shufflevector(got, got, (L / 2 + I)...),
                                        decltype(low));
      }(lanes);
    }
    uint32_t outside = 0;
    for (int l = 0; l < L; ++l) outside |= seen[l];
    if (outside & kOutside) return false;
    low *= high;
    for (int l = 0; l < L / 2; ++l) product *= low[l];
    for (; i < n; ++i) product *= p[i];
    return true;
  }

  // A long row, as the columns of rows of kLanes; eight of them are one kilobyte of floats.
  static constexpr int kLanes = 32;
  static Acc row(const T* p, int64_t n, int64_t stride) {
    if constexpr (std::is_same_v<T, float>) {
      constexpr int64_t kRun = 4096;
      if (stride == 1 && n >= 64) {
        Acc product = 1;
        for (int64_t i = 0; i < n; i += kRun) {
          const int64_t m = std::min(kRun, n - i);
          if (!take_run(p + i, m, product)) product *= lanes_of(p + i, m, 1);
        }
        return product;
      }
    }
    return lanes_of(p, n, stride);
  }
  static Acc lanes_of(const T* p, int64_t n, int64_t stride) {
    alignas(64) Acc lane[kLanes];
    std::fill_n(lane, kLanes, Acc(1));
    const int64_t whole = n / kLanes * kLanes;
    if (stride == 1) {
      columns(lane, p, kLanes, 1, n / kLanes, kLanes);
    } else {
      for (int64_t i = 0; i < whole; i += kLanes)
        for (int l = 0; l < kLanes; ++l) lane[l] = times(lane[l], term(p[(i + l) * stride]));
    }
    for (int64_t i = whole; i < n; ++i)
      lane[i - whole] = times(lane[i - whole], term(p[i * stride]));
#pragma GCC unroll 6
    for (int half = kLanes / 2; half > 0; half /= 2)
      for (int l = 0; l < half; ++l) lane[l] = times(lane[l], lane[l + half]);
    return lane[0];
  }

  static void fold(void* acc_, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t, const double*) {
    Acc* acc = static_cast<Acc*>(acc_);
    const T* p = reinterpret_cast<const T*>(p_);
    if (wstride == 1 || (sizeof(T) == 1 && rows < 2 * kLanes && width >= 8))
      columns(acc, p, width, wstride, rows, rstride);
    else
      for (int64_t j = 0; j < width; ++j)
        acc[j] = times(acc[j], row(p + j * wstride, rows, rstride));
  }
  static void finish(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                     const double*) {
    Out* o = reinterpret_cast<Out*>(out[0]);
    const Acc* product = static_cast<const Acc*>(acc);
    const auto narrow = [](Acc x) {
      if constexpr (is_half(dtype_of<T>::value))
        return Out(static_cast<float>(x));
      else
        return static_cast<Out>(x);
    };
    if (strides[0] == 1)
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) o[j] = narrow(product[j]);
    else
      for (int64_t j = 0; j < n; ++j) o[j * strides[0]] = narrow(product[j]);
  }
  static constexpr double kNs = sizeof(T) < 4 ? 0.1 : 0.012 * sizeof(T);
  static constexpr int kTurn = sizeof(T) == 1 ? 0 : 24;
  static constexpr ReduceLoops loops{sizeof(Acc), kNs, kTurn, true, init, fold, merge, finish};
};

}  // namespace

RL_KERNEL(prod) {  // input, dim, keepdim, dtype
  const Array x = in_dtype(call, 3);
  const std::optional<DType> t = wanted_dtype(call, 3);
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  Array out =
      reduced_result(x, mask, flag(call, 2), is_integral(x.dtype()) ? DType::I64 : x.dtype());
  visit_all(x.dtype(), [&](auto tag) { reduce(x, mask, Product<decltype(tag)>::loops, out); });
  call.result(t ? out.to(*t) : std::move(out));
}

}  // namespace rl
