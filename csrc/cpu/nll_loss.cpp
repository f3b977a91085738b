// The loss over class indices of given log-probabilities: nll_loss.
//
//   l = -w[t] x[t]      mean: sum l / sum w[t] over the targets that are not ignore_index
//
// x is (N, C, S): S the trailing dims, 1 mostly; t (N, S) holds class indices. Of x only what is
// asked for is read; the gradient is zeros and one number a target.
#include "loss.h"

namespace rl {
namespace {

template <class T, class I>
void nll_rows(const Problem& p, const T* x, const I* targets, const compute_t<T>* w, double* loss,
              int64_t n0, int64_t n1) {
  using C = compute_t<T>;
  const int64_t spatial = p.spatial, row = p.classes * spatial, ignore = p.ignore;
  for (int64_t n = n0; n < n1; ++n)
    for (int64_t j = 0; j < spatial; ++j) {
      const int64_t i = n * spatial + j, t = targets[i];
      loss[i] = 0;
      if (t == ignore) continue;
      loss[i] = -static_cast<double>(w[t]) * static_cast<C>(x[n * row + t * spatial + j]);
    }
}

}  // namespace

// input, target, weight, reduction, ignore_index; results: loss, sum w[t].
RL_KERNEL(nll_loss) {
  const Array x = call.tensor(0).contiguous_copy();
  const Array* weight = call.tensor_or_null(2);
  const Array& target = call.tensor(1);
  const Problem p =
      check_problem(x.shape(), target, weight, reduction_of(call, 3), call.integer(4));
  visit_real("nll_loss_out_frame", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const Array w = class_weights<C>(weight, p.classes);
    const C* wp = w.data<C>();
    const Scratch<double> losses(p.count());
    {
      NoGil nogil(p.count());
      const T* xp = x.data<T>();
      visit_targets(p, [&](const auto* targets) {
        parallel_for(p.n, row_grain(p.spatial, 2), [&](int64_t n0, int64_t n1) {
          nll_rows<T>(p, xp, targets, wp, losses.get(), n0, n1);
        });
      });
    }
    finish_loss<T>(call, p, losses.get(), total_weight<C>(p, wp, weight), target.shape());
  });
}

// g, input_shape, target, weight, reduction, ignore_index, total
RL_KERNEL(nll_loss_backward) {
  const IntList shape = call.ints(1);
  const Array* weight = call.tensor_or_null(3);
  const Problem p =
      check_problem(shape, call.tensor(2), weight, reduction_of(call, 4), call.integer(5));
  const DType t = call.tensor(0).dtype();
  Array dx = Array::empty(t, shape);
  visit_real("nll_loss_backward", t, [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const Array w = class_weights<C>(weight, p.classes);
    const Factors<C> factors =
        loss_factors<C>(call.tensor(0), p, call.tensor(6).to(dtype_of<C>::value));
    T* dp = dx.data<T>();
    const C* wp = w.data<C>();
    NoGil nogil(dx.numel());
    const double cost = 0.1 * static_cast<double>(p.classes) + 3;
    parallel_for(p.n, row_grain(p.spatial, cost), [&](int64_t n0, int64_t n1) {
      const int64_t row = p.classes * p.spatial;
      std::memset(static_cast<void*>(dp + n0 * row), 0, (n1 - n0) * row * sizeof(T));
      for (int64_t n = n0; n < n1; ++n)
        for (int64_t j = 0; j < p.spatial; ++j) {
          const int64_t i = n * p.spatial + j, c = p.at(i);
          if (c != p.ignore) dp[n * row + c * p.spatial + j] = T(-wp[c] * factors.at(i));
        }
    });
  });
  call.result(std::move(dx));
}

}  // namespace rl
