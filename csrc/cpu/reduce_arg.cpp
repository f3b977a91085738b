// argmax, argmin and the (values, indices) pairs of max(dim), min(dim).
//
//   index[k] = first r with x[k, r] the extreme (or the first NaN), value[k] = x[k, index[k]]
//
// Rows: runs of 4096 elements are reduced with vectors and only the run that wins is searched
// for its index, so x is read once from memory. Columns: value and index side by side.
#include "reduce.h"

namespace rl {
namespace {

constexpr int64_t kRun = 4096;

template <class T, int Sign>
struct ArgExtreme {
  using C = compute_t<T>;

  // A block of n accumulators is n indices, then n values.
  static int64_t* indices(void* acc) { return static_cast<int64_t*>(acc); }
  static C* values(void* acc, int64_t n) {
    return reinterpret_cast<C*>(static_cast<int64_t*>(acc) + n);
  }

  static bool better(C x, C best) {
    if constexpr (std::is_floating_point_v<C>)
      return (Sign > 0 ? x > best : x < best) || (x != x && best == best);
    else
      return Sign > 0 ? x > best : x < best;
  }
  static C worst() {
    if constexpr (std::numeric_limits<C>::has_infinity)
      return Sign > 0 ? -std::numeric_limits<C>::infinity() : std::numeric_limits<C>::infinity();
    else
      return Sign > 0 ? std::numeric_limits<C>::lowest() : std::numeric_limits<C>::max();
  }

  static void init(void* acc, int64_t n) {
    std::fill_n(indices(acc), n, 0);
    std::fill_n(values(acc, n), n, worst());
  }
  static void merge(void* acc, const void* other_, int64_t n) {
    void* other = const_cast<void*>(other_);
    for (int64_t j = 0; j < n; ++j)
      if (better(values(other, n)[j], values(acc, n)[j])) {
        values(acc, n)[j] = values(other, n)[j];
        indices(acc)[j] = indices(other)[j];
      }
  }

  // Kept out of line: inlined into row(), GCC does not vectorise the search.
  __attribute__((noinline)) static int64_t locate(const C* p, int64_t n, C x) {
    const auto same = [x](C y) {
      if constexpr (std::is_floating_point_v<C>)
        return (y == x) | ((y != y) & (x != x));
      else
        return y == x;
    };
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) {
      uint32_t at = 64;
#pragma omp simd reduction(min : at)
      for (uint32_t l = 0; l < 64; ++l) at = std::min(at, same(p[i + l]) ? l : 64);
      if (at < 64) return i + at;
    }
    while (i < n - 1 && !same(p[i])) ++i;
    return i;
  }

  static void row(int64_t& index, C& value, const T* p, int64_t n, int64_t stride, int64_t first) {
    T raw[kRun];
    C buf[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t m = std::min(kRun, n - i);
      const T* r = p + i * stride;
      const C* q;
      if constexpr (std::is_same_v<T, C>) {
        if (stride != 1)
          for (int64_t k = 0; k < m; ++k) raw[k] = r[k * stride];
        q = stride == 1 ? r : raw;
      } else {
        for (int64_t k = 0; k < m; ++k) buf[k] = static_cast<C>(r[k * stride]);
        q = buf;
      }
      const C best = extreme_run<C, Sign>(q, m);
      if (!better(best, value)) continue;
      value = best;
      index = first + i + locate(q, m, best);
    }
  }

  static void fold(void* acc, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t first, const double*) {
    const T* p = reinterpret_cast<const T*>(p_);
    int64_t* index = indices(acc);
    C* value = values(acc, width);
    if (wstride != 1 || rstride == 1) {
      for (int64_t j = 0; j < width; ++j)
        row(index[j], value[j], p + j * wstride, rows, rstride, first);
      return;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const T* q = p + r * rstride;
#pragma omp simd
      for (int64_t j = 0; j < width; ++j) {
        const C x = static_cast<C>(q[j]);
        const bool take = better(x, value[j]);
        value[j] = take ? x : value[j];
        index[j] = take ? first + r : index[j];
      }
    }
  }
  static void finish(char* const* out, const int64_t* strides, const void* acc_, int64_t n,
                     const double*) {
    void* acc = const_cast<void*>(acc_);
    int64_t* index = reinterpret_cast<int64_t*>(out[0]);
    T* value = reinterpret_cast<T*>(out[1]);
    for (int64_t j = 0; j < n; ++j) {
      index[j * strides[0]] = indices(acc)[j];
      if (value) value[j * strides[1]] = static_cast<T>(values(acc, n)[j]);
    }
  }
  static constexpr int kBytes = 8 + (sizeof(C) < 8 ? 8 : sizeof(C));
  static constexpr ReduceLoops loops{kBytes, 0.2, 64, false, init, fold, merge, finish};
};

template <int Sign>
void arg_reduce(const Array& x, uint64_t mask, const Array& index, const Array* value) {
  visit_all(x.dtype(), [&](auto tag) {
    using Tag = decltype(tag);
    if constexpr (!is_complex(dtype_of<Tag>::value)) {
      using T = std::conditional_t<std::is_same_v<Tag, bool>, uint8_t, Tag>;
      reduce(x, mask, ArgExtreme<T, Sign>::loops, index, nullptr, value);
    }
  });
}

template <int Sign>
void arg_kernel(Call& call) {  // input, dim, keepdim
  const Array& input = call.tensor(0);
  const bool keepdim = call.boolean(2);
  if (input.dtype() == DType::Bool || is_complex(input.dtype()))
    fail(ErrorType::Runtime, "%s(): does not support %s input", call.name(),
         input.dtype() == DType::Bool ? "bool" : "complex");
  if (call.none(1)) {
    if (input.numel() == 0)
      fail(ErrorType::Index,
           "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
           "reduction dim with the 'dim' argument.",
           call.name());
    const Array flat =
        input.contiguous_copy().view(Shape(std::initializer_list<int64_t>{input.numel()}));
    Array index = reduced_result(input, ~uint64_t{0}, keepdim, DType::I64);
    arg_reduce<Sign>(flat, 1, index, nullptr);
    call.result(std::move(index));
    return;
  }
  const int dim = call.dim(1, input.ndim());
  if (input.ndim() && input.size(dim) == 0)
    fail(ErrorType::Index, "%s(): Expected reduction dim %d to have non-zero size.", call.name(),
         dim);
  Array index = reduced_result(input, uint64_t{1} << dim, keepdim, DType::I64);
  arg_reduce<Sign>(input, uint64_t{1} << dim, index, nullptr);
  call.result(std::move(index));
}

template <int Sign>
void pair_kernel(Call& call) {  // input, dim, keepdim
  const Array& x = call.tensor(0);
  const int dim = call.dim(1, x.ndim());
  const char* name = Sign > 0 ? "max" : "min";
  if (is_complex(x.dtype()))
    fail(ErrorType::Runtime, "%s(): does not support complex input: got %s", name,
         dtype_name(x.dtype()));
  if (x.ndim() && x.size(dim) == 0)
    fail(ErrorType::Index, "%s(): Expected reduction dim %d to have non-zero size.", name, dim);
  const uint64_t mask = uint64_t{1} << dim;
  const bool keepdim = call.boolean(2);
  Array value = reduced_result(x, mask, keepdim, x.dtype());
  Array index = reduced_result(x, mask, keepdim, DType::I64);
  arg_reduce<Sign>(x, mask, index, &value);
  call.result(std::move(value));
  call.result(std::move(index));
}

}  // namespace

RL_KERNEL(argmax) { arg_kernel<1>(call); }
RL_KERNEL(argmin) { arg_kernel<-1>(call); }
RL_KERNEL(max_dim) { pair_kernel<1>(call); }
RL_KERNEL(min_dim) { pair_kernel<-1>(call); }

}  // namespace rl
