// var, std, var_mean, std_mean.
//
//   mean[k] = sum_r x[k, r] / n
//   var[k]  = sum_r (x[k, r] - mean[k])^2 / max(n - correction, 0)
//
// One read of x from memory, see moments.h. A complex input has the variances of its real and
// imaginary parts added.
#include "moments.h"

namespace rl {
namespace {

// params: [0] correction, [1] square root wanted.
template <class T>
struct Variance {
  using C = compute_t<T>;

  static void init(void* acc, int64_t n) {
    std::fill_n(static_cast<Moments*>(acc), n, Moments{0, 0, 0});
  }
  static void merge(void* acc, const void* other, int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
      const Moments& o = static_cast<const Moments*>(other)[j];
      if (o.count > 0) static_cast<Moments*>(acc)[j].merge(o.count, o.mean, o.m2);
    }
  }

  static void row(Moments& acc, const T* p, int64_t n, int64_t stride) {
    C buf[kRun];
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t m = std::min(kRun, n - i);
      const T* r = p + i * stride;
      const C* q = buf;
      if constexpr (std::is_same_v<T, C>) {
        if (stride == 1)
          q = r;
        else
          for (int64_t k = 0; k < m; ++k) buf[k] = r[k * stride];
      } else {
        for (int64_t k = 0; k < m; ++k) buf[k] = static_cast<C>(r[k * stride]);
      }
      moment_run<C>(acc, q, m);
    }
  }

  static void fold(void* acc_, const char* p_, int64_t width, int64_t wstride, int64_t rows,
                   int64_t rstride, int64_t, const double*) {
    Moments* acc = static_cast<Moments*>(acc_);
    const T* p = reinterpret_cast<const T*>(p_);
    if (wstride == 1 && rstride != 1 && width >= 4)
      moment_columns<T>(acc, p, width, rows, rstride);
    else
      for (int64_t j = 0; j < width; ++j) row(acc[j], p + j * wstride, rows, rstride);
  }

  static T narrow(double x) {
    if constexpr (is_half(dtype_of<T>::value))
      return T(static_cast<float>(x));
    else
      return static_cast<T>(x);
  }
  static void finish(char* const* out, const int64_t* strides, const void* acc, int64_t n,
                     const double* params) {
    T* var = reinterpret_cast<T*>(out[0]);
    T* mean = reinterpret_cast<T*>(out[1]);
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    for (int64_t j = 0; j < n; ++j) {
      const Moments& m = static_cast<const Moments*>(acc)[j];
      // 0 / 0 is NaN and something / 0 is inf, as in PyTorch.
      const double v = m.count > 0 ? m.m2 / std::max(m.count - params[0], 0.0) : nan;
      var[j * strides[0]] = narrow(params[1] != 0 ? std::sqrt(v) : v);
      if (mean) mean[j * strides[1]] = narrow(m.count > 0 ? m.mean : nan);
    }
  }
  static constexpr ReduceLoops loops{
      sizeof(Moments), 0.03 * sizeof(T), 24, false, init, fold, merge, finish};
};

void variance(const Array& x, uint64_t mask, const double* params, const Array& var,
              const Array* mean) {
  visit_all(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (is_real(dtype_of<T>::value))
      reduce(x, mask, Variance<T>::loops, var, params, mean);
  });
}

// One part of a complex array as a strided real one.
Array part_of(const Array& x, int part) {
  int64_t strides[kMaxDims];
  for (int d = 0; d < x.ndim(); ++d) strides[d] = 2 * x.stride(d);
  return Array::over(x.storage_ref(), to_real(x.dtype()), 2 * x.offset() + part, x.shape(),
                     Shape(strides, x.ndim()));
}

template <class T>
void join_parts(const Array* var, const Array* mean, const Array& out_var, const Array* out_mean,
                bool root) {
  for (int64_t i = 0; i < out_var.numel(); ++i) {
    const T v = var[0].data<T>()[i] + var[1].data<T>()[i];
    out_var.data<T>()[i] = root ? std::sqrt(v) : v;
    if (out_mean)
      out_mean->data<std::complex<T>>()[i] = {mean[0].data<T>()[i], mean[1].data<T>()[i]};
  }
}

// input, dim, correction, keepdim; results: variance or deviation, and the mean.
void moments(Call& call, bool root, bool with_mean) {
  const Array& x = call.tensor(0);
  if (is_integral(x.dtype()))
    fail(ErrorType::Runtime,
         "%s: std and var only support floating point and complex dtypes: got %s", call.name(),
         dtype_name(x.dtype()));
  const uint64_t mask = reduce_mask(call, 1, x.ndim());
  const double params[2] = {call.none(2) ? 1.0 : call.real(2), root ? 1.0 : 0.0};
  const bool keepdim = call.boolean(3);
  Array var = reduced_result(x, mask, keepdim, to_real(x.dtype()));
  Array mean;
  if (with_mean) mean = reduced_result(x, mask, keepdim, x.dtype());
  if (is_complex(x.dtype())) {
    const double plain[2] = {params[0], 0};
    Array vars[2], means[2];
    for (int part = 0; part < 2; ++part) {
      vars[part] = Array::empty_like(var);
      means[part] = Array::empty_like(var);
      variance(part_of(x, part), mask, plain, vars[part], &means[part]);
    }
    const Array* m = with_mean ? &mean : nullptr;
    if (x.dtype() == DType::C64)
      join_parts<float>(vars, means, var, m, root);
    else
      join_parts<double>(vars, means, var, m, root);
  } else {
    variance(x, mask, params, var, with_mean ? &mean : nullptr);
  }
  call.result(std::move(var));
  if (with_mean) call.result(std::move(mean));
}

}  // namespace

RL_KERNEL(var) { moments(call, false, false); }
RL_KERNEL(std) { moments(call, true, false); }
RL_KERNEL(var_mean) { moments(call, false, true); }
RL_KERNEL(std_mean) { moments(call, true, true); }

}  // namespace rl
