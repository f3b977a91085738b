// Losses element by element, reduced in the same pass: mse_loss, binary_cross_entropy and
// binary_cross_entropy_with_logits.
//
//   mse     l = (x - t)^2                                           dx = 2 (x - t) g
//   bce     l = -w (t log x + (1 - t) log(1 - x)), logs >= -100     dx = w (x - t) / (x (1 - x)) g
//   logits  l = w ((1 - t) x + q (log(1 + exp(-|x|)) + max(-x, 0))), q = 1 + (pos_weight - 1) t
//           dx = w (1 - t - q / (1 + e^x)) g
//
// x, t and the weights are broadcast to one shape beforehand; each is read once.
#include "core/layout.h"
#include "loss.h"
#include "soft_plus.h"

namespace rl {
namespace {

enum class Loss { Mse, Bce, Logits };

template <class C>
C magnitude(C x) {
  return x < 0 ? -x : x;
}

// w and q may be null (1).
template <Loss L, class C>
void loss_run(const C* x, const C* t, const C* w, const C* q, int64_t n, C* out) {
  if constexpr (L == Loss::Mse) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = (x[i] - t[i]) * (x[i] - t[i]);
  } else if constexpr (L == Loss::Bce) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const C a = vlog(x[i]), b = vlog(C(1) - x[i]);
      out[i] = (t[i] - C(1)) * (b < C(-100) ? C(-100) : b) - t[i] * (a < C(-100) ? C(-100) : a);
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i)
      out[i] = log1p_of_part(exp_nonpositive(-magnitude(x[i]))) + (x[i] < 0 ? -x[i] : C(0));
    if (q)
      for (int64_t i = 0; i < n; ++i) out[i] *= C(1) + (q[i] - C(1)) * t[i];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] += (C(1) - t[i]) * x[i];
  }
  if (w)
    for (int64_t i = 0; i < n; ++i) out[i] *= w[i];
}

template <Loss L, class C>
void gradient_run(const C* x, const C* t, const C* w, const C* q, int64_t n, C* out) {
  if constexpr (L == Loss::Mse) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = C(2) * (x[i] - t[i]);
  } else if constexpr (L == Loss::Bce) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const C d = (C(1) - x[i]) * x[i];
      out[i] = (x[i] - t[i]) / (d < C(1e-12) ? C(1e-12) : d);
    }
  } else {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
      const C e = exp_nonpositive(-magnitude(x[i]));
      out[i] = (x[i] < 0 ? C(1) : e) / (C(1) + e);  // 1 / (1 + exp x)
    }
    if (q)
      for (int64_t i = 0; i < n; ++i) out[i] *= C(1) + (q[i] - C(1)) * t[i];
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = (C(1) - t[i]) - out[i];
  }
  if (w)
    for (int64_t i = 0; i < n; ++i) out[i] *= w[i];
}

struct Operands {
  Array x, t, w, q;
  bool has_w, has_q;
};

Array expanded(const Array& a, DType t, Shape shape) {
  return a.to(t).expand(shape).contiguous_copy();
}

// Arguments `first` (x), first + 1 (t), then `weight` and `pos` (-1: the loss has none).
Operands operands(const Call& call, int first, int weight, int pos) {
  const Array &x = call.tensor(first), &t = call.tensor(first + 1);
  DType dtype = promote(x.dtype(), t.dtype());
  const Array* w = weight < 0 ? nullptr : call.tensor_or_null(weight);
  const Array* q = pos < 0 ? nullptr : call.tensor_or_null(pos);
  const std::vector<int64_t> shape = broadcast_shapes(call.name(), x.shape(), t.shape());
  if (w && w->ndim()) dtype = promote(dtype, w->dtype());
  return {expanded(x, dtype, shape),
          expanded(t, dtype, shape),
          w ? expanded(*w, dtype, shape) : Array(),
          q ? expanded(*q, dtype, shape) : Array(),
          w != nullptr,
          q != nullptr};
}

template <class T>
const T* data_or_null(const Array& a, bool there) {
  return there ? a.data<T>() : nullptr;
}

// Buffers of one piece, for the half types.
template <class T>
struct Piece {
  compute_t<T> x[kPiece], t[kPiece], w[kPiece], q[kPiece], out[kPiece];
};

template <class T>
void put_row(T* p, int64_t n, const compute_t<T>* x) {
  if constexpr (std::is_same_v<T, compute_t<T>>)
    std::copy_n(x, n, p);
  else
    narrow_run(p, n, x);
}

// f(x, t, w, q, out, i, n) over pieces of [i0, i1), in the compute type.
template <class T, class F>
void each_piece(const Operands& o, int64_t i0, int64_t i1, F&& f) {
  Piece<T> b;
  const T *x = o.x.data<T>(), *t = o.t.data<T>();
  const T *w = data_or_null<T>(o.w, o.has_w), *q = data_or_null<T>(o.q, o.has_q);
  for (int64_t i = i0; i < i1; i += kPiece) {
    const int64_t n = std::min(kPiece, i1 - i);
    f(load_row(x + i, n, b.x), load_row(t + i, n, b.t), w ? load_row(w + i, n, b.w) : nullptr,
      q ? load_row(q + i, n, b.q) : nullptr, b.out, i, n);
  }
}

// Whether all lie in [0, 1]: their distances from it add up to zero, and NaN to no number.
template <class C>
bool inside(const C* p, int64_t n) {
  C outside = 0;
#pragma omp simd reduction(+ : outside)
  for (int64_t i = 0; i < n; ++i) {
    const C below = p[i] < C(0) ? -p[i] : C(0), above = p[i] - C(1);
    outside += below + (above < C(0) ? C(0) : above);
  }
  return outside == C(0);
}

// What is found out about a run of elements.
struct Part {
  double sum = 0;
  bool odd_input = false, odd_target = false;  // something outside of [0, 1]
};
constexpr int64_t kPart = 8192;  // elements, so that sums do not depend on the number of threads

template <Loss L>
constexpr const char* kLossName = L == Loss::Mse   ? "mse_cpu"
                                  : L == Loss::Bce ? "binary_cross_entropy"
                                                   : "binary_cross_entropy_with_logits";
template <Loss L>
constexpr double kLossCost = L == Loss::Mse   ? 0.1
                             : L == Loss::Bce ? 1.5
                                              : 0.7;  // ns an element
template <Loss L>
constexpr double kGradientCost = L == Loss::Logits ? 0.5 : 0.2;

// input, target, [weight, [pos_weight,]] reduction
template <Loss L>
void loss_kernel(Call& call, int weight, int pos, int reduction_at) {
  const Operands o = operands(call, 0, weight, pos);
  const Reduction reduction = reduction_of(call, reduction_at);
  const int64_t n = o.x.numel();
  Array out = Array::empty(o.x.dtype(), reduction == Reduction::None ? o.x.shape() : Shape());
  bool odd_input = false, odd_target = false;
  visit_real(kLossName<L>, o.x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    const int64_t parts = meta_call ? 0 : (n + kPart - 1) / kPart;
    std::vector<Part> found(static_cast<size_t>(parts));
    {
      NoGil nogil(n);
      parallel_for(parts, grain_of(kLossCost<L> * kPart), [&](int64_t p0, int64_t p1) {
        for (int64_t p = p0; p < p1; ++p) {
          Part part;
          each_piece<T>(
              o, p * kPart, std::min(n, (p + 1) * kPart),
              [&](const C* x, const C* t, const C* w, const C* q, C* buf, int64_t i, int64_t m) {
                if constexpr (L == Loss::Bce) {
                  part.odd_input |= !inside(x, m);
                  part.odd_target |= !inside(t, m);
                }
                loss_run<L, C>(x, t, w, q, m, buf);
                if (reduction != Reduction::None)
                  part.sum += sum_run<C>(buf, m);
                else
                  put_row(out.data<T>() + i, m, buf);
              });
          found[p] = part;
        }
      });
    }
    double sum = 0;
    for (const Part& part : found) {
      sum += part.sum;
      odd_input |= part.odd_input;
      odd_target |= part.odd_target;
    }
    if (reduction == Reduction::None) return;
    if (reduction == Reduction::Mean) sum /= static_cast<double>(n);
    *out.data<T>() = T(static_cast<C>(sum));
  });
  if (odd_input) fail(ErrorType::Runtime, "all elements of input should be between 0 and 1");
  if (odd_target) fail(ErrorType::Runtime, "all elements of target should be between 0 and 1");
  if (reduction == Reduction::None && !call.tensor(0).contiguous()) {
    const Array* given[] = {&call.tensor(0), &call.tensor(1)};
    const Array y = output_like(given, 2, out.shape(), out.dtype());
    copy_into(y, out);
    out = y;
  }
  call.result(std::move(out));
}

// g, input, target, [weight, [pos_weight,]] reduction
template <Loss L>
void gradient_kernel(Call& call, int weight, int pos, int reduction_at) {
  const Operands o = operands(call, 1, weight, pos);
  const Reduction reduction = reduction_of(call, reduction_at);
  const int64_t n = o.x.numel();
  const bool none = reduction == Reduction::None;
  const Array g = none ? expanded(call.tensor(0), o.x.dtype(), o.x.shape())
                       : call.tensor(0).to(o.x.dtype()).contiguous_copy();
  if (!none && g.numel() != 1)
    fail(ErrorType::Runtime, "%s: g has shape %s, expected that of the loss", call.name(),
         shape_text(g.shape()).c_str());
  Array dx = Array::empty(o.x.dtype(), o.x.shape());
  visit_real(kLossName<L>, o.x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using C = compute_t<T>;
    C scale = none ? C(1) : static_cast<C>(*g.data<T>());
    if (reduction == Reduction::Mean) scale /= static_cast<C>(n);
    NoGil nogil(n);
    parallel_for(n, grain_of(kGradientCost<L>), [&](int64_t i0, int64_t i1) {
      each_piece<T>(
          o, i0, i1,
          [&](const C* x, const C* t, const C* w, const C* q, C* buf, int64_t i, int64_t m) {
            gradient_run<L, C>(x, t, w, q, m, buf);
            const T* gi = g.data<T>() + (none ? i : 0);
            if (none)
              for (int64_t k = 0; k < m; ++k) buf[k] *= static_cast<C>(gi[k]);
            else
              for (int64_t k = 0; k < m; ++k) buf[k] *= scale;
            put_row(dx.data<T>() + i, m, buf);
          });
    });
  });
  call.result(std::move(dx));
}

}  // namespace

RL_KERNEL(mse_loss) { loss_kernel<Loss::Mse>(call, -1, -1, 2); }
RL_KERNEL(mse_loss_backward) { gradient_kernel<Loss::Mse>(call, -1, -1, 3); }
RL_KERNEL(binary_cross_entropy) { loss_kernel<Loss::Bce>(call, 2, -1, 3); }
RL_KERNEL(binary_cross_entropy_backward) { gradient_kernel<Loss::Bce>(call, 3, -1, 4); }
RL_KERNEL(binary_cross_entropy_with_logits) { loss_kernel<Loss::Logits>(call, 2, 3, 4); }
RL_KERNEL(binary_cross_entropy_with_logits_backward) {
  gradient_kernel<Loss::Logits>(call, 3, 4, 5);
}

}  // namespace rl
